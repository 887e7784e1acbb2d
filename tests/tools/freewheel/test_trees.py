"""Targeting trees as FreeWheel sends them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.tools.freewheel.packages import ROOTS, Tree, apps, genres, item_set
from tools.freewheel.targeting import Targeting
from tools.freewheel.trees import counts, has_content, read_tree, same_tree, shown_trees, size


def shown(raw: Any) -> Any:
    tree = read_tree(raw)
    return None if tree is None else tree.model_dump(mode="json", exclude_none=True)


def both(*ids: Any) -> Tree:
    return {**genres(*ids), "exclude": {"item_sets": [item_set("GEO", "DMA", "501")]}}


@pytest.mark.parametrize("raw", [genres("1004", "1008"), apps("70215"), both("1004")])
def test_a_tree_is_shown_in_the_shape_that_it_is_written_in(raw: Tree) -> None:
    assert shown(raw) == raw


@pytest.mark.parametrize("raw", [genres("1004"), both("1004"), both(1004)])
def test_what_is_shown_can_be_given_back(raw: Tree) -> None:
    read: Any = TypeAdapter[Any](Targeting).validate_json(json.dumps(shown(raw)))
    assert read.model_dump(mode="json", exclude_none=True) == shown(raw)


@pytest.mark.parametrize(
    "raw",
    [
        genres(1004),
        {"include": {"relationship": "And", "sets": genres("1004")["include"]["item_sets"]}},
        {"include": {**genres("1004")["include"], "sets": []}},
        {"include": {**genres("1004")["include"], "item_sets": [], "sets": genres("1004")["include"]["item_sets"]}},
        {"include": {"relationship": "AND", "item_sets": None, "sets": genres("1004")["include"]["item_sets"]}},
        {**genres("1004"), "exclude": None, "added_later": {"a": 1}},
        {**genres("1004"), "exclude": {"item_sets": []}},
        {**genres("1004"), "exclude": {"sets": None}},
        json.loads(json.dumps(genres("1004")).replace('"type"', '"name": "Drama", "type"')),
        json.loads(json.dumps(genres("1004")).replace("STANDARD_GENRE", "standard_genre")),
    ],
)
def test_spellings_that_mean_the_same_are_read_as_the_same(raw: Tree) -> None:
    assert shown(raw) == genres("1004")
    assert same_tree(raw, genres("1004"))


def test_words_that_are_not_known_are_kept() -> None:
    raw = {"include": {"relationship": "XOR", "item_sets": [item_set("MOOD", "STANDARD_MOOD", "5")]}}
    assert shown(raw) == raw


@pytest.mark.parametrize("raw", ROOTS.values(), ids=ROOTS)
def test_a_shape_that_is_not_known_is_something_and_not_nothing(raw: Any) -> None:
    assert has_content(raw)
    assert read_tree(raw) is None
    assert not same_tree(raw, genres("1004"))
    assert not same_tree(raw, None)
    assert same_tree(raw, json.loads(json.dumps(raw)))


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        {},
        [],
        {"include": None},
        {"include": {"relationship": "AND", "item_sets": []}, "exclude": {"item_sets": []}},
        {"include": {"relationship": "AND", "sets": None}},
    ],
)
def test_null_and_a_frame_of_empty_lists_are_no_targeting(raw: Any) -> None:
    assert not has_content(raw)
    assert same_tree(raw, None)
    assert not same_tree(raw, genres("1004"))


def test_order_does_not_matter_and_everything_else_does() -> None:
    first, second = item_set("CONTENT", "STANDARD_GENRE", "1", "2"), item_set("GEO", "DMA", "501")
    tree = {"include": {"relationship": "AND", "item_sets": [first, second]}}
    assert same_tree(
        tree,
        {"include": {"relationship": "AND", "item_sets": [second, item_set("CONTENT", "STANDARD_GENRE", "2", "1")]}},
    )
    for other in (
        {"include": {"relationship": "OR", "item_sets": [first, second]}},
        {"include": {"relationship": "AND", "item_sets": [first]}},
        {"include": {"relationship": "AND", "item_sets": [first]}, "exclude": {"item_sets": [second]}},
        {"include": {"relationship": "AND", "item_sets": [{**first, "relationship": "OR"}, second]}},
        {"include": {"relationship": "AND", "item_sets": [{**first, "targeting_type": "VIDEO"}, second]}},
        {"include": {"relationship": "AND", "item_sets": [item_set("CONTENT", "STANDARD_OS", "1", "2"), second]}},
        {"include": {"relationship": "AND", "item_sets": [item_set("CONTENT", "STANDARD_GENRE", "1", "3"), second]}},
    ):
        assert not same_tree(tree, other), other


def test_items_are_counted_by_part_and_type() -> None:
    tree = read_tree(
        {
            "include": {
                "relationship": "AND",
                "item_sets": [item_set("CONTENT", "STANDARD_GENRE", "1", "2"), item_set("GEO", "DMA", "501")],
            },
            "exclude": {"item_sets": [item_set("GEO", "DMA", "502")]},
        }
    )
    assert tree is not None
    assert size(tree) == 4
    assert counts(tree).structured_content() == {"include": {"STANDARD_GENRE": 2, "DMA": 1}, "exclude": {"DMA": 1}}


def test_a_short_tree_is_told_whole_in_a_line() -> None:
    before = both("1004", "1008")
    after = {
        "include": {
            "relationship": "OR",
            "item_sets": [item_set("CONTENT", "STANDARD_GENRE", "1004"), item_set("GEO", "DMA", "501")],
        }
    }
    assert shown_trees(before, after) == (
        "include CONTENT [(STANDARD_GENRE 1004 OR 1008)]; exclude GEO [(DMA 501)]",
        "include CONTENT [(STANDARD_GENRE 1004)] OR GEO [(DMA 501)]",
    )
    assert shown_trees(None, genres("5")) == (None, "include CONTENT [(STANDARD_GENRE 5)]")
    assert shown_trees(genres("5"), None) == ("include CONTENT [(STANDARD_GENRE 5)]", None)


def test_a_long_tree_is_told_by_what_changed_in_it() -> None:
    many = [str(number) for number in range(1000, 1060)]
    assert shown_trees(genres(*many), genres(*many[1:], "7")) == (
        "60 items",
        "60 items; added: include STANDARD_GENRE 7; removed: include STANDARD_GENRE 1000",
    )
    rearranged = genres(*many)
    rearranged["include"]["relationship"] = "OR"
    assert shown_trees(genres(*many), rearranged) == ("60 items", "60 items; the same items, joined otherwise")
    _, grown = shown_trees(genres("5"), genres("5", *many))
    assert grown is not None
    assert grown.startswith("61 items; added: include STANDARD_GENRE 1000, include STANDARD_GENRE 1001")
    assert grown.endswith("and 50 more")
    assert shown_trees(genres(*many), "everything") == ("60 items", "in a shape that is not known")
    assert shown_trees("everything", genres(*many)) == ("in a shape that is not known", "60 items")
    assert shown_trees(None, genres(*many))[0] is None


def test_no_text_of_the_vendor_reaches_a_reader_unfiltered() -> None:
    raw = genres("\u202e1004", "https://evil.example")
    assert shown(raw) == genres("1004", "[link]")
