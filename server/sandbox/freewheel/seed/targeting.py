"""A short notation for the targeting trees of the seeded packages: one line for each tree.

Terms are separated by "; ". A term is `kind=name|name` for standard attributes, or `TYPE=id|id` for the network's own
items. A leading minus excludes it. "any" as the first term joins the included terms by OR instead of AND.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from server.sandbox.freewheel.seed.attributes import KINDS_OF, attribute_id

_TYPE_OF = {kind: item_type for item_type, kinds in KINDS_OF.items() for kind in kinds}
_SSP_TARGETING_TYPES = {
    "STANDARD_SSP_CHANNEL": "CONTENT",
    "STANDARD_IAB_CATEGORY": "CONTENT",
    "STANDARD_SSP_ENDPOINT": "PLATFORM",
    "STANDARD_APP": "PLATFORM",
    "STANDARD_SITE_DOMAIN": "PLATFORM",
    "STANDARD_PUBLISHER": "SSP",
}
"""The targeting type of each item type in `ssp_targeting`. FreeWheel does not document which belongs where."""
_TARGETING_TYPES = {
    **dict.fromkeys(
        ("ENDPOINT", "ENDPOINT_OWNER", "STANDARD_DEVICE", "STANDARD_ENVIRONMENT", "STANDARD_OS"), "PLATFORM"
    ),
    "IP_ENABLED_AUDIENCE": "PLATFORM",
    **dict.fromkeys(("GEO", "STATE", "DMA", "POSTAL_CODE", "COUNTRY"), "GEO"),
    **dict.fromkeys(("ASSET", "ASSET_GROUP", "SERIES"), "VIDEO"),
    **dict.fromkeys(("SECTION", "SECTION_GROUP", "SITE"), "SITE"),
}
"""The targeting type of each item type in `targeting`. All other item types are CONTENT."""

Tree = dict[str, object]


class _Term(NamedTuple):
    item_type: str
    ids: tuple[str, ...]


def targeting_json(line: str) -> tuple[str | None, str | None]:
    """The `targeting` and the `ssp_targeting` of a line as JSON text. One that the line does not have is None."""
    terms = [text for text in line.split("; ") if text]
    relationship = "AND"
    if terms[0] == "any":
        relationship, terms = "OR", terms[1:]
    included = [_term(text) for text in terms if not text.startswith("-")]
    excluded = [_term(text[1:]) for text in terms if text.startswith("-")]
    trees: list[str | None] = []
    for ssp in (False, True):
        inside = [term for term in included if (term.item_type in _SSP_TARGETING_TYPES) is ssp]
        outside = [term for term in excluded if (term.item_type in _SSP_TARGETING_TYPES) is ssp]
        if not inside:
            trees.append(None)
            continue
        tree: Tree = {"include": {"relationship": relationship, "item_sets": _item_sets(inside, relationship)}}
        if outside:
            tree["exclude"] = {"item_sets": _item_sets(outside, "OR")}
        trees.append(json.dumps(tree))
    return trees[0], trees[1]


def _term(text: str) -> _Term:
    key, _, values = text.partition("=")
    if key not in _TYPE_OF:
        return _Term(key, tuple(values.split("|")))
    return _Term(_TYPE_OF[key], tuple(str(attribute_id(key, name)) for name in values.split("|")))


def _item_sets(terms: list[_Term], relationship: str) -> list[Tree]:
    """One item set for each targeting type, with a list of alternatives for each term."""
    lists: dict[str, list[Tree]] = {}
    for term in terms:
        where = _SSP_TARGETING_TYPES.get(term.item_type) or _TARGETING_TYPES.get(term.item_type, "CONTENT")
        items = [{"id": item_id, "type": term.item_type} for item_id in term.ids]
        lists.setdefault(where, []).append({"relationship": "OR", "items": items})
    return [
        {"targeting_type": where, "relationship": relationship, "item_lists": item_lists}
        for where, item_lists in lists.items()
    ]
