"""The layout that pip, editable installs, wheels and type checkers all agree on, kept as it is."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from server import __version__

ROOT = Path(__file__).parent.parent
PACKAGES = ["server", "tools", "prompts"]


def test_the_wheel_lists_its_packages_by_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == PACKAGES
    assert project["project"]["scripts"] == {"adops-mcp": "server.cli:main"}
    assert project["tool"]["hatch"]["version"]["path"] == "server/__init__.py"
    assert __version__.count(".") == 2


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed_and_every_folder_of_it_is_a_package(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_top_level_holds_the_agreed_folders_only() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert folders - {".venv", "build", "dist"} == {*PACKAGES, "tests"}
