"""Answers to messages that the SDK cannot read, so that nobody waits for an answer that never comes.

Its transport hands such a message on as an exception, and its server drops that. Half of an emoji, as a client leaves
it when it cuts a string, is enough to make a message unreadable.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

_WORDS = (
    "the message is not JSON that can be read, so nothing was done: a string holds half of a character (a lone "
    "surrogate), or it is nested too deep"
)


class Sender(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...


@asynccontextmanager
async def answering_all(
    read: AsyncIterable[SessionMessage | Exception], write: Sender
) -> AsyncGenerator[MemoryObjectReceiveStream[SessionMessage | Exception]]:
    """What `read` brings, without the requests that cannot be read: those are answered with an error."""
    sending, understood = anyio.create_memory_object_stream[SessionMessage | Exception](0)

    async def sort_out() -> None:
        async with sending:
            async for message in read:
                asked = request_id(message) if isinstance(message, ValidationError) else None
                if asked is None:
                    await sending.send(message)
                    continue
                error = types.ErrorData(code=types.PARSE_ERROR, message=_WORDS)
                await write.send(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=asked, error=error)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sort_out)
        async with understood:
            yield understood
        tasks.cancel_scope.cancel()


def request_id(unreadable: ValidationError) -> int | str | None:
    """The id of a request that is no valid JSON to pydantic; None when it has none, or is none at all."""
    line = next((issue["input"] for issue in unreadable.errors() if issue["type"] == "json_invalid"), None)
    try:
        message: Any = json.loads(line) if isinstance(line, str) else None
    except (ValueError, RecursionError):
        return None
    found = cast("dict[str, Any]", message).get("id") if isinstance(message, dict) else None
    return found if isinstance(found, int | str) and not isinstance(found, bool) else None
