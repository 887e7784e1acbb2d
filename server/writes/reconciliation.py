"""Reconciliation: settling a write in doubt by a look at the vendor, or by what a person found there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from server.clocks import WATCHED, disagreement, proved
from server.ledger.entries import Operation, OperationOutcome
from server.ledger.operations import Ledger
from server.ledger.state_machine import Event, may_settle_unsent
from server.writes.in_progress import log_settlement
from server.writes.outcomes import moment
from tools.backends import Backends
from tools.catalogue import BY_NAME
from tools.effects import Doubt, Outcome, Verdict
from tools.errors import InProgress, NotFound
from tools.schema import Arguments
from tools.tool import Write
from tools.vendor_http.replies import printable

SETTLE = "adops-mcp operations reconcile"
_NOT_KNOWN = "Tell the person that this is not known."
_AGAIN = "The same call may be made again, if the person still wants it."


@dataclass(frozen=True, slots=True)
class Settled:
    """The result of a reconciliation, with the operation as it is afterwards."""

    verdict: Verdict
    operation: Operation
    next_step: str


async def reconcile(
    ledger: Ledger, operation: Operation, backends: Backends, *, settle_after: float, actor: str
) -> Settled:
    """Look at the vendor whether a write was carried out, and record the outcome.

    settle_after: seconds after which a write that does not show was not carried out. Raises AdOpsError when the vendor
    cannot be read; then nothing is settled.
    """
    # the operation is read again, since it may have changed before the look begins
    found = await ledger.get(operation.id)
    operation, history_length = (found[0], len(found[1])) if found else (operation, 0)
    if operation.state != "in_doubt" or ledger.is_under_way(operation.id):
        return _nothing_to_settle(operation)
    verdict = await _verdict(ledger, operation, backends, settle_after)
    early = _too_early(ledger, operation, settle_after, by_person=False) if verdict.outcome == "not_sent" else None
    if early is not None:
        verdict = early.verdict(verdict)
    elif verdict.outcome == "unknown":
        command = f"`{SETTLE} {operation.id} --outcome succeeded` or `--outcome not_sent` records what a person found."
        verdict = replace(verdict, check=f"{verdict.check} {command}".strip())
    outcome = _outcome(operation, verdict, actor, settle_after)
    if verdict.outcome != "unknown":
        outcome = replace(outcome, history_length=history_length)
    settled = await ledger.settle(operation.id, outcome)
    found = await ledger.get(operation.id)
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


async def settle_as_person_says(
    ledger: Ledger, operation: Operation, outcome: Outcome, *, settle_after: float, actor: str, note: str
) -> str:
    """Record what a person found out at the vendor, also where it replaces an inferred outcome. The reason when that is
    not possible, else an empty string."""
    inferred = operation.ground == "inference" and operation.state in ("succeeded", "failed")
    if operation.state != "in_doubt" and not inferred:
        proved = ", by proof" if operation.ground == "proof" else ""
        return f"{operation.id} is not in doubt: it is {operation.state}{proved}."
    if inferred and (operation.state == "succeeded") == (outcome == "succeeded"):
        return f"{operation.id} is on record as {operation.state} already."
    if outcome == "not_sent":
        early = _too_early(ledger, operation, settle_after, by_person=True)
        if early is not None:
            return (
                f"{operation.id} may still be carried out, until about {moment(early.until)}: look again after that."
                f"{early.clocks_differ}"
            )
    verdict = Verdict(outcome=outcome, evidence=f"A person looked at the vendor: {note or 'no note was given'}.")
    event: Event = "said_done" if outcome == "succeeded" else "said_unsent"
    stated = replace(_outcome(operation, verdict, actor, settle_after), event=event)
    if (settled := await ledger.settle(operation.id, stated)) is not None:
        log_settlement(operation.id, settled.state, settled)
        return ""
    return f"{operation.id} was settled by somebody else, or may not be settled yet: look at it again."


@dataclass(frozen=True, slots=True)
class _Early:
    """It may not be concluded yet that a write was not carried out.

    until: the time until which it may not. clocks_differ: what the clocks say, where they disagree on how long ago the
    write was sent. for_person: how a person settles it before that, where they may.
    """

    until: float
    clocks_differ: str
    for_person: str = ""

    def verdict(self, found: Verdict) -> Verdict:
        until = moment(self.until)
        return Verdict(
            outcome="unknown",
            evidence=f"{found.evidence} It may still be carried out, until about {until}.{self.clocks_differ}",
            check=self.for_person or f"Call reconcile_operation again after {until}.",
        )


def _too_early(ledger: Ledger, operation: Operation, settle_after: float, *, by_person: bool) -> _Early | None:
    """Set when, by any clock that counts, less time may have passed since it was sent than a write takes to show."""
    under_way = ledger.is_under_way(operation.id)
    if may_settle_unsent(operation.age_for(by_person=by_person), settle_after, is_under_way_here=under_way):
        return None
    certain = proved(operation.clocks) if by_person else None
    passed = min(operation.clocks.values(), default=0.0) if certain is None else certain
    until = ledger.now() + settle_after - passed
    for_person = ""
    if not under_way and may_settle_unsent(operation.age_for(by_person=True), settle_after, is_under_way_here=False):
        for_person = (
            "A clock was set since. A person looks at the vendor, and "
            f"`{SETTLE} {operation.id} --outcome not_sent` or `--outcome succeeded` records what they found."
        )
    notes: list[str] = []
    if differ := disagreement(operation.clocks):
        notes.append(f" The clocks disagree on how long ago it was sent ({differ}), so the shortest time counts.")
    if still_to_be_watched(operation, settle_after):
        notes.append(
            f" This process has seen it for {operation.clocks[WATCHED]:.0f} s, and waits until its own clock says, "
            "too, that the time has passed."
        )
    return _Early(until, "".join(notes), for_person)


def still_to_be_watched(operation: Operation, settle_after: float) -> float:
    """For how many more seconds this process has to watch an operation of which only the database's clock says that
    enough time has passed."""
    others = [seconds for name, seconds in operation.clocks.items() if name != WATCHED]
    if WATCHED not in operation.clocks or min(others) < settle_after:
        return 0.0
    return max(0.0, settle_after - operation.clocks[WATCHED])


async def _verdict(ledger: Ledger, operation: Operation, backends: Backends, settle_after: float) -> Verdict:
    """What the operation's tool, and the other operations on the resource, say about it."""
    write = write_of(operation)
    if write is None:
        return Verdict(
            outcome="unknown",
            evidence="This version of adops-mcp cannot read its arguments.",
            check=f"A person looks at the vendor for: {operation.does}",
        )
    effect, arguments = write
    others = await ledger.on_resource(operation.scope, operation.resource, excluding=operation.id)
    siblings = [other.past() for other in others]
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
    if (rivals := _rivals(operation, others)) != "":
        return Verdict(
            outcome="unknown",
            evidence=f"{verdict.evidence} Whether this one did that, or {rivals}, is not known.",
            check=f"A person looks at the vendor for one or two of: {operation.does}",
        )
    if effect.replays_success:
        return verdict
    since = [other.id for other in others if _did_the_same_later(other, operation)]
    if not since:
        return verdict
    evidence = (
        f"{verdict.evidence} Whether this one did that, or one made since ({', '.join(since[:3])}), is not known."
    )
    return replace(
        verdict, outcome="unknown", evidence=evidence, check=f"A person looks at the vendor for: {operation.does}"
    )


