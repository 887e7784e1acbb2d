"""Runs the protocol's conformance suite and the inspector against the server: `python -m tests.conformance`.

Both are npm packages. The whole takes about a minute.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.npm import Programs
from tests.processes import served
from tools.catalogue import CATALOGUE

PROGRAMS = Programs(
    "adops-mcp-conformance",
    ("@modelcontextprotocol/conformance@0.2.0-alpha.12", "@modelcontextprotocol/inspector@2.12.0"),
)
REQUIREMENTS = ("2025-11-25", "2026-07-28")
ERAS = ("legacy", "modern")
HERE = Path(__file__).parent


def conformance() -> list[str]:
    """Both sets of requirements against the production server with the suite's fixtures; what failed."""
    failed: list[str] = []
    with served("tests.conformance.launcher", "PORT") as url:
        for revision in REQUIREMENTS:
            baseline = HERE / f"baseline-{revision}.yml"
            given = ["server", "--url", url, "--requirements", revision, "--expected-failures", str(baseline)]
            ended = PROGRAMS.run("conformance", given)
            _, _, summary = ended.stdout.partition("=== SUMMARY ===")
            print(f"conformance {revision}: exit {ended.returncode}{summary or ended.stdout + ended.stderr}")
            if ended.returncode:
                failed.append(f"conformance {revision}")
    return failed


def inspector() -> list[str]:
    """Listing, strictly, and calling over both transports in both eras; what failed."""
    failed: list[str] = []
    with (
        served("adops_mcp", "serve", "--http", "--port", "PORT") as url,
        tempfile.TemporaryDirectory() as directory,
    ):
        command = Path(sys.executable).parent / "adops-mcp"
        over_stdio = ["-e", f"ADOPS_DATA_DIR={directory}", str(command)]
        for transport, target in (("stdio", over_stdio), ("http", ["--server-url", url])):
            for era in ERAS:
                what = f"inspector over {transport}, {era}"
                problem = _inspected(["--cli", *target, "--protocol-era", era])
                print(f"{what}: {problem or 'listed and called'}")
                if problem:
                    failed.append(what)
    return failed


def _inspected(target: Sequence[str]) -> str:
    """What is wrong; empty when nothing is."""
    listed = PROGRAMS.run("mcp-inspector", [*target, "--method", "tools/list", "--strict"])
    if listed.returncode:
        return f"tools/list ended with {listed.returncode}: {listed.stderr[-2000:]}"
    names = [tool["name"] for tool in json.loads(listed.stdout)["tools"]]
    if names != [tool.name for tool in CATALOGUE]:
        return f"it lists {names}"
    given = ["--method", "tools/call", "--tool-name", "list_avails", "--tool-arg", "text=basketball"]
    called = PROGRAMS.run("mcp-inspector", [*target, *given])
    if called.returncode:
        return f"tools/call ended with {called.returncode}: {called.stderr[-2000:]}"
    answer = json.loads(called.stdout)["structuredContent"]
    return "" if answer["environment"] == "sandbox" and answer["items"] else f"list_avails answered {answer}"


def main() -> int:
    PROGRAMS.install()
    failed = [*conformance(), *inspector()]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
