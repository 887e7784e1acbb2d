"""What a write would do and send, as a person is shown it who decides: their word is for that, and for nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.cleaning import cleaned
from server.operations import digest
from server.redaction import redacted
from tools.errors import Forbidden, NotFound, Refused
from tools.writes import Brief, departing

if TYPE_CHECKING:
    from server.write_call import WriteCall

_NOT_LOOKED_UP = "What it would change could not be looked up."
_AGREED = ("does", "changes", "problems", "would_send")
"""What a person's word is for. What is not among these may move without another word: see `tools.writes.Brief`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a brief says of a write, with the request that would be sent: None where none would be."""

    does: str
    changes: Sequence[str]
    now: Sequence[str]
    problems: Sequence[str]
    not_checked: Sequence[str]
    would_send: Mapping[str, Any] | None

    def shown(self) -> dict[str, Any]:
        """As JSON, without what is empty."""
        told = {
            "does": self.does,
            "changes": list(self.changes),
            "now": list(self.now),
            "problems": list(self.problems),
            "not_checked": list(self.not_checked),
            "would_send": self.would_send,
        }
        return {name: value for name, value in told.items() if value not in (None, [])}

    def question(self, account: str = "") -> str:
        """What a person in the client is asked. account: whose, where there are several."""
        problems = [f"Problem: {problem}" for problem in self.problems]
        whose = [f"Account: {account}"] if account else []
        return cleaned("\n".join([*whose, self.does, *self.changes, *self.now, *problems, "Send this?"]), ())

    def says(self, brief: Brief | None, call: WriteCall) -> bool:
        """Whether a brief, read later, says what a person agreed to with this."""
        later = _plan(brief, None, call)
        return (later.does, later.changes, later.problems) == (self.does, self.changes, self.problems)


def agreed(shown: Mapping[str, Any]) -> str:
    """Names what a person agrees to who is shown this plan."""
    return digest({name: shown.get(name) for name in _AGREED})


async def plan_of(call: WriteCall, *, blind: bool) -> Plan:
    """Look up what it would do, and stop where it would be sent. Raises AdOpsError when it cannot be looked up.

    blind: make one, that says so, also where the vendor refuses to tell.
    """
    brief = await (told_before(call) if blind else call.effect.brief(call.arguments, call.backends))
    return _plan(brief, await _would_send(call), call)


async def told_before(call: WriteCall) -> Brief | None:
    """What the vendor tells before a write. None where it refuses to: it then refuses the write in its own words, or
    this account may write and not read. Raises AdOpsError when it cannot be had now."""
    try:
        return await call.effect.brief(call.arguments, call.backends)
    except (NotFound, Refused, Forbidden):
        return None


async def _would_send(call: WriteCall) -> dict[str, Any] | None:
    try:
        with departing(_Rehearsal()):
            await call.tool.handler(call.arguments, call.backends)
    except _WouldSend as stopped:
        return redacted(stopped.request, call.backends.sent_tokens)
    return None


def _plan(brief: Brief | None, would_send: Mapping[str, Any] | None, call: WriteCall) -> Plan:
    told = brief or Brief(does=call.title, changes=[_NOT_LOOKED_UP])
    return Plan(
        does=told.does,
        changes=list(told.changes),
        now=list(told.now),
        problems=list(told.problems),
        not_checked=list(told.not_checked),
        would_send=would_send,
    )


class _WouldSend(Exception):
    """A rehearsal has come to the request that would be sent."""

    def __init__(self, method: str, path: str, body: Any) -> None:
        super().__init__(method)
        self.request = {"method": method, "path": path, "body": body}


class _Rehearsal:
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
