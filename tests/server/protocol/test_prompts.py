"""MCP prompts as a client meets them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mcp import MCPError
from mcp_types import TextContent

import prompts
from prompts import parse
from server.configuration.settings import Settings
from server.protocol.prompts import offered_prompts
from tests.support import FakeTime, SandboxNetwork, connected, sandboxed
from tools.catalogue import CATALOGUE
from tools.schema import arguments_schema, result_schema
from tools.tool import Write

TOOLS = {entry.name: entry.tool for entry in CATALOGUE}
NAMES = [
    "book_campaign",
    "build_inventory_package",
    "chase_work_items",
    "diagnose_connection",
    "onboard_gam_network",
    "review_proposal_pipeline",
]

each_prompt = pytest.mark.parametrize("prompt", prompts.load(), ids=lambda prompt: prompt.name)


async def test_every_prompt_is_offered_with_title_description_and_arguments(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        offered = (await client.list_prompts()).prompts
    assert [prompt.name for prompt in offered] == NAMES
    onboard = offered[NAMES.index("onboard_gam_network")].model_dump(mode="json", exclude_none=True, by_alias=True)
    assert onboard == {
        "name": "onboard_gam_network",
        "title": "Onboard a Google Ad Manager network",
        "description": "Connect an Ad Manager network to an Interchange source, have it granted, and prove that it "
        "works.",
        "arguments": [
            {
                "name": "network_code",
                "description": "Network code of the Ad Manager network, digits only.",
                "required": True,
            },
            {
                "name": "source_id",
                "description": "Inventory source to connect, if it is known already.",
                "required": False,
            },
        ],
    }


async def test_a_prompt_is_filled_with_its_arguments(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.get_prompt(
            "book_campaign", {"brief": " Live <basketball> & hoops ", "impressions": "1,500,000", "flight_end": ""}
        )
    (message,) = result.messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    assert message.content.text.startswith(
        "Book this campaign in Interchange, from the brief to the handoff.\n\n"
        "Brief: Live <basketball> & hoops\nImpressions: 1,500,000\n\nWork in this order"
    )
    assert "Flight:" not in message.content.text
    assert network.interchange.requests == []


async def test_what_is_given_is_text_and_never_a_template(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        result = await client.get_prompt("book_campaign", {"brief": "{{ 6 * 7 }} {% for x in y %}"})
    content = result.messages[0].content
    assert isinstance(content, TextContent)
    assert "Brief: {{ 6 * 7 }} {% for x in y %}\n" in content.text


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("book_campaign", {}, "`brief` is required"),
        ("book_campaign", {"brief": "  "}, "`brief` is required"),
        ("book_campaign", {"brief": "b" * 4001}, "`brief`: at most 4,000 characters"),
        ("book_campaign", {"brief": "b", "impressions": "lots"}, "`impressions`: write a whole number"),
        ("book_campaign", {"brief": "b", "impressions": "0"}, "`impressions`: write a whole number"),
        ("book_campaign", {"brief": "b", "flight_start": "1 Dec"}, "`flight_start`: write a date such as 2026-11-22"),
        ("book_campaign", {"brief": "b", "media_buy_id": "a b"}, "`media_buy_id`: an id holds no spaces"),
        (
            "book_campaign",
            {"brief": "b", "budget": "5"},
            "there is no argument 'budget' (there are brief, media_buy_id",
        ),
        ("onboard_gam_network", {"network_code": "21-7"}, "`network_code`: a network code is digits only"),
        ("onboard_gam_network", {"network_code": "1", "source_id": "../x"}, "`source_id`: an inventory source's id"),
        ("sell_everything", {}, f"no prompt 'sell_everything' is offered here; offered: {', '.join(NAMES)}"),
    ],
)
async def test_arguments_that_cannot_be_used_are_named_in_a_protocol_error(
    name: str, arguments: dict[str, str], words: str, tmp_path: Path
) -> None:
    async with sandboxed(tmp_path) as (client, _):
        with pytest.raises(MCPError, match=re.escape(words)) as caught:
            await client.get_prompt(name, arguments)
    assert caught.value.code == -32602


async def test_a_prompt_is_offered_only_with_the_tools_that_it_leads_to(tmp_path: Path) -> None:
    network = SandboxNetwork(FakeTime(), tmp_path)
    settings = Settings(environment="sandbox", data_dir=tmp_path, read_only=True)
    async with connected(network.wire, settings) as client:
        offered = [prompt.name for prompt in (await client.list_prompts()).prompts]
        with pytest.raises(MCPError, match="no prompt 'book_campaign' is offered here"):
            await client.get_prompt("book_campaign", {"brief": "b"})
    assert offered == ["diagnose_connection", "review_proposal_pipeline"]
    assert offered_prompts({"get_status"}) == {}


async def test_an_unknown_cursor_is_a_protocol_error(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        with pytest.raises(MCPError, match="all prompts are on the first page"):
            await client.list_prompts(cursor="2")


CODE = re.compile(r"`([a-z_]+)`")


@each_prompt
def test_a_prompt_declares_only_tools_that_there_are_and_that_it_names(prompt: prompts.Prompt) -> None:
    assert set(prompt.tools) <= set(CODE.findall(prompt.text)) & TOOLS.keys()


@each_prompt
def test_what_stands_as_code_in_a_prompt_is_a_tool_or_a_field_of_one(prompt: prompts.Prompt) -> None:
    fields = {
        name
        for tool in TOOLS.values()
        for schema in (arguments_schema(tool.arguments), result_schema(tool.result))
        for node in [schema, *schema.get("$defs", {}).values()]
        for name in node.get("properties", {})
    }
    assert set(CODE.findall(prompt.text)) - TOOLS.keys() - fields - {"in_doubt", "code", "last_error"} == set()


@each_prompt
def test_a_prompt_that_leads_to_a_write_has_the_person_decide_first(prompt: prompts.Prompt) -> None:
    writes = [name for name in CODE.findall(prompt.text) if name in TOOLS and isinstance(TOOLS[name].effect, Write)]
    asking = r"Ask me|only when I say|only what I tell you|Wait for my yes|If I tell you to"
    assert not writes or re.search(asking, prompt.text, re.IGNORECASE)


@pytest.mark.parametrize(
    "page",
    [
        "no front matter",
        "+++\ntitle = 'T'\n",
        "+++\ntitle = 'T'\n+++\ntext",
        "+++\ntitle = 'T'\ndescription = 'D'\ntools = []\narguments = []\ncolour = 'red'\n+++\ntext",
        "+++\ntitle = 'T'\ndescription = 'D'\ntools = []\n[[arguments]]\nname = 'a'\ntype = 'colour'\n"
        "description = 'd'\n+++\ntext",
    ],
)
def test_a_page_whose_front_matter_is_not_as_it_must_be_is_refused(page: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        parse("page", page)
