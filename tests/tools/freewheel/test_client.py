"""FreeWheel's answers, in every shape that was seen of them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.support import Answer, FakeTime, Recorder
from tools.errors import AdOpsError, Forbidden, InDoubt, NotFound, Refused, UnexpectedAnswer
from tools.freewheel.client import FreeWheelClient
from tools.vendor_http.auth import StaticToken
from tools.vendor_http.network.client import http_client
from tools.vendor_http.rate_limit import SlidingWindow
from tools.vendor_http.transport import Transport

LOOK = "Look at the list of proposed IOs first."
PACKAGE = {"id": 7, "name": "Linear STB", "status": "ACTIVE"}
ORDER = {"id": 9, "external_id": "deal-1", "name": "Deal", "proposed_io_status": "PROPOSED"}


def freewheel(answer: Answer) -> tuple[FreeWheelClient, Recorder]:
    timing, network = FakeTime().timing, Recorder(answer)
    http = http_client(transport=network, base_url="https://fw.example")
    limit = SlidingWindow(1000, 1.0, clock=timing.clock, sleep=timing.sleep)
    auth = StaticToken("token", setting="ADOPS_FREEWHEEL_TOKEN")
    transport = Transport("FreeWheel", http, limit=limit, auth=auth, timing=timing)
    return FreeWheelClient(transport, timing=timing), network


def answering(body: Any, status: int = 200) -> FreeWheelClient:
    return freewheel(lambda _: httpx.Response(status, content=json.dumps(body)))[0]


async def create(client: FreeWheelClient, campaign_id: int | None = None) -> Any:
    return await client.create_proposed_insertion_order({"name": "Deal"}, campaign_id=campaign_id, look=LOOK)


async def test_the_list_is_asked_for_as_documented() -> None:
    client, network = freewheel(lambda _: httpx.Response(200, json={"inventory_packages": []}))
    await client.list_inventory_packages({"page": 2, "name": "A&B c", "-updated_at": "2026-01-01T00:00:00Z.."})
    (request,) = network.requests
    assert request.method == "GET"
    assert request.url.path == "/services/v4/inventory_packages"
    assert dict(request.url.params) == {"page": "2", "name": "A&B c", "-updated_at": "2026-01-01T00:00:00Z.."}
    assert (request.headers["accept"], request.headers["content-type"]) == ("application/json", "application/json")
    assert request.headers["authorization"] == "Bearer token"


@pytest.mark.parametrize(
    ("envelope", "ids", "total", "pages"),
    [
        ({"inventory_packages": [PACKAGE], "page": 1, "per_page": 10, "total": 1, "total_pages": 1}, [7], 1, 1),
        ({"inventory_packages": [], "page": 1, "per_page": 10, "total": 0, "total_pages": 0}, [], 0, 0),
        ({"items": [PACKAGE], "links": [], "page": 1, "per_page": 20, "total_count": 41, "total_page": 3}, [7], 41, 3),
        ({"items": [PACKAGE], "total": 1, "total_pages": 1}, [7], 1, 1),
        ({"inventory_packages": [PACKAGE], "items": []}, [7], None, None),
        ({"inventory_packages": None, "items": [PACKAGE]}, [7], None, None),
        ({"items": [PACKAGE], "total": None, "total_count": "5", "total_pages": "2"}, [7], 5, 2),
        ({"inventory_packages": [{**PACKAGE, "added_later": {"a": 1}}], "added_later": 1}, [7], None, None),
    ],
)
async def test_every_list_envelope_is_read(
    envelope: dict[str, Any], ids: list[int], total: int | None, pages: int | None
) -> None:
    page = await answering(envelope).list_inventory_packages({})
    assert ([item.id for item in page.items], page.total, page.total_pages) == (ids, total, pages)


@pytest.mark.parametrize(
    "body",
    [
        {"packages": [PACKAGE], "total": 1},
        {"inventory_packages": None},
        {"inventory_packages": {"7": PACKAGE}},
        {"total": 0},
        {},
        [PACKAGE],
        [],
        None,
        "none",
    ],
)
async def test_a_list_under_no_known_key_is_loud_and_not_empty(body: Any) -> None:
    with pytest.raises(UnexpectedAnswer) as told:
        await answering(body).list_inventory_packages({})
    assert told.value.message == (
        "FreeWheel answered with JSON that has neither `inventory_packages` nor `items`. Nothing can be said about "
        "what it holds."
    )


@pytest.mark.parametrize("item", [{"name": "no id"}, {"id": "seven", "name": "n"}, "7", None])
async def test_an_item_that_cannot_be_read_fails_the_page_instead_of_vanishing(item: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match=r"JSON whose items\.1.* could not be read"):
        await answering({"items": [PACKAGE, item]}).list_inventory_packages({})


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"id": "7"}, {"id": 7}),
        ({"id": 7}, {"id": 7}),
        ({"status": "Active"}, {"status": "ACTIVE"}),
        ({"status": "inactive"}, {"status": "INACTIVE"}),
        ({"status": "ARCHIVED"}, {"status": "ARCHIVED"}),
        ({"status": ""}, {"status": None}),
        ({"status": None}, {"status": None}),
        ({"description": ""}, {"description": None}),
        ({"description": None}, {"description": None}),
        ({"description": "two words"}, {"description": "two words"}),
        ({"updated_at": "2018-01-20T13:00:00Z", "created_at": ""}, {"updated_at": "2018-01-20T13:00:00Z"}),
    ],
)
async def test_a_package_is_read_tolerantly(given: dict[str, Any], read: dict[str, Any]) -> None:
    page = await answering({"items": [{**PACKAGE, **given}]}).list_inventory_packages({})
    (item,) = page.items
    assert {name: getattr(item, name) for name in read} == read


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("body", [ORDER, {"proposed_insertion_order": ORDER}])
async def test_a_created_order_is_read_bare_or_wrapped(body: dict[str, Any], status: int) -> None:
    order = await create(answering(body, status))
    assert (order.id, order.external_id, order.proposed_io_status) == (9, "deal-1", "PROPOSED")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"id": "9"}, {"id": 9}),
        ({"brand_id": "12"}, {"brand_id": 12}),
        ({"brand_id": None, "description": None}, {"brand_id": None, "description": None}),
        (
            {"proposed_io_status": "Proposed", "description": ""},
            {"proposed_io_status": "PROPOSED", "description": None},
        ),
    ],
)
async def test_a_created_order_is_read_tolerantly(given: dict[str, Any], read: dict[str, Any]) -> None:
    order = await create(answering({**ORDER, **given}, 201))
    assert {name: getattr(order, name) for name in read} == read


@pytest.mark.parametrize(
    "odd", [{"brand_id": ""}, {"probability_of_close": ""}, {"schedule": ""}, {"created_at": 1516453200}]
)
async def test_an_odd_side_field_does_not_hide_that_the_order_was_created(odd: dict[str, Any]) -> None:
    assert (await create(answering({**ORDER, **odd}, 201))).id == 9


@pytest.mark.parametrize(
    ("campaign_id", "path"),
    [
        (None, "/services/v4/proposed_insertion_orders"),
        (31, "/services/v4/campaigns/31/proposed_insertion_orders"),
    ],
)
async def test_an_order_is_created_by_one_post(campaign_id: int | None, path: str) -> None:
    client, network = freewheel(lambda _: httpx.Response(201, json=ORDER))
    await create(client, campaign_id)
    assert network.sent() == [("POST", path, {"name": "Deal"})]
    (request,) = network.requests
    assert (request.headers["accept"], request.headers["content-type"]) == ("application/json", "application/json")


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(201),
        httpx.Response(204),
        httpx.Response(200, html="<html>signed out</html>"),
        httpx.Response(200, json={"name": "no id"}),
        httpx.Response(200, json=[ORDER]),
        httpx.Response(200, json={"proposed_insertion_order": {"name": "no id"}}),
        httpx.Response(302, headers={"location": "/login"}),
        httpx.Response(500, json={"errors": [{"message": "boom"}]}),
        httpx.Response(504),
    ],
)
async def test_a_creation_whose_answer_tells_nothing_is_in_doubt_and_not_repeated(response: httpx.Response) -> None:
    client, network = freewheel(lambda _: response)
    with pytest.raises(InDoubt) as told:
        await create(client)
    assert told.value.next_step == f"Do not send it again yet. {LOOK}"
    assert len(network.requests) == 1


TEAM = "calling again does not help. If the token is new, FreeWheel may not have activated the user yet."
NETWORK_FUNCTION = (
    "A person asks the FreeWheel account team to enable the Proposal network function for this network and user; "
)
NEEDS_CAMPAIGN = (
    "This network may only take proposed IOs under a campaign: take campaign_id from list_campaigns, once the person "
    "has agreed to it, and call again with it."
)
UNSAID = "FreeWheel answered {} (JSON of another shape). Nothing was changed."
NO_CAMPAIGN = "FreeWheel knows no such campaign in this network: take campaign_id from list_campaigns."


@pytest.mark.parametrize(
    ("status", "body", "campaign_id", "error", "told"),
    [
        (
            403,
            {"Message": "User is not authorized"},
            None,
            Forbidden,
            ('FreeWheel answered 403: "User is not authorized". Nothing was changed.', NETWORK_FUNCTION + TEAM),
        ),
        (
            404,
            {"error": "Not Found"},
            None,
            NotFound,
            ('FreeWheel answered 404: "Not Found". Nothing was changed.', NEEDS_CAMPAIGN),
        ),
        (405, {}, None, Refused, (UNSAID.format(405), NEEDS_CAMPAIGN)),
        (404, {}, 31, NotFound, (UNSAID.format(404), NO_CAMPAIGN)),
        (
            422,
            {"errors": [{"message": "name is taken"}, {"message": "budget is missing"}]},
            None,
            Refused,
            (
                'FreeWheel answered 422: "name is taken; budget is missing". Nothing was changed.',
                "Correct the arguments as the message says, then call again.",
            ),
        ),
    ],
)
async def test_a_refused_creation_says_why_and_what_to_do(
    status: int, body: Any, campaign_id: int | None, error: type[AdOpsError], told: tuple[str, str]
) -> None:
    with pytest.raises(AdOpsError) as raised:
        await create(answering(body, status), campaign_id)
    assert type(raised.value) is error
    assert (raised.value.message, raised.value.next_step) == told
    assert raised.value.upstream_status == status


async def test_a_refused_list_says_who_can_enable_it() -> None:
    with pytest.raises(Forbidden) as told:
        await answering({"Message": "no"}, 403).list_inventory_packages({})
    assert told.value.next_step == (
        "A person asks the FreeWheel account team to enable Marketplace for this network and user; " + TEAM
    )
