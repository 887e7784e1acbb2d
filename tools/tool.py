"""What a tool is: data and a plain function."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from tools.effects import BlockingWrite, Doubt, Preview, RecordedWrite, Superseded, Verdict
from tools.schema import Arguments, Result

if TYPE_CHECKING:
    from tools.backends import Backends

A = TypeVar("A", bound=Arguments)
R = TypeVar("R", bound=Result)

Toolset = Literal["freewheel", "interchange", "gam", "operations"]


@dataclass(frozen=True, slots=True)
class Read:
    """Changes nothing at the vendor."""


READ = Read()


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks for no change, but the vendor records what it finds, and may act on it."""


PROBE = Probe()


def _never(_: Any) -> bool:
    return False


def _supersedes_nothing(_: Any, __: Mapping[str, Any]) -> tuple[Superseded, ...]:
    return ()


def _whole_result(_: Any, result: dict[str, Any]) -> dict[str, Any]:
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(Generic[A]):
    """Changes something at the vendor.

    subject: what the write is about, such as `proposed_io:CRM-1`. With the tool and the environment it identifies the
    write.
    preview: reads what the write would do.
    reconcile: reads whether the write was done.
    destructive: whether it removes or replaces something, instead of only adding.
    repeatable: whether sending the same call twice leaves the vendor in the same state as sending it once.
    replays_success: whether the result of a success answers the same call later, until another write supersedes it.
    resource: what only one write at a time may work on; the subject, if left out.
    needs_baseline: whether its reconciliation needs the baseline of the preview.
    consequential: whether a person is asked before this call is sent.
    supersedes: which other writes its success supersedes, given its arguments and its result.
    blocked_by: which write in the ledger keeps it from being sent, given the writes on the same resource that are open
    or in force, and the seconds after which a write shows at the vendor.
    display_arguments: arguments that only choose what is shown. Calls that differ in these alone are the same write.
    present: returns the part of a whole result that this call asked for.
    """

    subject: Callable[[A], str]
    preview: Callable[[A, Backends], Awaitable[Preview]]
    reconcile: Callable[[A, Backends, Doubt], Awaitable[Verdict]]
    destructive: bool = False
    repeatable: bool = False
    replays_success: bool = False
    resource: Callable[[A], str] | None = None
    needs_baseline: bool = False
    consequential: Callable[[A], bool] = _never
    supersedes: Callable[[A, Mapping[str, Any]], Collection[Superseded]] = _supersedes_nothing
    blocked_by: Callable[[A, Sequence[RecordedWrite], float], BlockingWrite | None] | None = None
    display_arguments: frozenset[str] = frozenset()
    present: Callable[[A, dict[str, Any]], dict[str, Any]] = _whole_result


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tool(Generic[A, R]):
    """One tool: its name, its models, its effect and its handler. There is one object for each tool.

    The handler's docstring is the description by which agents choose a tool. `tools.catalogue` says when it is offered.
    """

    name: str
    title: str
    arguments: type[A]
    result: type[R]
    effect: Read | Probe | Write[A]
    handler: Callable[[A, Backends], Awaitable[R]]

    @property
    def description(self) -> str:
        """The handler's docstring, each paragraph on one line."""
        paragraphs = inspect.cleandoc(self.handler.__doc__ or "").split("\n\n")
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


AnyTool = Tool[Any, Any]
