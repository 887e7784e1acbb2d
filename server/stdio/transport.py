"""MCP over stdin and stdout, one line of JSON-RPC for each message, without a thread in between.

`Server.run` takes the two streams. The descriptors stay blocking, since stderr may be the same pipe. Instead each write
has at most as many bytes as a pipe that is ready takes without blocking.
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

_UNREADABLE = (
    "the message cannot be read as JSON, so nothing was done: a string has half of a character (a lone surrogate), or "
    "it is nested too deeply"
)
_READ_SIZE = 1 << 16
_PAUSE = 0.005
"""Seconds to wait before writing again to a pipe that took nothing."""
_NEEDS_THREADS = sys.platform == "win32"
"""Whether reads and writes need a thread: on Windows a pipe cannot be polled."""


class EarlyAnswerMismatch(Exception):
    """The client was answered early, and this server would answer the same request differently."""


class _Stream:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Do nothing: the caller opened the descriptors and closes them."""


class StdinReader(_Stream):
    """The client's messages, one at a time, until it closes stdin.

    pending: input that was read before. answered_id: the id of its first request, if that was answered already. A
    request that cannot be parsed is answered through `refuse`, so that the client does not wait for ever. Any other
    line that is not a message is returned as an error.
    """

    def __init__(
        self,
        descriptor: int,
        pending: bytes,
        refuse: Callable[[SessionMessage], Awaitable[None]],
        answered_id: int | str | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._refuse = refuse
        self._answered_id = answered_id
        *lines, self._rest = pending.split(b"\n")
        self._lines = deque(lines)
        self._always_ready = False

    def __aiter__(self) -> StdinReader:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def receive(self) -> SessionMessage | Exception:
        """The next message. Raises anyio.EndOfStream and EarlyAnswerMismatch."""
        while True:
            while not self._lines:
                await self._read_lines()
            line = self._lines.popleft().decode("utf-8", "replace")
            answered_id, self._answered_id = self._answered_id, None
            try:
                message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValidationError as error:
                message, unreadable_id = error, request_id(error)
            else:
                unreadable_id = None
            is_answered = isinstance(message, types.JSONRPCRequest) and message.id == answered_id
            if answered_id is not None and not is_answered:
                raise EarlyAnswerMismatch
            if isinstance(message, ValidationError):
                if unreadable_id is None:
                    return message
            else:
                return SessionMessage(message)
            refusal = types.ErrorData(code=types.PARSE_ERROR, message=_UNREADABLE)
            await self._refuse(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=unreadable_id, error=refusal)))

    async def _read_lines(self) -> None:
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            read = await self._read()
            if not read and not any(parts):
                raise anyio.EndOfStream
            # the last line may have no line end
            parts.append(read or b"\n")
        *lines, self._rest = b"".join(parts).split(b"\n")
        self._lines.extend(lines)

    async def _read(self) -> bytes:
        if _NEEDS_THREADS:
            return await anyio.to_thread.run_sync(os.read, self._descriptor, _READ_SIZE, abandon_on_cancel=True)
        if not self._always_ready:
            try:
                await anyio.wait_readable(self._descriptor)
            except PermissionError:
                # it is a file, which is always ready
                self._always_ready = True
        try:
            return os.read(self._descriptor, _READ_SIZE)
        except OSError:
            # the client closed the pipe without reading everything
            return b""


class StdoutWriter(_Stream):
    """The messages to the client. If the client is gone, nothing is written, and the call does not fail for that.

    answered_id: the id of a request that was answered already. The next answer to it is dropped. pending: output that
    is written before everything else.
    """

    def __init__(self, descriptor: int, answered_id: int | str | None = None, pending: bytes = b"") -> None:
        self._descriptor = descriptor
        self._pending = pending
        self._answered_id = answered_id
        self._lock = anyio.Lock(fast_acquire=True)
        self._poll = None if _NEEDS_THREADS else select.poll()
        if self._poll is not None:
            self._poll.register(descriptor, select.POLLOUT)

    async def send(self, item: SessionMessage, /) -> None:
        """Write a message. Raises anyio.BrokenResourceError if the client is gone, and EarlyAnswerMismatch."""
        message = item.message
        is_answer = isinstance(message, types.JSONRPCResponse | types.JSONRPCError)
        if self._answered_id is not None and is_answer and message.id == self._answered_id:
            self._answered_id = None
            if isinstance(message, types.JSONRPCError):
                raise EarlyAnswerMismatch
            return
        await self._write(message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")

    async def send_pending(self) -> None:
        """Write the pending output, although there is no message yet."""
        with suppress(anyio.BrokenResourceError):
            await self._write(b"")

    async def _write(self, data: bytes) -> None:
        # a line must not be cut in the middle: the next message would be unreadable
        with anyio.CancelScope(shield=True):
            async with self._lock:
                left, self._pending = memoryview(self._pending + data), b""
                try:
                    while left:
                        left = left[await self._write_part(left) :]
                except OSError:
                    raise anyio.BrokenResourceError from None

    async def _write_part(self, data: memoryview) -> int:
        if self._poll is None:
            return await anyio.to_thread.run_sync(os.write, self._descriptor, data)
        if not self._poll.poll(0):
            await anyio.wait_writable(self._descriptor)
        try:
            return os.write(self._descriptor, data[: select.PIPE_BUF])
        except BlockingIOError:
            # the client made the pipe non-blocking, and it has room for fewer bytes
            await anyio.sleep(_PAUSE)
            return 0


def request_id(unreadable: ValidationError) -> int | str | None:
    """The id of a request that pydantic cannot parse. None if it is not a request, or has no id that can be sent."""
    line = next((issue["input"] for issue in unreadable.errors() if issue["type"] == "json_invalid"), None)
    try:
        message: Any = json.loads(line) if isinstance(line, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or "method" not in message:
        return None
    found = cast("dict[str, Any]", message).get("id")
    if isinstance(found, str):
        return found if _is_encodable(found) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _is_encodable(text: str) -> bool:
    """Whether the text can be encoded. A lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
