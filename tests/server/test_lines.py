"""Messages that the SDK cannot read, over stdio as a client sends them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.server.test_stdio import started

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
