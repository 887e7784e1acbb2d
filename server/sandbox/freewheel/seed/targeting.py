"""Targeting trees of the seeded packages, written in one line each.

Terms are separated by "; ". A term is `kind=name|name` with standard attributes, or `TYPE=id|id` with the network's
own items; a minus in front excludes it. "any" as the first term joins the included terms by OR instead of AND.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from server.sandbox.freewheel.seed.attributes import KINDS_OF, attribute_id

_TYPE_OF = {kind: item_type for item_type, kinds in KINDS_OF.items() for kind in kinds}
_SSP = {
    "STANDARD_SSP_CHANNEL": "CONTENT",
    "STANDARD_IAB_CATEGORY": "CONTENT",
    "STANDARD_SSP_ENDPOINT": "PLATFORM",
    "STANDARD_APP": "PLATFORM",
    "STANDARD_SITE_DOMAIN": "PLATFORM",
    "STANDARD_PUBLISHER": "SSP",
}
"""The targeting type that an item is filed under in this network; FreeWheel does not document which goes where."""
_MRM = {
    **dict.fromkeys(
        ("ENDPOINT", "ENDPOINT_OWNER", "STANDARD_DEVICE", "STANDARD_ENVIRONMENT", "STANDARD_OS"), "PLATFORM"
    ),
    "IP_ENABLED_AUDIENCE": "PLATFORM",
    **dict.fromkeys(("GEO", "STATE", "DMA", "POSTAL_CODE", "COUNTRY"), "GEO"),
    **dict.fromkeys(("ASSET", "ASSET_GROUP", "SERIES"), "VIDEO"),
    **dict.fromkeys(("SECTION", "SECTION_GROUP", "SITE"), "SITE"),
}
"""As `_SSP`, for the items of `targeting`; all others are CONTENT."""

Tree = dict[str, object]


class _Term(NamedTuple):
    item_type: str
    ids: tuple[str, ...]


def targeting_json(line: str) -> tuple[str | None, str | None]:
    """`targeting` and `ssp_targeting` of a line as JSON text; None for the one that it does not have."""
    words = [word for word in line.split("; ") if word]
    relationship = "AND"
    if words[0] == "any":
        relationship, words = "OR", words[1:]
    included = [_term(word) for word in words if not word.startswith("-")]
    excluded = [_term(word[1:]) for word in words if word.startswith("-")]
    trees: list[str | None] = []
    for ssp in (False, True):
        inside = [term for term in included if (term.item_type in _SSP) is ssp]
        outside = [term for term in excluded if (term.item_type in _SSP) is ssp]
        if not inside:
            trees.append(None)
            continue
        tree: Tree = {"include": {"relationship": relationship, "item_sets": _item_sets(inside, relationship)}}
        if outside:
            tree["exclude"] = {"item_sets": _item_sets(outside, "OR")}
        trees.append(json.dumps(tree))
    return trees[0], trees[1]


def _term(word: str) -> _Term:
    key, _, values = word.partition("=")
    if key not in _TYPE_OF:
        return _Term(key, tuple(values.split("|")))
    return _Term(_TYPE_OF[key], tuple(str(attribute_id(key, name)) for name in values.split("|")))


def _item_sets(terms: list[_Term], relationship: str) -> list[Tree]:
    """One set for each targeting type, with a list of alternatives for each term."""
    lists: dict[str, list[Tree]] = {}
    for term in terms:
        where = _SSP.get(term.item_type) or _MRM.get(term.item_type, "CONTENT")
        items = [{"id": item_id, "type": term.item_type} for item_id in term.ids]
        lists.setdefault(where, []).append({"relationship": "OR", "items": items})
    return [
        {"targeting_type": where, "relationship": relationship, "item_lists": item_lists}
        for where, item_lists in lists.items()
    ]
