"""What a client asks first, answered from what was written down when this version was made.

Importing the SDK takes most of a second, and a client waits for the list of tools before it shows anything. So the
answers to `initialize`, `server/discover` and `tools/list` stand in frozen.jsonl: its first line has what they consist
of, and each other line one tool's definition as it goes over the wire. `python -m tests.frozen` makes it from the live
server and compares it with that.

Whatever is not plainly the same as in the live server is left to that: `None` here means so. Only the standard library
is imported.
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
_WORDS = {
    "LOG_LEVEL": ("DEBUG", "INFO", "WARNING", "ERROR"),
    "LOG_FORMAT": ("text", "json"),
    "CONFIRM": ("client", "operator", "none"),
}
"""Settings that change nothing of what is answered here, with all that they can be."""
_CHOOSING = ("ENVIRONMENT", "READ_ONLY", "TOOLSETS", "TOOLS")
_CREDENTIALS = ("INTERCHANGE_API_KEY", "GAM_SERVICE_ACCOUNT_FILE", *(name for way in _FREEWHEEL for name in way))
UNDERSTOOD = frozenset((*_WORDS, "DATA_DIR", *_CHOOSING, *_CREDENTIALS))
"""The settings, without their prefix, with which this answers; with any other one the live server does."""

_META = "io.modelcontextprotocol/"
_VERSION, _CLIENT, _CAPABILITIES = f"{_META}protocolVersion", f"{_META}clientInfo", f"{_META}clientCapabilities"


@dataclass(frozen=True, slots=True)
class Frozen:
    """head: the first line. tools: the definitions that are offered, as they go over the wire."""

    head: Mapping[str, Any]
    tools: tuple[str, ...]
    environment: str

    def answer(self, request: Mapping[str, Any], *, first: Mapping[str, Any] | None) -> str | None:
        """The line that answers a request. first: the session's first one, when this is another."""
        number, method, params = request.get("id"), request.get("method"), request.get("params", {})
        known = {"jsonrpc", "id", "method", "params"}
        if request.get("jsonrpc") != "2.0" or not _is_id(number) or not isinstance(params, dict) or {*request} - known:
            return None
        result = self._result(method, cast("dict[str, Any]", params), first)
        return None if result is None else f'{{"jsonrpc":"2.0","id":{json.dumps(number)},"result":{result}}}\n'

    def _result(self, method: Any, params: dict[str, Any], first: Mapping[str, Any] | None) -> str | None:
        if first is None and method == "initialize":
            version = params.get("protocolVersion")
            if version not in self.head["versions"] or not _introduces(params, ("protocolVersion", "_meta")):
                return None
            told = {"protocolVersion": version, **self.head["initialize"]}
            return json.dumps({**told, "instructions": self.head["instructions"][self.environment]})
        if first is not None and first.get("method") == "initialize":
            is_plain = not params or (params.keys() == {"_meta"} and _is_token(params["_meta"]))
            return self._listed({}) if method == "tools/list" and is_plain else None
        if params.keys() != {"_meta"} or not _is_envelope(params["_meta"], self.head["modern"]):
            return None
        if method == "server/discover":
            return json.dumps({**self.head["discover"], "instructions": self.head["instructions"][self.environment]})
        return self._listed(self.head["list"]) if method == "tools/list" else None

    def _listed(self, beside: Mapping[str, Any]) -> str:
        rest = json.dumps(beside)[1:-1]
        return f'{{"tools":[{",".join(self.tools)}]{", " if rest else ""}{rest}}}'


def frozen(environ: Mapping[str, str], flags: Mapping[str, Any]) -> Frozen | None:
    """The answers for these settings. flags: those of the command line, which win over the variables."""
    try:
        with FILE.open(encoding="utf-8") as file:
            head, *lines = (line.rstrip("\n") for line in file)
        told = json.loads(head)
    except (OSError, ValueError):
        return None
    # with -OO there are no docstrings, which the tools are described by
    if sys.flags.optimize >= 2 or told["version"] != __version__ or not _is_installed(f"mcp-{told['mcp']}.dist-info"):
        return None
    given = _given(environ)
    environment = given.get("ENVIRONMENT", "sandbox")
    offered = _offered(given, flags, told["tools"]) if _is_understood(environ, told["settings"]) else None
    if not offered or environment not in told["instructions"]:
        return None
    tools = tuple(line for name, line in zip(told["tools"], lines, strict=True) if name in offered)
    return Frozen(told, tools, environment)


def _is_installed(name: str) -> bool:
    """With another version of the SDK other protocol versions may be spoken."""
    return any(os.path.isdir(os.path.join(place, name)) for place in sys.path if place)


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(_PREFIX): value for name, value in environ.items() if name.startswith(_PREFIX) and value}


