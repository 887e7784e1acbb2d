"""Responses for a write that is not sent now: replayed, in progress, in doubt, waiting, rejected, or only a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from server.ledger.corrections import Correction
from server.ledger.entries import NewOperation, Operation
from server.writes.plan import Plan
from tools.errors import (
    AdOpsError,
    AwaitingApproval,
    Conflict,
    Declined,
    InDoubt,
    InProgress,
    Rejected,
    Unavailable,
)
from tools.tool import AnyTool
from tools.vendor_http.replies import printable

_ANOTHER = " To make another one on purpose, once the person agreed, give an idempotency_key that was not used before."
APPROVE = "adops-mcp operations approve"


def moment(seconds: float) -> str:
    """A time of the ledger as text: UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def replayed(existing: Operation) -> dict[str, Any]:
    """The result of the same write, with the time at which it was done."""
    result = dict(existing.result or {})
    since = moment(existing.sent_at or existing.created_at)
    what, next_step = str(result.pop("what_happened", "")), str(result.pop("next_step", ""))
    return {
        "operation_id": existing.id,
        "replayed": True,
        "done_at": since,
        **result,
        "what_happened": f"Nothing was sent now: the same call was made at {since}, with this outcome. {what}".strip(),
        "next_step": f"What changed since then is not in this, so look before relying on it. {next_step}".strip()
        + (_ANOTHER if existing.keeps == "success" else ""),
    }


def corrected(result: dict[str, Any], correction: Correction) -> dict[str, Any]:
    """The result of a write that corrects an outcome which had been concluded before the result came."""
    return {
        **result,
        "what_happened": f"{correction.what} {result.get('what_happened', '')}".strip(),
        "next_step": f"{correction.next_step} {result.get('next_step', '')}".strip(),
    }


def not_sent_now(existing: Operation) -> AdOpsError:
    """Why a write is not sent although its existing operation has no result."""
    if existing.state in ("awaiting_approval", "approved"):
        return awaiting(existing.id)
    if existing.state == "rejected":
        return rejected_before(existing)
    if existing.state == "failed":
        return failed_just_now(existing)
    return in_doubt_before(existing)


def awaiting(operation_id: str, problems: Sequence[str] = (), *, instead_of: Operation | None = None) -> AdOpsError:
    """problems: those of its plan. instead_of: the operation that waited, or was approved, before the plan changed."""
    changed = ""
    if instead_of is not None:
        was = "was approved" if instead_of.state == "approved" else "waited"
        changed = f"What it would do changed since {instead_of.id} {was}, so it waits anew. "
    found = [f"Problem: {problem}" for problem in problems]
    error = AwaitingApproval(
        " ".join([f"{changed}This write waits for a person's approval; it was not sent.", *found]),
        next_step=f"Tell the person that the operator approves it with `{APPROVE} {operation_id}`, or rejects it. "
        "After that, make exactly the same call again: it is then sent.",
    )
    error.operation_id = operation_id
    return error


def rejected_before(operation: Operation) -> AdOpsError:
    return _about(
        operation,
        Rejected(
            f"{rejection_reason(operation)} Nothing was sent.",
            next_step="Tell the person, and ask what they want instead; do not make the same call again unasked. "
            f"Should it be sent after all, the operator approves it with `{APPROVE} {operation.id}`.",
        ),
    )


def failed_just_now(operation: Operation) -> AdOpsError:
    return _about(
        operation,
        Conflict(
            f"The same call, made at the same time, failed: {rejection_reason(operation)} This one was not sent.",
            next_step=f"get_operation with operation_id {operation.id} shows it. Then decide with the person.",
        ),
    )


def declined(action: Literal["decline", "cancel"]) -> AdOpsError:
    if action == "decline":
        return Declined(
            "The person was asked and did not agree. Nothing was sent.",
            next_step="Ask the person what they want instead; do not make the same call again unasked.",
        )
    return Declined(
        "The person was asked and closed the question without an answer. Nothing was sent.",
        next_step="Ask the person whether it is wanted; if it is, make the same call again, and they are asked anew.",
    )


def changed_meanwhile() -> AdOpsError:
    return Conflict(
        "What it would do changed after the person agreed to it. Nothing was sent.",
        next_step="Make the same call again: the person is then asked with what it would do now.",
    )


def unsent(error: AdOpsError) -> AdOpsError:
    """The same error, which says that nothing was sent."""
    if not any(words in error.message.lower() for words in ("not sent", "nothing was sent", "nothing was changed")):
        error.message += " Nothing was sent."
    return error


def cannot_be_told_from(operation: Operation) -> AdOpsError:
    return _about(
        operation,
        InProgress(
            f"{operation.tool} to the same thing is in doubt ({operation.id}), and before that is settled nobody can "
            "tell what this one would do or, should its answer be lost too, which of the two was done. This call was "
            "not sent.",
            next_step=f"Call reconcile_operation with operation_id {operation.id} first; once it is settled, make the "
            "same call again.",
        ),
    )


def in_doubt_before(operation: Operation) -> AdOpsError:
    when = moment(operation.sent_at or operation.created_at)
    return _about(
        operation,
        InDoubt(
            f"The same write was sent at {when} and may or may not have been carried out. It was not sent again.",
            next_step=f"Call reconcile_operation with operation_id {operation.id}: it looks whether it was done.",
        ),
    )


