"""server.json against what the registry asks for in its schema and its requirements, which no package brings."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.configuration.settings import SECRETS, Settings, load, variable
from tests.release.dockerfile import DOCKERFILE, last
from tests.release.project import NOBODY, PYPROJECT, project
from tests.release.registry import (
    LABEL,
    LONGEST_DESCRIPTION,
    MARK,
    MEND,
    README,
    SERVER_JSON,
    NotReleased,
    document,
    finished,
    labelled,
    marked,
    written,
)

OURS = project()
OWNED = replace(OURS, repository="https://github.com/Northlight/adops-mcp")
"""The project once its owner stands in pyproject.toml."""


def test_neither_it_nor_what_the_packages_say_of_themselves_is_stale() -> None:
    assert SERVER_JSON.read_text("utf-8") == written(document(OURS)), f"mend it with: {MEND}"
    assert labelled(OURS, DOCKERFILE.read_text("utf-8")) == DOCKERFILE.read_text("utf-8"), f"mend it with: {MEND}"
    assert marked(OURS, README.read_text("utf-8")) == README.read_text("utf-8"), f"mend it with: {MEND}"


def test_it_is_what_the_schema_takes() -> None:
    told = document(OURS)
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", told["name"])
    assert 0 < len(told["description"]) <= LONGEST_DESCRIPTION
    assert 0 < len(told["title"]) <= 100
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["version"])
    for package in told["packages"]:
        assert package.keys() >= {"registryType", "identifier", "transport"}
        for asked in package["environmentVariables"]:
            assert asked["format"] in ("string", "number", "boolean", "filepath")
            assert isinstance(asked.get("default", ""), str)


def test_the_registry_takes_each_package() -> None:
    bundle, image, wheel = document(OURS)["packages"]
    assert bundle["identifier"].startswith("https://github.com/")
    assert bundle["identifier"].endswith(".mcpb")
    assert re.fullmatch(r"ghcr\.io/[a-z0-9-]+/[a-z0-9-]+:\d+\.\d+\.\d+", image["identifier"])
    assert last("LABEL").pairs == {LABEL: document(OURS)["name"]}
    assert (wheel["registryType"], wheel["identifier"], wheel["version"]) == ("pypi", OURS.name, OURS.version)
    assert f"{MARK}: {document(OURS)['name']} " in README.read_text("utf-8")


def test_the_wheel_is_started_by_the_command_that_it_brings() -> None:
    """`uvx NAME` runs the command NAME of the distribution NAME."""
    told = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    wheel = document(OURS)["packages"][2]
    assert wheel["runtimeHint"] == "uvx"
    assert wheel["identifier"] in told["scripts"]
    assert told["readme"] == README.name


def test_a_page_without_the_line_gets_one_and_another_owners_is_replaced() -> None:
    once = marked(OWNED, "# A page\n")
    assert once == "# A page\n\n<!-- mcp-name: io.github.Northlight/adops-mcp -->\n"
    assert marked(OWNED, marked(OURS, "# A page\n")) == once


def test_what_is_secret_says_so_and_defaults_are_the_servers() -> None:
    for package in document(OURS)["packages"]:
        asked: list[dict[str, Any]] = package["environmentVariables"]
        fields = {variable(name): name for name in Settings.model_fields}
        assert all(one["isSecret"] == (fields[one["name"]] in SECRETS) for one in asked)
        defaults = {fields[one["name"]]: one["default"] for one in asked if "default" in one}
        assert defaults.keys() == {"environment", "read_only"}
        assert load(**defaults) == load()


def test_the_image_keeps_its_record_and_is_asked_over_stdio() -> None:
    _, image, _ = document(OURS)["packages"]
    (volume,) = last("VOLUME").words
    assert [argument["value"] for argument in image["runtimeArguments"]] == [f"adops-mcp:{volume}"]
    assert [argument["value"] for argument in image["packageArguments"]] == ["serve"]


def test_nothing_is_published_while_nobody_owns_it(tmp_path: Path) -> None:
    bundle = tmp_path / OURS.bundle
    bundle.write_bytes(b"bundle")
    if OURS.is_owned:
        assert finished(OURS, bundle)
    else:
        with pytest.raises(NotReleased, match=r"pyproject.toml: put the owner in the place of"):
            finished(OURS, bundle)


def test_a_release_has_the_checksum_of_its_bundle_and_the_names_of_its_owner(tmp_path: Path) -> None:
    bundle = tmp_path / OURS.bundle
    bundle.write_bytes(b"bundle")
    told = json.loads(finished(OWNED, bundle))
    assert told["name"] == "io.github.Northlight/adops-mcp"
    assert told["packages"][0]["fileSha256"] == hashlib.sha256(b"bundle").hexdigest()
    assert told["packages"][1]["identifier"].startswith("ghcr.io/northlight/adops-mcp:")
    assert NOBODY not in json.dumps(told)
    assert f'"{told["name"]}"' in labelled(OWNED, DOCKERFILE.read_text("utf-8"))


def test_a_bundle_of_another_version_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    for name in ("adops-mcp-0.0.0.mcpb", OURS.bundle):
        with pytest.raises(NotReleased, match=r"tests\.release\.bundle"):
            finished(OWNED, tmp_path / name)


def test_the_owner_is_said_in_one_place() -> None:
    told = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["urls"]
    assert told.keys() == {"Repository"}
    assert OURS.repository == told["Repository"]
