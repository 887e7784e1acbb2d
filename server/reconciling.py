"""Settling a write in doubt: its tool looks at the vendor, and what it found goes on record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from server.clocks import disagreement
from server.operations import Ending, Operation, Operations
from server.standing import moment
from server.state_machine import may_settle_unsent
from tools.backends import Backends
from tools.catalogue import BY_NAME
from tools.errors import InProgress
from tools.replies import printable
from tools.schema import Arguments
from tools.tool import Write
from tools.writes import Doubt, Outcome, Verdict

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
    if operation.state != "in_doubt" or record.is_under_way(operation.id):
        return _nothing_to_settle(operation)
    verdict = await _verdict(record, operation, backends, settle_after)
    early = _too_early(record, operation, settle_after) if verdict.outcome == "not_sent" else None
    if early is not None:
        verdict = early.verdict(verdict)
    elif verdict.outcome == "unknown":
        by_hand = f"`{SETTLE} {operation.id} --outcome succeeded` or `--outcome not_sent` records what a person found."
        verdict = replace(verdict, check=f"{verdict.check} {by_hand}".strip())
    settled = await record.settle(operation.id, _ending(operation, verdict, actor, settle_after))
    found = await record.get(operation.id)
    now = found[0] if found else operation
    if settled is None and now.state != "in_doubt":
        return _nothing_to_settle(now)
    return Settled(verdict, now, _next_step(verdict))


async def settle_by_hand(
    record: Operations, operation: Operation, outcome: Outcome, *, settle_after: float, actor: str, note: str
) -> str:
    """Record what a person found out at the vendor; why not, when it cannot be."""
    if operation.state == "in_doubt" and outcome == "not_sent":
        early = _too_early(record, operation, settle_after)
        if early is not None:
            may_be = (
                f"{operation.id} may still be carried out, until about {moment(early.until)}: look again after that."
            )
            return f"{may_be}{early.differ}"
    verdict = Verdict(outcome=outcome, evidence=f"A person looked at the vendor: {note or 'no note was given'}.")
    ending = _ending(operation, verdict, actor, settle_after)
    if operation.state == "in_doubt" and await record.settle(operation.id, ending):
        return ""
    if operation.state == "in_doubt":
        return f"{operation.id} was settled by somebody else, or may not be settled yet: look at it again."
    return f"{operation.id} is not in doubt: it is {operation.state}."


@dataclass(frozen=True, slots=True)
class _Early:
    """Until when it may not be concluded that a write was not carried out. differ: what the clocks say, where they
    disagree on how long ago it was sent."""

    until: float
    differ: str

    def verdict(self, found: Verdict) -> Verdict:
        return Verdict(
            outcome="unknown",
            evidence=f"{found.evidence} It may still be carried out, until about {moment(self.until)}.{self.differ}",
            check=f"Call reconcile_operation again after {moment(self.until)}.",
        )


def _too_early(record: Operations, operation: Operation, settle_after: float) -> _Early | None:
    """Whether less time may have passed since it was sent than a write takes to show, by any of the clocks."""
    under_way = record.is_under_way(operation.id)
    if may_settle_unsent(operation.age, settle_after, is_under_way_here=under_way):
        return None
    until = record.now() + settle_after - min(operation.clocks.values(), default=0.0)
    differ = disagreement(operation.clocks)
    told = f" The clocks disagree on how long ago it was sent ({differ}), so the shortest time counts."
    return _Early(until, told if differ else "")


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
    doubt = Doubt(write=operation.past(), now=record.now(), settle_after=settle_after, siblings=siblings)
    verdict = await effect.reconcile(arguments, backends, doubt)
    if verdict.outcome != "succeeded" or effect.holds:
        return verdict
    since = [
        one.id for one in near if one.tool == operation.tool and one.state == "succeeded" and _after(one, operation)
    ]
    if not since:
        return verdict
    told = f"{verdict.evidence} Whether this one did that, or one made since ({', '.join(since[:3])}), is not known."
    return replace(verdict, evidence=told)


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
    return Settled(Verdict(outcome=outcome, evidence=evidence), operation, "Nothing is left to settle.")
