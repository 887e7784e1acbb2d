"""The proposed placements of the seeded orders. Each scheduled order has 1 to 4 of them, and one order has 30.

An order's schedule spans its placements, and their budgets add up to the order's goal.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from server.sandbox.store import timestamp

_LINES = (
    "Full Episode Mid-Roll :30",
    "CTV Pre-Roll :15",
    "STB VOD :30",
    "Live In-Game :30",
    "FAST Rotation :15",
    "Primetime Pods :30",
    "Pause Ad",
)
_MARKETS = (
    *("New York", "Los Angeles", "Chicago", "Dallas-Ft. Worth", "Philadelphia", "Houston", "Atlanta", "Boston"),
    *("Washington DC", "San Francisco", "Tampa", "Phoenix", "Seattle", "Detroit", "Orlando", "Minneapolis"),
    *("Denver", "Miami", "Cleveland", "Sacramento", "Charlotte", "Portland", "Raleigh", "St. Louis", "Indianapolis"),
    *("Pittsburgh", "Nashville", "Baltimore", "San Diego", "Salt Lake City"),
)
_ORDER_BY_MARKET = 20
"""The index of the order that has a placement for each market."""


class PlannedOrder(NamedTuple):
    """A scheduled order. `goal` is impressions if it is an int, dollars if a float.

    `position` counts all seeded orders from 0.
    """

    position: int
    id: int
    external_id: str
    name: str
    start: datetime
    end: datetime
    time_zone: str
    goal: float


def planned_orders(connection: sqlite3.Connection) -> Iterator[PlannedOrder]:
    """The orders that have a schedule, which are those with placements."""
    rows = connection.execute("SELECT * FROM freewheel_proposed_insertion_order ORDER BY id").fetchall()
    for position, row in enumerate(rows):
        if row["start_time"] is not None:
            budget = json.loads(row["budget"])
            yield PlannedOrder(
                position,
                row["id"],
                row["external_id"],
                row["name"],
                _parse_time(row["start_time"]),
                _parse_time(row["end_time"]),
                row["time_zone"],
                budget.get("impression") or budget["currency"],
            )


def placement_rows(orders: Iterator[PlannedOrder]) -> list[tuple[object, ...]]:
    """The rows of `freewheel_proposed_placement`."""
    rows: list[tuple[object, ...]] = []
    for order in orders:
        lines = _lines(order)
        for number, (line, budget) in enumerate(zip(lines, _budgets(order.goal, len(lines)), strict=True)):
            later = timedelta(days=7 * number if order.position != _ORDER_BY_MARKET else 0)
            added = number == 3 and {1: "PROMO", 5: "MAKE_GOOD"}.get(order.position % 8)
            model, price = _price(order, number, budget)
            rows.append(
                (
                    9_204_117 + 3 * len(rows),
                    order.id,
                    f"{order.name} - {line}",
                    ("As agreed on the call.", "", None)[(order.position + number) % 3],
                    line.startswith("STB VOD"),
                    added or "NORMAL",
                    None if number % 4 == 2 else f"{order.external_id}-L{number + 1}",
                    timestamp(order.start + later),
                    timestamp(order.end),
                    order.time_zone,
                    model,
                    0.0 if added else price,
                    json.dumps(budget),
                )
            )
    return rows


def _lines(order: PlannedOrder) -> list[str]:
    if order.position == _ORDER_BY_MARKET:
        return [f"CTV Pre-Roll :30 - {market}" for market in _MARKETS]
    return [_LINES[(order.position * 2 + number) % len(_LINES)] for number in range(1 + order.position * 7 % 4)]


def _budgets(goal: float, count: int) -> list[dict[str, object]]:
    """Budgets that add up to the goal, to the impression or the cent. The first one takes the remainder."""
    units = goal if isinstance(goal, int) else round(goal * 100)
    shares = [units // count + (units % count if number == 0 else 0) for number in range(count)]
    if isinstance(goal, int):
        return [{"budget_model": "IMPRESSION_TARGET", "impression": share} for share in shares]
    return [{"budget_model": "CURRENCY_TARGET", "currency": share / 100} for share in shares]


def _price(order: PlannedOrder, number: int, budget: dict[str, object]) -> tuple[str, object]:
    """The price model and the price in dollars: a flat fee for sponsorships, a CPM for the rest."""
    if "currency" in budget and number == 0:
        return "FLAT_FEE_SPONSORSHIP", budget["currency"]
    return "ACTUAL_ECPM", 18.0 + (order.position * 5 + number * 3) % 31


def _parse_time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
