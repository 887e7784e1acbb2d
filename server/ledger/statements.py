"""The statements of every write on record, each put together once: SQLAlchemy takes longer over that than the database
over carrying it out."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import Dialect

from server.ledger.state_machine import HELD_IN, Event, holds_resource, next_ground, ordinary
from server.ledger.storage.tables import HISTORY
from server.ledger.storage.tables import OPERATIONS as TABLE

FIND = {
    name: TABLE.select().where(TABLE.c[name] == sa.bindparam("wanted")) for name in ("id", "claim", "busy", "question")
}
FIND_LOCKED = {name: query.with_for_update() for name, query in FIND.items()}


def _is_in(event: Event) -> sa.ColumnElement[bool]:
    """It is in a state from which the event leads on; told in full, since a statement is kept as its text."""
    return sa.or_(*(TABLE.c.state == state for state in ordinary(event)[0]))


_UNDER_WAY = _is_in("lease_ended_sent")
_UNUSED = sa.and_(_is_in("approval_expired"), TABLE.c.approved_at < sa.bindparam("approved_before"))
_ENDED = sa.and_(_UNDER_WAY, TABLE.c.lease_until < sa.bindparam("leased_before"))
OVER: Mapping[str, sa.Select[Any]] = {
    "sqlite": TABLE.select().where(sa.or_(_UNDER_WAY, _UNUSED)),
    "postgresql": TABLE.select().where(sa.or_(_ENDED, _UNUSED)).with_for_update(skip_locked=True),
}
"""What dead processes may have left under way, and the approvals that nobody used; by dialect. In a file the wall clock
rules nothing out, and nobody else is in the middle of anything."""

INSERT = TABLE.insert()
INSERT_IF_FREE: Mapping[str, sa.Insert] = {
    "sqlite": sqlite.insert(TABLE).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(TABLE).on_conflict_do_nothing(),
}
"""Inserts nothing where one of the unique columns is taken; by dialect."""
NOTE: Mapping[str, sa.Insert] = {
    "sqlite": HISTORY.insert().inline(),
    "postgresql": HISTORY.insert().inline().returning(HISTORY.c.number),
}
CHANGE = TABLE.update().where(TABLE.c.id == sa.bindparam("which"))
CHANGE_MINE = CHANGE.where(TABLE.c.owner == sa.bindparam("whose"), _is_in("departed"))

_REQUEST = sa.bindparam("request", type_=sa.Text)
DEPART = CHANGE_MINE.values(
    requests=sa.case(
        (TABLE.c.requests == "[]", "[" + _REQUEST + "]"),
        else_=sa.func.substr(TABLE.c.requests, 1, sa.func.length(TABLE.c.requests) - 1) + ", " + _REQUEST + "]",
    )
)
"""One more request at the end of the list."""


@functools.cache
def into(event: Event) -> sa.Update:
    """The transition that an event is where it corrects no outcome, with what it means for claim and resource."""
    states, target, ground = ordinary(event)
    holds = [
        # what gave its claim up to another one does not take it back on its way
        (TABLE.c.keeps == keeps, TABLE.c.claim if set(states) <= set(held) else TABLE.c.identity)
        for keeps, held in HELD_IN.items()
        if target in held
    ]
    free: dict[str, Any] = {} if holds_resource(target) else {"busy": None, "lease_until": None}
    if ground is not None or next_ground(states[0], event, "inference") is None:
        free["ground"] = ground
    # SQL's NULL is told as such: a statement that is kept has no place for a value of None
    claim = sa.case(*holds) if holds else sa.null()
    change = CHANGE.values(state=target, claim=claim, **free)
    return change.where(_is_in(event))


def note(connection: Connection, values: Mapping[str, Any]) -> int:
    """Add an entry to the history; its number."""
    statement = NOTE[connection.dialect.name]
    text, fixed, order = _put_together(statement, connection.dialect, tuple(values))
    given = {**fixed, **values}
    told = given if order is None else tuple(given[name] for name in order)
    added = connection.exec_driver_sql(text, told)
    return int(added.lastrowid if connection.dialect.name == "sqlite" else added.scalar_one())


def carry_out(connection: Connection, statement: sa.Insert | sa.Update, values: Mapping[str, Any]) -> int:
    """How many rows it changed. values: of its columns and parameters. Raises sqlalchemy.exc.SQLAlchemyError."""
    text, fixed, order = _put_together(statement, connection.dialect, tuple(values))
    given = {**fixed, **values}
    told = given if order is None else tuple(given[name] for name in order)
    return connection.exec_driver_sql(text, told, {"preserve_rowcount": True}).rowcount


@functools.lru_cache(maxsize=256)
def _put_together(
    statement: sa.Insert | sa.Update, dialect: Dialect, names: tuple[str, ...]
) -> tuple[str, Mapping[str, Any], Sequence[str] | None]:
    """In the words of one database: the text, what it is given each time, and, where it is given that by position, in
    which order."""
    compiled = statement.compile(dialect=dialect, column_keys=names)
    assert isinstance(compiled, sa.sql.compiler.SQLCompiler)  # noqa: S101 - these are no DDL
    return str(compiled), compiled.params, compiled.positiontup
