"""What the bundle asks for and holds; `python -m tests.release.unpacked` starts it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import prompts
from server.configuration.settings import SECRETS, VENDOR_SETTINGS, Settings, load, variable
from tests.release.bundle import about, lay
from tests.release.manifest import manifest
from tests.release.project import PYPROJECT, form, project, sources
from tools.catalogue import CATALOGUE


def test_a_secret_is_masked_and_nothing_else_is() -> None:
    asked = manifest()["user_config"]
    assert {name for name, field in asked.items() if field.get("sensitive")} == set(SECRETS) & set(VENDOR_SETTINGS)


def test_every_way_into_every_vendor_can_be_filled_in() -> None:
    asked = {field.name for field in form()}
    ways = {"username", "password", "client_id", "client_secret", "token"}
    assert asked >= {"interchange_api_key", "gam_service_account_file", *(f"freewheel_{way}" for way in ways)}


def test_each_field_is_the_setting_of_its_name_with_what_it_says() -> None:
    told = manifest()
    for name, asked in told["user_config"].items():
        assert asked["description"] == Settings.model_fields[name].description
        assert told["server"]["mcp_config"]["env"][variable(name)] == f"${{user_config.{name}}}"


def test_titles_are_words_that_a_person_reads() -> None:
    assert {field.name: field.title for field in form()}.items() >= {
        "environment": "Environment",
        "data_dir": "Data directory",
        "interchange_api_key": "Interchange API key",
        "gam_service_account_file": "Google Ad Manager service account file",
    }.items()


def test_files_and_switches_are_picked_and_not_typed() -> None:
    kinds = {field.name: field.kind for field in form() if field.kind != "string"}
    assert kinds == {"read_only": "boolean", "data_dir": "directory", "gam_service_account_file": "file"}


def test_no_field_is_without_a_value_as_clients_hand_on_its_placeholder_then() -> None:
    assert all("default" in asked for asked in manifest()["user_config"].values())


def test_a_form_that_nobody_filled_in_is_the_settings_defaults() -> None:
    defaults = {field.name: field.default for field in form() if field.default != ""}
    assert load(**defaults) == load()


def test_it_lists_every_tool_and_every_prompt_with_its_text() -> None:
    told = manifest()
    assert [tool["name"] for tool in told["tools"]] == [tool.name for tool in CATALOGUE]
    assert all("\n" not in tool["description"] for tool in told["tools"])
    for listed, prompt in zip(told["prompts"], prompts.load(), strict=True):
        assert listed["name"] == prompt.name
        for argument in prompt.arguments:
            assert f"${{arguments.{argument.name}}}" in listed["text"]


def test_no_repository_is_named_while_nobody_owns_it() -> None:
    assert ("repository" in manifest()) == project().is_owned


def test_it_holds_the_packages_and_what_tells_of_them_and_nothing_else(tmp_path: Path) -> None:
    lay(tmp_path)
    held = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert held - sources() == about() | {"pyproject.toml", "manifest.json", "main.py", "icon.png"}
    assert held > sources()


def test_its_pyproject_asks_for_what_the_server_needs_and_for_no_more(tmp_path: Path) -> None:
    lay(tmp_path)
    ours, whole = (tomllib.loads(file.read_text("utf-8")) for file in (tmp_path / "pyproject.toml", PYPROJECT))
    assert ours["project"]["dependencies"] == whole["project"]["dependencies"]
    assert "optional-dependencies" not in ours["project"]
    assert ours.keys() == {"build-system", "project", "tool"}
