"""Whether two spellings may be the same name or the same id."""

from __future__ import annotations

import html
import re
import unicodedata

_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")

MIN_PART = 4
"""From this many letters and digits on, a name that is part of another may be that name, cut or with an addition."""

MIN_CUT = 20
"""From this many characters on, a vendor may have cut a name in the middle of a number."""

MAX_LOST = 0.4
"""The share of its letters and digits that a name may have lost, anywhere, and still be the same name."""


def normalized(text: str) -> str:
    """The text without differences in case, spaces, kinds of dashes and how Unicode writes a letter."""
    dashes = "".join("-" if unicodedata.category(one) == "Pd" else one for one in unicodedata.normalize("NFKC", text))
    return " ".join(dashes.casefold().split())


def normalized_id(text: str) -> str:
    """The text as an id: normalized, and without spaces and leading zeros of its numbers."""
    return _LEADING_ZEROS.sub("", normalized(text).replace(" ", ""))


def may_be_same_name(stated: str, wanted: str) -> bool:
    """Whether a vendor that was given `wanted` may state it as `stated`.

    It may be in another spelling, escaped, cut, with an addition, or without the letters that the vendor does not keep.
    Where nothing is left to compare, it may be.
    """
    if normalized(stated) == normalized(wanted):
        return True
    has, asked = _letters_and_digits(stated), _letters_and_digits(wanted)
    shorter, longer = sorted((has, asked), key=len)
    if not shorter or shorter == longer:
        return True
    if len(shorter) < MIN_PART:
        return False
    if len(stated) >= MIN_CUT and asked.startswith(has):
        return True
    lost = len(longer) - len(shorter)
    return _is_part(shorter, longer) or (lost <= MAX_LOST * len(longer) and _is_within(shorter, longer))


def _is_part(shorter: str, longer: str) -> bool:
    """Whether one is a part of the other, and no number is cut: names often differ in the number at their end."""
    number_before = "(?<![0-9])" if shorter[0].isdigit() else ""
    number_after = "(?![0-9])" if shorter[-1].isdigit() else ""
    return re.search(f"{number_before}{re.escape(shorter)}{number_after}", longer) is not None


def _is_within(shorter: str, longer: str) -> bool:
    """Whether all letters of one are in the other, in the same order, and both have the same digits."""
    letters = iter(longer)
    return all(letter in letters for letter in shorter) and _digits(shorter) == _digits(longer)


def _digits(text: str) -> list[str]:
    return [one for one in text if one.isdigit()]


def _letters_and_digits(text: str) -> str:
    """The ASCII letters and digits of a text, without leading zeros of its numbers."""
    letters = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return _LEADING_ZEROS.sub("", "".join(one for one in letters if one.isascii() and one.isalnum()))
