"""Whether two spellings may be the same name or the same id."""

from __future__ import annotations

import html
import re
import unicodedata

_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")

MIN_PART = 4
"""From this many letters and digits on, a name that is part of another may be that name, cut or with an addition."""

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
    shorter, longer = sorted((_letters_and_digits(stated), _letters_and_digits(wanted)), key=len)
    if not shorter or shorter == longer:
        return True
    if len(shorter) < MIN_PART:
        return False
    return shorter in longer or (len(shorter) >= (1 - MAX_LOST) * len(longer) and _is_within(shorter, longer))


def _is_within(shorter: str, longer: str) -> bool:
    """Whether all letters of one are in the other, in the same order."""
    letters = iter(longer)
    return all(letter in letters for letter in shorter)


def _letters_and_digits(text: str) -> str:
    """The ASCII letters and digits of a text, without leading zeros of its numbers."""
    letters = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return _LEADING_ZEROS.sub("", "".join(one for one in letters if one.isascii() and one.isalnum()))
