"""get_proposed_io as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, sandboxed
from tests.tools.cases import FailedReads, Failure, RefusedArguments

TOOL = "get_proposed_io"
ORDER: dict[str, Any] = {"proposed_io_id": 418264}
PATH = "/services/v4/proposed_insertion_orders/418264?show=all"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "proposed_io.task.Show information about a Proposed Insertion Order",
    "proposed_io.attribute.id",
    "proposed_io.attribute.external_id",
    "proposed_io.attribute.name",
    "proposed_io.attribute.description",
    "proposed_io.attribute.schedule",
    "proposed_io.attribute.delivery",
    "proposed_io.attribute.budget",
    "proposed_io.attribute.brand_id",
    "proposed_io.attribute.assignments",
    "proposed_io.attribute.created_at",
    "proposed_io.attribute.updated_at",
    "proposed_io.attribute.probability_of_close",
    "proposed_io.attribute.proposed_io_status",
    "proposed_io.schedule.start_time",
    "proposed_io.schedule.end_time",
    "proposed_io.schedule.time_zone",
    "proposed_io.delivery.frequency_caps",
    "proposed_io.frequency_cap.value",
    "proposed_io.frequency_cap.type",
    "proposed_io.frequency_cap.scope",
    "proposed_io.frequency_cap.period",
    "proposed_io.budget.budget_model",
    "proposed_io.budget.currency",
    "proposed_io.budget.over_delivery",
    "proposed_io.budget.over_delivery_type",
    "proposed_io.assignments.users",
    "proposed_io.user.id",
    "proposed_io.user.full_name",
    "proposed_io.user.login",
)
async def test_an_order_is_shown_with_every_attribute(tmp_path: Path, mode: Literal["auto", "legacy"]) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, ORDER)
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "id": 418264,
        "external_id": "NL-OPP-10442",
        "name": "Halden Aria EV - Launch Roadblock",
        "proposed_io_status": "PROPOSED",
        "description": "Halden Motor Company, scatter order.",
        "brand_id": 810217,
        "probability_of_close": 65,
        "created_at": "2026-07-07T07:36:02Z",
        "updated_at": "2026-07-09T10:36:02Z",
        "flight_start": "2026-10-11T05:00:00Z",
        "flight_end": "2026-11-22T04:59:59Z",
        "time_zone": "(GMT-05:00) America - New York",
        "budget": {
            "budget_model": "CURRENCY_TARGET",
            "currency": 1250000.0,
            "over_delivery": 5.0,
            "over_delivery_type": "DEFAULT",
        },
        "frequency_caps": [
            {"value": 1, "type": "IMPRESSION", "scope": "STREAM"},
            {"value": 4, "type": "IMPRESSION", "scope": "TIME", "period": 10080},
        ],
        "assigned_users": [
            {"id": 6092314, "full_name": "Dana Whitfield", "login": "dana.whitfield@northlight.example"},
            {"id": 6092327, "full_name": "Marcus Oyelaran", "login": "marcus.oyelaran@northlight.example"},
        ],
    }
    assert network.freewheel.sent() == [("GET", PATH, None)]


@pytest.mark.requirement("proposed_io.budget.impression")
async def test_a_goal_in_impressions_is_shown_as_such(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"proposed_io_id": 418250}))
    assert answer["budget"] == {
        "budget_model": "IMPRESSION_TARGET",
        "impression": 18_400_000,
        "over_delivery": 5.0,
        "over_delivery_type": "DEFAULT",
    }


async def test_an_order_without_a_goal_is_evergreen_and_none_is_not_the_same_as_not_told(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"proposed_io_id": 418355}))
    assert answer["budget"] == {"budget_model": "EVERGREEN"}
    assert (answer["frequency_caps"], answer["assigned_users"]) == ([], [])
    assert "not_told" not in answer
    assert "flight_start" not in answer


BASIC = {"id": 418264, "name": "Halden"}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({}, {"not_told": ["budget", "frequency_caps", "assigned_users"]}),
        (
            {"budget": None, "delivery": None, "assignments": None},
            {"not_told": ["budget", "frequency_caps", "assigned_users"]},
        ),
        (
            {"budget": {"budget_model": "Evergreen", "currency": None}, "assignments": {"users": [{"id": "7"}]}},
            {
                "budget": {"budget_model": "EVERGREEN"},
                "assigned_users": [{"id": 7}],
                "not_told": ["frequency_caps"],
            },
        ),
        (
            {
                "delivery": {"frequency_caps": [{"value": "2", "scope": "DAY"}], "pacing": "EVEN"},
                "budget": "250000",
                "assignments": {"users": [{"id": None}]},
            },
            {"frequency_caps": [{"value": 2, "scope": "DAY"}], "not_told": ["budget", "assigned_users"]},
        ),
    ],
)
async def test_what_freewheel_does_not_tell_is_named(
    told: dict[str, Any], shown: dict[str, Any], wrapped: bool
) -> None:
    order = {**BASIC, **told}
    payload = {"proposed_insertion_order": order} if wrapped else order
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json=payload)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, ORDER))
    assert answer == {"environment": "live", **BASIC, **shown}


async def test_a_long_description_is_shown_whole_and_printable() -> None:
    order = {**BASIC, "description": "Flight\r\nof <i>two</i> weeks. " + "x" * 4000}
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json=order)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, ORDER))
    assert answer["description"] == "Flight of two weeks. " + "x" * 4000


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({}, "`proposed_io_id` is required"),
        ({"proposed_io_id": 0}, "`proposed_io_id`: Input should be greater than or equal to 1"),
        ({"proposed_io_id": "418264"}, "`proposed_io_id`: Input should be a valid integer"),
        ({"proposed_io_id": 2**53}, "`proposed_io_id`: Input should be less than or equal to 9007199254740991"),
        ({**ORDER, "id": 5}, "unknown argument `id`"),
    ],
)


FAILED_READS = FailedReads(
    ORDER,
    ("GET", PATH, None),
    [
        Failure(
            httpx.Response(404, json={"errors": [{"message": "not found"}]}),
            "not_found",
            'FreeWheel answered 404: "not found".',
            "FreeWheel has no such proposed IO in this network: take the id from list_proposed_ios.",
        ),
        Failure(
            httpx.Response(403, json={"Message": "no"}),
            "forbidden",
            'FreeWheel answered 403: "no".',
            "A person asks the FreeWheel account team to enable the Proposal network function",
        ),
        Failure(
            httpx.Response(200, json={**BASIC, "id": 418265}),
            "unexpected_answer",
            "FreeWheel answered with another object than the one asked for.",
            "Do not guess the answer.",
        ),
        Failure(
            httpx.Response(200, json={"name": "no id"}),
            "unexpected_answer",
            "FreeWheel answered with JSON whose id could not be read.",
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
