"""list_proposed_placements as an agent meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, sandboxed, text_of
from tests.tokens import tokens
from tests.tools.cases import EmptyLists, FailedReads, Failure, RefusedArguments

TOOL = "list_proposed_placements"
BY_MARKET = 418390
"""The sandbox's order with 30 placements."""
PATH = f"/services/v4/proposed_insertion_orders/{BY_MARKET}/proposed_placements"
ORDER: dict[str, Any] = {"proposed_io_id": BY_MARKET}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "proposed_io.task.List Proposed Placements of a Proposed Insertion Order",
)
async def test_the_placements_of_an_order_are_listed_with_flight_price_and_budget(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {"proposed_io_id": 418264})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "items": [
            {
                "id": 9204132,
                "external_id": "NL-OPP-10442-L1",
                "name": "Halden Aria EV - Launch Roadblock - FAST Rotation :15",
                "status": "INACTIVE",
                "placement_type": "NORMAL",
                "flight_start": "2026-10-11T05:00:00Z",
                "flight_end": "2026-11-22T04:59:59Z",
                "price_model": "FLAT_FEE_SPONSORSHIP",
                "price": 416666.68,
                "budget": {"budget_model": "CURRENCY_TARGET", "currency": 416666.68},
            },
            {
                "id": 9204135,
                "external_id": "NL-OPP-10442-L2",
                "name": "Halden Aria EV - Launch Roadblock - Primetime Pods :30",
                "description": "As agreed on the call.",
                "status": "INACTIVE",
                "placement_type": "NORMAL",
                "flight_start": "2026-10-18T05:00:00Z",
                "flight_end": "2026-11-22T04:59:59Z",
                "price_model": "ACTUAL_ECPM",
                "price": 31.0,
                "budget": {"budget_model": "CURRENCY_TARGET", "currency": 416666.66},
            },
            {
                "id": 9204138,
                "name": "Halden Aria EV - Launch Roadblock - Pause Ad",
                "status": "INACTIVE",
                "placement_type": "NORMAL",
                "flight_start": "2026-10-25T05:00:00Z",
                "flight_end": "2026-11-22T04:59:59Z",
                "price_model": "ACTUAL_ECPM",
                "price": 34.0,
                "budget": {"budget_model": "CURRENCY_TARGET", "currency": 416666.66},
            },
        ],
        "total": 3,
        "next": None,
    }
    path = "/services/v4/proposed_insertion_orders/418264/proposed_placements?page=1&per_page=10"
    assert network.freewheel.sent() == [("GET", path, None)]


async def test_following_next_gives_every_placement_once_and_each_page_is_small(tmp_path: Path) -> None:
    seen: list[int] = []
    following: dict[str, Any] | None = ORDER
    async with sandboxed(tmp_path) as (client, network):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            assert tokens(json.dumps(answer, separators=(",", ":"))) < 1_300
            seen += [item["id"] for item in answer["items"]]
            following = answer["next"]
    assert (len(seen), len(set(seen))) == (30, 30)
    assert network.freewheel.sent() == [("GET", f"{PATH}?page={page}&per_page=10", None) for page in (1, 2, 3)]


async def test_next_repeats_the_arguments_that_were_given_and_no_others(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**ORDER, "per_page": 5, "page": 2}))
        plain = answer_of(TOOL, await client.call_tool(TOOL, ORDER))
    assert answer["next"] == {**ORDER, "per_page": 5, "page": 3}
    assert plain["next"] == {**ORDER, "page": 2}


EMPTY_LISTS = EmptyLists(
    [
        ({"proposed_io_id": 418355}, 0, "This order has no placements yet: people add them in FreeWheel."),
        ({**ORDER, "page": 4}, 30, "There is nothing on page 4: start again from page 1."),
    ],
)


async def test_an_order_that_does_not_exist_is_told(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        result = await client.call_tool(TOOL, {"proposed_io_id": 5})
    assert text_of(result) == (
        '[not_found] FreeWheel answered 404: "Proposed insertion order not found."\n'
        "Next: FreeWheel has no such proposed IO in this network: take the id from list_proposed_ios."
    )


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"proposed_io_id": None}, "`proposed_io_id` is required"),
        ({"proposed_io_id": 0}, "`proposed_io_id`: Input should be greater than or equal to 1"),
        ({"proposed_io_id": "418390"}, "`proposed_io_id`: Input should be a valid integer"),
        ({"page": 0}, "`page`: Input should be greater than or equal to 1"),
        ({"per_page": 4}, "`per_page`: Input should be greater than or equal to 5"),
        ({"per_page": 51}, "`per_page`: Input should be less than or equal to 50"),
        ({"id": 418390}, "unknown argument `id`"),
    ],
    beside=ORDER,
)


async def test_what_cannot_be_read_or_is_new_does_not_hide_the_placement() -> None:
    items: list[dict[str, Any]] = [
        {
            "id": "9204132",
            "name": "A <b>bold</b>\n name",
            "external_id": "",
            "status": "Inactive",
            "placement_type": "BONUS",
            "enable_canoe": "perhaps",
            "schedule": None,
            "price": 25,
            "budget": {"budget_model": "EVERGREEN", "currency": None, "pacing": "EVEN"},
            "added_later": {},
        },
        {"id": 9204135, "price": {"price": "31.5"}, "schedule": {"start_time": ""}, "budget": []},
    ]
    page = {"proposed_placements": items, "total_count": 2}
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json=page)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, ORDER))
    assert answer == {
        "environment": "live",
        "items": [
            {
                "id": 9204132,
                "name": "A bold name",
                "status": "INACTIVE",
                "placement_type": "BONUS",
                "budget": {"budget_model": "EVERGREEN"},
            },
            {"id": 9204135, "price": 31.5},
        ],
        "total": 2,
        "next": None,
    }


FAILED_READS = FailedReads(
    ORDER,
    ("GET", f"{PATH}?page=1&per_page=10", None),
    [
        Failure(
            httpx.Response(403, json={"Message": "no"}),
            "forbidden",
            'FreeWheel answered 403: "no".',
            "A person asks the FreeWheel account team to enable the Proposal network function",
        ),
        Failure(
            httpx.Response(200, json={"results": []}),
            "unexpected_answer",
            "FreeWheel answered with JSON that has neither `proposed_placements` nor `items`.",
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
    ],
)
