"""The sources of settings: variables, files of secrets, a .env file and the system's keyring."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import anyio
import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail
from keyring.errors import KeyringLocked
from pydantic import SecretStr

from server.cli import main
from server.commands.doctor import examine
from server.configuration.accounts import accounts_of
from server.configuration.settings import SECRETS, Settings, SettingsError, load, variable

KEY = "s3cr3t-of-interchange"


class InMemory(KeyringBackend):
    """A keyring in memory. asked: the names that were looked up."""

    priority = 1.0  # pyright: ignore[reportAssignmentType] - a class property there

    def __init__(self, **held: str) -> None:
        super().__init__()
        self.held = {("adops-mcp", name): value for name, value in held.items()}
        self.asked: list[str] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append(username)
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password


class Locked(InMemory):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked(f"no {service} for {username}")


@pytest.fixture(autouse=True)
def no_keyring_of_this_machine() -> Generator[None]:
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(fail.Keyring())


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty .env file that ADOPS_ENV_FILE names."""
    file = tmp_path / "adops.env"
    file.touch()
    monkeypatch.setenv("ADOPS_ENV_FILE", str(file))
    return file


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(f"  {KEY}\n\n")
    return file


@pytest.mark.parametrize("field", SECRETS)
def test_every_secret_can_be_in_a_file_that_its_variable_names(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "postgresql://me:pw@db.example/adops" if field == "database_url" else "long enough for a key of state too"
    (tmp_path / "secret").write_text(f"\n {secret}\r\n")
    monkeypatch.setenv(f"{variable(field)}_FILE", str(tmp_path / "secret"))
    assert getattr(load(), field) == SecretStr(secret)


def test_a_secret_and_its_file_are_not_both_taken(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADOPS_FREEWHEEL_TOKEN", KEY)
    monkeypatch.setenv("ADOPS_FREEWHEEL_TOKEN_FILE", str(key_file))
    with pytest.raises(SettingsError) as refused:
        load()
    assert str(refused.value) == "keep only one of ADOPS_FREEWHEEL_TOKEN and ADOPS_FREEWHEEL_TOKEN_FILE."
    monkeypatch.setenv("ADOPS_FREEWHEEL_TOKEN", "")
    assert load().freewheel_token == SecretStr(KEY)


def test_a_file_that_cannot_be_used_is_named_with_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "two").write_text(f"{KEY}\n{KEY}\n")
    (tmp_path / "large").write_text(KEY * 10_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path, words in (
        (tmp_path / "empty", f"the file {tmp_path}/empty is empty or cannot be read"),
        (tmp_path / "none", f"the file {tmp_path}/none is empty or cannot be read"),
        (tmp_path, f"the file {tmp_path} is empty or cannot be read"),
        (tmp_path / "two", f"the file {tmp_path}/two must have only the secret, on one line"),
        (tmp_path / "large", f"the file {tmp_path}/large is too large for a secret"),
        (tmp_path / "binary", f"the file {tmp_path}/binary is not UTF-8 text"),
        ("/dev/zero", "the file /dev/zero is too large for a secret"),
        (KEY, "must be a full path, because the folder in which a client starts this server is not known"),
        ("~nobody-here/key", "there is no home directory for ~. Write a full path"),
    ):
        monkeypatch.setenv("ADOPS_INTERCHANGE_API_KEY_FILE", str(path))
        with pytest.raises(SettingsError) as refused:
            load()
        assert str(refused.value) == f"ADOPS_INTERCHANGE_API_KEY_FILE: {words}"


def test_a_secret_of_a_file_is_checked_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "short").write_text("short")
    monkeypatch.setenv("ADOPS_STATE_KEY_FILE", str(tmp_path / "short"))
    with pytest.raises(SettingsError, match="ADOPS_STATE_KEY: Value should have at least 32"):
        load()


@pytest.mark.parametrize("left", ["${ADOPS_FREEWHEEL_TOKEN}", "${env:ADOPS_FREEWHEEL_TOKEN}", "${input:token}"])
def test_a_reference_that_a_client_did_not_fill_in_is_no_secret(left: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADOPS_FREEWHEEL_TOKEN", left)
    with pytest.raises(SettingsError, match="ADOPS_FREEWHEEL_TOKEN: is a reference that the client did not replace"):
        load()


def test_the_env_file_of_the_working_directory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("ADOPS_INTERCHANGE_BASE_URL=https://elsewhere.example\nADOPS_ENV_FILE=.env\n")
    monkeypatch.chdir(tmp_path)
    assert load().interchange_base_url is None
    monkeypatch.setenv("ADOPS_ENV_FILE", ".env")
    with pytest.raises(SettingsError, match=r"ADOPS_ENV_FILE: \.env: must be a full path"):
        load()


def test_the_env_file_that_is_named_is_read_and_variables_win_over_it(
    env_file: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text(
        f"# what we use\nexport ADOPS_ENVIRONMENT=live\nADOPS_READ_ONLY='true'\nSOMETHING_ELSE=1\nADOPS_LOG_LEVEL=\n"
        f'ADOPS_INTERCHANGE_API_KEY_FILE="{key_file}"\nADOPS_FREEWHEEL_TOKEN=a${{b}}c#d\n'
    )
    settings = load()
    assert (settings.environment, settings.read_only, settings.log_level) == ("live", True, "WARNING")
    assert settings.interchange_api_key == SecretStr(KEY)
    assert settings.freewheel_token == SecretStr("a${b}c#d")
    monkeypatch.setenv("ADOPS_ENVIRONMENT", "staging")
    monkeypatch.setenv("ADOPS_INTERCHANGE_API_KEY", "of the environment")
    assert load().environment == "staging"
    assert load().interchange_api_key == SecretStr("of the environment")
    assert load(read_only=False).read_only is False


def test_a_secret_of_the_env_file_gives_way_to_a_file_that_a_variable_names(
    env_file: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("ADOPS_FREEWHEEL_TOKEN=older")
    monkeypatch.setenv("ADOPS_FREEWHEEL_TOKEN_FILE", str(key_file))
    assert load().freewheel_token == SecretStr(KEY)
    env_file.write_text(f"ADOPS_FREEWHEEL_TOKEN=one\nADOPS_FREEWHEEL_TOKEN_FILE={key_file}")
    with pytest.raises(SettingsError, match="keep only one of ADOPS_FREEWHEEL_TOKEN and ADOPS_FREEWHEEL_TOKEN_FILE"):
        load()


def test_an_env_file_that_cannot_be_used_is_named(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, words in (
        ("ADOPS_LOG_LEVEL=INFO\nADOPS_READ_ONLY true\n", "line 2 is not NAME=value"),
        ("ADOPS_READ_ONLY\n", "line 1 is not NAME=value"),
        ("A=1\n" * 300_000, "is too large for a .env file"),
        ("ADOPS_ENVIRONMENT=prod", "ADOPS_ENVIRONMENT: Input should be"),
    ):
        env_file.write_text(text)
        with pytest.raises(SettingsError, match=words):
            load()
    env_file.write_bytes(b"A=\xff")
    with pytest.raises(SettingsError, match=rf"ADOPS_ENV_FILE: {env_file}: is not UTF-8 text"):
        load()
    for path in (env_file.parent, env_file.parent / "none"):
        monkeypatch.setenv("ADOPS_ENV_FILE", str(path))
        with pytest.raises(SettingsError, match=f"ADOPS_ENV_FILE: {path} cannot be read"):
            load()


def test_what_is_misspelt_in_the_env_file_is_told_as_in_the_environment(
    env_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env_file.write_text("ADOPS_READONLY=1\nADOPS_FREEWHEEL_TOKN=x\nREADONLY=1\n")
    assert main(["serve"]) == 2
    assert "ADOPS_READONLY is not a setting; did you mean ADOPS_READ_ONLY?" in capsys.readouterr().err
    report, healthy = anyio.run(examine, Settings(data_dir=tmp_path))
    assert not healthy
    assert "[broken] ADOPS_READONLY is not a setting" in report
    assert "[warning] ADOPS_FREEWHEEL_TOKN is not a setting; did you mean ADOPS_FREEWHEEL_TOKEN?" in report


def test_the_keyring_has_the_secrets_that_are_nowhere_else(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = InMemory(
        ADOPS_FREEWHEEL_PASSWORD=" pw\n", ADOPS_INTERCHANGE_API_KEY="of the keyring", ADOPS_LOG_LEVEL="INFO"
    )
    keyring.set_keyring(held)
    assert load().freewheel_password is None
    assert held.asked == []
    monkeypatch.setenv("ADOPS_KEYRING", "adops-mcp")
    monkeypatch.setenv("ADOPS_INTERCHANGE_API_KEY_FILE", str(key_file))
    settings = load()
    assert settings.freewheel_password == SecretStr("pw")
    assert settings.interchange_api_key == SecretStr(KEY)
    assert settings.log_level == "WARNING"
    assert sorted(held.asked) == sorted({variable(field) for field in SECRETS} - {"ADOPS_INTERCHANGE_API_KEY"})
    monkeypatch.setenv("ADOPS_KEYRING", "another")
    assert load().freewheel_password is None


def test_the_env_file_may_turn_the_keyring_on(env_file: Path) -> None:
    keyring.set_keyring(InMemory(ADOPS_FREEWHEEL_TOKEN=KEY))
    env_file.write_text("ADOPS_KEYRING=adops-mcp")
    assert load().freewheel_token == SecretStr(KEY)


def test_a_keyring_that_cannot_be_used_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADOPS_KEYRING", "adops-mcp")
    with pytest.raises(SettingsError) as none:
        load()
    assert "ADOPS_KEYRING: this machine has no usable keyring. Leave ADOPS_KEYRING out" in str(none.value)
    assert "put secrets in files (ADOPS_..._FILE)" in str(none.value)
    keyring.set_keyring(Locked())
    with pytest.raises(SettingsError, match=r"could not be read for ADOPS_DATABASE_URL \(KeyringLocked\). Unlock it"):
        load()


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    """An import finder without the package stands for an environment without the extra."""
    script = "import sys; sys.modules['keyring'] = None\nfrom server.cli import main; sys.exit(main(['doctor']))"
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "ADOPS_DATA_DIR": str(tmp_path), "ADOPS_KEYRING": "adops-mcp"},
    )
    assert told.returncode == 2
    assert "ADOPS_KEYRING: install adops-mcp[keyring], or leave ADOPS_KEYRING out" in told.stderr


def test_without_the_variables_neither_the_keyring_nor_a_file_is_touched() -> None:
    script = "import sys; from server.configuration.settings import load; load(); print('keyring' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


def test_doctor_says_where_each_setting_came_from(
    env_file: Path, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.set_keyring(InMemory(ADOPS_FREEWHEEL_PASSWORD=KEY))
    env_file.write_text("ADOPS_KEYRING=adops-mcp\nADOPS_FREEWHEEL_BASE_URL=https://freewheel.example\n")
    monkeypatch.setenv("ADOPS_INTERCHANGE_API_KEY_FILE", str(key_file))
    monkeypatch.setenv("ADOPS_FREEWHEEL_USERNAME", "me")
    report, _ = anyio.run(examine, Settings(data_dir=tmp_path))
    assert "ADOPS_INTERCHANGE_API_KEY (from the file of ADOPS_INTERCHANGE_API_KEY_FILE)" in report
    assert (
        "ADOPS_FREEWHEEL_USERNAME (from the environment), ADOPS_FREEWHEEL_PASSWORD (from the keyring), "
        "ADOPS_FREEWHEEL_BASE_URL (from the .env file)" in report
    )
    assert report.startswith("environment: sandbox (default)")
    assert KEY not in report


def test_accounts_name_entries_of_the_keyring_and_names_of_the_env_file(
    env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = InMemory(uk="of uk", ADOPS_FREEWHEEL_TOKEN="of one that has no accounts")
    keyring.set_keyring(held)
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(
        '[uk]\nfreewheel_token = { keyring = "uk" }\n'
        '[us]\nfreewheel_token = { env = "US" }\ninterchange_api_key = { keyring = "none" }'
    )
    env_file.write_text(f"ADOPS_ENVIRONMENT=live\nUS=of us\nADOPS_ACCOUNTS_FILE={accounts}\n")
    with pytest.raises(SettingsError, match=r"\[uk\] freewheel_token: set ADOPS_KEYRING to the keyring service"):
        accounts_of(load())
    monkeypatch.setenv("ADOPS_KEYRING", "adops-mcp")
    with pytest.raises(SettingsError, match=r"\[us\] interchange_api_key: the keyring has no none for ADOPS_KEYRING"):
        accounts_of(load())
    keyring.set_password("adops-mcp", "none", "now")
    uk, us = accounts_of(load())
    assert uk.settings.freewheel_token == SecretStr("of uk")
    assert (us.settings.freewheel_token, us.settings.interchange_api_key) == (SecretStr("of us"), SecretStr("now"))
    assert "ADOPS_FREEWHEEL_TOKEN" not in held.asked
