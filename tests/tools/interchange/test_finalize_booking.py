"""finalize_booking as an agent meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from mcp import Client

from server.clients import Wire
from server.configuration.settings import Settings
from tests.snapshots import answer_of
from tests.support import (
    Answer,
    FakeTime,
    Recorder,
    SandboxNetwork,
    connected,
    error_of,
    sandboxed,
    text_of,
)
from tests.tools.cases import LostWrite, RefusedArguments, timed_out

TOOL = "finalize_booking"
SOURCES = "/api/v2/storefront/inventory-sources"
IDS: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
    "avail_id": "avl_news_evening",
}
CTV = {**IDS, "source_id": "northlight-ctv", "avail_id": "avl_fast_ros_next_quarter"}
LIVE = {**IDS, "source_id": "northlight-live-sports", "avail_id": "avl_soccer_sunday"}
BODY: dict[str, Any] = {
    "mediaBuyId": "sf_mb_7f3a91c204",
    "buyerCustomerId": 88120,
    "availId": "avl_news_evening",
}
LOOK = (
    "By hand: list_work_items for source northlight-cadent and media buy sf_mb_7f3a91c204: if there are new ones for "
    "avail avl_news_evening (see get_work_item), it was done; if not, a person looks in Interchange. Report nothing as "
    "booked before Interchange says BOOKED."
)
PEOPLE = "People do the open work items; complete_work_item records each once a person says it is done."
SHOWS = "list_avails shows when the impressions move from held to booked."


def finalization(source_id: str, body: dict[str, Any] = BODY) -> tuple[str, str, dict[str, Any]]:
    return ("POST", f"{SOURCES}/{source_id}/modular/bookings/finalize", body)


async def hold(client: Client, ids: dict[str, Any] = IDS, impressions: int = 500_000, **more: Any) -> None:
    result = await client.call_tool("reserve_avail", {**ids, "requested_impressions": impressions, **more})
    assert not result.is_error, text_of(result)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "finalize.response.booking",
    "finalize.response.workItems",
    "finalize.response.executionStatus",
    "finalize.booking.bookingId",
    "finalize.booking.availId",
    "finalize.booking.mediaBuyId",
    "finalize.booking.packageId",
    "finalize.booking.requestedImpressions",
)
async def test_a_cadent_source_prepares_request_xml_and_the_impressions_stay_held(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        await hold(client)
        result = await client.call_tool(TOOL, IDS)
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "booking": {
            "booking_id": "881024044",
            "source_id": "northlight-cadent",
            "avail_id": "avl_news_evening",
            "media_buy_id": "sf_mb_7f3a91c204",
            "package_id": "default",
            "requested_impressions": 500_000,
            "status": "HELD",
        },
        "what_happened": "Booking 881024044 is prepared for handoff; still HELD until the upstream work succeeds and "
        "people have done 1 work item. It is not booked.",
        "next_step": f"Tell the person that it is held, not booked. {PEOPLE} {SHOWS}",
        "execution_status": "PENDING_TRAFFICKING",
        "open_work_items": [
            {
                "work_item_id": "440317005",
                "kind": "TRAFFIC_TO_CADENT",
                "title": "Traffic Cascadia Outdoor - Spring Trail Launch to Cadent",
                "status": "OPEN",
            }
        ],
        "cadent": {"has_campaign": True, "has_request_xml": True},
        "waiting_stages": {
            "RUNTIME_INPUTS_REQUIRED": ["GET_MEDIA_BUYS", "RESERVE_AVAILS", "FINALIZE_BOOKING", "RELEASE_BOOKING"],
            "HITL_PENDING": ["TRAFFIC_CAMPAIGN", "IMPORT_REPORTING"],
        },
    }
    assert network.interchange.written()[1:] == [finalization("northlight-cadent")]
    headers = network.interchange.requests[-1].headers
    assert (headers["content-type"], headers["accept"]) == ("application/json", "application/json")


async def test_a_freewheel_source_makes_work_items_for_people(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await hold(client, CTV, 2_500_000, package_id="pkg-1")
        result = await client.call_tool(TOOL, {**CTV, "package_id": "pkg-1"})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "booking": {
            "booking_id": "881024044",
            "source_id": "northlight-ctv",
            "avail_id": "avl_fast_ros_next_quarter",
            "media_buy_id": "sf_mb_7f3a91c204",
            "package_id": "pkg-1",
            "requested_impressions": 2_500_000,
            "status": "HELD",
        },
        "what_happened": "Booking 881024044 is prepared for handoff; still HELD until the upstream work succeeds and "
        "people have done 3 work items. It is not booked.",
        "next_step": f"Tell the person that it is held, not booked. {PEOPLE} {SHOWS}",
        "open_work_items": [
            {
                "work_item_id": "440317005",
                "kind": "CONFIRM_AVAILS",
                "title": "Confirm 2500000 impressions on FAST Channels ROS - Next Quarter",
                "status": "OPEN",
            },
            {
                "work_item_id": "440317006",
                "kind": "EXECUTE_UPSTREAM_BOOKING",
                "title": "Book Cascadia Outdoor - Spring Trail Launch in FreeWheel",
                "status": "OPEN",
            },
            {
                "work_item_id": "440317007",
                "kind": "MAP_CREATIVE_REF",
                "title": "Map the creative of Cascadia Outdoor - Spring Trail Launch",
                "status": "OPEN",
            },
        ],
        "cadent": {"has_campaign": False, "has_request_xml": False},
        "waiting_stages": {
            "RUNTIME_INPUTS_REQUIRED": ["GET_MEDIA_BUYS", "RESERVE_AVAILS", "RELEASE_BOOKING"],
            "HITL_PENDING": ["FINALIZE_BOOKING", "SYNC_CREATIVES", "TRAFFIC_CAMPAIGN", "IMPORT_REPORTING"],
        },
    }
    body = {**BODY, "availId": "avl_fast_ros_next_quarter", "packageId": "pkg-1"}
    assert network.interchange.written()[1:] == [finalization("northlight-ctv", body)]


@pytest.mark.requirement(
    "finalize.response.projection",
)
async def test_what_keeps_the_source_from_booking_is_told_apart_from_the_normal_course(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        await hold(client, LIVE)
        answer = answer_of(TOOL, await client.call_tool(TOOL, LIVE))
    assert answer["in_the_way"] == {
        "source_status": "ACTIVE",
        "source_health": "degraded",
        "last_error": "Trafficking is not configured: FreeWheel advertiser ID is missing from the module "
        "configuration.",
        "stages": [
            {
                "stage": "TRAFFIC_CAMPAIGN",
                "status": "MISSING_SETUP",
                "missing_setup_fields": ["freewheel_advertiser_id (FreeWheel advertiser ID)"],
                "issues": ["FreeWheel advertiser ID is not configured"],
            }
        ],
    }
    assert answer["open_work_items"][0] | {"work_item_id": ""} == {
        "work_item_id": "",
        "kind": "EXECUTE_UPSTREAM_BOOKING",
        "title": "Book Cascadia Outdoor - Spring Trail Launch in FreeWheel",
        "status": "BLOCKED",
    }
    assert "TRAFFIC_CAMPAIGN" not in json.dumps(answer["waiting_stages"])
    assert answer["next_step"] == (
        "Tell the person that it is held, not booked. An operator fixes what is in_the_way of the source in "
        f"Interchange. {PEOPLE} {SHOWS}"
    )


@pytest.mark.requirement(
    "finalize.path.sourceId",
    "finalize.body.mediaBuyId",
    "finalize.body.buyerCustomerId",
    "finalize.body.availId",
    "finalize.body.packageId",
    "finalize.body.campaignName",
    "finalize.body.advertiserName",
    "finalize.body.advertiserExternalRef",
    "finalize.body.creative",
)
async def test_every_body_field_of_the_handoff_is_sent_in_interchanges_spelling(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await hold(client, package_id="pkg-1")
        result = await client.call_tool(
            TOOL,
            {
                **IDS,
                "package_id": "pkg-1",
                "campaign_name": "Spring <Launch> & more",
                "advertiser_name": "Cascadia Outdoor",
                "advertiser_external_ref": "ADV-9",
                "creative": {
                    "client_copy_master_ref": "CCM-1",
                    "duration": "PT30S",
                    "other": {"isci": "ABCD1234H", "tags": [1, None, {"a": True}], "duration_seconds": 30},
                },
            },
        )
    assert not result.is_error, text_of(result)
    assert network.interchange.written()[1:] == [
        finalization(
            "northlight-cadent",
            {
                **BODY,
                "packageId": "pkg-1",
                "campaignName": "Spring <Launch> & more",
                "advertiserName": "Cascadia Outdoor",
                "advertiserExternalRef": "ADV-9",
                "creative": {
                    "clientCopyMasterRef": "CCM-1",
                    "duration": "PT30S",
                    "isci": "ABCD1234H",
                    "tags": [1, None, {"a": True}],
                    "duration_seconds": 30,
                },
            },
        )
    ]


@pytest.mark.requirement(
    "finalize.response.cadentCampaign",
    "finalize.response.cadentRequestXml",
)
async def test_the_cadent_campaign_and_xml_come_only_when_asked_for(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await hold(client)
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**IDS, "include_cadent": True}))
    cadent = answer["cadent"]
    assert cadent.keys() == {"has_campaign", "has_request_xml", "campaign", "request_xml"}
    assert (cadent["campaign"]["externalId"], cadent["campaign"]["lines"][0]["impressions"]) == (
        "sf_mb_7f3a91c204/default",
        500_000,
    )
    assert cadent["request_xml"].startswith(
        '<CampaignRequest version="2.4" sender="interchange"><Campaign externalId="sf_mb_7f3a91c204/default"'
    )
    assert network.interchange.written()[1:] == [finalization("northlight-cadent")]


@pytest.mark.parametrize("ids", [IDS, CTV, LIVE], ids=["cadent", "freewheel", "freewheel with gaps"])
async def test_what_an_agent_reads_is_at_most_a_tenth_of_what_interchange_sends(
    tmp_path: Path, ids: dict[str, Any]
) -> None:
    network = SandboxNetwork(FakeTime(), tmp_path)
    interchange = httpx.ASGITransport(network.sandbox.interchange())
    bodies: list[str] = []

    async def keep_the_body(request: httpx.Request) -> httpx.Response:
        answer = await interchange.handle_async_request(request)
        await answer.aread()
        bodies.append(answer.text)
        return answer

    wire = Wire({"interchange": Recorder(keep_the_body)}, network.time.timing)
    async with connected(wire, Settings(environment="sandbox", data_dir=tmp_path)) as client:
        await hold(client, ids, 2_000_000)
        result = await client.call_tool(TOOL, ids)
    assert answer_of(TOOL, result)["booking"]["status"] == "HELD"
    assert len(text_of(result)) * 10 <= len(bodies[-1])


REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    ({}, "not_found", "404 NOT_FOUND", "There is no hold on avail avl_vod_full_library for media buy"),
    ({"avail_id": "avl_nothing"}, "not_found", "404 NOT_FOUND", "northlight-cadent has no avail avl_nothing"),
    ({"media_buy_id": "sf_mb_x"}, "not_found", "404 NOT_FOUND", "Media buy sf_mb_x not found"),
    ({"source_id": "nowhere"}, "not_found", "404 NOT_FOUND", "Inventory source nowhere not found"),
    ({"buyer_customer_id": 1}, "forbidden", "403 FORBIDDEN", "does not belong to buyer 1"),
    ({"source_id": "gam-northlight"}, "refused", "422 CAPABILITY_NOT_SUPPORTED", "is a MANAGED_SALES_AGENT"),
    ({"source_id": "northlight-radio"}, "refused", "400 INVALID_STATE", "is DISABLED, not ACTIVE"),
]


@pytest.mark.parametrize(("changes", "code", "status", "words"), REFUSED)
async def test_a_refusal_is_told_in_interchanges_words_and_changes_nothing(
    tmp_path: Path, changes: dict[str, Any], code: str, status: str, words: str
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {**IDS, "avail_id": "avl_vod_full_library", **changes})
    error = error_of(result)
    assert error["code"] == code
    assert error["message"].startswith(f'Interchange answered {status}: "')
    assert words in error["message"]
    assert error["message"].endswith(". Nothing was changed.")
    assert len(network.interchange.written()) == 1


async def test_a_hold_of_another_package_or_one_that_is_over_cannot_be_finalised(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await hold(client, hold_minutes=1)
        other = error_of(await client.call_tool(TOOL, {**IDS, "package_id": "pkg-9"}))
        network.time.moment += 60
        over = error_of(await client.call_tool(TOOL, IDS))
    assert (other["code"], over["code"]) == ("not_found", "refused")
    assert "Finalising and releasing also need a hold or booking of exactly these ids" in other["next_step"]
    assert "expired at 2026-11-22T12:01:00Z; reserve the avail again" in over["message"]


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"source_id": "a/../b"}, "`source_id`: an id holds none of"),
        ({"source_id": "x" * 256}, "`source_id`: String should have at most 255 characters"),
        ({"media_buy_id": ""}, "`media_buy_id`: String should have at least 1 character"),
        ({"media_buy_id": "x" * 256}, "`media_buy_id`: String should have at most 255 characters"),
        ({"avail_id": ""}, "`avail_id`: String should have at least 1 character"),
        ({"avail_id": "x" * 256}, "`avail_id`: String should have at most 255 characters"),
        ({"package_id": ""}, "`package_id`: String should have at least 1 character"),
        ({"package_id": "x" * 256}, "`package_id`: String should have at most 255 characters"),
        ({"buyer_customer_id": 0}, "`buyer_customer_id`: Input should be greater than or equal to 1"),
        ({"buyer_customer_id": 2**53}, "`buyer_customer_id`: Input should be less than or equal to 9007199254740991"),
        ({"campaign_name": 5}, "`campaign_name`: Input should be a valid string"),
        ({"include_projection": "true"}, "`include_projection`: Input should be a valid boolean"),
        ({"include_cadent": 1}, "`include_cadent`: Input should be a valid boolean"),
        ({"creative": "CCM-1"}, "`creative`: Input should be an object"),
        ({"creative": {"duration": 30}}, "`creative.duration`: Input should be a valid string"),
        ({"creative": {"other": []}}, "`creative.other`: Input should be an object"),
        (
            {"creative": {"other": {"clientCopyMasterRef": "x"}}},
            "`creative.other`: clientCopyMasterRef is given as creative.client_copy_master_ref, not in other",
        ),
        (
            {"creative": {"other": {"duration": 1}}},
            "`creative.other`: duration is given as creative.duration, not in other",
        ),
        ({"creative": {"clientCopyMasterRef": "x"}}, "unknown argument `creative.clientCopyMasterRef` (did you mean"),
        ({"requested_impressions": 5}, "unknown argument `requested_impressions`"),
    ],
    beside=IDS,
)


LOST: list[tuple[Answer, str]] = [
    (timed_out, "did not answer in time"),
    (lambda _: httpx.Response(502, html="<html></html>"), "answered 502"),
    (lambda _: httpx.Response(200, html="<html></html>"), "answered with an HTML page instead of JSON"),
    (lambda _: httpx.Response(200, json={"workItems": []}), "answered with JSON whose booking could not be read"),
    (lambda _: httpx.Response(200, content=b"null"), "answered with JSON of another shape"),
]


LOST_WRITE = LostWrite(
    IDS,
    LOST,
    look=LOOK,
    sent=[finalization("northlight-cadent")],
)
