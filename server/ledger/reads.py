"""Reading operations and their history inside one transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from server.clocks import Stamp, age, readings
from server.ledger.entries import HistoryEntry, Operation, OperationFilter, StateCount
from server.ledger.statements import FIND, FIND_LOCKED
from server.ledger.storage.database import MOST_WATCHED, Transaction
from server.ledger.storage.durability import durability
from server.ledger.storage.tables import HISTORY, RESTORATIONS
from server.ledger.storage.tables import OPERATIONS as TABLE
from tools.effects import State

_JSON = ("arguments", "before", "requests", "result", "error", "plan", "corrected")
_COLUMNS = tuple(name for name in Operation.__slots__ if name in TABLE.c)


@dataclass(slots=True)
class Reads(Transaction):
    """A transaction that reads."""

    def expire(self) -> None:
        """End what is over by time before it is read. `Transitions` does so; a transaction that only reads does
        nothing."""

    def durability(self) -> Sequence[str]:
        return durability(self.connection)

    def list_with_history(self, wanted: OperationFilter) -> list[tuple[Operation, list[HistoryEntry]]]:
        self.expire()
        found = self._page(wanted, self._conditions(wanted))
        history = self.history([operation.id for operation in found])
        return [(operation, history[operation.id]) for operation in found]

    def list(self, wanted: OperationFilter) -> tuple[list[Operation], int]:
        self.expire()
        conditions = self._conditions(wanted)
        count = sa.select(sa.func.count()).select_from(TABLE).where(*conditions)
        return self._page(wanted, conditions), self.connection.execute(count).scalar_one()

    def _conditions(self, wanted: OperationFilter) -> list[sa.ColumnElement[bool]]:
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
        if wanted.corrected:
            conditions.append(TABLE.c.corrected.is_not(None))
        if wanted.older_than is not None:
            conditions.append(sa.tuple_(TABLE.c.created_at, TABLE.c.id) < wanted.older_than)
        return conditions

    def _page(self, wanted: OperationFilter, conditions: Sequence[sa.ColumnElement[bool]]) -> list[Operation]:
        newest = TABLE.select().where(*conditions).order_by(TABLE.c.created_at.desc(), TABLE.c.id.desc())
        rows = self.connection.execute(newest.limit(wanted.limit).offset(wanted.offset))
        return [self.read(row) for row in rows]

    def counts(self, scopes: Collection[str]) -> dict[State, int]:
        self.expire()
        here = TABLE.c.scope.in_(list(scopes))
        counted = sa.select(TABLE.c.state, sa.func.count()).where(here).group_by(TABLE.c.state)
        return {row[0]: row[1] for row in self.connection.execute(counted)}

    def tally(self) -> Sequence[StateCount]:
        self.expire()
        since = sa.func.min(sa.func.coalesce(TABLE.c.sent_at, TABLE.c.created_at))
        counted = sa.select(TABLE.c.scope, TABLE.c.state, sa.func.count(), since).group_by(TABLE.c.scope, TABLE.c.state)
        return [StateCount(row[0], row[1], row[2], row[3]) for row in self.connection.execute(counted)]

    def on_resource(self, scope: str, resource: str, states: Collection[State], excluding: str) -> Sequence[Operation]:
        same = (TABLE.c.scope == scope) & (TABLE.c.resource == resource) & (TABLE.c.id != excluding)
        if states:
            same &= TABLE.c.state.in_(list(states))
        others = TABLE.select().where(same).order_by(TABLE.c.created_at, TABLE.c.id)
        return [self.read(row) for row in self.connection.execute(others)]

    def history(self, ids: Sequence[str]) -> dict[str, list[HistoryEntry]]:
        """The history of each operation, by its id."""
        history: dict[str, list[HistoryEntry]] = {operation_id: [] for operation_id in ids}
        rows = HISTORY.select().where(HISTORY.c.operation_id.in_(ids)).order_by(HISTORY.c.number)
        for row in self.connection.execute(rows):
            history[row.operation_id].append(HistoryEntry(at=row.at, state=row.state, actor=row.actor, note=row.note))
        return history

    def one(self, column: str, value: str, *, lock: bool = False) -> Operation | None:
        """The operation with this value in a column that is unique."""
        row = self.connection.execute((FIND_LOCKED if lock else FIND)[column], {"wanted": value}).first()
        return None if row is None else self.read(row)

    def read(self, row: sa.Row[Any]) -> Operation:
        columns = {name: getattr(row, name) for name in _COLUMNS}
        values = {name: _json(value) if name in _JSON else value for name, value in columns.items()}
        if not isinstance(values["requests"], list):
            values["requests"] = []
        departed = Stamp.read(row.departed)
        if departed is not None:
            watched = self.seen_for("departure", row.id, row.departed) if _may_be_settled(row) else None
            values["age"] = age(departed, self.now, one_machine=self.one_machine, watched=watched)
            values["clocks"] = readings(departed, self.now, one_machine=self.one_machine, watched=watched)
        return Operation(**values)

    def watch(self) -> None:
        """Notice every open departure and lease, so that this process's own clock can say how long each is
        unchanged."""
        if self.one_machine:
            return
        columns = (TABLE.c.id, TABLE.c.state, TABLE.c.leased, TABLE.c.departed)
        open_ = sa.select(*columns).where(TABLE.c.state.in_(["sending", "in_doubt"]))
        for row in self.connection.execute(open_.order_by(TABLE.c.created_at.desc()).limit(MOST_WATCHED // 2)):
            self.seen_for("departure", row.id, row.departed)
            if row.state == "sending":
                self.seen_for("lease", row.id, row.leased)

    def seen_for(self, what: str, operation_id: str, text: str | None) -> float | None:
        """For how many seconds this process has seen a departure or lease unchanged. None where all processes that
        share the ledger have the same clocks."""
        return None if self.one_machine or not text else self.watched(f"{what} {operation_id}", text)

    def restorations(self) -> Sequence[tuple[float, str, str]]:
        """The time, the actor and the note of each, the newest first."""
        columns = (RESTORATIONS.c.at, RESTORATIONS.c.actor, RESTORATIONS.c.note)
        rows = self.connection.execute(sa.select(*columns).order_by(RESTORATIONS.c.number.desc()))
        return [(row[0], row[1], row[2]) for row in rows]


def _may_be_settled(row: sa.Row[Any]) -> bool:
    return row.state in ("sending", "in_doubt") or row.ground == "inference"


def _json(value: str | None) -> Any:
    """The JSON of a column. Damaged JSON is shown as such, so that the other operations can still be read."""
    if not value:
        return None
    try:
        return json.loads(value)
    except ValueError:
        return {"unreadable": value[:1000]}
