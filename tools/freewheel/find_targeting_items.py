"""Find the ids that targeting is made of (Standard Attributes API V4; its search of series is not documented)."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.fields import Listing, empty_page_note, next_page
from tools.freewheel.attributes import StandardAttributes
from tools.freewheel.models import PageOf, StandardAttribute
from tools.freewheel.targeting import (
    ITEM_TYPES,
    NETWORK_ITEMS,
    SERIES,
    TREES,
    TYPE_OF_KIND,
    TreeName,
    closest_first,
    tree_of,
)
from tools.schema import Arguments, Result
from tools.tool import READ, Tool
from tools.vendor_http.replies import printable

SERIES_KIND = "series"
LAST_PAGE = 1000


class FindTargetingItems(Arguments):
    text: str | None = Field(
        default=None,
        max_length=255,
        pattern=r"\S",
        description="Words that must all occur in the name, in any case. Needed unless item_type is given.",
    )
    item_type: str | None = Field(
        default=None, description="Only this type, such as STANDARD_DEVICE. A wrong one is answered with all of them."
    )
    tree: TreeName | None = Field(default=None, description="Only types that this takes.")
    page: int = Field(default=1, ge=1, le=LAST_PAGE, description="Page number, from 1.")
    per_page: int = Field(default=15, ge=5, le=50, description="Items per page, and as many series.")

    @model_validator(mode="after")
    def _says_what_to_find(self) -> FindTargetingItems:
        if self.item_type is None:
            if self.text is None:
                raise ValueError("give text, item_type or both")
            return self
        tree = tree_of(self.item_type)
        if tree is None:
            valid = tuple(item_type for name in TREES for item_type in ITEM_TYPES[name])
            wrong = printable(self.item_type, limit=80)
            raise ValueError(f"item_type {wrong} is unknown; valid: {closest_first(self.item_type, valid)}")
        if self.tree and tree != self.tree:
            raise ValueError(f"{self.item_type} is an item type of {tree}, not of {self.tree}: leave tree out")
        if self.item_type == SERIES and self.text is None:
            raise ValueError(f"{SERIES} needs text: there are too many series to list")
        return self

    def wants(self, item_type: str | None) -> bool:
        """Whether a kind is searched. item_type is None for a kind without a known item type."""
        if self.item_type is not None:
            return item_type == self.item_type
        return self.tree is None or (item_type is not None and tree_of(item_type) == self.tree)


class TargetingItem(Result):
    id: str = Field(description="Together with type, an item of a targeting.")
    type: str | None = Field(default=None, description="Absent: no item type is known for this kind.")
    name: str | None = None
    kind: str = Field(description="FreeWheel's list that holds it.")
    tree: TreeName | None = Field(default=None, description="Which targeting takes it.")


_KindEntry = tuple[str, StandardAttribute]
"""An entry and its kind."""


async def find_targeting_items(arguments: FindTargetingItems, backends: Backends) -> Listing[TargetingItem]:
    """Find standard attributes and series of FreeWheel by name: the ids and types that a targeting is made of.

    Use it before create_inventory_package and update_inventory_package. Several hits for one word: ask the person
    which.
    """
    if arguments.item_type in NETWORK_ITEMS:
        return Listing[TargetingItem](items=[], note=_not_listed(arguments.item_type))
    client = backends.freewheel
    lists: StandardAttributes = {} if arguments.item_type == SERIES else await client.standard_attributes()
    searched = {kind: lists[kind] for kind in lists if kind != SERIES_KIND and arguments.wants(TYPE_OF_KIND.get(kind))}
    found = _best_first(_matching(searched, arguments.text), arguments.text)
    series = None
    if arguments.text is not None and arguments.wants(SERIES):
        series = _this_page(await client.find_series(_query(arguments, arguments.text)), arguments)
    first = (arguments.page - 1) * arguments.per_page
    page = found[first : first + arguments.per_page]
    if series is not None:
        page = _best_first([*page, *((SERIES_KIND, entry) for entry in series.items)], arguments.text)
    return Listing[TargetingItem](
        items=[_item(kind, entry) for kind, entry in page],
        total=_total(len(found), series),
        next=_next(arguments, len(found), series),
        note=_why_empty(arguments, lists, searched, found) if not page else _note(arguments, page, len(found), series),
    )


def _matching(searched: StandardAttributes, text: str | None) -> list[_KindEntry]:
    words = (text or "").casefold().split()
    all_entries = [(kind, entry) for kind, entries in searched.items() for entry in entries]
    if not words:
        return all_entries
    return [(kind, entry) for kind, entry in all_entries if entry.name and _has_all_words(entry.name.casefold(), words)]


def _has_all_words(name: str, words: list[str]) -> bool:
    return all(word in name for word in words)


def _best_first(found: Iterable[_KindEntry], text: str | None) -> list[_KindEntry]:
    """Exact names first, then names that begin with the text, then the others, each in FreeWheel's order."""
    if text is None:
        return list(found)
    wanted = " ".join(text.casefold().split())
    exact: list[_KindEntry] = []
    beginning: list[_KindEntry] = []
    others: list[_KindEntry] = []
    for kind, entry in found:
        name = (entry.name or "").casefold()
        (exact if name == wanted else beginning if name.startswith(wanted) else others).append((kind, entry))
    return [*exact, *beginning, *others]


