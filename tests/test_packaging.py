"""What is installed: one package, whose launcher imports nothing but ours under the names of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import adops_mcp
import pytest

from server import __version__
from tests.wheel import LAUNCHER, PACKAGES, ROOT, files, hostile_folder, place_in_the_wheel

STANDARD = str(Path(os.__file__).parent)
INSTALLED = str(Path(adops_mcp.__file__).parents[1])
"""The folder that holds the package, which is on the search path."""


def test_the_wheel_holds_one_package_and_in_it_the_three_of_the_tree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == list(PACKAGES)
    assert project["tool"]["hatch"]["build"]["dev-mode-dirs"] == [str(Path(LAUNCHER).parent)]
    assert project["tool"]["hatch"]["version"]["path"] == "server/__init__.py"
    assert project["project"]["scripts"] == {"adops-mcp": "adops_mcp:main"}
    assert place_in_the_wheel(f"{LAUNCHER}/__init__.py") == "adops_mcp/__init__.py"
    assert place_in_the_wheel("server/cli.py") == "adops_mcp/_app/server/cli.py"
    assert place_in_the_wheel("server/launcher/build_hook.py") is None
    assert __version__.count(".") == 2


def test_what_is_installed_is_typed_and_every_folder_of_it_is_a_package() -> None:
    assert (ROOT / LAUNCHER / "py.typed").is_file()
    places = (place_in_the_wheel(name) for name in files(*PACKAGES) if name.endswith(".py"))
    installed = {place for place in places if place is not None}
    folders = {place.rpartition("/")[0] for place in installed}
    assert [folder for folder in folders if f"{folder}/__init__.py" not in installed] == []


def test_the_top_level_holds_the_agreed_folders_only() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert folders - {".venv", "build", "dist"} == {*PACKAGES, "tests"}


def test_ours_come_first_and_pythonpath_last_and_the_working_directory_is_left_out() -> None:
    found = ["/their/bin", "/on/pythonpath", "/working", "", STANDARD, f"{STANDARD}/lib-dynload", "/site-packages"]
    assert adops_mcp.search_path(found, "/working") == [
        adops_mcp.APP,
        STANDARD,
        f"{STANDARD}/lib-dynload",
        "/site-packages",
        "/their/bin",
        "/on/pythonpath",
    ]


@pytest.mark.parametrize("working", ["/working", INSTALLED])
def test_the_folder_that_ours_are_installed_in_stays_where_it_was(working: str) -> None:
    """As after `pip install --target`, with that folder on PYTHONPATH."""
    found = ["/their/bin", INSTALLED, "/on/pythonpath", STANDARD, "/site-packages"]
    assert adops_mcp.search_path(found, working) == [
        adops_mcp.APP,
        INSTALLED,
        STANDARD,
        "/site-packages",
        "/their/bin",
        "/on/pythonpath",
    ]


def test_without_a_standard_library_to_go_by_ours_come_first_all_the_same() -> None:
    assert adops_mcp.search_path(["/a", "/b"], "/a") == [adops_mcp.APP, "/a", "/b"]


def test_it_starts_where_the_working_directory_was_removed(tmp_path: Path) -> None:
    code = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-P", "-c", code, "-P", "-m", "adops_mcp", "--version"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"adops-mcp {__version__}\n"), ended.stderr


@pytest.mark.parametrize("python_path", ["{folder}", ".", os.pathsep])
def test_modules_of_somebodys_project_are_not_imported(python_path: str, tmp_path: Path) -> None:
    """`python -m tests.wheel` tries the same with the wheel as each installer puts it somewhere."""
    folder = hostile_folder(tmp_path / "project")
    ended = subprocess.run(
        [sys.executable, "-m", "adops_mcp", "sandbox", "reset"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": python_path.format(folder=folder), "ADOPS_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_launcher_imports_nothing_that_python_has_not_imported_already() -> None:
    """A client waits for it. `python -P -X importtime -m adops_mcp` shows what it takes."""
    code = "import sys; before = {*sys.modules}; import adops_mcp; print(*({*sys.modules} - before))"
    ended = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["adops_mcp"]
