"""One tool call from start to end: the arguments checked, the handler run, its result or its error shaped.

This is the only place where an error becomes text for an agent. The durable record of writes, scopes and
confirmation take their places here, between the arguments and the handler.
"""

from __future__ import annotations

import difflib
import json
import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import anyio
import anyio.lowlevel
from mcp_types import CallToolResult, TextContent
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from server.cleaning import cleaned, encoded
from tools.backends import Backends
from tools.errors import AdOpsError, InDoubt, InternalError, InvalidArguments, Unavailable
from tools.replies import printable
from tools.schema import Arguments, Result, arguments_schema
from tools.tool import AnyTool, Probe, Write

logger = logging.getLogger(__name__)

LONGEST_CALL = 45.0
"""Seconds for a whole call with its waiting and its tries: common clients give up after 60 and then know nothing."""

LATEST_DEPARTURE = 25.0
"""Seconds within which a write leaves or is given up: once it has left, it may take the transport's 30."""

MOST_PROBLEMS = 10
"""How many problems of one call's arguments are named."""


class Calls:
    """environment: named in every result, so that sandbox and live are never mistaken for each other."""

    def __init__(self, environment: str, *, longest_call: float = LONGEST_CALL) -> None:
        self._environment = environment
        self._longest_call = longest_call
        self._writing = 0
        self._idle = anyio.Event()
        self._closed = False

    async def call(self, tool: AnyTool, arguments: Mapping[str, Any] | None, backends: Backends) -> CallToolResult:
        """The result, or the error, as the agent gets it.

        A write that has left is seen through although its caller went away; the log then says how it ended.
        """
        if not isinstance(tool.effect, Write):
            return await self._answer(tool, arguments, backends)
        if self._closed:
            return self._error(_closing(tool))
        answer: CallToolResult | None = None
        self._writing += 1
        try:
            answer = await self._answer(tool, arguments, backends)
            await anyio.lowlevel.checkpoint_if_cancelled()
        except anyio.get_cancelled_exc_class():
            logger.warning("%s", _left(tool, arguments, answer))
            raise
        finally:
            self._writing -= 1
            if not self._writing:
                self._idle.set()
                self._idle = anyio.Event()
        return answer

    async def close(self) -> None:
        """Take no more writes, and wait until none is under way; each ends within the transport's own limits."""
        self._closed = True
        while self._writing:
            await self._idle.wait()

    async def _answer(self, tool: AnyTool, arguments: Mapping[str, Any] | None, backends: Backends) -> CallToolResult:
        try:
            checked = check(tool, arguments or {})
            longest = (
                min(self._longest_call, LATEST_DEPARTURE) if isinstance(tool.effect, Write) else self._longest_call
            )
            with anyio.fail_after(longest):
                result = await tool.handler(checked, backends)
            return self._result(result, backends.sent_tokens)
        except AdOpsError as error:
            return self._error(error, backends.sent_tokens)
        except TimeoutError:
            return self._error(_too_long(tool))
        except Exception as error:
            reference = secrets.token_hex(4)
            logger.exception("%s failed inside (reference %s)", tool.name, reference, exc_info=error)
            return self._error(_fault(tool, reference))

    def _result(self, result: Result, tokens: Collection[str]) -> CallToolResult:
        answer, text = encoded({"environment": self._environment, **result.told()}, tokens)
        return CallToolResult(content=[TextContent(text=text)], structured_content=answer)

    def _error(self, error: AdOpsError, tokens: Collection[str] = ()) -> CallToolResult:
        described = {
            "code": error.code,
            "message": error.message,
            "retryable": error.retryable,
            "next_step": error.next_step,
            "upstream_status": error.upstream_status,
            "upstream_code": error.upstream_code,
            "request_id": error.request_id,
        }
        told = {name: value for name, value in described.items() if value is not None}
        answer, _ = encoded({"environment": self._environment, "error": told}, tokens)
        text = cleaned(f"[{error.code}] {error.message}\nNext: {error.next_step}", tokens)
        return CallToolResult(content=[TextContent(text=text)], structured_content=answer, is_error=True)


def check(tool: AnyTool, arguments: Mapping[str, Any]) -> Arguments:
    """The arguments as the tool's model; a null is as good as an argument that was left out.

    Raises InvalidArguments that names every problem; nothing was sent.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return tool.arguments.model_validate_json(json.dumps(given))
    except ValidationError as error:
        problems = [_problem(tool, issue) for issue in error.errors(include_input=False, include_url=False)]
    except RecursionError:
        problems = ["the arguments are nested too deeply"]
    except ValueError:
        problems = ["a number has too many digits"]
    more = len(problems) - MOST_PROBLEMS
    listed = "; ".join(problems[:MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
    raise InvalidArguments(
        f"{tool.name} was not called, and nothing was sent: {listed}.",
        next_step=f"Correct the arguments and call {tool.name} again.",
    )


def _problem(tool: AnyTool, issue: ErrorDetails) -> str:
    location = issue["loc"]
    where = ".".join(str(step) for step in location)
    if issue["type"] == "extra_forbidden":
        valid = _valid_names(arguments_schema(tool.arguments), location[:-1])
        if not valid:
            return f"unknown argument `{where[:100]}` (it takes none)"
        close = difflib.get_close_matches(str(location[-1]), valid, n=1)
        return f"unknown argument `{where[:100]}`" + (
            f" (did you mean `{close[0]}`?)" if close else f" (valid: {', '.join(valid)})"
        )
    if issue["type"] == "missing":
        return f"`{where}` is required"
    message = issue["msg"].removeprefix("Value error, ")
    return f"`{where}`: {message}" if where else message


def _valid_names(schema: dict[str, Any], location: Sequence[str | int]) -> list[str]:
    """The property names at a place in the arguments."""
    node = schema
    for step in location:
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
        if "$ref" in node:
            node = schema["$defs"][cast("str", node["$ref"]).rsplit("/", 1)[-1]]
    return list(node.get("properties", {}))


def _closing(tool: AnyTool) -> AdOpsError:
    return Unavailable(
        f"This server is being ended and takes no more writes: {tool.name} was not sent.",
        next_step="Make the same call again when the server is back.",
    )


def _too_long(tool: AnyTool) -> AdOpsError:
    """For a write this means that it was not carried out: one that has left is not cut short."""
    return Unavailable(
        f"{tool.name} took too long and was ended.{_unchanged(tool)}",
        next_step="Ask for less if you can, or make the same call again in a few minutes.",
    )


def _unchanged(tool: AnyTool) -> str:
    return (
        " What it set off, if it was sent, is not known." if isinstance(tool.effect, Probe) else " Nothing was changed."
    )


def _left(tool: AnyTool, arguments: Mapping[str, Any] | None, answer: CallToolResult | None) -> str:
    """The only trace of a write whose caller did not wait for its answer."""
    ended = "nothing was carried out" if answer is None else json.dumps(answer.structured_content, ensure_ascii=False)
    asked = json.dumps(dict(arguments or {}), ensure_ascii=False, default=str)
    shown = f"Asked: {printable(asked, limit=1000)} Ended: {printable(ended, limit=2000)}"
    return f"{tool.name}: the caller went away. {shown}"


def _fault(tool: AnyTool, reference: str) -> AdOpsError:
    what = f"{tool.name} failed inside adops-mcp (reference {reference} in its log)"
    if isinstance(tool.effect, Write):
        return InDoubt(
            f"{what}, and it is not known whether the write was sent.",
            next_step="Do not send it again before a person has looked at the vendor whether it was done.",
        )
    return InternalError(f"{what}.{_unchanged(tool)}", next_step="Report the reference to the operator.")
