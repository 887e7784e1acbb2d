"""Recording outcomes inside a transaction, also those that correct an earlier one or that the ledger had forgotten."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from server.clocks import AGREE, DEPARTS_WITHIN
from server.ledger.entries import OPEN_STATES, NewOperation, Operation, OperationOutcome, Settlement
from server.ledger.state_machine import (
    edge_of,
    holds_claim,
    may_settle_unsent,
    next_ground,
    next_state,
    ordinary_transition,
)
from server.ledger.statements import CHANGE, INSERT, carry_out
from server.ledger.storage.marks import Entry
from server.ledger.storage.tables import HISTORY, RESTORATIONS
from server.ledger.storage.tables import OPERATIONS as TABLE
from server.ledger.transitions import SENDER_GONE, Transitions, as_json
from tools.effects import LONGEST_REQUEST, Superseded

_APPROVAL_MAY_BE_USED = {
    "code": "unavailable",
    "message": "The record went back in time after it was approved, so it may have been sent: the approval is over.",
}


@dataclass(slots=True, kw_only=True)
class Settlements(Transitions):
    """A transaction that records outcomes."""

    def settle(self, operation_id: str, outcome: OperationOutcome) -> Settlement | None:
        values: dict[str, Any] = {"result": as_json(outcome.result), "error": as_json(outcome.error)}
        values |= {} if outcome.requests is None else {"requests": as_json(outcome.requests)}
        if outcome.event in ("found_unsent", "said_unsent"):
            self.check_writable()
            found = self.locked(operation_id)
            age = found.age_for(by_person=outcome.event == "said_unsent")
            under_way_here = operation_id in self.under_way
            if not may_settle_unsent(age, outcome.settle_after, is_under_way_here=under_way_here):
                return None
        if outcome.history_length not in (None, self._history_length(operation_id)):
            return None
        if outcome.event == "answer_lost":
            values |= self._later_departure(operation_id)
        if self.move(operation_id, outcome.event, outcome.actor, outcome.note, **values):
            settlement = Settlement(outcome.state)
        elif (corrected := self._correct(operation_id, outcome, values)) is not None:
            settlement = corrected
        else:
            return None
        if settlement.state == "succeeded" and outcome.supersedes:
            found = self.locked(operation_id)
            for ends in outcome.supersedes:
                self._supersede(found, ends, outcome.actor)
        return settlement

    def _history_length(self, operation_id: str) -> int:
        """The number of entries in an operation's history. Its row is locked first, so that none is added meanwhile."""
        self.one("id", operation_id, lock=True)
        counted = sa.select(sa.func.count()).where(HISTORY.c.operation_id == operation_id)
        return self.connection.execute(counted).scalar_one()

    def _later_departure(self, operation_id: str) -> dict[str, Any]:
        """The departure of a write whose sender reports a lost answer later than a request lives.

        Such a sender was held up, so the request may have been sent long after the recorded departure. The time after
        which it may be settled therefore begins now.
        """
        found = self.one("id", operation_id, lock=True)
        if found is None or (found.age is not None and found.age.at_most < DEPARTS_WITHIN + LONGEST_REQUEST + AGREE):
            return {}
        return {"departed": self.not_later_than_now()}

    def _correct(self, operation_id: str, outcome: OperationOutcome, values: Mapping[str, Any]) -> Settlement | None:
        """Replace an outcome that had been concluded. None where the state table does not let this one replace it."""
        found = self.one("id", operation_id, lock=True)
        edge = found and edge_of(found.state, outcome.event, found.ground)
        if found is None or edge is None:
            return None
        others = self._made_since(found) if found.state == "failed" and edge.next != "failed" else ()
        settlement = Settlement(edge.next, replaced=found.state, others=others, event=outcome.event)
        changes: dict[str, Any] = {
            **values,
            "state": edge.next,
            "ground": next_ground(found.state, outcome.event, found.ground),
            "claim": self.claim_for(found, edge.next),
            "ended_at": None if edge.next in OPEN_STATES else self.now.clock,
        }
        note = outcome.note
        if (correction := settlement.correction) is not None:
            corrected = {"was": found.state, "at": self.now.clock, "others": list(others), "event": outcome.event}
            changes["corrected"] = as_json(corrected)
            note = f"{note} {correction.what} {correction.next_step}"
        carry_out(self.connection, CHANGE, {"which": operation_id, **changes})
        self.note(operation_id, edge.next, outcome.actor, note)
        if edge.next == "failed" and found.state != "failed":
            self._undo_supersessions(found, outcome.actor)
        return settlement

    def _made_since(self, found: Operation) -> tuple[str, ...]:
        """The ids of the other operations that may have done the same again."""
        same = sa.or_(TABLE.c.identity == found.identity, TABLE.c.fingerprint == found.fingerprint)
        about = (TABLE.c.scope == found.scope) & (TABLE.c.tool == found.tool) & (TABLE.c.subject == found.subject)
        undone = TABLE.c.state.in_(["failed", "rejected"])
        sent = (TABLE.c.departure > (found.departure or 0)) & sa.not_(undone)
        later = sa.or_(sent, TABLE.c.state.in_(["awaiting_approval", "approved", "sending"]))
        made = sa.select(TABLE.c.id).where(about, same, later, TABLE.c.id != found.id)
        return tuple(row[0] for row in self.connection.execute(made.order_by(TABLE.c.created_at, TABLE.c.id)))

    def _supersede(self, by: Operation, which: Superseded, actor: str) -> None:
        successes = self.on_resource(by.scope, by.resource, ("succeeded",), by.id)
        # a success that is found late supersedes nothing that was made after it
        last = by.departure or sys.maxsize
        earlier = {one.id: one for one in successes if one.tool == which.tool and (one.departure or 0) < last}
        for superseded in which.select([operation.past() for operation in earlier.values()]):
            self.move(superseded, "superseded", actor, _superseded_by(by))

    def _undo_supersessions(self, by: Operation, actor: str) -> None:
        """Restore the operations that a write was thought to have superseded, once it is known that it did nothing."""
        superseded = sa.select(HISTORY.c.operation_id).where(
            HISTORY.c.note == _superseded_by(by), HISTORY.c.state == "superseded"
        )
        for (operation_id,) in self.connection.execute(superseded).all():
            found = self.locked(operation_id)
            if (state := next_state(found.state, "supersession_undone")) is not None:
                change = {"state": state, "claim": self.claim_for(found, state)}
                carry_out(self.connection, CHANGE, {"which": operation_id, **change})
                self.note(operation_id, state, actor, f"not ended by {by.tool}, {by.id}: that was not done")

    def recover(self, operation_id: str, new: NewOperation, outcome: OperationOutcome) -> Settlement | None:
        """Record a write again that its sender had under way when the ledger went back in time and forgot it.

        None when the ledger still has it, or when nothing was carried out.
        """
        state, ground = ordinary_transition(outcome.event)[1:]
        if state not in ("succeeded", "in_doubt") or self.one("id", operation_id) is not None:
            return None
        claim = new.identity if holds_claim(new.keeps, state) and self.one("claim", new.identity) is None else None
        self.insert(INSERT, new, None, operation_id=operation_id, claim=claim)
        others = self._made_since(self.locked(operation_id))
        corrected = {"was": "failed", "at": self.now.clock, "others": list(others), "event": "forgotten"}
        changes: dict[str, Any] = {
            "state": state,
            "ground": ground,
            "result": as_json(outcome.result),
            "error": as_json(outcome.error),
            "requests": as_json(outcome.requests or []),
            "corrected": as_json(corrected),
            "sent_at": self.now.clock,
            "departed": self.not_later_than_now(),
            "ended_at": None if state in OPEN_STATES else self.now.clock,
        }
        settlement = Settlement(state, replaced="failed", others=others, event="forgotten")
        note = f"{outcome.note}. {settlement.correction.what if settlement.correction else ''}"
        changes["departure"] = self.note(operation_id, state, outcome.actor, note)
        carry_out(self.connection, CHANGE, {"which": operation_id, **changes})
        return settlement

    def resume_writes(self, actor: str, note: str, lost: Sequence[Entry]) -> tuple[str, ...]:
        """Let writes go on after the ledger went back in time. The ids of the approvals that end with it.

        A write that was under way then may have departed, and an approved one may have been sent.
        """
        values = {"at": self.now.clock, "actor": actor, "note": note, "lost": as_json([one.operation for one in lost])}
        self.connection.execute(RESTORATIONS.insert().values(values))
        under_way = TABLE.select().where(TABLE.c.state == "sending")
        for row in self.connection.execute(under_way).all():
            departed = {} if row.departed else {"departed": self.not_later_than_now(), "sent_at": self.now.clock}
            what = "the ledger went back in time: it may have departed"
            self.move(row.id, "lease_ended_sent", actor, what, error=as_json(SENDER_GONE), **departed)
        approved = sa.select(TABLE.c.id).where(TABLE.c.state == "approved").order_by(TABLE.c.created_at)
        ended = tuple(row.id for row in self.connection.execute(approved).all())
        for operation_id in ended:
            what = "the ledger went back in time: its approval may have been used"
            self.move(operation_id, "approval_withdrawn", actor, what, error=as_json(_APPROVAL_MAY_BE_USED))
        return ended


def _superseded_by(write: Operation) -> str:
    """The note in the history of what a write superseded. It is also looked up by this text."""
    return f"ended by {write.tool}, {write.id}"