def look_with_us(operation_id: str, otherwise: str) -> str:
    """The next step after a write whose outcome is not known. otherwise: what to do beside that."""
    return f"Call reconcile_operation with operation_id {operation_id}: it looks whether it was done. {otherwise}"


def under_way(operation: Operation, *, same: bool) -> AdOpsError:
    what = "The same write" if same else f"Another write ({operation.tool}) to the same thing"
    return _about(
        operation,
        InProgress(
            f"{what} is under way. This call was not sent.",
            next_step="Make the same call again in a few seconds"
            + (": it is then answered with the outcome of the one under way." if same else "."),
        ),
    )


def with_other_arguments(operation: Operation, new: NewOperation) -> AdOpsError:
    key = f" with idempotency_key {printable(new.idempotency_key, limit=80)}" if new.idempotency_key else ""
    names = sorted(name for name in {*operation.arguments, *new.arguments} if _differs(name, operation, new))
    if names and all(_is_spaced(operation.arguments.get(name), new.arguments.get(name)) for name in names):
        return _about(
            operation,
            Conflict(
                f"{operation.tool}{key} stands in the record for the same thing, as {operation.state}, written with "
                f"other space around it: {', '.join(names)}. This call was not sent.",
                next_step=f"get_operation with operation_id {operation.id} shows it. Write it exactly as there.",
            ),
        )
    other = ", ".join(
        f"{name} {_shown(operation.arguments.get(name))} then and {_shown(new.arguments.get(name))} now"
        for name in names[:5]
    )
    return _about(
        operation,
        Conflict(
            f"{operation.tool}{key} stands in the record for the same thing with other arguments ({other}), as "
            f"{operation.state}. This call was not sent.",
            next_step=f"get_operation with operation_id {operation.id} shows it. If this one is meant as another, ask "
            "the person, then give an idempotency_key that was not used before.",
        ),
    )


def dry_run_response(
    plan: Plan,
    *,
    existing: Operation | None,
    same: bool,
    waits: bool,
    conflict: AdOpsError | None,
    by_operator: bool,
    asks_a_person: bool,
) -> dict[str, Any]:
    """The response to a dry run.

    existing: the operation that the write would find. same: whether it has the same arguments. waits: whether it waits
    for approval, or was approved. conflict: why another operation would keep the write from being sent. by_operator:
    whether the operator has to approve it. asks_a_person: whether anybody has to.
    """
    problems = list(plan.problems)
    if existing is not None and not waits:
        problems.append(_existing_in_words(existing, same=same))
    elif conflict is not None:
        problems.append(conflict.message)
    if plan.would_send is None:
        next_step = "Nothing would be sent: it is as asked for already."
    elif problems:
        next_step = "Tell the person the problems; do not send it before they are solved."
    elif existing is not None and waits:
        next_step = _existing_in_words(existing, same=True)
    elif by_operator:
        next_step = "Show the person this. The same call without dry_run then waits for the operator's approval."
    else:
        next_step = "Show the person this. The same call without dry_run sends it."
    parts = plan.shown() | {
        "changes": [*plan.changes, *plan.now],
        "problems": problems,
        "asks_a_person": asks_a_person and plan.would_send is not None,
    }
    return {
        "dry_run": {name: value for name, value in parts.items() if name != "now" and value != []},
        "next_step": next_step,
    }


def _existing_in_words(operation: Operation, *, same: bool) -> str:
    """What would become of a write for which the ledger has this operation. same: with the same arguments."""
    if not same:
        with_others = f"is on record with other arguments, as {operation.state}: {operation.id}"
        return f"{operation.tool} for the same thing {with_others}. This one would be refused."
    in_words = {
        "succeeded": "is done already, and would be answered from the record"
        + ("; to make another on purpose, give an idempotency_key" if operation.keeps == "success" else ""),
        "rejected": "was rejected, and would be answered with that",
        "in_doubt": "is in doubt, and nothing would be sent before it is settled (reconcile_operation)",
        "awaiting_approval": f"waits for approval (`{APPROVE} {operation.id}`), and would wait on",
        "approved": "is approved: the same call without dry_run sends it, if it is still what was approved",
        "sending": "is under way",
    }
    return f"{operation.tool} for the same thing {in_words.get(operation.state, operation.state)}: {operation.id}."


def closing(tool: AnyTool) -> AdOpsError:
    return Unavailable(
        f"This server is being ended and takes no more writes: {tool.name} was not sent.",
        next_step="Make the same call again when the server is back.",
    )


def rejection_reason(operation: Operation) -> str:
    """Why an operation failed or was rejected."""
    return printable(str((operation.error or {}).get("message", "")), limit=500)


def _about(operation: Operation, error: AdOpsError) -> AdOpsError:
    error.operation_id = operation.id
    return error


def _differs(name: str, operation: Operation, new: NewOperation) -> bool:
    return operation.arguments.get(name) != new.arguments.get(name)


def _is_spaced(then: Any, now: Any) -> bool:
    return isinstance(then, str) and isinstance(now, str) and then.strip() == now.strip()


def _shown(value: Any) -> str:
    return "left out" if value is None else printable(str(value), limit=60)
