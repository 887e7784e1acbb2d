from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import MCPError
from pydantic import SecretStr

from server.clients import Wire
from server.configuration.settings import Settings
from server.protocol.app import build_server, instructions
from tests.support import FakeTime, answered_by, connected, error_of, live_settings, sandboxed
from tools.catalogue import CATALOGUE
from tools.vendors import VendorName


async def test_every_tool_is_offered_in_the_sandbox(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        assert [tool.name for tool in (await client.list_tools()).tools] == [tool.name for tool in CATALOGUE]


@pytest.mark.parametrize(
    ("configured", "offered"),
    [
        ({"interchange_api_key": SecretStr("k")}, {"interchange"}),
        ({"freewheel_token": SecretStr("t")}, {"freewheel"}),
        ({}, set[VendorName]()),
    ],
)
async def test_the_tools_of_a_vendor_without_credentials_are_left_out(
    configured: dict[str, Any], offered: set[VendorName]
) -> None:
    async with connected(Wire(timing=FakeTime().timing), Settings(environment="live", **configured)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {
            tool.name for tool in CATALOGUE if tool.vendors & offered or not tool.vendors
        }


async def test_calling_a_tool_that_was_left_out_says_why() -> None:
    settings = Settings(environment="live", freewheel_token=SecretStr("t"))
    async with connected(Wire(timing=FakeTime().timing), settings) as client:
        with pytest.raises(MCPError, match="Interchange is not configured: set ADOPS_INTERCHANGE_API_KEY"):
            await client.call_tool("list_avails", {})


async def test_the_half_of_a_tool_whose_vendor_is_missing_names_the_setting() -> None:
    async with answered_by({}) as (client, _):
        error = error_of(await client.call_tool("test_gam_connection", {"network_code": "123"}))
    assert error["code"] == "not_configured"
    assert "ADOPS_GAM_SERVICE_ACCOUNT_FILE" in error["next_step"]


async def test_the_sandbox_reaches_no_configured_host_and_uses_no_configured_secret(tmp_path: Path) -> None:
    settings = live_settings(
        environment="sandbox",
        data_dir=tmp_path,
        freewheel_base_url="https://ads.example",
        interchange_base_url="https://store.example/storefront",
        gam_base_url="https://gam.example",
    )
    async with connected(Wire(), settings) as client:
        for name, arguments in (
            ("list_avails", {}),
            ("list_inventory_packages", {}),
            ("test_gam_connection", {"network_code": "21700001"}),
        ):
            result = await client.call_tool(name, arguments)
            assert not result.is_error
            assert result.structured_content["environment"] == "sandbox"


@pytest.mark.parametrize("environment", ["staging", "live"])
async def test_each_environment_has_its_own_hosts(environment: str) -> None:
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(200, json={"products": [], "inventory_packages": []})

    async with answered_by({"interchange": answer, "freewheel": answer}, environment=environment) as (client, _):
        await client.call_tool("list_avails", {"source_id": "s"})
        await client.call_tool("list_inventory_packages", {})
    assert (
        hosts
        == {
            "staging": ["api.staging.interchange.io", "api.stg.freewheel.tv"],
            "live": ["api.interchange.io", "api.freewheel.tv"],
        }[environment]
    )


async def test_an_unknown_cursor_is_a_protocol_error(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        with pytest.raises(MCPError, match="unknown cursor") as caught:
            await client.list_tools(cursor="2")
    assert caught.value.code == -32602


def test_the_instructions_name_the_environment_and_only_the_sandbox_has_ids() -> None:
    assert "21700007" in instructions("sandbox")
    for environment in ("staging", "live"):
        told = instructions(environment)
        assert f"works on {environment}: writes are real" in told
        assert "2170000" not in told


def test_a_server_is_built_without_credentials_network_or_a_data_directory(tmp_path: Path) -> None:
    build_server(Settings(environment="sandbox", data_dir=tmp_path / "never"))
    build_server(Settings(environment="live"))
    assert list(tmp_path.iterdir()) == []
