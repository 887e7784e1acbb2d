"""An avail before and after a write, as far as Interchange lets it be seen: in its counts.

Interchange lists no holds and no bookings ("Unknown" in the contract), so a hold whose answer was lost is found in the
counts alone: what is held and booked together, before the write and now, with every other write of the record
accounted for. That tells what happened unless somebody else moved exactly as much, which the evidence says. Counts may
be late, as any read may: what was written shortly before a look may be in them or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tools.backends import Backends
from tools.effects import Brief, Doubt, Past, Verdict
from tools.interchange import holds, models
from tools.interchange.holds import BookingIds
from tools.vendor_http.replies import printable

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
class _Counts:
    """Held and booked impressions of an avail at one moment."""

    held: int
    booked: int

    @property
    def total(self) -> int:
        return self.held + self.booked


@dataclass(frozen=True, slots=True)
class _Moves:
    """What else may have moved the counts between the two looks.

    sums: what the other writes on record may have come to together, each counted as done and, where that is not sure,
    as not done; None: too much is not known. ended: what holds on record may have given back by ending by themselves,
    exactly. may_end: how many impressions may have ended by themselves in all, in whatever parts.
    """

    sums: set[int] | None
    ended: set[int]
    may_end: int

    def exactly(self, change: int) -> bool:
        """Whether what is on record explains a change to the last impression."""
        return any(change + ended in (self.sums or ()) for ended in self.ended)

    def possibly(self, change: int) -> bool:
        """Whether a change can be, when anything that may have ended by itself did, or did not."""
        return any(0 <= moved - change <= self.may_end for moved in self.sums or ())


async def by_counts(ids: BookingIds, backends: Backends, doubt: Doubt) -> Verdict:
    """Whether a hold was made or given up, from the avail's counts.

    A verdict needs both: what is on record explains the counts exactly in one way, and the other way is impossible,
    whatever ended by itself meanwhile. A hold ends when the vendor likes unless it was asked to last longer than this;
    so what is not known to stand, and not known to have ended, counts as both. A booking does not end by itself.
    """
    check = (
        f"A person looks in Interchange for a hold of media buy {ids.media_buy_id} on avail {ids.avail_id} of source "
        f"{ids.source_id}."
    )
    before = _before(doubt.write)
    if before is None:
        evidence = "The record does not hold the counts before it was sent."
        return Verdict(outcome="unknown", evidence=evidence, check=check)
    listed = [one for one in await backends.interchange.list_avails(ids.source_id) if one.avail_id == ids.avail_id]
    if len(listed) != 1:
        evidence = "Interchange does not list the avail any more." if not listed else "Interchange lists it twice."
        return Verdict(outcome="unknown", evidence=evidence, check=check)
    (avail,) = listed
    now = _Counts(avail.held_impressions, avail.booked_impressions)
    amounts = holds.effects(doubt.write, doubt.siblings)
    moves = _moves(before, doubt)
    found = _found(avail)
    seen = _seen(ids, before, now, amounts, doubt)
    if moves.sums is None:
        return Verdict(outcome="unknown", evidence=f"{seen}, and too much else is not known.", check=check)
    change = now.total - before.total
    done = {amount for amount in amounts or () if moves.exactly(change - amount)}
    if done and now.booked >= before.booked and not moves.possibly(change):
        # also at once: what the counts show cannot be undone by their being late
        evidence = f"{seen}, which is as if it was carried out and as nothing else on record explains."
        return _done(doubt, evidence, found, done)
    if doubt.write.age is None or doubt.write.age.least < doubt.settle_after:
        return Verdict(
            outcome="unknown",
            evidence=f"{seen}. The counts may be late, so that they do not prove yet that it was not carried out.",
            check=f"Call reconcile_operation again in {doubt.settle_after:.0f} s.",
        )
    if amounts is None:
        # of whatever size it was: nothing fell, so nothing was given up
        if moves.sums == {change}:
            return Verdict(outcome="not_sent", evidence=f"{seen}: nothing was given up.", found=found)
        return Verdict(outcome="unknown", evidence=f"{seen}.", check=check, found=found)
    if now.booked < before.booked:
        by_booked = _by_booked(doubt, before, now, amounts)
        told = f"{seen}. {by_booked.evidence}"
        return replace(by_booked, evidence=told, check=check, found={**found, **by_booked.found})
    may_be_done = any(moves.possibly(change - amount) for amount in _effects_by_now(doubt, amounts))
    if moves.exactly(change) and not may_be_done:
        return Verdict(outcome="not_sent", evidence=f"{seen}, which is as if it was not carried out.", found=found)
    return Verdict(
        outcome="unknown",
        evidence=f"{seen}{_why_unknown(change, moves, doubt)}",
        check=_check(check, doubt),
        found=found,
    )


def _effects_by_now(doubt: Doubt, amounts: Sequence[int]) -> list[int]:
    """What it changes if it was carried out; nothing, where a hold may have ended again."""
    return [*amounts, *([0] if _may_have_ended(doubt.write) else [])]


def _may_have_ended(write: Past) -> bool:
    """Whether a write is a hold that, if it was made, may be over by itself."""
    return write.tool == "reserve_avail" and not holds.is_known_to_stand(write)


def _by_booked(doubt: Doubt, before: _Counts, now: _Counts, amounts: Sequence[int]) -> Verdict:
    """The booked impressions fell. A booking does not end by itself, so somebody cancelled one: this release, if the
    counts leave no other way, or anybody else."""
    fell = before.booked - now.booked
    told = f"The booked impressions fell by {fell:,}, and bookings do not end by themselves"
    others = any(write.tool == "release_booking" and _was_sent(write) for write in doubt.siblings)
    ids = holds.Ids.of(doubt.write)
    handed_over = any(
        write.tool == "finalize_booking" and write.state == "succeeded" and holds.is_of(ids, write)
        for write in doubt.siblings
    )
    is_this = doubt.write.tool == "release_booking" and -fell in amounts and handed_over and not others
    # what was not held cannot have been the hold that was to be given up
    if is_this and before.held < fell:
        return Verdict(outcome="succeeded", evidence=f"{told}.", found={"given_up": fell})
    return Verdict(outcome="unknown", evidence=f"{told}: others may have cancelled one.")


def _check(check: str, doubt: Doubt) -> str:
    open_ = ", ".join(one.id for one in doubt.siblings if one.state in _OPEN and one.sent_at is not None)
    first = f"First call reconcile_operation for the other writes on this avail: {open_}. Otherwise: " if open_ else ""
    return f"{first}{check}"


def _why_unknown(change: int, moves: _Moves, doubt: Doubt) -> str:
    if not moves.possibly(change) and not moves.exactly(change):
        return ", which nothing on record explains: others moved it."
    ends = f"up to {moves.may_end:,} held impressions may have ended by themselves since"
    if _may_have_ended(doubt.write):
        return ". A hold ends by itself, and nothing tells whether this one was made and is over, or was never made."
    return f", and {ends}, so that both can be." if moves.may_end else ", which other writes explain as well."


def _done(doubt: Doubt, evidence: str, found: dict[str, Any], amounts: set[int]) -> Verdict:
    if doubt.write.tool == "release_booking" and len(amounts) == 1:
        found = {**found, "given_up": -min(amounts)}
    return Verdict(outcome="succeeded", evidence=evidence, found=found)


def _seen(ids: BookingIds, before: _Counts, now: _Counts, amounts: Sequence[int] | None, doubt: Doubt) -> str:
    """The counts, and the other writes that are accounted for."""
    about = " or ".join(f"{abs(amount):,}" for amount in amounts or ()) or "a number that is not on record"
    others = [write for write in doubt.siblings if _choices(write, doubt) != (0,) or _is_recent(write, doubt)]
    told = [f"{write.id} ({write.tool})" for write in others]
    more = f" and {len(told) - 5} more" if len(told) > 5 else ""
    counted = f", with {', '.join(told[:5])}{more} counted in" if told else ""
    return (
        f"Held and booked impressions of avail {ids.avail_id}: {before.total:,} before it was sent, {now.total:,} now; "
        f"it is about {about}{counted}"
    )


def _found(avail: models.Avail) -> dict[str, Any]:
    return {
        "avail_id": avail.avail_id,
        "held_impressions": avail.held_impressions,
        "booked_impressions": avail.booked_impressions,
        "available_impressions": avail.available_impressions,
    }


def _before(write: Past) -> _Counts | None:
    """The counts that were read before a write."""
    held, booked = (write.before or {}).get("held"), (write.before or {}).get("booked")
    return _Counts(held, booked) if isinstance(held, int) and isinstance(booked, int) else None


def _moves(before: _Counts, doubt: Doubt) -> _Moves:
    sums = _late_sums(doubt)
    for write in doubt.siblings:
        choices = _choices(write, doubt)
        if choices is None or sums is None or len(sums) > MOST_SUMS:
            return _Moves(None, {0}, before.held)
        sums = {moved + choice for moved in sums for choice in choices}
    if sums is None:
        return _Moves(None, {0}, before.held)
    standing, others, may_have_ended = 0, 0, list[int]()
    for write in doubt.siblings:
        if not _is_standing_hold(write) or write.sequence > doubt.write.sequence:
            continue
        count, counted = holds.held_by(write) or 0, not _is_recent(write, doubt)
        if _may_be_booked(write, doubt):
            # it may be in the booked impressions by then, which do not end by themselves
            continue
        if holds.is_known_to_stand(write) and not _may_be_given_up(write, doubt):
            standing += count if counted else 0
        elif counted:
            may_have_ended.append(count)
        else:
            others += count
    return _Moves(sums, _subset_sums(may_have_ended), max(0, before.held - standing) + others)


def _may_be_given_up(hold: Past, doubt: Doubt) -> bool:
    """Whether a release may have ended a hold: one that is not settled, or one that ended one of several."""
    return any(
        write.tool == "release_booking"
        and (write.state in _OPEN or (write.state == "succeeded" and write.sequence > hold.sequence))
        and holds.is_of(holds.Ids.of(write), hold)
        for write in doubt.siblings
    )


def _may_be_booked(hold: Past, doubt: Doubt) -> bool:
    """Whether a hold was, or may have been, handed over: people may have booked it since."""
    return any(
        write.tool == "finalize_booking" and _was_sent(write) and holds.is_of(holds.Ids.of(write), hold)
        for write in doubt.siblings
    )


def _subset_sums(amounts: Sequence[int]) -> set[int]:
    sums = {0}
    for amount in amounts:
        if len(sums) > MOST_SUMS:
            return {0}
        sums |= {total + amount for total in sums}
    return sums


def _was_sent(write: Past) -> bool:
    return write.sent_at is not None and write.state in (*_OPEN, "succeeded", "superseded")


def _is_standing_hold(write: Past) -> bool:
    """A hold on record that was not given up there. One that was is over by that, and not by itself."""
    return write.tool == "reserve_avail" and write.state == "succeeded"


def _late_sums(doubt: Doubt) -> set[int] | None:
    """What the writes shortly before this one may have come to after the counts that were read before it: each of them
    was in those counts, or came late."""
    sums = {0}
    for write in doubt.siblings:
        if not _is_recent(write, doubt):
            continue
        amounts = holds.effects(write, _all_but(write, doubt))
        if amounts is None or len(sums) > MOST_SUMS:
            return None
        sums = {late + amount for late in sums for amount in (0, *amounts)}
    return sums


def _is_recent(write: Past, doubt: Doubt) -> bool:
    """Whether a write left so shortly before this one that the counts of then may not have had it yet."""
    if not _was_sent(write) or write.sequence >= doubt.write.sequence:
        return False
    if write.age is None or doubt.write.age is None:
        return True
    return write.age.least - doubt.write.age.most < doubt.settle_after


def _all_but(write: Past, doubt: Doubt) -> list[Past]:
    return [other for other in (*doubt.siblings, doubt.write) if other.id != write.id]


def _choices(write: Past, doubt: Doubt) -> tuple[int, ...] | None:
    """What another write may have added between the two looks. One before the first look was in the first count, or
    see `_late_sums`; None: that is not known."""
    if not _was_sent(write) or write.sequence < doubt.write.sequence:
        return (0,)
    amounts = holds.effects(write, _all_but(write, doubt))
    if amounts is None:
        return None
    does_not_show = write.age is None or write.age.least < doubt.settle_after
    sure = write.state in ("succeeded", "superseded") and not does_not_show and not _may_have_ended(write)
    return tuple(dict.fromkeys((*amounts, *(() if sure else (0,)))))
