"""One transaction of the ledger: claiming a write, recording its departure, and a person's decision on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from server.ledger.entries import (
    AlreadyRecorded,
    HistoryEntry,
    InDoubtAlready,
    LeaseLost,
    NewOperation,
    Operation,
    Recorded,
    ResourceBusy,
    digest,
)
from server.ledger.settlements import Settlements
from server.ledger.state_machine import next_state
from server.ledger.statements import CHANGE, DEPARTURE, INSERT, INSERT_IF_FREE, carry_out
from server.ledger.storage.tables import OPERATIONS as TABLE
from server.ledger.transitions import THIS_SERVER, as_json
from tools.spelling import normalized_id

_REPLACED = {"code": "conflict", "message": "What it would do changed before it was sent, so it waits anew as %s."}


@dataclass(slots=True, kw_only=True)
class LedgerTransaction(Settlements):
    """What `server.ledger.operations.Ledger` can do in one transaction."""

    def claim(self, new: NewOperation) -> Recorded | AlreadyRecorded | ResourceBusy:
        return self._record(new, digest(new.scope, new.resource))

    def request_approval(self, new: NewOperation) -> Recorded | AlreadyRecorded | ResourceBusy:
        return self._record(new, None)

    def _record(self, new: NewOperation, busy: str | None) -> Recorded | AlreadyRecorded | ResourceBusy:
        """Insert the write if no unique column is taken. busy: names the resource; None for a write that waits.

        Raises InDoubtAlready, after which the transaction must be rolled back.
        """
        self.check_writable()
        operation_id = self.insert(INSERT_IF_FREE[self.connection.dialect.name], new, busy)
        recorded = Recorded(operation_id) if operation_id else self._taken_by(new, busy)
        if isinstance(recorded, Recorded):
            self._check_doubts(new)
        return recorded

    def _check_doubts(self, new: NewOperation | Operation) -> None:
        """Raises InDoubtAlready when the same write is in doubt.

        The check comes after the claim. In PostgreSQL the claim may have waited for another transaction, and only a
        later statement sees what that one did.
        """
        if (doubt := self._same_in_doubt(new)) is not None:
            raise InDoubtAlready(doubt)

    def _taken_by(self, new: NewOperation, busy: str | None) -> Recorded | AlreadyRecorded | ResourceBusy:
        """What keeps the write from being inserted, after anything that a dead process left has been ended."""
        if (existing := self.existing_operation(new)) is not None:
            return AlreadyRecorded(existing)
        if new.question is not None and (used := self.one("question", new.question)) is not None:
            return AlreadyRecorded(used)
        if busy and (other := self.one("busy", busy)) is not None:
            # it may be the same write, claimed by another process since the look above
            existing = self.one("claim", new.identity)
            return ResourceBusy(other) if existing is None else AlreadyRecorded(existing)
        return Recorded(self.insert(INSERT, new, busy))

    def claim_approved(self, operation_id: str, actor: str) -> Recorded | AlreadyRecorded | ResourceBusy:
        """Raises InDoubtAlready, after which the transaction must be rolled back."""
        self.check_writable()
        self.expire()
        found = self.locked(operation_id)
        if next_state(found.state, "taken_up") is None:
            return AlreadyRecorded(found)
        busy = digest(found.scope, found.resource)
        if (other := self.one("busy", busy)) is not None:
            return ResourceBusy(other)
        self.claimed = True
        held = {"busy": busy, "owner": self.owner, **self.new_lease()}
        if not self.move(operation_id, "taken_up", actor, "taken up after its approval", **held):
            return AlreadyRecorded(self.locked(operation_id))
        self._check_doubts(found)
        return Recorded(operation_id)

    def replace_waiting(self, operation_id: str, new: NewOperation) -> Recorded | AlreadyRecorded:
        self.check_writable()
        # only one operation can hold the claim, so the old one gives it up before the new one takes it
        if not self.move(operation_id, "plan_changed", new.principal, "what it would do changed before it was sent"):
            return AlreadyRecorded(self.locked(operation_id))
        other = self.insert(INSERT, new, None)
        error = {**_REPLACED, "message": _REPLACED["message"] % other}
        carry_out(self.connection, CHANGE, {"which": operation_id, "error": as_json(error)})
        return Recorded(other)

    def existing_operation(self, new: NewOperation) -> Operation | None:
        self.expire()
        return self.one("claim", new.identity) or self._same_in_doubt(new)

    def _same_in_doubt(self, new: NewOperation | Operation) -> Operation | None:
        """An operation in doubt of the same tool on the same object, also under another key or with the id in another
        spelling: neither is a way around a doubt.

        Other changes to the same object, without a key, may be made meanwhile: they are not the same write.
        """
        if new.keeps == "sending":
            return None
        same = (TABLE.c.scope == new.scope) & (TABLE.c.state == "in_doubt") & (TABLE.c.tool == new.tool)
        if new.keeps != "success" and new.idempotency_key is None:
            same &= TABLE.c.fingerprint == new.fingerprint
        subjects = self.connection.execute(
            sa.select(TABLE.c.id, TABLE.c.subject).where(same).order_by(TABLE.c.created_at)
        )
        subject = _normalized(new.subject)
        found = next((one.id for one in subjects if _normalized(one.subject) == subject), None)
        return None if found is None else self.one("id", found)

    def newest_rejection(self, new: NewOperation, since: float) -> Operation | None:
        newest = TABLE.select().where(TABLE.c.identity == new.identity).order_by(TABLE.c.created_at.desc()).limit(1)
        for found in map(self.read, self.connection.execute(newest)):
            if found.state == "rejected" and (found.ended_at or 0) >= since:
                return found
        return None

    def record_departure(self, operation_id: str, request: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
        """Raises LeaseLost, after which the transaction must be rolled back."""
        self.check_writable()
        what = f"departure recorded: {request.get('method')} {request.get('path')}"
        values: dict[str, Any] = {
            "request": as_json(request),
            "sent_at": self.now.clock,
            "departed": self.now.text(),
            "departure": self.note(operation_id, "sending", THIS_SERVER, what),
            **self.new_lease(),
            **({} if before is None else {"before": as_json(before)}),
        }
        if not self.change_own(DEPARTURE, operation_id, **values):
            raise LeaseLost

    def renew_leases(self, ids: Collection[str]) -> None:
        self.watch()
        if not ids:
            return
        own = (TABLE.c.owner == self.owner) & (TABLE.c.state == "sending") & TABLE.c.id.in_(list(ids))
        self.connection.execute(TABLE.update().where(own).values(self.new_lease()))

    def decide(self, operation_id: str, *, approve: bool, actor: str, note: str) -> Operation | None:
        found = self.one("id", operation_id, lock=True)
        if found is None:
            return None
        if approve and next_state(found.state, "approved"):
            if found.state == "rejected" and self.one("claim", found.identity) is not None:
                return found
            approval: dict[str, Any] = {"approved_by": actor, "approved_at": self.now.clock}
            approval |= {"error": None, "ended_at": None}
            self.move(operation_id, "approved", actor, note or "approved", **approval)
        elif not approve and next_state(found.state, "rejected"):
            error = {"code": "rejected", "message": f"A person rejected it: {note or 'no reason was given'}."}
            self.move(operation_id, "rejected", actor, note or "rejected", error=as_json(error))
        return self.locked(operation_id)

    def get(self, operation_id: str) -> tuple[Operation, list[HistoryEntry]] | None:
        self.expire()
        found = self.one("id", operation_id)
        if found is not None and found.state == "in_doubt" and found.age is None and not self.stopped:
            # a server of an earlier version, which stores no stamp, sent it while this server was running
            carry_out(self.connection, CHANGE, {"which": operation_id, "departed": self.not_later_than_now()})
        return (found, self.history([operation_id])[operation_id]) if found else None


def _normalized(subject: str) -> str:
    """A subject in one spelling, for a comparison."""
    return normalized_id(unquote(subject))
