"""Targeting trees as FreeWheel sends them: read tolerantly, shown, counted, compared and put in words.

Source: Inventory Package API v4, the tables below "Targeting Attributes". Its `sets` is read as another name of
`item_sets`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tools.freewheel.models import Enum
from tools.schema import Result
from tools.vendor_http.replies import IfReadable, shown

MAX_LINE = 240
"""The longest line, in characters, in which a whole tree is shown. Otherwise its changes are shown."""

MAX_NAMED = 10
"""The largest number of items that are named one by one when a long tree changed."""


UNKNOWN_SHAPE = "in a shape that is not known"


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[Annotated[str, AfterValidator(shown)] | None, BeforeValidator(_as_text), IfReadable]
Word = Annotated[Enum, AfterValidator(lambda word: word and shown(word))]


class _Shown(Result):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class ShownItem(_Shown):
    id: Id = None
    type: Word = None


class ShownItemList(_Shown):
    relationship: Word = None
    items: list[ShownItem] = Field(default_factory=list["ShownItem"])


class ShownItemSet(_Shown):
    targeting_type: Word = None
    relationship: Word = None
    item_lists: list[ShownItemList] = Field(default_factory=list["ShownItemList"])


class _ShownPart(_Shown):
    @model_validator(mode="before")
    @classmethod
    def _sets_are_item_sets(cls, part: Any) -> Any:
        if not isinstance(part, dict):
            return part
        fields = cast("dict[str, Any]", part)
        return {**fields, "item_sets": fields.get("item_sets") or fields.get("sets") or []}


class ShownInclude(_ShownPart):
    relationship: Word = None
    item_sets: list[ShownItemSet] = Field(default_factory=list["ShownItemSet"])


class ShownExclude(_ShownPart):
    item_sets: list[ShownItemSet] = Field(default_factory=list["ShownItemSet"])


class ShownTree(_Shown):
    """A tree in the shape that create_inventory_package and update_inventory_package take."""

    include: ShownInclude | None = None
    exclude: ShownExclude | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_excluded(cls, tree: Any) -> Any:
        """An exclusion without items is left out, because the tools that write refuse an empty one."""
        if not isinstance(tree, dict):
            return tree
        fields = cast("dict[str, Any]", tree)
        exclude = cast("dict[str, Any]", fields["exclude"]) if isinstance(fields.get("exclude"), dict) else None
        empty = exclude is not None and not (exclude.get("item_sets") or exclude.get("sets"))
        return {**fields, "exclude": None} if empty else fields

    def parts(self) -> Iterator[tuple[str, list[ShownItemSet]]]:
        yield "include", self.include.item_sets if self.include else []
        yield "exclude", self.exclude.item_sets if self.exclude else []


class Counts(Result):
    """How many items of each type a tree holds."""

    include: dict[str, int]
    exclude: dict[str, int] | None = None


def has_content(raw: Any) -> bool:
    """Whether a raw tree has any content: null, empty text and empty lists are no targeting."""
    if isinstance(raw, dict):
        node = cast("dict[str, Any]", raw)
        return any(key != "relationship" and has_content(value) for key, value in node.items())
    if isinstance(raw, list):
        return any(has_content(value) for value in cast("list[Any]", raw))
    return raw not in (None, "")


def read_tree(raw: Any) -> ShownTree | None:
    """A tree as FreeWheel sent it, or None when no item can be found in it."""
    try:
        tree = ShownTree.model_validate(raw)
    except ValidationError:
        return None
    return tree if size(tree) else None


def counts(tree: ShownTree) -> Counts:
    by_part = {part: dict(Counter(item.type or "?" for item in _items(sets))) for part, sets in tree.parts()}
    return Counts(include=by_part["include"], exclude=by_part["exclude"] or None)


def size(tree: ShownTree) -> int:
    return sum(1 for _, sets in tree.parts() for _ in _items(sets))


_SHOWN_FIELDS: dict[str, tuple[str, ...]] = {
    "tree": ("include", "exclude"),
    "include": ("relationship", "item_sets", "sets"),
    "exclude": ("item_sets", "sets"),
    "item_sets": ("targeting_type", "relationship", "item_lists"),
    "sets": ("targeting_type", "relationship", "item_lists"),
    "item_lists": ("relationship", "items"),
    "items": ("id", "type", "name"),
}


def shows_all(raw: Any, part: str = "tree") -> bool:
    """Whether everything in a raw tree is shown."""
    if isinstance(raw, list):
        return all(shows_all(node, part) for node in cast("list[Any]", raw))
    if not isinstance(raw, dict):
        return True
    node = cast("dict[str, Any]", raw)
    twice = bool(node.get("sets")) and bool(node.get("item_sets"))
    return not twice and all(
        not has_content(value)
        or (name in _SHOWN_FIELDS[part] and (name not in _SHOWN_FIELDS or shows_all(value, name)))
        for name, value in node.items()
    )


def same_tree(one: Any, other: Any) -> bool:
    """Whether two raw trees target the same, in any order."""
    if not has_content(one) or not has_content(other):
        return has_content(one) == has_content(other)
    first, second = read_tree(one), read_tree(other)
    if first is None or second is None:
        return bool(one == other)
    return _comparable(first) == _comparable(second)


def shown_trees(before: Any, after: Any) -> tuple[str | None, str | None]:
    """Two different raw trees, each on a line: whole when both are short, else by their difference."""
    line_before, line_after = _tree_in_words(before), _tree_in_words(after)
    if all(line is None or len(line) <= MAX_LINE for line in (line_before, line_after)):
        return line_before, line_after
    items_before, items_after = _item_counter(before), _item_counter(after)
    sizes = [
        line if line in (None, UNKNOWN_SHAPE) else f"{items.total()} items"
        for line, items in ((line_before, items_before), (line_after, items_after))
    ]
    if None in sizes or UNKNOWN_SHAPE in sizes:
        return sizes[0], sizes[1]
    difference = "; ".join(
        f"{what}: {_item_names(items)}"
        for what, items in (("added", items_after - items_before), ("removed", items_before - items_after))
        if items
    )
    return sizes[0], f"{sizes[1]}; {difference or 'the same items, joined otherwise'}"


def _items(item_sets: list[ShownItemSet]) -> Iterator[ShownItem]:
    for item_set in item_sets:
        for item_list in item_set.item_lists:
            yield from item_list.items


def _item_counter(raw: Any) -> Counter[tuple[str, str, str]]:
    tree = read_tree(raw) or ShownTree()
    return Counter((part, item.type or "?", item.id or "?") for part, sets in tree.parts() for item in _items(sets))


def _item_names(items: Counter[tuple[str, str, str]]) -> str:
    names = [f"{part} {item_type} {item_id}" for part, item_type, item_id in items]
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _comparable(tree: ShownTree) -> Any:
    include = (tree.include.relationship if tree.include else None) or ""
    return include, [
        sorted(
            (
                item_set.targeting_type or "",
                item_set.relationship or "",
                sorted(
                    (item_list.relationship or "", sorted((item.type or "", item.id or "") for item in item_list.items))
                    for item_list in item_set.item_lists
                ),
            )
            for item_set in sets
        )
        for _, sets in tree.parts()
    ]


def _tree_in_words(raw: Any) -> str | None:
    """For example `include CONTENT [(STANDARD_GENRE 1004 OR 1008)] AND GEO [(DMA 501)]; exclude ...`."""
    if not has_content(raw):
        return None
    tree = read_tree(raw)
    if tree is None:
        return UNKNOWN_SHAPE
    joint = (tree.include.relationship if tree.include else None) or "?"
    parts = [
        f"{part} " + f" {joint if part == 'include' else 'and'} ".join(_set_in_words(item_set) for item_set in sets)
        for part, sets in tree.parts()
        if sets
    ]
    return "; ".join(parts)


def _set_in_words(item_set: ShownItemSet) -> str:
    lists = f" {item_set.relationship or '?'} ".join(
        f"({_list_in_words(item_list)})" for item_list in item_set.item_lists
    )
    return f"{item_set.targeting_type or '?'} [{lists}]"


def _list_in_words(item_list: ShownItemList) -> str:
    words: list[str] = []
    before = None
    for item in item_list.items:
        words.append(f"{item.id or '?'}" if item.type == before else f"{item.type or '?'} {item.id or '?'}")
        before = item.type
    return f" {item_list.relationship or '?'} ".join(words)
