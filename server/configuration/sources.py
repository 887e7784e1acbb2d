"""The sources of settings: variables, files of secrets, a .env file, and the system's keyring.

The first source that has a setting wins, in that order; arguments of the program win over all of them. A secret from a
file or the keyring becomes a `SecretStr` at once, so that it is not shown by accident. No file is read, and `keyring`
is not imported, unless a variable says so.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from tools.vendor_http.replies import printable

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PREFIX = "ADOPS_"
FILE_SUFFIX = "_FILE"
"""The suffix of a variable that names a file with the secret, as is usual in Docker and Kubernetes."""

ENV_FILE = f"{PREFIX}ENV_FILE"
KEYRING = f"{PREFIX}KEYRING"
LONGEST_SECRET = 65_536
LONGEST_ENV_FILE = 262_144


class SettingsError(Exception):
    """The settings cannot be used. The message names each variable and never a value."""


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def full_path(path: Path) -> Path:
    """The path with `~` expanded. Raises ValueError if it is not a full path."""
    try:
        full = path.expanduser()
    except RuntimeError:
        raise ValueError("there is no home directory for ~. Write a full path") from None
    if not full.is_absolute():
        raise ValueError("must be a full path, because the folder in which a client starts this server is not known")
    return full


def read_secret_file(path: Path) -> str:
    """The secret in a file, without the whitespace around it. Raises a ValueError that says what is wrong."""
    name = f"the file {printable(str(path), limit=200)}"
    try:
        with path.expanduser().open("rb") as file:
            content = file.read(LONGEST_SECRET + 1)
    except (OSError, ValueError, RuntimeError):
        raise ValueError(f"{name} is empty or cannot be read") from None
    if len(content) > LONGEST_SECRET:
        raise ValueError(f"{name} is too large for a secret")
    try:
        secret = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8 text") from None
    if not secret:
        raise ValueError(f"{name} is empty or cannot be read")
    if not secret.isprintable():
        raise ValueError(f"{name} must have only the secret, on one line")
    return secret


def read_secret_from_keyring(service: str, name: str) -> str | None:
    """The secret of that name in the system's keyring, or None. Raises SettingsError if there is no keyring."""
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow to import
        from keyring.errors import NoKeyringError  # noqa: PLC0415
    except ImportError:
        raise SettingsError(f"{KEYRING}: install adops-mcp[keyring], or leave {KEYRING} out") from None
    try:
        found = keyring.get_password(service, name)
    except NoKeyringError:
        raise SettingsError(
            f"{KEYRING}: this machine has no usable keyring. Leave {KEYRING} out, and put secrets in files "
            f"({PREFIX}...{FILE_SUFFIX})"
        ) from None
    except Exception as error:  # noqa: BLE001 - every backend raises other errors
        raise SettingsError(
            f"{KEYRING}: the keyring could not be read for {name} ({type(error).__name__}). Unlock it, or leave "
            f"{KEYRING} out"
        ) from None
    return (found or "").strip() or None


def variables(env_file: Path | None) -> Mapping[str, str]:
    """All variables: those of the process, which win, and those of the .env file."""
    if env_file is None:
        return os.environ
    return {**os.environ, **read_env_file(env_file), **{name: value for name, value in os.environ.items() if value}}


def source_of(field: str, env_file: Path | None) -> str | None:
    """The name of the variables or the file that has the setting, for people. None if neither has it."""
    sources: dict[str, Mapping[str, str]] = {"the environment": os.environ}
    if env_file is not None:
        sources["the .env file"] = read_env_file(env_file)
    for source, given in sources.items():
        if given.get(variable(field)):
            return source
        if given.get(f"{variable(field)}{FILE_SUFFIX}"):
            return f"the file of {variable(field)}{FILE_SUFFIX}"
    return None


def read_env_file(path: Path) -> dict[str, str]:
    """The names and values of a .env file. Values are literal: a `$` in a password is not a reference.

    Raises a SettingsError that names ADOPS_ENV_FILE and the line. No bad line is skipped: it could be ADOPS_READ_ONLY.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415 - only needed with such a file

    name = printable(str(path), limit=200)
    try:
        with full_path(path).open(encoding="utf-8-sig") as file:
            text = file.read(LONGEST_ENV_FILE + 1)
    except ValueError as error:
        problem = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise SettingsError(f"{ENV_FILE}: {name}: {problem}") from None
    except OSError:
        raise SettingsError(f"{ENV_FILE}: {name} cannot be read") from None
    if len(text) > LONGEST_ENV_FILE:
        raise SettingsError(f"{ENV_FILE}: {name} is too large for a .env file")
    values: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(f"{ENV_FILE}: {name}: line {binding.original.line} is not NAME=value")
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


class EnvFile(EnvSettingsSource):
    """The .env file that ADOPS_ENV_FILE names.

    A .env file in the working directory is not read. Clients start this server in folders with files of other people,
    and such a file could send the credentials to another address.
    """

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {}

    def __call__(self) -> dict[str, Any]:
        if not (named := self.current_state.get("env_file")):
            return {}
        self.env_vars = parse_env_vars(read_env_file(Path(named)), ignore_empty=True)
        return super().__call__()


class _Secrets(PydanticBaseSettingsSource):
    def __init__(self, settings_cls: type[BaseSettings], secrets: Collection[str]) -> None:
        super().__init__(settings_cls)
        self._secrets = secrets

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - `__call__` does everything
        return None, field_name, False


class SecretFiles(_Secrets):
    """The files that `ADOPS_..._FILE` name, in the variables of the process or in the .env file."""

    def __init__(
        self, settings_cls: type[BaseSettings], secrets: Collection[str], variables: EnvSettingsSource
    ) -> None:
        super().__init__(settings_cls, secrets)
        self._variables = variables

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        problems: list[str] = []
        given = self._variables.env_vars
        for field in self._secrets:
            name = variable(field)
            if (path := given.get(f"{name}{FILE_SUFFIX}".lower())) is None:
                continue
            if given.get(name.lower()) is not None:
                problems.append(f"keep only one of {name} and {name}{FILE_SUFFIX}.")
            elif field not in self.current_state:
                try:
                    found[field] = SecretStr(read_secret_file(full_path(Path(path.strip()))))
                except ValueError as error:
                    problems.append(f"{name}{FILE_SUFFIX}: {error}")
        if problems:
            raise SettingsError("\n".join(problems))
        return found


class Keyring(_Secrets):
    """The keyring service that ADOPS_KEYRING names. The user name of an entry is the variable of the setting.

    With an accounts file, the secrets of the accounts are not looked for here: the file names their entries.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], secrets: Collection[str], account_secrets: Collection[str]
    ) -> None:
        super().__init__(settings_cls, secrets)
        self._account_secrets = account_secrets

    def __call__(self) -> dict[str, Any]:
        if not (service := str(self.current_state.get("keyring") or "").strip()):
            return {}
        elsewhere = self._account_secrets if self.current_state.get("accounts_file") else ()
        wanted = [field for field in self._secrets if field not in self.current_state and field not in elsewhere]
        return {
            field: SecretStr(found)
            for field in wanted
            if (found := read_secret_from_keyring(service, variable(field))) is not None
        }
