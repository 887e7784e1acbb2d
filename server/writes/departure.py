"""A write on its way to the vendor: what leaves is on record first, and how it ended is told from what had left.

A departure on record does not say that anything left: the lease that came with it is looked at once more, right before
the first byte, and a request that is given up there is none of those that were sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.clocks import Lease
from server.ledger.entries import Ending
from server.ledger.operations import Operations
from server.ledger.state_machine import Event
from server.text.redaction import redacted
from server.writes.outcomes import changed_meanwhile
from server.writes.plan import Plan
from tools.errors import AdOpsError, InDoubt, Unavailable
from tools.vendor_http.refusals import REFUSALS


@dataclass
class Journey:
    """One write on its way: each request that leaves is on record first.

    plan: what a person agreed to. requests: those that left, or may have. lease: of the last one.
    """

    record: Operations
    operation_id: str
    tokens: set[str]
    plan: Plan | None
    before: Mapping[str, Any] | None = None
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    lease: Lease | None = None

    def remember(self, before: Mapping[str, Any]) -> None:
        self.before = before

    def requested(self, method: str, path: str, body: Any) -> None:
        if self.plan is not None and not self.requests and self._shown(method, path, body) != self.plan.would_send:
            raise changed_meanwhile()

    async def leaving(self, method: str, path: str, body: Any) -> None:
        request = self._shown(method, path, body)
        self.lease = await self.record.depart(self.operation_id, request, self.before)
        if self.lease is None:
            raise _held_up()
        self.requests.append(request)

    def check(self) -> None:
        """Raises Unavailable when the lease is over: the write may be another server's to settle by now."""
        if self.lease is None or self.lease.is_over:
            raise _held_up()

    def not_sent(self) -> None:
        self.requests.pop()

    def _shown(self, method: str, path: str, body: Any) -> dict[str, Any]:
        return redacted({"method": method, "path": path, "body": body}, self.tokens)

    def answered(self, status: int) -> None:
        self.requests[-1]["status"] = status


def _held_up() -> Unavailable:
    return Unavailable(
        "This server was held up for so long that the write was given up. Nothing was sent.",
        next_step="Make the same call again.",
    )


def ended_as(journey: Journey, error: BaseException, actor: str) -> Ending:
    """How a write ended that gave no result: in doubt unless it is known that nothing was carried out."""
    status = journey.requests[-1].get("status", 0) if journey.requests else None
    if isinstance(error, AdOpsError):
        in_doubt = isinstance(error, InDoubt) or (status is not None and 200 <= status < 300)
        told = {"code": error.code, "message": error.message, "next_step": error.next_step}
    else:
        in_doubt = status is not None and status not in REFUSALS
        what = "It was sent, and the answer was not read." if in_doubt else "It was ended before it was carried out."
        told = {"code": "in_doubt" if in_doubt else "unavailable", "message": what}
    return Ending(
        event=_event(status, in_doubt=in_doubt),
        actor=actor,
        note=told["message"],
        error=told,
        requests=journey.requests,
    )


def _event(status: int | None, *, in_doubt: bool) -> Event:
    """status: of the vendor's answer; 0 without one, None when nothing departed."""
    if in_doubt:
        return "answer_unread" if status is not None and 200 <= status < 300 else "answer_lost"
    return "refused" if status else "unsent"
