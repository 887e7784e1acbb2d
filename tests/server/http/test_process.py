"""`adops-mcp serve --http` as a process: its start, many requests at once, and its end."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.processes import ready
from tests.support import free_port

AVAIL: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "avail_id": "avl_news_evening",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
}


@contextmanager
def served(directory: Path, *flags: str, **given: str) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Start a server. Yields its address and its process when it is ready."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "adops_mcp", "serve", "--http", "--port", str(port), *flags],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={"PATH": os.environ["PATH"], "ADOPS_DATA_DIR": str(directory), **given},
    )
    try:
        ready(f"http://127.0.0.1:{port}/readyz", process)
        yield f"http://127.0.0.1:{port}/mcp", process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # those that it started, too
        process.communicate()


async def call(url: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    async with (
        httpx2.AsyncClient(timeout=60, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        return (await client.call_tool(tool, arguments)).structured_content


def states(directory: Path) -> list[str]:
    with closing(sqlite3.connect(directory / "operations-sandbox.sqlite3")) as record:
        return [row[0] for row in record.execute("SELECT state FROM operations").fetchall()]


async def test_a_server_that_is_ended_answers_what_is_in_flight(tmp_path: Path) -> None:
    """Concurrent holds of one avail wait for each other: at the first answer the others are still running."""
    answers: list[str] = []
    headers = {"Accept": "application/json, text/event-stream"}
    with served(tmp_path, ADOPS_SANDBOX_FAULTS="latency=1") as (url, process):

        async def hold(number: int) -> None:
            arguments = {**AVAIL, "package_id": f"p{number}", "requested_impressions": 10 + number}
            message: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": "tools/call"}
            message["params"] = {"name": "reserve_avail", "arguments": arguments}
            answers.append((await client.post(url, json=message, headers=headers, timeout=60)).text)
            process.send_signal(signal.SIGTERM)

        async with httpx.AsyncClient(trust_env=False) as client, anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(hold, number)
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)
        complaints = process.stderr.read() if process.stderr else ""
    assert ['"isError":false' in answer for answer in answers] == [True] * 6
    assert states(tmp_path) == ["succeeded"] * 6
    assert "Traceback" not in complaints
    assert "went away" not in complaints


async def test_several_processes_on_one_port_send_the_same_call_once(tmp_path: Path) -> None:
    answers: list[dict[str, Any]] = []
    with served(tmp_path, "--workers", "2", "--tools", "create_proposed_io") as (url, _):

        async def propose() -> None:
            answers.append(await call(url, "create_proposed_io", {"external_id": "HTTP-1", "name": "N"}))

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(propose)
    assert len({answer["proposed_io"]["id"] for answer in answers}) == 1
    assert sum(not answer.get("replayed") for answer in answers) == 1


async def test_several_processes_find_what_the_env_file_says_and_flags_win_over_it(tmp_path: Path) -> None:
    env_file = anyio.Path(tmp_path / "adops.env")
    await env_file.write_text("ADOPS_READ_ONLY=true\nADOPS_TOOLSETS=gam\n")
    with served(tmp_path, "--workers", "2", "--toolsets", "", ADOPS_ENV_FILE=str(env_file)) as (url, _):
        for _ in range(4):
            async with (
                httpx2.AsyncClient(timeout=60, trust_env=False) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                offered = {tool.name for tool in (await client.list_tools()).tools}
            assert "list_avails" in offered
            assert "reserve_avail" not in offered


@pytest.mark.parametrize(
    ("flags", "given", "words"),
    [
        (["--host", "0.0.0.0"], {}, "nothing says who may call"),  # noqa: S104
        (["--workers", "0"], {}, "'0' is no number of processes"),
        (["--workers", "2"], {"ADOPS_ACCOUNTS_FILE": "/nowhere.toml"}, "ADOPS_ACCOUNTS_FILE: /nowhere.toml cannot be"),
        ([], {"ADOPS_READONLY": "1"}, "tools that are meant to be left out would be offered"),
        (["--workers", "2"], {"ADOPS_ENVIRONMENT": "live"}, "no vendor is configured for live"),
    ],
)
def test_it_does_not_start_with_what_cannot_be(
    tmp_path: Path, flags: list[str], given: dict[str, str], words: str
) -> None:
    told = subprocess.run(
        [sys.executable, "-P", "-m", "adops_mcp", "serve", "--http", *flags],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "ADOPS_DATA_DIR": str(tmp_path), **given},
        check=False,
    )
    assert told.returncode == 2
    assert words in told.stderr
