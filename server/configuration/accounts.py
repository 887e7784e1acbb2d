"""The accounts of one server: the credentials of several publishers, and who may use which.

Without ADOPS_ACCOUNTS_FILE there is one account without a name, and its credentials are those of the settings. The file
is TOML with a table for each account: `title`, `who`, and the vendors' settings in lower case and without `ADOPS_`. The
file has no secrets: for each secret it names the variable, the file or the keyring entry that has it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from server.configuration.settings import (
    SECRETS,
    VENDOR_SETTINGS,
    ExplicitSettings,
    Settings,
    SettingsError,
    describe_problems,
    variable,
)
from server.configuration.sources import KEYRING, read_secret_file, read_secret_from_keyring, variables
from tools.vendor_http.replies import printable

if TYPE_CHECKING:
    from mcp.server.auth.provider import AccessToken

DEFAULT = "default"
"""The name of the account that takes over the ledger and the sandbox of a server that had no accounts before."""

_FILE = variable("accounts_file")
_CLIENT = "client:"
_NAMED_SETTING = re.compile(r"ADOPS_((?:INTERCHANGE|FREEWHEEL|GAM)_[A-Z_]+)")
_UNIQUE_SETTINGS = ("interchange_api_key", "freewheel_token", "freewheel_username", "freewheel_client_id")
"""Credentials that no two accounts may share. A write would have two records and could be sent twice."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account.

    name: empty if the server has no accounts file. title: a name for people. settings: those with its credentials.
    principals: who may use it, or None for everybody with a valid token.
    """

    name: str
    title: str
    settings: Settings
    principals: frozenset[str] | None = None

    def is_open_to(self, token: AccessToken | None) -> bool:
        """Whether the owner of the token may use the account. Without a token, on stdio, it is open."""
        if token is None or self.principals is None:
            return True
        subject = token.subject or ""
        by_subject = subject in self.principals and not subject.startswith(_CLIENT)
        client = (token.claims or {}).get("client")
        return by_subject or (bool(client) and f"{_CLIENT}{client}" in self.principals)

    @property
    def label(self) -> str:
        """The name with the title, for people."""
        return f"{self.name} ({self.title})" if self.title else self.name


def spelt(text: str, account: str) -> str:
    """A text that names settings of the vendors, with each as the file spells it."""
    return _NAMED_SETTING.sub(lambda match: f"{match[1].lower()} of [{account}] in {_FILE}", text) if account else text


def state_suffix(account: str) -> str:
    """The suffix of the account's scope and state. The default account has none, like a server without accounts."""
    return "" if account == DEFAULT else account


def scope_of(environment: str, account: str) -> str:
    """The scope under which an account's writes are in the ledger. The sandbox adds its generation."""
    return f"{environment}@{state_suffix(account)}" if state_suffix(account) else environment


def account_in(scope: str, environment: str) -> str | None:
    """The account of a scope, or None if the scope belongs to another environment."""
    found, _, account = scope.partition("/")[0].partition("@")
    return account if found == environment else None


def accounts_of(settings: Settings) -> tuple[Account, ...]:
    """The accounts of these settings. Raises a SettingsError that names the file, the account and the key."""
    if settings.accounts_file is None:
        return (Account("", "", settings),)
    if given := [variable(field) for field in VENDOR_SETTINGS if field in settings.model_fields_set]:
        raise SettingsError(f"keep only one of {_FILE} and {', '.join(given)}. With accounts, each has its own.")
    tables = _tables(settings.accounts_file)
    used: dict[tuple[str, str], str] = {}
    return tuple(_account(name, table, settings, used) for name, table in tables.items())


def variables_with_secrets(settings: Settings) -> list[str]:
    """The variables that the accounts file names. Raises SettingsError if the file is not valid."""
    if settings.accounts_file is None:
        return []
    values = [value for table in _tables(settings.accounts_file).values() for value in table.values()]
    sources = [cast("dict[str, Any]", value) for value in values if isinstance(value, dict)]
    return [str(source["env"]) for source in sources if "env" in source]


class _FromVariable(BaseModel):
    model_config = ConfigDict(extra="forbid")
    env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]{0,127}$")]


class _FromFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    file: Path


