"""What the README claims is executed here or in CI; `tests/test_docs.py` has what holds for every page."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import get_args

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.docs import MEND, PAGES, README, fenced, made
from tests.pages import read
from tools.effects import State


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_generated_parts_are_not_stale(page: Path) -> None:
    text = page.read_text("utf-8")
    assert made(text) == text, f"mend it with: {MEND}"


def test_the_first_screen_holds_the_two_commands_and_the_snippet() -> None:
    first_screen = "\n".join(README.read_text("utf-8").splitlines()[:45])
    for name in ("demo", "test", "claude-desktop"):
        assert fenced(name) in first_screen


def test_both_commands_start_from_nothing_but_python() -> None:
    for name in ("demo", "test"):
        assert fenced(name).startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_it_is_short_and_its_picture_comes_before_the_contents_and_the_rest() -> None:
    page = read(README)
    assert len(page.text.splitlines()) <= 200
    assert page.anchors[1:3] == ("how-a-write-goes", "contents")
    assert [fence.language for fence in page.fences].count("mermaid") == 1


def test_every_end_of_the_picture_is_a_state_of_an_operation() -> None:
    (picture,) = (fence.text for fence in read(README).fences if fence.language == "mermaid")
    ends = re.findall(r'\(\["(\w+)', picture)
    assert set(ends) == {"succeeded", "failed", "in_doubt"} <= set(get_args(State))


async def test_the_claude_desktop_snippet_starts_the_server(tmp_path: Path) -> None:
    snippet = json.loads(fenced("claude-desktop"))["mcpServers"]["adops"]
    installed = Path(sys.executable).parent
    command = snippet["command"].replace("/full/path/to/adops-mcp/.venv/bin", str(installed))
    server = StdioServerParameters(command=command, args=snippet.get("args", []), env={"ADOPS_DATA_DIR": str(tmp_path)})
    async with Client(server, mode="legacy") as client:
        result = await client.call_tool("list_avails", {"text": "sports", "min_available": 2_000_000})
        assert result.structured_content["items"]
