"""Frozen answers to a client's first requests, which were stored when this version was built.

Importing the SDK takes most of a second, and a client waits for the list of tools before it shows anything. So the
answers to `initialize`, `server/discover` and `tools/list` are stored in frozen.jsonl. Its first line has the parts of
the answers, and every other line is the definition of one tool as it is sent. `python -m tests.frozen` makes the file
from the live server, and compares it with the live server.

A request or setting is answered here only if the live server would surely give the same answer. In every other case
the functions return None, and the live server answers. This module imports only the standard library.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from server import __version__

FILE = Path(__file__).with_name("frozen.jsonl")

_PREFIX = "ADOPS_"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_FREEWHEEL = (
    ("FREEWHEEL_TOKEN",),
    ("FREEWHEEL_USERNAME", "FREEWHEEL_PASSWORD"),
    ("FREEWHEEL_CLIENT_ID", "FREEWHEEL_CLIENT_SECRET"),
)
_VALID_VALUES = {
    "LOG_LEVEL": ("DEBUG", "INFO", "WARNING", "ERROR"),
    "LOG_FORMAT": ("text", "json"),
    "CONFIRM": ("client", "operator", "none"),
}
"""Settings that do not change these answers, with all their valid values."""
_CHOOSING = ("ENVIRONMENT", "READ_ONLY", "TOOLSETS", "TOOLS")
_CREDENTIALS = ("INTERCHANGE_API_KEY", "GAM_SERVICE_ACCOUNT_FILE", *(name for way in _FREEWHEEL for name in way))
UNDERSTOOD = frozenset((*_VALID_VALUES, "DATA_DIR", *_CHOOSING, *_CREDENTIALS))
"""The settings, without their prefix, that this module understands. With any other one the live server answers."""

_META = "io.modelcontextprotocol/"
_VERSION, _CLIENT, _CAPABILITIES = f"{_META}protocolVersion", f"{_META}clientInfo", f"{_META}clientCapabilities"


@dataclass(frozen=True, slots=True)
class FrozenAnswers:
    """The answers for one set of settings. head: the file's first line. tools: the offered definitions, as sent."""

    head: Mapping[str, Any]
    tools: tuple[str, ...]
    environment: str

    def answer(self, request: Mapping[str, Any], *, first: Mapping[str, Any] | None) -> str | None:
        """The line that answers a request, or None. first: the first request of the session, or None if this is it."""
        request_id, method, params = request.get("id"), request.get("method"), request.get("params", {})
        if request.get("jsonrpc") != "2.0" or {*request} - {"jsonrpc", "id", "method", "params"}:
            return None
        if not _is_id(request_id) or not isinstance(params, dict):
            return None
        result = self._result(method, cast("dict[str, Any]", params), first)
        return None if result is None else f'{{"jsonrpc":"2.0","id":{json.dumps(request_id)},"result":{result}}}\n'

    def _result(self, method: Any, params: dict[str, Any], first: Mapping[str, Any] | None) -> str | None:
        if first is None and method == "initialize":
            version = params.get("protocolVersion")
            if version not in self.head["versions"] or not _has_valid_client_info(params, ("protocolVersion", "_meta")):
                return None
            result = {"protocolVersion": version, **self.head["initialize"]}
            return json.dumps({**result, "instructions": self.head["instructions"][self.environment]})
        if first is not None and first.get("method") == "initialize":
            is_plain = not params or (params.keys() == {"_meta"} and _has_only_progress_token(params["_meta"]))
            return self._tools_result({}) if method == "tools/list" and is_plain else None
        if params.keys() != {"_meta"} or not _is_envelope(params["_meta"], self.head["modern"]):
            return None
        if method == "server/discover":
            return json.dumps({**self.head["discover"], "instructions": self.head["instructions"][self.environment]})
        return self._tools_result(self.head["list"]) if method == "tools/list" else None

    def _tools_result(self, fields: Mapping[str, Any]) -> str:
        rest = json.dumps(fields)[1:-1]
        return f'{{"tools":[{",".join(self.tools)}]{", " if rest else ""}{rest}}}'


def load_frozen_answers(environ: Mapping[str, str], flags: Mapping[str, Any]) -> FrozenAnswers | None:
    """The answers for these settings, or None. flags: settings of the command line, which win over the variables."""
    try:
        with FILE.open(encoding="utf-8") as file:
            head, *lines = (line.rstrip("\n") for line in file)
        stored = json.loads(head)
    except (OSError, ValueError):
        return None
    # with -OO there are no docstrings, and the descriptions of the tools are docstrings
    if sys.flags.optimize >= 2 or stored["version"] != __version__:
        return None
    if not _is_installed(f"mcp-{stored['mcp']}.dist-info"):
        return None
    given = _given(environ)
    environment = given.get("ENVIRONMENT", "sandbox")
    offered = _offered(given, flags, stored["tools"]) if _is_understood(environ, stored["settings"]) else None
    if not offered or environment not in stored["instructions"]:
        return None
    tools = tuple(line for name, line in zip(stored["tools"], lines, strict=True) if name in offered)
    return FrozenAnswers(stored, tools, environment)


def _is_installed(name: str) -> bool:
    """Whether this version of the SDK is installed. Another one may support other protocol versions."""
    return any(os.path.isdir(os.path.join(folder, name)) for folder in sys.path if folder)


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(_PREFIX): value for name, value in environ.items() if name.startswith(_PREFIX) and value}


