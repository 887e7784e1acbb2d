"""What the tools that update share: what changed, before and after, and the look that confirms it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Annotated, Any, TypeVar

import anyio
from pydantic import Field, WithJsonSchema

from tools.errors import AdOpsError
from tools.replies import printable
from tools.schema import Result

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


async def seen(read: Awaitable[T]) -> T | None:
    """What a read right after a write finds; None when it cannot be had.

    It is shielded: a call whose time is over must not report that nothing was changed when the write was answered.
    """
    try:
        with anyio.fail_after(LONGEST_LOOK, shield=True):
            return await read
    except (AdOpsError, TimeoutError):
        return None