def _query(arguments: FindTargetingItems, text: str) -> dict[str, str | int]:
    return {"name": text.strip(), "page": arguments.page, "per_page": arguments.per_page}


def _this_page(answer: PageOf[StandardAttribute], arguments: FindTargetingItems) -> PageOf[StandardAttribute]:
    """The requested page, also from an answer that ignores paging and holds all series."""
    if len(answer.items) <= arguments.per_page:
        return answer
    first = (arguments.page - 1) * arguments.per_page
    items = answer.items[first : first + arguments.per_page]
    return PageOf[StandardAttribute](items=items, total=len(answer.items))


def _total(attributes: int, series: PageOf[StandardAttribute] | None) -> int | None:
    if series is None:
        return attributes
    return None if series.total is None else attributes + series.total


def _next(
    arguments: FindTargetingItems, attributes: int, series: PageOf[StandardAttribute] | None
) -> dict[str, object] | None:
    more = arguments.page * arguments.per_page < attributes or (
        series is not None and series.has_more(arguments.page, arguments.per_page)
    )
    return next_page(arguments, arguments.page) if more and arguments.page < LAST_PAGE else None


def _note(
    arguments: FindTargetingItems, page: list[_KindEntry], attributes: int, series: PageOf[StandardAttribute] | None
) -> str | None:
    notes: list[str] = []
    if series is not None and arguments.item_type is None:
        count = "an unknown number" if series.total is None else f"{series.total:,}"
        notes.append(f"Matches: {attributes:,} among the standard attributes, {count} among the series.")
    if any(kind not in TYPE_OF_KIND for kind, _ in page):
        notes.append("No item type is known for those without type: ask the person before targeting one.")
    return " ".join(notes) or None


def _not_listed(item_type: str | None) -> str:
    return (
        f"No documented list of FreeWheel gives the ids of {item_type}, which is geography or the network's own: "
        "ask the person for them."
    )


def _why_empty(
    arguments: FindTargetingItems, lists: StandardAttributes, searched: StandardAttributes, found: list[_KindEntry]
) -> str:
    if found or arguments.page > 1:
        return empty_page_note(arguments.page)
    if arguments.item_type and arguments.item_type != SERIES and not searched:
        unknown = [printable(kind, limit=40) for kind in lists if kind not in TYPE_OF_KIND][:10]
        others = f" Lists without a known item type, searched by `text` alone: {', '.join(unknown)}." if unknown else ""
        return f"FreeWheel's answer has no list for {arguments.item_type}: ask the person for the ids.{others}"
    count = sum(len(entries) for entries in searched.values())
    places = [
        *([f"{count:,} standard attributes"] if arguments.item_type != SERIES else []),
        *(["the series"] if arguments.text is not None and arguments.wants(SERIES) else []),
    ]
    if arguments.text is None:
        return f"FreeWheel lists no entries for {arguments.item_type}: ask the person for the ids."
    wider = ", or leave out item_type and tree" if arguments.item_type or arguments.tree else ""
    return f"Nothing matches among {' and '.join(places)}: try fewer or other words{wider}."


def _item(kind: str, entry: StandardAttribute) -> TargetingItem:
    item_type = TYPE_OF_KIND.get(kind)
    return TargetingItem(
        id=str(entry.id),
        type=item_type,
        name=entry.name,
        kind=printable(kind, limit=80),
        tree=tree_of(item_type) if item_type else None,
    )


TOOL = Tool(
    name="find_targeting_items",
    title="Find targeting items",
    arguments=FindTargetingItems,
    result=Listing[TargetingItem],
    effect=READ,
    handler=find_targeting_items,
)
