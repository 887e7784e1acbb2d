"""What other people do at the vendors of a sandbox, and counts that contradict each other."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from server.sandbox import FILE_NAME
from server.sandbox.store import Clock, timestamp


class Others:
    """What other people do at the vendors, in their state."""

    def __init__(self, directory: Path, dice: random.Random, clock: Clock) -> None:
        self._path = directory / FILE_NAME
        self._dice = dice
        self._clock = clock
        self._made = 0

    def _change(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as state:
            state.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                state.execute(statement, values)
            state.execute("COMMIT")

    def move_lists(self, times: int = 1) -> None:
        """Delete the first entry of somebody else, or add one: what follows is on another page then."""
        self._change(*(statement for _ in range(times) for statement in self._a_move_of_lists()))

    def _a_move_of_lists(self) -> list[tuple[str, tuple[Any, ...]]]:
        self._made += 1
        now = timestamp(self._clock())
        order = (
            "INSERT INTO freewheel_proposed_insertion_order (external_id, name, time_zone, delivery, budget, user_ids,"
            " created_at, updated_at, proposed_io_status) SELECT ?, 'Somebody else''s', time_zone, delivery, budget,"
            " user_ids, ?, ?, 'PROPOSED' FROM freewheel_proposed_insertion_order LIMIT 1",
            (f"OTHER-{self._made}", now, now),
        )
        package = (
            "INSERT INTO freewheel_inventory_package (name, status, created_at, updated_at) SELECT ?, status, ?, ? FROM"
            " freewheel_inventory_package LIMIT 1",
            (f"Somebody else's {self._made}.", now, now),
        )
        gone = [
            (
                f"DELETE FROM {table} WHERE id = (SELECT MIN(id) FROM {table} WHERE {whose})",  # noqa: S608 - names of ours
                (),
            )
            for table, whose in (
                ("freewheel_proposed_insertion_order", "external_id LIKE 'OTHER-%'"),
                ("freewheel_inventory_package", "name LIKE 'Somebody else%'"),
            )
        ]
        return gone if self._made > 20 and self._dice.random() < 0.5 else [order, package]

    def move_holds(self) -> None:
        """End a hold that may end, or hold something for another buy: amounts that no holds of ours add up to.

        Where others move exactly as much as a write in doubt, the counts tell nothing, and the evidence says so.
        """
        now = self._clock()
        if self._dice.random() < 0.6:
            self.end_hold()
            return
        self._made += 1
        hold = (
            "INSERT INTO interchange_bookings (source_id, avail_id, media_buy_id, package_id, requested_impressions,"
            " status, expires_at, created_at, updated_at) SELECT a.source_id, a.avail_id, 'sf_mb_7f3a91c204', ?, ?,"
            " 'HELD', ?, ?, ? FROM interchange_avails a WHERE a.avail_id = ?"
        )
        until = timestamp(now + timedelta(days=1))
        values = (f"other-{self._made}", 1000 * self._dice.randint(1, 9), until, timestamp(now), timestamp(now))
        self._change((hold, (*values, self._dice.choice(["avl_news_evening", "avl_soccer_sunday"]))))

    def end_hold(self) -> None:
        """End a hold that nobody gave a time, of ours or of others."""
        now = timestamp(self._clock())
        # the sandbox holds for a day what was not asked to last for longer
        held = (
            "SELECT booking_id FROM interchange_bookings WHERE status = 'HELD' AND expires_at > ?"
            " AND julianday(expires_at) - julianday(created_at) < 1.01 ORDER BY 1"
        )
        with closing(sqlite3.connect(self._path, timeout=10)) as state:
            standing = [booking for (booking,) in state.execute(held, (now,))]
        if standing:
            ended = "UPDATE interchange_bookings SET expires_at = ? WHERE booking_id = ? AND status = 'HELD'"
            self._change((f"{ended} AND expires_at IS NOT NULL", (now, self._dice.choice(standing))))


def contradicted(body: bytes, dice: random.Random) -> bytes:
    """One count of a page is otherwise; a body that is no page is left as it is."""
    try:
        told = json.loads(body)
    except ValueError:
        return body
    counts = [name for name in ("total", "total_count", "total_pages", "total_page") if name in told]
    if counts:
        told[dice.choice(counts)] += dice.choice([-1, 1, 2])
    return json.dumps(told).encode()
