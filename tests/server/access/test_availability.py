"""Which tools are offered: by variables and by flags, in both directions."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from pydantic import SecretStr

from server.access.availability import left_out_tools
from server.cli import main
from server.configuration.settings import TOOLSETS, Settings
from tests.support import FakeTime, SandboxNetwork, connected
from tools.catalogue import CATALOGUE
from tools.tool import Toolset

EVERY = {tool.name for tool in CATALOGUE}
WRITES = {entry.name for entry in CATALOGUE if not entry.reads}


def of(*toolsets: Toolset) -> set[str]:
    return {tool.name for tool in CATALOGUE if tool.toolset in toolsets}


CHOICES: list[tuple[dict[str, str], set[str]]] = [
    ({}, EVERY),
    ({"read_only": "true"}, EVERY - WRITES),
    ({"read_only": "false"}, EVERY),
    ({"toolsets": "freewheel"}, of("freewheel")),
    ({"toolsets": "gam, operations"}, of("gam", "operations")),
    ({"toolsets": "freewheel interchange gam operations"}, EVERY),
    ({"tools": "list_avails,create_proposed_io"}, {"list_avails", "create_proposed_io"}),
    ({"toolsets": "gam", "tools": "list_avails"}, of("gam") | {"list_avails"}),
    ({"read_only": "true", "toolsets": "freewheel"}, of("freewheel") - WRITES),
    ({"read_only": "true", "tools": "list_avails,reserve_avail"}, {"list_avails"}),
]
"""A choice in the words of the variables, and what it offers."""


@pytest.mark.parametrize(("choice", "offered"), CHOICES)
async def test_a_choice_by_variables_offers_exactly_what_it_names(
    choice: dict[str, str], offered: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path))
    for name, value in choice.items():
        monkeypatch.setenv(f"ADOPS_{name.upper()}", value)
    network = SandboxNetwork(FakeTime(), tmp_path)
    async with connected(network.wire, Settings()) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == offered
        for tool in EVERY - offered:
            with pytest.raises(MCPError, match=rf"no tool '{tool}' is offered here"):
                await client.call_tool(tool, {})
    assert network.interchange.sent() == network.freewheel.sent() == []


@pytest.mark.parametrize(
    ("flags", "variables", "offered"),
    [
        (["serve", "--read-only"], {}, EVERY - WRITES),
        (["--read-only"], {}, EVERY - WRITES),
        (["serve"], {"ADOPS_READ_ONLY": "1"}, EVERY - WRITES),
        (["serve", "--toolsets", "gam,operations"], {"ADOPS_TOOLSETS": "freewheel"}, of("gam", "operations")),
        (["--tools", "list_avails"], {"ADOPS_READ_ONLY": "yes"}, {"list_avails"}),
        (["serve", "--tools", "reserve_avail,get_status", "--read-only"], {"ADOPS_READ_ONLY": "0"}, {"get_status"}),
    ],
)
async def test_a_flag_says_the_same_as_its_variable_and_wins_over_it(
    flags: list[str], variables: dict[str, str], offered: set[str], tmp_path: Path
) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "adops_mcp", *flags],
        env={"ADOPS_DATA_DIR": str(tmp_path), **variables},
    )
    async with Client(server) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == offered


def test_every_toolset_has_tools_and_together_they_are_the_catalogue() -> None:
    assert set().union(*(of(toolset) for toolset in TOOLSETS)) == EVERY
    assert all(of(toolset) for toolset in TOOLSETS)


def test_a_tool_that_is_left_out_says_by_which_setting() -> None:
    settings = Settings(environment="live", toolsets=("gam", "interchange"))
    reasons = left_out_tools(settings)
    read_only = left_out_tools(Settings(environment="live", read_only=True))
    assert read_only["reserve_avail"] == "This server is read-only (ADOPS_READ_ONLY or --read-only)."
    assert read_only["test_gam_connection"] == read_only["reserve_avail"]
    assert reasons["get_status"].startswith("It is not among the chosen tools (ADOPS_TOOLSETS or --toolsets, ")
    assert reasons["list_avails"] == (
        "Interchange is not configured: set ADOPS_INTERCHANGE_API_KEY to an API key of the storefront."
    )
    assert re.fullmatch(
        r"Google Ad Manager is not configured: .* Or: Interchange is not configured: .*", reasons["test_gam_connection"]
    )


def test_a_choice_that_leaves_no_tool_ends_the_start_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path))
    assert main(["serve", "--read-only", "--tools", "reserve_avail"]) == 2
    told = capsys.readouterr().err
    assert "none is left to offer" in told
    assert "This server is read-only" in told


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--toolsets", "gma"], "ADOPS_TOOLSETS or --toolsets: there is no toolset 'gma'; did you mean gam?"),
        (["serve", "--tools", "lists"], "ADOPS_TOOLS or --tools: there is no tool 'lists'"),
    ],
)
def test_a_name_that_there_is_not_ends_the_start_with_the_names_that_there_are(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags) == 2
    assert words in capsys.readouterr().err


async def test_on_live_the_status_is_offered_beside_the_tools_of_what_is_configured() -> None:
    settings = Settings(environment="live", freewheel_token=SecretStr("t"))
    assert {entry.name for entry in CATALOGUE} - left_out_tools(settings).keys() == of("freewheel", "operations")
