"""Holds and bookings as the ledger knows them, because Interchange lists neither ("Unknown" in the contract).

Interchange names a booking by its media buy, package and avail. It does not document which package it uses when none is
given. So when one of two calls leaves the package out, nobody knows whether both are about the same booking, unless an
answer stated the package.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, cast
from urllib.parse import quote

from tools.backends import Backends
from tools.effects import BlockingWrite, RecordedWrite, Superseded, is_settled

MAX_IN_DOUBT = 10
"""How many writes in doubt on one avail are considered together. More could not be told apart by a sum."""


class BookingAnswer(Protocol):
    """A booking in an answer of Interchange."""

    @property
    def booking_id(self) -> str: ...
    @property
    def requested_impressions(self) -> int | None: ...


class BookingIds(Protocol):
    """The arguments that reserving, finalising and releasing share."""

    @property
    def source_id(self) -> str: ...
    @property
    def avail_id(self) -> str: ...
    @property
    def media_buy_id(self) -> str: ...
    @property
    def package_id(self) -> str | None: ...


def subject(ids: BookingIds) -> str:
    """`booking:<source>/<media buy>/<package>/<avail>`: Interchange has no finer name for a booking."""
    parts = (ids.source_id, ids.media_buy_id, ids.package_id or "", ids.avail_id)
    return "booking:" + "/".join(quote(part.strip(), safe="") for part in parts)


def resource(ids: BookingIds) -> str:
    return f"avail:{quote(ids.source_id.strip(), safe='')}/{quote(ids.avail_id.strip(), safe='')}"


@dataclass(frozen=True, slots=True)
class KnownBookings:
    """What the ledger knows now of the bookings with certain ids.

    holds: the holds in force, the smallest first.
    handed_over: for each booking that was handed over, the operation that did it.
    """

    holds: Sequence[RecordedWrite]
    handed_over: Mapping[str, str]

    @property
    def hold_sizes(self) -> list[int]:
        return hold_sizes(self.holds)

    def label(self) -> str:
        """The hold, such as `100,000 impressions (booking 7)`, or the list of several; empty when none is known."""
        if len(self.holds) == 1:
            return _hold_label(self.holds[0], " impressions")
        listed = " and ".join(_hold_label(hold) for hold in self.holds)
        return f"one of {len(self.holds)} holds with these ids: {listed} (Interchange picks which)" if listed else ""

    def handed_over_bookings(self) -> list[str]:
        """The bookings of these holds that were handed over."""
        answered = [_answered_field(hold, "booking_id") for hold in self.holds]
        return [booking_id for booking_id in answered if booking_id in self.handed_over]

    def hold_for(self, booking_id: str | None) -> RecordedWrite | None:
        return next((hold for hold in self.holds if _answered_field(hold, "booking_id") == booking_id), None)

    def difference_note(self, answer: BookingAnswer) -> str:
        """A sentence when the answer is about another booking or another amount than the ledger has, else empty."""
        if not self.holds:
            return ""
        hold = self.hold_for(answer.booking_id)
        if hold is None:
            known = all(_answered_field(hold, "booking_id") for hold in self.holds)
            return "This server has no record of that booking: it was made elsewhere." if known else ""
        count = hold_size(hold)
        if answer.requested_impressions in (None, count) or count is None:
            return ""
        return f"On record it is for {count:,} impressions: it was changed elsewhere."


async def known_bookings(ids: BookingIds, backends: Backends) -> KnownBookings:
    """The known bookings with these ids. If the package is left out, those made without one come first: the others
    count only where there are none."""
    if backends.ledger is None:
        return KnownBookings((), {})
    in_force = await backends.ledger.writes_in_force(resource(ids), backends)
    holds = [write for write in in_force if write.tool == "reserve_avail"]
    finalized = [write for write in in_force if write.tool == "finalize_booking"]
    handed_over = {
        booking_id: write.id
        for write in finalized
        if isinstance(booking_id := _answered_field(write, "booking_id"), str)
    }
    same_ids = [hold for hold in holds if may_be_about(ids, hold) and not _has_expired(hold, handed_over)]
    without_package = (
        [hold for hold in same_ids if hold.arguments.get("package_id") is None] if ids.package_id is None else []
    )
    return KnownBookings(
        sorted(without_package or same_ids, key=lambda hold: (hold_size(hold) or 0, hold.id)), handed_over
    )


def _hold_label(hold: RecordedWrite, unit: str = "") -> str:
    count, booking_id = hold_size(hold), _answered_field(hold, "booking_id")
    amount = f"{count:,}" if count is not None else "an unknown number of"
    return f"{amount}{unit} (booking {booking_id or 'not known'})"


def _has_expired(hold: RecordedWrite, handed_over: Mapping[str, str]) -> bool:
    """Whether the hold was to end before now, and was not handed over."""
    minutes = hold.arguments.get("hold_minutes")
    if not isinstance(minutes, int) or hold.age is None or _answered_field(hold, "booking_id") in handed_over:
        return False
    return hold.age.at_least >= 60 * minutes


MAX_READ_SECONDS = 60.0
"""Seconds that reading the counts may take."""


def is_surely_in_force(write: RecordedWrite) -> bool:
    """Whether a hold, if it was made and not given up, lasts until the counts are read.

    It does if it was requested to last longer than that. Interchange may end a hold without a number of minutes at any
    time.
    """
    minutes = write.arguments.get("hold_minutes")
    return isinstance(minutes, int) and write.age is not None and write.age.at_most + MAX_READ_SECONDS < 60 * minutes


def hold_sizes(holds: Sequence[RecordedWrite]) -> list[int]:
    """How many impressions each of these holds is for, where that is known."""
    return [count for count in map(hold_size, holds) if count is not None]


def hold_size(hold: RecordedWrite) -> int | None:
    """How many impressions a hold in the ledger is for, or None when that is not known."""
    answered = _answered_field(hold, "requested_impressions")
    count = answered if answered is not None else hold.arguments.get("requested_impressions")
    return count if isinstance(count, int) else None


def may_be_about(ids: BookingIds, write: RecordedWrite) -> bool:
    """Whether a write on the same avail may be about the booking with these ids."""
    given = write.arguments
    if str(given.get("media_buy_id", "")).strip() != ids.media_buy_id.strip():
        return False
    package = _recorded_package(write)
    return package is None or ids.package_id is None or package == ids.package_id.strip()


def package_of(write: RecordedWrite, ids: BookingIds) -> str | None:
    """The package of a hold that may be about this booking, as given or answered; None for any other write."""
    return _recorded_package(write) if write.tool == "reserve_avail" and may_be_about(ids, write) else None


def possible_changes(write: RecordedWrite, others: Sequence[RecordedWrite]) -> list[int] | None:
    """By how many impressions a write, if carried out, may change what is held and booked together; None when not
    known.

    others: the other writes on the avail.
    """
    if write.tool == "reserve_avail":
        count = hold_size(write)
        return None if count is None else [count]
    if write.tool != "release_booking":
        return [0]
    released = _answered_field(write, "requested_impressions") or (write.result or {}).get("found", {}).get("given_up")
    if isinstance(released, int):
        return [-released]
    ids = RecordedIds.of(write)
    holds = [
        other
        for other in others
        if other.tool == "reserve_avail"
        and other.state in ("succeeded", "superseded", "in_doubt")
        and may_be_about(ids, other)
    ]
    return sorted({-count for count in hold_sizes(holds)}) or None


def superseded_by_release(ids: BookingIds, result: Mapping[str, Any]) -> tuple[Superseded, ...]:
    """A release supersedes its hold and the handoff of it: the avail can then be held and handed over again."""
    which = functools.partial(_released_writes, ids, result)
    return Superseded(tool="reserve_avail", select=which), Superseded(tool="finalize_booking", select=which)


def superseded_by_hold(ids: BookingIds, _: Mapping[str, Any]) -> tuple[Superseded, ...]:
    """A new hold supersedes the handoff and the release of the hold before it."""

    def which(standing: Sequence[RecordedWrite]) -> list[str]:
        return [write.id for write in standing if may_be_about(ids, write)]

    return Superseded(tool="finalize_booking", select=which), Superseded(tool="release_booking", select=which)


def blocking_write(tool: str) -> Callable[[BookingIds, Sequence[RecordedWrite], float], BlockingWrite | None]:
    """Returns the function for `tools.tool.Write.blocked_by` of a tool.

    A write on the same avail blocks the call if it may be the same write, with the package given or left out. A write
    in doubt blocks it if the counts could not show later which of the two was carried out.
    """

    def find(ids: BookingIds, others: Sequence[RecordedWrite], settle_after: float) -> BlockingWrite | None:
        for other in others:
            if not may_be_about(ids, other):
                continue
            # until that write is settled, nobody knows which booking this call would be about, even with a key
            if other.state == "in_doubt" and (tool != "reserve_avail" or other.tool == tool):
                return BlockingWrite(id=other.id, may_be_same=False)
            other_package = _stripped(other.arguments.get("package_id")) != _stripped(ids.package_id)
            if other.tool == tool and other.idempotency_key is None and other_package:
                return BlockingWrite(id=other.id, may_be_same=True)
        return _indistinguishable(tool, ids, others, settle_after)

    return find


def _indistinguishable(
    tool: str, ids: BookingIds, others: Sequence[RecordedWrite], settle_after: float
) -> BlockingWrite | None:
    """A write in doubt, if the counts could not show later whether it or this call was carried out."""
    if tool == "finalize_booking":
        return None
    own_changes = [getattr(ids, "requested_impressions", 0)] if tool == "reserve_avail" else _releases(ids, others)
    unsettled = [other for other in others if other.state == "in_doubt" and not is_settled(other.age, settle_after)]
    changes = {other.id: possible_changes(other, others) for other in unsettled}
    changes = {operation_id: amounts for operation_id, amounts in changes.items() if amounts != [0]}
    if not changes or _sums_are_distinct([own_changes, *changes.values()]):
        return None
    return BlockingWrite(id=next(iter(changes)), may_be_same=False)


def _releases(ids: BookingIds, others: Sequence[RecordedWrite]) -> list[int]:
    """By how many impressions a release with these ids may change what is held and booked."""
    holds = [other for other in others if other.tool == "reserve_avail" and may_be_about(ids, other)]
    return sorted({-size for size in hold_sizes(holds)})


def _sums_are_distinct(amounts: Sequence[Sequence[int] | None]) -> bool:
    """Whether the total change always shows which of the writes were carried out."""
    if len(amounts) > MAX_IN_DOUBT:
        return False
    done_by_sum: dict[int, list[bool]] = {}
    choices: list[list[int]] = []
    for amount in amounts:
        if not amount:
            return False
        choices.append([0, *amount])
    for chosen in product(*choices):
        done = [amount != 0 for amount in chosen]
        if done_by_sum.setdefault(sum(chosen), done) != done:
            return False
    return True


def _released_writes(ids: BookingIds, result: Mapping[str, Any], in_force: Sequence[RecordedWrite]) -> list[str]:
    """The ids of the writes about the booking that a release ended; empty when that is not certain."""
    same_booking = [write for write in in_force if may_be_about(ids, write)]
    booking: Any = result.get("booking") or {}
    released_id, count = booking.get("booking_id"), booking.get("requested_impressions")
    if released_id is not None:
        with_id = [write.id for write in same_booking if _answered_field(write, "booking_id") == released_id]
        if with_id:
            return with_id
        same_booking = [write for write in same_booking if _answered_field(write, "booking_id") is None]
    count = result.get("found", {}).get("given_up") if count is None else count
    fitting = [write.id for write in same_booking if count is None or hold_size(write) in (None, count)]
    return fitting if len(fitting) == 1 else []


class RecordedIds:
    """The ids of a booking in the arguments of a recorded write."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.source_id = str(arguments.get("source_id", ""))
        self.avail_id = str(arguments.get("avail_id", ""))
        self.media_buy_id = str(arguments.get("media_buy_id", ""))
        self.package_id: str | None = arguments.get("package_id")

    @classmethod
    def of(cls, write: RecordedWrite) -> RecordedIds:
        return cls(write.arguments)


def _recorded_package(write: RecordedWrite) -> str | None:
    return _stripped(write.arguments.get("package_id")) or _stripped(_answered_field(write, "package_id"))


def _stripped(package: Any) -> str | None:
    return package.strip() if isinstance(package, str) else None


def _answered_field(write: RecordedWrite, name: str) -> Any:
    """A field of the booking in the recorded result."""
    booking = (write.result or {}).get("booking")
    return cast("Mapping[str, Any]", booking).get(name) if isinstance(booking, dict) else None
