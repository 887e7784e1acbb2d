"""`python -m tests.release.bundle [--output DIR]`: make the MCPB bundle, which clients install with one click.

It is checked and packed by the format's own program, and then written anew without times and in order, so that the same
tree makes the same file, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import tomlkit

from tests.npm import Programs
from tests.release.manifest import ENTRY, ICON, manifest
from tests.release.project import PYPROJECT, ROOT, project, sources
from tests.wheel import LAUNCHER

MCPB = Programs("adops-mcp-mcpb", ("@anthropic-ai/mcpb@2.1.2",))
DAWN = (1980, 1, 1, 0, 0, 0)
"""The time of every file: the first that a ZIP archive can hold."""

_ENTRY = f'''"""What a client starts: the launcher of this folder, whatever else is named like it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "{Path(LAUNCHER).parent.as_posix()}"))

from adops_mcp import main

sys.exit(main())
'''


class NotMade(Exception):
    """The bundle cannot be made; the message says why."""


def make(output: Path) -> Path:
    """The bundle, in that folder. Raises NotMade."""
    MCPB.install()
    bundle = output / project().bundle
    with tempfile.TemporaryDirectory(prefix="adops-mcp-bundle-") as directory:
        tree, packed = Path(directory, "tree"), Path(directory, "packed.mcpb")
        lay(tree)
        _mcpb("validate", str(tree))
        _mcpb("pack", str(tree), str(packed))
        if differing := _files(tree) ^ set(zipfile.ZipFile(packed).namelist()):
            raise NotMade(f"in the tree or in the bundle, but not in both: {sorted(differing)}")
        output.mkdir(parents=True, exist_ok=True)
        _write(tree, bundle)
    return bundle


def lay(tree: Path) -> None:
    """Everything that the bundle holds."""
    for name in sources() | about():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tree / name)
    shutil.copyfile(Path(__file__).parent / ICON, tree / ICON)
    (tree / ENTRY).write_text(_ENTRY, "utf-8")
    (tree / "pyproject.toml").write_text(_pyproject(), "utf-8")
    (tree / "manifest.json").write_text(json.dumps(manifest(), indent=2, ensure_ascii=False) + "\n", "utf-8")


def about() -> set[str]:
    """The files that tell of it, and that its metadata is made of."""
    return {"README.md"} | {path.name for path in ROOT.glob("LICENSE*")}


def _pyproject() -> str:
    """The project's, without what is for other ways to run it and for working on it.

    uv resolves every extra and group before it starts anything: what the tests need must not keep a person from it.
    """
    told = tomlkit.parse(PYPROJECT.read_text("utf-8")).unwrap()
    kept = {name: value for name, value in told["project"].items() if name != "optional-dependencies"}
    return tomlkit.dumps(
        {"build-system": told["build-system"], "project": kept, "tool": {"hatch": told["tool"]["hatch"]}}
    )


def _files(tree: Path) -> set[str]:
    return {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}


def _write(tree: Path, bundle: Path) -> None:
    """Stored and not compressed, as compressors of one format differ in what they make."""
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(_files(tree)):
            entry = zipfile.ZipInfo(name, DAWN)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, (tree / name).read_bytes())


def _mcpb(*arguments: str) -> None:
    ended = MCPB.run("mcpb", arguments)
    if ended.returncode:
        raise NotMade(f"mcpb {arguments[0]} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.release.bundle", description=__doc__)
    arguments.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR", help="where to (dist)")
    try:
        print(make(arguments.parse_args().output))
    except NotMade as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
