"""The MCP prompts: one Markdown file each, with TOML front matter between lines of `+++`.

The front matter holds the title, the description, the tools that the prompt uses and its arguments. The text below it
is a Jinja template over the arguments; an argument that was not given is empty. `server.protocol` imports this package,
which imports nothing of ours.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Literal, get_args

ArgumentType = Literal[
    "text",
    "count",
    "date",
    "media_buy_id",
    "source_id",
    "modular_source_id",
    "gam_source_id",
    "network_code",
    "package_id",
    "proposed_io_id",
]


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    type: ArgumentType
    description: str
    required: bool = False

    def __post_init__(self) -> None:
        if self.type not in get_args(ArgumentType):
            raise ValueError(f"{self.name}: there is no argument type {self.type!r}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt. tools: those without which it is not offered. text: a Jinja template over the arguments."""

    name: str
    title: str
    description: str
    tools: tuple[str, ...]
    arguments: tuple[Argument, ...]
    text: str


@functools.cache
def load() -> tuple[Prompt, ...]:
    """All prompts, sorted by name."""
    files = sorted(
        (file for file in resources.files(__name__).iterdir() if file.name.endswith(".md")), key=lambda file: file.name
    )
    return tuple(parse(file.name.removesuffix(".md"), file.read_text(encoding="utf-8")) for file in files)


def parse(name: str, page: str) -> Prompt:
    """Read a page as a prompt. Raises ValueError, KeyError or TypeError when its front matter is wrong."""
    opening, front, text = page.split("+++\n", 2)
    if opening:
        raise ValueError(f"{name}: the page does not begin with front matter")
    head = tomllib.loads(front)
    return Prompt(
        name=name,
        title=head.pop("title"),
        description=head.pop("description"),
        tools=tuple(head.pop("tools")),
        arguments=tuple(Argument(**argument) for argument in head.pop("arguments")),
        text=text.strip(),
        **head,
    )
