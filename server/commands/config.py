"""`adops-mcp config CLIENT`: what a client needs to start this server, printed or merged into the client's file.

No secret's value is in it: each goes in by name, in the way in which the client fills it in. Where the files are, and
what is filled in, is from these documents:

- Claude Desktop: modelcontextprotocol.io/docs/develop/connect-local-servers. It fills in nothing. Linux is not in it:
  there the file is among the user's settings of programs.
- Claude Code: code.claude.com/docs/en/mcp, "Environment variable expansion in .mcp.json".
- Cursor: cursor.com/docs/mcp, "Config interpolation".
- VS Code: code.visualstudio.com/docs/copilot/reference/mcp-configuration, "Input variables for sensitive data".
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.commands.client_file import Merged, MergeError, merged, visible
from server.configuration.accounts import variables_with_secrets
from server.configuration.settings import (
    SECRETS,
    VENDOR_SETTINGS,
    Settings,
    SettingsError,
    misspelt_safety_settings,
    variable,
)
from server.configuration.sources import FILE_SUFFIX, KEYRING, read_env_file, variables

_OF_HTTP = tuple(name for name in Settings.model_fields if name.startswith(("http_", "auth_", "state_key")))
"""A client starts the server on stdio."""

_SERVICE = "adops-mcp"


@dataclass(frozen=True, slots=True)
class Client:
    """servers: the key of its servers. place: of its file. reference: how it writes the value of a variable, for the
    server and the variable's name; None where it has no way. next: what a person does then."""

    title: str
    servers: str
    place: Callable[[], Path]
    reference: Callable[[str, str], str] | None
    next: str


def _desktop() -> Path:
    import platformdirs  # noqa: PLC0415

    folder = platformdirs.user_config_path("Claude", appauthor=False, roaming=True)
    return folder / "claude_desktop_config.json"


CLIENTS = {
    "claude-desktop": Client(
        "Claude Desktop", "mcpServers", _desktop, None, "Then quit Claude Desktop and start it again."
    ),
    "claude-code": Client(
        "Claude Code",
        "mcpServers",
        lambda: Path.cwd() / ".mcp.json",
        lambda _, name: f"${{{name}}}",
        "Then start Claude Code in this folder and agree to the server; /mcp shows it.",
    ),
    "cursor": Client(
        "Cursor",
        "mcpServers",
        lambda: Path.home() / ".cursor" / "mcp.json",
        lambda _, name: f"${{env:{name}}}",
        "Then start Cursor again; its settings show the server among the tools.",
    ),
    "vscode": Client(
        "VS Code",
        "servers",
        lambda: Path.cwd() / ".vscode" / "mcp.json",
        lambda server, name: f"${{input:{_input(server, name)}}}",
        "Then start the server with `MCP: List Servers` in VS Code's command palette.",
    ),
}


def run(settings: Settings, arguments: argparse.Namespace) -> int:
    """0 when it was printed, written or is there already; 1 when the file is left as it is, 2 for wrong usage.

    The snippet is on stdout, and what to do with it on stderr; with `--write`, the difference is on stdout instead.
    Raises SettingsError for a setting that the client would change or that would not reach the server.
    """
    if misspelt := misspelt_safety_settings(variables(settings.env_file)):
        raise SettingsError("\n".join(misspelt))
    client, name = CLIENTS[arguments.client], arguments.name
    by_value, by_name = _given(settings, arguments.environment)
    snippet = _snippet(client, name, by_value, by_name)
    try:
        place = Path(arguments.file).expanduser().absolute() if arguments.file else client.place()
    except RuntimeError:
        place = None
    if place is None or not place.is_absolute():
        _say("adops-mcp: there is no home directory to find the client's file in: name it with --file.")
        return 2
    if not arguments.write:
        print(json.dumps(snippet, indent=2))  # noqa: T201
        _say(f"It belongs in {place}; --write merges it there. {_advice(client, by_value, by_name)}")
        return 0
    return _write(place, snippet, arguments.yes, _advice(client, by_value, by_name))


def _given(settings: Settings, environment: str | None) -> tuple[dict[str, str], list[str]]:
    """What is set now: settings by value, and the names of the variables that hold secrets."""
    chosen = environment or settings.environment
    unused = (*_OF_HTTP, *VENDOR_SETTINGS) if chosen == "sandbox" else _OF_HTTP
    by_value: dict[str, str] = {}
    by_name: list[str] = []
    for field in Settings.model_fields:
        name = variable(field)
        value = environment if field == "environment" and environment else os.environ.get(name, "").strip()
        file = os.environ.get(f"{name}{FILE_SUFFIX}", "").strip() if field in SECRETS else ""
        if field in unused:
            continue
        if file:
            by_value[f"{name}{FILE_SUFFIX}"] = file
        elif value and field in SECRETS:
            by_name.append(name)
        elif value:
            by_value[name] = value
    if settings.accounts_file is not None and chosen != "sandbox":
        by_name += [name for name in variables_with_secrets(settings) if os.environ.get(name) and name not in by_name]
    elsewhere = read_env_file(settings.env_file) if settings.env_file is not None else {}
    return by_value, [name for name in by_name if name not in elsewhere]


