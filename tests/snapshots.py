"""The tools' definitions as a client sees them, kept as files: `python -m tests.snapshots [--write]`.

A change of a definition changes what every agent reads, so it has to show in the diff of a commit.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from mcp_types import CallToolResult

from server.clients import Wire
from server.configuration.settings import Settings
from server.protocol.definitions import definition
from tests.support import connected, text_of, without_id
from tools.catalogue import CATALOGUE

FOLDER = Path(__file__).parent / "snapshots"
MEND = "python -m tests.snapshots --write"


async def listed() -> dict[str, dict[str, Any]]:
    """Every tool of the sandbox server, by name, in the order of tools/list."""
    with tempfile.TemporaryDirectory() as directory:
        async with connected(Wire(), Settings(environment="sandbox", data_dir=Path(directory))) as client:
            tools = (await client.list_tools()).tools
    return {tool.name: tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools}


def written(definition: dict[str, Any]) -> str:
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def differences(definitions: dict[str, dict[str, Any]], folder: Path = FOLDER) -> list[str]:
    """One line for every snapshot that is missing, stale, or of a tool that is gone."""
    lines: list[str] = []
    for name, tool in definitions.items():
        file = folder / f"{name}.json"
        if not file.is_file():
            lines.append(f"{name}: no snapshot")
        elif file.read_text(encoding="utf-8") != written(tool):
            lines.append(f"{name}: differs from its snapshot")
    return lines + [
        f"{file.stem}: no such tool" for file in sorted(folder.glob("*.json")) if file.stem not in definitions
    ]


def write(definitions: dict[str, dict[str, Any]], folder: Path = FOLDER) -> None:
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.json"):
        if file.stem not in definitions:
            file.unlink()
    for name, tool in definitions.items():
        (folder / f"{name}.json").write_text(written(tool), encoding="utf-8")


@functools.cache
def _promise(tool: str) -> Any:
    schema = next(definition(entry.tool).output_schema for entry in CATALOGUE if entry.name == tool)
    return cast("Any", Draft202012Validator(cast("dict[str, Any]", schema)))


def answer_of(tool: str, result: CallToolResult) -> dict[str, Any]:
    """The structured answer of a call, the same in its text, and as the tool's definition promises it.

    The id of a write's record is another one each time: it is looked at, and left out.
    """
    answer = cast("dict[str, Any]", result.structured_content)
    if not result.is_error:
        assert text_of(result) == json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    _promise(tool).validate(answer)
    return without_id(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the snapshots instead of checking them")
    definitions = asyncio.run(listed())
    if parser.parse_args().write:
        write(definitions)
    elif lines := differences(definitions):
        sys.exit("\n".join([*lines, f"To accept this: {MEND}"]))


if __name__ == "__main__":
    main()
