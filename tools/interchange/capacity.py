"""What the counts of an avail show about a write: whether a hold was made or given up.

Interchange lists no holds and no bookings ("Unknown" in the contract). So a write whose answer was lost is looked for
in the counts: the held and booked impressions together, before the write and now, with every other write in the ledger
taken into account. That shows what happened, unless somebody else changed them by exactly as much; the evidence gives
the numbers. Counts may be late: what was written shortly before a read may be in them or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tools.backends import Backends
from tools.effects import Doubt, Preview, RecordedWrite, Verdict, is_settled
from tools.interchange import holds, models
from tools.interchange.holds import BookingIds
from tools.vendor_http.replies import printable

_OPEN_STATES = ("in_doubt", "sending")
MAX_SUMS = 100_000
"""How many different sums of other writes are considered. More than that would explain any change."""


async def find_avail(ids: BookingIds, backends: Backends) -> models.Avail | None:
    """The avail with these ids, or None when the source does not list it."""
    avails = await backends.interchange.list_avails(ids.source_id)
    return next((avail for avail in avails if avail.avail_id == ids.avail_id), None)


def avail_label(avail: models.Avail) -> str:
    """The avail's id and name, for a sentence."""
    return f"avail {printable(avail.avail_id, limit=80)} ({printable(avail.name, limit=120)})"


def price_clause(avail: models.Avail, impressions: Sequence[int]) -> str:
    """The price and the money in a clause. impressions: the possible amounts."""
    if avail.cpm is None:
        return ", price not stated"
    currency = printable(avail.currency or "", limit=10)
    price = f", at {currency} {avail.cpm:,.2f} CPM".replace("  ", " ")
    sums = sorted({avail.cpm * count / 1000 for count in impressions})
    amounts = " to ".join(f"{one:,.2f}" for one in (sums[:1] + sums[1:][-1:]))
    return price + (f" about {currency} {amounts}".replace("  ", " ") if amounts else "")


def baseline(avail: models.Avail) -> dict[str, Any]:
    """The counts that a reconciliation compares with."""
    return {"held": avail.held_impressions, "booked": avail.booked_impressions}


