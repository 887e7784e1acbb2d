"""Settling a write in doubt: its tool looks at the vendor, and what it found goes on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from server.clocks import WATCHED, disagreement, proved
from server.ledger.entries import Ending, Operation
from server.ledger.operations import Operations
from server.ledger.state_machine import Event, may_settle_unsent
from server.writes.outcomes import moment
from server.writes.settlement_log import log_settlement
from tools.backends import Backends
from tools.catalogue import BY_NAME
from tools.effects import Doubt, Outcome, Verdict
from tools.errors import InProgress, NotFound
from tools.schema import Arguments
from tools.tool import Write
from tools.vendor_http.replies import printable

SETTLE = "adops-mcp operations reconcile"
_TO_ASK = "Tell the person that this is not known."
_AGAIN = "The same call may be made again, if the person still wants it."


@dataclass(frozen=True, slots=True)
class Settled:
    """What a reconciliation says, and the operation as it stands then."""

    verdict: Verdict
    operation: Operation
    next_step: str


async def reconcile(
    record: Operations, operation: Operation, backends: Backends, *, settle_after: float, actor: str
) -> Settled:
    """Look whether it was done. Raises AdOpsError when the vendor cannot be looked at: then nothing is settled.

    settle_after: seconds after which a write that does not show is taken for one that was not carried out.
    """
    # what is settled is what is on record now, before the look
    found = await record.get(operation.id)
    operation, looked_at = (found[0], len(found[1])) if found else (operation, 0)
    if operation.state != "in_doubt" or record.is_under_way(operation.id):
        return _nothing_to_settle(operation)
    verdict = await _verdict(record, operation, backends, settle_after)
    early = _too_early(record, operation, settle_after, by_person=False) if verdict.outcome == "not_sent" else None
    if early is not None:
        verdict = early.verdict(verdict)
    elif verdict.outcome == "unknown":
        by_hand = f"`{SETTLE} {operation.id} --outcome succeeded` or `--outcome not_sent` records what a person found."
        verdict = replace(verdict, check=f"{verdict.check} {by_hand}".strip())
    ending = _ending(operation, verdict, actor, settle_after)
    if verdict.outcome != "unknown":
        ending = replace(ending, looked_at=looked_at)
    settled = await record.settle(operation.id, ending)
    found = await record.get(operation.id)
    now = found[0] if found else operation
    if settled is None and now.state != "in_doubt":
        return _nothing_to_settle(now)
    if settled is None:
        verdict = replace(
            verdict,
            outcome="unknown",
            evidence=f"{verdict.evidence} Meanwhile something else went on record about it, so this settles nothing.",
            check="Call reconcile_operation again.",
        )
    return Settled(verdict, now, _next_step(verdict))


async def settle_by_hand(
    record: Operations, operation: Operation, outcome: Outcome, *, settle_after: float, actor: str, note: str
) -> str:
    """Record what a person found out at the vendor, also in the place of what was inferred; why not, when it cannot
    be."""
    inferred = operation.ground == "inference" and operation.state in ("succeeded", "failed")
    if operation.state != "in_doubt" and not inferred:
        proved = ", by proof" if operation.ground == "proof" else ""
        return f"{operation.id} is not in doubt: it is {operation.state}{proved}."
    if inferred and (operation.state == "succeeded") == (outcome == "succeeded"):
        return f"{operation.id} is on record as {operation.state} already."
    if outcome == "not_sent":
        early = _too_early(record, operation, settle_after, by_person=True)
        if early is not None:
            may_be = (
                f"{operation.id} may still be carried out, until about {moment(early.until)}: look again after that."
            )
            return f"{may_be}{early.differ}"
    verdict = Verdict(outcome=outcome, evidence=f"A person looked at the vendor: {note or 'no note was given'}.")
    said: Event = "said_done" if outcome == "succeeded" else "said_unsent"
    ending = replace(_ending(operation, verdict, actor, settle_after), event=said)
    if (settled := await record.settle(operation.id, ending)) is not None:
        log_settlement(operation.id, settled.state, settled)
        return ""
    return f"{operation.id} was settled by somebody else, or may not be settled yet: look at it again."


@dataclass(frozen=True, slots=True)
class _Early:
    """Until when it may not be concluded that a write was not carried out. differ: what the clocks say, where they
    disagree on how long ago it was sent. by_hand: how a person settles it before that, where they may."""

    until: float
    differ: str
    by_hand: str = ""

    def verdict(self, found: Verdict) -> Verdict:
        return Verdict(
            outcome="unknown",
            evidence=f"{found.evidence} It may still be carried out, until about {moment(self.until)}.{self.differ}",
            check=self.by_hand or f"Call reconcile_operation again after {moment(self.until)}.",
        )


def _too_early(record: Operations, operation: Operation, settle_after: float, *, by_person: bool) -> _Early | None:
    """Whether less time may have passed since it was sent than a write takes to show, by any clock that counts."""
    under_way = record.is_under_way(operation.id)
    if may_settle_unsent(operation.age_for(by_person=by_person), settle_after, is_under_way_here=under_way):
        return None
    sure = proved(operation.clocks) if by_person else None
    until = record.now() + settle_after - (min(operation.clocks.values(), default=0.0) if sure is None else sure)
    by_hand = ""
    if not under_way and may_settle_unsent(operation.age_for(by_person=True), settle_after, is_under_way_here=False):
        by_hand = (
            "A clock was set since. A person looks at the vendor, and "
            f"`{SETTLE} {operation.id} --outcome not_sent` or `--outcome succeeded` records what they found."
        )
    told: list[str] = []
    if differ := disagreement(operation.clocks):
        told.append(f" The clocks disagree on how long ago it was sent ({differ}), so the shortest time counts.")
    if to_be_watched(operation, settle_after):
        told.append(
            f" This process has seen it for {operation.clocks[WATCHED]:.0f} s, and waits until its own clock says, "
            "too, that the time has passed."
        )
    return _Early(until, "".join(told), by_hand)


def to_be_watched(operation: Operation, settle_after: float) -> float:
    """For how many more seconds a process has to see it, where the database's clock alone says that enough passed."""
    others = [seconds for name, seconds in operation.clocks.items() if name != WATCHED]
    if WATCHED not in operation.clocks or min(others) < settle_after:
        return 0.0
    return max(0.0, settle_after - operation.clocks[WATCHED])