class _FromKeyring(BaseModel):
    model_config = ConfigDict(extra="forbid")
    keyring: Annotated[str, Field(min_length=1, max_length=200)]


_SECRET: TypeAdapter[_FromVariable | _FromFile | _FromKeyring] = TypeAdapter(_FromVariable | _FromFile | _FromKeyring)
_WHO = TypeAdapter(tuple[Annotated[str, Field(min_length=1, max_length=200)], ...])
_TITLE = TypeAdapter(Annotated[str, Field(max_length=80)])


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise SettingsError(f"{_FILE}: {path} cannot be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where = f": {error}" if isinstance(error, tomllib.TOMLDecodeError) else ""
        raise SettingsError(f"{_FILE}: {path} is not TOML{where}") from None
    if not tables:
        raise SettingsError(f"{_FILE}: {path} has no account. Write a table for each, such as [uk].")
    for name, table in tables.items():
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", name):
            raise SettingsError(
                f"{_FILE}: {name[:64]!r} cannot be the name of an account. Use up to 32 of a-z, 0-9, _ and -, with a "
                "letter or digit first."
            )
        if not isinstance(table, dict):
            raise SettingsError(f"{_FILE}: {name!r} is not an account. Write its keys in a table, such as [uk].")
    return tables


def _account(name: str, table: Mapping[str, Any], settings: Settings, used: dict[tuple[str, str], str]) -> Account:
    """Read one account. used: the credentials of the accounts before it, with their names."""
    known = ("title", "who", *VENDOR_SETTINGS)
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "see docs/accounts.md"
            raise _wrong(name, key, f"there is no such key; {hint}")
    title = _valid(_TITLE, name, "title", table.get("title", ""), "write a text of up to 80 characters").strip()
    principals = None
    if "who" in table:
        named = _valid(_WHO, name, "who", table["who"], 'write a list of principals, such as ["kim", "client:planner"]')
        principals = frozenset(named)
    given = {key: value for key, value in table.items() if key in VENDOR_SETTINGS}
    values = {key: _secret(name, key, value, settings) if key in SECRETS else value for key, value in given.items()}
    validated = _validated(name, values)
    for field in _UNIQUE_SETTINGS:
        if field in values:
            other = used.setdefault((field, values[field].casefold()), name)
            if other != name:
                raise SettingsError(
                    f"{_FILE}: [{other}] and [{name}] have the same {field}. One account under two names would have "
                    "two records of its writes, so keep one of them."
                )
    if settings.environment == "sandbox":
        validated = {}
    return Account(name, title, settings.model_copy(update=validated), principals)


def _secret(name: str, key: str, value: Any, settings: Settings) -> str:
    """Read a secret. The sandbox does not read it, so that a file can be tried there before its secrets exist."""
    options = '{ env = "VARIABLE" }, { file = "/…" } or { keyring = "NAME" }'
    source = _valid(_SECRET, name, key, value, f"write where the secret is, not the secret itself: {options}")
    if settings.environment == "sandbox":
        return repr(source)
    if isinstance(source, _FromVariable):
        if not (found := variables(settings.env_file).get(source.env, "").strip()):
            raise _wrong(name, key, f"the variable {source.env} is not set")
        return found
    if isinstance(source, _FromKeyring):
        if settings.keyring is None:
            raise _wrong(name, key, f"set {KEYRING} to the keyring service that has it")
        if not (found := read_secret_from_keyring(settings.keyring, source.keyring)):
            raise _wrong(name, key, f"the keyring has no {printable(source.keyring, limit=200)} for {KEYRING}")
        return found
    try:
        return read_secret_file(source.file)
    except ValueError as error:
        raise _wrong(name, key, str(error)) from None


def _validated(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        settings = ExplicitSettings(**given)
    except ValidationError as error:
        problems = [_NAMED_SETTING.sub(lambda match: match[1].lower(), problem) for problem in describe_problems(error)]
        raise SettingsError("\n".join(f"{_FILE}: [{name}] {problem}" for problem in problems)) from None
    return {field: getattr(settings, field) for field in given}


def _valid(adapter: TypeAdapter[Any], name: str, key: str, value: Any, advice: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        raise _wrong(name, key, advice) from None


def _wrong(name: str, key: str, what: str) -> SettingsError:
    return SettingsError(f"{_FILE}: [{name}] {key}: {what}")
