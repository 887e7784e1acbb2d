"""`python -m tests.release.unpacked`: make the bundle twice, unpack it, and start it as its manifest says.

What the manifest comes to is asked of the code that Claude Desktop does it with. It takes a few seconds once the
packages are there: uv and the npm package keep theirs beside the virtual environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from server.access.accounts_in_reach import CallerChoices
from server.configuration.accounts import accounts_of
from server.configuration.settings import Settings
from tests.release.bundle import MCPB, NotMade, make
from tests.wheel import hostile_folder
from tools.catalogue import CATALOGUE

_RESOLVED = """
import { readFileSync } from "node:fs";
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb";
const [place, given] = process.argv.slice(1);
const manifest = JSON.parse(readFileSync(`${place}/manifest.json`, "utf-8"));
const options = { manifest, extensionPath: place, systemDirs: {}, userConfig: JSON.parse(given), pathSeparator: "/" };
console.log(JSON.stringify(await getMcpConfigForManifest(options)));
"""

NAMES = [tool.name for tool in CATALOGUE]
READING = list(CallerChoices(accounts_of(Settings(read_only=True))).unrestricted.tools)


def unpacked(bundle: Path, place: Path) -> Path:
    """The folder that a client would make of it."""
    ended = MCPB.run("mcpb", ["unpack", str(bundle), str(place)])
    if ended.returncode:
        raise NotMade(f"mcpb unpack ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return place


def resolved(place: Path, filled_in: Mapping[str, str | bool]) -> dict[str, Any]:
    """The command with its arguments and variables, for what a person filled in."""
    ended = MCPB.evaluated(_RESOLVED, str(place), json.dumps(dict(filled_in)))
    if ended.returncode:
        raise NotMade(f"the manifest comes to nothing:\n{ended.stderr}")
    return json.loads(ended.stdout)


def started(config: dict[str, Any], home: Path, **more: str) -> StdioServerParameters:
    """As a client starts it. home: of a person who has nothing there yet. more: variables of that person."""
    machine = {name: value for name, value in os.environ.items() if not name.startswith(("ADOPS_", "XDG_"))}
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "UV_CACHE_DIR": str(Path(sys.prefix) / "share" / "adops-mcp-uv"),
    }
    return StdioServerParameters(
        command=config["command"], args=config["args"], env={**machine, **own, **more, **config["env"]}
    )


async def offered(server: StdioServerParameters) -> list[str]:
    """The tools that it lists, once a call in the sandbox was answered."""
    async with Client(server, mode="legacy") as client:
        listed = (await client.list_tools()).tools
        called = await client.call_tool("list_avails", {"text": "basketball"})
        if called.is_error or called.structured_content["environment"] != "sandbox":
            raise NotMade(f"list_avails answered {called}")
        return [tool.name for tool in listed]


def refused(server: StdioServerParameters) -> tuple[int, str]:
    """The exit code of a start that must not succeed, and what a client would show or log of it."""
    command = [server.command, *server.args]
    ended = subprocess.run(
        command, env=server.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )
    return ended.returncode, ended.stderr


def problems(place: Path, home: Path) -> list[str]:
    """What is not as it must be when it is started with one form and another."""
    found: list[str] = []
    untouched = json.loads((place / "manifest.json").read_text("utf-8"))["server"]["mcp_config"]
    empty, reading = resolved(place, {}), resolved(place, {"read_only": True, "data_dir": str(home / "state")})
    unfilled = {name: value for name, value in untouched["env"].items() if name != "ADOPS_READ_ONLY"}
    for what, config, names in (
        ("with nothing filled in", empty, NAMES),
        ("with fields that a client left as they stand", {**empty, "env": unfilled}, NAMES),
        ("read-only, with a folder for its state", reading, READING),
    ):
        listed = anyio.run(offered, started(config, home))
        print(f"{what}: {len(listed)} tools, and a call answered")
        if listed != names:
            found.append(f"{what} it lists {listed}")
    if not (home / "state").is_dir():
        found.append("the folder for its state was not used")
    hostile = str(hostile_folder(home / "a project"))
    if anyio.run(offered, started(empty, home, PYTHONPATH=hostile)) != NAMES:
        found.append("with modules of somebody's project on PYTHONPATH it lists something else")
    for what, form, words in (
        ("live without credentials", {"environment": "live"}, "interchange: set ADOPS_INTERCHANGE_API_KEY"),
        ("an environment that there is not", {"environment": "prod"}, "ADOPS_ENVIRONMENT: Input should be 'sandbox'"),
    ):
        code, said = refused(started(resolved(place, form), home))
        print(f"{what}: exit {code}")
        if code != 2 or words not in said:
            found.append(f"{what} it ended with {code} and said {said}")
    return found


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="adops-mcp-unpacked-") as directory:
        place = Path(directory)
        try:
            bundle, again = make(place / "one"), make(place / "two")
            found = problems(unpacked(bundle, place / "a folder with spaces"), place / "home")
        except NotMade as problem:
            found = [str(problem)]
        else:
            print(f"{bundle.name}: {bundle.stat().st_size / 1024:.0f} KiB")
            if bundle.read_bytes() != again.read_bytes():
                found.append("made twice, it is another file")
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