def _is_understood(environ: Mapping[str, str], settings: Collection[str]) -> bool:
    """settings: all that there are, which may be empty."""
    empty = {name.removeprefix(_PREFIX) for name, value in environ.items() if name.startswith(_PREFIX) and not value}
    named = {name.removeprefix(_PREFIX) for name in environ if name.upper().startswith(_PREFIX)}
    return not named - UNDERSTOOD - empty.intersection(settings)


def _offered(
    given: Mapping[str, str], flags: Mapping[str, Any], tools: Mapping[str, Mapping[str, Any]]
) -> Collection[str] | None:
    """The names of the tools that the live server would offer."""
    if any(given[name] not in words for name, words in _WORDS.items() if name in given):
        return None
    if not _may_be_written(given.get("DATA_DIR")):
        return None
    read_only = flags.get("read_only", _truth(given.get("READ_ONLY", "0")))
    toolsets, names = (_names(flags.get(field, given.get(field.upper(), ""))) for field in ("toolsets", "tools"))
    there = {tool["toolset"] for tool in tools.values()}
    vendors = _vendors(given)
    if read_only is None or not vendors or not names <= tools.keys() or not toolsets <= there:
        return None
    return [
        name
        for name, tool in tools.items()
        if not (read_only and not tool["reads"])
        and (not (toolsets or names) or tool["toolset"] in toolsets or name in names)
        and (not tool["vendors"] or vendors.intersection(tool["vendors"]))
    ]


def _may_be_written(directory: str | None) -> bool:
    """Whether state can be kept there, as far as is seen from here. None: in the user's data directory."""
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
    """Those that there is a way into; None where something is set and it does not amount to one."""
    if any(given[name] != given[name].strip() or "$" in given[name] for name in _CREDENTIALS if name in given):
        return None
    key_file = given.get("GAM_SERVICE_ACCOUNT_FILE")
    if key_file is not None and not (os.path.isabs(key_file) and os.path.isfile(key_file)):
        return None
    if given.get("ENVIRONMENT", "sandbox") == "sandbox":
        return {"interchange", "freewheel", "google_ad_manager"}
    begun = [way for way in _FREEWHEEL if any(name in given for name in way)]
    if len(begun) > 1 or any(name not in given for way in begun for name in way):
        return None
    ways = {"interchange": "INTERCHANGE_API_KEY" in given, "freewheel": begun, "google_ad_manager": key_file}
    return {vendor for vendor, way in ways.items() if way}


def _is_id(number: Any) -> bool:
    return isinstance(number, int | str) and not isinstance(number, bool) and len(str(number)) <= 64


def _is_token(meta: Any) -> bool:
    """Metadata that holds at most a progress token."""
    return isinstance(meta, dict) and meta.keys() <= {"progressToken"} and all(map(_is_id, cast("Any", meta).values()))


def _is_envelope(meta: Any, modern: str) -> bool:
    if not isinstance(meta, dict) or cast("dict[str, Any]", meta).get(_VERSION) != modern:
        return False
    told = {name.removeprefix(_META): value for name, value in cast("dict[str, Any]", meta).items()}
    told["capabilities"] = told.pop("clientCapabilities", None)
    return _introduces(told, ("protocolVersion", "progressToken")) and _is_token(
        {name: value for name, value in told.items() if name == "progressToken"}
    )


def _introduces(told: Mapping[str, Any], beside: Collection[str]) -> bool:
    """Whether a client says who it is and what it can do in a way that is surely well-formed."""
    client, capabilities = told.get("clientInfo"), told.get("capabilities")
    if {*told} - {"clientInfo", "capabilities", *beside} or not _is_token(told.get("_meta", {})):
        return False
    if not isinstance(client, dict) or not isinstance(capabilities, dict):
        return False
    info = cast("dict[str, Any]", client)
    named = {"name", "version"} <= info.keys() <= {"name", "version", "title"}
    if not named or not all(isinstance(value, str) for value in info.values()):
        return False
    return all(_is_capability(name, value) for name, value in cast("dict[str, Any]", capabilities).items())


def _is_capability(name: str, value: Any) -> bool:
    """Of a name that is not known the live server takes no notice."""
    if name not in ("roots", "sampling", "elicitation", "experimental", "extensions", "tasks"):
        return True
    if not isinstance(value, dict):
        return False
    inner = cast("dict[str, Any]", value)
    if name == "roots":
        return all(key == "listChanged" and isinstance(flag, bool) for key, flag in inner.items())
    return name != "tasks" and all(isinstance(part, dict) for part in inner.values())
