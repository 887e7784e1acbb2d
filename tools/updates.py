"""What the tools that update share: what changed, before and after, and the look that confirms it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import anyio
from pydantic import Field, WithJsonSchema

from tools.effects import Doubt
from tools.errors import AdOpsError, RateLimited, UnexpectedAnswer
from tools.schema import Result
from tools.vendor_http.replies import printable

T = TypeVar("T")

LONGEST_LOOK = 5.0
"""Seconds for reading back what was written; the write itself has been answered by then."""

MOST_TRIES = 3
"""Of a read before a write; the transport tries each several times, too."""


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


_CLOCK_TIME = re.compile(r"\d\d:\d\d:\d\d")
_WITH_SECONDS = re.compile(r"\d\d:\d\d:(?!00)\d\d")


def may_have_moved(doubt: Doubt, updated_at: str | None, *beside: str | None) -> bool:
    """Whether something may have been changed since before the write was sent, by its own time of the last update.

    The vendor's time is compared with what the vendor told before, never with ours. One that is rounded, to the day or
    to the minute, stands still while the thing is changed. beside: other times of the vendor's, for how fine they are.
    """
    before = (doubt.write.before or {}).get("updated_at")
    return updated_at is None or updated_at != before or not are_fine(updated_at, beside)


def are_fine(moment: str, beside: Iterable[str | None]) -> bool:
    """Whether a vendor's time is told to the second, as far as it and others beside it show: times that are all on the
    minute may be rounded to it."""
    return has_clock_time(moment) and any(tells_seconds(one) for one in (moment, *beside) if one)


def has_clock_time(moment: str) -> bool:
    """Whether a vendor's time has hours, minutes and seconds."""
    return bool(_CLOCK_TIME.search(moment))


def tells_seconds(moment: str) -> bool:
    """Whether a vendor's time is surely not rounded to the minute."""
    return bool(_WITH_SECONDS.search(moment))


async def seen(read: Awaitable[T]) -> T | None:
    """What a read right after a write finds; None when it cannot be had.

    It is shielded: a call whose time is over must not report that nothing was changed when the write was answered.
    """
    try:
        with anyio.fail_after(LONGEST_LOOK, shield=True):
            return await read
    except (AdOpsError, TimeoutError):
        return None


async def before_a_write(read: Callable[[], Awaitable[T]], *, within: float = LONGEST_LOOK) -> T | None:
    """What a read finds for a later look to be compared with; None when it cannot be had in time, or in several tries.

    That must not keep the write from being sent: a lost answer is then for a person to settle.
    """
    with anyio.move_on_after(within):
        for _ in range(MOST_TRIES):
            try:
                return await read()
            except (RateLimited, UnexpectedAnswer):
                continue
            except AdOpsError:
                return None
    return None
