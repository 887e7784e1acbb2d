"""The job of each prompt, done by an agent that knows nothing but the prompt and what the tools answer."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from mcp import Client
from mcp_types import TextContent

from tests.snapshots import answer_of
from tests.support import SandboxNetwork, sandboxed

Json = dict[str, Any]

_ID = re.compile(r"(_id|_ids|_code|^id)$")


class Agent:
    """Calls only tools that the prompt names, and uses only ids that it was given or that a tool has answered."""

    def __init__(self, client: Client, network: SandboxNetwork) -> None:
        self._client = client
        self.network = network
        self._named: set[str] = set()
        self._known: set[str] = set()
        self.did: list[str] = []

    async def follow(self, prompt: str, **given: str) -> None:
        result = await self._client.get_prompt(prompt, given)
        content = result.messages[0].content
        assert isinstance(content, TextContent)
        self._named = set(re.findall(r"`([a-z_]+)`", content.text))
        self._known = set(given.values())

    async def do(self, tool: str, /, **arguments: Any) -> Json:
        assert tool in self._named, f"{tool} is not in the prompt"
        invented = [value for value in _ids(arguments) if value not in self._known]
        assert not invented, f"{tool} is given ids from nowhere: {invented}"
        result = await self._client.call_tool(tool, arguments)
        answer = answer_of(tool, result)
        assert not result.is_error, answer
        self._known |= {str(value) for value in _leaves(answer)}
        self.did.append(tool)
        return answer

    async def all_of(self, tool: str, /, **arguments: Any) -> list[Json]:
        """Every item of a list, by following `next`."""
        items: list[Json] = []
        following: Json | None = arguments
        while following is not None:
            answer = await self.do(tool, **following)
            items += answer["items"]
            following = answer["next"]
        return items


def _leaves(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [leaf for key, value in cast("Json", node).items() for leaf in [key, *_leaves(value)]]
    if isinstance(node, list):
        return [leaf for item in cast("list[Any]", node) for leaf in _leaves(item)]
    return [node]


def _ids(node: Any, name: str = "") -> list[str]:
    if isinstance(node, dict):
        return [value for key, inner in cast("Json", node).items() for value in _ids(inner, key)]
    if isinstance(node, list):
        return [value for item in cast("list[Any]", node) for value in _ids(item, name)]
    return [str(node)] if _ID.search(name) else []


@asynccontextmanager
async def agent(directory: Path) -> AsyncGenerator[Agent]:
    async with sandboxed(directory) as (client, network):
        yield Agent(client, network)


async def test_a_campaign_is_booked_from_the_brief_to_the_handoff(tmp_path: Path) -> None:
    async with agent(tmp_path) as trafficker:
        await trafficker.follow("book_campaign", brief="Live basketball for Halden & Pryce", impressions="750000")
        buys = await trafficker.all_of("list_media_buys")
        buy = next(
            buy for buy in buys if buy.get("buyer") == "Halden & Pryce Media" and buy["status"] == "awaiting_source"
        )
        avails = await trafficker.do("list_avails", text="basketball", min_available=750_000)
        avail = avails["items"][0]
        ids = {
            "source_id": avail["source_id"],
            "avail_id": avail["avail_id"],
            "media_buy_id": buy["media_buy_id"],
            "buyer_customer_id": buy["buyer_customer_id"],
        }
        held = await trafficker.do("reserve_avail", **ids, requested_impressions=750_000)
        assert held["booking"]["status"] == "HELD"
        assert "finalize_booking" in held["next_step"]
        handoff = await trafficker.do("finalize_booking", **ids)
        assert "not booked" in handoff["what_happened"]
        work = await trafficker.do("list_work_items", media_buy_id=buy["media_buy_id"])
        assert {item["work_item_id"] for item in work["items"]} >= {
            item["work_item_id"] for item in handoff["open_work_items"]
        }
        again = await trafficker.do("list_avails", source_id=avail["source_id"], text=avail["name"])
        now = next(item for item in again["items"] if item["avail_id"] == avail["avail_id"])
    assert now["held_impressions"] - avail["held_impressions"] == 750_000
    assert now["booked_impressions"] == avail["booked_impressions"]
    writes = [path for method, path, _ in trafficker.network.interchange.sent() if method == "POST"]
    assert [path.rpartition("/modular/")[2] for path in writes] == ["reservations", "bookings/finalize"]


async def test_a_network_is_onboarded_through_the_grant_to_a_test_that_passes(tmp_path: Path) -> None:
    async with agent(tmp_path) as trafficker:
        await trafficker.follow("onboard_gam_network", network_code="21700007")
        sources = await trafficker.all_of("list_inventory_sources", execution_type="MANAGED_SALES_AGENT")
        source = next(source for source in sources if "network_code" not in source)
        assert "21700007" not in [source.get("network_code") for source in sources]
        before = await trafficker.do("get_gam_connection", source_id=source["source_id"])
        assert "configure_gam_source" in before["next_step"]
        saved = await trafficker.do("configure_gam_source", source_id=source["source_id"], network_code="21700007")
        assert saved["service_account_email"] in saved["do_now"]
        assert "Add a service account user" in saved["where"]
        tested = await trafficker.do("test_gam_connection", source_id=source["source_id"])
        assert (tested["ok"], tested["waiting_helps"]) == (False, True)
        trafficker.network.time.moment += tested["wait_seconds"]
        tested = await trafficker.do("test_gam_connection", source_id=source["source_id"])
    assert tested["ok"] is True
    assert tested["network_code"] == "21700007"
    puts = [request for request in trafficker.network.interchange.sent() if request[0] == "PUT"]
    assert [body for _, _, body in puts] == [{"type": "google_ad_manager", "networkCode": "21700007"}]


async def test_open_work_is_taken_up_done_and_seen_in_the_counts(tmp_path: Path) -> None:
    async with agent(tmp_path) as trafficker:
        await trafficker.follow("chase_work_items")
        items = await trafficker.all_of("list_work_items")
        item = next(item for item in items if item["kind"] == "EXECUTE_UPSTREAM_BOOKING" and item["status"] == "OPEN")
        ids = {"source_id": item["source_id"], "work_item_id": item["work_item_id"]}
        whole = await trafficker.do("get_work_item", **ids)
        avail_id = whole["payload"]["availId"]
        before = await _counts(trafficker, item["source_id"], avail_id)
        taken = await trafficker.do("update_work_item", **ids, status="IN_PROGRESS", assigned_to="Dana")
        assert taken["item"]["status"] == "IN_PROGRESS"
        results = dict.fromkeys(item["required_result_fields"], "FW-IO-88")
        done = await trafficker.do("complete_work_item", **ids, result=results, notes="Dana booked it.")
        assert done["completed_by_this_call"] is True
        assert "list_avails" in done["next_step"]
        after = await _counts(trafficker, item["source_id"], avail_id)
        left = await trafficker.all_of("list_work_items")
    moved = whole["payload"]["requestedImpressions"]
    assert [now - then for now, then in zip(after, before, strict=True)] == [0, -moved, moved]
    assert item["work_item_id"] not in [item["work_item_id"] for item in left]
    assert len(left) == len(items) - 1


async def _counts(trafficker: Agent, source_id: str, avail_id: str) -> tuple[int, int, int]:
    avails = await trafficker.all_of("list_avails", source_id=source_id)
    avail = next(avail for avail in avails if avail["avail_id"] == avail_id)
    return avail["available_impressions"], avail["held_impressions"], avail["booked_impressions"]


async def test_the_pipeline_is_read_to_its_end_and_one_order_is_closed_with_what_it_was_kept(tmp_path: Path) -> None:
    async with agent(tmp_path) as trafficker:
        await trafficker.follow("review_proposal_pipeline", focus="what is over")
        orders = await trafficker.all_of("list_proposed_ios")
        now = trafficker.network.time.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        over = [
            order
            for order in orders
            if order["proposed_io_status"] == "PROPOSED" and order.get("flight_end", "9999") < now
        ]
        assert over
        order_id = over[0]["id"]
        order = await trafficker.do("get_proposed_io", proposed_io_id=order_id)
        placements = await trafficker.do("list_proposed_placements", proposed_io_id=order_id)
        assert placements["items"]
        closed = await trafficker.do("update_proposed_io", proposed_io_id=order_id, proposed_io_status="LOST")
        again = await trafficker.do("get_proposed_io", proposed_io_id=order_id)
    assert closed["changes"] == [{"field": "proposed_io_status", "before": "PROPOSED", "after": "LOST"}]
    assert {**again, "proposed_io_status": "PROPOSED", "updated_at": order["updated_at"]} == order
    assert len(orders) == 25


async def test_a_package_is_built_from_a_description_with_ids_that_were_found(tmp_path: Path) -> None:
    async with agent(tmp_path) as trafficker:
        await trafficker.follow("build_inventory_package", description="live sports on connected TV, no kids")
        there = await trafficker.do("list_inventory_packages", name="Sports", status="ACTIVE")
        like = await trafficker.do("get_inventory_package", package_id=there["items"][0]["id"])
        assert like["targeting"]["include"]
        sports = await _found(trafficker, "Sports", "STANDARD_GENRE")
        kids = await _found(trafficker, "Kids", "STANDARD_GENRE")
        ctv = await _found(trafficker, "Connected TV", "STANDARD_DEVICE")
        targeting = {
            "include": {"relationship": "AND", "item_sets": [_set("CONTENT", sports), _set("PLATFORM", ctv)]},
            "exclude": {"item_sets": [_set("CONTENT", kids)]},
        }
        made = await trafficker.do("create_inventory_package", name="Live Sports CTV", targeting=targeting)
        kept = await trafficker.do("get_inventory_package", package_id=made["inventory_package"]["id"])
    assert (kept["name"], kept["status"], kept["targeting"]) == ("Live Sports CTV", "ACTIVE", targeting)
    posts = [body for method, _, body in trafficker.network.freewheel.sent() if method == "POST"]
    assert posts == [{"name": "Live Sports CTV", "targeting": targeting}]


async def _found(trafficker: Agent, text: str, item_type: str) -> Json:
    answer = await trafficker.do("find_targeting_items", text=text, item_type=item_type)
    item = answer["items"][0]
    return {"id": item["id"], "type": item["type"]}


def _set(targeting_type: str, *items: Json) -> Json:
    lists = [{"relationship": "OR", "items": list(items)}]
    return {"targeting_type": targeting_type, "relationship": "AND", "item_lists": lists}


async def test_why_a_connection_fails_is_found_without_changing_a_configuration(tmp_path: Path) -> None:
    async with agent(tmp_path) as trafficker:
        await trafficker.follow("diagnose_connection", symptom="The kids' app sells nothing, and sports are stuck.")
        status = await trafficker.do("get_status")
        assert all(vendor["reachable"] for vendor in status["vendors"])
        sources = await trafficker.all_of("list_inventory_sources")
        kids = next(source for source in sources if "Kids" in source["name"])
        assert kids["status"] == "PENDING"
        told = await trafficker.do("get_inventory_source", source_id=kids["source_id"])
        assert "test_gam_connection" in told["next_step"]
        connection = await trafficker.do("get_gam_connection", source_id=kids["source_id"])
        assert connection["network_code"]
        tested = await trafficker.do("test_gam_connection", source_id=kids["source_id"])
        sports = next(source for source in sources if "Sports" in source["name"])
        stuck = await trafficker.do("get_inventory_source", source_id=sports["source_id"])
    assert (tested["ok"], tested["code"]) == (False, "ADAPTER_PERMISSION_DENIED")
    assert tested["do_now"]
    assert tested["where"]
    assert stuck["in_the_way"]["stages"][0]["missing_setup_fields"]
    methods = {(method, path.rpartition("/")[2]) for method, path, _ in trafficker.network.interchange.sent()}
    assert {method for method, end in methods if end != "test-connection"} == {"GET"}
