"""Messages over stdio, including those that the SDK cannot parse."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.shared.message import SessionMessage

from server.stdio.transport import EarlyAnswerMismatch, StdinReader, StdoutWriter
from tests.server.stdio.test_serve import started

DEEP = '{"a":' * 400 + "1" + "}" * 400


@pytest.mark.parametrize("name", ['"half \\ud83d"', DEEP])
def test_a_request_that_cannot_be_read_is_answered_and_the_next_one_is_served(tmp_path: Path, name: str) -> None:
    with started(tmp_path) as wire:
        wire.ask(
            "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "hand", "version": "0"}
        )
        wire.send({"method": "notifications/initialized"})
        assert wire.process.stdin
        assert wire.process.stdout
        call = f'{{"name":"create_inventory_package","arguments":{{"name":{name}}}}}'
        wire.process.stdin.write(f'{{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{call}}}\n')
        wire.process.stdin.write('{"jsonrpc":"2.0","method":"notifications/x","params":{"a":"\\ud83d"}}\nnonsense\n')
        wire.process.stdin.flush()
        answer = json.loads(wire.process.stdout.readline())
        assert answer["id"] == 77
        assert answer["error"]["code"] == -32700
        assert "so nothing was done" in answer["error"]["message"]
        assert wire.ask("ping")["result"] == {}
        assert wire.end()[0] == 0


@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc":"2.0","id":"\\udc00","method":"ping"}',
        '{"jsonrpc":"2.0","id":"\\udc00","result":{}}',
        '{"jsonrpc":"2.0","id":8,"result":{"x":"\\udc00"}}',
    ],
)
def test_an_id_that_cannot_be_written_and_an_answer_that_cannot_be_read_are_passed_over(
    tmp_path: Path, line: str
) -> None:
    with started(tmp_path) as wire:
        wire.ask(
            "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "hand", "version": "0"}
        )
        assert wire.process.stdin
        wire.process.stdin.write(f"{line}\n")
        assert wire.ask("ping")["result"] == {}
        assert wire.end() == (0, "")


async def lines_of(data: bytes, pending: bytes = b"", answered_id: int | None = None) -> list[Any]:
    """The messages read from `pending` and then from a pipe with `data`."""
    reads, writes = os.pipe()
    os.write(writes, data)
    os.close(writes)

    async def refuse(_: SessionMessage) -> None:
        raise AssertionError

    try:
        return [message async for message in StdinReader(reads, pending, refuse, answered_id)]
    finally:
        os.close(reads)


PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


async def test_the_last_line_needs_no_end() -> None:
    assert len(await lines_of(PING + b"\n" + PING)) == 2
    assert len(await lines_of(PING[20:], PING + b"\n" + PING[:20])) == 2


@pytest.mark.parametrize(
    "first", [b"\xef\xbb\xbf" + PING, PING.replace(b"1,", b"2,"), b'{"jsonrpc":"2.0","method":"x"}']
)
async def test_nothing_is_served_that_does_not_begin_as_it_was_answered(first: bytes) -> None:
    assert len(await lines_of(b"", PING + b"\n" + first + b"\n", 1)) == 2
    with pytest.raises(EarlyAnswerMismatch):
        await lines_of(b"", first + b"\n" + PING + b"\n", 1)


async def test_an_early_answer_that_this_server_refuses_ends_it() -> None:
    reads, writes = os.pipe()
    written = StdoutWriter(writes, answered_id=1)
    error = types.ErrorData(code=-32602, message="no")
    with pytest.raises(EarlyAnswerMismatch):
        await written.send(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=1, error=error)))
    os.close(reads)
    os.close(writes)
