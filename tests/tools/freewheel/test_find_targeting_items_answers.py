"""What find_targeting_items makes of FreeWheel's answers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import FakeTime, answered_by, error_of
from tests.tools.cases import LostRead
from tests.tools.freewheel.attributes import DRAMAS, READ, freewheel, ids, named, series
from tests.tools.freewheel.packages import ok
from tools.freewheel.client import ATTRIBUTES_LIFETIME

TOOL = "find_targeting_items"
UNKNOWN = "No item type is known for those without type: ask the person before targeting one."
FLAT = {"genres": DRAMAS, "content_territories": [{"id": 840, "country_name": "United States"}]}
NESTED = {
    "standard_attributes": {
        "genres": {"genre": DRAMAS},
        "content_territories": {"content_territory": [{"id": "840", "country_name": "United States"}]},
    }
}


@pytest.mark.parametrize("attributes", [FLAT, NESTED], ids=["flat", "nested"])
async def test_both_shapes_of_the_attributes_are_read(attributes: dict[str, Any]) -> None:
    async with answered_by({"freewheel": freewheel(attributes)}) as (client, _):
        dramas = answer_of(TOOL, await client.call_tool(TOOL, {"text": "DRAMA", "item_type": "STANDARD_GENRE"}))
        states = answer_of(TOOL, await client.call_tool(TOOL, {"text": "states united", "tree": "targeting"}))
    assert ids(dramas) == ["1004", "5", "1008"]
    assert states["items"] == [
        {
            "id": "840",
            "type": "STANDARD_CONTENT_TERRITORY",
            "name": "United States",
            "kind": "content_territories",
            "tree": "targeting",
        }
    ]


async def test_a_kind_that_is_not_known_is_shown_under_its_own_name_and_without_a_type() -> None:
    attributes = {"app_bundles": [{"id": 9, "name": "Drama Bundle"}], "moods": [{"id": 10, "name": "Drama"}]}
    async with answered_by({"freewheel": freewheel(attributes)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "drama"}))
        of_a_tree = answer_of(TOOL, await client.call_tool(TOOL, {"text": "drama", "tree": "targeting"}))
    assert answer == {
        "environment": "live",
        "items": [
            {"id": "10", "name": "Drama", "kind": "moods"},
            {"id": "9", "name": "Drama Bundle", "kind": "app_bundles"},
        ],
        "total": 2,
        "note": f"Matches: 2 among the standard attributes, 0 among the series. {UNKNOWN}",
        "next": None,
    }
    assert of_a_tree["items"] == []


async def test_the_attributes_are_kept_for_ten_minutes() -> None:
    time = FakeTime()
    async with answered_by({"freewheel": freewheel(FLAT)}, time) as (client, recorders):
        for seconds in (0.0, ATTRIBUTES_LIFETIME - 1, 1.0):
            time.moment += seconds
            await client.call_tool(TOOL, {"item_type": "STANDARD_GENRE"})
    assert recorders["freewheel"].sent() == [READ, READ]


@pytest.mark.parametrize(
    ("found", "shown", "total", "more"),
    [
        ({"series": named(5), "total": 6, "total_pages": 2}, 5, 6, True),
        ({"items": named(5), "total_count": "5"}, 5, 5, False),
        ({"series": named(5)}, 5, None, True),
        ({"series": named(4)}, 4, None, False),
        ({"series": named(12)}, 5, 12, True),
    ],
)
async def test_series_come_in_any_envelope_and_also_all_at_once(
    found: dict[str, Any], shown: int, total: int | None, more: bool
) -> None:
    arguments = {"text": "entry", "item_type": "STANDARD_CONTENT_SERIES", "per_page": 5}
    async with answered_by({"freewheel": freewheel({}, found)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, arguments))
    assert (len(answer["items"]), answer.get("total")) == (shown, total)
    assert answer["next"] == ({**arguments, "page": 2} if more else None)


async def test_series_that_come_all_at_once_are_still_paged() -> None:
    arguments = {"text": "entry", "item_type": "STANDARD_CONTENT_SERIES", "per_page": 5}
    seen: list[str] = []
    following: dict[str, Any] | None = arguments
    async with answered_by({"freewheel": freewheel({}, {"series": named(12)})}) as (client, _):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            seen += ids(answer)
            following = answer["next"]
    assert seen == [str(number) for number in range(1, 13)]


async def test_how_many_series_match_is_unknown_when_freewheel_does_not_say() -> None:
    found = freewheel({"genres": named(2)}, {"series": named(3, 100)})
    async with answered_by({"freewheel": found}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "entry"}))
    assert "total" not in answer
    assert answer["note"] == ("Matches: 2 among the standard attributes, an unknown number among the series.")


async def test_a_hundred_thousand_attributes_are_searched_in_one_call() -> None:
    attributes = {"channels": named(100_000)}
    async with answered_by({"freewheel": freewheel(attributes)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "entry 9", "per_page": 5}))
    assert ids(answer) == ["9", "90", "91", "92", "93"]
    assert answer["total"] == 11_111 + sum("9" in str(number) and str(number)[0] != "9" for number in range(1, 100_001))


async def test_entries_without_a_name_are_listed_and_never_match() -> None:
    attributes = {"genres": [{"id": 6}, {"id": 7, "name": ""}, *DRAMAS]}
    async with answered_by({"freewheel": freewheel(attributes)}) as (client, _):
        listed = answer_of(TOOL, await client.call_tool(TOOL, {"item_type": "STANDARD_GENRE"}))
        found = answer_of(TOOL, await client.call_tool(TOOL, {"item_type": "STANDARD_GENRE", "text": "queens"}))
    assert ids(listed) == ["6", "7", "1008", "1004", "5"]
    assert ids(found) == ["5"]


@pytest.mark.parametrize(
    ("answer", "code", "message", "next_step"),
    [
        (httpx.Response(401), "unauthorized", "FreeWheel answered 401", "The operator checks ADOPS_FREEWHEEL_TOKEN"),
        (httpx.Response(403), "forbidden", "FreeWheel answered 403", "A person asks the FreeWheel account team"),
        (
            httpx.Response(404),
            "not_found",
            "FreeWheel answered 404",
            "FreeWheel does not list standard attributes to this network: ask the person for the ids.",
        ),
        (
            httpx.Response(200, html="<html></html>"),
            "unexpected_answer",
            "FreeWheel answered with an HTML page instead of JSON.",
            "Do not guess the answer.",
        ),
        (
            ok({"standard_attributes": {}}),
            "unexpected_answer",
            "FreeWheel answered with JSON that has no list of standard attributes.",
            "Do not guess the answer.",
        ),
        (ok([]), "unexpected_answer", "FreeWheel answered with JSON that has no list", "Do not guess the answer."),
    ],
    ids=["401", "403", "404", "html", "empty", "list"],
)
async def test_attributes_that_cannot_be_had_are_an_error_and_never_an_empty_list(
    answer: httpx.Response, code: str, message: str, next_step: str
) -> None:
    async with answered_by({"freewheel": lambda _: answer}) as (client, recorders):
        result = await client.call_tool(TOOL, {"text": "drama"})
    error = error_of(result)
    assert error["code"] == code
    assert error["message"].startswith(message)
    assert error["next_step"].startswith(next_step)
    assert recorders["freewheel"].sent() == [READ]


@pytest.mark.parametrize(
    ("found", "code", "next_step"),
    [
        (
            httpx.Response(404),
            "not_found",
            "FreeWheel does not search series for this network: call find_targeting_items",
        ),
        (ok({"results": []}), "unexpected_answer", "Do not guess the answer."),
        (ok({"series": [{"name": "no id"}]}), "unexpected_answer", "Do not guess the answer."),
    ],
    ids=["404", "envelope", "no id"],
)
async def test_series_that_cannot_be_had_are_not_left_out_in_silence(
    found: httpx.Response, code: str, next_step: str
) -> None:
    async with answered_by({"freewheel": freewheel(FLAT, found)}) as (client, recorders):
        result = await client.call_tool(TOOL, {"text": "drama"})
        without = await client.call_tool(TOOL, {"text": "drama", "item_type": "STANDARD_GENRE"})
    assert error_of(result)["code"] == code
    assert error_of(result)["next_step"].startswith(next_step)
    assert ids(answer_of(TOOL, without)) == ["1004", "5", "1008"]
    assert recorders["freewheel"].sent() == [READ, series("drama")]


LOST_READ = LostRead({"text": "drama"}, READ)
