"""The accounts that one server works for: named publishers' credentials, and who may use which.

Without ADOPS_ACCOUNTS_FILE there is one account without a name, whose credentials are the settings' own. The file is
TOML, a table for each account: `title`, `who`, and the settings of the vendors without `ADOPS_`, in lower case. It
holds no secret: for each it names the variable, the file or the entry of the keyring that does.
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

from server.configuration.settings import SECRETS, VENDORS_OWN, Given, Settings, SettingsError, problems_of, variable
from server.configuration.sources import KEYRING, secret_in, secret_in_keyring, variables
from tools.vendor_http.replies import printable

if TYPE_CHECKING:
    from mcp.server.auth.provider import AccessToken

DEFAULT = "default"
"""The name of the account that goes on with the record from before there were accounts, and with its sandbox."""

_FILE = variable("accounts_file")
_CLIENT = "client:"
_NAMED_SETTING = re.compile(r"ADOPS_((?:INTERCHANGE|FREEWHEEL|GAM)_[A-Z_]+)")
_OWN_ALONE = ("interchange_api_key", "freewheel_token", "freewheel_username", "freewheel_client_id")
"""What no two accounts share: one write would have two records, and could be sent twice."""


@dataclass(frozen=True, slots=True)
class Account:
    """name: empty where there are no accounts to tell apart. title: for people. settings: with its credentials.
    who: the principals it is for; None is everybody who is let in."""

    name: str
    title: str
    settings: Settings
    who: frozenset[str] | None = None

    def is_for(self, token: AccessToken | None) -> bool:
        """token: None on stdio, where everything is for the user of this machine."""
        if token is None or self.who is None:
            return True
        subject = token.subject or ""
        by_subject = subject in self.who and not subject.startswith(_CLIENT)
        client = (token.claims or {}).get("client")
        return by_subject or (bool(client) and f"{_CLIENT}{client}" in self.who)

    @property
    def told(self) -> str:
        return f"{self.name} ({self.title})" if self.title else self.name


def spelt(text: str, account: str) -> str:
    """A text that names settings of the vendors, with each as the file spells it."""
    return _NAMED_SETTING.sub(lambda match: f"{match[1].lower()} of [{account}] in {_FILE}", text) if account else text


def own(account: str) -> str:
    """What sets an account's scope and state apart from those of a server without accounts."""
    return "" if account == DEFAULT else account


def scope_of(environment: str, account: str) -> str:
    """What an account's writes are recorded under; the sandbox adds which one it is."""
    return f"{environment}@{own(account)}" if own(account) else environment


def account_in(scope: str, environment: str) -> str | None:
    """Whose a scope is; None when it is one of another environment."""
    place = scope.partition("/")[0]
    found, _, account = place.partition("@")
    return account if found == environment else None


def accounts_of(settings: Settings) -> tuple[Account, ...]:
    """Raises SettingsError that names the file, the account and the key; nothing of it is guessed."""
    if settings.accounts_file is None:
        return (Account("", "", settings),)
    if given := [variable(field) for field in VENDORS_OWN if field in settings.model_fields_set]:
        raise SettingsError(f"keep only one of {_FILE} and {', '.join(given)}: with accounts, each has its own.")
    tables = _tables(settings.accounts_file)
    used: dict[tuple[str, str], str] = {}
    return tuple(_account(name, table, settings, used) for name, table in tables.items())


def variables_named(settings: Settings) -> list[str]:
    """The variables that the file of accounts names. Raises SettingsError where it is no such file."""
    if settings.accounts_file is None:
        return []
    values = [value for table in _tables(settings.accounts_file).values() for value in table.values()]
    ways = [cast("dict[str, Any]", value) for value in values if isinstance(value, dict)]
    return [str(way["env"]) for way in ways if "env" in way]


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
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise SettingsError(f"{_FILE}: {path} cannot be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where = f": {error}" if isinstance(error, tomllib.TOMLDecodeError) else ""
        raise SettingsError(f"{_FILE}: {path} is not TOML{where}") from None
    if not told:
        raise SettingsError(f"{_FILE}: {path} names no account; write a table such as [uk] for each")
    for name, table in told.items():
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", name):
            raise SettingsError(
                f"{_FILE}: {name[:64]!r} is no name for an account: up to 32 of a-z, 0-9, _ and -, the first one a "
                "letter or digit"
            )
        if not isinstance(table, dict):
            raise SettingsError(f"{_FILE}: {name!r} is no account: write its keys in a table, under [uk] for example")
    return told


def _account(name: str, table: Mapping[str, Any], settings: Settings, used: dict[tuple[str, str], str]) -> Account:
    """used: the credentials of the accounts before, with their names."""
    known = ("title", "who", *VENDORS_OWN)
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "see docs/accounts.md"
            raise _wrong(name, key, f"there is no such key; {hint}")
    title = _valid(_TITLE, name, "title", table.get("title", ""), "write a text of up to 80 characters").strip()
    who = None
    if "who" in table:
        named = _valid(_WHO, name, "who", table["who"], 'write a list of principals, such as ["kim", "client:planner"]')
        who = frozenset(named)
    given = {key: value for key, value in table.items() if key in VENDORS_OWN}
    read = {key: _secret(name, key, value, settings) if key in SECRETS else value for key, value in given.items()}
    kept = _checked(name, read)
    for field in _OWN_ALONE:
        if field in read:
            other = used.setdefault((field, read[field].casefold()), name)
            if other != name:
                raise SettingsError(
                    f"{_FILE}: [{other}] and [{name}] have the same {field}: one account under two names would have "
                    "two records of its writes. Keep one of them."
                )
    if settings.environment == "sandbox":
        kept = {}
    return Account(name, title, settings.model_copy(update=kept), who)


def _secret(name: str, key: str, value: Any, settings: Settings) -> str:
    """The sandbox needs none, so that a file can be tried there before its secrets exist."""
    ways = '{ env = "VARIABLE" }, { file = "/…" } or { keyring = "NAME" }'
    way = _valid(_SECRET, name, key, value, f"name where it is, and not itself: {ways}")
    if settings.environment == "sandbox":
        return repr(way)
    if isinstance(way, _FromVariable):
        if not (found := variables(settings.env_file).get(way.env, "").strip()):
            raise _wrong(name, key, f"the variable {way.env} is not set")
        return found
    if isinstance(way, _FromKeyring):
        if settings.keyring is None:
            raise _wrong(name, key, f"set {KEYRING} to the service of the keyring that has it")
        if not (found := secret_in_keyring(settings.keyring, way.keyring)):
            raise _wrong(name, key, f"the keyring has no {printable(way.keyring, limit=200)} for {KEYRING}")
        return found
    try:
        return secret_in(way.file)
    except ValueError as error:
        raise _wrong(name, key, str(error)) from None


def _checked(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        made = Given(**given)
    except ValidationError as error:
        problems = [_NAMED_SETTING.sub(lambda match: match[1].lower(), problem) for problem in problems_of(error)]
        raise SettingsError("\n".join(f"{_FILE}: [{name}] {problem}" for problem in problems)) from None
    return {field: getattr(made, field) for field in given}


def _valid(adapter: TypeAdapter[Any], name: str, key: str, value: Any, otherwise: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        raise _wrong(name, key, otherwise) from None


def _wrong(name: str, key: str, what: str) -> SettingsError:
    return SettingsError(f"{_FILE}: [{name}] {key}: {what}")
