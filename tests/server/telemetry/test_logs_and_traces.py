"""Metrics for Prometheus, JSON log lines and trace spans, and that none of them has a secret."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from server.configuration.settings import Settings
from server.telemetry.logs_and_traces import log_to_stderr
from tests.server.http.over_http import connected_over_http, hosted, tokens_file
from tests.server.http.test_process import served
from tests.support import answered_by, sandboxed

ORDER: dict[str, Any] = {"external_id": "CRM-1", "name": "N"}
HERE = {"Host": "127.0.0.1:8760"}
SECRETS = ("freewheel-token", "interchange-key")


def number(text: str, line: str) -> float:
    """The value of a line in the format of Prometheus."""
    (found,) = [told for told in text.splitlines() if told.startswith(f"{line} ")]
    return float(found.rpartition(" ")[2])


async def test_calls_requests_and_the_record_are_counted(tmp_path: Path) -> None:
    async with hosted(tmp_path) as server, connected_over_http(server.app) as client:
        for _ in range(2):
            await client.call_tool("create_proposed_io", ORDER)
        await client.call_tool("create_proposed_io", {**ORDER, "name": "Another"})
        await client.call_tool("create_proposed_io", {**ORDER, "dry_run": True})
        await client.call_tool("get_work_item", {"source_id": "northlight-ctv", "work_item_id": "999"})
        with pytest.raises(MCPError):
            await client.call_tool("made_up", {})
        answer = await server.http.get("/metrics", headers=HERE)
    told = answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    call = 'adops_call_seconds_count{{account="",outcome="{}",tool="{}"}}'
    assert number(told, call.format("done", "create_proposed_io")) == 1
    assert number(told, call.format("replayed", "create_proposed_io")) == 1
    assert number(told, call.format("conflict", "create_proposed_io")) == 1
    assert number(told, call.format("rehearsed", "create_proposed_io")) == 1
    assert number(told, call.format("not_found", "get_work_item")) == 1
    assert number(told, call.format("not_offered", "none")) == 1
    assert "made_up" not in told
    request = 'adops_vendor_request_seconds_count{{account="",method="{}",status="{}",vendor="{}"}}'
    assert number(told, request.format("POST", 201, "FreeWheel")) == 1
    assert number(told, request.format("GET", 404, "Interchange")) == 1
    assert number(told, 'adops_operations{account="",state="succeeded"}') == 1
    assert number(told, "adops_record_usable") == 1
    assert "adops_in_doubt_oldest_seconds{" not in told


async def test_a_write_in_doubt_shows_with_its_age_and_its_account(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text("[us]\n[uk]\n")
    async with hosted(tmp_path, accounts_file=accounts) as server:
        inner = server.network.freewheel.inner

        async def lost(request: httpx.Request) -> httpx.Response:
            answer = await inner.handle_async_request(request)
            await answer.aread()
            return httpx.Response(502) if request.method == "PUT" else answer

        server.network.freewheel.inner = httpx.MockTransport(lost)
        async with connected_over_http(server.app) as client:
            await client.call_tool("update_proposed_io", {"account": "uk", "proposed_io_id": 418250, "name": "New"})
        server.network.time.moment += 90
        told = (await server.http.get("/metrics", headers=HERE)).text
    assert number(told, 'adops_operations{account="uk",state="in_doubt"}') == 1
    assert 90 <= number(told, 'adops_in_doubt_oldest_seconds{account="uk"}') < 160


async def test_a_record_that_cannot_be_used_is_a_number_too(tmp_path: Path) -> None:
    (tmp_path / "operations-sandbox.sqlite3").write_bytes(b"this is no database" * 100)
    async with hosted(tmp_path) as server:
        answer = await server.http.get("/metrics", headers=HERE)
    assert (answer.status_code, number(answer.text, "adops_record_usable")) == (200, 0)


async def test_numbers_are_for_who_has_the_scope_for_them_and_that_scope_is_for_nothing_else(tmp_path: Path) -> None:
    file, tokens = tokens_file(tmp_path, kim=("read", "write", "approve"), prometheus=("metrics",))
    async with hosted(tmp_path, auth_tokens_file=file) as server:
        asked = {
            name: await server.http.get("/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})
            for name, token in {**tokens, "nobody": None}.items()
        }
        scraper = {"Authorization": f"Bearer {tokens['prometheus']}", "Accept": "application/json, text/event-stream"}
        posted = await server.http.post("/metrics", headers=scraper)
        spoken = await server.http.post("/mcp", headers=scraper, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert {name: answer.status_code for name, answer in asked.items()} == {
        "kim": 403,
        "prometheus": 200,
        "nobody": 401,
    }
    assert posted.status_code == 405
    assert asked["kim"].headers["www-authenticate"].endswith('scope="adops:metrics"')
    assert spoken.status_code == 403


async def test_without_tokens_numbers_are_for_this_machine_and_not_for_a_page_that_is_shown_on_it(
    tmp_path: Path,
) -> None:
    async with hosted(tmp_path) as server:
        hosts = ("127.0.0.1:8760", "localhost", "[::1]:8760", "evil.example.com")
        answers = [await server.http.get("/metrics", headers={"Host": host}) for host in hosts]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 421]


def code_of(result: Any) -> str:
    return str(result.structured_content["error"]["code"])


def test_the_processes_of_one_server_add_up(tmp_path: Path) -> None:
    call: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "get_status", "arguments": {}},
    }
    headers = {"Accept": "application/json, text/event-stream"}
    with served(tmp_path, "--workers", "2", PROMETHEUS_MULTIPROC_DIR="/of/another/program") as (url, _):
        for _ in range(12):
            # each on a connection of its own, so that both processes get some
            assert httpx.post(url, json=call, headers=headers, trust_env=False).is_success
        order = {**call, "params": {"name": "create_proposed_io", "arguments": ORDER}}
        assert httpx.post(url, json=order, headers=headers, trust_env=False).is_success
        told = {httpx.get(url.replace("/mcp", "/metrics"), trust_env=False).text for _ in range(4)}
    for text in told:
        assert number(text, 'adops_operations{account="",state="succeeded"}') == 1
        assert number(text, "adops_record_usable") == 1
        assert number(text, 'adops_call_seconds_count{account="",outcome="done",tool="get_status"}') == 12


@contextmanager
def logged(settings: Settings) -> Generator[None]:
    """Configure logging as in a new process, and restore it afterwards."""
    logger = logging.getLogger()
    before, level = logger.handlers[:], logger.level
    logger.handlers.clear()
    try:
        log_to_stderr(settings)
        yield
    finally:
        logger.handlers[:] = before
        logger.setLevel(level)


async def lost_order(**settings: Any) -> str:
    """The operation of a write whose answer is lost. The vendor repeats what it was sent."""

    def freewheel(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(502, text=f"broken: {request.headers['Authorization']}")
        return httpx.Response(200, json={"proposed_insertion_orders": [], "total_count": 0, "total_pages": 0})

    async with answered_by({"freewheel": freewheel}, **settings) as (client, _):
        result = await client.call_tool("create_proposed_io", ORDER)
    assert code_of(result) == "in_doubt"
    return str(result.structured_content["error"]["operation_id"])


async def test_each_line_of_json_has_the_ids_of_its_call_and_operation(capsys: pytest.CaptureFixture[str]) -> None:
    with logged(Settings(log_format="json", log_level="DEBUG")):
        operation_id = await lost_order()
    told = capsys.readouterr().err
    lines = [json.loads(line) for line in told.splitlines()]
    ours = [line for line in lines if line["logger"].startswith(("server", "tools"))]
    ended, sent = ours[-1], ours[-2]
    assert (ended["level"], ended["message"]) == ("WARNING", "create_proposed_io ended: in_doubt")
    assert (ended["tool"], ended["outcome"], ended["operation_id"]) == ("create_proposed_io", "in_doubt", operation_id)
    assert ended["principal"].endswith(" through mcp 0.1.0")
    assert (sent["message"], sent["status"], sent["path"]) == (
        "POST FreeWheel answered 502",
        502,
        "/services/v4/proposed_insertion_orders",
    )
    assert sent["operation_id"] == operation_id
    assert {line["call_id"] for line in ours} == {ended["call_id"]}
    assert all(line["time"] for line in ours)
    assert not any(secret in told for secret in SECRETS)


async def test_a_line_of_text_names_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    with logged(Settings(log_level="INFO")):
        operation_id = await lost_order()
    told = capsys.readouterr().err
    (ended,) = [line for line in told.splitlines() if "ended" in line]
    assert ended.startswith("WARNING server.telemetry.call_log: create_proposed_io ended: in_doubt (call_id ")
    assert ended.endswith(f", operation_id {operation_id})")
    assert not any(secret in told for secret in SECRETS)


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    """Every span of this process from now on. OpenTelemetry accepts a provider only once."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


