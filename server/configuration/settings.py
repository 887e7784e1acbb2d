"""All settings, and the credentials that they give for each vendor.

`Settings` has the values that `server.configuration.sources` finds. `interchange_access`, `freewheel_access` and
`google_ad_manager_access` return the credentials of a vendor, or what the operator has to set. Nothing is read at
import.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from server.clocks import DEPARTS_WITHIN
from server.configuration.sources import (
    FILE_SUFFIX,
    PREFIX,
    EnvFile,
    Keyring,
    SecretFiles,
    SettingsError,
    full_path,
    variable,
)
from server.sandbox.faults import FAULTS, FaultRates
from tools.catalogue import BY_NAME
from tools.effects import LONGEST_REQUEST
from tools.freewheel.auth import ClientCredentials, PasswordGrant
from tools.tool import Toolset
from tools.vendor_http.network.client import is_address, is_safe

Environment = Literal["sandbox", "staging", "live"]
SHORTEST_SETTLING = DEPARTS_WITHIN + LONGEST_REQUEST
"""Seconds after the departure of a write was recorded. After that it cannot reach the vendor any more."""
TOOLSETS: tuple[Toolset, ...] = get_args(Toolset)
FLAGS = {"read_only": "--read-only", "toolsets": "--toolsets", "tools": "--tools"}
"""The settings that `adops-mcp serve` also takes as flags."""
SAFETY_SETTINGS = {*FLAGS, "confirm"}
"""The settings that take something away from agents. Ignoring a misspelt one would give it back to them."""


def _safe_base_url(url: str) -> str:
    if not is_address(url):
        raise ValueError("is not a URL. Write https://host/path")
    if not is_safe(url):
        raise ValueError("must be https, because credentials are sent there (http only on loopback)")
    if "@" in urlsplit(url).netloc or "?" in url or "#" in url:
        raise ValueError("must have no user, query or fragment")
    return url.rstrip("/")


def _postgresql(url: SecretStr) -> SecretStr:
    if urlsplit(url.get_secret_value()).scheme not in ("postgresql", "postgres"):
        raise ValueError("must begin with postgresql://")
    return SecretStr(url.get_secret_value().replace("postgres://", "postgresql://", 1))


def _faults(text: str) -> str:
    FaultRates.parse(text)
    return text


def _without_placeholder(secret: SecretStr) -> SecretStr:
    if _PLACEHOLDER.fullmatch(secret.get_secret_value()):
        raise ValueError("is a reference that the client did not replace. Set the variable where the client is started")
    return secret


_PLACEHOLDER = re.compile(r"\$\{[^{}]*\}")
Secret = Annotated[SecretStr, AfterValidator(_without_placeholder)]
DatabaseUrl = Annotated[Secret, AfterValidator(_postgresql)]
FullPath = Annotated[Path, AfterValidator(full_path)]
BaseUrl = Annotated[str, AfterValidator(_safe_base_url)]


def _names(value: Any) -> Any:
    """The names in `a, b` as a tuple. Variables and flags have the same form."""
    return tuple(name for name in re.split(r"[\s,]+", value) if name) if isinstance(value, str) else value


def _check_names(names: tuple[str, ...], known: Sequence[str], what: str) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise ValueError(f"there is no {what} {name[:64]!r}; {hint}")
    return names


def _toolsets(names: tuple[str, ...]) -> tuple[str, ...]:
    return _check_names(names, TOOLSETS, "toolset")


def _tools(names: tuple[str, ...]) -> tuple[str, ...]:
    return _check_names(names, tuple(BY_NAME), "tool")


_EMPTY_FIELD = re.compile(r"\$\{user_config\.\w+\}")
"""What Claude Desktop passes for an empty field of a bundle's form that has no default."""


