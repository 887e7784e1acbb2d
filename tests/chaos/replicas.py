"""Three replicas over HTTP behind nginx, on one PostgreSQL, under load; one is killed in the middle of a booking."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.chaos.agents import Soak
from tests.chaos.intents import Verdicts, intents
from tests.chaos.soak import database_of
from tests.support import free_port

STARTS_WITHIN = 30.0
"""Seconds until a replica, or nginx, answers."""


class NoNginx(Exception):
    """It is not there, and cannot be installed here."""


def nginx() -> str:
    """The command, installed from Debian's packages where this user may. Raises NoNginx."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        install = ["apt-get", "install", "--yes", "--no-install-recommends", "nginx-light"]
        for command in (["apt-get", "update"], install):
            subprocess.run(command, capture_output=True, timeout=180, check=False)
        found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise NoNginx("nginx is not installed, and it can only be installed here by root from Debian's packages")
    return found


def configuration(directory: Path, port: int, replicas: list[int]) -> str:
    """A write that reached a replica is never passed to another one: nginx does so only with what is safe to repeat."""
    servers = "\n".join(f"    server 127.0.0.1:{one} max_fails=1 fail_timeout=1s;" for one in replicas)
    return f"""
daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  upstream replicas {{
{servers}
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://replicas; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_buffering off; proxy_read_timeout 120s;
    }}
  }}
}}
"""


@dataclass
class Hosted(Soak):
    """A soak whose workers all call one address. replicas: port and process of each."""

    url: str = ""
    replicas: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict[int, "subprocess.Popen[bytes]"])

    @asynccontextmanager
    async def client(self, number: int, life: int) -> AsyncGenerator[Client]:  # noqa: ARG002 - all call one address
        async with (
            httpx2.AsyncClient(timeout=100, trust_env=False) as http,
            Client(streamable_http_client(self.url, http_client=http)) as client,
        ):
            yield client

    def start(self, port: int, life: int) -> None:
        """A replica; the record's lease finds what a killed one left."""
        command = [sys.executable, "-m", "adops_mcp", "serve", "--http", "--port", str(port)]
        given = {**os.environ, **self.environment(self.seed + port + life, faults=True), "ADOPS_STATE_KEY": "k" * 32}
        self.replicas[port] = subprocess.Popen(command, env=given, stderr=subprocess.DEVNULL)

    async def kill(self) -> None:
        """Kill one that has calls under way, and start it again a little later."""
        while self.killed < self.kills:
            await anyio.sleep(self.dice.uniform(0.3, 1.0))
            if not self.in_flight:
                continue
            port = self.dice.choice(sorted(self.replicas))
            self.replicas[port].send_signal(signal.SIGKILL)
            self.replicas[port].wait()
            self.killed += 1
            await anyio.sleep(1.0)
            self.start(port, self.killed)

    def stop(self) -> None:
        for process in self.replicas.values():
            process.kill()
            process.wait()


@contextmanager
def balanced(directory: Path, port: int, replicas: list[int]) -> Generator[None]:
    file = directory / "nginx.conf"
    file.write_text(configuration(directory, port, replicas))
    process = subprocess.Popen([nginx(), "-c", str(file), "-p", str(directory)], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def answers(url: str) -> None:
    """Wait until it does; raises TimeoutError."""
    ends = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < ends:
        try:
            if httpx.get(url, trust_env=False, timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(url)


def run(
    *, writes: int, fault_rate: float, kills: int, seed: int, workers: int = 6, longest: float = 600
) -> tuple[Verdicts, list[str]]:
    """As `tests.chaos.soak.soak`. Raises NoNginx."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adops-mcp-replicas-")))
        url = stack.enter_context(database_of("postgresql", folder))
        front, ports = free_port(), [free_port() for _ in range(3)]
        began = time.monotonic()
        work = intents(writes, seed, share_of_bookings=0.3)
        hosted = Hosted(folder, fault_rate, kills, seed, workers, url, work, url=f"http://127.0.0.1:{front}/mcp")
        stack.callback(hosted.stop)
        for port in ports:
            hosted.start(port, 0)
        stack.enter_context(balanced(folder, front, ports))
        for port in (*ports, front):
            answers(f"http://127.0.0.1:{port}/readyz")
        anyio.run(hosted.bounded, longest)
        return hosted.verdicts(time.monotonic() - began)
