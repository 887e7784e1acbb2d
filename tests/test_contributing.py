"""What CONTRIBUTING.md says: its example is carried out in a copy of the tree, and its tables name what is there."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import ROOT, fenced
from tests.pages import read

PAGE = read(ROOT / "CONTRIBUTING.md")
FILES = ("pyproject.toml", "Dockerfile", "server.json")
TREE = ("server", "tools", "prompts", "tests", "docs", *FILES, *(path.name for path in ROOT.glob("*.md")))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree with the example's edits."""
    place = tmp_path_factory.mktemp("copy")
    for name in TREE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, place / name)
    for fence in PAGE.marked("file"):
        (place / fence.name).write_text(fence.text, "utf-8")
    for fence in PAGE.marked("below"):
        file = place / fence.name
        text, (above, *_) = file.read_text("utf-8"), fence.text.splitlines(keepends=True)
        assert text.count(above) == 1, above
        file.write_text(text.replace(above, fence.text), "utf-8")
    return place


def rows(table: str) -> list[list[str]]:
    """The cells of the table that stands below `<!-- table: NAME -->`, without its two lines of heading."""
    _, _, below = PAGE.text.partition(f"<!-- table: {table} -->\n")
    lines = below.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def defined(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """The names that a module defines, and those of its classes as `Class.name`."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.ClassDef(name=name, body=inner):
                yield prefix + name
                yield from defined(inner, f"{name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name
            case _:
                pass


@pytest.mark.parametrize(("question", "file", "name"), rows("finder"))
def test_what_a_newcomer_looks_for_is_where_the_page_says(question: str, file: str, name: str) -> None:
    names = set(defined(ast.parse((ROOT / file.strip("`")).read_text("utf-8")).body))
    assert name.strip("`") in names, question


def test_the_rooms_are_those_of_the_contract_from_the_door_down() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("containers") == ["server"])
    rank = {room: at for at, layer in enumerate(layers) for room in re.split(r" [|:] ", layer)}
    named = [re.sub(r"`server/(\w+)(?:\.py|/)`", r"\1", room) for room, _ in rows("rooms")]
    assert sorted(named) == sorted(rank)
    assert [rank[room] for room in named] == sorted(rank.values())


def run(place: Path, *arguments: str) -> str:
    """What Python says there, where modules come from."""
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_there_are_three_edits(copy: Path) -> None:
    made = [fence.name for fence in PAGE.marked("file")]
    edited = {fence.name for fence in PAGE.marked("below")}
    assert [name.partition("/")[0] for name in made] == ["tools", "tests"]
    assert edited == {"tools/catalogue.py"}
    assert all((copy / name).is_file() for name in made)


def test_the_generated_files_are_made_anew_as_the_page_says(copy: Path) -> None:
    for command in fenced("generate", PAGE.path).split(" && "):
        python, *arguments = command.split()
        assert python == ".venv/bin/python"
        run(copy, *arguments)
    assert (copy / "tests" / "snapshots" / "count_inventory_packages.json").is_file()
    assert "| `count_inventory_packages` | FreeWheel | reads |" in (copy / "README.md").read_text("utf-8")


def test_its_test_passes_and_so_does_what_holds_for_all_tools(copy: Path) -> None:
    (tests,) = (fence.name for fence in PAGE.marked("file") if fence.name.startswith("tests/"))
    whole = "tests/tools/test_catalogue.py"
    told = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, whole, "-k", "count_inventory_packages")
    assert " passed" in told
    assert run(copy, "-c", "import tools.catalogue; print(tools.catalogue.__file__)").startswith(str(copy))
