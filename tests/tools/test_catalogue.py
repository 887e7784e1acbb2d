"""The whole inventory: every definition as its snapshot has it, and what holds for all tools and for the tree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from server.protocol.definitions import definition
from server.writes.write_call import options_of
from tests import snapshots
from tools.catalogue import CATALOGUE, Entry
from tools.tool import AnyTool, Read, Write

ROOT = Path(snapshots.__file__).parent.parent
WRITES: dict[str, tuple[bool, bool]] = {
    "reserve_avail": (False, True),
    "finalize_booking": (False, True),
    "release_booking": (True, True),
    "update_work_item": (True, False),
    "complete_work_item": (True, True),
    "create_inventory_package": (False, True),
    "update_inventory_package": (True, True),
    "create_proposed_io": (False, True),
    "update_proposed_io": (True, True),
    "configure_gam_source": (True, True),
}
"""Every tool that writes: whether it takes away or replaces, and whether a second call leaves what one leaves."""

FOLDERS = ("interchange", "freewheel", "google_ad_manager", "operations")

each_tool = pytest.mark.parametrize("tool", [entry.tool for entry in CATALOGUE], ids=lambda tool: tool.name)


def seen(tool: AnyTool) -> dict[str, Any]:
    return definition(tool).model_dump(mode="json", by_alias=True, exclude_none=True)


def nodes(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a schema, with its path."""
    if isinstance(schema, dict):
        node = cast("dict[str, Any]", schema)
        yield path, node
        for key, value in node.items():
            yield from nodes(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(cast("list[Any]", schema)):
            yield from nodes(value, f"{path}/{index}")


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, node in nodes(schema):
        if path.rpartition("/")[2] != "properties":
            for name, described in node.get("properties", {}).items():
                yield f"{path}/{name}", described


async def test_every_definition_is_the_one_in_its_snapshot() -> None:
    assert snapshots.differences(await snapshots.listed()) == [], f"to accept this: {snapshots.MEND}"


async def test_a_client_is_offered_the_whole_catalogue_in_its_order() -> None:
    assert list(await snapshots.listed()) == [tool.name for tool in CATALOGUE]


def test_snapshots_that_are_missing_stale_or_of_gone_tools_are_named_and_mended(tmp_path: Path) -> None:
    first, second = ({"name": name, "title": "Ä"} for name in ("first", "second"))
    snapshots.write({"first": first, "gone": first}, tmp_path)
    wanted = {"first": {**first, "title": "B"}, "second": second}
    assert snapshots.differences(wanted, tmp_path) == [
        "first: differs from its snapshot",
        "second: no snapshot",
        "gone: no such tool",
    ]
    snapshots.write(wanted, tmp_path)
    assert snapshots.differences(wanted, tmp_path) == []
    assert {file.name for file in tmp_path.iterdir()} == {"first.json", "second.json"}
    assert (tmp_path / "second.json").read_text(encoding="utf-8") == '{\n  "name": "second",\n  "title": "Ä"\n}\n'


def test_the_snapshot_command_checks_without_changing_anything() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.snapshots"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_a_line_that_says_otherwise_than_its_file_offers_nothing() -> None:
    claimed = Entry("freewheel.create_proposed_io", Read, frozenset({"freewheel"}))
    with pytest.raises(TypeError, match=r"lists freewheel\.create_proposed_io as Read"):
        _ = claimed.tool


# the definitions


def test_names_are_unique_and_fit_every_client() -> None:
    names = [tool.name for tool in CATALOGUE]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert [name for name in names if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)] == []


@each_tool
def test_a_tool_says_what_it_is_for_and_when_to_use_it(tool: AnyTool) -> None:
    told = seen(tool)
    purpose, _, rest = told["description"].partition("\n\n")
    assert told["title"].strip()
    assert len(purpose.split()) >= 8
    assert purpose.endswith(".")
    other_tools = [other.name for other in CATALOGUE if other.name != tool.name and other.name in rest]
    assert other_tools or re.search(r"\b(Use it|Test again|Give)\b", rest)
    assert len(told["description"]) <= 1024


