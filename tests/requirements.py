"""The map of the mission, requirements.toml: `python -m tests.requirements` prints it with the tests that prove it.

Exit code 1 when a row is not proved for one of its tools, or a test names a row that there is not.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

TESTS = Path(__file__).parent
FILE = TESTS / "requirements.toml"

_SERVED = re.compile(r"(?P<tool>\w+)(?:\((?P<argument>[\w.]+)\)| -> (?P<field>[\w.]+))?")


@dataclass(frozen=True, slots=True)
class Served:
    """One way in which a row is served: by a tool as a whole, in an argument, or in a field of its result."""

    tool: str
    argument: str | None
    field: str | None

    def __str__(self) -> str:
        return f"{self.tool}({self.argument})" if self.argument else " -> ".join(filter(None, (self.tool, self.field)))


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row of a document. id: `section.row`, by which tests name it."""

    id: str
    document: str
    table: str
    row: str
    served: tuple[Served, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A test that names a requirement. file: its stem, which tells the tool that it is about."""

    id: str
    file: str
    test: str


def load(file: Path = FILE) -> list[Requirement]:
    return list(_requirements(tomllib.loads(file.read_text("utf-8"))))


def _requirements(node: dict[str, Any], path: str = "") -> Iterator[Requirement]:
    if "rows" in node:
        for row, ways in node["rows"].items():
            served = tuple(_served(way) for way in ways)
            yield Requirement(f"{path}.{row}", node["document"], node["table"], row, served)
        return
    for name, inner in node.items():
        yield from _requirements(inner, f"{path}.{name}".lstrip("."))


def _served(way: str) -> Served:
    match = _SERVED.fullmatch(way)
    if match is None:
        raise ValueError(f"{way!r} is neither `tool`, `tool(argument)` nor `tool -> field`")
    return Served(match["tool"], match["argument"], match["field"])


def links(folder: Path = TESTS) -> list[Link]:
    """Every `@pytest.mark.requirement("id", ...)` of a test function."""
    return [link for file in sorted(folder.rglob("test_*.py")) for link in _links_in(file)]


def _links_in(file: Path) -> Iterator[Link]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.requirement":
                for argument in decorator.args:
                    yield Link(cast("str", ast.literal_eval(argument)), file.stem, node.name)


def is_about(link: Link, tool: str) -> bool:
    """Whether the test's file is named after the tool."""
    stem = tool if tool.startswith("test_") else f"test_{tool}"
    return link.file == stem or link.file.startswith(f"{stem}_")


def problems(requirements: Iterable[Requirement], linked: Iterable[Link]) -> list[str]:
    """A line for every tool of a row without a test, and for every test that names no such row or tool."""
    by_id = {requirement.id: requirement for requirement in requirements}
    linked = list(linked)
    lines = [
        f"{requirement.id}: no test in test_{tool.removeprefix('test_')}*.py proves it for {tool}"
        for requirement in by_id.values()
        for tool in dict.fromkeys(served.tool for served in requirement.served)
        if not any(link.id == requirement.id and is_about(link, tool) for link in linked)
    ]
    for link in linked:
        known = by_id.get(link.id)
        if known is None:
            lines.append(f"{link.file}: {link.test} names {link.id}, which is no row of {FILE.name}")
        elif not any(is_about(link, served.tool) for served in known.served):
            lines.append(f"{link.file}: {link.test} names {link.id}, which its tool does not serve")
    return lines


def main() -> int:
    requirements, linked = load(), links()
    for requirement in requirements:
        tests = dict.fromkeys(f"{link.file}::{link.test}" for link in linked if link.id == requirement.id)
        print(f"{requirement.id}  ({requirement.document}, {requirement.table})")
        print(f"    served by  {', '.join(map(str, requirement.served))}")
        for test in tests:
            print(f"    proved by  {test}")
    found = problems(requirements, linked)
    for line in found:
        print(line, file=sys.stderr)
    print(f"{len(requirements)} rows, {len({(link.file, link.test) for link in linked})} tests, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
