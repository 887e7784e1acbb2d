"""The Dockerfile as steps, and the files that it is given: read by the engine's own parser and its own rules."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.utils.build import exclude_paths

from tests.release.project import ROOT

DOCKERFILE = ROOT / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Step:
    """command: in upper case. words: its arguments. is_list: whether they were written as a list, for no shell."""

    command: str
    flags: tuple[str, ...]
    words: tuple[str, ...]
    is_list: bool

    def flag(self, name: str) -> str | None:
        """What stands after `--name=`."""
        return next((flag.removeprefix(f"--{name}=") for flag in self.flags if flag.startswith(f"--{name}=")), None)

    @property
    def pairs(self) -> dict[str, str]:
        """Names and values, of ENV and LABEL."""
        return {name: value.strip('"') for name, value in zip(self.words[::2], self.words[1::2], strict=True)}


def steps() -> list[Step]:
    parser: Any = importlib.import_module("dockerfile")
    return [
        Step(found.cmd.upper(), found.flags, found.value, found.json) for found in parser.parse_file(str(DOCKERFILE))
    ]


def last(command: str) -> Step:
    """The step of that command that counts for the image."""
    return [step for step in steps() if step.command == command][-1]


def context_files() -> set[str]:
    """The files that .dockerignore lets an engine have."""
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    patterns = [rule.strip() for rule in rules if rule.strip() and not rule.startswith("#")]
    return {name for name in exclude_paths(str(ROOT), patterns) if (ROOT / name).is_file()} - {
        "Dockerfile",
        ".dockerignore",
    }


def lay_context(place: Path) -> None:
    for name in context_files():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, place / name)
