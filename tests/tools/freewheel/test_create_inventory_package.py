"""create_inventory_package as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import Answer, error_of, sandboxed, text_of, written_to
from tests.tools.cases import LostWrite, RefusedArguments, RefusedWrite, dropped, refused_by_freewheel, timed_out
from tests.tools.freewheel.packages import PACKAGES, Tree, apps, genres, item_set, ok

TOOL = "create_inventory_package"
LEAST: dict[str, Any] = {"name": "CTV drama", "targeting": genres("1004", "1008")}
CREATED: dict[str, Any] = {**LEAST, "id": 7, "status": "ACTIVE", "updated_at": "2026-11-22T12:00:00Z"}
LOOK = (
    "By hand: list_inventory_packages with the same name (its first 255 characters at most) and sort_by_updated "
    "descending; if a package of that name was updated just now, the write was done."
)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "inventory_package.task.Create inventory package that include or exclude standard attributes and networks items",
    "inventory_package.attribute.name",
    "inventory_package.attribute.description",
    "inventory_package.attribute.targeting",
    "inventory_package.attribute.ssp_targeting",
    "inventory_package.targeting.include",
    "inventory_package.targeting.exclude",
    "inventory_package.include.item_sets",
    "inventory_package.include.relationship",
    "inventory_package.exclude.item_sets",
    "inventory_package.item_set.item_lists",
    "inventory_package.item_set.targeting_type",
    "inventory_package.item_set.relationship",
    "inventory_package.item_list.relationship",
    "inventory_package.item_list.items",
    "inventory_package.item.id",
    "inventory_package.item.type",
)
async def test_a_package_is_created_with_both_targetings_in_freewheels_spelling(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    arguments = {
        "name": "Drama & thriller — CTV",
        "description": "Upfront 2027.",
        "targeting": {
            "include": {
                "relationship": "AND",
                "item_sets": [
                    item_set("CONTENT", "STANDARD_GENRE", "1004", 1008),
                    item_set("PLATFORM", "STANDARD_DEVICE", "2010"),
                    item_set("GEO", "DMA", "501"),
                ],
            },
            "exclude": {"item_sets": [item_set("CONTENT", "STANDARD_CONTENT_RATING", "26")]},
        },
        "ssp_targeting": apps(70215),
    }
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, arguments)
        kept = await client.call_tool("get_inventory_package", {"package_id": 274522})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "inventory_package": {
            "id": 274522,
            "name": "Drama & thriller — CTV",
            "status": "ACTIVE",
            "updated_at": "2026-11-22T12:00:00Z",
        },
        "what_happened": "FreeWheel created inventory package 274522. Its status is ACTIVE. Nothing is sold or held "
        "by it.",
        "next_step": "Tell the person id and status. update_inventory_package changes it, or turns it on and off.",
    }
    body = {
        **arguments,
        "targeting": {
            "include": {
                "relationship": "AND",
                "item_sets": [
                    item_set("CONTENT", "STANDARD_GENRE", "1004", "1008"),
                    item_set("PLATFORM", "STANDARD_DEVICE", "2010"),
                    item_set("GEO", "DMA", "501"),
                ],
            },
            "exclude": {"item_sets": [item_set("CONTENT", "STANDARD_CONTENT_RATING", "26")]},
        },
        "ssp_targeting": apps("70215"),
    }
    assert network.freewheel.written()[0] == ("POST", PACKAGES, body)
    headers = network.freewheel.requests[-2].headers
    assert (headers["accept"], headers["content-type"]) == ("application/json", "application/json")
    assert kept.structured_content is not None
    assert {name: kept.structured_content[name] for name in body} == body


@pytest.mark.parametrize(
    "arguments",
    [
        LEAST,
        {"name": "SSP only", "ssp_targeting": apps("70215")},
        {"name": "Ærø <30s> 📺", "description": "", "targeting": genres("1004")},
    ],
)
async def test_what_was_given_is_sent_and_nothing_else(tmp_path: Path, arguments: dict[str, Any]) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, arguments)
    assert not result.is_error, text_of(result)
    assert network.freewheel.written() == [("POST", PACKAGES, arguments)]


async def test_the_same_call_twice_makes_one_package_and_a_key_of_its_own_another(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        calls = [LEAST, LEAST, {**LEAST, "idempotency_key": "another"}]
        made = [answer_of(TOOL, await client.call_tool(TOOL, call)) for call in calls]
    assert [answer["inventory_package"]["id"] for answer in made] == [274522, 274522, 274523]
    assert [answer.get("replayed") for answer in made] == [None, True, None]
    assert len(network.freewheel.written()) == 2


def targeting(tree: Tree) -> dict[str, Any]:
    return {"targeting": tree}


INCLUDE = "include.item_sets.0"


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"name": None}, "`name` is required"),
        ({"name": ""}, "`name`: String should have at least 1 character"),
        ({"name": "x" * 501}, "`name`: String should have at most 500 characters"),
        ({"description": "x" * 5001}, "`description`: String should have at most 5000 characters"),
        ({"targeting": None}, "give targeting, ssp_targeting or both"),
        ({"targeting": "sports"}, "`targeting`: Input should be an object"),
        ({"status": "INACTIVE"}, "unknown argument `status`"),
        ({"id": 5}, "unknown argument `id`"),
        (targeting({}), "`targeting.include` is required"),
        (
            targeting({"include": {"relationship": "AND", "sets": []}}),
            "unknown argument `targeting.include.sets` (did you mean `item_sets`?)",
        ),
        (targeting(genres()), f"`targeting.{INCLUDE}.item_lists.0.items`: give at least one"),
        (
            targeting(
                {"include": {"relationship": "AND", "item_sets": [{**item_set("GEO", "DMA", "5"), "type": "x"}]}}
            ),
            f"unknown argument `targeting.{INCLUDE}.type`",
        ),
        (
            targeting({"include": {"relationship": "AND", "item_sets": [item_set("GEO", "DMA", "501")]}}),
            "`targeting`: must include at least 1 standard attribute",
        ),
        (
            targeting({"include": {"relationship": "AND", "item_sets": [item_set("CONTENT", "GENRE", "5")]}}),
            f"`targeting`: {INCLUDE}.item_lists.0.items.0.type GENRE is none of targeting's; valid: STANDARD_GENRE, ",
        ),
        (
            {"ssp_targeting": genres("1004")},
            f"`ssp_targeting`: {INCLUDE}.item_lists.0.items.0.type STANDARD_GENRE is none of ssp_targeting's but of "
            "targeting's; valid: STANDARD_",
        ),
    ],
    beside=LEAST,
)


async def test_an_id_that_freewheel_does_not_know_is_refused_in_its_words(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {"name": "N", "targeting": genres("5")})
    error = error_of(result)
    assert (error["code"], error["message"], error["next_step"]) == (
        "refused",
        'FreeWheel answered 422: "targeting.include.item_sets.0.item_lists.0.items.0.id: STANDARD_GENRE 5 does not '
        'exist". Nothing was changed.',
        "Correct the arguments as the message says, then call again.",
    )
    assert len(network.freewheel.written()) == 1


REFUSED_WRITE = RefusedWrite(
    LEAST,
    refused_by_freewheel(
        (401, "unauthorized", "The operator checks ADOPS_FREEWHEEL_TOKEN"),
        (
            403,
            "forbidden",
            "A person asks the FreeWheel account team to enable Marketplace for this network and user, ",
        ),
        (404, "not_found", "Take the id from a list tool"),
        (409, "conflict", "Read the present state first"),
        (422, "refused", "Correct the arguments as the message says"),
        (429, "rate_limited", "Wait a minute"),
    ),
    sent=[("POST", PACKAGES, LEAST)],
)


LOST: list[tuple[Answer, str]] = [
    (timed_out, "did not answer in time"),
    (dropped, "closed the connection before it answered"),
    (lambda _: httpx.Response(500, json={"errors": [{"message": "boom"}]}), "answered 500"),
    (lambda _: httpx.Response(302, headers={"location": "https://sso.example"}), "answered 302"),
    (lambda _: httpx.Response(201, html="<html></html>"), "answered with an HTML page instead of JSON"),
    (lambda _: httpx.Response(201), "answered with an empty body instead of JSON"),
    (lambda _: ok({"created": True}, 201), "answered with JSON whose id could not be read"),
]


LOST_WRITE = LostWrite(
    LEAST,
    LOST,
    look=LOOK,
    sent=[("POST", PACKAGES, LEAST)],
)


@pytest.mark.parametrize(
    "payload",
    [
        CREATED,
        {"inventory_package": CREATED},
        {**CREATED, "id": "7", "status": "Active", "name": " CTV drama "},
        {**CREATED, "targeting": genres(1008, 1004), "ssp_targeting": None, "description": None},
        {
            **CREATED,
            "targeting": {"include": {"relationship": "AND", "sets": LEAST["targeting"]["include"]["item_sets"]}},
        },
    ],
)
async def test_an_answer_that_says_the_same_otherwise_is_no_difference(payload: Any) -> None:
    async with written_to({"freewheel": lambda _: ok(payload, 201)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, LEAST))
    assert answer["what_happened"] == (
        "FreeWheel created inventory package 7. Its status is ACTIVE. Nothing is sold or held by it."
    )
    assert answer["next_step"].startswith("Tell the person id and status.")


async def test_what_the_answer_does_not_show_is_to_be_looked_at() -> None:
    async with written_to({"freewheel": lambda _: ok({"id": 7, "name": "CTV drama"}, 201)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**LEAST, "description": "D"}))
    assert answer == {
        "environment": "live",
        "inventory_package": {"id": 7, "name": "CTV drama"},
        "what_happened": "FreeWheel created inventory package 7. Its status is not stated. Nothing is sold or held by "
        "it. The answer does not show description, targeting.",
        "next_step": "Call get_inventory_package for 7 and compare what it shows with what was meant.",
    }


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        ({"name": "Other"}, "name Other instead of CTV drama"),
        ({"name": None}, "name not set instead of CTV drama"),
        (
            {"targeting": genres("1004")},
            "targeting include CONTENT [(STANDARD_GENRE 1004)] instead of include CONTENT [(STANDARD_GENRE 1004 OR "
            "1008)]",
        ),
        ({"targeting": None}, "targeting not set instead of include CONTENT [(STANDARD_GENRE 1004 OR 1008)]"),
        (
            {"targeting": {"groups": [5]}},
            "targeting in a shape that is not known instead of include CONTENT [(STANDARD_GENRE 1004 OR 1008)]",
        ),
    ],
)
async def test_a_package_other_than_the_one_asked_for_stops_the_agent(answered: dict[str, Any], said: str) -> None:
    async with written_to({"freewheel": lambda _: ok({**CREATED, **answered}, 201)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, LEAST))
    assert answer["what_happened"].endswith(f"The answer is not what was asked for: {said}.")
    assert answer["next_step"].startswith("Do nothing more with it")
