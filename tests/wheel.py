"""`python -m tests.wheel`: build sdist and wheel, look at what is in them, install the wheel, run the demo each time.

The wheel is built from the sdist, so that the sdist is enough for building; its tests are collected where it lies. The
wheel is installed by pip, uv and pipx, and the sdist's tree by uv as editable. Each time another distribution, whose
packages have the names of ours, is installed beside it, and the command is started in a folder with such packages that
is also on PYTHONPATH. pip fetches everything that is needed from the index that it is set up for; afterwards no index
is asked.
"""

from __future__ import annotations

import filecmp
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from pathlib import Path

from tests import judges
from tests.processes import ready
from tests.support import free_port

ROOT = Path(__file__).parent.parent
PACKAGES = ("server", "tools", "prompts")
LAUNCHER = "server/launcher/adops_mcp"
"""The folder of the package that is installed; the wheel has the others in its `_app`."""
OF_THE_IMAGE = ("Dockerfile", ".dockerignore", "compose.yaml", "server.json")
OF_THE_SDIST = (*PACKAGES, "tests", "docs", ".ci/run", "pyproject.toml", "LICENSE", "*.md", *OF_THE_IMAGE)
METADATA = {"License-Expression": "Apache-2.0", "License-File": "LICENSE", "Requires-Python": ">=3.11"}

_HOSTILE = 'import sys\n\nsys.exit(f"{__file__} was imported")\n'
_NAMED_LIKE_OURS = ("server/__init__.py", "tools.py", "prompts.py")
_NAMED_LIKE_OTHERS = ("mcp/__init__.py", "httpx.py", "pydantic.py", "uvicorn.py", "secrets.py", "socket.py")
"""Packages that ours need, and modules of the standard library."""
_OTHER = "somebodys-server"
"""The distribution that is installed beside ours."""

_TOOLS = ("pip", "pipx", "hatchling", "editables")
"""What is installed here to install it: pipx with the pip that it asks for, and what makes an editable install."""


@dataclass(frozen=True, slots=True)
class Installed:
    """One installation. command: the console script. python: the interpreter of its environment."""

    by: str
    command: Path
    python: Path


class NotAsItMustBe(Exception):
    """The wheel does not do what it must; the message says what."""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="adops-mcp-wheel-") as directory:
        place = Path(directory)
        run([sys.executable, "-m", "build", "--outdir", str(place), str(ROOT)], place)
        (wheel,), (sdist,) = place.glob("*.whl"), place.glob("*.tar.gz")
        judges.install()
        run([str(judges.PLACE / "bin" / "twine"), "check", "--strict", str(wheel), str(sdist)], place)
        with tarfile.open(sdist) as archive:
            archive.extractall(place, filter="data")
        lies = place / sdist.name.removesuffix(".tar.gz")
        if problems := [*in_the_wheel(wheel), *in_the_sdist(lies)]:
            print("\n".join(problems), file=sys.stderr)
            return 1
        run([sys.executable, "-m", "pytest", "--collect-only", "--quiet", "--quiet", "-p", "no:cacheprovider"], lies)
        hostile = hostile_folder(place / "a project of somebody")
        try:
            with ThreadPoolExecutor(1) as pool:
                begun = [pool.submit(begin_beside, one, hostile) for one in installations(wheel, lies, place)]
            for one in begun:
                one.result()
        except NotAsItMustBe as problem:
            print(problem, file=sys.stderr)
            return 1
    return 0


def in_the_wheel(wheel: Path) -> list[str]:
    """What is wrong with its files, which are those of the packages, or with its metadata."""
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if ".dist-info/" not in name}
    expected = {place for name in files(*PACKAGES) if (place := place_in_the_wheel(name)) is not None}
    lines = [f"in the wheel or in the tree, but not in both: {name}" for name in sorted(expected ^ packed)]
    about = names[-1].partition("/")[0]
    found = PathDistribution(zipfile.Path(wheel, f"{about}/"))  # pyright: ignore[reportArgumentType] - it is as good as a Path
    told = found.metadata
    lines += [f"metadata {name}: {told[name]}" for name, wanted in METADATA.items() if told[name] != wanted]
    lines += [f"metadata {name} is not there" for name in ("Summary", "Keywords", "Classifier") if not told[name]]
    if f"{about}/licenses/LICENSE" not in names:
        lines.append("the wheel has no licence")
    return lines


def place_in_the_wheel(name: str) -> str | None:
    """Where a file of the tree is in the wheel. None: only the build needs it."""
    if name.startswith(f"{LAUNCHER}/"):
        return name.removeprefix("server/launcher/")
    return None if name.startswith("server/launcher/") else f"adops_mcp/_app/{name}"


def in_the_sdist(lies: Path) -> list[str]:
    return [
        f"not in the sdist as it is in the tree: {name}"
        for name in sorted(files(*OF_THE_SDIST))
        if not (lies / name).is_file() or not filecmp.cmp(ROOT / name, lies / name, shallow=False)
    ]


def files(*patterns: str) -> set[str]:
    """Every file of these folders, and those named, as paths from the root."""
    found = (path for pattern in patterns for path in ROOT.glob(pattern))
    whole = (inner for path in found for inner in (path.rglob("*") if path.is_dir() else [path]) if inner.is_file())
    return {str(path.relative_to(ROOT)) for path in whole if "__pycache__" not in path.parts}


def hostile_folder(place: Path) -> Path:
    """A folder of modules that end the process that imports them, named like ours and like those that we need."""
    for name in (*_NAMED_LIKE_OURS, *_NAMED_LIKE_OTHERS):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(_HOSTILE, "utf-8")
    return place


