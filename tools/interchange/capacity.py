"""An avail before and after a write, as far as Interchange lets it be seen: in its counts.

Interchange lists no holds and no bookings ("Unknown" in the contract), so a hold whose answer was lost is found in the
counts alone: what is held and booked together, before the write and now, with every other write of the record
accounted for. That tells what happened unless somebody else moved exactly as much, which the evidence says. Counts may
be late, as any read may: what was written shortly before a look may be in them or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.backends import Backends
from tools.interchange import holds, models
from tools.interchange.holds import BookingIds
from tools.replies import printable
from tools.writes import Brief, Doubt, Past, Verdict

_OPEN = ("in_doubt", "sending")
MOST_SUMS = 100_000
"""Of what other writes may have come to together; more than that tell nothing any more."""


async def find_avail(ids: BookingIds, backends: Backends) -> models.Avail | None:
    avails = await backends.interchange.list_avails(ids.source_id)
    return next((avail for avail in avails if avail.avail_id == ids.avail_id), None)


def named(avail: models.Avail) -> str:
    return f"avail {printable(avail.avail_id, limit=80)} ({printable(avail.name, limit=120)})"


def worth(avail: models.Avail, impressions: Sequence[int]) -> str:
    """The money in a clause, from the price per thousand; empty when no price is stated. Several: one of them."""
    if avail.cpm is None:
        return ", price not stated"
    currency = printable(avail.currency or "", limit=10)
    price = f", at {currency} {avail.cpm:,.2f} CPM".replace("  ", " ")
    sums = sorted({avail.cpm * count / 1000 for count in impressions})
    told = " to ".join(f"{one:,.2f}" for one in (sums[:1] + sums[1:][-1:]))
    return price + (f" about {currency} {told}".replace("  ", " ") if told else "")


def counts(avail: models.Avail) -> dict[str, Any]:
    """What a later look is compared with."""
    return {"held": avail.held_impressions, "booked": avail.booked_impressions}


def no_avail(ids: BookingIds, what: str) -> Brief:
    return Brief(
        does=f"{what} avail {printable(ids.avail_id, limit=80)} of source {printable(ids.source_id, limit=80)} for "
        f"media buy {printable(ids.media_buy_id, limit=80)}.",
        problems=[f"Source {ids.source_id} lists no avail {printable(ids.avail_id, limit=80)}."],
    )


@dataclass(frozen=True, slots=True)
class _Other:
    """Another write on the avail. choices: what it may have added between the two looks; None: that is not known."""

    write: Past
    choices: tuple[int, ...] | None


async def by_counts(ids: BookingIds, backends: Backends, doubt: Doubt) -> Verdict:
    """Whether a hold was made or given up, from the avail's counts."""
    check = (
        f"A person looks in Interchange for a hold of media buy {ids.media_buy_id} on avail {ids.avail_id} of source "
        f"{ids.source_id}."
    )
    before = _total(doubt.write.before)
    amounts = holds.effects(doubt.write, doubt.siblings)
    if before is None:
        evidence = "The record does not hold the counts before it was sent."
        return Verdict(outcome="unknown", evidence=evidence, check=check)
    avail = await find_avail(ids, backends)
    if avail is None:
        return Verdict(outcome="unknown", evidence="Interchange does not list the avail any more.", check=check)
    now = avail.held_impressions + avail.booked_impressions
    about = " or ".join(f"{abs(amount):,}" for amount in amounts or ()) or "a number that is not on record"
    others, late = _others(doubt), _late_sums(doubt)
    seen = (
        f"Held and booked impressions of avail {ids.avail_id}: {before:,} before it was sent, {now:,} now; it is about "
        f"{about}{_counted(others, late, doubt)}"
    )
    moved = _sums(others, late)
    if moved is None:
        return Verdict(outcome="unknown", evidence=f"{seen}, and too much else is not known.", check=check)
    if amounts is None:
        if moved == {now - before}:
            return Verdict(outcome="not_sent", evidence=f"{seen}: nothing was given up.", found=_found(avail))
        return Verdict(outcome="unknown", evidence=f"{seen}.", check=check, found=_found(avail))
    fits = {amount for amount in (0, *amounts) if now - before - amount in moved}
    found = _found(avail)
    if fits == {0}:
        return Verdict(outcome="not_sent", evidence=f"{seen}, which is as if it was not carried out.", found=found)
    if fits and 0 not in fits:
        evidence = f"{seen}, which is as if it was carried out and as nothing else on record explains."
        return _done(doubt, evidence, found, fits)
    if fits:
        open_ = ", ".join(one.id for one in doubt.siblings if one.state in _OPEN and one.sent_at is not None)
        first = (
            f"First call reconcile_operation for the other writes on this avail: {open_}."
            if open_
            else f"First call reconcile_operation again in {doubt.settle_after:.0f} s: the counts may be late."
        )
        evidence = f"{seen}, which other writes explain as well."
        return Verdict(outcome="unknown", evidence=evidence, check=f"{first} Otherwise: {check}", found=found)
    evidence = f"{seen}, which nothing on record explains: others moved it."
    return Verdict(outcome="unknown", evidence=evidence, check=check, found=found)


