"""What a tool is: data and a plain function."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from tools.effects import Against, Brief, Doubt, Ends, Past, Verdict
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
    """Asks for nothing to be changed, but the vendor records what it finds, and may act on it."""


PROBE = Probe()


def _never(_: Any) -> bool:
    return False


def _nothing(_: Any, __: Mapping[str, Any]) -> tuple[Ends, ...]:
    return ()


def _as_it_is(_: Any, told: dict[str, Any]) -> dict[str, Any]:
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(Generic[A]):
    """Changes something at the vendor.

    subject: what the write is about, e.g. `proposed_io:CRM-1`; with tool and environment it is the write's identity.
    brief: what it would do, by reading only.
    reconcile: whether it was done, by reading only.
    destructive: takes something away or replaces it, instead of only adding.
    repeatable: sending the same call twice leaves the vendor as sending it once does.
    holds: its success stands until another write supersedes it; the same call is then answered and not sent.
    resource: what no two writes may work on at the same moment; the subject when left out.
    baseline: whether its reconciliation needs what the brief finds before it is sent.
    consequential: whether a person is asked first.
    supersedes: what its own success ends, by its arguments and what the agent is told.
    against: what on record keeps it from being sent, of the open and standing writes on the same resource; and the
        seconds after which what was sent shows at the vendor, or never will.
    shown_only: arguments that only choose what is shown, so that they make no other write.
    present: what of a whole result this caller is shown.
    """

    subject: Callable[[A], str]
    brief: Callable[[A, Backends], Awaitable[Brief]]
    reconcile: Callable[[A, Backends, Doubt], Awaitable[Verdict]]
    destructive: bool = False
    repeatable: bool = False
    holds: bool = False
    resource: Callable[[A], str] | None = None
    baseline: bool = False
    consequential: Callable[[A], bool] = _never
    supersedes: Callable[[A, Mapping[str, Any]], Collection[Ends]] = _nothing
    against: Callable[[A, Sequence[Past], float], Against | None] | None = None
    shown_only: frozenset[str] = frozenset()
    present: Callable[[A, dict[str, Any]], dict[str, Any]] = _as_it_is


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tool(Generic[A, R]):
    """One tool: its name and models, what it does to the world, and the function that does it. There is one of each.

    The handler's docstring is the description that agents choose by. When it is offered, `tools.catalogue` says.
    """

    name: str
    title: str
    arguments: type[A]
    result: type[R]
    effect: Read | Probe | Write[A]
    handler: Callable[[A, Backends], Awaitable[R]]

    @property
    def description(self) -> str:
        """The handler's docstring, a line a paragraph."""
        paragraphs = inspect.cleandoc(self.handler.__doc__ or "").split("\n\n")
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


AnyTool = Tool[Any, Any]
