"""Where settings come from besides what is given: variables, files of secrets, a .env file, the system's keyring.

The first that has a setting wins, in that order. A secret is read from a file or the keyring as `SecretStr`, so that
nothing on the way can show it. Nothing is read, and `keyring` is not imported, unless a variable asks for it.
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
IN_A_FILE = "_FILE"
"""What a secret's variable ends with when it names a file that holds the secret, as in Docker and Kubernetes."""

ENV_FILE = f"{PREFIX}ENV_FILE"
KEYRING = f"{PREFIX}KEYRING"
LONGEST_SECRET = 65_536
LONGEST_ENV_FILE = 262_144


class SettingsError(Exception):
    """Settings that cannot be used; the message names each variable and never a value."""


def variable(field: str) -> str:
    return PREFIX + field.upper()


def full_path(path: Path) -> Path:
    """Raises ValueError; `~` is the user's home."""
    try:
        full = path.expanduser()
    except RuntimeError:
        raise ValueError("there is no home directory for ~: write a full path") from None
    if not full.is_absolute():
        raise ValueError("must be a full path: where a client starts this server is not known")
    return full


def secret_in(path: Path) -> str:
    """What a file of one secret holds, without the blanks around it. Raises ValueError that says what is wrong."""
    told = f"the file {printable(str(path), limit=200)}"
    try:
        with path.expanduser().open("rb") as file:
            held = file.read(LONGEST_SECRET + 1)
    except (OSError, ValueError, RuntimeError):
        raise ValueError(f"{told} is empty or cannot be read") from None
    if len(held) > LONGEST_SECRET:
        raise ValueError(f"{told} is too large for a secret")
    try:
        secret = held.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{told} is no text in UTF-8") from None
    if not secret:
        raise ValueError(f"{told} is empty or cannot be read")
    if not secret.isprintable():
        raise ValueError(f"{told} must hold the secret alone, on one line")
    return secret


def secret_in_keyring(service: str, name: str) -> str | None:
    """What the system's keyring has for that name, or None. Raises SettingsError where there is no keyring to ask."""
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow to import
        from keyring.errors import NoKeyringError  # noqa: PLC0415
    except ImportError:
        raise SettingsError(f"{KEYRING}: install adops-mcp[keyring], or leave {KEYRING} out") from None
    try:
        found = keyring.get_password(service, name)
    except NoKeyringError:
        raise SettingsError(
            f"{KEYRING}: this machine has no keyring that can be used; leave {KEYRING} out, and put secrets in "
            f"files ({PREFIX}...{IN_A_FILE})"
        ) from None
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own
        raise SettingsError(
            f"{KEYRING}: the keyring did not answer about {name} ({type(error).__name__}); unlock it, or leave "
            f"{KEYRING} out"
        ) from None
    return (found or "").strip() or None


def variables(env_file: Path | None) -> Mapping[str, str]:
    """What is set by name: the variables of the process and, beneath them, those of the .env file."""
    if env_file is None:
        return os.environ
    return {**os.environ, **read_env_file(env_file), **{name: value for name, value in os.environ.items() if value}}


def place_of(field: str, env_file: Path | None) -> str | None:
    """In words, where among variables and files a setting is found; None when it is in none of them."""
    places: dict[str, Mapping[str, str]] = {"the environment": os.environ}
    if env_file is not None:
        places["the .env file"] = read_env_file(env_file)
    for place, given in places.items():
        if given.get(variable(field)):
            return place
        if given.get(f"{variable(field)}{IN_A_FILE}"):
            return f"the file of {variable(field)}{IN_A_FILE}"
    return None


def read_env_file(path: Path) -> dict[str, str]:
    """The names and values of a .env file, taken as they stand: a `$` in a password is no reference.

    Raises SettingsError that names ADOPS_ENV_FILE and the line; a line that were skipped could be ADOPS_READ_ONLY.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415 - only for those who have such a file

    told = printable(str(path), limit=200)
    try:
        with full_path(path).open(encoding="utf-8-sig") as file:
            text = file.read(LONGEST_ENV_FILE + 1)
    except ValueError as error:
        problem = "is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise SettingsError(f"{ENV_FILE}: {told}: {problem}") from None
    except OSError:
        raise SettingsError(f"{ENV_FILE}: {told} cannot be read") from None
    if len(text) > LONGEST_ENV_FILE:
        raise SettingsError(f"{ENV_FILE}: {told} is too large for a .env file")
    values: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(f"{ENV_FILE}: {told}: line {binding.original.line} is not NAME=value")
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


class EnvFile(EnvSettingsSource):
    """The .env file that ADOPS_ENV_FILE names, and no other.

    The one in the working directory is not read: clients start this server in folders that other people write, and it
    could send the credentials to another address.
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

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - `__call__` is all
        return None, field_name, False


class SecretFiles(_Secrets):
    """The files that `ADOPS_..._FILE` name in one place: the variables of the process, or the .env file."""

    def __init__(self, settings_cls: type[BaseSettings], secrets: Collection[str], place: EnvSettingsSource) -> None:
        super().__init__(settings_cls, secrets)
        self._place = place

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        problems: list[str] = []
        given = self._place.env_vars
        for field in self._secrets:
            name = variable(field)
            if (path := given.get(f"{name}{IN_A_FILE}".lower())) is None:
                continue
            if given.get(name.lower()) is not None:
                problems.append(f"keep only one of {name} and {name}{IN_A_FILE}.")
            elif field not in self.current_state:
                try:
                    found[field] = SecretStr(secret_in(full_path(Path(path.strip()))))
                except ValueError as error:
                    problems.append(f"{name}{IN_A_FILE}: {error}")
        if problems:
            raise SettingsError("\n".join(problems))
        return found


class Keyring(_Secrets):
    """The service of the system's keyring that ADOPS_KEYRING names, with a setting's variable as the user's name.

    With a file of accounts, that names what it takes from there.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], secrets: Collection[str], of_accounts: Collection[str]
    ) -> None:
        super().__init__(settings_cls, secrets)
        self._of_accounts = of_accounts

    def __call__(self) -> dict[str, Any]:
        if not (service := str(self.current_state.get("keyring") or "").strip()):
            return {}
        elsewhere = self._of_accounts if self.current_state.get("accounts_file") else ()
        wanted = [field for field in self._secrets if field not in self.current_state and field not in elsewhere]
        return {
            field: SecretStr(found)
            for field in wanted
            if (found := secret_in_keyring(service, variable(field))) is not None
        }
