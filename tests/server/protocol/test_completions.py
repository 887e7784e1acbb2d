"""Completions of prompt arguments and template ids, from live lists."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import httpx
import pytest
from mcp import Client, MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from server.clients import Wire
from server.configuration.settings import Settings
from tests.support import FakeTime, answered_by, connected, sandboxed

PACKAGE = "adops://freewheel/inventory-packages/{package_id}"
ORDER = "adops://freewheel/proposed-ios/{proposed_io_id}"
SOURCE = "adops://interchange/inventory-sources/{source_id}"
SOURCES = ("GET", "/api/v2/storefront/inventory-sources", None)


async def completed(client: Client, of: str, name: str, typed: str) -> list[str]:
    reference = ResourceTemplateReference(uri=of) if "://" in of else PromptReference(name=of)
    result = await client.complete(reference, {"name": name, "value": typed})
    return result.completion.values


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(
    ("typing", "values"),
    [
        (("chase_work_items", "source_id", "live"), ["northlight-live-sports"]),
        (("chase_work_items", "source_id", "(cadent)"), ["northlight-cadent"]),
        (("onboard_gam_network", "source_id", "FAST web"), ["gam-flaky"]),
        (("onboard_gam_network", "source_id", "northlight-c"), []),
        (("onboard_gam_network", "network_code", "2170000"), None),
        (("diagnose_connection", "source_id", "signals"), ["partner-signals-agent"]),
        (("book_campaign", "media_buy_id", "7f3a"), ["sf_mb_7f3a91c204"]),
        ((SOURCE, "source_id", "radio"), ["northlight-radio"]),
        ((PACKAGE, "package_id", "270118"), ["270118"]),
        ((PACKAGE, "package_id", "270710"), ["270710"]),
        ((PACKAGE, "package_id", "STB VOD C7"), ["272375"]),
        ((ORDER, "proposed_io_id", "41825"), None),
        ((ORDER, "proposed_io_id", "nl-opp-10420"), ["418250"]),
        (("book_campaign", "brief", "any"), []),
        (("book_campaign", "flight_start", "2026"), []),
    ],
)
async def test_what_is_typed_is_found_in_ids_and_names(
    typing: tuple[str, str, str], values: list[str] | None, mode: Literal["auto", "legacy"], tmp_path: Path
) -> None:
    of, name, typed = typing
    async with sandboxed(tmp_path, mode) as (client, _):
        found = await completed(client, of, name, typed)
    if values is None:
        assert found
        assert all(typed in value for value in found)
    else:
        assert found == values


async def test_the_next_keystroke_is_served_from_the_same_list_for_half_a_minute(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        for typed in ("", "n", "no"):
            assert await completed(client, SOURCE, "source_id", typed)
        assert network.interchange.sent() == [SOURCES]
        network.time.moment += 30
        assert await completed(client, SOURCE, "source_id", "nor")
        assert network.interchange.sent() == [SOURCES, SOURCES]


@pytest.mark.parametrize(
    ("of", "name"), [(SOURCE, "source_id"), (PACKAGE, "package_id"), ("book_campaign", "media_buy_id")]
)
@pytest.mark.parametrize("status", [401, 404, 429, 500])
async def test_a_vendor_that_does_not_answer_completes_nothing_and_is_no_error(of: str, name: str, status: int) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, html="<html></html>")

    async with answered_by({"interchange": answer, "freewheel": answer}) as (client, _):
        assert await completed(client, of, name, "x") == []


async def test_a_vendor_that_is_not_configured_completes_nothing() -> None:
    settings = Settings.model_validate({"environment": "live", "freewheel_token": "t"})
    async with connected(Wire(timing=FakeTime().timing), settings) as client:
        with pytest.raises(MCPError, match="there is no argument"):
            await completed(client, SOURCE, "source_id", "x")


async def test_at_most_a_hundred_values_come_and_more_is_said() -> None:
    sources = [{"sourceId": f"source-{number}", "name": "S"} for number in range(150)]
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=sources)}) as (client, _):
        result = await client.complete(ResourceTemplateReference(uri=SOURCE), {"name": "source_id", "value": "source"})
    assert len(result.completion.values) == 100
    assert result.completion.has_more is True


@pytest.mark.parametrize(
    ("of", "name"),
    [("book_campaign", "colour"), ("no_such_prompt", "brief"), (SOURCE, "id"), ("adops://x/{y}", "y")],
)
async def test_what_there_is_not_cannot_be_completed(of: str, name: str, tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        with pytest.raises(MCPError, match="there is no argument") as caught:
            await completed(client, of, name, "x")
    assert caught.value.code == -32602
