"""What a tool is: data and a plain function."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from tools.schema import Arguments, Result

if TYPE_CHECKING:
    from tools.backends import Backends

A = TypeVar("A", bound=Arguments)
R = TypeVar("R", bound=Result)

VendorName = Literal["interchange", "freewheel", "google_ad_manager"]


Toolset = Literal["freewheel", "interchange", "gam", "operations"]

_FOLDERS: dict[str, Toolset] = {
    "freewheel": "freewheel",
    "interchange": "interchange",
    "google_ad_manager": "gam",
    "operations": "operations",
}


@dataclass(frozen=True, slots=True)
class Read:
    """Changes nothing at the vendor."""


READ = Read()


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks for nothing to be changed, but the vendor records what it finds, and may act on it."""


PROBE = Probe()


@dataclass(frozen=True, slots=True)
class Write:
    """Changes something at the vendor.

    destructive: takes something away or replaces it, instead of only adding.
    repeatable: sending the same call twice leaves the vendor as sending it once does.
    """

    destructive: bool = False
    repeatable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool(Generic[A, R]):
    """One tool: its name and models, what it does to the world, and the function that does it.

    The handler's docstring is the description that agents choose by. `vendors` are those it can work with:
    the tool is offered when at least one of them is configured, and always when it needs none.
    """

    name: str
    title: str
    arguments: type[A]
    result: type[R]
    effect: Read | Probe | Write
    vendors: frozenset[VendorName]
    handler: Callable[[A, Backends], Awaitable[R]]

    @property
    def toolset(self) -> Toolset:
        """The group that it is chosen with: the tools of its folder."""
        return _FOLDERS[self.handler.__module__.split(".")[1]]

    @property
    def description(self) -> str:
        """The handler's docstring, a line a paragraph."""
        paragraphs = inspect.cleandoc(self.handler.__doc__ or "").split("\n\n")
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


AnyTool = Tool[Any, Any]