def preview_without_avail(ids: BookingIds, action: str) -> Preview:
    """The preview of a write on an avail that the source does not list."""
    return Preview(
        does=f"{action} avail {printable(ids.avail_id, limit=80)} of source {printable(ids.source_id, limit=80)} for "
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
class _OtherChanges:
    """What else may have changed the counts between the two reads.

    sums: what the other writes in the ledger may have changed together. A write whose outcome is not sure counts as
    done and as not done. None: too much is not known.
    ended_sums: how many impressions holds in the ledger may have given back by expiring, in every combination.
    max_ended: how many impressions may have expired at most, whoever held them.
    """

    sums: set[int] | None
    ended_sums: set[int]
    max_ended: int

    def explains(self, change: int) -> bool:
        """Whether the ledger explains a change exactly."""
        return any(change + ended in (self.sums or ()) for ended in self.ended_sums)

    def may_explain(self, change: int) -> bool:
        """Whether a change is possible, if any part of what may have expired did expire."""
        return any(0 <= moved - change <= self.max_ended for moved in self.sums or ())


async def verdict_by_counts(ids: BookingIds, backends: Backends, doubt: Doubt) -> Verdict:
    """Whether a hold was made or given up, by the avail's counts.

    An outcome is known only if the ledger explains the counts exactly with it, and the opposite is impossible whatever
    expired meanwhile. Interchange may end a hold at any time, unless it was requested to last longer than this
    reconciliation takes. So a hold that is neither known to be in force nor known to be over counts as both. A booking
    does not end by itself.
    """
    check = (
        f"A person looks in Interchange for a hold of media buy {ids.media_buy_id} on avail {ids.avail_id} of source "
        f"{ids.source_id}."
    )
    before = _counts_in_baseline(doubt.write)
    if before is None:
        evidence = "The counts before it was sent are not on record."
        return Verdict(outcome="unknown", evidence=evidence, check=check)
    listed = [one for one in await backends.interchange.list_avails(ids.source_id) if one.avail_id == ids.avail_id]
    if len(listed) != 1:
        evidence = "Interchange does not list the avail any more." if not listed else "Interchange lists it twice."
        return Verdict(outcome="unknown", evidence=evidence, check=check)
    (avail,) = listed
    now = _Counts(avail.held_impressions, avail.booked_impressions)
    amounts = holds.possible_changes(doubt.write, doubt.siblings)
    others = _other_changes(before, doubt)
    found = _found_counts(avail)
    counted = _counts_evidence(ids, before, now, amounts, doubt)
    if others.sums is None:
        return Verdict(outcome="unknown", evidence=f"{counted}, and too much else is not known.", check=check)
    change = now.total - before.total
    # that other holds of ours expired is not assumed here: with several that may have, the holds of somebody else
    # could nearly always be explained by some of them
    done = {amount for amount in amounts or () if change - amount in others.sums}
    if done and now.booked >= before.booked and not others.may_explain(change):
        # this holds also before the counts are settled: late counts cannot show what was not done
        evidence = f"{counted}, which is as if it was carried out and as nothing else on record explains."
        return _succeeded(doubt, evidence, found, done)
    if not is_settled(doubt.write.age, doubt.settle_after):
        return Verdict(
            outcome="unknown",
            evidence=f"{counted}. The counts may be late, so they do not yet prove that it was not carried out.",
            check=f"Call reconcile_operation again in {doubt.settle_after:.0f} s.",
        )
    if amounts is None:
        # whatever its size: the counts did not fall, so nothing was given up
        if others.sums == {change}:
            return Verdict(outcome="not_sent", evidence=f"{counted}: nothing was given up.", found=found)
        return Verdict(outcome="unknown", evidence=f"{counted}.", check=check, found=found)
    if now.booked < before.booked:
        by_booked = _verdict_on_fallen_bookings(doubt, before, now, amounts)
        evidence = f"{counted}. {by_booked.evidence}"
        return replace(by_booked, evidence=evidence, check=check, found={**found, **by_booked.found})
    may_be_done = any(others.may_explain(change - amount) for amount in _possible_changes_by_now(doubt, amounts))
    if others.explains(change) and not may_be_done:
        return Verdict(outcome="not_sent", evidence=f"{counted}, which is as if it was not carried out.", found=found)
    return Verdict(
        outcome="unknown",
        evidence=f"{counted}{_why_unknown(change, others, doubt)}",
        check=_what_to_check(check, doubt),
        found=found,
    )


def _possible_changes_by_now(doubt: Doubt, amounts: Sequence[int]) -> list[int]:
    """What the write may have changed by now if it was carried out: nothing, if its hold has expired since."""
    return [*amounts, *([0] if _may_have_expired(doubt.write) else [])]


def _may_have_expired(write: RecordedWrite) -> bool:
    """Whether a write is a hold that may have expired since, if it was made."""
    return write.tool == "reserve_avail" and not holds.is_surely_in_force(write)


def _verdict_on_fallen_bookings(doubt: Doubt, before: _Counts, now: _Counts, amounts: Sequence[int]) -> Verdict:
    """The verdict when the booked impressions fell.

    A booking does not end by itself, so somebody cancelled one: this release, if the counts allow nothing else, or
    anybody.
    """
    fell = before.booked - now.booked
    fallen = f"The booked impressions fell by {fell:,}, and bookings do not end by themselves"
    others = any(write.tool == "release_booking" and _was_sent(write) for write in doubt.siblings)
    ids = holds.RecordedIds.of(doubt.write)
    is_handed_over = any(
        write.tool == "finalize_booking" and write.state == "succeeded" and holds.may_be_about(ids, write)
        for write in doubt.siblings
    )
    is_this = doubt.write.tool == "release_booking" and -fell in amounts and is_handed_over and not others
    # impressions that were not held cannot be those of the hold to be given up
    if is_this and before.held < fell:
        return Verdict(outcome="succeeded", evidence=f"{fallen}.", found={"given_up": fell})
    return Verdict(outcome="unknown", evidence=f"{fallen}: others may have cancelled one.")


def _what_to_check(check: str, doubt: Doubt) -> str:
    open_ids = ", ".join(one.id for one in doubt.siblings if one.state in _OPEN_STATES and one.sent_at is not None)
    first = (
        f"First call reconcile_operation for the other writes on this avail: {open_ids}. Otherwise: "
        if open_ids
        else ""
    )
    return f"{first}{check}"


def _why_unknown(change: int, others: _OtherChanges, doubt: Doubt) -> str:
    if not others.may_explain(change) and not others.explains(change):
        return ", which nothing on record explains: others moved it."
    ends = f"up to {others.max_ended:,} held impressions may have ended by themselves since"
    if _may_have_expired(doubt.write):
        return ". A hold ends by itself, and nothing shows whether this one was made and is over, or was never made."
    return f", and {ends}, so either is possible." if others.max_ended else ", which other writes explain as well."


def _succeeded(doubt: Doubt, evidence: str, found: dict[str, Any], amounts: set[int]) -> Verdict:
    if doubt.write.tool == "release_booking" and len(amounts) == 1:
        found = {**found, "given_up": -min(amounts)}
    return Verdict(outcome="succeeded", evidence=evidence, found=found)


def _counts_evidence(
    ids: BookingIds, before: _Counts, now: _Counts, amounts: Sequence[int] | None, doubt: Doubt
) -> str:
    """The counts in a sentence, with the other writes that are taken into account."""
    size = " or ".join(f"{abs(amount):,}" for amount in amounts or ()) or "a number that is not on record"
    others = [write for write in doubt.siblings if _possible_amounts(write, doubt) != (0,) or _is_recent(write, doubt)]
    names = [f"{write.id} ({write.tool})" for write in others]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    counted = f", with {', '.join(names[:5])}{more} counted in" if names else ""
    return (
        f"Held and booked impressions of avail {ids.avail_id}: {before.total:,} before it was sent, {now.total:,} now; "
        f"it is about {size}{counted}"
    )


def _found_counts(avail: models.Avail) -> dict[str, Any]:
    return {
        "avail_id": avail.avail_id,
        "held_impressions": avail.held_impressions,
        "booked_impressions": avail.booked_impressions,
        "available_impressions": avail.available_impressions,
    }


def _counts_in_baseline(write: RecordedWrite) -> _Counts | None:
    """The counts that were read before a write, or None when they are not in the ledger."""
    held, booked = (write.baseline or {}).get("held"), (write.baseline or {}).get("booked")
    return _Counts(held, booked) if isinstance(held, int) and isinstance(booked, int) else None


def _other_changes(before: _Counts, doubt: Doubt) -> _OtherChanges:
    sums = _late_sums(doubt)
    for write in doubt.siblings:
        choices = _possible_amounts(write, doubt)
        if choices is None or sums is None or len(sums) > MAX_SUMS:
            return _OtherChanges(None, {0}, before.held)
        sums = {total + choice for total in sums for choice in choices}
    if sums is None:
        return _OtherChanges(None, {0}, before.held)
    in_force, recent, may_have_expired = 0, 0, list[int]()
    for write in doubt.siblings:
        if not _is_hold_in_force(write) or write.sequence > doubt.write.sequence:
            continue
        count, counted = holds.hold_size(write) or 0, not _is_recent(write, doubt)
        if _may_be_booked(write, doubt):
            # it may be in the booked impressions by then, which do not end by themselves
            continue
        if holds.is_surely_in_force(write) and not _may_be_released(write, doubt):
            in_force += count if counted else 0
        elif counted:
            may_have_expired.append(count)
        else:
            recent += count
    return _OtherChanges(sums, _subset_sums(may_have_expired), max(0, before.held - in_force) + recent)


def _may_be_released(hold: RecordedWrite, doubt: Doubt) -> bool:
    """Whether a release may have ended this hold: an unsettled one, or one that ended one of several holds."""
    return any(
        write.state in _OPEN_STATES or (write.state == "succeeded" and write.sequence > hold.sequence)
        for write in _siblings_about("release_booking", hold, doubt)
    )


def _may_be_booked(hold: RecordedWrite, doubt: Doubt) -> bool:
    """Whether a hold was, or may have been, handed over: people may have booked it since."""
    return any(map(_was_sent, _siblings_about("finalize_booking", hold, doubt)))


def _siblings_about(tool: str, hold: RecordedWrite, doubt: Doubt) -> list[RecordedWrite]:
    """The siblings made with `tool` whose ids may mean this hold."""
    made = [write for write in doubt.siblings if write.tool == tool]
    return [write for write in made if holds.may_be_about(holds.RecordedIds.of(write), hold)]


def _subset_sums(amounts: Sequence[int]) -> set[int]:
    sums = {0}
    for amount in amounts:
        if len(sums) > MAX_SUMS:
            return {0}
        sums |= {total + amount for total in sums}
    return sums


def _was_sent(write: RecordedWrite) -> bool:
    return write.sent_at is not None and write.state in (*_OPEN_STATES, "succeeded", "superseded")


def _is_hold_in_force(write: RecordedWrite) -> bool:
    """Whether a write is a hold that no release in the ledger has ended."""
    return write.tool == "reserve_avail" and write.state == "succeeded"


def _late_sums(doubt: Doubt) -> set[int] | None:
    """What the writes sent shortly before this one may have added to the counts after its baseline was read.

    Each of them was either in the baseline already, or showed later. None: that is not known.
    """
    sums = {0}
    for write in doubt.siblings:
        if not _is_recent(write, doubt):
            continue
        amounts = holds.possible_changes(write, _all_except(write, doubt))
        if amounts is None or len(sums) > MAX_SUMS:
            return None
        sums = {late + amount for late in sums for amount in (0, *amounts)}
    return sums


def _is_recent(write: RecordedWrite, doubt: Doubt) -> bool:
    """Whether a write was sent so shortly before this one that the baseline may not have included it."""
    if not _was_sent(write) or write.sequence >= doubt.write.sequence:
        return False
    if write.age is None or doubt.write.age is None:
        return True
    return write.age.at_least - doubt.write.age.at_most < doubt.settle_after


def _all_except(write: RecordedWrite, doubt: Doubt) -> list[RecordedWrite]:
    return [other for other in (*doubt.siblings, doubt.write) if other.id != write.id]


def _possible_amounts(write: RecordedWrite, doubt: Doubt) -> tuple[int, ...] | None:
    """What another write may have changed between the two reads; None when that is not known.

    A write sent before the baseline was read counts as nothing here (see `_late_sums` for recent ones).
    """
    if not _was_sent(write) or write.sequence < doubt.write.sequence:
        return (0,)
    amounts = holds.possible_changes(write, _all_except(write, doubt))
    if amounts is None:
        return None
    is_done = write.state in ("succeeded", "superseded")
    is_sure = is_done and is_settled(write.age, doubt.settle_after) and not _may_have_expired(write)
    return tuple(dict.fromkeys((*amounts, *(() if is_sure else (0,)))))
