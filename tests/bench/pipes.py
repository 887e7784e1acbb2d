"""A server over stdio, spoken to as raw lines, so that no client's own work is in what is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Any

MODERN = "2026-07-28"
_CLIENT = {"name": "bench", "version": "1"}


class Pipes:
    """One server process. began: when it was started, as time.perf_counter()."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        _pin(self.process.pid)
        self._in, self._out = self.process.stdin.fileno(), self.process.stdout.fileno()
        self._buffer = b""

    def send(self, *messages: dict[str, Any]) -> None:
        data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        while data:
            data = data[os.write(self._in, data) :]

    def receive(self, number: int) -> dict[str, Any]:
        """The answer with that id; what comes before it is passed over."""
        while True:
            message = self._message()
            if message.get("id") == number and "method" not in message:
                assert "result" in message, message
                return message["result"]

    def receive_all(self, numbers: Collection[int]) -> None:
        """Until each of these is answered, in whatever order."""
        missing = set(numbers)
        while missing:
            message = self._message()
            assert not message["result"].get("isError"), message
            missing.discard(message["id"])

    def _message(self) -> dict[str, Any]:
        line, found, rest = self._buffer.partition(b"\n")
        if not found:
            # what stands without its end is searched once, as an answer comes in many pieces
            chunks = [self._buffer]
            while b"\n" not in chunks[-1]:
                chunk = os.read(self._out, 1 << 16)
                assert chunk, f"the server ended with {self.process.wait()}"
                chunks.append(chunk)
            line, _, rest = b"".join(chunks).partition(b"\n")
        self._buffer = rest
        return json.loads(line)

    def ask(self, number: int, method: str, *, modern: bool, **params: Any) -> dict[str, Any]:
        self.send(request(number, method, modern=modern, **params))
        return self.receive(number)

    def greet(self) -> None:
        """The handshake of the era up to 2025-11-25."""
        about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": _CLIENT}
        self.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about})
        self.receive(0)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})


def _pin(process: int) -> None:
    """To the last processor, where there are several: this one is left to whoever asks."""
    if sys.platform == "linux" and len(processors := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(process, processors[-1:])


def request(number: int, method: str, *, modern: bool, **params: Any) -> dict[str, Any]:
    if modern:
        told = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": _CLIENT,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params["_meta"] = told
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


@contextmanager
def started(*module: str, **environment: str) -> Generator[Pipes]:
    """`python -m module ...` on a data directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        given = {name: value for name, value in os.environ.items() if not name.startswith("ADOPS_")}
        given |= {"ADOPS_DATA_DIR": directory, "ADOPS_LOG_LEVEL": "ERROR", **environment}
        pipes = Pipes([sys.executable, "-m", *module], given)
        try:
            yield pipes
        finally:
            assert pipes.process.stdin is not None
            assert pipes.process.stdout is not None
            pipes.process.stdin.close()
            pipes.process.wait(60)
            pipes.process.stdout.close()
