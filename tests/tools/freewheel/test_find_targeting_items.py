"""find_targeting_items as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, error_of, sandboxed, text_of
from tests.tokens import RESULT_CEILING, tokens
from tests.tools.cases import RefusedArguments
from tests.tools.freewheel.attributes import DRAMAS, READ, freewheel, ids, series
from tools.freewheel.targeting import ITEM_TYPES, NETWORK_ITEMS

TOOL = "find_targeting_items"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "inventory_package.item.id",
    "inventory_package.item.type",
)
async def test_words_of_a_name_lead_to_ids_and_types_best_first(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {"text": " football "})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "items": [
            {"id": "1080", "type": "STANDARD_GENRE", "name": "Football", "kind": "genres", "tree": "targeting"},
            {
                "id": "90310",
                "type": "STANDARD_CONTENT_SERIES",
                "name": "Pro Football Sunday",
                "kind": "series",
                "tree": "targeting",
            },
            {
                "id": "90317",
                "type": "STANDARD_CONTENT_SERIES",
                "name": "College Football Saturday",
                "kind": "series",
                "tree": "targeting",
            },
        ],
        "total": 3,
        "note": "Matches: 1 among the standard attributes, 2 among the series.",
        "next": None,
    }
    assert network.freewheel.sent() == [READ, series("football")]
    for request in network.freewheel.requests[-2:]:
        assert (request.headers["accept"], request.headers["content-type"]) == ("application/json",) * 2


@pytest.mark.requirement(
    "inventory_package.task.Create inventory package that include or exclude standard attributes and networks items",
)
async def test_what_is_found_can_be_targeted(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        sets: list[dict[str, Any]] = []
        for text, item_type in (("Drama", "STANDARD_GENRE"), ("Tidewater", "STANDARD_CONTENT_SERIES")):
            found = answer_of(TOOL, await client.call_tool(TOOL, {"text": text, "item_type": item_type}))
            item = {"id": found["items"][0]["id"], "type": found["items"][0]["type"]}
            lists = [{"relationship": "OR", "items": [item]}]
            sets.append({"targeting_type": "CONTENT", "relationship": "AND", "item_lists": lists})
        tree = {"include": {"relationship": "AND", "item_sets": sets}}
        result = await client.call_tool("create_inventory_package", {"name": "Found", "targeting": tree})
    assert not result.is_error, text_of(result)


async def test_all_entries_of_one_type_are_listed_without_text_a_page_at_a_time(tmp_path: Path) -> None:
    seen: list[str] = []
    following: dict[str, Any] | None = {"item_type": "STANDARD_GENRE"}
    pages: list[dict[str, Any]] = []
    async with sandboxed(tmp_path) as (client, network):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            pages.append(answer)
            seen += [item["name"] for item in answer["items"]]
            following = answer["next"]
    assert [len(page["items"]) for page in pages] == [15, 15, 10]
    assert pages[0]["next"] == {"item_type": "STANDARD_GENRE", "page": 2}
    assert (seen[0], len(set(seen))) == ("Drama", 40)
    assert {page["total"] for page in pages} == {40}
    assert all("note" not in page for page in pages)
    assert network.freewheel.sent() == [READ]


async def test_series_are_searched_alone_when_only_they_are_asked_for(tmp_path: Path) -> None:
    arguments = {"text": "the", "item_type": "STANDARD_CONTENT_SERIES", "per_page": 5}
    seen: list[str] = []
    following: dict[str, Any] | None = arguments
    total = 0
    async with sandboxed(tmp_path) as (client, network):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            assert "note" not in answer
            seen += ids(answer)
            total = answer["total"]
            following = answer["next"]
    assert len(seen) == len(set(seen)) == total > 10
    assert network.freewheel.sent()[:2] == [series("the", 1, 5), series("the", 2, 5)]


@pytest.mark.parametrize("text", ["a", "s", "northlight", "o"])
async def test_a_page_of_the_default_size_is_short_enough_to_read(tmp_path: Path, text: str) -> None:
    async with sandboxed(tmp_path) as (client, _):
        result = await client.call_tool(TOOL, {"text": text})
    assert len(answer_of(TOOL, result)["items"]) >= 15
    assert tokens(text_of(result)) < RESULT_CEILING


async def test_following_next_gives_every_attribute_and_every_series_once(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    following: dict[str, Any] | None = {"text": "a", "per_page": 10}
    total = 0
    async with sandboxed(tmp_path) as (client, _):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            seen += [(item["kind"], item["id"]) for item in answer["items"]]
            total = answer["total"]
            following = answer["next"]
    assert len(seen) == len(set(seen)) == total > 100


async def test_a_tree_keeps_to_its_own_types_and_one_without_series_searches_none(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "northlight", "tree": "ssp_targeting"}))
    assert {item["type"] for item in answer["items"]} == {"STANDARD_PUBLISHER", "STANDARD_APP", "STANDARD_SITE_DOMAIN"}
    assert {item["tree"] for item in answer["items"]} == {"ssp_targeting"}
    assert "note" not in answer
    assert network.freewheel.sent() == [READ]


@pytest.mark.parametrize("item_type", NETWORK_ITEMS)
async def test_ids_of_the_networks_own_items_are_asked_of_the_person(tmp_path: Path, item_type: str) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {"text": "New York", "item_type": item_type})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "items": [],
        "note": f"No documented list of FreeWheel gives the ids of {item_type}, which is geography or the network's "
        "own: ask the person for them.",
        "next": None,
    }
    assert network.freewheel.requests == []


@pytest.mark.parametrize(
    ("arguments", "total", "note"),
    [
        (
            {"text": "zzz"},
            0,
            "Nothing matches among 3 standard attributes and the series: try fewer or other words.",
        ),
        (
            {"text": "zzz", "item_type": "STANDARD_GENRE"},
            0,
            "Nothing matches among 3 standard attributes: try fewer or other words, or leave out item_type and tree.",
        ),
        (
            {"text": "zzz", "item_type": "STANDARD_CONTENT_SERIES"},
            0,
            "Nothing matches among the series: try fewer or other words, or leave out item_type and tree.",
        ),
        (
            {"text": "zzz", "tree": "targeting"},
            0,
            "Nothing matches among 3 standard attributes and the series: try fewer or other words, or leave out "
            "item_type and tree.",
        ),
        (
            {"item_type": "STANDARD_OS"},
            0,
            "FreeWheel lists no entries for STANDARD_OS: ask the person for the ids.",
        ),
        (
            {"item_type": "INVENTORY_SOURCE"},
            0,
            "FreeWheel's answer has no list for INVENTORY_SOURCE: ask the person for the ids. Lists without a known "
            "item type, searched by `text` alone: moods.",
        ),
        (
            {"text": "SSP", "item_type": "ENDPOINT"},
            0,
            "FreeWheel's answer has no list for ENDPOINT: ask the person for the ids. Lists without a known item type, "
            "searched by `text` alone: moods.",
        ),
        ({"item_type": "STANDARD_GENRE", "page": 2}, 3, "There is nothing on page 2: start again from page 1."),
        ({"text": "drama", "page": 9}, 3, "There is nothing on page 9: start again from page 1."),
    ],
)
async def test_an_empty_list_says_why_and_what_to_try(arguments: dict[str, Any], total: int, note: str) -> None:
    attributes = {"genres": DRAMAS, "oss": [], "moods": []}
    async with answered_by({"freewheel": freewheel(attributes)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, arguments))
    assert answer == {"environment": "live", "items": [], "total": total, "note": note, "next": None}


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({}, "give text, item_type or both"),
        ({"tree": "targeting"}, "give text, item_type or both"),
        ({"text": "   "}, "`text`: String should match pattern"),
        ({"text": "x" * 256}, "`text`: String should have at most 255 characters"),
        ({"item_type": "STANDARD_GENRES"}, "item_type STANDARD_GENRES is unknown; valid: STANDARD_GENRE, "),
        ({"item_type": "genre"}, "item_type genre is unknown; valid: STANDARD_GENRE, "),
        (
            {"item_type": "STANDARD_APP", "tree": "targeting"},
            "STANDARD_APP is an item type of ssp_targeting, not of targeting: leave tree out",
        ),
        ({"item_type": "STANDARD_CONTENT_SERIES"}, "STANDARD_CONTENT_SERIES needs text: there are too many series"),
        ({"text": "a", "tree": "ssp"}, "`tree`: Input should be 'targeting' or 'ssp_targeting'"),
        ({"text": "a", "page": 0}, "`page`: Input should be greater than or equal to 1"),
        ({"text": "a", "page": 1001}, "`page`: Input should be less than or equal to 1000"),
        ({"text": "a", "per_page": 4}, "`per_page`: Input should be greater than or equal to 5"),
        ({"text": "a", "per_page": 51}, "`per_page`: Input should be less than or equal to 50"),
        ({"name": "a"}, "unknown argument `name`"),
    ],
)


async def test_a_wrong_item_type_is_answered_with_all_of_them(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        result = await client.call_tool(TOOL, {"item_type": "?"})
    for item_type in (*ITEM_TYPES["targeting"], *ITEM_TYPES["ssp_targeting"]):
        assert f" {item_type}" in error_of(result)["message"]
