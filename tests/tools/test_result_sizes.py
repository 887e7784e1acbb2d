"""What an agent has to read: no result of the sandbox's data is longer than it has to be."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.snapshots import answer_of
from tests.support import sandboxed, text_of
from tests.tokens import CEILING, RESULT_CEILING, cost, tokens
from tools.catalogue import CATALOGUE
from tools.tool import Write

Json = dict[str, Any]

EACH: list[tuple[str, Json, str, dict[str, str]]] = [
    ("list_inventory_packages", {"per_page": 50}, "get_inventory_package", {"id": "package_id"}),
    ("list_proposed_ios", {"per_page": 50}, "get_proposed_io", {"id": "proposed_io_id"}),
    ("list_proposed_ios", {"per_page": 50}, "list_proposed_placements", {"id": "proposed_io_id"}),
    ("list_inventory_sources", {}, "get_inventory_source", {"source_id": "source_id"}),
    (
        "list_work_items",
        {"per_page": 50},
        "get_work_item",
        {"source_id": "source_id", "work_item_id": "work_item_id"},
    ),
    (
        "list_inventory_sources",
        {"execution_type": "MANAGED_SALES_AGENT"},
        "get_gam_connection",
        {"source_id": "source_id"},
    ),
    (
        "list_inventory_sources",
        {"execution_type": "MANAGED_SALES_AGENT"},
        "test_gam_connection",
        {"source_id": "source_id"},
    ),
]
"""A list, and the tool that tells more of each of its items."""


class Reader:
    """Reads what the tools answer and keeps the longest."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.longest = 0
        self.read = 0

    async def call(self, tool: str, arguments: Json) -> Json:
        result = await self._client.call_tool(tool, arguments)
        assert not result.is_error, text_of(result)
        self.longest = max(self.longest, tokens(text_of(result)))
        self.read += 1
        return answer_of(tool, result)

    async def items(self, tool: str, arguments: Json) -> list[Json]:
        found: list[Json] = []
        following: Json | None = arguments
        while following is not None:
            answer = await self.call(tool, following)
            found += answer["items"]
            following = answer["next"]
        return found


@asynccontextmanager
async def reading(directory: Path) -> AsyncGenerator[Reader]:
    async with sandboxed(directory) as (client, _):
        yield Reader(client)


def test_all_definitions_together_stay_within_their_budget() -> None:
    assert sum(cost(entry.tool) for entry in CATALOGUE) <= CEILING


LISTS = [
    tool.name
    for tool in CATALOGUE
    if tool.name.startswith(("list_", "find_")) and tool.name != "list_proposed_placements"
]


@pytest.mark.parametrize("tool", LISTS)
async def test_every_page_of_a_list_is_short_when_no_size_is_asked_for(tool: str, tmp_path: Path) -> None:
    arguments: Json = {"text": "o"} if tool == "find_targeting_items" else {}
    async with reading(tmp_path) as reader:
        if tool == "list_operations":
            for number in range(25):
                await reader.call("create_proposed_io", {"external_id": f"CRM-{number}", "name": "Halden - Winter"})
            reader.longest = 0
        assert await reader.items(tool, arguments)
    assert reader.longest <= RESULT_CEILING


@pytest.mark.parametrize(("lister", "arguments", "tool", "ids"), EACH, ids=[tool for _, _, tool, _ in EACH])
async def test_every_single_object_is_short(
    lister: str, arguments: Json, tool: str, ids: dict[str, str], tmp_path: Path
) -> None:
    async with reading(tmp_path) as reader:
        items = await reader.items(lister, arguments)
        reader.longest = 0
        for item in items:
            await reader.call(tool, {argument: item[name] for name, argument in ids.items()})
    assert reader.read > len(items) > 5
    assert reader.longest <= RESULT_CEILING


async def test_what_a_write_answers_is_short(tmp_path: Path) -> None:
    genre = {"relationship": "OR", "items": [{"id": "1076", "type": "STANDARD_GENRE"}]}
    sets = [{"targeting_type": "CONTENT", "relationship": "AND", "item_lists": [genre]}]
    booking: Json = {
        "source_id": "northlight-live-sports",
        "avail_id": "avl_soccer_sunday",
        "media_buy_id": "sf_mb_7f3a91c204",
        "buyer_customer_id": 88120,
    }
    item = {"source_id": "northlight-live-sports", "work_item_id": "440317001"}
    writes: list[tuple[str, Json]] = [
        ("reserve_avail", {**booking, "requested_impressions": 2_500_000}),
        ("finalize_booking", booking),
        ("release_booking", booking),
        ("update_work_item", {**item, "status": "BLOCKED", "blocked_reason": "r" * 2000}),
        ("update_work_item", {**item, "status": "OPEN"}),
        ("complete_work_item", item),
        (
            "create_inventory_package",
            {"name": "N", "targeting": {"include": {"relationship": "AND", "item_sets": sets}}},
        ),
        ("update_inventory_package", {"package_id": 270118, "description": "d" * 300, "status": "INACTIVE"}),
        ("create_proposed_io", {"external_id": "X-1", "name": "N", "description": "d" * 300}),
        ("update_proposed_io", {"proposed_io_id": 418250, "proposed_io_status": "LOST", "frequency_caps": []}),
        ("configure_gam_source", {"source_id": "gam-northlight", "network_code": "21700001"}),
    ]
    assert {name for name, _ in writes} == {entry.name for entry in CATALOGUE if entry.effect is Write}
    async with reading(tmp_path) as reader:
        for tool, arguments in writes:
            await reader.call(tool, arguments)
    assert reader.longest <= RESULT_CEILING
