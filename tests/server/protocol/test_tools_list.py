"""The list of tools over HTTP, whose definitions are put in where the SDK's empty list was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.protocol.definitions import definition
from tests.frozen import modern
from tests.server.http.over_http import hosted, tokens_file
from tools.catalogue import CATALOGUE

ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
LEGACY: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
ERAS = [
    (modern(2, "tools/list"), {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}),
    (LEGACY, {"MCP-Protocol-Version": "2025-11-25"}),
]
eras = pytest.mark.parametrize(("asked", "headers"), ERAS)
LIVE = [definition(entry.tool).model_dump(by_alias=True, mode="json", exclude_none=True) for entry in CATALOGUE]


def read(text: str) -> dict[str, Any]:
    """The answer of a body that is JSON or one event."""
    return json.loads(text.partition("data: ")[2] or text)


@eras
async def test_the_definitions_are_those_of_the_tools_and_the_length_is_that_of_the_body(
    tmp_path: Path, asked: dict[str, Any], headers: dict[str, str]
) -> None:
    async with hosted(tmp_path) as server:
        answers = [await server.http.post("/mcp", json=asked, headers={**ACCEPT, **headers}) for _ in range(2)]
    for answer in answers:
        assert read(answer.text)["result"]["tools"] == LIVE
        assert int(answer.headers.get("content-length", len(answer.content))) == len(answer.content)


@eras
async def test_each_caller_has_the_list_of_their_own(
    tmp_path: Path, asked: dict[str, Any], headers: dict[str, str]
) -> None:
    file, tokens = tokens_file(tmp_path, reader=("read",), writer=("read", "write"))
    async with hosted(tmp_path, auth_tokens_file=file) as server:
        for principal, number in (("reader", 19), ("writer", 30), ("reader", 19)):
            sent = {**ACCEPT, **headers, "Authorization": f"Bearer {tokens[principal]}"}
            answer = await server.http.post("/mcp", json=asked, headers=sent)
            assert len(read(answer.text)["result"]["tools"]) == number


@eras
async def test_a_cursor_is_refused_and_nothing_is_put_into_the_refusal(
    tmp_path: Path, asked: dict[str, Any], headers: dict[str, str]
) -> None:
    asked = {**asked, "params": {**asked["params"], "cursor": "2"}}
    async with hosted(tmp_path) as server:
        answer = await server.http.post("/mcp", json=asked, headers={**ACCEPT, **headers})
    assert read(answer.text)["error"]["message"] == "unknown cursor: all tools are on the first page"


def test_no_argument_of_any_tool_is_mirrored_in_a_header() -> None:
    """Then the SDK would have to be given the schemas, to hold the headers against the arguments."""
    assert "x-mcp-header" not in json.dumps(LIVE)
