"""list_avails as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, error_of, sandboxed, text_of
from tests.tokens import tokens
from tests.tools.cases import EmptyLists, LostRead, RefusedArguments

TOOL = "list_avails"
SOURCES = "/api/v2/storefront/inventory-sources"
CADENT, CTV, LIVE = "northlight-cadent", "northlight-ctv", "northlight-live-sports"


def products_of(source_id: str) -> tuple[str, str, None]:
    return ("GET", f"{SOURCES}/{source_id}/modular/products", None)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_avails_of_a_source_are_listed_with_counts_flight_and_price(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {"source_id": CADENT, "per_page": 1, "page": 2})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "items": [
            {
                "source_id": "northlight-cadent",
                "avail_id": "avl_prime_drama_now",
                "name": "Prime Drama Block - Current Weeks",
                "channel": "linear_tv",
                "collection": "Northlight Network",
                "flight_start": "2026-11-16T00:00:00Z",
                "flight_end": "2026-12-13T23:59:59Z",
                "available_impressions": 2_240_000,
                "held_impressions": 640_000,
                "booked_impressions": 3_520_000,
                "cpm": 31.0,
                "currency": "USD",
            }
        ],
        "total": 12,
        "next": {"source_id": CADENT, "per_page": 1, "page": 3},
    }
    assert network.interchange.sent() == [products_of(CADENT)]
    assert network.interchange.requests[0].headers["authorization"] == "Bearer scope3_sandbox_northlight"


async def test_an_avail_without_a_price_shows_none(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"text": "state of the union"}))
    (avail,) = answer["items"]
    assert not {"cpm", "currency"} & avail.keys()


async def test_without_a_source_every_active_modular_source_is_read(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"per_page": 50}))
    assert [item["source_id"] for item in answer["items"]] == [CADENT] * 12 + [CTV] * 16 + [LIVE] * 12
    assert (answer["total"], answer["next"]) == (40, None)
    assert not {"not_read", "note"} & answer.keys()
    assert network.interchange.sent() == [("GET", SOURCES, None), *map(products_of, (CADENT, CTV, LIVE))]


@pytest.mark.parametrize(
    ("arguments", "total"),
    [
        ({"per_page": 3}, 40),
        ({}, 40),
        ({"per_page": 7, "flight_start": "2026-12-01T00:00:00-05:00"}, 39),
        ({"source_id": CTV, "per_page": 5}, 16),
    ],
)
async def test_following_next_gives_every_avail_once(tmp_path: Path, arguments: dict[str, Any], total: int) -> None:
    seen: list[str] = []
    following: dict[str, Any] | None = arguments
    async with sandboxed(tmp_path) as (client, _):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            seen += [item["avail_id"] for item in answer["items"]]
            following = answer["next"]
    assert len(seen) == len(set(seen)) == total


@pytest.mark.parametrize("page", [1, 2, 3, 4])
async def test_a_page_of_the_default_length_costs_little(tmp_path: Path, page: int) -> None:
    async with sandboxed(tmp_path) as (client, _):
        result = await client.call_tool(TOOL, {"page": page})
    assert len(answer_of(TOOL, result)["items"]) == 10
    assert tokens(text_of(result)) < 1_300


ALL_LIVE_IN_THE_FIRST_DAYS_OF_DECEMBER = [
    "avl_basketball_weeknight",
    "avl_hockey_regular_season",
    "avl_studio_postgame",
    "avl_studio_pregame",
    "avl_soccer_sunday",
    "avl_skiing_world_tour",
    "avl_studio_fantasy_show",
]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"text": "AUTO prime"}, ["avl_prime_addressable_auto"]),
        ({"text": "sports studio", "min_available": 1_935_000}, ["avl_studio_postgame"]),
        ({"source_id": LIVE, "text": "ctv curling"}, ["avl_curling_championship"]),
        (
            {"min_available": 20_000_000},
            ["avl_originals_ros_next_quarter", "avl_fast_ros_next_quarter", "avl_originals_ros_two_quarters"],
        ),
        (
            {
                "source_id": LIVE,
                "flight_start": "2026-12-01T00:00:00-05:00",
                "flight_end": "2026-12-10T00:00:00-05:00",
            },
            ALL_LIVE_IN_THE_FIRST_DAYS_OF_DECEMBER,
        ),
        ({"source_id": CADENT, "flight_start": "2027-03-08T00:00:00Z"}, ["avl_prime_drama_next_quarter"]),
        (
            {"source_id": CADENT, "flight_end": "2026-11-16T01:00:00+01:00"},
            ["avl_news_evening", "avl_prime_drama_now", "avl_vod_full_library"],
        ),
        ({"source_id": CADENT, "flight_end": "2026-11-15T23:59:59Z"}, []),
    ],
)
async def test_filters_narrow_the_list(tmp_path: Path, arguments: dict[str, Any], found: list[str]) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, arguments))
    assert [item["avail_id"] for item in answer["items"]] == found
    assert answer["total"] == len(found)


EMPTY_LISTS = EmptyLists(
    [
        (
            {"text": "zeppelin"},
            0,
            "None of 40 avails matches: drop words of `text`.",
        ),
        (
            {"source_id": CTV, "min_available": 10**30},
            0,
            "None of 16 avails matches: lower min_available (the most that one avail has is 41,000,000).",
        ),
        ({"page": 5}, 40, "There is nothing on page 5: start again from page 1."),
    ],
)


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"source_id": ""}, "`source_id`: String should have at least 1 character"),
        ({"source_id": "x" * 256}, "`source_id`: String should have at most 255 characters"),
        *(
            ({"source_id": source_id}, "`source_id`: an id holds none of / \\ ? # .. and no control characters")
            for source_id in ("a/b", "a\\b", "a?b", "a#b", "..", ".", "a\nb", "\x00")
        ),
        ({"text": " "}, "`text`: String should match pattern"),
        ({"text": "x" * 256}, "`text`: String should have at most 255 characters"),
        ({"min_available": 0}, "`min_available`: Input should be greater than or equal to 1"),
        ({"min_available": 1.5}, "`min_available`: Input should be a valid integer"),
        (
            {"flight_start": "2026-12-01"},
            "`flight_start`: write a date-time with an offset",
        ),
        ({"flight_end": "2026-12-01T00:00:00"}, "`flight_end`: write a date-time with an offset"),
        (
            {"flight_start": "2026-12-01T00:00:00Z", "flight_end": "2026-12-01T00:59:59+01:00"},
            "flight_start is after flight_end",
        ),
        ({"page": 0}, "`page`: Input should be greater than or equal to 1"),
        ({"per_page": 0}, "`per_page`: Input should be greater than or equal to 1"),
        ({"per_page": 51}, "`per_page`: Input should be less than or equal to 50"),
        ({"sourceId": CADENT}, "unknown argument `sourceId` (did you mean `source_id`?)"),
    ],
)


NO_SUCH_SOURCE = "Call list_avails without source_id to see the storefront's modular sources, then use one of those."


@pytest.mark.parametrize(
    ("source_id", "segment", "message", "next_step"),
    [
        (
            "nowhere",
            "nowhere",
            '[not_found] Interchange answered 404 NOT_FOUND: "Inventory source nowhere not found".',
            NO_SUCH_SOURCE,
        ),
        (
            "Nördlicht %2F+é",
            "N%C3%B6rdlicht%20%252F%2B%C3%A9",
            '[not_found] Interchange answered 404 NOT_FOUND: "Inventory source Nördlicht %2F+é not found".',
            NO_SUCH_SOURCE,
        ),
        (
            "gam-northlight",
            "gam-northlight",
            '[refused] Interchange answered 422 CAPABILITY_NOT_SUPPORTED: "Inventory source gam-northlight is a '
            'MANAGED_SALES_AGENT; modular operations need a MODULAR_SOURCE".',
            "Correct the arguments as the message says, then call again.",
        ),
    ],
)
async def test_a_source_that_has_no_avails_is_refused_by_its_name(
    tmp_path: Path, source_id: str, segment: str, message: str, next_step: str
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {"source_id": source_id})
    assert text_of(result) == f"{message}\nNext: {next_step}"
    assert answer_of(TOOL, result).keys() == {"environment", "error"}
    assert network.interchange.sent() == [products_of(segment)]


PRODUCT: dict[str, Any] = {
    "productId": 7,
    "availId": 8,
    "name": "A",
    "startTime": "2026-12-01T00:00:00+02:00",
    "endTime": "2026-12-31T23:59:59.999Z",
    "heldImpressions": 1,
    "bookedImpressions": 2,
    "availableImpressions": 3,
    "cpm": None,
    "releasedYesterday": True,
}
AVAIL = {
    "avail_id": "8",
    "name": "A",
    "flight_start": "2026-11-30T22:00:00Z",
    "flight_end": "2026-12-31T23:59:59Z",
    "available_impressions": 3,
    "held_impressions": 1,
    "booked_impressions": 2,
}
SOURCE_LIST = [
    {"sourceId": "one", "executionType": "MODULAR_SOURCE", "status": "ACTIVE"},
    {"sourceId": "off", "executionType": "MODULAR_SOURCE", "status": "DISABLED"},
    {"sourceId": "gam", "executionType": "MANAGED_SALES_AGENT", "status": "ACTIVE"},
    {"sourceId": "two", "executionType": "MODULAR_SOURCE", "status": "ACTIVE", "name": "Two"},
]


@pytest.mark.parametrize(
    "answer",
    [
        {"products": [PRODUCT]},
        {"data": {"products": [PRODUCT]}, "error": None},
        [PRODUCT],
        {"data": [PRODUCT], "error": None, "meta": {"pagination": {"total": 1}}},
    ],
)
async def test_products_are_read_in_every_envelope(answer: Any) -> None:
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=answer)}) as (client, _):
        result = await client.call_tool(TOOL, {"source_id": "one"})
    assert answer_of(TOOL, result)["items"] == [{"source_id": "one", **AVAIL}]


async def test_a_source_that_cannot_be_read_is_named_beside_those_that_can_and_leaves_no_total() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == SOURCES:
            return httpx.Response(200, json=SOURCE_LIST)
        if "/one/" in request.url.path:
            return httpx.Response(403, json={"data": None, "error": {"code": "FORBIDDEN", "message": "not entitled"}})
        return httpx.Response(200, json={"products": [PRODUCT]})

    async with answered_by({"interchange": answer}) as (client, recorders):
        result = await client.call_tool(TOOL, {})
    assert answer_of(TOOL, result) == {
        "environment": "live",
        "items": [{"source_id": "two", **AVAIL}],
        "next": None,
        "not_read": [{"source_id": "one", "reason": 'Interchange answered 403 FORBIDDEN: "not entitled".'}],
    }
    assert recorders["interchange"].sent() == [("GET", SOURCES, None), products_of("one"), products_of("two")]


@pytest.mark.parametrize(
    ("products", "note"),
    [
        ([], "The sources that were read list no avails; what the others have is not known (see not_read)."),
        ([PRODUCT], "None of 1 avails that were read (see not_read) matches: drop words of `text`."),
    ],
)
async def test_an_empty_list_does_not_speak_for_sources_that_could_not_be_read(
    products: list[dict[str, Any]], note: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == SOURCES:
            return httpx.Response(200, json=SOURCE_LIST)
        return httpx.Response(403) if "/one/" in request.url.path else httpx.Response(200, json=products)

    async with answered_by({"interchange": answer}) as (client, _):
        told = answer_of(TOOL, await client.call_tool(TOOL, {"text": "zeppelin"}))
    assert (told["items"], told["note"]) == ([], note)
    assert "total" not in told


async def test_when_no_source_can_be_read_the_call_fails() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=SOURCE_LIST) if request.url.path == SOURCES else httpx.Response(403)

    async with answered_by({"interchange": answer}) as (client, _):
        result = await client.call_tool(TOOL, {})
    assert error_of(result)["code"] == "forbidden"
    assert error_of(result)["next_step"].startswith("A person asks Interchange for the entitlement")


@pytest.mark.parametrize(("arguments", "payload"), [({"source_id": "one"}, {"products": []}), ({}, SOURCE_LIST[1:3])])
async def test_sources_without_avails_are_told_apart_from_filters_that_match_nothing(
    arguments: dict[str, Any], payload: Any
) -> None:
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**arguments, "text": "news"}))
    assert answer["note"] == (
        "No source lists avails: list_inventory_sources shows which modular sources are ACTIVE, get_inventory_source "
        "what is in the way of one."
    )


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        ({"items": []}, "JSON that has no `products`"),
        ({"products": None}, "JSON that has no `products`"),
        (
            {"products": [{**PRODUCT, "availableImpressions": None}]},
            "JSON whose availableImpressions could not be read",
        ),
        ({"products": [{**PRODUCT, "endTime": "2026-12-31"}]}, "JSON whose endTime could not be read"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_never_an_empty_or_a_guessed_list(payload: Any, what: str) -> None:
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, _):
        result = await client.call_tool(TOOL, {"source_id": "one"})
    assert text_of(result).startswith(f"[unexpected_answer] Interchange answered with {what}.")


LOST_READ = LostRead({"source_id": CTV}, products_of(CTV))


async def test_an_avail_that_is_oversold_is_listed_as_it_is() -> None:
    payload = {"products": [{**PRODUCT, "availableImpressions": -5}]}
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"source_id": "one"}))
    assert answer["items"][0]["available_impressions"] == -5


async def test_an_error_in_place_of_data_is_quoted() -> None:
    payload = {"data": None, "error": {"code": "FEED_DOWN", "message": "The avails feed is down."}}
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, _):
        result = await client.call_tool(TOOL, {"source_id": "one"})
    assert 'an error in a success: FEED_DOWN, "The avails feed is down."' in text_of(result)


async def test_data_beside_an_error_is_not_taken_for_the_truth() -> None:
    payload: dict[str, Any] = {
        "data": {"products": []},
        "error": {"code": "PARTIAL", "message": "Half of the feed is missing."},
    }
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, _):
        result = await client.call_tool(TOOL, {"source_id": "one"})
    assert 'an error in a success: PARTIAL, "Half of the feed is missing."' in text_of(result)


async def test_reading_every_source_says_how_far_it_has_come(tmp_path: Path) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with sandboxed(tmp_path) as (client, _):
        await client.call_tool(TOOL, {}, progress_callback=hear)
    assert heard == [(number, 3, "reading inventory sources") for number in (1, 2, 3)]
