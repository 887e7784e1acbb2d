"""list_advertisers as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, error_of, sandboxed
from tests.tools.cases import RefusedArguments

TOOL = "list_advertisers"
PATH = "/services/v3/advertisers"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_way_from_an_advertisers_name_to_a_brand_that_an_order_takes(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        found = answer_of(TOOL, await client.call_tool(TOOL, {"text": "finch carrow"}))
        advertiser = found["items"][0]["id"]
        brands = answer_of(TOOL, await client.call_tool(TOOL, {"advertiser_id": advertiser}))
        brand = brands["items"][0]["id"]
        created = await client.call_tool("create_proposed_io", {"external_id": "X", "name": "N", "brand_id": brand})
    assert found == {
        "environment": "sandbox",
        "items": [{"id": 55127, "name": "Carrow & Finch Insurance"}],
        "total": 1,
        "next": None,
        "note": "Searched: 13 advertisers, to the end of the list.",
    }
    assert brands == {
        "environment": "sandbox",
        "items": [{"id": 810353, "name": "Carrow Auto"}, {"id": 810370, "name": "Carrow Home"}],
        "next": None,
    }
    assert created.structured_content["proposed_io"]["brand_id"] == brand
    assert network.freewheel.sent()[:2] == [
        ("GET", f"{PATH}?status=ACTIVE&page=1&per_page=50", None),
        ("GET", f"{PATH}/55127/brands?page=1&per_page=25", None),
    ]
    assert network.freewheel.requests[1].headers["accept"] == "application/xml"


async def test_following_next_gives_every_advertiser_once(tmp_path: Path) -> None:
    seen: list[int] = []
    following: dict[str, Any] | None = {"per_page": 5}
    async with sandboxed(tmp_path) as (client, _):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            seen += [item["id"] for item in answer["items"]]
            following = answer["next"]
    assert len(seen) == len(set(seen)) == 13


@pytest.mark.parametrize(
    ("arguments", "text", "note"),
    [
        ({}, "<advertisers/>", "FreeWheel lists no active advertisers for this network."),
        ({"advertiser_id": 7}, "<brands/>", "This advertiser has no brands: people add them in FreeWheel."),
        (
            {"advertiser_id": 7, "text": "x"},
            "<brands/>",
            "Searched: 0 brands, to the end of the list. None of them has all words of `text`.",
        ),
    ],
)
async def test_an_empty_list_says_why(arguments: dict[str, Any], text: str, note: str) -> None:
    async with answered_by({"freewheel": lambda _: httpx.Response(200, text=text)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, arguments))
    assert (answer["items"], answer["next"], answer["note"]) == ([], None, note)


async def test_smaller_pages_than_asked_for_are_not_taken_for_the_end_of_the_list() -> None:
    brands = "".join(f"<brand><id>{number}</id></brand>" for number in range(1, 21))
    text = f'<brands page="1" per_page="20">{brands}</brands>'
    async with answered_by({"freewheel": lambda _: httpx.Response(200, text=text)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"advertiser_id": 7}))
    assert (len(answer["items"]), answer["next"]) == (20, {"advertiser_id": 7, "page": 2})


async def test_an_advertiser_that_there_is_not_leads_to_the_list(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        error = error_of(await client.call_tool(TOOL, {"advertiser_id": 1}))
    assert (error["code"], error["next_step"]) == (
        "not_found",
        "Take advertiser_id from list_advertisers, then call again.",
    )


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({}, 403, "forbidden"),
        ({}, 404, "not_found"),
        ({"advertiser_id": 7}, 403, "forbidden"),
    ],
)
async def test_a_network_that_may_not_read_it_leads_to_the_account_team(
    arguments: dict[str, Any], status: int, code: str
) -> None:
    async with answered_by({"freewheel": lambda _: httpx.Response(status, text="<errors/>")}) as (client, recorders):
        error = error_of(await client.call_tool(TOOL, arguments))
    assert (error["code"], error["next_step"]) == (
        code,
        "A person asks the FreeWheel account team to let this user read campaigns and advertisers by API; until then "
        "the person gives the ids.",
    )
    assert len(recorders["freewheel"].requests) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "<campaigns/>"),
        ({}, "<html><body>Sign in</body></html>"),
        ({}, "<advertisers><brand><id>7</id></brand></advertisers>"),
        ({"advertiser_id": 7}, "<advertisers/>"),
        ({"advertiser_id": 7}, "<brands><brand><name>N</name></brand></brands>"),
    ],
)
async def test_a_list_of_something_else_is_no_answer(arguments: dict[str, Any], text: str) -> None:
    async with answered_by({"freewheel": lambda _: httpx.Response(200, text=text)}) as (client, _):
        error = error_of(await client.call_tool(TOOL, arguments))
    assert error["code"] == "unexpected_answer"


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"advertiser_id": 0}, "`advertiser_id`: Input should be greater than or equal to 1"),
        ({"advertiser_id": "55127"}, "`advertiser_id`: Input should be a valid integer"),
        ({"text": ""}, "`text`: String should match pattern"),
        ({"per_page": 51}, "`per_page`: Input should be less than or equal to 50"),
        ({"name": "x"}, "unknown argument `name`"),
    ],
)
