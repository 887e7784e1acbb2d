"""What update_inventory_package makes of FreeWheel's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import Answer, answered_by, error_of, sandboxed
from tests.tools.cases import LostWrite, RefusedWrite, dropped, refused_by_freewheel, timed_out
from tests.tools.freewheel.packages import PACKAGE, PUT, READ, RENAME, RENAMED, ROOTS, WEATHER, genres, ok, updated

TOOL = "update_inventory_package"
STOP = "Do nothing more with it: show the person this difference, and have it looked at at the vendor."
LOOK = (
    "By hand: get_inventory_package for 7: if it shows the new values, the write was done; if it shows the old ones "
    "a minute later, the same call may be made again."
)


@pytest.mark.parametrize(
    "payload",
    [
        RENAMED,
        {"inventory_package": RENAMED},
        {**RENAMED, "id": "7", "status": "Active", "name": "Linear "},
        {**RENAMED, "targeting": genres(1008, 1004)},
    ],
)
async def test_the_answer_itself_confirms_and_nothing_more_is_asked(payload: Any) -> None:
    answer, sent = await updated(RENAME, PACKAGE, payload)
    assert answer["what_happened"] == "FreeWheel updated inventory package 7."
    assert [change["field"] for change in answer["changes"]] == ["name"]
    assert sent == [READ, PUT]


@pytest.mark.parametrize(
    "payload",
    [
        {"id": 7},
        {"id": 7, "name": "Linear", "status": "ACTIVE"},
        {**RENAMED, "targeting": None},
        {**RENAMED, "description": "", "ssp_targeting": {}},
    ],
)
async def test_what_the_answer_does_not_show_is_read_again(payload: Any) -> None:
    answer, sent = await updated(RENAME, PACKAGE, payload, {**RENAMED, "updated_at": "2026-11-22T12:00:00Z"})
    assert answer == {
        "environment": "live",
        "inventory_package": {
            "id": 7,
            "name": "Linear",
            "status": "ACTIVE",
            "updated_at": "2026-11-22T12:00:00Z",
        },
        "changes": [{"field": "name", "before": "Linear STB", "after": "Linear"}],
        "what_happened": "FreeWheel updated inventory package 7.",
        "next_step": "Tell the person what changed.",
    }
    assert sent == [READ, PUT, READ]


@pytest.mark.parametrize("look", [ok({"id": 7}), httpx.Response(404), httpx.Response(200, html="<html></html>")])
async def test_what_nothing_shows_is_unconfirmed(look: httpx.Response) -> None:
    answer, sent = await updated(RENAME, PACKAGE, {"id": 7, "status": "ACTIVE"}, look)
    assert answer["changes"] == []
    assert answer["what_happened"] == (
        "FreeWheel took the update of inventory package 7. It does not show name, description, targeting, "
        "ssp_targeting, so nothing is confirmed of that."
    )
    assert answer["next_step"] == ("Call get_inventory_package for 7. What it does not show either, a person looks up.")
    assert sent == [READ, PUT, READ]


async def test_a_look_that_is_lost_does_not_put_the_write_in_doubt() -> None:
    answer, sent = await updated(RENAME, PACKAGE, {"id": 7, "name": "Linear"}, dropped, dropped, dropped)
    assert answer["changes"] == [{"field": "name", "before": "Linear STB", "after": "Linear"}]
    assert answer["what_happened"].endswith("so nothing is confirmed of that.")
    assert sent == [READ, PUT, READ, READ, READ]


@pytest.mark.parametrize(
    ("answered", "said", "changed"),
    [
        ({"name": "Linear STB"}, "The answer is not what was asked for: name Linear STB instead of Linear.", []),
        (
            {"name": "Another"},
            "The answer is not what was asked for: name Another instead of Linear.",
            [{"field": "name", "before": "Linear STB", "after": "Another"}],
        ),
        (
            {"status": "INACTIVE"},
            "Changed without being asked for: status.",
            [
                {"field": "name", "before": "Linear STB", "after": "Linear"},
                {"field": "status", "before": "ACTIVE", "after": "INACTIVE"},
            ],
        ),
        (
            {"targeting": genres("1004")},
            "Changed without being asked for: targeting.",
            [
                {"field": "name", "before": "Linear STB", "after": "Linear"},
                {
                    "field": "targeting",
                    "before": "include CONTENT [(STANDARD_GENRE 1004 OR 1008)]",
                    "after": "include CONTENT [(STANDARD_GENRE 1004)]",
                },
            ],
        ),
    ],
)
async def test_what_was_not_asked_for_stops_the_agent(
    answered: dict[str, Any], said: str, changed: list[dict[str, Any]]
) -> None:
    answer, sent = await updated(RENAME, PACKAGE, {**RENAMED, **answered})
    assert answer["what_happened"] == f"FreeWheel took the update of inventory package 7. {said}"
    assert (answer["changes"], answer["next_step"]) == (changed, STOP)
    assert sent == [READ, PUT]


async def test_a_tree_that_is_gone_after_the_update_is_told() -> None:
    wiped = {**RENAMED, "ssp_targeting": None}
    answer, sent = await updated(RENAME, PACKAGE, wiped, wiped)
    assert answer["changes"] == [
        {"field": "name", "before": "Linear STB", "after": "Linear"},
        {"field": "ssp_targeting", "before": "include PLATFORM [(STANDARD_APP 70215)]"},
    ]
    assert answer["what_happened"].endswith("Changed without being asked for: ssp_targeting.")
    assert answer["next_step"] == STOP
    assert sent == [READ, PUT, READ]


@pytest.mark.parametrize("tree", ROOTS.values(), ids=ROOTS)
async def test_a_tree_of_another_shape_is_compared_as_it_came(tree: Any) -> None:
    package = {**PACKAGE, "targeting": tree}
    answer, sent = await updated(RENAME, package, {**package, "name": "Linear"})
    assert answer["what_happened"] == "FreeWheel updated inventory package 7."
    assert sent[1][2]["targeting"] == tree


REFUSED_WRITE = RefusedWrite(
    {"package_id": 7, **RENAME},
    refused_by_freewheel(
        (401, "unauthorized", "The operator checks ADOPS_FREEWHEEL_TOKEN"),
        (
            403,
            "forbidden",
            "A person asks the FreeWheel account team to enable Marketplace for this network and user, ",
        ),
        (404, "not_found", "FreeWheel does not take this update here: a person makes the change in FreeWheel."),
        (405, "refused", "FreeWheel does not take this update here: a person makes the change in FreeWheel."),
        (409, "conflict", "Read the present state first"),
        (422, "refused", "Correct the arguments as the message says"),
        (429, "rate_limited", "Wait a minute"),
        body={"errors": [{"message": "no"}]},
    ),
    sent=[READ, PUT],
    reads=PACKAGE,
)


async def test_an_id_that_freewheel_does_not_know_is_refused_in_its_words(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {"package_id": WEATHER, "targeting": genres("5")})
    assert error_of(result)["message"] == (
        'FreeWheel answered 422: "targeting.include.item_sets.0.item_lists.0.items.0.id: STANDARD_GENRE 5 does not '
        'exist". Nothing was changed.'
    )
    assert [method for method, _, _ in network.freewheel.sent()] == ["GET", "PUT"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(403), "forbidden"),
        (httpx.Response(404), "not_found"),
        (httpx.Response(200, html="<html></html>"), "unexpected_answer"),
        (ok({**PACKAGE, "id": 8}), "unexpected_answer"),
    ],
    ids=["403", "404", "html", "another"],
)
async def test_without_the_present_state_nothing_is_written(answer: httpx.Response, code: str) -> None:
    async with answered_by({"freewheel": lambda _: answer}) as (client, recorders):
        result = await client.call_tool(TOOL, {"package_id": 7, **RENAME})
    assert error_of(result)["code"] == code
    assert recorders["freewheel"].sent() == [READ]


LOST: list[tuple[Answer, str]] = [
    (timed_out, "did not answer in time"),
    (dropped, "closed the connection before it answered"),
    (lambda _: httpx.Response(500, json={"errors": [{"message": "boom"}]}), "answered 500"),
    (lambda _: httpx.Response(408), "answered 408"),
    (lambda _: httpx.Response(200, html="<html></html>"), "answered with an HTML page instead of JSON"),
    (lambda _: httpx.Response(204), "answered with an empty body instead of JSON"),
    (lambda _: ok({"updated": True}), "answered with JSON whose id could not be read"),
    (lambda _: ok({**RENAMED, "id": 8}), "answered with another object than the one asked for"),
]


LOST_WRITE = LostWrite(
    {"package_id": 7, **RENAME},
    LOST,
    look=LOOK,
    sent=[READ, PUT],
    reads=PACKAGE,
)