async def test_a_trace_leads_from_the_call_to_each_request_to_the_vendor(spans: InMemorySpanExporter) -> None:
    spans.clear()
    operation_id = await lost_order()
    found = spans.get_finished_spans()
    (call,) = [span for span in found if span.name == "tools/call create_proposed_io" and span.kind.name == "SERVER"]
    requests = [span for span in found if span.name.endswith(" FreeWheel")]
    assert [span.name for span in requests] == ["GET FreeWheel", "POST FreeWheel"]
    assert call.context is not None
    for request in requests:
        assert request.parent is not None
        assert request.parent.span_id == call.context.span_id
    assert dict(requests[-1].attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 502,
        "server.address": "api.freewheel.tv",
        "url.path": "/services/v4/proposed_insertion_orders",
        "adops.vendor": "FreeWheel",
    }
    assert (call.attributes or {})["adops.operation_id"] == operation_id
    assert (call.attributes or {})["adops.outcome"] == "in_doubt"
    told = "".join(span.to_json() for span in found)
    assert not any(secret in told for secret in SECRETS)


async def test_a_trace_has_the_code_of_a_refusal_and_not_its_words(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    spans.clear()
    async with sandboxed(tmp_path) as (client, _):
        with pytest.raises(MCPError, match="SECRET") as refused:
            await client.read_resource("adops://interchange/inventory-sources/SECRET@example.com")
    assert refused.value.data["upstream_status"] == 404
    served = [span for span in spans.get_finished_spans() if span.kind.name == "SERVER"]
    assert [dict(span.attributes or {}).get("error.type") for span in served][-1] == "-32602"
    assert not any("SECRET" in span.to_json() for span in served)


async def test_a_call_of_another_trace_goes_on_with_it(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    spans.clear()
    async with sandboxed(tmp_path) as (client, network):
        with trace.get_tracer("agent").start_as_current_span("the agent's work") as work:
            await client.call_tool("list_inventory_packages", {})
    ids = {span.context.trace_id for span in spans.get_finished_spans() if span.context and "FreeWheel" in span.name}
    assert ids == {work.get_span_context().trace_id}
    assert not any("traceparent" in request.headers for request in network.freewheel.requests)


class Collector(BaseHTTPRequestHandler):
    """Stores what an OpenTelemetry exporter posts."""

    taken: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).taken.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Log nothing."""


async def test_spans_are_sent_to_the_collector_that_is_named(tmp_path: Path) -> None:
    Collector.taken = []
    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        given = {"ADOPS_DATA_DIR": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        server = StdioServerParameters(command=sys.executable, args=["-P", "-m", "server.cli"], env=given)
        async with Client(server) as client:
            await client.call_tool("list_inventory_packages", {})
        collector.shutdown()
    assert {path for path, _ in Collector.taken} == {"/v1/traces"}
    told = b"".join(body for _, body in Collector.taken)
    assert b"tools/call list_inventory_packages" in told
    assert b"GET FreeWheel" in told


def test_without_the_extra_the_server_says_how_to_install_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; import logging; logging.basicConfig();"
        "from server.telemetry.logs_and_traces import start_tracing; start_tracing()"
    )
    told = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    )
    assert "no traces are sent" in told.stderr
    assert "pip install 'adops-mcp[telemetry]'" in told.stderr
