"""The SQL statements of each write, compiled once: SQLAlchemy takes longer to compile one than the database to run
it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import Dialect

from server.ledger.state_machine import HELD_IN, Event, holds_resource, next_ground, ordinary_transition
from server.ledger.storage.tables import HISTORY
from server.ledger.storage.tables import OPERATIONS as TABLE

FIND = {
    name: TABLE.select().where(TABLE.c[name] == sa.bindparam("wanted")) for name in ("id", "claim", "busy", "question")
}
FIND_LOCKED = {name: query.with_for_update() for name, query in FIND.items()}


def _is_in(event: Event) -> sa.ColumnElement[bool]:
    """The operation is in a state in which the event applies. Each state is compared on its own, since the text of a
    cached statement has a fixed number of parameters."""
    return sa.or_(*(TABLE.c.state == state for state in ordinary_transition(event)[0]))


_UNDER_WAY = _is_in("lease_ended_sent")
_UNUSED = sa.and_(_is_in("approval_expired"), TABLE.c.approved_at < sa.bindparam("approved_before"))
_ENDED = sa.and_(_UNDER_WAY, TABLE.c.lease_until < sa.bindparam("leased_before"))
OVERDUE: Mapping[str, sa.Select[Any]] = {
    "sqlite": TABLE.select().where(sa.or_(_UNDER_WAY, _UNUSED)),
    "postgresql": TABLE.select().where(sa.or_(_ENDED, _UNUSED)).with_for_update(skip_locked=True),
}
"""By dialect: what dead processes may have left under way, and approvals that nobody used. SQLite selects every write
under way, since the wall clock alone rules none out there, and locks no row, since it has one transaction at a time."""

INSERT = TABLE.insert()
INSERT_IF_FREE: Mapping[str, sa.Insert] = {
    "sqlite": sqlite.insert(TABLE).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(TABLE).on_conflict_do_nothing(),
}
"""By dialect: inserts nothing where one of the unique columns is taken."""
ADD_TO_HISTORY: Mapping[str, sa.Insert] = {
    "sqlite": HISTORY.insert().inline(),
    "postgresql": HISTORY.insert().inline().returning(HISTORY.c.number),
}
CHANGE = TABLE.update().where(TABLE.c.id == sa.bindparam("which"))
CHANGE_MINE = CHANGE.where(TABLE.c.owner == sa.bindparam("whose"), _is_in("departure_recorded"))

_REQUEST = sa.bindparam("request", type_=sa.Text)
DEPARTURE = CHANGE_MINE.values(
    requests=sa.case(
        (TABLE.c.requests == "[]", "[" + _REQUEST + "]"),
        else_=sa.func.substr(TABLE.c.requests, 1, sa.func.length(TABLE.c.requests) - 1) + ", " + _REQUEST + "]",
    )
)
"""Appends a request to the list."""


@functools.cache
def update_for(event: Event) -> sa.Update:
    """The update for an event that corrects no outcome, with its effect on claim and resource."""
    states, target, ground = ordinary_transition(event)
    holds = [
        # an operation that gave its claim up to another one does not take it back
        (TABLE.c.keeps == keeps, TABLE.c.claim if set(states) <= set(held) else TABLE.c.identity)
        for keeps, held in HELD_IN.items()
        if target in held
    ]
    free: dict[str, Any] = {} if holds_resource(target) else {"busy": None, "lease_until": None}
    if ground is not None or next_ground(states[0], event, "inference") is None:
        free["ground"] = ground
    # NULL is part of the text, since a cached statement has no parameter that is None
    claim = sa.case(*holds) if holds else sa.null()
    change = CHANGE.values(state=target, claim=claim, **free)
    return change.where(_is_in(event))


def add_to_history(connection: Connection, values: Mapping[str, Any]) -> int:
    """Add an entry to the history. Its number."""
    text, parameters = _compiled(ADD_TO_HISTORY[connection.dialect.name], connection.dialect, values)
    added = connection.exec_driver_sql(text, parameters)
    return int(added.lastrowid if connection.dialect.name == "sqlite" else added.scalar_one())


def carry_out(connection: Connection, statement: sa.Insert | sa.Update, values: Mapping[str, Any]) -> int:
    """Run a statement. The number of rows that it changed. values: of its columns and parameters.

    Raises sqlalchemy.exc.SQLAlchemyError.
    """
    text, parameters = _compiled(statement, connection.dialect, values)
    return connection.exec_driver_sql(text, parameters, {"preserve_rowcount": True}).rowcount


def _compiled(
    statement: sa.Insert | sa.Update, dialect: Dialect, values: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any] | tuple[Any, ...]]:
    """A statement's text and its parameters, as the database's driver takes them."""
    text, fixed, order = _compiled_once(statement, dialect, tuple(values))
    parameters = {**fixed, **values}
    return text, parameters if order is None else tuple(parameters[name] for name in order)


@functools.lru_cache(maxsize=256)
def _compiled_once(
    statement: sa.Insert | sa.Update, dialect: Dialect, names: tuple[str, ...]
) -> tuple[str, Mapping[str, Any], Sequence[str] | None]:
    """The text, the parameters that are always the same and, where the driver takes parameters by position, their
    order."""
    compiled = statement.compile(dialect=dialect, column_keys=names)
    assert isinstance(compiled, sa.sql.compiler.SQLCompiler)  # noqa: S101 - none of them is DDL
    return str(compiled), compiled.params, compiled.positiontup
