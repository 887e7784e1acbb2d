"""The sandbox's Inventory Package API v4.

Where nothing is documented, the sandbox does what costs a careless client most: a PUT replaces the whole package (only
an omitted `status` stays), and names are not unique, so a repeated POST makes a second package.
"""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.sandbox.freewheel.wire import forbid, json_object, path_id, read_name, read_page, refuse
from server.sandbox.store import Clock, Store, timestamp

if TYPE_CHECKING:
    from server.sandbox.freewheel.package_bodies import NewPackage

_MOMENT = r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)"
_UPDATED_AT = re.compile(rf"(?:{_MOMENT})?\.\.(?:{_MOMENT})?", re.ASCII)


class InventoryPackages:
    """The inventory packages, stored in `freewheel_inventory_package`."""

    def __init__(self, store: Store, clock: Clock, *, ssp_targeting_enabled: bool) -> None:
        self._store = store
        self._clock = clock
        self._ssp_targeting_enabled = ssp_targeting_enabled

    async def collection(self, request: Request) -> Response:
        """`GET`: the list. `POST`: create, which answers 201 with the whole package and no envelope."""
        if request.method == "POST":
            return self._create(self._check_ssp_targeting(await json_object(request)))
        return self._list(request.query_params)

    async def one(self, request: Request) -> Response:
        """`GET`: the package with its targeting, under the name of its resource.

        `PUT`: replace it, which answers 200 with the whole package and no envelope.
        """
        package_id = path_id(request, "id", "Inventory package")
        if request.method == "PUT":
            return self._update(package_id, self._check_ssp_targeting(await json_object(request)))
        with self._store.transaction() as connection:
            row = _row(connection, package_id)
        return JSONResponse({"inventory_package": _whole_package(row)})

    def _list(self, query: QueryParams) -> Response:
        """The list, with the basic fields, sorted by `id` unless the query says otherwise.

        A page after the last one is empty and has the true totals. If a parameter is given twice, the last one counts.
        A range that ends before it starts matches nothing.
        """
        wanted, name, status = read_page(query), read_name(query), query.get("status")
        if status not in {None, "ACTIVE", "INACTIVE"}:
            refuse(422, "status must be ACTIVE or INACTIVE.")
        updated = _read_updated_filter(query)
        matching = (
            "FROM freewheel_inventory_package WHERE instr(name, :name) AND (:status IS NULL OR status = :status)"
            " AND updated_at >= :since AND (:until = '' OR updated_at <= :until)"
        )
        values = {"name": name, "status": status, "since": updated.since, "until": updated.until}
        with self._store.transaction() as connection:
            total: int = connection.execute(f"SELECT count(*) {matching}", values).fetchone()[0]
            rows = connection.execute(
                f"SELECT id, name, description, status, created_at, updated_at {matching}"
                f" ORDER BY {updated.order} LIMIT :limit OFFSET :offset",
                {**values, "limit": wanted.per_page, "offset": wanted.offset},
            ).fetchall()
        return wanted.response_under("inventory_packages", [dict(row) for row in rows], total)

    def _create(self, body: dict[str, object]) -> Response:
        from server.sandbox.freewheel.package_bodies import read_new_package  # noqa: PLC0415 - reading does without

        package = read_new_package(body)
        with self._store.transaction() as connection:
            row = connection.execute(
                "INSERT INTO freewheel_inventory_package"
                " (name, description, status, targeting, ssp_targeting, created_at, updated_at)"
                " VALUES (:name, :description, 'ACTIVE', :targeting, :ssp_targeting, :now, :now) RETURNING *",
                {**_columns(package), "now": timestamp(self._clock())},
            ).fetchone()
        return JSONResponse(_whole_package(row), 201)

    def _update(self, package_id: int, body: dict[str, object]) -> Response:
        from server.sandbox.freewheel.package_bodies import read_whole_package  # noqa: PLC0415 - reading does without

        with self._store.transaction() as connection:
            current = _row(connection, package_id)
            package = read_whole_package(body)
            status = package.status if "status" in package.model_fields_set else current["status"]
            row = connection.execute(
                "UPDATE freewheel_inventory_package SET name = :name, description = :description, status = :status,"
                " targeting = :targeting, ssp_targeting = :ssp_targeting, updated_at = :now"
                " WHERE id = :id RETURNING *",
                {**_columns(package), "status": status, "now": timestamp(self._clock()), "id": package_id},
            ).fetchone()
        return JSONResponse(_whole_package(row))

    def _check_ssp_targeting(self, body: dict[str, object]) -> dict[str, object]:
        """Return the body: 403 if it has an `ssp_targeting` other than null and that network function is off."""
        if not self._ssp_targeting_enabled and body.get("ssp_targeting") is not None:
            forbid()
        return body


class _UpdatedFilter(NamedTuple):
    """The filter by `updated_at`. `since` and `until` are inclusive; an empty string means no bound."""

    since: str
    until: str
    order: str


def _read_updated_filter(query: QueryParams) -> _UpdatedFilter:
    ascending, descending = query.get("updated_at"), query.get("-updated_at")
    if ascending is not None and descending is not None:
        refuse(422, "updated_at and -updated_at cannot be used together.")
    if ascending is None and descending is None:
        return _UpdatedFilter("", "", "id")
    text = ascending if ascending is not None else descending or ""
    match = _UPDATED_AT.fullmatch(text)
    moments = [moment or "" for moment in match.groups()] if match else []
    if not any(moments) or not all(_is_moment(moment) for moment in moments if moment):
        refuse(422, "updated_at must be ..T, T.. or T1..T2, where T is like 2021-03-01T13:47:00Z.")
    order = "updated_at, id" if ascending is not None else "updated_at DESC, id"
    return _UpdatedFilter(moments[0], moments[1], order)


def _is_moment(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _row(connection: sqlite3.Connection, package_id: int) -> sqlite3.Row:
    row = connection.execute("SELECT * FROM freewheel_inventory_package WHERE id = ?", (package_id,)).fetchone()
    if row is None:
        refuse(404, "Inventory package not found.")
    return row


def _columns(package: NewPackage) -> dict[str, object]:
    return {
        "name": package.name,
        "description": package.description,
        "targeting": package.targeting.stored() if package.targeting else None,
        "ssp_targeting": package.ssp_targeting.stored() if package.ssp_targeting else None,
    }


def _whole_package(row: sqlite3.Row) -> dict[str, object]:
    """The package with every attribute. A targeting that is not configured is null."""
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "status": row["status"],
        "targeting": json.loads(row["targeting"] or "null"),
        "ssp_targeting": json.loads(row["ssp_targeting"] or "null"),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
