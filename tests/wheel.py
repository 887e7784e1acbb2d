"""`python -m tests.wheel`: build sdist and wheel, look at what is in them, run the demo from the wheel alone.

The wheel is built from the sdist, so that the sdist is enough for building; its tests are collected where it lies.
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

from tests import judges

ROOT = Path(__file__).parent.parent
PACKAGES = ("server", "tools", "prompts")
OF_THE_IMAGE = ("Dockerfile", ".dockerignore", "compose.yaml", "server.json")
OF_THE_SDIST = (*PACKAGES, "tests", "docs", ".ci/run", "pyproject.toml", "LICENSE", "*.md", *OF_THE_IMAGE)
METADATA = {"License-Expression": "Apache-2.0", "License-File": "LICENSE", "Requires-Python": ">=3.11"}


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
        venv.create(place / "empty", with_pip=True)
        command = place / "empty" / "bin"
        run([str(command / "pip"), "install", "--quiet", str(wheel)], place)
        run([str(command / "adops-mcp"), "--version"], place)
        run([str(command / "adops-mcp"), "demo"], place)
    return 0


def in_the_wheel(wheel: Path) -> list[str]:
    """What is wrong with its files, which are those of the packages, or with its metadata."""
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if ".dist-info/" not in name}
    lines = [f"in the wheel or in the tree, but not in both: {name}" for name in sorted(files(*PACKAGES) ^ packed)]
    about = names[-1].partition("/")[0]
    found = PathDistribution(zipfile.Path(wheel, f"{about}/"))  # pyright: ignore[reportArgumentType] - it is as good as a Path
    told = found.metadata
    lines += [f"metadata {name}: {told[name]}" for name, wanted in METADATA.items() if told[name] != wanted]
    lines += [f"metadata {name} is not there" for name in ("Summary", "Keywords", "Classifier") if not told[name]]
    if f"{about}/licenses/LICENSE" not in names:
        lines.append("the wheel has no licence")
    return lines


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


def run(command: list[str], place: Path) -> None:
    """Run in a folder of its own, so that nothing of the tree is found."""
    subprocess.run(command, cwd=place, check=True)


if __name__ == "__main__":
    sys.exit(main())
