"""`python -m tests.wheel`: build sdist and wheel, install the wheel in an empty environment, run the demo from it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("server", "tools", "prompts")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="adops-mcp-wheel-") as directory:
        place = Path(directory)
        run([sys.executable, "-m", "build", "--outdir", str(place), str(ROOT)], place)
        (wheel,) = place.glob("*.whl")
        if differing := sources() ^ packed(wheel):
            print(f"in the wheel or in the tree, but not in both: {sorted(differing)}", file=sys.stderr)
            return 1
        venv.create(place / "empty", with_pip=True)
        command = place / "empty" / "bin"
        run([str(command / "pip"), "install", "--quiet", str(wheel)], place)
        run([str(command / "adops-mcp"), "--version"], place)
        run([str(command / "adops-mcp"), "demo"], place)
    return 0


def sources() -> set[str]:
    """Every file of the packages, as a path in the wheel."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}


def packed(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def run(command: list[str], place: Path) -> None:
    """Run in a folder that holds nothing of the project, so that only what is installed can be found."""
    subprocess.run(command, cwd=place, check=True)


if __name__ == "__main__":
    sys.exit(main())
