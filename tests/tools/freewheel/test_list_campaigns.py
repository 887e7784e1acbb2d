"""list_campaigns as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import Answer, answered_by, error_of, sandboxed
from tests.tools.cases import RefusedArguments

TOOL = "list_campaigns"
PATH = "/services/v3/campaigns"
EMPTY = '<campaigns total_pages="0"/>'


def xml(text: str, status: int = 200) -> Answer:
    return lambda _: httpx.Response(status, text=text, headers={"content-type": "application/xml"})


async def listed(answer: str, /, **arguments: Any) -> dict[str, Any]:
    async with answered_by({"freewheel": xml(answer)}) as (client, _):
        return answer_of(TOOL, await client.call_tool(TOOL, arguments))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_campaigns_are_listed_with_id_name_and_advertiser(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {"page": 3, "per_page": 5})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "items": [
            {"id": 3310740, "name": "Wrenfield Cruises - Wave Season", "advertiser_id": 55181},
            {"id": 3310769, "name": "PurePaw Pet Food - New Recipe", "advertiser_id": 55190},
        ],
        "next": None,
    }
    assert network.freewheel.sent() == [("GET", f"{PATH}?status=ACTIVE&page=3&per_page=5", None)]
    headers = network.freewheel.requests[-1].headers
    assert (headers["accept"], headers["content-type"]) == ("application/xml", "application/xml")


async def test_following_next_gives_every_campaign_once(tmp_path: Path) -> None:
    seen: list[int] = []
    following: dict[str, Any] | None = {"per_page": 5}
    async with sandboxed(tmp_path) as (client, _):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            seen += [item["id"] for item in answer["items"]]
            following = answer["next"]
    assert len(seen) == len(set(seen)) == 12


async def test_what_is_found_takes_a_proposed_order(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "hoops volt"}))
        campaign = answer["items"][0]["id"]
        created = await client.call_tool(
            "create_proposed_io", {"external_id": "X", "name": "N", "campaign_id": campaign}
        )
    assert (answer["total"], answer["note"]) == (1, "Searched: 12 campaigns, to the end of the list.")
    assert not created.is_error
    assert network.freewheel.sent()[-1][1] == f"/services/v4/campaigns/{campaign}/proposed_insertion_orders"


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (
            "<campaigns><campaign><id>7</id><name>A &amp; B</name><agency_id/></campaign></campaigns>",
            [{"id": 7, "name": "A & B"}],
        ),
        (
            '<?xml version="1.0" encoding="UTF-8"?><campaigns><campaign><id> 7</id></campaign><x/></campaigns>',
            [{"id": 7}],
        ),
        (
            "<campaigns><campaign><id>7</id><name>&lt;b&gt;x https://a.example</name></campaign></campaigns>",
            [{"id": 7, "name": "x [link]"}],
        ),
    ],
)
async def test_what_is_not_known_of_an_entry_does_not_hide_it(text: str, items: list[dict[str, Any]]) -> None:
    assert (await listed(text))["items"] == items


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        ({}, "FreeWheel lists no active campaigns for this network."),
        ({"page": 2}, "There is nothing on page 2: start again from page 1."),
        ({"text": "x"}, "Searched: 0 campaigns, to the end of the list. None of them has all words of `text`."),
    ],
)
async def test_an_empty_list_says_why(arguments: dict[str, Any], note: str) -> None:
    assert (await listed(EMPTY, **arguments))["note"] == note


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html><body>x</body></html>", "answered with XML that is no list of campaigns"),
        ('{"campaigns": []}', "answered with JSON of another shape that cannot be read as XML"),
        ("<campaigns><campaign>", "answered with XML that cannot be read as XML"),
        ("", "answered with an empty body that cannot be read as XML"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><campaigns>&a;</campaigns>', "with a document type"),
        (
            "<campaigns><campaign><name>N</name></campaign></campaigns>",
            "answered with XML with a campaign whose id could not be read",
        ),
        (
            "<campaigns><campaign><id>seven</id></campaign></campaigns>",
            "answered with XML with a campaign whose id could not be read",
        ),
        ("<campaigns><item><id>7</id></item></campaigns>", "answered with XML whose campaigns hold no campaign"),
        (
            '<campaigns xmlns:v="urn:v"><v:campaign><id>7</id></v:campaign></campaigns>',
            "answered with XML whose campaigns hold no campaign",
        ),
    ],
)
async def test_what_is_no_list_of_campaigns_is_told_and_never_an_empty_list(text: str, words: str) -> None:
    async with answered_by({"freewheel": xml(text)}) as (client, _):
        error = error_of(await client.call_tool(TOOL, {}))
    assert error["code"] == "unexpected_answer"
    assert words in error["message"]


@pytest.mark.parametrize(
    ("status", "code", "next_step"),
    [
        (401, "unauthorized", "ADOPS_FREEWHEEL_TOKEN"),
        (403, "forbidden", "let this user read campaigns and advertisers by API"),
        (404, "not_found", "let this user read campaigns and advertisers by API"),
    ],
)
async def test_a_refusal_is_told_with_the_next_move(status: int, code: str, next_step: str) -> None:
    async with answered_by({"freewheel": xml("<error>no</error>", status)}) as (client, _):
        error = error_of(await client.call_tool(TOOL, {}))
    assert error["code"] == code
    assert next_step in error["next_step"]


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (409, "conflict", False),
        (422, "refused", False),
        (429, "rate_limited", True),
        (500, "unavailable", True),
    ],
)
async def test_a_failure_at_freewheel_is_told_and_never_an_empty_list(status: int, code: str, retryable: bool) -> None:
    async with answered_by({"freewheel": xml("<error>no</error>", status)}) as (client, _):
        error = error_of(await client.call_tool(TOOL, {}))
    assert (error["code"], error["retryable"], error["upstream_status"]) == (code, retryable, status)
    assert error["message"] == f"FreeWheel answered {status} (XML)."


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"text": " "}, "`text`: String should match pattern"),
        ({"page": 0}, "`page`: Input should be greater than or equal to 1"),
        ({"per_page": 4}, "`per_page`: Input should be greater than or equal to 5"),
        ({"per_page": 51}, "`per_page`: Input should be less than or equal to 50"),
        ({"search_from": 0}, "`search_from`: Input should be greater than or equal to 1"),
        ({"advertiser_id": 1}, "unknown argument `advertiser_id`"),
    ],
)
