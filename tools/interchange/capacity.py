"""Holds and bookings of one avail, as far as Interchange lets them be seen: its counts, and the work for people.

Interchange lists no holds and no bookings ("Unknown" in the contract), so a hold whose answer was lost is found in the
counts alone: what is held and booked together, before the write and now, with every other write of the record
accounted for. That tells what happened unless somebody else moved exactly as much, which the evidence says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Protocol, cast
from urllib.parse import quote

from tools.backends import Backends
from tools.interchange import models
from tools.replies import printable
from tools.writes import Brief, Doubt, Past, Verdict

MOST_UNKNOWN = 10
"""Writes in doubt on one avail that are weighed together; more than that tell nothing any more."""


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
    return "booking:" + "/".join(quote(part, safe="") for part in parts)


def resource(ids: BookingIds) -> str:
    return f"avail:{quote(ids.source_id, safe='')}/{quote(ids.avail_id, safe='')}"


async def find_avail(ids: BookingIds, backends: Backends) -> models.Avail | None:
    avails = await backends.interchange.list_avails(ids.source_id)
    return next((avail for avail in avails if avail.avail_id == ids.avail_id), None)


async def hold_of(ids: BookingIds, backends: Backends) -> Past | None:
    """The hold of these ids that this server's record knows."""
    return await backends.record.done("reserve_avail", subject(ids), backends) if backends.record else None


def held_by(hold: Past | None) -> int | None:
    """How many impressions a hold on record is for."""
    if hold is None:
        return None
    told = _answered(hold)
    count = told if told is not None else hold.arguments.get("requested_impressions")
    return count if isinstance(count, int) else None


def _answered(write: Past) -> Any:
    """The impressions of the booking that a write was answered with."""
    booking = (write.result or {}).get("booking")
    return cast("Mapping[str, Any]", booking).get("requested_impressions") if isinstance(booking, dict) else None


def named(avail: models.Avail) -> str:
    return f"avail {printable(avail.avail_id, limit=80)} ({printable(avail.name, limit=120)})"


def worth(avail: models.Avail, impressions: int | None) -> str:
    """The money in a clause, from the price per thousand; empty when no price is stated."""
    if avail.cpm is None:
        return ", price not stated"
    currency = printable(avail.currency or "", limit=10)
    price = f", at {currency} {avail.cpm:,.2f} CPM".replace("  ", " ")
    total = f" about {currency} {avail.cpm * impressions / 1000:,.2f}".replace("  ", " ") if impressions else ""
    return price + total


def counts(avail: models.Avail) -> dict[str, Any]:
    """What a later look is compared with."""
    return {"held": avail.held_impressions, "booked": avail.booked_impressions}


def no_avail(ids: BookingIds, what: str) -> Brief:
    return Brief(
        does=f"{what} avail {printable(ids.avail_id, limit=80)} of source {printable(ids.source_id, limit=80)} for "
        f"media buy {printable(ids.media_buy_id, limit=80)}.",
        problems=[f"Source {ids.source_id} lists no avail {printable(ids.avail_id, limit=80)}."],
    )


async def by_counts(ids: BookingIds, backends: Backends, doubt: Doubt) -> Verdict:
    """Whether a hold was made or given up, from the avail's counts."""
    check = (
        f"A person looks in Interchange for a hold of media buy {ids.media_buy_id} on avail {ids.avail_id} of source "
        f"{ids.source_id}, and records it with `adops-mcp operations reconcile {doubt.write.id} --outcome`."
    )
    before = _total(doubt.write.before)
    amount = _effect(doubt.write, doubt.siblings)
    if before is None or amount is None:
        missing = "how many impressions it is about" if before is not None else "the counts before it was sent"
        return Verdict(outcome="unknown", evidence=f"The record does not hold {missing}.", check=check)
    avail = await find_avail(ids, backends)
    if avail is None:
        return Verdict(outcome="unknown", evidence="Interchange does not list the avail any more.", check=check)
    now = avail.held_impressions + avail.booked_impressions
    seen = (
        f"Held and booked impressions of avail {ids.avail_id}: {before:,} before it was sent, {now:,} now; it is about "
        f"{abs(amount):,}"
    )
    free = _free(doubt)
    if len(free) > MOST_UNKNOWN:
        return Verdict(outcome="unknown", evidence=f"{seen}, and too much else is in doubt.", check=check)
    fits = {
        done
        for done in (True, False)
        for chosen in product(*free)
        if before + (amount if done else 0) + sum(chosen) == now
    }
    if fits == {True}:
        evidence = f"{seen}, which is as if it was carried out and as nothing else on record explains."
        return Verdict(outcome="succeeded", evidence=evidence, found=_found(avail))
    if fits == {False}:
        return Verdict(
            outcome="not_sent", evidence=f"{seen}, which is as if it was not carried out.", found=_found(avail)
        )
    if fits:
        others = ", ".join(other.id for other in doubt.siblings if other.state in ("in_doubt", "sending"))
        first = f"First call reconcile_operation for the other writes on this avail: {others}. Otherwise: {check}"
        evidence = f"{seen}, which other writes in doubt explain as well."
        return Verdict(outcome="unknown", evidence=evidence, check=first, found=_found(avail))
    evidence = f"{seen}, which nothing on record explains: others moved it."
    return Verdict(outcome="unknown", evidence=evidence, check=check, found=_found(avail))


def _found(avail: models.Avail) -> dict[str, Any]:
    return {
        "avail_id": avail.avail_id,
        "held_impressions": avail.held_impressions,
        "booked_impressions": avail.booked_impressions,
        "available_impressions": avail.available_impressions,
    }


def _total(before: Mapping[str, Any] | None) -> int | None:
    held, booked = (before or {}).get("held"), (before or {}).get("booked")
    return held + booked if isinstance(held, int) and isinstance(booked, int) else None


def _effect(write: Past, others: Sequence[Past]) -> int | None:
    """By how many impressions a write changes what is held and booked together; None when not known."""
    if write.tool == "reserve_avail":
        return held_by(write)
    if write.tool != "release_booking":
        return 0
    told = _answered(write)
    if isinstance(told, int):
        return -told
    holds = [
        other
        for other in others
        if other.tool == "reserve_avail"
        and other.subject == write.subject
        and other.state in ("succeeded", "superseded")
    ]
    count = held_by(holds[-1]) if holds else None
    return None if count is None else -count


def _free(doubt: Doubt) -> list[tuple[int, ...]]:
    """What each other write may have added between the two looks."""
    sent = doubt.write.sent_at or 0.0
    free: list[tuple[int, ...]] = []
    for other in doubt.siblings:
        if other.sent_at is None:
            continue
        amount = _effect(other, [*doubt.siblings, doubt.write])
        earlier = other.sent_at < sent
        if amount is None:
            amount = 0
        if other.state in ("in_doubt", "sending"):
            # one that was sent long enough before was in the first count already, or never came
            if not (earlier and sent - other.sent_at >= doubt.settle_after):
                free.append((0, amount))
        elif other.state in ("succeeded", "superseded"):
            ends = _end_of_hold(other)
            if earlier and ends is not None and sent < ends <= doubt.now:
                free.append((0, -amount))
            elif not earlier:
                free.append((amount, 0) if ends is not None and ends <= doubt.now else (amount,))
    return [choice for choice in free if any(choice)]


def _end_of_hold(write: Past) -> float | None:
    """When a hold ends by itself, for one that was asked to: seconds since the epoch."""
    minutes = write.arguments.get("hold_minutes") if write.tool == "reserve_avail" else None
    return write.sent_at + 60 * minutes if isinstance(minutes, int) and write.sent_at is not None else None
