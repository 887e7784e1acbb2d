"""Finding out what a write would do and send, without sending it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.text.redaction import redacted
from server.writes.plan import Plan
from server.writes.write_call import WriteCall
from tools.effects import Preview, recording_departures
from tools.errors import Forbidden, NotFound, Refused

_NOT_LOOKED_UP = "What it would change could not be looked up."


async def plan_of(call: WriteCall, *, blind: bool) -> Plan:
    """Look up what it would do, and stop where it would be sent. Raises AdOpsError when it cannot be looked up.

    blind: make one, that says so, also where the vendor refuses to tell.
    """
    brief = await (told_before(call) if blind else call.effect.preview(call.arguments, call.backends))
    return _plan(brief, await _would_send(call), call)


async def told_before(call: WriteCall) -> Preview | None:
    """What the vendor tells before a write. None where it refuses to: it then refuses the write in its own words, or
    this account may write and not read. Raises AdOpsError when it cannot be had now."""
    try:
        return await call.effect.preview(call.arguments, call.backends)
    except (NotFound, Refused, Forbidden):
        return None


async def _would_send(call: WriteCall) -> dict[str, Any] | None:
    try:
        with recording_departures(_DryRun()):
            await call.tool.handler(call.arguments, call.backends)
    except _WouldSend as stopped:
        return redacted(stopped.request, call.backends.sent_tokens)
    return None


def _plan(brief: Preview | None, would_send: Mapping[str, Any] | None, call: WriteCall) -> Plan:
    told = brief or Preview(does=call.title, changes=[_NOT_LOOKED_UP])
    return Plan(
        does=told.does,
        changes=list(told.changes),
        now=list(told.current_state),
        problems=list(told.problems),
        not_checked=list(told.not_checked),
        would_send=would_send,
    )


def says_the_same(plan: Plan, brief: Preview | None, call: WriteCall) -> bool:
    """Whether a brief, read later, says what a person agreed to with this plan."""
    later = _plan(brief, None, call)
    return (later.does, later.changes, later.problems) == (plan.does, plan.changes, plan.problems)


class _WouldSend(Exception):
    """A dry run has come to the request that would be sent."""

    def __init__(self, method: str, path: str, body: Any) -> None:
        super().__init__(method)
        self.request = {"method": method, "path": path, "body": body}


class _DryRun:
    def remember(self, before: Mapping[str, Any]) -> None:
        """Nothing is sent, so nothing is kept."""

    def requested(self, method: str, path: str, body: Any) -> None:
        raise _WouldSend(method, path, body)

    async def leaving(self, method: str, path: str, body: Any) -> None:
        raise AssertionError(method, path, body)

    def check(self) -> None:
        raise AssertionError

    def not_sent(self) -> None:
        raise AssertionError

    def answered(self, status: int) -> None:
        raise AssertionError(status)
