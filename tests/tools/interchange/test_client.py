"""What Interchange is sent, and what is read from its answers, bare or in their envelope."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.openapi import document_path, load_document, validate_request
from tests.support import Answer, FakeTime, Recorder
from tools.errors import (
    AdOpsError,
    Conflict,
    Forbidden,
    InDoubt,
    NotFound,
    RateLimited,
    Refused,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from tools.interchange.client import InterchangeClient
from tools.vendor_http.auth import StaticToken
from tools.vendor_http.network.client import http_client
from tools.vendor_http.rate_limit import SlidingWindow
from tools.vendor_http.transport import Transport

BASE = "https://api.interchange.io/api/v2/storefront"
SOURCES = "/api/v2/storefront/inventory-sources"
LOOK = "Look at the work items first."
BOOKING = {"bookingId": "b1", "availId": "a1", "mediaBuyId": "m1", "packageId": None, "status": "HELD"}
HANDOFF: dict[str, Any] = {"booking": BOOKING, "workItems": [{}], "projection": {"inventorySource": {}}}
PROBED = {"success": False, "error": "no such network", "testedAt": "2026-11-22T12:00:00Z"}
SOURCE = {"sourceId": "s1", "name": "S", "executionType": "MODULAR_SOURCE", "status": "ACTIVE"}
AVAIL = {
    "productId": "p1",
    "availId": "a1",
    "startTime": "2026-12-01T00:00:00Z",
    "endTime": "2026-12-31T00:00:00Z",
    "heldImpressions": 5,
    "bookedImpressions": 0,
    "availableImpressions": 10,
}
MEDIA_BUYS: dict[str, Any] = {"items": [{"mediaBuyId": "m1"}], "total": 1, "warnings": [], "statusFreshness": None}
RESERVE = {"availId": "a1", "mediaBuyId": "m1", "buyerCustomerId": 4, "requestedImpressions": 5}
RELEASE = {"mediaBuyId": "m1", "buyerCustomerId": 4, "availId": "a1", "packageId": "p1"}
FINALIZE = {"mediaBuyId": "m1", "buyerCustomerId": 4, "availId": "a1", "creative": {"duration": "30"}}

Call = Callable[[InterchangeClient], Awaitable[Any]]
ACCOUNT: Call = lambda client: client.current_account()  # noqa: E731
LIST_SOURCES: Call = lambda client: client.list_inventory_sources()  # noqa: E731
LIST_AVAILS: Call = lambda client: client.list_avails("s1")  # noqa: E731
HOLD: Call = lambda client: client.reserve("s1", RESERVE, look=LOOK)  # noqa: E731
HAND_OVER: Call = lambda client: client.finalize("s1", FINALIZE, look=LOOK)  # noqa: E731
GIVE_UP: Call = lambda client: client.release("s1", RELEASE, look=LOOK)  # noqa: E731
ONE_SOURCE: Call = lambda client: client.inventory_source("s1")  # noqa: E731
READINESS: Call = lambda client: client.projection("s1")  # noqa: E731
BUYS: Call = lambda client: client.media_buys({"status": "booked", "take": 10, "skip": 20})  # noqa: E731
CONNECTION: Call = lambda client: client.esa_connection("s1")  # noqa: E731
PROBE: Call = lambda client: client.test_connection("s1")  # noqa: E731

CALLS = [
    pytest.param(ACCOUNT, {"id": 1}, ("GET", "/api/v2/accounts/current", None), id="account"),
    pytest.param(LIST_SOURCES, [SOURCE], ("GET", SOURCES, None), id="sources"),
    pytest.param(LIST_AVAILS, {"products": [AVAIL]}, ("GET", f"{SOURCES}/s1/modular/products", None), id="avails"),
    pytest.param(HOLD, BOOKING, ("POST", f"{SOURCES}/s1/modular/reservations", RESERVE), id="reserve"),
    pytest.param(HAND_OVER, HANDOFF, ("POST", f"{SOURCES}/s1/modular/bookings/finalize", FINALIZE), id="finalize"),
    pytest.param(GIVE_UP, BOOKING, ("POST", f"{SOURCES}/s1/modular/bookings/release", RELEASE), id="release"),
    pytest.param(ONE_SOURCE, SOURCE, ("GET", f"{SOURCES}/s1", None), id="source"),
    pytest.param(READINESS, {"inventorySource": {}}, ("GET", f"{SOURCES}/s1/modular", None), id="readiness"),
    pytest.param(
        BUYS,
        MEDIA_BUYS,
        ("GET", "/api/v2/storefront/media-buys?status=booked&take=10&skip=20", None),
        id="media buys",
    ),
    pytest.param(CONNECTION, {"id": "c1"}, ("GET", f"{SOURCES}/s1/esa", None), id="connection"),
    pytest.param(PROBE, PROBED, ("POST", f"{SOURCES}/s1/test-connection", None), id="probe"),
]


def interchange(answer: Answer, base_url: str = BASE) -> tuple[InterchangeClient, Recorder]:
    timing, network = FakeTime().timing, Recorder(answer)
    limit = SlidingWindow(1000, 1.0, clock=timing.clock, sleep=timing.sleep)
    auth = StaticToken("scope3_1_key", setting="ADOPS_INTERCHANGE_API_KEY")
    http = http_client(transport=network)
    transport = Transport("Interchange", http, limit=limit, auth=auth, timing=timing)
    return InterchangeClient(transport, base_url=base_url), network


def answering(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> InterchangeClient:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return interchange(lambda _: httpx.Response(status, content=content, headers=headers))[0]


@pytest.mark.parametrize("base_url", [BASE, BASE + "/"])
@pytest.mark.parametrize(("call", "answer", "sent"), CALLS)
async def test_each_call_is_one_request_with_the_key(call: Call, answer: Any, sent: Any, base_url: str) -> None:
    client, network = interchange(lambda _: httpx.Response(200, json=answer), base_url)
    await call(client)
    assert network.sent() == [sent]
    (request,) = network.requests
    assert request.headers["authorization"] == "Bearer scope3_1_key"
    assert request.url.host == "api.interchange.io"


@pytest.mark.skipif(not document_path().is_file(), reason="Interchange's OpenAPI document is not here")
@pytest.mark.parametrize(("call", "answer", "sent"), CALLS)
async def test_each_request_is_one_that_interchanges_document_allows(call: Call, answer: Any, sent: Any) -> None:
    client, network = interchange(lambda _: httpx.Response(200, json=answer))
    await call(client)
    validate_request(load_document(), network.requests[0])
    assert network.requests[0].method == sent[0]


@pytest.mark.parametrize(("call", "answer", "sent"), CALLS)
@pytest.mark.parametrize("around", [{}, {"error": None}, {"error": None, "meta": {"pagination": {}}}])
async def test_an_answer_in_its_envelope_is_read_as_the_bare_one(
    call: Call, answer: Any, sent: Any, around: dict[str, Any]
) -> None:
    bare, wrapped = await call(answering(answer)), await call(answering({"data": answer, **around}))
    assert bare == wrapped
    assert sent


async def test_a_payload_that_has_a_field_called_data_among_others_is_not_taken_apart() -> None:
    probe = await answering({**PROBED, "data": {"success": True}}).test_connection("s1")
    account = await answering({"id": "1", "name": "Outer", "data": {"id": "2", "name": "Inner"}}).current_account()
    assert (probe.success, probe.error) == (False, "no such network")
    assert (account.id, account.name) == ("1", "Outer")


@pytest.mark.parametrize(
    ("source_id", "segment"),
    [
        ("gam-northlight", "gam-northlight"),
        ("a b", "a%20b"),
        ("a/b", "a%2Fb"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("100%", "100%25"),
        ("a%2Fb", "a%252Fb"),
        ("ü+&;,", "%C3%BC%2B%26%3B%2C"),
    ],
)
async def test_a_source_id_stays_one_segment_of_the_path(source_id: str, segment: str) -> None:
    client, network = interchange(lambda request: httpx.Response(200, json=[] if request.method == "GET" else PROBED))
    await client.list_avails(source_id)
    await client.test_connection(source_id)
    assert [path for _, path, _ in network.sent()] == [
        f"{SOURCES}/{segment}/modular/products",
        f"{SOURCES}/{segment}/test-connection",
    ]


async def test_a_source_id_of_dots_does_not_leave_the_sources() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[{**SOURCE, "sourceId": ".."}] if request.url.path == SOURCES else [])

    client, network = interchange(answer)
    with contextlib.suppress(AdOpsError):
        await client.list_all_avails()
    assert all(path.startswith(SOURCES) for _, path, _ in network.sent())


UNKNOWN_ID = (
    "Check each id: source_id and avail_id with list_avails, media_buy_id and buyer_customer_id with list_media_buys. "
    "Finalising and releasing also need a hold or booking of exactly these ids (reserve_avail)."
)
ENTITLEMENT = (
    "A person asks Interchange for the entitlement to modular sources, or accepts the terms that the message names; "
    "calling again does not help."
)
NOT_ALLOWED = (
    "If the message is about the media buy, see in list_media_buys that media_buy_id belongs to buyer_customer_id. "
    f"Otherwise a{ENTITLEMENT[1:]}"
)
CORRECT = "Correct the arguments as the message says, then call again."
SHOW = "Show the person this refusal; calling again with the same arguments does not help."


def error(code: str, message: str, **more: Any) -> dict[str, Any]:
    return {"data": None, "error": {"code": code, "message": message, **more}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "said", "next_step"),
    [
        (
            400,
            error("INVALID_STATE", "Not now"),
            Refused,
            "INVALID_STATE",
            ' INVALID_STATE: "Not now"',
            "Other arguments do not help while that is its state. Look at what the message names (a media buy in "
            "list_media_buys, a source in list_inventory_sources, a flight in list_avails), and tell the person.",
        ),
        (400, error("BAD_REQUEST", "No"), Refused, "BAD_REQUEST", ' BAD_REQUEST: "No"', CORRECT),
        (
            422,
            error("VALIDATION_ERROR", "Invalid", details={"issues": [{"path": ["availId"], "message": "Required"}]}),
            Refused,
            "VALIDATION_ERROR",
            ' VALIDATION_ERROR: "Invalid; availId: Required"',
            CORRECT,
        ),
        (
            402,
            error("CREDIT_LIMIT_EXCEEDED", "Pay first"),
            Forbidden,
            "CREDIT_LIMIT_EXCEEDED",
            ' CREDIT_LIMIT_EXCEEDED: "Pay first"',
            "A person settles this with the vendor; calling again does not help.",
        ),
        (
            403,
            error("TOS_ACCEPTANCE_REQUIRED", "Accept"),
            Forbidden,
            "TOS_ACCEPTANCE_REQUIRED",
            ' TOS_ACCEPTANCE_REQUIRED: "Accept"',
            NOT_ALLOWED,
        ),
        (404, error("NOT_FOUND", "No hold"), NotFound, "NOT_FOUND", ' NOT_FOUND: "No hold"', UNKNOWN_ID),
        (
            409,
            error("CONFLICT", "Only 3 left"),
            Conflict,
            "CONFLICT",
            ' CONFLICT: "Only 3 left"',
            "Call list_avails to see what is available now.",
        ),
        (
            401,
            {"error": "Unauthorized", "message": "bad key"},
            Unauthorized,
            "Unauthorized",
            ' Unauthorized: "bad key"',
            "The operator checks ADOPS_INTERCHANGE_API_KEY, then runs `adops-mcp doctor`.",
        ),
        (400, {"message": "bad"}, Refused, None, ': "bad"', CORRECT),
        (400, b"<html>blocked</html>", Refused, None, " (an HTML page)", SHOW),
        (400, b"blocked", Refused, None, ': "blocked"', CORRECT),
        (400, b"", Refused, None, " (an empty body)", SHOW),
    ],
)
async def test_a_refused_hold_is_told_with_interchanges_code_and_words(  # noqa: PLR0917 - one table
    status: int, body: Any, kind: type[AdOpsError], code: str | None, said: str, next_step: str
) -> None:
    with pytest.raises(AdOpsError) as told:
        await HOLD(answering(body, status, {"x-request-id": "r-1"}))
    assert type(told.value) is kind
    assert told.value.message == f"Interchange answered {status}{said}. Nothing was changed."
    assert told.value.next_step == next_step
    assert (told.value.upstream_status, told.value.upstream_code, told.value.request_id) == (status, code, "r-1")


@pytest.mark.parametrize(
    ("call", "status", "next_step"),
    [
        (LIST_AVAILS, 403, ENTITLEMENT),
        (
            LIST_AVAILS,
            404,
            "Call list_avails without source_id to see the storefront's modular sources, then use one of those.",
        ),
        (READINESS, 403, ENTITLEMENT),
        (ONE_SOURCE, 404, "Take source_id from list_inventory_sources, then call again."),
        (
            BUYS,
            404,
            "The operator checks that ADOPS_INTERCHANGE_API_KEY is the key of an account with a storefront.",
        ),
        *[
            (
                call,
                404,
                "This storefront has no ad-server source of that id: take one from list_inventory_sources whose "
                "execution_type is MANAGED_SALES_AGENT.",
            )
            for call in (CONNECTION, PROBE)
        ],
    ],
)
async def test_a_refused_read_says_what_to_do(call: Call, status: int, next_step: str) -> None:
    with pytest.raises(AdOpsError) as told:
        await call(answering(error("E", "no"), status))
    assert told.value.next_step == next_step


@pytest.mark.parametrize("call", [HOLD, HAND_OVER, GIVE_UP])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (204, b""),
        (200, b"<html>signed out</html>"),
        (200, b'{"booking": '),
        (200, {"data": None, "error": {"code": "INTERNAL_ERROR", "message": "half done"}}),
        (200, {"ok": True}),
        (200, []),
        (302, b""),
        (500, error("INTERNAL_ERROR", "boom")),
        (501, error("NOT_IMPLEMENTED", "later")),
        (503, error("SERVICE_UNAVAILABLE", "later")),
    ],
)
async def test_a_write_whose_answer_tells_nothing_is_in_doubt_and_not_repeated(
    call: Call, status: int, body: Any
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    client, network = interchange(lambda _: httpx.Response(status, content=content))
    with pytest.raises(InDoubt) as told:
        await call(client)
    assert told.value.next_step == f"Do not send it again yet. {LOOK}"
    assert len(network.requests) == 1


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (LIST_SOURCES, {"sources": []}),
        (LIST_SOURCES, {"data": None, "error": None}),
        (LIST_SOURCES, [{"name": "no id"}]),
        (LIST_AVAILS, {"items": []}),
        (LIST_AVAILS, {"products": None}),
        (LIST_AVAILS, {"products": [{**AVAIL, "availableImpressions": None}]}),
        (LIST_AVAILS, {"products": [{**AVAIL, "startTime": "2026-12-01"}]}),
        (ACCOUNT, {}),
        (ACCOUNT, b"<html>signed out</html>"),
        (PROBE, {"data": {"error": None}}),
        (CONNECTION, []),
        (ONE_SOURCE, []),
        (ONE_SOURCE, {"name": "no id"}),
        (READINESS, b"<html>signed out</html>"),
        (BUYS, []),
        (BUYS, {"items": []}),
        (BUYS, {"items": None, "total": 0}),
        (BUYS, {"items": [{"kind": "no id"}], "total": 1}),
    ],
)
async def test_an_answer_of_an_unknown_shape_is_loud_and_not_empty(call: Call, body: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match="Interchange answered with"):
        await call(answering(body))


async def test_a_bare_list_of_products_is_read_and_unknown_keys_are_ignored() -> None:
    (avail,) = await answering([{**AVAIL, "cpm": None, "addedLater": 1}]).list_avails("s1")
    assert (avail.avail_id, avail.held_impressions, avail.cpm) == ("a1", 5, None)


async def test_a_probe_that_failed_is_an_answer() -> None:
    probe = await answering({"data": {**PROBED, "errorCode": "NEW_CODE"}, "error": None}).test_connection("s1")
    assert (probe.success, probe.error_code, probe.error) == (False, "NEW_CODE", "no such network")


@pytest.mark.parametrize("odd", [None, [], "none", {}, {"inventorySource": None}])
async def test_a_projection_of_another_shape_is_told_apart_from_one_that_did_not_come(odd: Any) -> None:
    assert await answering(odd).projection("s1") == (None, odd)


async def test_what_cannot_be_read_beside_a_booking_does_not_hide_the_booking() -> None:
    odd: dict[str, Any] = {
        **HANDOFF,
        "workItems": "none",
        "projection": 5,
        "executionStatus": {},
        "cadentRequestXml": [],
    }
    handoff, raw = await answering(odd).finalize("s1", FINALIZE, look=LOOK)
    assert (handoff.booking.booking_id, handoff.booking.status, handoff.work_items) == ("b1", "HELD", None)
    assert raw == odd


def by_source(answers: dict[str, httpx.Response]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.removeprefix(SOURCES).strip("/").partition("/")[0]
        return answers[name]

    return answer


SEVERAL = [
    SOURCE,
    {**SOURCE, "sourceId": "s2"},
    {**SOURCE, "sourceId": "off", "status": "DISABLED"},
    {**SOURCE, "sourceId": "gam", "executionType": "MANAGED_SALES_AGENT"},
]


async def test_avails_of_all_active_modular_sources_name_the_sources_that_could_not_be_read() -> None:
    client, network = interchange(
        by_source(
            {
                "": httpx.Response(200, json=SEVERAL),
                "s1": httpx.Response(403, json=error("FORBIDDEN", "no")),
                "s2": httpx.Response(200, json=[AVAIL]),
            }
        )
    )
    read, unread = await client.list_all_avails()
    assert [(source, [avail.avail_id for avail in avails]) for source, avails in read] == [("s2", ["a1"])]
    assert {source: type(why) for source, why in unread.items()} == {"s1": Forbidden}
    assert [path for _, path, _ in network.sent()] == [
        SOURCES,
        f"{SOURCES}/s1/modular/products",
        f"{SOURCES}/s2/modular/products",
    ]


@pytest.mark.parametrize(("status", "kind"), [(403, Forbidden), (429, RateLimited), (503, Unavailable)])
async def test_avails_are_not_reported_empty_when_no_source_could_be_read(status: int, kind: type[AdOpsError]) -> None:
    refused = httpx.Response(status, json=error("E", "no"))
    client, _ = interchange(by_source({"": httpx.Response(200, json=SEVERAL), "s1": refused, "s2": refused}))
    with pytest.raises(kind):
        await client.list_all_avails()
