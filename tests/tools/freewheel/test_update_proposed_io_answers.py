"""update_proposed_io with what a FreeWheel may answer whose preview API nobody has seen."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import Answer, answered_by, error_of, text_of
from tests.tools.cases import LostWrite, RefusedWrite, dropped, refused_by_freewheel, timed_out

TOOL = "update_proposed_io"
PATH = "/services/v4/proposed_insertion_orders/9"
READ = ("GET", f"{PATH}?show=all", None)
RENAMED: dict[str, Any] = {"proposed_io_id": 9, "name": "New"}

BASIC: dict[str, Any] = {"id": 9, "external_id": "deal-1", "name": "Deal", "proposed_io_status": "PROPOSED"}
GOAL: dict[str, Any] = {"budget_model": "IMPRESSION_TARGET", "impression": 500}
BUDGET: dict[str, Any] = {**GOAL, "over_delivery": 5, "over_delivery_type": "DEFAULT"}
CAP: dict[str, Any] = {"value": 2, "type": "IMPRESSION", "scope": "STREAM"}
APART: dict[str, Any] = {
    "delivery": {"frequency_caps": [CAP]},
    "budget": BUDGET,
    "assignments": {"users": [{"id": 7, "full_name": "Ann", "login": "ann@example.com"}]},
}
WHOLE: dict[str, Any] = {**BASIC, **APART}
SENT: dict[str, Any] = {
    "external_id": "deal-1",
    "name": "New",
    "proposed_io_status": "PROPOSED",
    "delivery": {"frequency_caps": [CAP]},
    "budget": {**GOAL, "over_delivery_type": "DEFAULT"},
    "assignments": {"users": [{"id": 7}]},
}
TOOK = "FreeWheel took the update of proposed IO 9."
ALL_WELL = f"{TOOK} Read back, it is as requested, and everything else that FreeWheel states of it is as before."
STOP = "Do nothing more with it: show the person this difference, and have it looked at at the vendor."


def json(body: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def in_turn(*answers: httpx.Response | Exception) -> Answer:
    """Each request gets the next answer; the last one stays."""
    left = list(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Exception):
            raise given
        return given

    return answer


@pytest.mark.parametrize(
    ("told", "untold"),
    [
        ({}, "budget, frequency_caps, assigned_user_ids"),
        ({"delivery": None, "budget": BUDGET, "assignments": {"users": []}}, "frequency_caps"),
        ({**APART, "assignments": {"users": [{"login": "ann@example.com"}]}}, "assigned_user_ids"),
        ({**APART, "budget": {}}, "budget"),
        ({**APART, "budget": {"budget_model": "IMPRESSION_TARGET", "currency": 5}}, "budget"),
        ({**APART, "budget": {"budget_model": "REACH_TARGET", "impression": 5}}, "budget"),
        ({**APART, "budget": {**GOAL, "over_delivery_type": "CUSTOM"}}, "budget"),
        ({**APART, "delivery": {"frequency_caps": [CAP, {"type": "IMPRESSION", "scope": "STREAM"}]}}, "frequency_caps"),
        ({**APART, "delivery": {"frequency_caps": [{**CAP, "scope": "TIME"}]}}, "frequency_caps"),
        ({**APART, "delivery": {"frequency_caps": [{**CAP, "value": "two"}]}}, "frequency_caps"),
    ],
)
async def test_what_cannot_be_sent_back_is_not_put_at_risk_unasked(told: dict[str, Any], untold: str) -> None:
    async with answered_by({"freewheel": lambda _: json({**BASIC, **told})}) as (client, recorders):
        result = await client.call_tool(TOOL, RENAMED)
    assert text_of(result) == (
        f"[conflict] FreeWheel does not state {untold} of proposed IO 9, so an update cannot send them back. It is not "
        "documented whether an update without them leaves them or removes them. Nothing was changed.\nNext: Ask the "
        f"person for {untold} as they are in FreeWheel and give them in the same call. Or, if the person accepts that "
        "they may be lost, call again with accept_unknown true and have them looked at afterwards."
    )
    assert recorders["freewheel"].sent() == [READ]


async def test_a_person_may_accept_the_risk_and_is_told_what_is_not_confirmed() -> None:
    answers = in_turn(json(BASIC), json({**BASIC, "name": "New"}))
    async with answered_by({"freewheel": answers}) as (client, recorders):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**RENAMED, "accept_unknown": True}))
    assert answer == {
        "environment": "live",
        "proposed_io": {**BASIC, "name": "New", "not_told": ["budget", "frequency_caps", "assigned_users"]},
        "changes": [{"field": "name", "before": "Deal", "after": "New"}],
        "unconfirmed": ["budget", "frequency_caps", "assigned_user_ids"],
        "what_happened": f"{TOOK} Not confirmed: budget, frequency_caps, assigned_user_ids.",
        "next_step": "Have a person look at budget, frequency_caps, assigned_user_ids of this order in FreeWheel.",
    }
    body = {"external_id": "deal-1", "name": "New", "proposed_io_status": "PROPOSED"}
    assert recorders["freewheel"].sent() == [READ, ("PUT", PATH, body), READ]


async def test_what_is_not_told_may_be_given_instead() -> None:
    given: dict[str, Any] = {"budget": GOAL, "frequency_caps": [CAP], "assigned_user_ids": [7]}
    answers = in_turn(json(BASIC), json({**BASIC, "name": "New"}), json({**WHOLE, "name": "New"}))
    async with answered_by({"freewheel": answers}) as (client, recorders):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**RENAMED, **given}))
    untold = "not stated by FreeWheel"
    assert answer["changes"] == [
        {"field": "name", "before": "Deal", "after": "New"},
        {"field": "budget", "before": untold, "after": {**GOAL, "over_delivery_type": "DEFAULT"}},
        {"field": "frequency_caps", "before": untold, "after": [CAP]},
        {"field": "assigned_user_ids", "before": untold, "after": [7]},
    ]
    assert answer["what_happened"] == ALL_WELL
    assert recorders["freewheel"].sent() == [READ, ("PUT", PATH, {**SENT, "budget": GOAL}), READ]


async def test_what_was_not_told_before_is_not_known_to_be_as_it_was() -> None:
    answers = in_turn(json(BASIC), json(BASIC), json({**WHOLE, "name": "New"}))
    async with answered_by({"freewheel": answers}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**RENAMED, "accept_unknown": True}))
    assert [change["field"] for change in answer["changes"]] == ["name"]
    assert "changed_unasked" not in answer
    assert answer["proposed_io"]["budget"] == BUDGET
    assert answer["unconfirmed"] == ["budget", "frequency_caps", "assigned_user_ids"]
    assert answer["what_happened"] == f"{TOOK} Not confirmed: budget, frequency_caps, assigned_user_ids."


async def test_an_attribute_that_the_answers_leave_out_is_not_confirmed() -> None:
    before, after = {**WHOLE, "brand_id": 4, "description": None}, {"id": 9, "name": "New", **APART}
    async with answered_by({"freewheel": in_turn(json(before), json({"id": 9}), json(after))}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**RENAMED, "probability_of_close": 5}))
    assert answer["unconfirmed"] == ["external_id", "brand_id", "probability_of_close", "proposed_io_status"]


async def test_what_only_the_updates_own_answer_tells_is_believed() -> None:
    answers = in_turn(json(WHOLE), json({**WHOLE, "name": "New"}), json({**BASIC, "name": "New"}))
    async with answered_by({"freewheel": answers}) as (client, recorders):
        answer = answer_of(TOOL, await client.call_tool(TOOL, RENAMED))
    assert answer["what_happened"] == ALL_WELL
    assert answer["proposed_io"]["budget"] == BUDGET
    assert recorders["freewheel"].sent() == [READ, ("PUT", PATH, SENT), READ]


@pytest.mark.parametrize(
    "failing",
    [json({}, 403), json({}, 500), json({"id": 10}), httpx.Response(200, html="<html>"), httpx.ReadError("x")],
)
async def test_an_order_that_cannot_be_read_back_is_told_from_the_updates_own_answer(
    failing: httpx.Response | Exception,
) -> None:
    answers = in_turn(json(WHOLE), json({**BASIC, "name": "New"}), failing)
    async with answered_by({"freewheel": answers}) as (client, recorders):
        answer = answer_of(TOOL, await client.call_tool(TOOL, RENAMED))
    assert answer == {
        "environment": "live",
        "proposed_io": {**BASIC, "name": "New", "not_told": ["budget", "frequency_caps", "assigned_users"]},
        "changes": [{"field": "name", "before": "Deal", "after": "New"}],
        "unconfirmed": ["budget", "frequency_caps", "assigned_user_ids"],
        "what_happened": f"{TOOK} The order could not be read back. Not confirmed: budget, frequency_caps, "
        "assigned_user_ids.",
        "next_step": "Call get_proposed_io and compare with what was asked for.",
    }
    assert [method for method, _, _ in recorders["freewheel"].sent()].count("PUT") == 1


@pytest.mark.parametrize(
    ("given", "after", "said"),
    [
        ({"name": "New"}, {}, "name Deal instead of New"),
        ({"description": ""}, {"description": "Still there"}, "description Still there instead of nothing"),
        ({"brand_id": 5}, {"brand_id": None}, "brand_id nothing instead of 5"),
        ({"proposed_io_status": "LOST"}, {}, "proposed_io_status PROPOSED instead of LOST"),
        (
            {"assigned_user_ids": [8]},
            {"assignments": {"users": [{"id": 8}, {"id": 7}]}},
            "assigned_user_ids [7, 8] instead of [8]",
        ),
        (
            {"budget": {**GOAL, "impression": 600}},
            {"budget": {**BUDGET, "impression": 6}},
            'budget {"budget_model": "IMPRESSION_TARGET", "impression": 6, "over_delivery_type": "DEFAULT"} instead of '
            '{"budget_model": "IMPRESSION_TARGET", "impression": 600, "over_delivery_type": "DEFAULT"}',
        ),
        (
            {"frequency_caps": []},
            {},
            'frequency_caps [{"value": 2, "type": "IMPRESSION", "scope": "STREAM"}] instead of []',
        ),
    ],
)
async def test_an_order_that_is_not_as_asked_for_stops_the_agent(
    given: dict[str, Any], after: dict[str, Any], said: str
) -> None:
    before = {**WHOLE, "description": "Text"} if "description" in given else WHOLE
    answers = in_turn(json(before), json(BASIC), json({**WHOLE, **after}))
    async with answered_by({"freewheel": answers}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"proposed_io_id": 9, **given}))
    assert answer["what_happened"] == f"{TOOK} The answer is not what was asked for: {said}."
    assert answer["next_step"] == STOP


@pytest.mark.parametrize(
    ("after", "change"),
    [
        ({"brand_id": 4}, {"field": "brand_id", "after": 4}),
        ({"external_id": None}, {"field": "external_id", "before": "deal-1"}),
        (
            {"budget": {"budget_model": "EVERGREEN"}},
            {
                "field": "budget",
                "before": {**GOAL, "over_delivery_type": "DEFAULT"},
                "after": {"budget_model": "EVERGREEN"},
            },
        ),
        ({"delivery": {"frequency_caps": []}}, {"field": "frequency_caps", "before": [CAP], "after": []}),
        ({"assignments": {"users": []}}, {"field": "assigned_user_ids", "before": [7], "after": []}),
    ],
)
async def test_what_changed_without_being_asked_for_stops_the_agent(
    after: dict[str, Any], change: dict[str, Any]
) -> None:
    answers = in_turn(json({**WHOLE, "brand_id": None}), json(BASIC), json({**WHOLE, "name": "New", **after}))
    async with answered_by({"freewheel": answers}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, RENAMED))
    assert answer["changes"] == [{"field": "name", "before": "Deal", "after": "New"}]
    assert answer["changed_unasked"] == [change]
    assert answer["what_happened"] == f"{TOOK} Changed without being asked for: {change['field']}."
    assert answer["next_step"] == STOP


async def test_the_space_that_freewheel_makes_of_a_text_is_no_difference() -> None:
    before = {**WHOLE, "description": "Two  weeks"}
    after = {**before, "name": "New name", "description": "Two weeks"}
    async with answered_by({"freewheel": in_turn(json(before), json(BASIC), json(after))}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**RENAMED, "name": " New  name"}))
    assert answer["what_happened"] == ALL_WELL


def answering(given: httpx.Response) -> Answer:
    return lambda _: given


LOST: list[tuple[Answer, str]] = [
    (timed_out, "did not answer in time"),
    (dropped, "closed the connection before it answered"),
    (answering(json({"errors": [{"message": "boom"}]}, 500)), "answered 500"),
    (answering(httpx.Response(302, headers={"location": "https://sso.example"})), "answered 302"),
    (answering(httpx.Response(200, html="<html></html>")), "answered with an HTML page instead of JSON"),
    (answering(httpx.Response(204)), "answered with an empty body instead of JSON"),
    (answering(json({"updated": True})), "answered with JSON whose id could not be read"),
    (answering(json({**BASIC, "id": 10})), "answered with another object than the one asked for"),
]
LOOK = (
    "By hand: get_proposed_io for 9: if it shows what was asked for, the write was done; if it shows the old values a "
    "minute later, the same call may be made again."
)


def only_patched(answer: Answer) -> Answer:
    """A network that takes no PUT."""

    def answered(request: httpx.Request) -> Any:
        return answer(request) if request.method == "PATCH" else json({}, 405)

    return answered


LOST_PUT = LostWrite(RENAMED, LOST, look=LOOK, sent=[READ, ("PUT", PATH, SENT)], reads=WHOLE)
LOST_PATCH = LostWrite(
    RENAMED,
    [(only_patched(answer), what) for answer, what in LOST],
    look=LOOK,
    sent=[READ, ("PUT", PATH, SENT), ("PATCH", PATH, SENT)],
    reads=WHOLE,
)
REFUSED_WRITE = RefusedWrite(
    RENAMED,
    refused_by_freewheel(
        (403, "forbidden", "A person asks the FreeWheel account team to enable the Proposal network function"),
        (401, "unauthorized", "The operator checks ADOPS_FREEWHEEL_TOKEN"),
        (404, "not_found", "FreeWheel has no such proposed IO in this network"),
        (409, "conflict", "Read the present state first"),
        (422, "refused", "Correct the arguments as the message says"),
        (429, "rate_limited", "Wait a minute"),
    ),
    sent=[READ, ("PUT", PATH, SENT)],
    reads=WHOLE,
)


async def test_a_network_that_takes_neither_verb_leaves_it_to_a_person() -> None:
    async with answered_by({"freewheel": in_turn(json(WHOLE), httpx.Response(405))}) as (client, recorders):
        result = await client.call_tool(TOOL, RENAMED)
    assert text_of(result) == (
        "[refused] FreeWheel answered 405 (an empty body). Nothing was changed.\n"
        "Next: FreeWheel takes no updates of proposed IOs from here: a person makes this change in FreeWheel."
    )
    assert recorders["freewheel"].sent() == [READ, ("PUT", PATH, SENT), ("PATCH", PATH, SENT)]


@pytest.mark.parametrize("unreadable", [httpx.Response(200, html="<html></html>"), json({**WHOLE, "id": 10})])
async def test_an_order_that_cannot_be_read_first_is_not_written(unreadable: httpx.Response) -> None:
    async with answered_by({"freewheel": lambda _: unreadable}) as (client, recorders):
        result = await client.call_tool(TOOL, RENAMED)
    assert error_of(result)["code"] == "unexpected_answer"
    assert recorders["freewheel"].sent() == [READ]


@pytest.mark.parametrize(
    ("changed", "untold"),
    [
        ({"name": None}, "name"),
        ({"external_id": None}, "external_id"),
        ({"proposed_io_status": None}, "proposed_io_status"),
        ({"brand_id": "no number"}, "brand_id"),
        ({"delivery": {}}, "frequency_caps"),
        ({"assignments": {}}, "assigned_user_ids"),
    ],
)
async def test_an_attribute_without_a_value_that_it_must_have_is_not_overwritten_unasked(
    changed: dict[str, Any], untold: str
) -> None:
    given = {"proposed_io_id": 9, "probability_of_close": 5}
    async with answered_by({"freewheel": lambda _: json({**WHOLE, **changed})}) as (client, recorders):
        result = await client.call_tool(TOOL, given)
    assert f"does not state {untold} of proposed IO 9" in text_of(result)
    assert recorders["freewheel"].sent() == [READ]


async def test_what_freewheel_keeps_inside_an_attribute_beyond_the_documents_goes_back_as_it_came() -> None:
    extra = {"x": {"y": [1]}}
    before = {
        **BASIC,
        "delivery": {"frequency_caps": [{**CAP, "note": "a"}], "pacing": extra},
        "budget": {**BUDGET, "rollover": extra},
        "assignments": {"users": [{"id": 7, "login": "ann", "role": "OWNER"}], "team": 4},
    }
    answers = in_turn(json(before), json({**before, "name": "New"}))
    async with answered_by({"freewheel": answers}) as (client, recorders):
        await client.call_tool(TOOL, RENAMED)
    (_, _, body) = recorders["freewheel"].sent()[1]
    assert body == {
        **SENT,
        "delivery": {"frequency_caps": [{**CAP, "note": "a"}], "pacing": extra},
        "budget": {**GOAL, "over_delivery_type": "DEFAULT", "rollover": extra},
        "assignments": {"users": [{"id": 7, "role": "OWNER"}], "team": 4},
    }


async def test_an_error_beside_the_order_is_no_success() -> None:
    answers = in_turn(json(WHOLE), json({**WHOLE, "name": "New", "errors": [{"message": "not stored"}]}))
    async with answered_by({"freewheel": answers}) as (client, _):
        error = error_of(await client.call_tool(TOOL, RENAMED))
    assert error["code"] == "in_doubt"
