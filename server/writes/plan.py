"""The plan of a write: what it would do and the request that it would send, found out without sending it.

A plan is what a person is shown who has to confirm a write. Their agreement is for that plan and for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from server.ledger.entries import NewOperation, digest
from server.text.redaction import redacted
from server.text.sanitizing import sanitized
from server.writes.write_call import WriteCall, storable
from tools.effects import Preview, recording_departures
from tools.errors import Forbidden, NotFound, Refused

_AGREED_TO = ("does", "changes", "problems", "would_send")
"""The parts of a plan that a person agrees to. The others may change without a new agreement: see
`tools.effects.Preview`."""

_NOT_LOOKED_UP = "What it would change could not be looked up."


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The preview of a write, with the request that would be sent. would_send: None where nothing would be sent."""

    does: str
    changes: Sequence[str]
    now: Sequence[str]
    problems: Sequence[str]
    not_checked: Sequence[str]
    would_send: Mapping[str, Any] | None

    def shown(self) -> dict[str, Any]:
        """The plan as JSON, without what is empty."""
        parts = {
            "does": self.does,
            "changes": list(self.changes),
            "now": list(self.now),
            "problems": list(self.problems),
            "not_checked": list(self.not_checked),
            "would_send": self.would_send,
        }
        return {name: value for name, value in parts.items() if value not in (None, [])}

    @property
    def agreement(self) -> str:
        """Names what a person agrees to who is shown this plan."""
        return agreement_to(self.shown())

    def question(self, account: str = "") -> str:
        """The question that the person in the client is asked. account: set where the server has several."""
        problems = [f"Problem: {problem}" for problem in self.problems]
        whose = [f"Account: {account}"] if account else []
        return sanitized("\n".join([*whose, self.does, *self.changes, *self.now, *problems, "Send this?"]), ())

    def added_to(self, new: NewOperation) -> NewOperation:
        """The new operation with this plan stored in it."""
        return replace(new, does=storable(self.does), plan=self.shown())


def agreement_to(shown: Mapping[str, Any]) -> str:
    """Names what a person agrees to who is shown this plan, given as JSON."""
    return digest({name: shown.get(name) for name in _AGREED_TO})


async def make_plan(call: WriteCall, *, without_preview: bool) -> Plan:
    """Read what the write would do, and run its handler up to the request. Raises AdOpsError when that is not possible.

    without_preview: whether a plan that says so is made also where the vendor refuses to show what it would change.
    """
    preview = await (read_preview(call) if without_preview else call.effect.preview(call.arguments, call.backends))
    return _plan(preview, await _request_of(call), call)


async def read_preview(call: WriteCall) -> Preview | None:
    """What the write would do, read from the vendor. Raises AdOpsError when the vendor cannot be read now.

    None where the vendor refuses to show it. Then it either refuses the write in its own words, or the account may
    write and not read.
    """
    try:
        return await call.effect.preview(call.arguments, call.backends)
    except (NotFound, Refused, Forbidden):
        return None


def is_still_planned(plan: Plan, preview: Preview | None, call: WriteCall) -> bool:
    """Whether a preview that was read later says what a person agreed to with this plan."""
    later = _plan(preview, None, call)
    return (later.does, later.changes, later.problems) == (plan.does, plan.changes, plan.problems)


def _plan(preview: Preview | None, would_send: Mapping[str, Any] | None, call: WriteCall) -> Plan:
    preview = preview or Preview(does=call.title, changes=[_NOT_LOOKED_UP])
    return Plan(
        does=preview.does,
        changes=list(preview.changes),
        now=list(preview.current_state),
        problems=list(preview.problems),
        not_checked=list(preview.not_checked),
        would_send=would_send,
    )


async def _request_of(call: WriteCall) -> dict[str, Any] | None:
    """The request that the handler would send. None when it sends none."""
    try:
        with recording_departures(_DryRun()):
            await call.tool.handler(call.arguments, call.backends)
    except _WouldSend as stopped:
        return redacted(stopped.request, call.backends.sent_tokens)
    return None


class _WouldSend(Exception):
    """The handler has come to the request that it would send."""

    def __init__(self, method: str, path: str, body: Any) -> None:
        super().__init__(method)
        self.request = {"method": method, "path": path, "body": body}


class _DryRun:
    """Stops a handler at its first request that writes. Implements `tools.effects.Departure`."""

    def remember(self, before: Mapping[str, Any]) -> None:
        """Does nothing: no baseline is needed for a write that is not sent."""

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
