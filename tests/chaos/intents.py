"""What an agent means to do, each thing so that it can be recognised at the vendor, and what is found there."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from server.sandbox import FILE_NAME
from server.sandbox.store import timestamp

SOURCES = {
    "northlight-cadent": ("avl_news_evening", 88120, "sf_mb_7f3a91c204"),
    "northlight-live-sports": ("avl_soccer_sunday", 88120, "sf_mb_7f3a91c204"),
}
GENRE: dict[str, Any] = {
    "relationship": "OR",
    "item_lists": [{"relationship": "OR", "items": [{"id": "1076", "type": "STANDARD_GENRE"}]}],
}
TARGETING = {"include": {"relationship": "AND", "item_sets": [{"targeting_type": "CONTENT", **GENRE}]}}


@dataclass
class Intent:
    """One write that is meant once.

    needs: the intent that has to be done first. told: how the agent was told that it ended: done, not done, or None.
    """

    number: int
    tool: str
    arguments: dict[str, Any]
    needs: Intent | None = None
    told: str | None = None
    doubted: bool = False
    calls: int = 0
    history: list[str] = field(default_factory=list[str])


def intents(count: int, seed: int, *, share_of_bookings: float = 0.25) -> list[Intent]:
    """A working day: orders, packages, holds of which some are handed over and some given up, work items noted."""
    dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    made: list[Intent] = []
    while len(made) < count:
        for intent in _some(dice, len(made), share_of_bookings):
            made.append(intent)
    return made[:count]


def _some(dice: random.Random, number: int, share_of_bookings: float) -> Iterator[Intent]:
    if dice.random() < share_of_bookings:
        source, (avail, buyer, media_buy) = dice.choice(list(SOURCES.items()))
        ids = {
            "source_id": source,
            "avail_id": avail,
            "buyer_customer_id": buyer,
            "media_buy_id": media_buy,
            "package_id": f"chaos-{number}",
        }
        lasts = {"hold_minutes": 2 * 1440} if dice.random() < 0.7 else {}
        hold = Intent(number, "reserve_avail", {**ids, "requested_impressions": dice.randint(1, 900), **lasts})
        yield hold
        after = dice.random()
        if after < 0.4:
            yield Intent(number + 1, "finalize_booking", ids, needs=hold)
        elif after < 0.7:
            yield Intent(number + 1, "release_booking", ids, needs=hold)
    elif dice.random() < 0.5:
        yield Intent(number, "create_proposed_io", {"external_id": f"CHAOS-{number}", "name": f"Chaos {number}"})
    else:
        yield Intent(number, "create_inventory_package", {"name": f"Chaos {number}.", "targeting": TARGETING})


_KEPT_IN = {
    "create_proposed_io": ("freewheel_proposed_insertion_order", "external_id", "external_id"),
    "update_proposed_io": ("freewheel_proposed_insertion_order", "name", "name"),
    "create_inventory_package": ("freewheel_inventory_package", "name", "name"),
    "update_inventory_package": ("freewheel_inventory_package", "name", "name"),
    "update_work_item": ("interchange_work_item_events", "notes", "notes"),
    "complete_work_item": ("interchange_work_item_events", "notes", "notes"),
}
"""Where a write shows at the vendor: table, column, and the argument that stands in it."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """What the vendors of the sandbox hold in the end, read from their own state."""

    directory: Path

    def times_done(self, intent: Intent) -> int:
        arguments = intent.arguments
        with closing(sqlite3.connect(self.directory / FILE_NAME, timeout=30)) as state:
            if intent.tool in _KEPT_IN:
                table, column, argument = _KEPT_IN[intent.tool]
                return _count(state, table, column, arguments[argument])
            holds = state.execute(
                "SELECT booking_id, status FROM interchange_bookings WHERE package_id = ? AND avail_id = ?",
                (arguments["package_id"], arguments["avail_id"]),
            ).fetchall()
            if intent.tool == "reserve_avail":
                return len(holds)
            if intent.tool == "release_booking":
                return sum(status in ("RELEASED", "CANCELLED") for _, status in holds)
            # of a hold that was doubled, the handoffs of the newest
            booking_id, _ = max(holds, default=(None, None))
            found = state.execute("SELECT kind FROM interchange_work_items WHERE booking_id = ?", (booking_id,))
            return max(Counter(kind for (kind,) in found).values(), default=0)

    def capacity_adds_up(self, now: datetime) -> bool:
        """No avail is sold beyond its capacity, by what holds still: a hold whose time is over holds nothing."""
        with closing(sqlite3.connect(self.directory / FILE_NAME, timeout=30)) as state:
            sold = state.execute(
                "SELECT a.impressions_capacity, SUM(b.requested_impressions) FROM interchange_avails a JOIN"
                " interchange_bookings b ON a.avail_id = b.avail_id WHERE b.status = 'BOOKED' OR (b.status = 'HELD' AND"
                " (b.expires_at IS NULL OR b.expires_at > ?)) GROUP BY a.avail_id",
                (timestamp(now),),
            ).fetchall()
        return all(total <= capacity for capacity, total in sold)


def seeded(directory: Path, table: str, column: str, condition: str = "1") -> list[Any]:
    """What the sandbox holds from its start, by a column."""
    with closing(sqlite3.connect(directory / FILE_NAME, timeout=30)) as state:
        rows = state.execute(f"SELECT {column} FROM {table} WHERE {condition} ORDER BY {column}")  # noqa: S608 - names of ours
        return [row[0] for row in rows.fetchall()]


def _count(state: sqlite3.Connection, table: str, column: str, value: str) -> int:
    return int(state.execute(f"SELECT COUNT(*) FROM {table} WHERE {column} = ?", (value,)).fetchone()[0])  # noqa: S608 - names of ours


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The table of a run."""

    intended: int
    sent: int
    found: int
    duplicates: int
    lost: int
    untrue: int
    in_doubt: int
    reconciled: int
    by_hand: Sequence[str]
    slipped: int
    befell: Mapping[str, int]
    seconds: float

    def lines(self) -> list[str]:
        rows = {
            "intended": f"{self.intended:,}",
            "calls made": f"{self.sent:,}",
            "found upstream": f"{self.found:,}",
            "duplicates": f"{self.duplicates:,}",
            "lost (told done, not there)": f"{self.lost:,}",
            "untrue (told not done, but there)": f"{self.untrue:,}",
            "in doubt at the end": f"{self.in_doubt:,}",
            "reconciled": f"{self.reconciled:,}",
            "unknown (settled by a person)": f"{len(self.by_hand):,} = {len(self.by_hand) / max(1, self.intended):.1%}",
            "sent on an older record": f"{self.slipped:,}",
            **{name: f"{count:,}" for name, count in self.befell.items()},
            "seconds": f"{self.seconds:,.0f}",
        }
        return [
            *(f"{name:34}{value:>12}" for name, value in rows.items()),
            *(f"unknown: {one}" for one in self.by_hand),
        ]

    @property
    def holds(self) -> bool:
        return not (self.duplicates or self.lost or self.untrue or self.in_doubt or self.slipped)


def judged(
    done: Sequence[Intent],
    upstream: Upstream,
    *,
    befell: Mapping[str, int],
    by_hand: Sequence[str],
    slipped: int,
    seconds: float,
) -> Verdicts:
    """What was intended held against what the vendors hold. befell: what was done to servers, and how often. by_hand:
    how many writes a person settled. slipped: how many were sent on a record that had gone back in time."""
    times = [(intent, upstream.times_done(intent)) for intent in done if intent.calls]
    return Verdicts(
        intended=len(done),
        sent=sum(intent.calls for intent in done),
        found=sum(count > 0 for _, count in times),
        duplicates=sum(count > 1 for _, count in times),
        lost=sum(intent.told == "done" and count == 0 for intent, count in times),
        untrue=sum(intent.told == "not done" and count > 0 for intent, count in times),
        in_doubt=sum(intent.told is None for intent, _ in times),
        reconciled=sum(intent.doubted and intent.told is not None for intent in done),
        by_hand=by_hand,
        slipped=slipped,
        befell=befell,
        seconds=seconds,
    )


def shown(intent: Intent) -> str:
    happened = "; ".join(intent.history)
    return f"{intent.number} {intent.tool} {json.dumps(intent.arguments)[:120]}: {intent.told}; {happened}"
