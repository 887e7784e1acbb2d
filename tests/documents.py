"""Reads the rows out of the vendors' documents, pasted from their pages; they are not part of this repository."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

TABLE_HEADS = ("NameType", "ParameterType", "ParameterValue")
"""How the head of a table begins, its cells run together."""

_ROW = re.compile(
    r"(\w+?)(FW_ID|[Ss]tring|Custom Data Type|DateTime|Integer|[Ee]num|Float|Set of|object|array|int32|date-time|Time"
    r"|\[)"
)
_TYPE = re.compile(r"(string|integer|object|enum)(<[\w-]+>)?(\[\])?( \| null)?")
_SECTIONS = ("Path Parameters", "Body", "Response")


def folder() -> Path:
    """`ADOPS_TEST_SEEDS`, else `../shared/seeds` beside the repository."""
    default = Path(__file__).parents[2] / "shared" / "seeds"
    return Path(os.environ.get("ADOPS_TEST_SEEDS", default))


def rows_by_table(text: str) -> dict[str, list[str]]:
    """The rows of every table and of every list of parameters or fields, by its heading; the tasks under Overview
    or Introduction."""
    lines = [line.strip() for line in text.splitlines()]
    if "Path Parameters" not in lines:
        return {**_tasks(lines), **_tables(lines)}
    return {**_fields(lines), **{f"Response, example of {name}": keys for name, keys in _examples(text).items()}}


def _examples(text: str) -> dict[str, list[str]]:
    """The keys of the objects in the answer's example that hold no other object."""
    objects = re.findall(r'"(\w+)": \{([^{}]+)\}', text.partition("Authorizations")[0])
    return {name: re.findall(r'"(\w+)":', inner) for name, inner in objects}


def _tasks(lines: list[str]) -> dict[str, list[str]]:
    """The bullets before the first table."""
    end = next((number for number, line in enumerate(lines) if line.startswith((*TABLE_HEADS, "TypeURI"))), 0)
    heading = next((line for line in lines[:end] if line in ("Overview", "Introduction")), "")
    bullets = [line.removeprefix("•").strip().partition(". ")[0] for line in lines[:end] if line.startswith("•")]
    return {heading: bullets} if bullets else {}


def _tables(lines: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows: list[str] | None = None
    heading = ""
    for line in lines:
        if line.startswith(TABLE_HEADS):
            rows = found.setdefault(heading, [])
        elif rows is not None and (match := _ROW.match(line)):
            rows.append(match[1])
        elif re.fullmatch(r"([A-Z][\w -]+ )?(Attributes|Parameters)", line):
            heading, rows = line, None
    return found


def _fields(lines: list[str]) -> dict[str, list[str]]:
    """A name on a line of its own, and its type on the next."""
    found: dict[str, list[str]] = {}
    section = ""
    for line, following in itertools.pairwise(lines):
        if line in _SECTIONS:
            section = line
        elif section and re.fullmatch(r"\w+", line) and _TYPE.fullmatch(following):
            found.setdefault(section, []).append(line)
    return found
