"""The project as pyproject.toml tells of it, and the settings as a form asks for them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from server import __version__
from server.configuration.settings import SECRETS, VENDOR_SETTINGS, Settings
from tests.wheel import PACKAGES, files

ROOT = Path(__file__).parents[2]
PYPROJECT = ROOT / "pyproject.toml"
NOBODY = "SET--OWNER"
"""Stands for the owner in the address of the repository until there is one."""

_VENDORS = {"interchange": "Interchange", "freewheel": "FreeWheel", "gam": "Google Ad Manager"}
_WORDS = {"api": "API", "dir": "directory"}


@dataclass(frozen=True, slots=True)
class Project:
    """license: an SPDX expression. repository: its address on GitHub."""

    name: str
    version: str
    description: str
    author: str
    license: str | None
    repository: str

    @property
    def bundle(self) -> str:
        """The file's name."""
        return f"{self.name}-{self.version}.mcpb"

    @property
    def owner(self) -> str:
        return self.repository.removeprefix("https://github.com/").partition("/")[0]

    @property
    def is_owned(self) -> bool:
        return self.owner != NOBODY

    @property
    def registry_name(self) -> str:
        """Under the owner's name on GitHub, which is how the registry knows who may publish it."""
        return f"io.github.{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class Field:
    """A setting that a person fills in. kind: string, boolean, file or directory. choices: if there are only these."""

    name: str
    title: str
    description: str
    kind: str
    secret: bool
    default: str | bool
    choices: tuple[str, ...]


def project() -> Project:
    told: dict[str, Any] = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    return Project(
        name=told["name"],
        version=__version__,
        description=told["description"],
        author=told["authors"][0]["name"],
        license=told.get("license"),
        repository=told["urls"]["Repository"],
    )


def sources() -> set[str]:
    """Every file of the packages, as a path from the root."""
    return files(*PACKAGES)


def form() -> tuple[Field, ...]:
    """What a person who installs it has to say: where it works, who they are there, and whether it may write.

    Another address of a vendor is for tests of ours, and the file of a secret for who keeps it in one.
    """
    credentials = [name for name in VENDOR_SETTINGS if not name.endswith("_url") and not _in_a_file(name)]
    return tuple(_fields("environment", "read_only", "data_dir", *credentials))


def _in_a_file(name: str) -> bool:
    return name.endswith("_file") and name.removesuffix("_file") in Settings.model_fields


def _fields(*names: str) -> Iterator[Field]:
    for name in names:
        field = Settings.model_fields[name]
        default = field.default if isinstance(field.default, str | bool) else ""
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        told = _title(name), field.description or "", _kind(name, field)
        yield Field(name, *told, name in SECRETS, default, choices)


def _title(name: str) -> str:
    prefix, _, rest = name.partition("_")
    words = " ".join(_WORDS.get(word, word) for word in (rest if prefix in _VENDORS else name).split("_"))
    return f"{_VENDORS[prefix]} {words}" if prefix in _VENDORS else words.capitalize()


def _kind(name: str, field: FieldInfo) -> str:
    if field.annotation is bool:
        return "boolean"
    if Path in _parts(field.annotation):
        return "directory" if name.endswith("_dir") else "file"
    return "string"


def _parts(annotation: Any) -> set[Any]:
    """A type and all that it is made of, such as Path of `Annotated[Path, ...] | None`."""
    return {annotation}.union(
        *(_parts(part) for part in get_args(annotation) if isinstance(part, type) or get_args(part))
    )
