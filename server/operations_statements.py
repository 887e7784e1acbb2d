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

from server.operations import Keeps
from server.operations_tables import HISTORY
from server.operations_tables import OPERATIONS as TABLE
from tools.states import State

_HELD_IN: Mapping[Keeps, tuple[State, ...]] = {
    "success": ("awaiting_approval", "approved", "sending", "in_doubt", "succeeded"),
    "doubt": ("awaiting_approval", "approved", "sending", "in_doubt"),
    "sending": ("awaiting_approval", "approved", "sending"),
}
"""In which states a write holds its claim."""

FIND = {
    name: TABLE.select().where(TABLE.c[name] == sa.bindparam("wanted")) for name in ("id", "claim", "busy", "question")
}
FIND_LOCKED = {name: query.with_for_update() for name, query in FIND.items()}
OVER = (
    TABLE.select()
    .where(
        sa.or_(
            sa.and_(TABLE.c.state == "sending", TABLE.c.lease_until < sa.bindparam("leased_before")),
            sa.and_(TABLE.c.state == "approved", TABLE.c.approved_at < sa.bindparam("approved_before")),
        )
    )
    .with_for_update(skip_locked=True)
)
"""What dead processes left under way, and the approvals that nobody used."""

INSERT = TABLE.insert()
INSERT_IF_FREE: Mapping[str, sa.Insert] = {
    "sqlite": sqlite.insert(TABLE).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(TABLE).on_conflict_do_nothing(),
}
"""Inserts nothing where one of the unique columns is taken; by dialect."""
NOTE = HISTORY.insert().inline()
CHANGE = TABLE.update().where(TABLE.c.id == sa.bindparam("which"))
CHANGE_MINE = CHANGE.where(TABLE.c.owner == sa.bindparam("whose"), TABLE.c.state == "sending")

_REQUEST = sa.bindparam("request", type_=sa.Text)
DEPART = CHANGE_MINE.values(
    requests=sa.case(
        (TABLE.c.requests == "[]", "[" + _REQUEST + "]"),
        else_=sa.func.substr(TABLE.c.requests, 1, sa.func.length(TABLE.c.requests) - 1) + ", " + _REQUEST + "]",
    )
)
"""One more request at the end of the list."""


@functools.cache
def into(state: State, only_from: tuple[State, ...]) -> sa.Update:
    """Another state, with what it means for the claim and for the resource. only_from: empty for any."""
    holds = [TABLE.c.keeps == keeps for keeps, states in _HELD_IN.items() if state in states]
    free = {} if state == "sending" else {"busy": None, "lease_until": None}
    # SQL's NULL is told as such: a statement that is kept has no place for a value of None
    claim = sa.case((sa.or_(*holds), TABLE.c.identity)) if holds else sa.null()
    change = CHANGE.values(state=state, claim=claim, **free)
    return change.where(sa.or_(*(TABLE.c.state == one for one in only_from))) if only_from else change


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
