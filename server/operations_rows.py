"""What the record of writes does inside one transaction; see `server.operations` for what it means."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from server.operations import (
    APPROVAL_LASTS,
    OPEN_STATES,
    Begun,
    Busy,
    Ending,
    New,
    Operation,
    Step,
    Taken,
    Tally,
    Wanted,
    digest,
)
from server.operations_statements import (
    CHANGE,
    CHANGE_MINE,
    DEPART,
    FIND,
    FIND_LOCKED,
    INSERT,
    INSERT_IF_FREE,
    NOTE,
    OVER,
    carry_out,
    into,
)
from server.operations_tables import HISTORY
from server.operations_tables import OPERATIONS as TABLE
from tools.states import State
from tools.writes import Ends

_LEFT_BEHIND = {
    "code": "in_doubt",
    "message": "The process that sent it ended before the answer came: it may or may not have been carried out.",
}
_NEVER_LEFT = {"code": "unavailable", "message": "The process ended, or stood still, before anything was sent."}
_STALE = {"code": "unavailable", "message": "It was approved and not sent within a day, so the approval is over."}
_REPLACED = {"code": "conflict", "message": "What it would do changed before it was sent, so it waits anew as %s."}


@dataclass(frozen=True, slots=True)
class Record:
    """now: seconds since the epoch. owner: this process. lease: seconds."""

    connection: Connection
    now: float
    owner: str
    lease: float

    def begin(self, new: New, *, awaiting: bool) -> Begun | Taken | Busy:
        busy = None if awaiting else digest(new.scope, new.resource)
        begun = self._record(INSERT_IF_FREE[self.connection.dialect.name], new, busy)
        return Begun(begun) if begun else self._begin_against(new, busy)

    def _begin_against(self, new: New, busy: str | None) -> Begun | Taken | Busy:
        """Something is in its place: what a dead process left, or what stands."""
        if (standing := self.standing(new)) is not None:
            return Taken(standing)
        if new.question is not None and (used := self._one("question", new.question)) is not None:
            return Taken(used)
        if busy and (other := self._one("busy", busy)) is not None:
            # it may be the same write, begun by another process since the look above
            standing = self._one("claim", new.identity)
            return Busy(other) if standing is None else Taken(standing)
        return Begun(self._record(INSERT, new, busy))

    def replace(self, operation_id: str, new: New) -> Begun | Taken:
        found = self._of(operation_id)
        if found.state not in ("awaiting_approval", "approved"):
            return Taken(found)
        # the claim is one alone: it is given up before the other takes it
        self._move(operation_id, "failed", new.principal, "what it would do changed before it was sent")
        other = self._record(INSERT, new, None)
        error = {**_REPLACED, "message": _REPLACED["message"] % other}
        carry_out(self.connection, CHANGE, {"which": operation_id, "error": _text(error)})
        return Begun(other)

    def _record(self, insert: sa.Insert, new: New, busy: str | None) -> str:
        """Record a write that is sent now or, without `busy`, waits. The id is empty when nothing was inserted."""
        operation_id = f"op_{int(self.now * 1000):011x}{secrets.token_hex(4)}"
        state: State = "sending" if busy else "awaiting_approval"
        identity = new.identity
        inserted = carry_out(
            self.connection,
            insert,
            {
                "id": operation_id,
                "scope": new.scope,
                "tool": new.tool,
                "subject": new.subject,
                "resource": new.resource,
                "idempotency_key": new.idempotency_key,
                "identity": identity,
                "claim": identity,
                "busy": busy,
                "keeps": new.keeps,
                "fingerprint": new.fingerprint,
                "state": state,
                "principal": new.principal,
                "does": new.does,
                "arguments": _text(new.arguments),
                "requests": "[]",
                "plan": _text(new.plan),
                "question": new.question,
                "caller": new.caller,
                "created_at": self.now,
                "owner": self.owner,
                "lease_until": self.now + self.lease if busy else None,
            },
        )
        if not inserted:
            return ""
        self._note(operation_id, state, new.principal, new.note)
        return operation_id

    def start(self, operation_id: str, actor: str) -> Begun | Taken | Busy:
        self.expire()
        found = self._of(operation_id)
        if found.state != "approved":
            return Taken(found)
        busy = digest(found.scope, found.resource)
        if (other := self._one("busy", busy)) is not None:
            return Busy(other)
        started = self.connection.execute(
            TABLE.update()
            .where(TABLE.c.id == operation_id, TABLE.c.state == "approved")
            .values(state="sending", busy=busy, owner=self.owner, lease_until=self.now + self.lease)
        )
        if not started.rowcount:
            return Taken(self._of(operation_id))
        self._note(operation_id, "sending", actor, "taken up after its approval")
        return Begun(operation_id)

    def standing(self, new: New) -> Operation | None:
        self.expire()
        return self._one("claim", new.identity)

    def rejected(self, new: New, since: float) -> Operation | None:
        newest = TABLE.select().where(TABLE.c.identity == new.identity).order_by(TABLE.c.created_at.desc()).limit(1)
        for found in map(_operation, self.connection.execute(newest)):
            if found.state == "rejected" and (found.ended_at or 0) >= since:
                return found
        return None

    def keep_brief(self, operation_id: str, does: str, before: Mapping[str, Any] | None) -> None:
        self._mine(CHANGE_MINE, operation_id, does=does, before=_text(before))

    def depart(self, operation_id: str, request: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
        kept = {} if before is None else {"before": _text(before)}
        leaves: dict[str, Any] = {
            "request": _text(request),
            "sent_at": self.now,
            "lease_until": self.now + self.lease,
            **kept,
        }
        return self._mine(DEPART, operation_id, **leaves)

    def renew(self) -> None:
        mine = (TABLE.c.owner == self.owner) & (TABLE.c.state == "sending")
        self.connection.execute(TABLE.update().where(mine).values(lease_until=self.now + self.lease))

    def settle(self, operation_id: str, ending: Ending) -> bool:
        values: dict[str, Any] = {"result": _text(ending.result), "error": _text(ending.error)}
        values |= {} if ending.requests is None else {"requests": _text(ending.requests)}
        only_from = tuple(ending.only_from)
        if not self._move(operation_id, ending.state, ending.actor, ending.note, only_from, **values):
            return False
        if ending.state == "succeeded" and ending.supersedes:
            found = self._of(operation_id)
            for ends in ending.supersedes:
                self._supersede(found, ends, ending.actor)
        return True

    def decide(self, operation_id: str, *, approve: bool, actor: str, note: str) -> Operation | None:
        found = self._one("id", operation_id, lock=True)
        if found is None:
            return None
        if approve and found.state in ("awaiting_approval", "rejected"):
            if found.state == "rejected" and self._one("claim", found.identity) is not None:
                return found
            approval: dict[str, Any] = {"approved_by": actor, "approved_at": self.now, "error": None, "ended_at": None}
            self._move(operation_id, "approved", actor, note or "approved", **approval)
        elif not approve and found.state in ("awaiting_approval", "approved"):
            error = {"code": "rejected", "message": f"A person rejected it: {note or 'no reason was given'}."}
            self._move(operation_id, "rejected", actor, note or "rejected", error=_text(error))
        return self._of(operation_id)

    def get(self, operation_id: str) -> tuple[Operation, list[Step]] | None:
        self.expire()
        found = self._one("id", operation_id)
        return (found, self._steps([operation_id])[operation_id]) if found else None

    def whole(self, wanted: Wanted) -> list[tuple[Operation, list[Step]]]:
        self.expire()
        found = self._page(wanted, self._conditions(wanted))
        steps = self._steps([operation.id for operation in found])
        return [(operation, steps[operation.id]) for operation in found]

    def list(self, wanted: Wanted) -> tuple[list[Operation], int]:
        self.expire()
        conditions = self._conditions(wanted)
        count = sa.select(sa.func.count()).select_from(TABLE).where(*conditions)
        return self._page(wanted, conditions), self.connection.execute(count).scalar_one()

    def _conditions(self, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
        conditions: list[sa.ColumnElement[bool]] = []
        if wanted.scopes is not None:
            conditions.append(TABLE.c.scope.in_(list(wanted.scopes)))
        if wanted.states:
            conditions.append(TABLE.c.state.in_(list(wanted.states)))
        if wanted.tool is not None:
            conditions.append(TABLE.c.tool == wanted.tool)
        if wanted.text is not None:
            inside = (column.icontains(wanted.text, autoescape=True) for column in (TABLE.c.subject, TABLE.c.does))
            conditions.append(sa.or_(*inside, TABLE.c.id == wanted.text))
        if wanted.caller is not None:
            conditions.append(TABLE.c.caller == wanted.caller)
        if wanted.older_than is not None:
            conditions.append(sa.tuple_(TABLE.c.created_at, TABLE.c.id) < wanted.older_than)
        return conditions

    def _page(self, wanted: Wanted, conditions: Sequence[sa.ColumnElement[bool]]) -> list[Operation]:
        newest = TABLE.select().where(*conditions).order_by(TABLE.c.created_at.desc(), TABLE.c.id.desc())
        rows = self.connection.execute(newest.limit(wanted.limit).offset(wanted.offset))
        return [_operation(row) for row in rows]

    def counts(self, scopes: Collection[str]) -> dict[State, int]:
        self.expire()
        here = TABLE.c.scope.in_(list(scopes))
        counted = sa.select(TABLE.c.state, sa.func.count()).where(here).group_by(TABLE.c.state)
        return {row[0]: row[1] for row in self.connection.execute(counted)}

    def tally(self) -> Sequence[Tally]:
        self.expire()
        since = sa.func.min(sa.func.coalesce(TABLE.c.sent_at, TABLE.c.created_at))
        counted = sa.select(TABLE.c.scope, TABLE.c.state, sa.func.count(), since).group_by(TABLE.c.scope, TABLE.c.state)
        return [Tally(row[0], row[1], row[2], row[3]) for row in self.connection.execute(counted)]

    def near(self, scope: str, resource: str, states: Collection[State], but: str) -> Sequence[Operation]:
        same = (TABLE.c.scope == scope) & (TABLE.c.resource == resource) & (TABLE.c.id != but)
        if states:
            same &= TABLE.c.state.in_(list(states))
        others = TABLE.select().where(same).order_by(TABLE.c.created_at, TABLE.c.id)
        return [_operation(row) for row in self.connection.execute(others)]

    def expire(self) -> None:
        """Settle what a dead process left under way, and approvals that nobody used.

        The rows are locked: a process that is about to send one waits, and then finds that it is no longer its own.
        """
        before = {"leased_before": self.now, "approved_before": self.now - APPROVAL_LASTS}
        for operation in map(_operation, self.connection.execute(OVER, before).all()):
            if operation.state == "approved":
                state, note, error = "failed", "its approval was not used in time", _STALE
            elif operation.sent_at is None:
                state, note, error = "failed", "the process ended before it sent it", _NEVER_LEFT
            else:
                state, note, error = "in_doubt", "the process that sent it is gone", _LEFT_BEHIND
            self._move(operation.id, state, _SELF, note, error=_text(error))

    def _supersede(self, by: Operation, ends: Ends, actor: str) -> None:
        near = self.near(by.scope, by.resource, ("succeeded",), by.id)
        # a success that is found late ends nothing that was made after it
        before = by.sent_at or self.now
        standing = {one.id: one for one in near if one.tool == ends.tool and (one.sent_at or 0.0) <= before}
        for ended in ends.which([operation.past() for operation in standing.values()]):
            self._move(ended, "superseded", actor, f"ended by {by.tool}, {by.id}")

    def _move(
        self,
        operation_id: str,
        state: State,
        actor: str,
        note: str,
        only_from: tuple[State, ...] = (),
        **values: Any,
    ) -> bool:
        """Another state. only_from: empty for any. False, and nothing changed, when it is in none of them."""
        if state not in OPEN_STATES:
            values.setdefault("ended_at", self.now)
        moved = bool(carry_out(self.connection, into(state, only_from), {"which": operation_id, **values}))
        if moved:
            self._note(operation_id, state, actor, note)
        return moved

    def _mine(self, change: sa.Update, operation_id: str, **values: Any) -> bool:
        """Change a write that this process has under way; False when it has none of that id."""
        mine = {"which": operation_id, "whose": self.owner, **values}
        return bool(carry_out(self.connection, change, mine))

    def _note(self, operation_id: str, state: State, actor: str, note: str) -> None:
        step = {"operation_id": operation_id, "at": self.now, "state": state, "actor": actor, "note": note}
        carry_out(self.connection, NOTE, step)

    def _steps(self, ids: Sequence[str]) -> dict[str, list[Step]]:
        """The history of each."""
        steps: dict[str, list[Step]] = {operation_id: [] for operation_id in ids}
        rows = HISTORY.select().where(HISTORY.c.operation_id.in_(ids)).order_by(HISTORY.c.number)
        for row in self.connection.execute(rows):
            steps[row.operation_id].append(Step(at=row.at, state=row.state, actor=row.actor, note=row.note))
        return steps

    def _of(self, operation_id: str) -> Operation:
        found = self._one("id", operation_id, lock=True)
        assert found is not None  # noqa: S101 - nothing removes a record
        return found

    def _one(self, name: str, wanted: str, *, lock: bool = False) -> Operation | None:
        """By a column that is unique."""
        row = self.connection.execute((FIND_LOCKED if lock else FIND)[name], {"wanted": wanted}).first()
        return None if row is None else _operation(row)


_SELF = "adops-mcp"
_JSON = ("arguments", "before", "requests", "result", "error", "plan")


def _operation(row: sa.Row[Any]) -> Operation:
    told = {name: getattr(row, name) for name in Operation.__slots__}
    read = {name: _read(value) if name in _JSON else value for name, value in told.items()}
    if not isinstance(read["requests"], list):
        read["requests"] = []
    return Operation(**read)


def _read(value: str | None) -> Any:
    """JSON of a column. What is damaged is shown as that: the others have to be seen all the same."""
    if not value:
        return None
    try:
        return json.loads(value)
    except ValueError:
        return {"unreadable": value[:1000]}


def _text(value: Any) -> str | None:
    """JSON for a column, in ASCII: PostgreSQL takes no NUL."""
    return None if value is None else json.dumps(value)