async def _verdict(record: Operations, operation: Operation, backends: Backends, settle_after: float) -> Verdict:
    asked = asked_of(operation)
    if asked is None:
        return Verdict(
            outcome="unknown",
            evidence="This version of adops-mcp cannot read its arguments.",
            check=f"A person looks at the vendor for: {operation.does}",
        )
    effect, arguments = asked
    near = await record.near(operation.scope, operation.resource, but=operation.id)
    siblings = [sibling.past() for sibling in near]
    doubt = Doubt(write=operation.past(), settle_after=settle_after, siblings=siblings)
    try:
        verdict = await effect.reconcile(arguments, backends, doubt)
    except NotFound as error:
        return Verdict(
            outcome="unknown",
            evidence=f"What it is about is not there any more, or is not shown to this server: {error.message}",
            check=f"A person looks at the vendor for: {operation.does}",
        )
    if verdict.outcome != "succeeded":
        return verdict
    if (rivals := _may_have_done_it(operation, near)) != "":
        return Verdict(
            outcome="unknown",
            evidence=f"{verdict.evidence} Whether this one did that, or {rivals}, is not known.",
            check=f"A person looks at the vendor for one or two of: {operation.does}",
        )
    if effect.replays_success:
        return verdict
    since = [
        one.id for one in near if one.state == "succeeded" and _after(one, operation) and _asks_alike(one, operation)
    ]
    if not since:
        return verdict
    told = f"{verdict.evidence} Whether this one did that, or one made since ({', '.join(since[:3])}), is not known."
    return replace(
        verdict, outcome="unknown", evidence=told, check=f"A person looks at the vendor for: {operation.does}"
    )


