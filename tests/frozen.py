"""Check server/stdio/frozen.jsonl against the live server: `python -m tests.frozen`; `... --write` makes it anew."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, get_args

import anyio
import mcp_types as types
from mcp.shared.message import SessionMessage
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_MODERN_VERSION

from server import __version__
from server.configuration.settings import SECRETS, Environment, Settings
from server.configuration.sources import FILE_SUFFIX
from server.protocol.app import build_server, instructions
from server.stdio.frozen import FILE
from tools.catalogue import CATALOGUE

MEND = "python -m tests.frozen --write"
CLIENT = {"name": "frozen", "version": "1"}


def request(number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def modern(number: int, method: str) -> dict[str, Any]:
    told = {
        "io.modelcontextprotocol/protocolVersion": LATEST_MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return request(number, method, {"_meta": told})


def legacy(protocol: str = HANDSHAKE_PROTOCOL_VERSIONS[-1]) -> list[dict[str, Any]]:
    about = {"protocolVersion": protocol, "capabilities": {}, "clientInfo": CLIENT}
    return [request(1, "initialize", about), request(2, "tools/list", {})]


async def live(settings: Settings, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The live server's answers to the requests of one session, as they go over the wire."""
    server = build_server(settings)
    sending, read = anyio.create_memory_object_stream[SessionMessage | Exception](1)
    write, receiving = anyio.create_memory_object_stream[SessionMessage](1)
    answers: list[dict[str, Any]] = []
    async with anyio.create_task_group() as tasks, receiving:
        tasks.start_soon(server.run, read, write, server.create_initialization_options())
        async with sending:
            for asked in requests:
                await sending.send(SessionMessage(types.jsonrpc_message_adapter.validate_python(asked)))
                answer = (await receiving.receive()).message
                answers.append(json.loads(answer.model_dump_json(by_alias=True, exclude_unset=True)))
    return answers


async def made() -> str:
    settings = Settings()
    (hello, listed) = await live(settings, legacy())
    (discovered, listed_modern) = await live(settings, [modern(1, "server/discover"), modern(2, "tools/list")])
    for protocol in HANDSHAKE_PROTOCOL_VERSIONS:
        (other, tools) = await live(settings, legacy(protocol))
        assert other["result"] == {**hello["result"], "protocolVersion": protocol}
        assert tools["result"] == listed["result"] == {"tools": listed_modern["result"]["tools"]}
    environments: tuple[Environment, ...] = get_args(Environment)
    head = {
        "version": __version__,
        "mcp": version("mcp"),
        "versions": list(HANDSHAKE_PROTOCOL_VERSIONS),
        "modern": LATEST_MODERN_VERSION,
        "initialize": without(hello["result"], "protocolVersion", "instructions"),
        "discover": without(discovered["result"], "instructions"),
        "list": without(listed_modern["result"], "tools"),
        "instructions": {environment: instructions(environment) for environment in environments},
        "settings": [*map(str.upper, Settings.model_fields), *(f"{name}{FILE_SUFFIX}".upper() for name in SECRETS)],
        "tools": {
            entry.name: {
                "toolset": entry.toolset,
                "vendors": sorted(entry.vendors),
                "reads": entry.reads,
            }
            for entry in CATALOGUE
        },
    }
    return "".join(f"{wire(line)}\n" for line in (head, *listed["result"]["tools"]))


def without(result: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name not in names}


def wire(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.frozen", description=__doc__)
    arguments.add_argument("--write", action="store_true", help="make it instead of comparing it")
    write = arguments.parse_args().write
    fresh = anyio.run(made)
    if write:
        FILE.write_text(fresh, "utf-8")
    elif not FILE.exists() or FILE.read_text("utf-8") != fresh:
        print(f"server/stdio/frozen.jsonl is not what the live server answers; mend it with: {MEND}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
