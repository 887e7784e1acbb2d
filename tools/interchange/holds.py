"""Holds and bookings as the record of writes knows them: Interchange lists neither ("Unknown" in the contract).

What names a booking at Interchange is its media buy, package and avail, and which package one is that was left out is
not documented. So of two calls one of which leaves it out, nobody knows whether they are about the same booking, unless
an answer told the package.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, cast
from urllib.parse import quote

from tools.backends import Backends
from tools.effects import Against, Ends, Past

MOST_UNKNOWN = 10
"""Writes in doubt on one avail that are weighed together; more than that tell nothing any more."""


class BookingAnswer(Protocol):
    """A booking as Interchange answers it."""

    @property
    def booking_id(self) -> str: ...
    @property
    def requested_impressions(self) -> int | None: ...


class BookingIds(Protocol):
    """What the arguments of reserving, finalising and releasing share."""

    @property
    def source_id(self) -> str: ...
    @property
    def avail_id(self) -> str: ...
    @property
    def media_buy_id(self) -> str: ...
    @property
    def package_id(self) -> str | None: ...


def subject(ids: BookingIds) -> str:
    """`booking:<source>/<media buy>/<package>/<avail>`: nothing finer names a booking at Interchange."""
    parts = (ids.source_id, ids.media_buy_id, ids.package_id or "", ids.avail_id)
    return "booking:" + "/".join(quote(part.strip(), safe="") for part in parts)


def resource(ids: BookingIds) -> str:
    return f"avail:{quote(ids.source_id.strip(), safe='')}/{quote(ids.avail_id.strip(), safe='')}"


@dataclass(frozen=True, slots=True)
class Known:
    """What this server's record tells of the bookings with some ids, at the moment.

    holds: those that stand, the smallest first. handed_over: by booking, the operation that handed it over.
    """

    holds: Sequence[Past]
    handed_over: Mapping[str, str]

    @property
    def amounts(self) -> list[int]:
        return impressions(self.holds)

    def named(self) -> str:
        """`100,000 impressions (booking 7)`, or of several what there is to pick from; empty when none is known."""
        if len(self.holds) == 1:
            return _named(self.holds[0], " impressions")
        listed = " and ".join(_named(hold) for hold in self.holds)
        return f"one of {len(self.holds)} holds with these ids: {listed} (Interchange picks which)" if listed else ""

    def handed_over_of_these(self) -> list[str]:
        """The bookings of these holds that were handed over."""
        answered = [_answered(hold, "booking_id") for hold in self.holds]
        return [booking_id for booking_id in answered if booking_id in self.handed_over]

    def of(self, booking_id: str | None) -> Past | None:
        return next((hold for hold in self.holds if _answered(hold, "booking_id") == booking_id), None)

    def departs(self, answer: BookingAnswer) -> str:
        """A sentence when the answer is about another booking, or another amount, than the record has."""
        if not self.holds:
            return ""
        hold = self.of(answer.booking_id)
        if hold is None:
            known = all(_answered(hold, "booking_id") for hold in self.holds)
            return "This server has no record of that booking: it was made elsewhere." if known else ""
        count = held_by(hold)
        if answer.requested_impressions in (None, count) or count is None:
            return ""
        return f"On record it is for {count:,} impressions: it was changed elsewhere."


async def known(ids: BookingIds, backends: Backends) -> Known:
    """Of the holds with these ids; where the package is left out, of those that left it out, if there are any."""
    if backends.record is None:
        return Known((), {})
    standing = await backends.record.standing(resource(ids), backends)
    of_avail = [write for write in standing if write.tool == "reserve_avail"]
    finalized = [write for write in standing if write.tool == "finalize_booking"]
    handed_over = {
        booking_id: write.id for write in finalized if isinstance(booking_id := _answered(write, "booking_id"), str)
    }
    same = [hold for hold in of_avail if is_of(ids, hold) and not _is_over(hold, handed_over)]
    alike = [hold for hold in same if hold.arguments.get("package_id") is None] if ids.package_id is None else []
    return Known(sorted(alike or same, key=lambda hold: (held_by(hold) or 0, hold.id)), handed_over)


def _named(hold: Past, unit: str = "") -> str:
    count, booking_id = held_by(hold), _answered(hold, "booking_id")
    amount = f"{count:,}" if count is not None else "an unknown number of"
    return f"{amount}{unit} (booking {booking_id or 'not known'})"


def _is_over(hold: Past, handed_over: Mapping[str, str]) -> bool:
    """Whether it was to end by itself before now, and was not handed over."""
    minutes = hold.arguments.get("hold_minutes")
    if not isinstance(minutes, int) or hold.age is None or _answered(hold, "booking_id") in handed_over:
        return False
    return hold.age.least >= 60 * minutes


LONGEST_LOOK = 60.0
"""Seconds that a look at the counts may take."""


def is_known_to_stand(write: Past) -> bool:
    """Whether a hold, if it was made and not given up, stands for as long as a look takes: it was asked to last longer
    than that. One without a number of minutes ends when the vendor likes."""
    minutes = write.arguments.get("hold_minutes")
    return isinstance(minutes, int) and write.age is not None and write.age.most + LONGEST_LOOK < 60 * minutes


def impressions(holds: Sequence[Past]) -> list[int]:
    """How many each of these holds is for, of those that tell."""
    return [count for count in map(held_by, holds) if count is not None]


def held_by(hold: Past) -> int | None:
    """How many impressions a hold on record is for."""
    told = _answered(hold, "requested_impressions")
    count = told if told is not None else hold.arguments.get("requested_impressions")
    return count if isinstance(count, int) else None


def is_of(ids: BookingIds, write: Past) -> bool:
    """Whether a write on the same avail may be about this booking."""
    given = write.arguments
    if str(given.get("media_buy_id", "")).strip() != ids.media_buy_id.strip():
        return False
    package = _package(write)
    return package is None or ids.package_id is None or package == ids.package_id.strip()


def package_of(write: Past, ids: BookingIds) -> str | None:
    """The package of a hold that may be about this booking, as it was given or answered; None of any other write."""
    return _package(write) if write.tool == "reserve_avail" and is_of(ids, write) else None


def effects(write: Past, others: Sequence[Past]) -> list[int] | None:
    """By how many impressions a write, if it is carried out, changes what is held and booked together: what may be.

    others: the other writes on the avail. None when it is not known.
    """
    if write.tool == "reserve_avail":
        count = held_by(write)
        return None if count is None else [count]
    if write.tool != "release_booking":
        return [0]
    told = _answered(write, "requested_impressions") or (write.result or {}).get("found", {}).get("given_up")
    if isinstance(told, int):
        return [-told]
    ids = Ids.of(write)
    holds = [
        other
        for other in others
        if other.tool == "reserve_avail"
        and other.state in ("succeeded", "superseded", "in_doubt")
        and is_of(ids, other)
    ]
    return sorted({-count for count in impressions(holds)}) or None


def ended_by_release(ids: BookingIds, told: Mapping[str, Any]) -> tuple[Ends, ...]:
    """The hold that was given up, and its handoff: the avail can be held and handed over again."""
    which = functools.partial(_given_up, ids, told)
    return Ends(tool="reserve_avail", which=which), Ends(tool="finalize_booking", which=which)


def ended_by_hold(ids: BookingIds, _: Mapping[str, Any]) -> tuple[Ends, ...]:
    """A new hold begins anew what was done with the one before."""

    def which(standing: Sequence[Past]) -> list[str]:
        return [write.id for write in standing if is_of(ids, write)]

    return Ends(tool="finalize_booking", which=which), Ends(tool="release_booking", which=which)


def against(tool: str) -> Callable[[BookingIds, Sequence[Past], float], Against | None]:
    """What keeps a write of `tool` from being sent (see `tools.tool.Write.against`): one on the same avail that may be
    the same, its package left out or not, or one in doubt that it could not be told from by the counts."""

    def found(ids: BookingIds, others: Sequence[Past], settle_after: float) -> Against | None:
        for other in others:
            # which booking it would be about is not known before that is; a key does not change that
            if other.state == "in_doubt" and is_of(ids, other) and (tool != "reserve_avail" or other.tool == tool):
                return Against(id=other.id, same=False)
            told_otherwise = _given(other.arguments.get("package_id")) != _given(ids.package_id)
            if other.tool == tool and other.idempotency_key is None and told_otherwise and is_of(ids, other):
                return Against(id=other.id, same=True)
        doubted = [other for other in others if other.state == "in_doubt" and not _shows_by_now(other, settle_after)]
        mine = [getattr(ids, "requested_impressions", 0)] if tool == "reserve_avail" else None
        mine = _to_give_up(ids, others) if tool == "release_booking" else mine
        moving = [(other.id, moved) for other in doubted if (moved := effects(other, others)) != [0]]
        if mine is None or not moving or _are_told_apart([mine, *(moved for _, moved in moving)]):
            return None
        return Against(id=moving[0][0], same=False)

    return found


def _shows_by_now(write: Past, settle_after: float) -> bool:
    return write.age is not None and write.age.least >= settle_after


def _to_give_up(ids: BookingIds, others: Sequence[Past]) -> list[int]:
    return sorted({-count for count in impressions([o for o in others if o.tool == "reserve_avail" and is_of(ids, o)])})


def _are_told_apart(amounts: Sequence[Sequence[int] | None]) -> bool:
    """Whether the sum of what was carried out always tells what was."""
    if len(amounts) > MOST_UNKNOWN:
        return False
    told: dict[int, list[bool]] = {}
    choices: list[list[int]] = []
    for amount in amounts:
        if not amount:
            return False
        choices.append([0, *amount])
    for chosen in product(*choices):
        done = [amount != 0 for amount in chosen]
        if told.setdefault(sum(chosen), done) != done:
            return False
    return True


def _given_up(ids: BookingIds, told: Mapping[str, Any], standing: Sequence[Past]) -> list[str]:
    """Of these writes those about the booking that a release ended; none where that is not certain."""
    same = [write for write in standing if is_of(ids, write)]
    booking: Any = told.get("booking") or {}
    ended, count = booking.get("booking_id"), booking.get("requested_impressions")
    if ended is not None:
        named = [write.id for write in same if _answered(write, "booking_id") == ended]
        if named:
            return named
        same = [write for write in same if _answered(write, "booking_id") is None]
    count = told.get("found", {}).get("given_up") if count is None else count
    fitting = [write.id for write in same if count is None or held_by(write) in (None, count)]
    return fitting if len(fitting) == 1 else []


class Ids:
    """The ids of a booking, from the arguments of a write on record."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.source_id = str(arguments.get("source_id", ""))
        self.avail_id = str(arguments.get("avail_id", ""))
        self.media_buy_id = str(arguments.get("media_buy_id", ""))
        self.package_id: str | None = arguments.get("package_id")

    @classmethod
    def of(cls, write: Past) -> Ids:
        return cls(write.arguments)


def _package(write: Past) -> str | None:
    return _given(write.arguments.get("package_id")) or _given(_answered(write, "package_id"))


def _given(package: Any) -> str | None:
    return package.strip() if isinstance(package, str) else None


def _answered(write: Past, name: str) -> Any:
    """What the booking that a write was answered with tells."""
    booking = (write.result or {}).get("booking")
    return cast("Mapping[str, Any]", booking).get(name) if isinstance(booking, dict) else None