def _snippet(client: Client, server: str, by_value: dict[str, str], by_name: list[str]) -> dict[str, Any]:
    command, *rest = _command()
    env = dict(by_value)
    if client.reference is None:
        if by_name:
            env.setdefault(KEYRING, _SERVICE)
    else:
        for name, value in {"the command's path": command, **by_value}.items():
            if "${" in value:
                raise SettingsError(f"{name}: holds ${{, which {client.title} would fill in; choose another")
        env |= {name: client.reference(server, name) for name in by_name}
    entry: dict[str, Any] = {"type": "stdio"} if client.servers == "servers" else {}
    entry["command"] = command
    if rest:
        entry["args"] = rest
    if env:
        entry["env"] = env
    made: dict[str, Any] = {client.servers: {server: entry}}
    if client.servers == "servers" and by_name:
        made["inputs"] = [
            {"type": "promptString", "id": _input(server, name), "description": name, "password": True}
            for name in by_name
        ]
    return made


def _input(server: str, name: str) -> str:
    return f"{server}-{name}"


def _command() -> list[str]:
    """The script beside the Python that runs now, or that Python itself: neither needs a PATH."""
    beside = shutil.which("adops-mcp", path=str(Path(sys.executable).parent))
    return [beside] if beside else [sys.executable, "-P", "-m", "server.cli"]


def _advice(client: Client, by_value: dict[str, str], by_name: list[str]) -> str:
    if not by_name:
        return client.next
    if client.servers == "servers":
        return f"{client.title} asks for each secret once and keeps it. {client.next}"
    if client.reference is not None:
        return f"It takes secrets from where it is started: set {', '.join(by_name)} there. {client.next}"
    service = by_value.get(KEYRING, _SERVICE)
    steps = [f"{sys.executable} -m keyring set {service} {name}" for name in by_name]
    if importlib.util.find_spec("keyring") is None:
        steps.insert(0, f"{sys.executable} -m pip install 'adops-mcp[keyring]'")
    lines = "".join(f"\n  {step}" for step in steps)
    settings = [name for name in by_name if name.startswith("ADOPS_")]
    other = [name for name in by_name if name not in settings]
    in_a_file = f"set {settings[0]}{FILE_SUFFIX} to a file that holds it, or " if settings else ""
    return (
        f"{client.title} fills in nothing, so that secrets are in the system's keyring ({KEYRING}); put them there:"
        f"{lines}\nOr {in_a_file}set ADOPS_ENV_FILE, and run this again.\n"
        + (f'In the file of accounts, write {{ keyring = "{other[0]}" }} instead of env.\n' if other else "")
        + client.next
    )


def _write(place: Path, snippet: dict[str, Any], sure: bool, advice: str) -> int:
    keys = frozenset({"type", *(variable(field) for field in Settings.model_fields if field not in SECRETS)})
    try:
        change = merged(place, snippet, keys)
    except MergeError as error:
        _say(f"adops-mcp: {error}.")
        print(json.dumps(snippet, indent=2))  # noqa: T201
        return 1
    except OSError as error:
        _say(f"adops-mcp: {place} cannot be read: {error.strerror}.")
        return 1
    told = str(place) if change.target == place else f"{place}, a link to {change.target}"
    if change.is_same:
        _say(f"There is nothing to change in {place}.")
        return 0
    print(change.difference(), flush=True)  # noqa: T201
    if not sure:
        if not sys.stdin.isatty():
            _say("adops-mcp: nothing is written, as there is nobody to ask: give --yes to write it.")
            return 2
        print(visible(f"Write this to {told}? [y/N] "), end="", file=sys.stderr, flush=True)  # noqa: T201
        if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
            _say("Nothing is written.")
            return 1
    return _written(told, change, advice)


def _written(told: str, change: Merged, advice: str) -> int:
    try:
        copy = change.write()
    except MergeError as error:
        _say(f"adops-mcp: {error}.")
        return 1
    except OSError as error:
        _say(f"adops-mcp: {told} cannot be written: {error.strerror}. It is as it was.")
        return 1
    kept = f", and what it was is in {copy}" if copy else ""
    _say(f"It is written to {told}{kept}. {advice}")
    return 0


def _say(line: str) -> None:
    print("\n".join(visible(part) for part in line.split("\n")), file=sys.stderr)  # noqa: T201
