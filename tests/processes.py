"""Servers in processes of their own, for what is run beside the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support import free_port


@contextmanager
def served(module: str, *arguments: str) -> Generator[str]:
    """A server in a process of its own, once it is ready; the address of its endpoint."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        given = [argument.replace("PORT", str(port)) for argument in arguments]
        environment = {**os.environ, "ADOPS_DATA_DIR": directory, "ADOPS_LOG_LEVEL": "ERROR"}
        process = subprocess.Popen([sys.executable, "-m", module, *given], env=environment)
        try:
            ready(f"http://127.0.0.1:{port}/readyz", process)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()
            process.wait(60)


def ready(url: str, process: subprocess.Popen[Any]) -> None:
    """Wait until it answers there."""
    ends = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < ends:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("the server did not start")


@contextmanager
def sandbox_on_loopback(directory: Path, **more: str) -> Generator[dict[str, str]]:
    """`adops-mcp sandbox serve` on a free port; the settings that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "adops_mcp", "sandbox", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={"ADOPS_DATA_DIR": str(directory), **more},
    )
    try:
        assert process.stdout
        settings: dict[str, str] = {}
        for line in process.stdout:
            name, _, value = line.strip().partition("=")
            if name.startswith("ADOPS_"):
                settings[name] = value
            if name == "ADOPS_GAM_SERVICE_ACCOUNT_FILE":
                break
        yield settings
    finally:
        process.terminate()
        process.communicate(timeout=20)
