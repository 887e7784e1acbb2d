"""list_proposed_ios as an agent meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import Answer, answered_by, sandboxed
from tests.tokens import tokens
from tests.tools.cases import FailedReads, Failure, RefusedArguments
from tools.freewheel import search

TOOL = "list_proposed_ios"
PATH = "/services/v4/proposed_insertion_orders"


def orders(first: int, last: int) -> list[dict[str, Any]]:
    return [
        {"id": number, "name": f"Order {number}", "external_id": f"NL-{number}"} for number in range(first, last + 1)
    ]


def paged(count: int, **told: Any) -> Answer:
    """FreeWheel with `count` orders, which it pages; `told` is added to each page."""

    def answer(request: httpx.Request) -> httpx.Response:
        page, size = (int(request.url.params[name]) for name in ("page", "per_page"))
        return httpx.Response(200, json={"items": orders((page - 1) * size + 1, min(page * size, count)), **told})

    return answer


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "proposed_io.task.List Proposed Insertion Orders",
    "proposed_io.attribute.id",
    "proposed_io.attribute.schedule",
    "proposed_io.attribute.updated_at",
    "proposed_io.attribute.proposed_io_status",
)
async def test_orders_are_listed_with_status_brand_chance_and_flight(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {"page": 4, "per_page": 5})
    answer = answer_of(TOOL, result)
    assert answer["items"][0] == {
        "id": 418355,
        "external_id": "NL-OPP-10585",
        "name": "Piedmont Small Business - Markets Block",
        "proposed_io_status": "PROPOSED",
        "brand_id": 810404,
        "updated_at": "2026-09-23T06:00:15Z",
    }
    assert answer["items"][2] == {
        "id": 418369,
        "external_id": "NL-OPP-10607",
        "name": "Tiny Trail Kids - Back to School",
        "proposed_io_status": "LOST",
        "brand_id": 810455,
        "probability_of_close": 0,
        "flight_start": "2027-01-24T05:00:00Z",
        "flight_end": "2027-02-28T04:59:59Z",
        "updated_at": "2026-10-07T01:36:17Z",
    }
    assert {name: answer[name] for name in answer if name != "items"} == {
        "environment": "sandbox",
        "total": 25,
        "next": {"page": 5, "per_page": 5},
    }
    assert network.freewheel.sent() == [("GET", f"{PATH}?page=4&per_page=5", None)]


async def test_following_next_gives_every_order_once_and_each_page_is_small(tmp_path: Path) -> None:
    seen: list[int] = []
    following: dict[str, Any] | None = {}
    async with sandboxed(tmp_path) as (client, network):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            assert tokens(json.dumps(answer, separators=(",", ":"))) < 1_300
            seen += [item["id"] for item in answer["items"]]
            following = answer["next"]
    assert (len(seen), len(set(seen))) == (25, 25)
    assert network.freewheel.sent() == [("GET", f"{PATH}?page={page}&per_page=12", None) for page in (1, 2, 3)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("nl-opp-10442", [418264]),
        ("10442", [418264]),
        ("HALDEN  trucks", [418250, 418257]),
        ("10431 halden", [418257]),
    ],
)
async def test_words_are_found_in_name_and_external_id_on_freewheels_largest_pages(
    tmp_path: Path, text: str, ids: list[int]
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": text}))
    assert [item["id"] for item in answer.pop("items")] == ids
    assert answer == {
        "environment": "sandbox",
        "total": len(ids),
        "next": None,
        "note": "Searched: 25 proposed IOs, to the end of the list.",
    }
    assert network.freewheel.sent() == [("GET", f"{PATH}?page=1&per_page=50", None)]


async def test_an_order_that_was_just_created_is_found_by_its_external_id(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        await client.call_tool("create_proposed_io", {"external_id": "CRM-2044", "name": "Winter"})
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "CRM-2044"}))
    assert [item["id"] for item in answer["items"]] == [418419]


async def test_a_page_past_the_last_match_is_not_told_as_no_match(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "Halden", "page": 2}))
    assert (answer["items"], answer["total"]) == ([], 5)
    assert "None of them" not in answer["note"]
    assert "There is nothing on page 2" in answer["note"]


async def test_a_search_that_finds_nothing_to_the_end_says_so(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "Halden Tacos", "per_page": 10}))
    assert answer == {
        "environment": "sandbox",
        "items": [],
        "total": 0,
        "next": None,
        "note": "Searched: 25 proposed IOs, to the end of the list. None of them has all words of `text`.",
    }
    assert network.freewheel.sent() == [("GET", f"{PATH}?page=1&per_page=50", None)]


async def test_a_search_goes_through_the_whole_list() -> None:
    async with answered_by({"freewheel": paged(1_120)}) as (client, recorders):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "NL-1101"}))
    assert answer == {
        "environment": "live",
        "items": [{"id": 1101, "external_id": "NL-1101", "name": "Order 1101"}],
        "total": 1,
        "next": None,
        "note": "Searched: 1,120 proposed IOs, to the end of the list.",
    }
    assert recorders["freewheel"].sent() == [("GET", f"{PATH}?page={page}&per_page=50", None) for page in range(1, 25)]


async def test_following_next_gives_every_match_once_and_reads_no_further_than_it_has_to() -> None:
    seen: list[int] = []
    following: dict[str, Any] | None = {"text": "order 1"}
    note, pages = "", list[int]()
    async with answered_by({"freewheel": paged(300)}) as (client, recorders):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            seen += [item["id"] for item in answer["items"]]
            following, note = answer["next"], answer["note"]
            pages.append(len(recorders["freewheel"].requests))
    assert seen == [number for number in range(1, 301) if "1" in str(number)]
    assert pages[0] == 1
    assert note == "Searched: 300 proposed IOs, to the end of the list."


async def test_a_search_whose_time_is_over_gives_what_it_has_and_next_goes_on_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "SEARCH_TIMEOUT", 0.05)
    slow = True

    async def slow_after_the_first(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        if page == 2 and slow:
            await anyio.sleep_forever()
        return httpx.Response(200, json={"items": orders(page * 50 - 49, min(page * 50, 80)), "total_count": 80})

    async with answered_by({"freewheel": slow_after_the_first}) as (client, recorders):
        first = answer_of(TOOL, await client.call_tool(TOOL, {"text": "NL-7"}))
        slow = False
        second = answer_of(TOOL, await client.call_tool(TOOL, first["next"]))
    assert first == {
        "environment": "live",
        "items": [{"id": 7, "external_id": "NL-7", "name": "Order 7"}],
        "next": {"text": "NL-7", "page": 1, "search_from": 2},
        "note": "Searched: 50 proposed IOs; there are more, and `next` goes on.",
    }
    assert [item["id"] for item in second["items"]] == list(range(70, 80))
    assert (second["next"], "total" in second) == (None, False)
    assert recorders["freewheel"].requests[-1].url.params["page"] == "2"


async def test_a_list_that_freewheel_does_not_page_is_searched_once_and_its_end_is_not_claimed() -> None:
    everything = {"items": orders(1, 60)}
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json=everything)}) as (client, recorders):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "NL-60"}))
    assert answer == {
        "environment": "live",
        "items": [{"id": 60, "external_id": "NL-60", "name": "Order 60"}],
        "next": None,
        "note": "Searched: 60 proposed IOs; there may be more, and the others are not known.",
    }
    assert len(recorders["freewheel"].requests) == 2


@pytest.mark.parametrize("told", [{}, {"total": 60}])
async def test_a_list_whose_pages_are_smaller_than_asked_for_is_searched_to_its_end(told: dict[str, Any]) -> None:
    def twenty_a_page(request: httpx.Request) -> httpx.Response:
        first = int(request.url.params["page"]) * 20 - 19
        return httpx.Response(200, json={"items": orders(first, min(first + 19, 60)), **told})

    async with answered_by({"freewheel": twenty_a_page}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "NL-60"}))
    assert [item["id"] for item in answer["items"]] == [60]
    assert (answer["total"], answer["note"]) == (1, "Searched: 60 proposed IOs, to the end of the list.")


@pytest.mark.parametrize("told", [{"total": 60}, {"total": 60, "total_pages": 2}])
async def test_a_list_that_cannot_be_read_whole_is_not_said_to_be(told: dict[str, Any]) -> None:
    part = {"items": orders(1, 50), **told}
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json=part)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "NL-60"}))
    assert answer == {
        "environment": "live",
        "items": [],
        "next": None,
        "note": "Searched: 50 proposed IOs; FreeWheel counts 60, and the others are not known. None of them has all "
        "words of `text`.",
    }


@pytest.mark.parametrize(
    ("envelope", "total", "more"),
    [
        ({"items": orders(1, 5)}, None, True),
        ({"items": orders(1, 4)}, None, False),
        ({"items": orders(1, 5), "total_count": 6, "total_page": 2}, 6, True),
        ({"proposed_insertion_orders": orders(1, 5), "total": "5"}, 5, False),
        ({"proposed_insertion_orders": orders(1, 2), "items": []}, None, False),
    ],
)
async def test_totals_may_be_missing_or_named_otherwise(
    envelope: dict[str, Any], total: int | None, more: bool
) -> None:
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json=envelope)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"per_page": 5}))
    assert (answer.get("total"), answer["next"]) == (total, {"per_page": 5, "page": 2} if more else None)


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        ({}, "FreeWheel lists no proposed IOs for this network."),
        ({"page": 7}, "There is nothing on page 7: start again from page 1."),
        (
            {"text": "x"},
            "Searched: 0 proposed IOs, to the end of the list. None of them has all words of `text`.",
        ),
    ],
)
async def test_an_empty_list_says_why(arguments: dict[str, Any], note: str) -> None:
    async with answered_by({"freewheel": paged(0, total_count=0, total_page=0)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, arguments))
    assert answer == {"environment": "live", "items": [], "total": 0, "next": None, "note": note}


async def test_what_cannot_be_read_or_is_new_does_not_hide_the_order() -> None:
    items: list[dict[str, Any]] = [
        {
            "id": "418250",
            "external_id": "",
            "name": "Halden <b>Trucks</b>\u202e " + "x" * 400,
            "proposed_io_status": "Draft",
            "brand_id": "810200",
            "probability_of_close": "likely",
            "schedule": {"start_time": "", "end_time": "2026-12-01T00:00:00Z"},
            "added_later": {},
        },
        {"id": 418257, "schedule": []},
    ]
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json={"items": items})}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {}))
    assert answer["items"] == [
        {
            "id": 418250,
            "name": "Halden Trucks " + "x" * 285 + "…",
            "proposed_io_status": "DRAFT",
            "brand_id": 810200,
            "flight_end": "2026-12-01T00:00:00Z",
        },
        {"id": 418257},
    ]


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"text": ""}, "`text`: String should match pattern"),
        ({"text": " \n"}, "`text`: String should match pattern"),
        ({"text": "x" * 256}, "`text`: String should have at most 255 characters"),
        ({"text": 5}, "`text`: Input should be a valid string"),
        ({"page": 0}, "`page`: Input should be greater than or equal to 1"),
        ({"per_page": 4}, "`per_page`: Input should be greater than or equal to 5"),
        ({"per_page": 51}, "`per_page`: Input should be less than or equal to 50"),
        ({"status": "LOST"}, "unknown argument `status` (valid: text, page, per_page, search_from)"),
    ],
)


TEAM = "A person asks the FreeWheel account team to enable the Proposal network function"


FAILURES = [
    Failure(httpx.Response(403, json={"Message": "no"}), "forbidden", 'FreeWheel answered 403: "no".', TEAM),
    Failure(httpx.Response(404), "not_found", "FreeWheel answered 404 (an empty body).", TEAM),
    Failure(
        httpx.Response(401, text="expired"),
        "unauthorized",
        'FreeWheel answered 401: "expired".',
        "The operator checks ADOPS_FREEWHEEL_TOKEN",
    ),
    Failure(
        httpx.Response(422, json={"errors": [{"message": "page must be smaller."}]}),
        "refused",
        'FreeWheel answered 422: "page must be smaller."',
        "Correct the arguments",
    ),
    Failure(
        httpx.Response(200, json={"results": []}),
        "unexpected_answer",
        "FreeWheel answered with JSON that has neither `proposed_insertion_orders` nor `items`.",
        "Do not guess the answer.",
    ),
    Failure(
        httpx.Response(200, json={"items": [{"name": "no id"}]}),
        "unexpected_answer",
        "FreeWheel answered with JSON whose items.0.id could not be read.",
        "Do not guess the answer.",
    ),
    Failure(
        httpx.Response(200, html="<html>Sign in</html>"),
        "unexpected_answer",
        "FreeWheel answered with an HTML page instead of JSON.",
        "Do not guess the answer.",
    ),
]
FAILED_READS = FailedReads({}, ("GET", f"{PATH}?page=1&per_page=12", None), FAILURES)
FAILED_SEARCHES = FailedReads({"text": "CRM-2044"}, ("GET", f"{PATH}?page=1&per_page=50", None), FAILURES)