@each_tool
def test_the_handlers_docstring_is_the_description(tool: AnyTool) -> None:
    docstring = tool.handler.__doc__
    assert docstring
    assert " ".join(seen(tool)["description"].split()) == " ".join(docstring.split())


@each_tool
def test_the_annotations_are_all_explicit_and_tell_reads_from_writes(tool: AnyTool) -> None:
    annotations = seen(tool)["annotations"]
    writes = tool.name in WRITES
    destructive, idempotent = WRITES.get(tool.name, (False, True))
    assert isinstance(tool.effect, Write) is writes
    assert annotations == {
        "title": tool.title,
        "readOnlyHint": isinstance(tool.effect, Read),
        "destructiveHint": destructive,
        "idempotentHint": idempotent,
        "openWorldHint": True,
    }


@each_tool
def test_the_arguments_are_one_flat_object_that_refuses_unknown_names(tool: AnyTool) -> None:
    schema = seen(tool)["inputSchema"]
    assert schema["type"] == "object"
    options = options_of(tool)
    own = list(tool.arguments.model_fields)
    assert list(schema["properties"]) == [*own, *(options.model_fields if options else ())]
    assert not {"anyOf", "oneOf", "allOf"} & schema.keys()
    for path, node in nodes(schema):
        if node.get("type") == "object" and "properties" in node:
            assert node["additionalProperties"] is False, path
    assert set(schema.get("required", ())) == {
        name for name, field in tool.arguments.model_fields.items() if field.is_required()
    }


@each_tool
def test_every_argument_is_described_to_its_last_field(tool: AnyTool) -> None:
    schema = seen(tool)["inputSchema"]
    assert [path for path, described in properties(schema) if not described.get("description")] == []
    assert [
        path for path, _ in properties(schema) if not re.fullmatch(r"[a-z][a-z0-9_]*", path.rpartition("/")[2])
    ] == []


@each_tool
@pytest.mark.parametrize("kind", ["inputSchema", "outputSchema"])
def test_a_schema_holds_no_nulls_and_no_noise(tool: AnyTool, kind: str) -> None:
    for path, node in nodes(seen(tool)[kind]):
        named = path.rpartition("/")[2] in ("properties", "$defs")
        assert node.get("type") != "null" or path == "/properties/next/anyOf/1", path
        assert named or "title" not in node, path
        assert "default" not in node or node["default"] is not None, path


@each_tool
def test_the_result_is_an_object_that_names_its_environment_and_its_error(tool: AnyTool) -> None:
    schema = seen(tool)["outputSchema"]
    assert schema["type"] == "object"
    assert schema["required"] == ["environment"]
    assert schema["properties"]["environment"]["enum"] == ["sandbox", "staging", "live"]
    assert schema["properties"]["error"]["required"] == ["code", "message", "retryable", "next_step"]
    of_a_write = (
        {"operation_id", "replayed", "confirmation", "done_at", "found", "dry_run"}
        if tool.name in WRITES
        else set[str]()
    )
    always = {"environment", "account", "error"}
    assert schema["properties"].keys() == tool.result.model_fields.keys() | always | of_a_write


# the tree


def test_every_tool_has_its_own_file_and_a_test_of_the_same_stem() -> None:
    for entry in CATALOGUE:
        folder, _, stem = entry.module.partition(".")
        assert (ROOT / "tools" / folder / f"{stem}.py").is_file()
        test = stem if stem.startswith("test_") else f"test_{stem}"
        assert (ROOT / "tests" / "tools" / folder / f"{test}.py").is_file(), entry.name


def test_every_tool_file_is_in_the_catalogue() -> None:
    offering = {
        f"tools.{folder}.{file.stem}"
        for folder in FOLDERS
        for file in (ROOT / "tools" / folder).glob("*.py")
        if re.search(r"^TOOL = ", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert offering == {f"tools.{entry.module}" for entry in CATALOGUE}


def test_the_catalogue_is_importable_without_settings_network_or_sandbox() -> None:
    code = "import sys, tools.catalogue; print(sorted({name.split('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, env={})
    loaded = ast.literal_eval(run.stdout)
    assert "tools" in loaded
    assert not {"server", "mcp", "google", "starlette"} & set(loaded)