def _done(doubt: Doubt, evidence: str, found: dict[str, Any], amounts: set[int]) -> Verdict:
    if doubt.write.tool == "release_booking" and len(amounts) == 1:
        found = {**found, "given_up": -min(amounts)}
    return Verdict(outcome="succeeded", evidence=evidence, found=found)


def _counted(others: Sequence[_Other], late: set[int] | None, doubt: Doubt) -> str:
    """The other writes that the sums account for."""
    recent = [] if late == {0} else [write for write in doubt.siblings if _is_recent(write, doubt)]
    told = [f"{write.id} ({write.tool})" for write in [*recent, *(other.write for other in others)]]
    more = f" and {len(told) - 5} more" if len(told) > 5 else ""
    return f", with {', '.join(told[:5])}{more} counted in" if told else ""


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


def _others(doubt: Doubt) -> list[_Other]:
    """The other writes that may have moved the counts between the two looks."""
    found: list[_Other] = []
    for write in doubt.siblings:
        if write.sent_at is not None and (choices := _choices(write, doubt)) != (0,):
            found.append(_Other(write, choices))
    return found


def _sums(others: Sequence[_Other], late: set[int] | None) -> set[int] | None:
    """What the other writes may have come to together; None when that is not known, or may be too much."""
    sums = late
    for other in others:
        if other.choices is None or sums is None or len(sums) > MOST_SUMS:
            return None
        sums = {moved + choice for moved in sums for choice in other.choices}
    return sums


def _late_sums(doubt: Doubt) -> set[int] | None:
    """What the writes shortly before this one may have come to after the counts that were read before it.

    Each of them was in those counts or came late. Only what goes with the counts before the first of them can be: then
    the two counts differ by what was in the second.
    """
    recent = [write for write in doubt.siblings if _is_recent(write, doubt)]
    pairs = {(0, 0)}
    for write in recent:
        amounts = holds.effects(write, _all_but(write, doubt))
        if amounts is None or len(pairs) > MOST_SUMS:
            return None
        ways = {way for amount in amounts for way in ((amount, 0), (0, amount))}
        ways |= {(0, 0)} if write.state in _OPEN else set[tuple[int, int]]()
        pairs = {(shown + now, late + later) for shown, late in pairs for now, later in ways}
    before = _total(doubt.write.before)
    first = next((total for write in recent if (total := _total(write.before)) is not None), None)
    fitting = {late for shown, late in pairs if before is not None and first is not None and shown == before - first}
    return fitting or {late for _, late in pairs}


def _is_recent(write: Past, doubt: Doubt) -> bool:
    sent = doubt.write.sent_at or 0.0
    was_sent = write.state in (*_OPEN, "succeeded", "superseded")
    return was_sent and sent - doubt.settle_after < (write.sent_at or 0.0) < sent


def _all_but(write: Past, doubt: Doubt) -> list[Past]:
    return [other for other in (*doubt.siblings, doubt.write) if other.id != write.id]


def _choices(write: Past, doubt: Doubt) -> tuple[int, ...] | None:
    """What a write may have added between the two looks, beside what it did shortly before the first."""
    sent, sent_at = doubt.write.sent_at or 0.0, write.sent_at or 0.0
    amounts = holds.effects(write, _all_but(write, doubt))
    ends = holds.end_of_hold(write)
    if sent_at < sent:
        # it was in the first count, or see `_late_sums`; a hold may have ended since
        is_over = write.state in ("succeeded", "superseded") and ends is not None and sent < ends <= doubt.now
        return tuple(dict.fromkeys((0, *(-amount for amount in amounts or ())))) if is_over else (0,)
    if write.state in _OPEN:
        return None if amounts is None else tuple(dict.fromkeys((0, *amounts)))
    if write.state not in ("succeeded", "superseded"):
        return (0,)
    if amounts is None:
        return None
    may_not_show = (ends is not None and ends <= doubt.now) or doubt.now - sent_at < doubt.settle_after
    return tuple(dict.fromkeys((*amounts, 0))) if may_not_show else tuple(amounts)