class Settings(BaseSettings):
    """The settings of a process. The descriptions of the fields are shown in the documentation."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, str_strip_whitespace=True
    )

    reads_sources: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_fields(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Drop the empty fields of a form. An empty safety setting stays, and is refused."""
        return {
            name: value
            for name, value in given.items()
            if name in SAFETY_SETTINGS or not (isinstance(value, str) and _EMPTY_FIELD.fullmatch(value.strip()))
        }

    environment: Environment = Field(
        default="sandbox", description="sandbox (the vendors run inside the process), staging or live."
    )
    data_dir: FullPath | None = Field(
        default=None, description="Where state is kept. Default: adops-mcp in the user's data directory."
    )
    env_file: FullPath | None = Field(
        default=None,
        description="A `.env` file of more settings, which variables win over. None is read unless it is named here.",
    )
    keyring: str | None = Field(
        default=None,
        description="A service in the system's keyring, such as `adops-mcp`, where secrets are that are nowhere else; "
        "needs `adops-mcp[keyring]`.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="What is logged on stderr."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="Lines of text, or of JSON with the ids of call and operation."
    )
    read_only: bool = Field(
        default=False, description="Offer no tool that writes, whatever else is chosen. Default: `false`."
    )
    toolsets: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names), AfterValidator(_toolsets)] = Field(
        default=(), description=f"Offer only these toolsets: {', '.join(TOOLSETS)}. Default: all of them."
    )
    tools: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names), AfterValidator(_tools)] = Field(
        default=(), description="Offer only these tools, beside those of `ADOPS_TOOLSETS`. Default: all of them."
    )
    database_url: DatabaseUrl | None = Field(
        default=None,
        description="The record of writes in PostgreSQL, postgresql://user:password@host/name, which several servers "
        "share. Default: a SQLite file beside other state.",
    )
    confirm: Literal["client", "operator", "none"] = Field(
        default="client",
        description="Who is asked before a consequential write: the person in the client where it can ask, the "
        "operator (`adops-mcp operations approve`), or none.",
    )
    settle_after: float = Field(
        default=60,
        ge=0,
        le=86_400,
        description="Seconds after which a write in doubt that does not show at the vendor counts as not carried out; "
        f"at least {SHORTEST_SETTLING:.0f} in staging and live. Default: `60`.",
    )
    sandbox_faults: Annotated[str, AfterValidator(_faults)] | None = Field(
        default=None,
        description="Make the sandbox misbehave: rates of faults and a seed, such as `all=0.3,lost_after=0.1,seed=7`. "
        f"The faults: {', '.join(FAULTS)}.",
    )
    accounts_file: FullPath | None = Field(
        default=None,
        description="Several publishers' accounts: a TOML file with a table for each, instead of the vendors' settings "
        "below.",
    )
    http_url: BaseUrl | None = Field(
        default=None,
        description="HTTP: the address that clients use, such as `https://adops.example.com/mcp`; tokens are for it.",
    )
    http_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = Field(
        default=(),
        description="HTTP: origins of web pages that may call, such as `https://agents.example.com`. Default: none.",
    )
    http_rate: int = Field(
        default=600, ge=1, le=1_000_000, description="HTTP: requests a minute of one caller. Default: `600`."
    )
    http_at_once: int = Field(
        default=16, ge=1, le=10_000, description="HTTP: requests at once of one caller. Default: `16`."
    )
    auth_tokens_file: FullPath | None = Field(
        default=None, description="HTTP: a file of token hashes; `adops-mcp token` makes a token and its lines."
    )
    auth_issuer: BaseUrl | None = Field(default=None, description="HTTP: the issuer of the JWTs that are taken.")
    auth_jwks_url: BaseUrl | None = Field(
        default=None, description="HTTP: where the issuer's keys are. Default: where its metadata says."
    )
    auth_introspection_url: BaseUrl | None = Field(
        default=None, description="HTTP: where opaque tokens are asked about (RFC 7662)."
    )
    auth_introspection_client_id: str | None = Field(default=None, description="HTTP: who asks there.")
    auth_introspection_client_secret: Secret | None = Field(default=None, description="HTTP: and its secret.")
    state_key: Annotated[Secret, Field(min_length=32)] | None = Field(
        default=None,
        description="HTTP: 32 characters or more, the same for all replicas: seals the questions that clients bring "
        "back. Default: one of each process.",
    )
    interchange_api_key: Secret | None = Field(default=None, description="Interchange: API key or access token.")
    interchange_base_url: BaseUrl | None = Field(
        default=None, description="Interchange: another base URL of the storefront API, ending in /storefront."
    )
    freewheel_token: Secret | None = Field(default=None, description="FreeWheel: a ready-made bearer token.")
    freewheel_username: str | None = Field(default=None, description="FreeWheel: user of the password grant.")
    freewheel_password: Secret | None = Field(default=None, description="FreeWheel: password of the password grant.")
    freewheel_client_id: str | None = Field(default=None, description="FreeWheel: id of the client credentials.")
    freewheel_client_secret: Secret | None = Field(
        default=None, description="FreeWheel: secret of the client credentials."
    )
    freewheel_base_url: BaseUrl | None = Field(default=None, description="FreeWheel: another host of the API.")
    freewheel_token_url: BaseUrl | None = Field(
        default=None, description="FreeWheel: another token endpoint, for either grant."
    )
    gam_service_account_file: FullPath | None = Field(
        default=None, description="Google Ad Manager: JSON key file of the service account that tests networks."
    )
    gam_base_url: BaseUrl | None = Field(default=None, description="Google Ad Manager: another host of the API.")

    @field_validator("settle_after")
    @classmethod
    def _check_settle_after(cls, seconds: float, others: ValidationInfo) -> float:
        """Refuse a time that ends before a request does: the request could still be carried out after it."""
        if others.data.get("environment", "sandbox") != "sandbox" and seconds < SHORTEST_SETTLING:
            raise ValueError(
                f"must be at least {SHORTEST_SETTLING:.0f} in staging and live: a request may leave "
                f"{DEPARTS_WITHIN:.0f} s after it is on record, live for {LONGEST_REQUEST:.0f} s, and be carried out "
                "at the end of that"
            )
        return seconds

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - it would read a fixed file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - it would read a fixed folder
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources, the one that wins first. See `server.configuration.sources`."""
        if not cls.reads_sources:
            return (init_settings,)
        process, env_file = cast("EnvSettingsSource", env_settings), EnvFile(settings_cls)
        return (
            init_settings,
            process,
            SecretFiles(settings_cls, SECRETS, process),
            env_file,
            SecretFiles(settings_cls, SECRETS, env_file),
            Keyring(settings_cls, SECRETS, VENDOR_SETTINGS),
        )

    @property
    def has_auth(self) -> bool:
        """Whether callers over HTTP need a token."""
        return bool(self.auth_tokens_file or self.auth_issuer or self.auth_introspection_url)


VENDOR_SETTINGS = tuple(
    name for name in Settings.model_fields if name.startswith(("interchange_", "freewheel_", "gam_"))
)
"""The settings of the vendors. With accounts, each account has its own."""


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


SECRETS = tuple(name for name, field in Settings.model_fields.items() if _is_secret(field.annotation))
"""The settings that are secrets. Each may also be in a file that `ADOPS_..._FILE` names, or in the keyring."""
_SECRET_FILE_FIELDS = tuple(f"{name}{FILE_SUFFIX}".lower() for name in SECRETS)


class ExplicitSettings(Settings):
    """Settings from arguments only. No other source is read."""

    reads_sources: ClassVar[bool] = False


def describe_problems(error: ValidationError) -> list[str]:
    """One line for each invalid setting, without its value."""
    return [
        f"{_name_with_flag(str(issue['loc'][0]))}: {issue['msg'].removeprefix('Value error, ')}"
        for issue in error.errors(include_input=False, include_url=False)
    ]


def load(**given: Any) -> Settings:
    """The settings of this process. `given` wins over all sources. Raises SettingsError."""
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(describe_problems(error))) from None


def _name_with_flag(field: str) -> str:
    return f"{variable(field)} or {FLAGS[field]}" if field in FLAGS else variable(field)


def unknown_variables(given: Mapping[str, str]) -> list[str]:
    """One line for each ADOPS_ variable that is not a setting, with the setting that may be meant."""
    return [_describe_unknown(name, meant) for name, meant in _unknown(given)]


def misspelt_safety_settings(given: Mapping[str, str]) -> list[str]:
    """The lines of `unknown_variables` for those that seem to mean a safety setting."""
    return [_describe_unknown(name, meant) for name, meant in _unknown(given) if meant in SAFETY_SETTINGS]


def _unknown(given: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Each ADOPS_ variable that is not a setting, and the field that it is closest to."""
    known = {field.upper(): field for field in (*Settings.model_fields, *_SECRET_FILE_FIELDS)}
    for name in sorted(given):
        rest = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and rest not in known:
            close = difflib.get_close_matches(rest, known, n=1)
            yield name, known[close[0]] if close else None


