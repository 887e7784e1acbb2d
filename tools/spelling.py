"""When two spellings of a name may be the same name."""

from __future__ import annotations

import html
import re
import unicodedata

_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")

SHORTEST_PART = 4
"""Letters and digits of a name from which on a part of another name may be that name, cut or with something added."""

MOST_LOST = 0.4
"""The share of its letters and digits that a name may have lost, here and there, and still be that name."""


def plain(text: str) -> str:
    """The text in one spelling: case, space, kinds of dashes and Unicode's ways of writing a letter do not count."""
    dashes = "".join("-" if unicodedata.category(one) == "Pd" else one for one in unicodedata.normalize("NFKC", text))
    return " ".join(dashes.casefold().split())


def same_id(text: str) -> str:
    """The text as an id in one spelling: as `plain`, and without leading zeros of its numbers."""
    return _ZEROS.sub("", plain(text).replace(" ", ""))


def may_be_the_same(told: str, asked: str) -> bool:
    """Whether a vendor may tell `asked` as `told`: in another spelling, escaped, cut, with something added, or without
    the letters that it does not keep. Where nothing that can be compared is left, it may be."""
    if plain(told) == plain(asked):
        return True
    shorter, longer = sorted((_bare(told), _bare(asked)), key=len)
    if not shorter or shorter == longer:
        return True
    if len(shorter) < SHORTEST_PART:
        return False
    return shorter in longer or (len(shorter) >= (1 - MOST_LOST) * len(longer) and _is_within(shorter, longer))


def _is_within(shorter: str, longer: str) -> bool:
    """Whether all letters of one come in the other in the same order."""
    letters = iter(longer)
    return all(letter in letters for letter in shorter)


def _bare(text: str) -> str:
    """The ASCII letters and digits of a text, without leading zeros of its numbers."""
    letters = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return _ZEROS.sub("", "".join(one for one in letters if one.isascii() and one.isalnum()))
