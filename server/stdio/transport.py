"""MCP over stdin and stdout without threads in between: a line of JSON-RPC a message.

The streams are what `Server.run` takes. Neither descriptor is made non-blocking, since stderr may be the same pipe: a
write is at most what a pipe that is ready takes whole.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

_WORDS = (
    "the message is not JSON that can be read, so nothing was done: a string holds half of a character (a lone "
    "surrogate), or it is nested too deep"
)
_AT_ONCE = 1 << 16
_PAUSE = 0.005
"""Seconds."""
_THREADS = sys.platform == "win32"
"""Where a pipe cannot be waited for."""


class Disagreement(Exception):
    """The client was answered early, and this server takes the same request otherwise."""


class _Stream:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """The descriptors belong to whoever opened them."""


class Reading(_Stream):
    """What the client sends, a message at a time, until it closes stdin.

    held: what was read before. opening: the id of the request that it begins with, where that was answered already. A
    request that cannot be read is answered through `refuse`, so that nobody waits for an answer that never comes; any
    other line that is no message is handed on as the error that it is.
    """

    def __init__(
        self,
        descriptor: int,
        held: bytes,
        refuse: Callable[[SessionMessage], Awaitable[None]],
        opening: int | str | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._refuse = refuse
        self._opening = opening
        *lines, self._rest = held.split(b"\n")
        self._lines = deque(lines)
        self._always_ready = False

    def __aiter__(self) -> Reading:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def receive(self) -> SessionMessage | Exception:
        """Raises anyio.EndOfStream, and Disagreement."""
        while True:
            while not self._lines:
                await self._more()
            line = self._lines.popleft().decode("utf-8", "replace")
            opening, self._opening = self._opening, None
            try:
                message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValidationError as error:
                message, asked = error, request_id(error)
            else:
                asked = None
            if opening is not None and not (isinstance(message, types.JSONRPCRequest) and message.id == opening):
                raise Disagreement
            if isinstance(message, ValidationError):
                if asked is None:
                    return message
            else:
                return SessionMessage(message)
            refusal = types.ErrorData(code=types.PARSE_ERROR, message=_WORDS)
            await self._refuse(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=asked, error=refusal)))

    async def _more(self) -> None:
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            read = await self._read()
            if not read and not any(parts):
                raise anyio.EndOfStream
            # the last line may have no end
            parts.append(read or b"\n")
        *lines, self._rest = b"".join(parts).split(b"\n")
        self._lines.extend(lines)

    async def _read(self) -> bytes:
        if _THREADS:
            return await anyio.to_thread.run_sync(os.read, self._descriptor, _AT_ONCE, abandon_on_cancel=True)
        if not self._always_ready:
            try:
                await anyio.wait_readable(self._descriptor)
            except PermissionError:
                # a file, which is never waited for
                self._always_ready = True
        try:
            return os.read(self._descriptor, _AT_ONCE)
        except OSError:
            # a client that went away without taking all that was sent to it
            return b""


class Writing(_Stream):
    """What goes to the client. A client that is gone gets nothing, and that is no error of the call it made.

    muted: the id of a request that was answered already; the answer to it is dropped, once. unsent: what goes before
    everything else.
    """

    def __init__(self, descriptor: int, muted: int | str | None = None, unsent: bytes = b"") -> None:
        self._descriptor = descriptor
        self._unsent = unsent
        self._muted = muted
        self._turn = anyio.Lock(fast_acquire=True)
        self._poll = None if _THREADS else select.poll()
        if self._poll is not None:
            self._poll.register(descriptor, select.POLLOUT)

    async def send(self, item: SessionMessage, /) -> None:
        """Raises anyio.BrokenResourceError when the client is gone, and Disagreement."""
        message = item.message
        answer = isinstance(message, types.JSONRPCResponse | types.JSONRPCError)
        if self._muted is not None and answer and message.id == self._muted:
            self._muted = None
            if isinstance(message, types.JSONRPCError):
                raise Disagreement
            return
        await self._write(message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")

    async def begin(self) -> None:
        """Send what goes before everything else."""
        with suppress(anyio.BrokenResourceError):
            await self._write(b"")

    async def _write(self, data: bytes) -> None:
        # half a line would spoil those that follow it
        with anyio.CancelScope(shield=True):
            async with self._turn:
                left, self._unsent = memoryview(self._unsent + data), b""
                try:
                    while left:
                        left = left[await self._some_of(left) :]
                except OSError:
                    raise anyio.BrokenResourceError from None

    async def _some_of(self, data: memoryview) -> int:
        if self._poll is None:
            return await anyio.to_thread.run_sync(os.write, self._descriptor, data)
        if not self._poll.poll(0):
            await anyio.wait_writable(self._descriptor)
        try:
            return os.write(self._descriptor, data[: select.PIPE_BUF])
        except BlockingIOError:
            # whoever opened it made it so, and it is ready for less than this
            await anyio.sleep(_PAUSE)
            return 0


def request_id(unreadable: ValidationError) -> int | str | None:
    """The id of a request that is no valid JSON to pydantic; None when it has none that can be written, or is none."""
    line = next((issue["input"] for issue in unreadable.errors() if issue["type"] == "json_invalid"), None)
    try:
        message: Any = json.loads(line) if isinstance(line, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or "method" not in message:
        return None
    found = cast("dict[str, Any]", message).get("id")
    if isinstance(found, str):
        return found if _is_text(found) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _is_text(text: str) -> bool:
    """Whether it can be written: half of a character cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