def _describe_unknown(name: str, meant: str | None) -> str:
    return f"{name} is not a setting" + (f"; did you mean {variable(meant)}?" if meant else ".")


@dataclass(frozen=True, slots=True)
class NoAccess:
    """Why a vendor cannot be used, and how to mend it.

    incomplete: something is set, but not enough or too much. So it is a mistake and not a choice.
    """

    fix: str
    incomplete: bool = False


def interchange_access(settings: Settings) -> SecretStr | NoAccess:
    return settings.interchange_api_key or NoAccess("set ADOPS_INTERCHANGE_API_KEY to an API key of the storefront.")


def freewheel_access(settings: Settings) -> SecretStr | PasswordGrant | ClientCredentials | NoAccess:
    """The credentials, which are one of three kinds. Two kinds, or half of one, are refused."""
    ways = {
        "ADOPS_FREEWHEEL_TOKEN": ("freewheel_token",),
        PasswordGrant.setting: ("freewheel_username", "freewheel_password"),
        ClientCredentials.setting: ("freewheel_client_id", "freewheel_client_secret"),
    }
    started = [way for way, fields in ways.items() if any(getattr(settings, field) for field in fields)]
    if not started:
        return NoAccess("set one of " + "; ".join(ways) + ".")
    if len(started) > 1:
        return NoAccess("keep only one of " + "; ".join(started) + ".", incomplete=True)
    absent = [variable(field) for field in ways[started[0]] if not getattr(settings, field)]
    if absent:
        return NoAccess(f"set {absent[0]} as well.", incomplete=True)
    if settings.freewheel_token:
        return settings.freewheel_token
    if settings.freewheel_username and settings.freewheel_password:
        return PasswordGrant(settings.freewheel_username, settings.freewheel_password)
    assert settings.freewheel_client_id  # noqa: S101 - the only way left, with none of its fields absent
    assert settings.freewheel_client_secret  # noqa: S101
    return ClientCredentials(settings.freewheel_client_id, settings.freewheel_client_secret)


def google_ad_manager_access(settings: Settings) -> Path | NoAccess:
    if settings.gam_service_account_file is None:
        return NoAccess("set ADOPS_GAM_SERVICE_ACCOUNT_FILE to the JSON key file of a service account.")
    if not settings.gam_service_account_file.is_file():
        return NoAccess("point ADOPS_GAM_SERVICE_ACCOUNT_FILE at a file that exists.", incomplete=True)
    return settings.gam_service_account_file
