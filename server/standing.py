"""What an agent is told of a write that is not sent now: what stands in the record, or what a person said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from server.operations import New, Operation
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
from tools.replies import printable
from tools.tool import AnyTool
from tools.writes import Brief

APPROVE = "adops-mcp operations approve"


def moment(seconds: float) -> str:
    """A time of the record: UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_approved(operation: Operation) -> bool:
    return operation.state == "awaiting_approval" and operation.approved_at is not None


def question(does: str, brief: Brief | None) -> str:
    """What a person in the client is asked."""
    told = [does, *(brief.changes if brief else ["What it would change could not be looked up."])]
    told += [f"Problem: {problem}" for problem in (brief.problems if brief else ())]
    return "\n".join([*told, "Send this?"])


def replayed(standing: Operation) -> dict[str, Any]:
    """The outcome of the same write, told as one of then."""
    told = dict(standing.result or {})
    since = moment(standing.sent_at or standing.created_at)
    what, next_step = str(told.pop("what_happened", "")), str(told.pop("next_step", ""))
    return {
        "operation_id": standing.id,
        "replayed": True,
        "done_at": since,
        **told,
        "what_happened": f"Nothing was sent now: the same call was made at {since}, with this outcome. {what}".strip(),
        "next_step": f"What changed since then is not in this, so look before relying on it. {next_step}".strip()
        + " To make another one on purpose, once the person agreed, give an idempotency_key that was not used before.",
    }


def awaiting(operation_id: str) -> AdOpsError:
    error = AwaitingApproval(
        "This write waits for a person's approval; it was not sent.",
        next_step=f"Tell the person that the operator approves it with `{APPROVE} {operation_id}`, or rejects it. "
        "After that, make exactly the same call again: it is then sent.",
    )
    error.operation_id = operation_id
    return error


def rejected_before(operation: Operation) -> AdOpsError:
    why = printable(str((operation.error or {}).get("message", "")), limit=500)
    return _about(
        operation,
        Rejected(
            f"{why} Nothing was sent.",
            next_step="Tell the person, and ask what they want instead; do not make the same call again unasked.",
        ),
    )


def declined() -> AdOpsError:
    return Declined(
        "The person was asked and did not agree. Nothing was sent.",
        next_step="Ask the person what they want instead; do not make the same call again unasked.",
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
    """The next step after a write whose outcome is not known. otherwise: how it is found out by hand."""
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


def with_other_arguments(operation: Operation, new: New) -> AdOpsError:
    key = f" with idempotency_key {printable(new.idempotency_key, limit=80)}" if new.idempotency_key else ""
    names = sorted(name for name in {*operation.arguments, *new.arguments} if _differs(name, operation, new))
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


def on_record(operation: Operation) -> str:
    """A dry run's word on what stands in the record."""
    told = {
        "succeeded": "is done already, and would be answered from the record",
        "in_doubt": "is in doubt, and nothing would be sent before it is settled (reconcile_operation)",
        "awaiting_approval": "waits for approval",
        "sending": "is under way",
    }
    return f"{operation.tool} for the same thing {told.get(operation.state, operation.state)}: {operation.id}."


def closing(tool: AnyTool) -> AdOpsError:
    return Unavailable(
        f"This server is being ended and takes no more writes: {tool.name} was not sent.",
        next_step="Make the same call again when the server is back.",
    )


def _about(operation: Operation, error: AdOpsError) -> AdOpsError:
    error.operation_id = operation.id
    return error


def _differs(name: str, operation: Operation, new: New) -> bool:
    return operation.arguments.get(name) != new.arguments.get(name)


def _shown(value: Any) -> str:
    return "left out" if value is None else printable(str(value), limit=60)