def _may_have_done_it(operation: Operation, near: Sequence[Operation]) -> str:
    """The ids of the same writes that are open as well, of a write that keeps the same one from being sent: it was
    concluded not to be sent, another one took its place, and the doubt was reopened."""
    if operation.keeps == "sending":
        return ""
    same = (one.id for one in near if (one.tool, one.subject) == (operation.tool, operation.subject) and _is_open(one))
    return ", ".join(same)


def _is_open(operation: Operation) -> bool:
    return operation.state in ("sending", "in_doubt")


def _asks_alike(one: Operation, other: Operation) -> bool:
    """Whether two writes to the same thing ask for one thing that is the same."""
    if one.subject != other.subject:
        return False
    return any(
        value not in (None, "") and not name.endswith("_id") and other.arguments.get(name) == value
        for name, value in one.arguments.items()
    )


def _after(one: Operation, other: Operation) -> bool:
    return (one.sent_at or 0.0) > (other.sent_at or 0.0)


def asked_of(operation: Operation) -> tuple[Write[Any], Arguments] | None:
    """What its tool does, and the arguments for it. None when this version's tool does not take them."""
    entry = BY_NAME.get(operation.tool)
    if entry is None or not isinstance(effect := entry.tool.effect, Write):
        return None
    try:
        return effect, entry.tool.arguments.model_validate(operation.arguments, strict=False)
    except ValidationError:
        return None


def _ending(operation: Operation, verdict: Verdict, actor: str, settle_after: float) -> Ending:
    note = f"reconciled: {verdict.outcome.replace('_', ' ')}. {verdict.evidence}"
    if verdict.outcome == "succeeded":
        told: dict[str, Any] = {"found": dict(verdict.found)} if verdict.found else {}
        told |= {
            "what_happened": f"The answer was lost; looking at the vendor showed it as done. {verdict.evidence}",
            "next_step": "Tell the person.",
        }
        asked = asked_of(operation)
        supersedes = asked[0].supersedes(asked[1], told) if asked else ()
        return Ending(event="found_done", actor=actor, note=note, result=told, supersedes=supersedes)
    if verdict.outcome == "not_sent":
        error = {"code": "not_sent", "message": f"It was not carried out. {verdict.evidence}", "next_step": _AGAIN}
        return Ending(event="found_unsent", actor=actor, note=note, error=error, settle_after=settle_after)
    return Ending(event="found_nothing", actor=actor, note=note, error=operation.error)


def _next_step(verdict: Verdict) -> str:
    if verdict.outcome == "succeeded":
        return "Tell the person that it was done, with what was found. Do not send it again."
    if verdict.outcome == "not_sent":
        return f"Tell the person that it was not carried out. {_AGAIN}"
    return f"{_TO_ASK} {verdict.check} Do not send it again before it is settled."


def _nothing_to_settle(operation: Operation) -> Settled:
    if operation.state in ("sending", "in_doubt"):
        error = InProgress(
            "This write is under way, so there is nothing to settle yet.",
            next_step="Call reconcile_operation again in half a minute.",
        )
        error.operation_id = operation.id
        raise error
    outcome: Outcome = "succeeded" if operation.state in ("succeeded", "superseded") else "not_sent"
    why = str((operation.error or {}).get("message", ""))
    evidence = f"It is not in doubt: the record has it as {operation.state}. {printable(why, limit=500)}".strip()
    next_step = "Nothing is left to settle."
    if operation.ground == "inference":
        next_step += f" It was concluded, and not proved: `{SETTLE} {operation.id} --outcome ...` corrects it."
    return Settled(Verdict(outcome=outcome, evidence=evidence), operation, next_step)