def _is_understood(environ: Mapping[str, str], settings: Collection[str]) -> bool:
    """Whether all ADOPS_ variables are understood. settings: the names of all settings, each of which may be empty."""
    empty = {name.removeprefix(_PREFIX) for name, value in environ.items() if name.startswith(_PREFIX) and not value}
    named = {name.removeprefix(_PREFIX) for name in environ if name.upper().startswith(_PREFIX)}
    return not named - UNDERSTOOD - empty.intersection(settings)


def _offered(
    given: Mapping[str, str], flags: Mapping[str, Any], tools: Mapping[str, Mapping[str, Any]]
) -> Collection[str] | None:
    """The names of the tools that the live server would offer, or None if that is not certain."""
    if any(given[name] not in valid for name, valid in _VALID_VALUES.items() if name in given):
        return None
    if not _is_writable(given.get("DATA_DIR")):
        return None
    read_only = flags.get("read_only", _truth(given.get("READ_ONLY", "0")))
    toolsets, names = (_names(flags.get(field, given.get(field.upper(), ""))) for field in ("toolsets", "tools"))
    known_toolsets = {tool["toolset"] for tool in tools.values()}
    vendors = _vendors(given)
    if read_only is None or not vendors or not names <= tools.keys() or not toolsets <= known_toolsets:
        return None
    return [
        name
        for name, tool in tools.items()
        if not (read_only and not tool["reads"])
        and (not (toolsets or names) or tool["toolset"] in toolsets or name in names)
        and (not tool["vendors"] or vendors.intersection(tool["vendors"]))
    ]


def _is_writable(directory: str | None) -> bool:
    """Whether the data directory seems to be writable. None means the user's data directory."""
    if directory is None:
        return True
    if not os.path.isabs(directory) or "$" in directory:
        return False
    while not os.path.exists(directory):
        directory = os.path.dirname(directory)
    return os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK)


def _truth(text: str) -> bool | None:
    return True if text.lower() in _TRUE else False if text.lower() in _FALSE else None


def _names(text: str) -> set[str]:
    return set(text.replace(",", " ").split())


def _vendors(given: Mapping[str, str]) -> set[str] | None:
    """The vendors that have credentials. None if credentials are incomplete or contradict each other."""
    if any(given[name] != given[name].strip() or "$" in given[name] for name in _CREDENTIALS if name in given):
        return None
    key_file = given.get("GAM_SERVICE_ACCOUNT_FILE")
    if key_file is not None and not (os.path.isabs(key_file) and os.path.isfile(key_file)):
        return None
    if given.get("ENVIRONMENT", "sandbox") == "sandbox":
        return {"interchange", "freewheel", "google_ad_manager"}
    started = [way for way in _FREEWHEEL if any(name in given for name in way)]
    if len(started) > 1 or any(name not in given for way in started for name in way):
        return None
    ways = {"interchange": "INTERCHANGE_API_KEY" in given, "freewheel": started, "google_ad_manager": key_file}
    return {vendor for vendor, way in ways.items() if way}


def _is_id(request_id: Any) -> bool:
    return isinstance(request_id, int | str) and not isinstance(request_id, bool) and len(str(request_id)) <= 64


def _has_only_progress_token(meta: Any) -> bool:
    """Whether the metadata has nothing but, at most, a progress token."""
    return isinstance(meta, dict) and meta.keys() <= {"progressToken"} and all(map(_is_id, cast("Any", meta).values()))


def _is_envelope(meta: Any, modern: str) -> bool:
    if not isinstance(meta, dict) or cast("dict[str, Any]", meta).get(_VERSION) != modern:
        return False
    fields = {name.removeprefix(_META): value for name, value in cast("dict[str, Any]", meta).items()}
    fields["capabilities"] = fields.pop("clientCapabilities", None)
    return _has_valid_client_info(fields, ("protocolVersion", "progressToken")) and _has_only_progress_token(
        {name: value for name, value in fields.items() if name == "progressToken"}
    )


def _has_valid_client_info(params: Mapping[str, Any], other_fields: Collection[str]) -> bool:
    """Whether the client's name, version and capabilities are surely well-formed."""
    client, capabilities = params.get("clientInfo"), params.get("capabilities")
    if {*params} - {"clientInfo", "capabilities", *other_fields}:
        return False
    if not _has_only_progress_token(params.get("_meta", {})):
        return False
    if not isinstance(client, dict) or not isinstance(capabilities, dict):
        return False
    info = cast("dict[str, Any]", client)
    is_named = {"name", "version"} <= info.keys() <= {"name", "version", "title"}
    if not is_named or not all(isinstance(value, str) for value in info.values()):
        return False
    return all(_is_capability(name, value) for name, value in cast("dict[str, Any]", capabilities).items())


def _is_capability(name: str, value: Any) -> bool:
    """Whether the capability is well-formed. The live server ignores a capability whose name it does not know."""
    if name not in ("roots", "sampling", "elicitation", "experimental", "extensions", "tasks"):
        return True
    if not isinstance(value, dict):
        return False
    inner = cast("dict[str, Any]", value)
    if name == "roots":
        return all(key == "listChanged" and isinstance(flag, bool) for key, flag in inner.items())
    return name != "tasks" and all(isinstance(part, dict) for part in inner.values())