def _rivals(operation: Operation, others: Sequence[Operation]) -> str:
    """The ids of the same writes that are open too.

    A write that holds its claim has such rivals when it was concluded not to have been sent, another one took its
    place, and then the first was found to be in doubt after all.
    """
    if operation.keeps == "sending":
        return ""
    about = (operation.tool, operation.subject)
    same = (one.id for one in others if (one.tool, one.subject) == about and one.state in ("sending", "in_doubt"))
    return ", ".join(same)


def _did_the_same_later(other: Operation, operation: Operation) -> bool:
    later = (other.sent_at or 0.0) > (operation.sent_at or 0.0)
    return other.state == "succeeded" and later and _have_a_value_in_common(other, operation)


def _have_a_value_in_common(one: Operation, other: Operation) -> bool:
    """Whether two writes to the same object set something to the same value."""
    if one.subject != other.subject:
        return False
    return any(
        value not in (None, "") and not name.endswith("_id") and other.arguments.get(name) == value
        for name, value in one.arguments.items()
    )


def write_of(operation: Operation) -> tuple[Write[Any], Arguments] | None:
    """The effect of an operation's tool, and the arguments of its call. None when this version does not accept them."""
    entry = BY_NAME.get(operation.tool)
    if entry is None or not isinstance(effect := entry.tool.effect, Write):
        return None
    try:
        return effect, entry.tool.arguments.model_validate(operation.arguments, strict=False)
    except ValidationError:
        return None


def _outcome(operation: Operation, verdict: Verdict, actor: str, settle_after: float) -> OperationOutcome:
    note = f"reconciled: {verdict.outcome.replace('_', ' ')}. {verdict.evidence}"
    if verdict.outcome == "succeeded":
        result: dict[str, Any] = {"found": dict(verdict.found)} if verdict.found else {}
        result |= {
            "what_happened": f"The answer was lost; looking at the vendor showed it as done. {verdict.evidence}",
            "next_step": "Tell the person.",
        }
        write = write_of(operation)
        supersedes = write[0].supersedes(write[1], result) if write else ()
        return OperationOutcome(event="found_done", actor=actor, note=note, result=result, supersedes=supersedes)
    if verdict.outcome == "not_sent":
        error = {"code": "not_sent", "message": f"It was not carried out. {verdict.evidence}", "next_step": _AGAIN}
        return OperationOutcome(event="found_unsent", actor=actor, note=note, error=error, settle_after=settle_after)
    return OperationOutcome(event="found_nothing", actor=actor, note=note, error=operation.error)


def _next_step(verdict: Verdict) -> str:
    if verdict.outcome == "succeeded":
        return "Tell the person that it was done, with what was found. Do not send it again."
    if verdict.outcome == "not_sent":
        return f"Tell the person that it was not carried out. {_AGAIN}"
    return f"{_NOT_KNOWN} {verdict.check} Do not send it again before it is settled."


def _nothing_to_settle(operation: Operation) -> Settled:
    if operation.state in ("sending", "in_doubt"):
        error = InProgress(
            "This write is under way, so there is nothing to settle yet.",
            next_step="Call reconcile_operation again in half a minute.",
        )
        error.operation_id = operation.id
        raise error
    outcome: Outcome = "succeeded" if operation.state in ("succeeded", "superseded") else "not_sent"
    reason = printable(str((operation.error or {}).get("message", "")), limit=500)
    evidence = f"It is not in doubt: the record has it as {operation.state}. {reason}".strip()
    next_step = "Nothing is left to settle."
    if operation.ground == "inference":
        next_step += f" It was concluded, and not proved: `{SETTLE} {operation.id} --outcome ...` corrects it."
    return Settled(Verdict(outcome=outcome, evidence=evidence), operation, next_step)
