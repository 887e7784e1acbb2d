"""The server as a client starts it: a subprocess that speaks JSON-RPC on stdout and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

COMMAND = [sys.executable, "-P", "-m", "server.cli"]


class Wire:
    """Newline-delimited JSON-RPC by hand. Every line that came from stdout is kept."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._ids = iter(range(1, 1000))

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        assert self.process.stdout
        self.send({"id": next(self._ids), "method": method, "params": params})
        self.lines.append(self.process.stdout.readline())
        return json.loads(self.lines[-1])

    def end(self) -> tuple[int, str]:
        """Close stdin; the exit code and what stood on stderr."""
        out, err = self.process.communicate(timeout=20)
        self.lines += out.splitlines()
        return self.process.returncode, err


@contextmanager
def started(directory: Path, **settings: str) -> Generator[Wire]:
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
        env={"ADOPS_DATA_DIR": str(directory), **settings},
    )
    try:
        yield Wire(process)
    finally:
        process.kill()
        process.communicate()


def test_a_whole_session_puts_only_json_rpc_on_stdout_and_ends_cleanly_with_stdin(tmp_path: Path) -> None:
    with started(tmp_path) as wire:
        hello = wire.ask(
            "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "hand", "version": "0"}
        )
        assert hello["result"]["protocolVersion"] == "2025-11-25"
        assert hello["result"]["serverInfo"]["name"] == "adops-mcp"
        assert "in_doubt" in hello["result"]["instructions"]
        wire.send({"method": "notifications/initialized"})

        listed = wire.ask("tools/list")["result"]["tools"]
        assert [tool["name"] for tool in listed][:3] == ["list_avails", "reserve_avail", "finalize_booking"]

        called = wire.ask("tools/call", name="list_avails", arguments={"per_page": 1})["result"]
        assert called["isError"] is False
        assert called["structuredContent"]["total"] == 40

        refused = wire.ask("tools/call", name="list_avails", arguments={"souce_id": "x"})["result"]
        assert refused["isError"] is True
        assert "did you mean `source_id`?" in refused["content"][0]["text"]

        assert wire.ask("tools/call", name="sell_everything", arguments={})["error"]["code"] == -32602

        code, errors = wire.end()
    assert code == 0
    assert errors == ""
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in wire.lines)


def test_a_line_that_is_not_json_rpc_does_not_end_the_session(tmp_path: Path) -> None:
    with started(tmp_path) as wire:
        assert wire.process.stdin
        wire.process.stdin.write('this is not JSON\n{"neither": "is this"}\n')
        hello = wire.ask(
            "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "hand", "version": "0"}
        )
        assert hello["result"]["serverInfo"]["name"] == "adops-mcp"
        code, _ = wire.end()
    assert code == 0


@pytest.mark.parametrize(("mode", "revision"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_both_protocol_eras_are_negotiated(
    mode: Literal["legacy", "auto"], revision: str, tmp_path: Path
) -> None:
    server = StdioServerParameters(
        command=COMMAND[0], args=COMMAND[1:], env={"ADOPS_DATA_DIR": str(tmp_path)}, cwd=tmp_path
    )
    async with Client(server, mode=mode) as client:
        assert client.protocol_version == revision
        result = await client.call_tool("test_gam_connection", {"source_id": "gam-northlight"})
        assert result.structured_content["ok"] is True


def test_settings_that_cannot_be_used_end_the_start_with_their_names(tmp_path: Path) -> None:
    with started(tmp_path, ADOPS_ENVIRONMENT="production", ADOPS_FREEWHEEL_BASE_URL="http://ads.example") as wire:
        code, errors = wire.end()
    assert code == 2
    assert "ADOPS_ENVIRONMENT: Input should be 'sandbox', 'staging' or 'live'" in errors
    assert "ADOPS_FREEWHEEL_BASE_URL: must be https" in errors
    assert wire.lines == []


def test_live_without_any_credentials_does_not_start_and_names_what_to_set(tmp_path: Path) -> None:
    with started(tmp_path, ADOPS_ENVIRONMENT="live") as wire:
        code, errors = wire.end()
    assert code == 2
    for name in ("ADOPS_INTERCHANGE_API_KEY", "ADOPS_FREEWHEEL_TOKEN", "ADOPS_GAM_SERVICE_ACCOUNT_FILE"):
        assert name in errors


def test_a_misspelt_setting_is_named_on_stderr_with_the_right_one(tmp_path: Path) -> None:
    with started(tmp_path, ADOPS_ENVIROMENT="live") as wire:
        wire.ask(
            "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "hand", "version": "0"}
        )
        code, errors = wire.end()
    assert code == 0
    assert "ADOPS_ENVIROMENT is not a setting; did you mean ADOPS_ENVIRONMENT?" in errors
