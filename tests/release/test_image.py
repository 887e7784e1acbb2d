"""What the Dockerfile, compose.yaml and docs/installing.md say about the container.

`python -m tests.release.image` runs it.
"""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from server.access.authentication import Tokens
from server.configuration.settings import SECRETS, Settings, load, variable
from server.http.application import LONGEST_DRAIN
from tests.docs import INSTALLING, fenced
from tests.release.bundle import about
from tests.release.dockerfile import DOCKERFILE, context_files, last, steps
from tests.release.project import PYPROJECT, ROOT, sources

COMPOSE = ROOT / "compose.yaml"
BIN = Path(sys.executable).parent


def compose() -> dict[str, Any]:
    reader: Any = YAML(typ="safe")
    return reader.load(COMPOSE.read_text("utf-8"))


def is_setting(name: str) -> bool:
    """A setting, or the file of one that is a secret."""
    known = {variable(field) for field in Settings.model_fields}
    return name in known | {f"{variable(field)}_FILE" for field in SECRETS}


@pytest.mark.parametrize(
    "command",
    [["hadolint", str(DOCKERFILE)], ["check-jsonschema", "--builtin-schema=vendor.compose-spec", str(COMPOSE)]],
    ids=["Dockerfile", "compose.yaml"],
)
def test_its_own_linter_has_nothing_to_say(command: list[str]) -> None:
    ended = subprocess.run([BIN / command[0], *command[1:]], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_an_engine_is_given_all_that_the_wheel_is_made_of_and_nothing_else() -> None:
    assert context_files() == sources() | about() | {"pyproject.toml"}


def test_both_stages_have_the_python_that_the_tests_are_for() -> None:
    oldest = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["requires-python"].removeprefix(">=")
    assert {step.words[0] for step in steps() if step.command == "FROM"} == {f"python:{oldest}-slim"}


def test_the_extras_that_it_installs_are_extras() -> None:
    (extras,) = re.findall(r"\.whl\)\[([\w,]+)\]", DOCKERFILE.read_text("utf-8"))
    assert set(extras.split(",")) <= set(
        tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    )


def test_no_shell_stands_between_a_signal_and_the_server() -> None:
    assert all(last(command).is_list for command in ("ENTRYPOINT", "CMD", "HEALTHCHECK"))


def test_its_user_is_a_number_without_rights() -> None:
    (user,) = last("USER").words
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_every_variable_of_a_container_is_a_setting() -> None:
    words = shlex.split(fenced("container", INSTALLING))
    run = [after.partition("=")[0] for word, after in itertools.pairwise(words) if word == "--env"]
    image = [name for step in steps() if step.command == "ENV" for name in step.pairs]
    given = [*run, *image, *compose()["services"]["adops-mcp"]["environment"]]
    assert [name for name in given if name.startswith("ADOPS_") and not is_setting(name)] == []


def test_what_is_in_flight_has_the_time_to_end() -> None:
    (timeout,) = re.findall(r"--stop-timeout (\d+)", fenced("container", INSTALLING))
    grace = compose()["services"]["adops-mcp"]["stop_grace_period"].removesuffix("s")
    assert min(int(timeout), int(grace)) > LONGEST_DRAIN


def test_no_service_can_write_to_its_root_or_become_more_than_it_is() -> None:
    for service in compose()["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}


def test_replicas_share_what_they_have_to_and_no_secret_is_a_value() -> None:
    served = compose()["services"]["adops-mcp"]
    assert served["deploy"]["replicas"] > 1
    assert served["environment"].keys() >= {"ADOPS_DATABASE_URL_FILE", "ADOPS_STATE_KEY_FILE"}
    assert not {variable(name) for name in SECRETS} & served["environment"].keys()


def test_every_file_of_a_secret_is_given_to_the_service_that_reads_it() -> None:
    told = compose()
    for service in told["services"].values():
        read = {value.rpartition("/")[2] for name, value in service["environment"].items() if name.endswith("_FILE")}
        assert read == set(service["secrets"])
        assert read <= told["secrets"].keys()


def test_the_snippet_makes_each_secret_so_that_the_server_takes_it(tmp_path: Path) -> None:
    snippet = fenced("secrets", INSTALLING).replace(".venv/bin", str(BIN))
    ended = subprocess.run(["/bin/sh", "-euc", snippet], cwd=tmp_path, stderr=subprocess.PIPE, check=True)
    made = {path.relative_to(tmp_path).as_posix(): path.read_text("utf-8") for path in tmp_path.glob("secrets/*")}
    assert made.keys() == {secret["file"] for secret in compose()["secrets"].values()}
    assert b"The token, shown this once" in ended.stderr
    Tokens(tmp_path / "secrets/auth-tokens").check()
    assert made["secrets/database-password"].strip() in made["secrets/database-url"]
    load(database_url=made["secrets/database-url"], state_key=made["secrets/state-key"])
