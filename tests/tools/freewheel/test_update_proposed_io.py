"""update_proposed_io as an agent meets it, on a FreeWheel that replaces the whole order by what it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from pydantic import SecretStr

from server.clients import Wire
from server.sandbox.freewheel import app as freewheel
from server.sandbox.freewheel.app import BRANDS, TOKEN, USERS
from server.sandbox.store import Store
from tests.snapshots import answer_of
from tests.support import NOW, FakeTime, Recorder, connected, error_of, live_settings, sandboxed
from tests.tools.cases import RefusedArguments

TOOL = "update_proposed_io"
LAUNCH = 418264
"""An order with a currency goal, DEFAULT over delivery, two caps and two users."""
CUSTOM = 418257
"""One with CUSTOM over delivery of 10 percent."""
EVERGREEN = 418355
"""One without a goal, caps or users."""
PATH = f"/services/v4/proposed_insertion_orders/{LAUNCH}"
READ = ("GET", f"{PATH}?show=all", None)

WHOLE: dict[str, Any] = {
    "external_id": "NL-OPP-10442",
    "name": "Halden Aria EV - Launch Roadblock",
    "description": "Halden Motor Company, scatter order.",
    "brand_id": 810217,
    "probability_of_close": 65,
    "proposed_io_status": "PROPOSED",
    "budget": {"budget_model": "CURRENCY_TARGET", "currency": 1250000.0, "over_delivery_type": "DEFAULT"},
    "delivery": {
        "frequency_caps": [
            {"value": 1, "type": "IMPRESSION", "scope": "STREAM"},
            {"value": 4, "type": "IMPRESSION", "scope": "TIME", "period": 10080},
        ]
    },
    "assignments": {"users": [{"id": 6092314}, {"id": 6092327}]},
}
"""The body that changes nothing of LAUNCH."""


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "proposed_io.task.Update a Proposed Insertion Order",
    "proposed_io.attribute.id",
    "proposed_io.attribute.budget",
    "proposed_io.attribute.assignments",
    "proposed_io.attribute.probability_of_close",
    "proposed_io.attribute.proposed_io_status",
    "proposed_io.budget.budget_model",
    "proposed_io.budget.impression",
    "proposed_io.budget.over_delivery",
    "proposed_io.assignments.users",
    "proposed_io.user.id",
)
async def test_what_is_given_changes_and_everything_else_is_sent_back_and_kept(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    arguments = {
        "proposed_io_id": LAUNCH,
        "probability_of_close": 100,
        "proposed_io_status": "COMPLETED",
        "budget": {"budget_model": "IMPRESSION_TARGET", "impression": 40_000_000, "over_delivery": 7.5},
        "assigned_user_ids": [USERS[3].id, USERS[1].id],
    }
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, arguments)
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "proposed_io": {
            "id": LAUNCH,
            "external_id": "NL-OPP-10442",
            "name": "Halden Aria EV - Launch Roadblock",
            "proposed_io_status": "COMPLETED",
            "description": "Halden Motor Company, scatter order.",
            "brand_id": 810217,
            "probability_of_close": 100,
            "created_at": "2026-07-07T07:36:02Z",
            "updated_at": "2026-11-22T12:00:00Z",
            "flight_start": "2026-10-11T05:00:00Z",
            "flight_end": "2026-11-22T04:59:59Z",
            "time_zone": "(GMT-05:00) America - New York",
            "budget": {
                "budget_model": "IMPRESSION_TARGET",
                "impression": 40_000_000,
                "over_delivery": 7.5,
                "over_delivery_type": "CUSTOM",
            },
            "frequency_caps": WHOLE["delivery"]["frequency_caps"],
            "assigned_users": [
                {"id": 6092340, "full_name": "Priya Raman", "login": "priya.raman@northlight.example"},
                {"id": 6092314, "full_name": "Dana Whitfield", "login": "dana.whitfield@northlight.example"},
            ],
        },
        "changes": [
            {"field": "probability_of_close", "before": 65, "after": 100},
            {"field": "proposed_io_status", "before": "PROPOSED", "after": "COMPLETED"},
            {
                "field": "budget",
                "before": WHOLE["budget"],
                "after": {
                    "budget_model": "IMPRESSION_TARGET",
                    "impression": 40_000_000,
                    "over_delivery": 7.5,
                    "over_delivery_type": "CUSTOM",
                },
            },
            {"field": "assigned_user_ids", "before": [6092314, 6092327], "after": [6092314, 6092340]},
        ],
        "what_happened": "FreeWheel took the update of proposed IO 418264. Read back, it is as requested, and "
        "everything else that FreeWheel states of it is as before. It is closed; no inventory is booked, held or "
        "released by that.",
        "next_step": "Show the person the changes.",
    }
    body = {
        **WHOLE,
        "probability_of_close": 100,
        "proposed_io_status": "COMPLETED",
        "budget": arguments["budget"],
        "assignments": {"users": [{"id": 6092340}, {"id": 6092314}]},
    }
    assert network.freewheel.sent() == [READ, ("PUT", PATH, body), READ]
    headers = network.freewheel.requests[-2].headers
    assert (headers["accept"], headers["content-type"]) == ("application/json", "application/json")


CAPS: list[dict[str, Any]] = [
    {"value": 2, "type": "PACKAGE", "scope": "TIME", "period": 60},
    {"value": 5, "type": "IMPRESSION", "scope": "CAMPAIGN"},
]


@pytest.mark.parametrize(
    ("given", "sent", "change"),
    [
        ({"external_id": "CRM-7"}, {"external_id": "CRM-7"}, {"before": "NL-OPP-10442", "after": "CRM-7"}),
        ({"name": "Aria"}, {"name": "Aria"}, {"before": "Halden Aria EV - Launch Roadblock", "after": "Aria"}),
        (
            {"description": "New."},
            {"description": "New."},
            {"before": "Halden Motor Company, scatter order.", "after": "New."},
        ),
        ({"description": ""}, {"description": ""}, {"before": "Halden Motor Company, scatter order."}),
        ({"brand_id": BRANDS[4].id}, {"brand_id": BRANDS[4].id}, {"before": 810217, "after": BRANDS[4].id}),
        ({"probability_of_close": 0}, {"probability_of_close": 0}, {"before": 65, "after": 0}),
        ({"proposed_io_status": "LOST"}, {"proposed_io_status": "LOST"}, {"before": "PROPOSED", "after": "LOST"}),
        (
            {"frequency_caps": CAPS},
            {"delivery": {"frequency_caps": CAPS}},
            {"before": WHOLE["delivery"]["frequency_caps"], "after": CAPS},
        ),
        (
            {"frequency_caps": []},
            {"delivery": {"frequency_caps": []}},
            {"before": WHOLE["delivery"]["frequency_caps"], "after": []},
        ),
        (
            {"assigned_user_ids": []},
            {"assignments": {"users": []}},
            {"before": [6092314, 6092327], "after": []},
        ),
    ],
)
@pytest.mark.requirement(
    "proposed_io.attribute.external_id",
    "proposed_io.attribute.name",
    "proposed_io.attribute.description",
    "proposed_io.attribute.delivery",
    "proposed_io.attribute.brand_id",
    "proposed_io.delivery.frequency_caps",
    "proposed_io.frequency_cap.value",
    "proposed_io.frequency_cap.type",
    "proposed_io.frequency_cap.scope",
    "proposed_io.frequency_cap.period",
)
async def test_each_attribute_changes_alone(
    tmp_path: Path, given: dict[str, Any], sent: dict[str, Any], change: dict[str, Any]
) -> None:
    (field,) = given
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {"proposed_io_id": LAUNCH, **given})
    answer = answer_of(TOOL, result)
    assert answer["changes"] == [{"field": field, **change}]
    assert "everything else that FreeWheel states of it is as before" in answer["what_happened"]
    assert answer.keys() == {"environment", "proposed_io", "changes", "what_happened", "next_step"}
    assert network.freewheel.sent() == [READ, ("PUT", PATH, {**WHOLE, **sent}), READ]


@pytest.mark.parametrize(
    "given",
    [
        {"name": "Halden Aria EV - Launch Roadblock", "probability_of_close": 65},
        {"budget": {"budget_model": "CURRENCY_TARGET", "currency": 1_250_000}},
        {"budget": {**WHOLE["budget"]}},
        {"frequency_caps": WHOLE["delivery"]["frequency_caps"][::-1]},
        {"assigned_user_ids": [6092327, 6092314, 6092327], "accept_unknown": True},
    ],
)
async def test_what_is_already_so_is_not_sent(tmp_path: Path, given: dict[str, Any]) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"proposed_io_id": LAUNCH, **given}))
        shown = answer_of("get_proposed_io", await client.call_tool("get_proposed_io", {"proposed_io_id": LAUNCH}))
    assert answer == {
        "environment": "sandbox",
        "proposed_io": {name: value for name, value in shown.items() if name != "environment"},
        "changes": [],
        "what_happened": "Nothing was sent: proposed IO 418264 is already as requested.",
        "next_step": "Tell the person that nothing had to be changed.",
    }
    assert network.freewheel.sent() == [READ, READ]


async def test_no_description_is_already_no_description(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        cleared = [
            answer_of(TOOL, await client.call_tool(TOOL, {"proposed_io_id": LAUNCH, "description": ""}))
            for _ in range(2)
        ]
    assert [len(answer["changes"]) for answer in cleared] == [1, 0]
    assert [method for method, _, _ in network.freewheel.sent()] == ["GET", "PUT", "GET", "GET"]


@pytest.mark.parametrize(
    ("order_id", "budget", "sent"),
    [
        (
            CUSTOM,
            {"budget_model": "CURRENCY_TARGET", "currency": 90_000},
            {"over_delivery": 10.0, "over_delivery_type": "CUSTOM"},
        ),
        (
            CUSTOM,
            {"budget_model": "IMPRESSION_TARGET", "impression": 9, "over_delivery_type": "DEFAULT"},
            {},
        ),
        (CUSTOM, {"budget_model": "IMPRESSION_TARGET", "impression": 9, "over_delivery": 0}, {}),
        (
            LAUNCH,
            {"budget_model": "CURRENCY_TARGET", "currency": 90_000},
            {"over_delivery_type": "DEFAULT"},
        ),
        (EVERGREEN, {"budget_model": "CURRENCY_TARGET", "currency": 90_000}, {}),
    ],
)
@pytest.mark.requirement("proposed_io.budget.currency", "proposed_io.budget.over_delivery_type")
async def test_a_budget_without_a_word_on_over_delivery_keeps_the_present_one(
    tmp_path: Path, order_id: int, budget: dict[str, Any], sent: dict[str, Any]
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"proposed_io_id": order_id, "budget": budget}))
    assert network.freewheel.sent()[1][2]["budget"] == {**budget, **sent}
    assert [change["field"] for change in answer["changes"]] == ["budget"]
    assert answer["next_step"] == "Show the person the changes."


async def test_a_custom_over_delivery_is_sent_back_and_an_evergreen_budget_is_not(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        for order_id in (CUSTOM, EVERGREEN):
            result = await client.call_tool(TOOL, {"proposed_io_id": order_id, "probability_of_close": 50})
            assert (
                "everything else that FreeWheel states of it is as before" in answer_of(TOOL, result)["what_happened"]
            )
    bodies = [body for method, _, body in network.freewheel.sent() if method == "PUT"]
    assert bodies[0]["budget"] == {
        "budget_model": "IMPRESSION_TARGET",
        "impression": 9_250_000,
        "over_delivery": 10.0,
        "over_delivery_type": "CUSTOM",
    }
    assert bodies[1] == {
        "external_id": "NL-OPP-10585",
        "name": "Piedmont Small Business - Markets Block",
        "description": "Piedmont Mutual Bank, upfront order.",
        "brand_id": 810404,
        "probability_of_close": 50,
        "proposed_io_status": "PROPOSED",
        "delivery": {"frequency_caps": []},
        "assignments": {"users": []},
    }


async def test_a_text_is_sent_back_as_it_came_and_not_as_it_is_shown(tmp_path: Path) -> None:
    text = "Agreed:\r\n\t- <b>two</b> weeks, see https://crm.example/7 \u200b" + "x" * 4000
    new = {"external_id": "CRM  7", "name": "Two  spaces", "description": text}
    async with sandboxed(tmp_path) as (client, network):
        created = answer_of("create_proposed_io", await client.call_tool("create_proposed_io", new))
        arguments = {"proposed_io_id": created["proposed_io"]["id"], "probability_of_close": 5}
        answer = answer_of(TOOL, await client.call_tool(TOOL, arguments))
    (sent,) = [body for method, _, body in network.freewheel.sent() if method == "PUT"]
    assert {name: sent[name] for name in new} == new
    assert answer["proposed_io"]["description"] == "Agreed: - two weeks, see [link] " + "x" * 4000
    assert answer["changes"] == [{"field": "probability_of_close", "after": 5}]


async def test_where_put_is_not_taken_the_same_body_is_patched() -> None:
    time, store = FakeTime(), Store(None)
    with store.transaction() as connection:
        freewheel.create(connection, NOW)
    network = Recorder(httpx.ASGITransport(freewheel.app(store, time.now, update_verb="PATCH")))
    settings = live_settings(freewheel_token=SecretStr(TOKEN))
    async with connected(Wire({"freewheel": network}, time.timing), settings) as client:
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"proposed_io_id": LAUNCH, "name": "Aria"}))
    store.close()
    body = {**WHOLE, "name": "Aria"}
    assert network.sent() == [READ, ("PUT", PATH, body), ("PATCH", PATH, body), READ]
    assert answer["changes"] == [
        {"field": "name", "before": "Halden Aria EV - Launch Roadblock", "after": "Aria"},
    ]
    assert answer["next_step"] == "Show the person the changes."


NOTHING = (
    "nothing to change: give external_id, name, description, brand_id, probability_of_close, proposed_io_status, "
    "budget, frequency_caps or assigned_user_ids"
)


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"proposed_io_id": None}, "`proposed_io_id` is required"),
        ({"proposed_io_id": "418264"}, "`proposed_io_id`: Input should be a valid integer"),
        ({"name": None}, NOTHING),
        ({"name": None, "accept_unknown": True}, NOTHING),
        ({"name": ""}, "`name`: String should have at least 1 character"),
        ({"external_id": " "}, "`external_id`: an id is not blank"),
        ({"description": "x" * 5001}, "`description`: String should have at most 5000 characters"),
        ({"brand_id": 0}, "`brand_id`: Input should be greater than or equal to 1"),
        ({"probability_of_close": 101}, "`probability_of_close`: Input should be less than or equal to 100"),
        ({"proposed_io_status": "WON"}, "`proposed_io_status`: Input should be 'PROPOSED', 'COMPLETED' or 'LOST'"),
        ({"assigned_user_ids": [0]}, "`assigned_user_ids.0`: Input should be greater than or equal to 1"),
        ({"frequency_caps": CAPS * 2}, "`frequency_caps`: List should have at most 3 items"),
        ({"frequency_caps": [{**CAPS[1], "period": 5}]}, "`frequency_caps.0`: period goes with scope TIME only"),
        ({"budget": {"budget_model": "EVERGREEN"}}, "`budget.budget_model`: FreeWheel only reports EVERGREEN"),
        ({"budget": {"budget_model": "CURRENCY_TARGET"}}, "`budget`: CURRENCY_TARGET needs currency"),
        ({"accept_unknown": "yes"}, "`accept_unknown`: Input should be a valid boolean"),
        ({"schedule": {}}, "unknown argument `schedule`"),
        ({"campaign_id": 5}, "unknown argument `campaign_id`"),
        ({"status": "LOST"}, "unknown argument `status`"),
    ],
    beside={"proposed_io_id": LAUNCH, "name": "Aria"},
)


@pytest.mark.parametrize(
    ("arguments", "code", "message", "methods"),
    [
        (
            {"proposed_io_id": 5},
            "not_found",
            'FreeWheel answered 404: "Proposed insertion order not found." Nothing was sent.',
            ["GET"],
        ),
        (
            {"brand_id": 5, "assigned_user_ids": [6]},
            "refused",
            'FreeWheel answered 422: "assignments.users: user 6 does not exist; brand_id: brand 5 does not exist". '
            "Nothing was changed.",
            ["GET", "PUT"],
        ),
    ],
)
async def test_a_refusal_is_told_in_freewheels_words(
    tmp_path: Path, arguments: dict[str, Any], code: str, message: str, methods: list[str]
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {"proposed_io_id": LAUNCH, "name": "Aria", **arguments})
    error = error_of(result)
    assert (error["code"], error["message"]) == (code, message)
    assert [method for method, _, _ in network.freewheel.sent()] == methods
