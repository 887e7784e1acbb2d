"""MCP resources as a client meets them: vocabularies, and single objects by their ids."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from mcp import Client, MCPError
from mcp_types import TextResourceContents

from server.configuration.settings import Settings
from tests.support import FakeTime, SandboxNetwork, answered_by, connected, sandboxed

PACKAGE = "adops://freewheel/inventory-packages/{package_id}"
ORDER = "adops://freewheel/proposed-ios/{proposed_io_id}"
SOURCES = "adops://interchange/inventory-sources"
SOURCE = "adops://interchange/inventory-sources/{source_id}"


async def read(client: Client, uri: str) -> Any:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    return json.loads(content.text)


async def test_the_vocabularies_are_listed_and_every_one_can_be_read(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        listed = (await client.list_resources()).resources
        assert [resource.uri for resource in listed] == [
            "adops://vocabularies/freewheel-targeting",
            "adops://vocabularies/freewheel-frequency-caps",
            "adops://vocabularies/interchange-work-items",
            "adops://vocabularies/gam-error-codes",
        ]
        for resource in listed:
            assert resource.description
            assert await read(client, resource.uri)
    assert network.interchange.requests == network.freewheel.requests == []


async def test_the_error_codes_come_with_who_does_what_where(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        codes = await read(client, "adops://vocabularies/gam-error-codes")
    by_code = {code["code"]: code for code in codes}
    assert by_code["ADAPTER_PERMISSION_DENIED"].keys() >= {"meaning", "do_now", "where", "waiting_helps"}
    assert {
        "ADAPTER_NETWORK_NOT_FOUND",
        "ADAPTER_PERMISSION_DENIED",
        "ADAPTER_INVALID_CREDENTIALS",
        "ADAPTER_INVALID_CONFIG",
        "ADAPTER_CONNECTION_FAILED",
        "INTERNAL_ERROR",
        "RATE_LIMITED",
        "UNKNOWN",
    } == by_code.keys()


async def test_the_templates_are_listed(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        listed = (await client.list_resource_templates()).resource_templates
    assert [(template.uri_template, template.mime_type) for template in listed] == [
        (PACKAGE, "application/json"),
        (ORDER, "application/json"),
        (SOURCE, "application/json"),
    ]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(
    ("uri", "tool", "arguments"),
    [
        ("adops://freewheel/inventory-packages/270118", "get_inventory_package", {"package_id": 270118}),
        ("adops://freewheel/proposed-ios/418250", "get_proposed_io", {"proposed_io_id": 418250}),
        (
            "adops://interchange/inventory-sources/northlight-ctv",
            "get_inventory_source",
            {"source_id": "northlight-ctv"},
        ),
        (
            "adops://interchange/inventory-sources/northlight%2Dctv",
            "get_inventory_source",
            {"source_id": "northlight-ctv"},
        ),
    ],
)
async def test_an_object_reads_as_its_tool_gives_it(
    uri: str, tool: str, arguments: dict[str, Any], mode: Literal["auto", "legacy"], tmp_path: Path
) -> None:
    async with sandboxed(tmp_path, mode) as (client, _):
        assert await read(client, uri) == (await client.call_tool(tool, arguments)).structured_content


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("adops://freewheel/inventory-packages/9", "FreeWheel answered 404"),
        ("adops://freewheel/inventory-packages/nine", "`package_id`: Input should be a valid integer"),
        ("adops://freewheel/inventory-packages/" + "9" * 17, "`package_id`: Input should be"),
        ("adops://interchange/inventory-sources/nowhere", "Interchange answered 404"),
        ("adops://interchange/inventory-sources/..%2F..%2Fx", "`source_id`: an id holds none of"),
        ("adops://interchange/inventory-sources/", "there is no resource"),
        ("adops://vocabularies/colours", "there is no resource 'adops://vocabularies/colours'; there are adops://voc"),
        ("file:///etc/passwd", "there is no resource"),
    ],
)
async def test_what_cannot_be_read_is_a_protocol_error_that_says_why(uri: str, words: str, tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        with pytest.raises(MCPError, match=re.escape(words)) as caught:
            await client.read_resource(uri)
    assert caught.value.code == -32602
    if words.startswith("there is no resource"):
        assert caught.value.data == {"uri": uri}


async def test_an_error_of_the_vendor_comes_with_its_next_step_and_no_secret() -> None:
    def denied(_: httpx.Request) -> httpx.Response:
        return httpx.Response(401, text="no such token freewheel-token")

    async with answered_by({"freewheel": denied}) as (client, _):
        with pytest.raises(MCPError) as caught:
            await client.read_resource("adops://freewheel/proposed-ios/1")
    assert "Next: The operator checks ADOPS_FREEWHEEL_TOKEN" in caught.value.message
    assert "freewheel-token" not in str(caught.value)


async def test_a_template_is_offered_only_with_its_tool(tmp_path: Path) -> None:
    network = SandboxNetwork(FakeTime(), tmp_path)
    settings = Settings(environment="sandbox", data_dir=tmp_path, toolsets=("interchange",))
    async with connected(network.wire, settings) as client:
        listed = (await client.list_resource_templates()).resource_templates
        assert [template.uri_template for template in listed] == [SOURCE]
        with pytest.raises(MCPError, match="there is no resource"):
            await client.read_resource("adops://freewheel/proposed-ios/418250")


async def test_unknown_cursors_are_protocol_errors(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        with pytest.raises(MCPError, match="all resources are on the first page"):
            await client.list_resources(cursor="2")
        with pytest.raises(MCPError, match="all resource templates are on the first page"):
            await client.list_resource_templates(cursor="2")
