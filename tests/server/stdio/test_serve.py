"""The server as a client starts it: a subprocess that writes only JSON-RPC to stdout."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

COMMAND = [sys.executable, "-P", "-m", "server.cli"]


class Wire:
    """A client that writes newline-delimited JSON-RPC itself, and stores every line from stdout."""

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
        """Close stdin. Returns the exit code and the text on stderr."""
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
        assert [tool["name"] for tool in listed][:3] == ["list_media_buys", "list_avails", "reserve_avail"]

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


def test_a_misspelt_safety_switch_does_not_start_a_server_that_writes(tmp_path: Path) -> None:
    with started(tmp_path, ADOPS_READONLY="1") as wire:
        code, errors = wire.end()
    assert code == 2
    assert "ADOPS_READONLY is not a setting; did you mean ADOPS_READ_ONLY?" in errors
    assert wire.lines == []


def test_a_half_configured_vendor_is_named_on_stderr(tmp_path: Path) -> None:
    settings = {"ADOPS_ENVIRONMENT": "live", "ADOPS_INTERCHANGE_API_KEY": "k", "ADOPS_FREEWHEEL_USERNAME": "me"}
    with started(tmp_path, **settings) as wire:
        wire.ask(
            "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "hand", "version": "0"}
        )
        code, errors = wire.end()
    assert code == 0
    assert "FreeWheel is left out: set ADOPS_FREEWHEEL_PASSWORD as well." in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_idle_server_at_once(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path) as wire:
        wire.ask(
            "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "hand", "version": "0"}
        )
        wire.process.send_signal(number)
        assert wire.process.wait(timeout=10) == 128 + number


@contextmanager
def slow_vendor(answer: bytes) -> Generator[tuple[str, list[bytes], threading.Event]]:
    """An Interchange on loopback that answers when the event is set. Yields base URL, requests and event."""
    heard: list[bytes] = []
    go_on = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["content-length"])))
            go_on.wait(20)
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            listed = b'{"products": []}'
            self.send_response(200)
            self.send_header("content-length", str(len(listed)))
            self.end_headers()
            self.wfile.write(listed)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/storefront", heard, go_on
        finally:
            go_on.set()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("ending", ["stdin closed", "SIGTERM"])
def test_a_write_under_way_when_the_server_is_ended_is_seen_through(tmp_path: Path, ending: str) -> None:
    booking = {"bookingId": "77", "availId": "a", "mediaBuyId": "m", "packageId": "p", "status": "HELD"}
    with slow_vendor(json.dumps(booking).encode()) as (url, heard, go_on):
        settings = {"ADOPS_ENVIRONMENT": "live", "ADOPS_INTERCHANGE_API_KEY": "k", "ADOPS_INTERCHANGE_BASE_URL": url}
        with started(tmp_path, **settings) as wire:
            wire.ask(
                "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "hand", "version": "0"}
            )
            wire.send({"method": "notifications/initialized"})
            arguments = {
                "source_id": "s",
                "avail_id": "a",
                "media_buy_id": "m",
                "buyer_customer_id": 1,
                "requested_impressions": 5,
            }
            wire.send({"id": 99, "method": "tools/call", "params": {"name": "reserve_avail", "arguments": arguments}})
            while not heard:
                assert wire.process.poll() is None
            if ending == "SIGTERM":
                assert wire.process.stdout
                wire.process.send_signal(signal.SIGTERM)
                go_on.set()
                answer = json.loads(wire.process.stdout.readline())
                assert answer["result"]["structuredContent"]["booking"]["booking_id"] == "77"
                assert wire.process.wait(timeout=10) == 128 + signal.SIGTERM
            else:
                assert wire.process.stdin
                wire.process.stdin.close()
                wire.process.stdin = None
                go_on.set()
                code, errors = wire.end()
                assert code == 0
                assert "reserve_avail: the caller went away, and it ended as done: op_" in errors
    assert len(heard) == 1
