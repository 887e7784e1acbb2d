"""Moving an operation from one state to the next inside a transaction, and ending what is over by time.

Every change of state goes through `move`, which takes the transition from the state table and adds it to the history.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from server.clocks import Stamp, lease_is_over
from server.ledger.entries import APPROVAL_LASTS, OPEN_STATES, NewOperation, Operation
from server.ledger.reads import Reads
from server.ledger.state_machine import (
    INITIAL_STATE,
    Event,
    event_at_lease_end,
    holds_claim,
    holds_resource,
    ordinary_transition,
)
from server.ledger.statements import CHANGE_MINE, OVERDUE, add_to_history, carry_out, update_for
from server.ledger.storage.marks import Entry
from tools.effects import State

THIS_SERVER = "adops-mcp"
"""The actor of what no caller and no person did."""

SENDER_GONE = {
    "code": "in_doubt",
    "message": "The process that sent it ended before the answer came: it may or may not have been carried out.",
}
_NEVER_SENT = {"code": "unavailable", "message": "The process ended, or stood still, before anything was sent."}
_APPROVAL_EXPIRED = {
    "code": "unavailable",
    "message": "It was approved and not sent within a day, so the approval is over.",
}


@dataclass(slots=True, kw_only=True)
class Transitions(Reads):
    """A transaction that moves operations. owner: names this process. lease: its length in seconds. under_way: the ids
    of the writes that this process has under way."""

    owner: str
    lease: float
    under_way: frozenset[str] = frozenset()

    def check_writable(self) -> None:
        """Raises Unrecorded where nothing may be claimed, sent or concluded."""
        if self.stopped is not None:
            raise self.stopped.error()

    def insert(
        self,
        statement: sa.Insert,
        new: NewOperation,
        busy: str | None,
        *,
        operation_id: str = "",
        claim: str | None = "",
    ) -> str:
        """Insert a write that is sent now or, without `busy`, waits. The id is empty when nothing was inserted.

        operation_id, claim: those of a write that the ledger had before and forgot.
        """
        operation_id = operation_id or f"op_{int(self.now.clock * 1000):011x}{secrets.token_hex(4)}"
        state = INITIAL_STATE["claimed" if busy else "approval_requested"]
        identity = new.identity
        inserted = carry_out(
            self.connection,
            statement,
            {
                "id": operation_id,
                "scope": new.scope,
                "tool": new.tool,
                "subject": new.subject,
                "resource": new.resource,
                "idempotency_key": new.idempotency_key,
                "identity": identity,
                "claim": identity if claim == "" else claim,
                "busy": busy,
                "keeps": new.keeps,
                "fingerprint": new.fingerprint,
                "state": state,
                "principal": new.principal,
                "does": new.does,
                "arguments": as_json(new.arguments),
                "requests": "[]",
                "plan": as_json(new.plan),
                "question": new.question,
                "caller": new.caller,
                "created_at": self.now.clock,
                "owner": self.owner,
                **(self.new_lease() if busy else {"leased": None, "lease_until": None}),
            },
        )
        if not inserted:
            return ""
        self.claimed = busy is not None
        self.note(operation_id, state, new.principal, new.note, new)
        return operation_id

    def move(self, operation_id: str, event: Event, actor: str, note: str, **values: Any) -> bool:
        """Move an operation to its next state. False, with nothing changed, where the event does not apply or would
        correct an outcome."""
        change = update_for(event)
        state = ordinary_transition(event)[1]
        if state not in OPEN_STATES:
            values.setdefault("ended_at", self.now.clock)
        moved = bool(carry_out(self.connection, change, {"which": operation_id, **values}))
        if moved:
            self.note(operation_id, state, actor, note)
        return moved

    def change_own(self, change: sa.Update, operation_id: str, **values: Any) -> bool:
        """Change a write that this process has under way. False when it has none with that id."""
        own = {"which": operation_id, "whose": self.owner, **values}
        return bool(carry_out(self.connection, change, own))

    def note(self, operation_id: str, state: State, actor: str, text: str, new: NewOperation | None = None) -> int:
        """Add an entry to the history. Its number."""
        entry = {"operation_id": operation_id, "at": self.now.clock, "state": state, "actor": actor, "note": text}
        number = add_to_history(self.connection, entry)
        about = (new.tool, new.subject) if new else ("", "")
        self.noted.append(Entry(number, operation_id, self.now.clock, *about, stamp=self.now.text()))
        return number

    def locked(self, operation_id: str) -> Operation:
        """An operation that is on record, with its row locked."""
        found = self.one("id", operation_id, lock=True)
        assert found is not None  # noqa: S101 - nothing removes an operation
        return found

    def claim_for(self, operation: Operation, state: State) -> str | None:
        """The claim that belongs to a state, unless another operation holds it by now."""
        held = holds_claim(operation.keeps, state)
        other = self.one("claim", operation.identity) if held else None
        return operation.identity if held and (other is None or other.id == operation.id) else None

    def record_preview(self, operation_id: str, does: str, before: Mapping[str, Any] | None) -> None:
        self.change_own(CHANGE_MINE, operation_id, does=does, before=as_json(before))

    def new_lease(self) -> dict[str, Any]:
        """The columns of a lease that begins now. lease_until: for servers of an earlier version, and for the clock of
        the database."""
        return {"leased": self.now.text(), "lease_until": self.now.clock + self.lease}

    def not_later_than_now(self) -> str:
        """The stamp of a departure that is only known to be in the past."""
        return replace(self.now, exact=False).text()

    def expire(self) -> None:
        """End the writes that a dead process left under way, and the approvals that nobody used.

        The rows are locked. A process that is about to send one of them waits, and then finds that it lost its lease.
        """
        if self.stopped is not None:
            return
        before = {"leased_before": self.now.clock, "approved_before": self.now.clock - APPROVAL_LASTS}
        for row in self.connection.execute(OVERDUE[self.connection.dialect.name], before).all():
            if not holds_resource(row.state):
                self.move(
                    row.id,
                    "approval_expired",
                    THIS_SERVER,
                    "its approval was not used in time",
                    error=as_json(_APPROVAL_EXPIRED),
                )
                continue
            event = event_at_lease_end(
                row.state,
                is_own=row.owner == self.owner and row.id in self.under_way,
                departed=row.sent_at is not None,
                lease_is_over=self._lease_is_over(row.id, row.leased, row.lease_until),
            )
            if event == "lease_ended_unsent":
                note = "the process ended before it sent it"
                self.move(row.id, event, THIS_SERVER, note, error=as_json(_NEVER_SENT))
            elif event == "lease_ended_sent":
                departed = {} if row.departed else {"departed": self.not_later_than_now()}
                note = "the process that sent it is gone"
                self.move(row.id, event, THIS_SERVER, note, error=as_json(SENDER_GONE), **departed)

    def _lease_is_over(self, operation_id: str, leased: str | None, until: float | None) -> bool:
        if (renewed := Stamp.read(leased)) is not None:
            watched = self.seen_for("lease", operation_id, leased)
            return lease_is_over(renewed, self.now, self.lease, one_machine=self.one_machine, watched=watched)
        return until is not None and until < self.now.clock


def as_json(value: Any) -> str | None:
    """JSON for a column, in ASCII, since PostgreSQL accepts no NUL."""
    return None if value is None else json.dumps(value)
