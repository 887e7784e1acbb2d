"""What the tools that update share: what changed, before and after, and the look that confirms it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import anyio
from pydantic import Field, WithJsonSchema

from tools.errors import AdOpsError
from tools.replies import printable
from tools.schema import Result
from tools.writes import Doubt

T = TypeVar("T")

LONGEST_LOOK = 5.0
"""Seconds for reading back what was written; the write itself has been answered by then."""


_KINDS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "array"},
    {"type": "object"},
]
Value = Annotated[Any, WithJsonSchema({"anyOf": _KINDS})]
"""What a field may hold, as JSON."""


class Change(Result):
    field: str
    before: Value = Field(default=None, description="Absent: it was not set.")
    after: Value = Field(default=None, description="Absent: it is not set any more.")


def change(field: str, before: Any, after: Any) -> Change:
    """One change as it may be shown: texts on one line, and told to differ where what is shown does not."""
    had, has = _shown(before), _shown(after)
    if had == has and isinstance(has, str):
        has = f"{has} (differs in what is not shown here)"
    return Change(field=field, before=had, after=has)


def _shown(value: Any) -> Any:
    return printable(value, limit=1000) if isinstance(value, str) else value


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The fields of `after` whose values are not those of `before`, in the order of `after`."""
    return [
        Change(field=name, before=before.get(name), after=value)
        for name, value in after.items()
        if before.get(name) != value
    ]


def changed_line(field: str, before: Any, after: Any) -> str:
    """A change to come, in a line for a person: `status: OPEN -> BLOCKED`."""
    return f"{field}: {_in_words(before)} -> {_in_words(after)}"


def _in_words(value: Any) -> str:
    return "not set" if value in (None, "") else printable(value if isinstance(value, str) else json.dumps(value))


SKEW = 5.0
"""Seconds by which a vendor's clock may be behind ours."""


def may_have_moved(doubt: Doubt, updated_at: str | None) -> bool:
    """Whether something may have been changed since before the write was sent, by its own time of the last update."""
    before = (doubt.write.before or {}).get("updated_at")
    return updated_at is None or updated_at != before


def later_than(told: str | None, sent_at: float | None) -> bool:
    """Whether a vendor's time, as it wrote it, is after a write was sent; one that cannot be read may be."""
    moment = _moment(told)
    return moment is None or sent_at is None or moment > sent_at - SKEW


def changed_since(doubt: Doubt, created_at: str | None, updated_at: str | None) -> bool:
    """Whether something was made while the write may have been, and changed later: so it may be it, renamed."""
    created, updated, sent = _moment(created_at), _moment(updated_at), doubt.write.sent_at
    if created is None or updated is None or sent is None or updated <= created:
        return False
    return sent - SKEW < created < sent + doubt.settle_after + SKEW


def _moment(told: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(told or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


async def seen(read: Awaitable[T]) -> T | None:
    """What a read right after a write finds; None when it cannot be had.

    It is shielded: a call whose time is over must not report that nothing was changed when the write was answered.
    """
    try:
        with anyio.fail_after(LONGEST_LOOK, shield=True):
            return await read
    except (AdOpsError, TimeoutError):
        return None