def hostile_wheel(place: Path) -> None:
    """A wheel of another distribution with the names of our packages."""
    about = f"{_OTHER.replace('-', '_')}-1.0.dist-info"
    told = {
        **dict.fromkeys(_NAMED_LIKE_OURS, _HOSTILE),
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {_OTHER}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*told, f"{about}/RECORD"))
    with zipfile.ZipFile(place / f"{about.removesuffix('.dist-info')}-py3-none-any.whl", "w") as archive:
        for name, text in {**told, f"{about}/RECORD": record}.items():
            archive.writestr(name, text)


def installations(wheel: Path, tree: Path, place: Path) -> Iterator[Installed]:
    """The wheel as each installer puts it beside the other distribution, and last the tree as an editable install.

    One is tried while the next is made, so that none may change another.
    """
    house = place / "house"
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(house), str(wheel), *_TOOLS], place)
    hostile_wheel(house)
    without_index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(house), "PIP_NO_COMPILE": "1"}
    by_pip = _environment(place / "by pip")
    run([str(by_pip / "pip"), "install", "--quiet", "adops-mcp", _OTHER], place, without_index)
    yield Installed("pip", by_pip / "adops-mcp", by_pip / "python")

    at, uv = place / "by uv", Path(sys.executable).parent / "uv"
    own_uv = {"UV_TOOL_DIR": str(at / "tools"), "UV_TOOL_BIN_DIR": str(at / "bin"), "UV_CACHE_DIR": str(at / "cache")}
    offline = ["--no-config", "--no-index", "--find-links", str(house)]
    of_python = ["--python", sys.executable]
    run([str(uv), "tool", "install", "--quiet", *offline, *of_python, "--with", _OTHER, "adops-mcp"], place, own_uv)
    yield Installed("uv", at / "bin" / "adops-mcp", at / "tools" / "adops-mcp" / "bin" / "python")

    at, bare = place / "by pipx", _environment(place / "pipx")
    run([str(bare / "pip"), "install", "--quiet", "pipx"], place, without_index)
    own = {name: str(at / name.lower()) for name in ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR", "PIPX_SHARED_LIBS")}
    for arguments in (("install", "--quiet", "--python", sys.executable, "adops-mcp"), ("inject", "adops-mcp", _OTHER)):
        run([str(bare / "pipx"), *arguments], place, {**without_index, **own})
    yield Installed(
        "pipx", at / "pipx_bin_dir" / "adops-mcp", at / "pipx_home" / "venvs" / "adops-mcp" / "bin" / "python"
    )

    at = place / "editable"
    run([str(uv), "venv", "--quiet", "--no-config", *of_python, str(at)], place, own_uv)
    into = ["--python", str(at / "bin" / "python")]
    run([str(uv), "pip", "install", "--quiet", *offline, *into, "--editable", str(tree), _OTHER], place, own_uv)
    yield Installed("uv, editable", at / "bin" / "adops-mcp", at / "bin" / "python")


def _environment(place: Path) -> Path:
    """A new virtual environment with pip; its folder of commands."""
    venv.create(place, with_pip=True)
    return place / "bin"


def begin_beside(installed: Installed, hostile: Path) -> None:
    """Start it in every way, in the hostile folder and with that on PYTHONPATH. Raises NotAsItMustBe."""
    command, module = [str(installed.command)], [str(installed.python), "-m", "adops_mcp"]
    imported = subprocess.run(
        [str(installed.python), "-P", "-c", "import server"], capture_output=True, text=True, check=False
    )
    if "was imported" not in imported.stderr:
        raise NotAsItMustBe(f"{installed.by}: the other distribution's server is not installed: {imported.stderr}")
    for python_path in (str(hostile), ".", os.pathsep):
        for start in (command, module):
            _succeeds(installed, [*start, "--version"], hostile, python_path)
    print(_succeeds(installed, [*command, "demo"], hostile, f"{hostile}{os.pathsep}{os.pathsep}.").splitlines()[-1])
    _serves(installed, hostile)
    print(f"installed by {installed.by}: it starts nothing but its own packages", flush=True)


def _succeeds(installed: Installed, command: list[str], hostile: Path, python_path: str) -> str:
    environment = {**os.environ, "PYTHONPATH": python_path}
    ended = subprocess.run(command, cwd=hostile, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        started = f"{' '.join(command)} with PYTHONPATH={python_path}"
        raise NotAsItMustBe(f"{installed.by}: {started} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def _serves(installed: Installed, hostile: Path) -> None:
    """Over HTTP in two processes, which import the application by its name."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile("w+") as said:
        environment = {**os.environ, "PYTHONPATH": str(hostile), "ADOPS_DATA_DIR": directory}
        command = [str(installed.command), "serve", "--http", "--workers", "2", "--port", str(port)]
        process = subprocess.Popen(command, cwd=hostile, env=environment, stderr=said)
        try:
            ready(f"http://127.0.0.1:{port}/readyz", process)
        except RuntimeError as error:
            said.seek(0)
            raise NotAsItMustBe(f"{installed.by}: {error}: {said.read()}") from error
        finally:
            process.terminate()
            process.wait(60)


def run(command: list[str], place: Path, more: Mapping[str, str] | None = None) -> None:
    """Run in a folder of its own, so that nothing of the tree is found. more: variables beside our own."""
    subprocess.run(command, cwd=place, env={**os.environ, **(more or {})}, check=True)


if __name__ == "__main__":
    sys.exit(main())
