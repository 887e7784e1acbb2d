"""Holds two judges of MCP servers against ours: `python -m tests.judges` prints their figures, 1 when one is too low.

`tdqs lint` is the part of Glama's tool definition score that needs no model: descriptions, annotations, documented
parameters, output schemas, and pairs of tools of which one is much cheaper to call. What a model would be asked (six
marks for each description, and how the tools go together) is left out. `mcpscore` looks at the whole server over stdio
and calls each tool that only reads; what it finds about HTTP and OAuth is left out. Neither needs the network.

`mcp-quality` is not asked: without a model it weighs the length of output schemas, which it takes to be read on every
turn, and calls it untrue that a tool which creates is not destructive, where the protocol says that it only adds.

Both stand in an environment of their own, since mcpscore wants one exact version of the SDK, and so does `twine`, which
`tests.wheel` asks: with what it brings, httpx would import more here than where adops-mcp is installed. Their versions
are the `judges` of pyproject.toml.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PLACE = Path(sys.prefix) / "share" / "adops-mcp-judges"
LONGEST = 300
"""Seconds for one program; the whole takes about 15, and as long again the first time."""

FLOOR = 96.0
"""Percent of mcpscore's points: 186 of 192 when this was written."""

_BY_COST = "found by the number of required arguments alone; the one {first}, the other {second}"
TDQS_EXEMPT: Mapping[str, str] = {
    "shadow-candidate of reserve_avail": _BY_COST.format(
        first="holds impressions in Interchange", second="makes a package in FreeWheel"
    ),
    "shadow-candidate of finalize_booking": _BY_COST.format(
        first="hands a booking over in Interchange", second="looks up ids in FreeWheel"
    ),
    "shadow-candidate of release_booking": _BY_COST.format(
        first="gives a hold up in Interchange", second="looks up ids in FreeWheel"
    ),
}
"""What tdqs finds and is not so, with the reason."""

_NEVER_CHANGES = "the list never changes while the server runs, and no notification that it did is ever sent"
MCPSCORE_EXEMPT: Mapping[str, str] = {
    "server_websiteurl_present": "there is no page of the project to point at yet",
    "server_icons_present": "there is no icon",
    "capability_tools_list_changed": _NEVER_CHANGES,
    "capability_prompts_list_changed": _NEVER_CHANGES,
    "capability_resources_list_changed": _NEVER_CHANGES,
    "tools_output_properties_documented": "fields whose name says it all (message, name, status) have no description, "
    "since it would stand in every conversation of a client that shows output schemas",
}
"""What mcpscore finds and is meant to be so, with the reason."""


def install() -> None:
    """Once for each list of packages."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["judges"]
    done = PLACE / "installed.json"
    if done.is_file() and json.loads(done.read_text("utf-8")) == packages:
        return
    venv.create(PLACE, with_pip=True, clear=True)
    subprocess.run([PLACE / "bin" / "pip", "install", "--quiet", *packages], check=True, timeout=LONGEST)
    done.write_text(json.dumps(packages), "utf-8")


def asked(program: str, *arguments: str) -> dict[str, Any]:
    """Its report on the server with a fresh sandbox: all that it hands on to the server is a home."""
    with tempfile.TemporaryDirectory() as directory:
        ended = subprocess.run(
            [PLACE / "bin" / program, *arguments],
            env={"HOME": directory, "PATH": os.environ["PATH"]},
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    if not ended.stdout.startswith("{"):
        raise RuntimeError(f"{program} made no report: {ended.stderr[-2000:]}")
    return json.loads(ended.stdout)


def judged_by_tdqs(report: Mapping[str, Any]) -> list[str]:
    """A line for each finding that is not exempt, and for each exemption without a finding. Prints the figures."""
    found = {f"{finding['rule']} of {finding['tool']}": finding["message"] for finding in report["findings"]}
    covered = [tool["contextSignals"]["schemaDescriptionCoverage"] for tool in report["tools"]]
    print(
        f"tdqs {report['specVersion']}: {len(covered)} tools, {sum(covered) / len(covered):.0f}% of parameters "
        f"described, {len(found)} findings, {len(found.keys() & TDQS_EXEMPT.keys())} of them exempt"
    )
    return [f"tdqs: {name}: {message}" for name, message in found.items() if name not in TDQS_EXEMPT] + _needless(
        "tdqs", TDQS_EXEMPT, found.keys()
    )


def judged_by_mcpscore(report: Mapping[str, Any]) -> list[str]:
    """The same for mcpscore's rules and the calls that it made, and a line when the score is below the floor."""
    score, best, calls = report["score"], report["max_score"], report["smoke"]["summary"]
    found = {rule["rule_id"]: rule["message"] for rule in report["results"] if not rule["passed"]}
    print(
        f"mcpscore {report['mcpscore_version']}: {score} of {best} ({score / best:.1%}), {len(found)} rules failed, "
        f"{len(found.keys() & MCPSCORE_EXEMPT.keys())} of them exempt; {calls['passed']} checks of calls passed, "
        f"{calls['failed']} failed"
    )
    lines = [f"mcpscore: {name}: {message}" for name, message in found.items() if name not in MCPSCORE_EXEMPT]
    lines += _needless("mcpscore", MCPSCORE_EXEMPT, found.keys())
    lines += [
        f"mcpscore: {check['check_id']} of {check['tool_name']}: {check['message']}"
        for check in report["smoke"]["checks"]
        if check["verdict"] == "fail"
    ]
    if 100 * score / best < FLOOR:
        lines.append(f"mcpscore: {score} of {best} is below {FLOOR}%")
    return lines


def _needless(judge: str, exempt: Mapping[str, str], found: Set[str]) -> list[str]:
    return [f"{judge}: {name} is exempt and no longer found: take the exemption away" for name in exempt.keys() - found]


def main() -> int:
    install()
    server = str(Path(sys.executable).parent / "adops-mcp")
    linted = asked("tdqs", "lint", "--command", server, "--fail-on", "never", "--format", "json")
    scored = asked("mcpscore", "--no-config", "--json", "--smoke", "--stdio", server)
    problems = [*judged_by_tdqs(linted), *judged_by_mcpscore(scored)]
    for line in problems:
        print(line, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
