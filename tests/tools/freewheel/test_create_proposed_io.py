"""create_proposed_io as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from server.sandbox.freewheel.app import BRANDS, CAMPAIGNS, USERS
from tests.snapshots import answer_of
from tests.support import Answer, error_of, sandboxed, text_of, written_to
from tests.tools.cases import LostWrite, RefusedArguments, RefusedWrite, dropped, refused_by_freewheel, timed_out

TOOL = "create_proposed_io"
COLLECTION = "/services/v4/proposed_insertion_orders"
NESTED = f"/services/v4/campaigns/{CAMPAIGNS[0].id}/proposed_insertion_orders"
LEAST: dict[str, Any] = {"external_id": "CRM-2044", "name": "Halden Trucks - Winter"}
LOOK = (
    "By hand: list_proposed_ios with the external_id of this call as `text`, to the end of the list; if one that is "
    "new is there, the write was done."
)


def money(**more: Any) -> dict[str, Any]:
    return {"budget": {"budget_model": "CURRENCY_TARGET", "currency": 250000, **more}}


def cap(**more: Any) -> dict[str, Any]:
    return {"frequency_caps": [{"value": 3, "type": "IMPRESSION", "scope": "STREAM", **more}]}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "proposed_io.task.Create a Proposed Insertion Order",
    "proposed_io.attribute.external_id",
    "proposed_io.attribute.name",
    "proposed_io.attribute.description",
    "proposed_io.attribute.delivery",
    "proposed_io.attribute.budget",
    "proposed_io.attribute.brand_id",
    "proposed_io.attribute.assignments",
    "proposed_io.attribute.probability_of_close",
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
)
async def test_an_order_is_created_under_a_campaign_with_every_attribute_in_freewheels_spelling(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    arguments = {
        **LEAST,
        "description": "Upfront, second half.",
        "campaign_id": CAMPAIGNS[0].id,
        "brand_id": BRANDS[0].id,
        "probability_of_close": 0,
        **money(currency=250000.5, over_delivery=7.5, over_delivery_type="CUSTOM"),
        "frequency_caps": [
            {"value": 3, "type": "IMPRESSION", "scope": "TIME", "period": 1440},
            {"value": 1, "type": "PACKAGE", "scope": "SITE_SECTION"},
        ],
        "assigned_user_ids": [USERS[1].id, USERS[2].id],
    }
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, arguments)
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "proposed_io": {
            "id": 418419,
            "external_id": "CRM-2044",
            "name": "Halden Trucks - Winter",
            "proposed_io_status": "PROPOSED",
            "description": "Upfront, second half.",
            "brand_id": 810200,
            "probability_of_close": 0,
            "created_at": "2026-11-22T12:00:00Z",
        },
        "unconfirmed": ["budget", "frequency_caps", "assigned_user_ids"],
        "what_happened": "FreeWheel created proposed IO 418419 under campaign 3310450. It is a proposal: no inventory "
        "is held or booked by it. Its answer does not state budget, frequency_caps, assigned_user_ids.",
        "next_step": "get_proposed_io for 418419 shows whether budget, frequency_caps, assigned_user_ids was kept. A "
        "person adds placements in FreeWheel. To hold inventory, use list_avails, then reserve_avail.",
    }
    body = {
        "external_id": "CRM-2044",
        "name": "Halden Trucks - Winter",
        "description": "Upfront, second half.",
        "brand_id": 810200,
        "probability_of_close": 0,
        "budget": {
            "budget_model": "CURRENCY_TARGET",
            "currency": 250000.5,
            "over_delivery": 7.5,
            "over_delivery_type": "CUSTOM",
        },
        "delivery": {
            "frequency_caps": [
                {"value": 3, "type": "IMPRESSION", "scope": "TIME", "period": 1440},
                {"value": 1, "type": "PACKAGE", "scope": "SITE_SECTION"},
            ]
        },
        "assignments": {"users": [{"id": 6092314}, {"id": 6092327}]},
    }
    assert network.freewheel.written() == [("POST", NESTED, body)]
    headers = network.freewheel.requests[-1].headers
    assert (headers["accept"], headers["content-type"]) == ("application/json", "application/json")


async def test_without_a_campaign_the_collection_takes_the_order_with_what_was_given_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, LEAST)
    answer = answer_of(TOOL, result)
    assert answer["proposed_io"] == {
        "id": 418419,
        **LEAST,
        "proposed_io_status": "PROPOSED",
        "created_at": "2026-11-22T12:00:00Z",
    }
    assert answer["what_happened"].startswith("FreeWheel created proposed IO 418419. It is a proposal:")
    assert network.freewheel.written() == [("POST", COLLECTION, LEAST)]


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (money(), {"budget": {"budget_model": "CURRENCY_TARGET", "currency": 250000}}),
        (
            {"budget": {"budget_model": "IMPRESSION_TARGET", "impression": 5_000_000, "over_delivery": 0}},
            {"budget": {"budget_model": "IMPRESSION_TARGET", "impression": 5_000_000, "over_delivery": 0}},
        ),
        (
            money(over_delivery_type="DEFAULT"),
            {"budget": {"budget_model": "CURRENCY_TARGET", "currency": 250000, "over_delivery_type": "DEFAULT"}},
        ),
        *(
            (cap(scope=scope), {"delivery": cap(scope=scope)})
            for scope in ("STREAM", "CAMPAIGN", "ASSET", "SITE_SECTION")
        ),
        ({"probability_of_close": 100}, {"probability_of_close": 100}),
        ({"name": "Ærø & Søn <30s> 📺"}, {"name": "Ærø & Søn <30s> 📺"}),
    ],
)
@pytest.mark.requirement(
    "proposed_io.budget.impression",
)
async def test_freewheel_takes_each_attribute_as_it_is_sent(
    tmp_path: Path, arguments: dict[str, Any], body: dict[str, Any]
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {**LEAST, **arguments})
    assert not result.is_error, text_of(result)
    assert network.freewheel.written() == [("POST", COLLECTION, {**LEAST, **body})]


async def test_the_same_call_twice_makes_one_order_and_a_key_of_its_own_another(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        calls = [LEAST, LEAST, {**LEAST, "idempotency_key": "another"}]
        ids = [answer_of(TOOL, await client.call_tool(TOOL, call))["proposed_io"]["id"] for call in calls]
    assert ids == [418419, 418419, 418420]
    assert len(network.freewheel.written()) == 2


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"external_id": None}, "`external_id` is required"),
        ({"external_id": ""}, "`external_id`: String should have at least 1 character"),
        ({"external_id": 2044}, "`external_id`: Input should be a valid string"),
        ({"name": ""}, "`name`: String should have at least 1 character"),
        ({"campaign_id": 0}, "`campaign_id`: Input should be greater than or equal to 1"),
        ({"campaign_id": "3310450"}, "`campaign_id`: Input should be a valid integer"),
        ({"campaign_id": 2**53}, "`campaign_id`: Input should be less than or equal to 9007199254740991"),
        ({"brand_id": -1}, "`brand_id`: Input should be greater than or equal to 1"),
        ({"probability_of_close": -1}, "`probability_of_close`: Input should be greater than or equal to 0"),
        ({"probability_of_close": 101}, "`probability_of_close`: Input should be less than or equal to 100"),
        ({"probability_of_close": 50.5}, "`probability_of_close`: Input should be a valid integer"),
        ({"assigned_user_ids": []}, "`assigned_user_ids`: List should have at least 1 item"),
        ({"assigned_user_ids": [0]}, "`assigned_user_ids.0`: Input should be greater than or equal to 1"),
        ({"frequency_caps": []}, "`frequency_caps`: List should have at least 1 item"),
        ({"frequency_caps": cap()["frequency_caps"] * 4}, "`frequency_caps`: List should have at most 3 items"),
        (cap(value=0), "`frequency_caps.0.value`: Input should be greater than or equal to 1"),
        (cap(type="CLICK"), "`frequency_caps.0.type`: Input should be 'IMPRESSION' or 'PACKAGE'"),
        (cap(scope="DAY"), "`frequency_caps.0.scope`: Input should be 'TIME', 'STREAM'"),
        (cap(scope="TIME"), "`frequency_caps.0`: scope TIME needs period"),
        (cap(scope="TIME", period=0), "`frequency_caps.0.period`: Input should be greater than or equal to 1"),
        (cap(period=60), "`frequency_caps.0`: period goes with scope TIME only, not with STREAM"),
        (cap(perod=60), "unknown argument `frequency_caps.0.perod` (did you mean `period`?)"),
        ({"budget": {}}, "`budget.budget_model` is required"),
        ({"budget": {"budget_model": "EVERGREEN"}}, "`budget.budget_model`: FreeWheel only reports EVERGREEN"),
        ({"budget": {"budget_model": "CURRENCY_TARGET"}}, "`budget`: CURRENCY_TARGET needs currency"),
        ({"budget": {"budget_model": "IMPRESSION_TARGET"}}, "`budget`: IMPRESSION_TARGET needs impression"),
        (money(impression=5), "`budget`: impression goes with IMPRESSION_TARGET only, not with CURRENCY_TARGET"),
        (
            {"budget": {"budget_model": "IMPRESSION_TARGET", "impression": 5, "currency": 5}},
            "`budget`: currency goes with CURRENCY_TARGET only, not with IMPRESSION_TARGET",
        ),
        (money(currency=0), "`budget.currency`: Input should be greater than 0"),
        ({"budget": {"budget_model": "IMPRESSION_TARGET", "impression": 0}}, "`budget.impression`: Input should be gr"),
        (money(over_delivery=-0.1), "`budget.over_delivery`: Input should be greater than or equal to 0"),
        (money(over_delivery_type="CUSTOM"), "`budget`: over_delivery_type CUSTOM needs over_delivery"),
        (money(over_delivery_type="DEFAULT", over_delivery=5), "`budget`: over_delivery_type DEFAULT makes FreeWheel"),
        ({"proposed_io_status": "COMPLETED"}, "unknown argument `proposed_io_status`"),
        ({"schedule": {"start_time": "2026-12-01T00:00:00Z"}}, "unknown argument `schedule`"),
        ({"id": 5}, "unknown argument `id`"),
    ],
    beside=LEAST,
)


@pytest.mark.parametrize(
    ("arguments", "code", "message", "next_step"),
    [
        (
            {"campaign_id": 5},
            "not_found",
            'FreeWheel answered 404: "Campaign not found.". Nothing was changed.',
            "FreeWheel knows no such campaign in this network: take campaign_id from list_campaigns.",
        ),
        (
            {"brand_id": 5, "assigned_user_ids": [6, USERS[0].id]},
            "refused",
            'FreeWheel answered 422: "assignments.users: user 6 does not exist; brand_id: brand 5 does not exist". '
            "Nothing was changed.",
            "Correct the arguments as the message says, then call again.",
        ),
        (
            {"name": "   "},
            "refused",
            'FreeWheel answered 422: "name: can\'t be blank". Nothing was changed.',
            "Correct the arguments as the message says, then call again.",
        ),
    ],
)
async def test_a_refusal_is_told_in_freewheels_words_and_may_be_corrected(
    tmp_path: Path, arguments: dict[str, Any], code: str, message: str, next_step: str
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {**LEAST, **arguments})
    error = error_of(result)
    assert (error["code"], error["message"], error["next_step"]) == (code, message, next_step)
    assert len(network.freewheel.written()) == 1


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize(
    ("campaign", "next_step"),
    [
        ({}, "This network may only take proposed IOs under a campaign: take campaign_id from list_campaigns, once"),
        ({"campaign_id": 7}, "FreeWheel knows no such campaign in this network"),
    ],
)
async def test_a_path_that_is_not_served_leads_to_the_campaign(
    status: int, campaign: dict[str, Any], next_step: str
) -> None:
    answer = httpx.Response(status, html="<html>nothing here</html>")
    async with written_to({"freewheel": lambda _: answer}) as (client, recorders):
        result = await client.call_tool(TOOL, {**LEAST, **campaign})
    error = error_of(result)
    assert error["message"] == f"FreeWheel answered {status} (an HTML page). Nothing was changed."
    assert error["next_step"].startswith(next_step)
    assert len(recorders["freewheel"].written()) == 1


REFUSED_WRITE = RefusedWrite(
    LEAST,
    refused_by_freewheel(
        (403, "forbidden", "A person asks the FreeWheel account team to enable the Proposal network function"),
        (401, "unauthorized", "The operator checks ADOPS_FREEWHEEL_TOKEN"),
        (409, "conflict", "Read the present state first"),
        (429, "rate_limited", "Wait a minute"),
    ),
    sent=[("POST", COLLECTION, LEAST)],
)


LOST: list[tuple[Answer, str]] = [
    (timed_out, "did not answer in time"),
    (dropped, "closed the connection before it answered"),
    (lambda _: httpx.Response(500, json={"errors": [{"message": "boom"}]}), "answered 500"),
    (lambda _: httpx.Response(302, headers={"location": "https://sso.example"}), "answered 302"),
    (lambda _: httpx.Response(201, html="<html></html>"), "answered with an HTML page instead of JSON"),
    (lambda _: httpx.Response(201, json={"created": True}), "answered with JSON whose id could not be read"),
    (lambda _: httpx.Response(201, json=[]), "answered with JSON of another shape"),
]


LOST_WRITE = LostWrite(
    LEAST,
    LOST,
    look=LOOK,
    sent=[("POST", COLLECTION, LEAST)],
)


async def test_a_connection_that_never_opened_sent_nothing_and_is_tried_again() -> None:
    def unreachable(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("https://api.freewheel.tv")

    async with written_to({"freewheel": unreachable}) as (client, recorders):
        result = await client.call_tool(TOOL, LEAST)
    assert error_of(result)["code"] == "unavailable"
    assert error_of(result)["message"] == "No connection to FreeWheel could be opened, so nothing was sent."
    assert len(recorders["freewheel"].written()) == 3


@pytest.mark.parametrize("wrapped", [False, True])
async def test_the_order_is_read_bare_or_wrapped_in_its_name(wrapped: bool) -> None:
    order = {"id": "418419", "external_id": "", "name": "N", "proposed_io_status": "Proposed", "schedule": None}
    payload = {"proposed_insertion_order": order} if wrapped else order
    async with written_to({"freewheel": lambda _: httpx.Response(201, json=payload)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, LEAST))
    assert answer["proposed_io"] == {"id": 418419, "name": "N", "proposed_io_status": "PROPOSED"}


@pytest.mark.parametrize(
    "odd", [{"schedule": []}, {"probability_of_close": "likely"}, {"external_id": 2044}, {"brand_id": "none"}]
)
async def test_an_odd_field_does_not_hide_that_the_order_was_created(odd: dict[str, Any]) -> None:
    payload = {"id": 418419, "name": "N", **odd}
    async with written_to({"freewheel": lambda _: httpx.Response(201, json=payload)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, LEAST))
    assert answer["proposed_io"]["id"] == 418419


async def test_a_huge_external_id_is_not_repeated_to_the_agent() -> None:
    async with written_to({"freewheel": timed_out}) as (client, recorders):
        result = await client.call_tool(TOOL, {**LEAST, "external_id": "x" * 1_000_000})
    assert len(recorders["freewheel"].written()) <= 1
    assert len(text_of(result)) < 2_000


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        ({"external_id": "OTHER"}, "external_id OTHER instead of CRM-2044"),
        ({"proposed_io_status": "LOST"}, "proposed_io_status LOST instead of PROPOSED"),
    ],
)
async def test_an_order_other_than_the_one_asked_for_stops_the_agent(answered: dict[str, Any], said: str) -> None:
    payload = {"id": 418419, **answered}
    async with written_to({"freewheel": lambda _: httpx.Response(201, json=payload)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, LEAST))
    assert answer["what_happened"].endswith(f"The answer is not what was asked for: {said}.")
    assert answer["next_step"].startswith("Do nothing more with it")
