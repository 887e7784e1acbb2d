"""Adds the entry of one server to an MCP client's JSON file. Everything else in the file stays as it is."""

from __future__ import annotations

import difflib
import itertools
import json
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

LARGEST = 16 * 1_048_576
"""The largest file that is read, in bytes. Files of clients that store their history in it are smaller."""

_STRING = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?')
_INDENTED = re.compile(r'^[{\[]\s*?\n([ \t]+)"')
_REMOTE_KEYS = ("url", "serverUrl")
"""Keys of an entry for a remote server. Such an entry is replaced as a whole."""


class MergeError(Exception):
    """The file is left as it is. The message says why."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A change of a file that is not written yet.

    named: the path that was given. target: the real path behind symlinks. before: None for a new file. shown: the
    strings that the difference may show, and the keys whose values it may show.
    """

    named: Path
    target: Path
    before: bytes | None
    after: bytes
    shown: frozenset[str]

    @property
    def is_same(self) -> bool:
        return self.before == self.after

    def difference(self) -> str:
        """A unified diff. Values that do not belong to this server are `***`, since they may be secrets of others."""
        before, after = ((text or b"").decode().split("\n") for text in (self.before, self.after))
        name = str(self.named)
        lines = list(difflib.unified_diff(before, after, f"{name} before", f"{name} after", lineterm=""))
        masked = [*lines[:2], *(_masked(line, self.shown) for line in lines[2:])]
        return "\n".join(visible(line) for line in masked)

    def write(self) -> Path | None:
        """Write the file, and return the path of a copy of the old one, or None for a new file.

        Raises MergeError or OSError, and then nothing is changed. The file keeps its mode and owner. Only its owner can
        read a new file.
        """
        self.target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self.target.parent, prefix=f".{self.target.name[:64]}.")
        new_file, copy = Path(name), None
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.after)
                file.flush()
                os.fsync(descriptor)
            if self.before is not None:
                _copy_mode_and_owner(new_file, self.target.stat())
            if _read(self.target) != self.before:
                raise MergeError(f"{self.named} was changed by another program. Run this again")
            if self.before is not None:
                copy = self._write_copy(self.before)
            new_file.replace(self.target)
        except BaseException:
            new_file.unlink(missing_ok=True)
            if copy is not None:
                copy.unlink(missing_ok=True)
            raise
        return copy

    def _write_copy(self, before: bytes) -> Path:
        for number in itertools.count(1):
            copy = self.named.with_name(f"{self.named.name}.{number}.bak")
            try:
                descriptor = os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(descriptor, "wb") as file:
                file.write(before)
            _copy_mode_and_owner(copy, self.target.stat())
            return copy
        raise AssertionError


def merged(named: Path, snippet: dict[str, Any], keys: frozenset[str]) -> Merged:
    """The file with the snippet in it. Raises MergeError if something in the file would be lost.

    snippet: as `server.commands.config` makes it. keys: the keys whose values the difference may show.
    """
    target = Path(os.path.realpath(named))
    before = _read(target)
    shown = keys | frozenset(_strings(snippet))
    if before is None or not before.strip():
        return Merged(named, target, before, json.dumps(snippet, indent=2).encode() + b"\n", shown)
    try:
        return Merged(named, target, before, _with_snippet(before, snippet, named), shown)
    except RecursionError:
        raise MergeError(f"{named} is nested too deeply. Nothing was written. Paste this into it") from None


def _with_snippet(before: bytes, snippet: dict[str, Any], named: Path) -> bytes:
    bom, text = "", ""
    try:
        text = before.decode()
        bom = "\ufeff" if text.startswith("\ufeff") else ""
        text = text.removeprefix("\ufeff")
        content = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except ValueError as error:
        why = f" ({error})" if isinstance(error, json.JSONDecodeError | _DuplicateKey) else ""
        raise MergeError(
            f"{named} is not plain JSON{why}, and comments would be lost. Nothing was written. Paste this into it"
        ) from None
    merged_content = _merge(_object(content, named, "the file"), snippet, named)
    if merged_content == content:
        return before
    return (bom + _formatted_like(text, merged_content, named)).encode()


def _merge(content: dict[str, Any], snippet: dict[str, Any], named: Path) -> dict[str, Any]:
    result = dict(content)
    for key, value in snippet.items():
        if isinstance(value, list):
            ours = cast("list[dict[str, Any]]", value)
            existing = result.get(key, [])
            if not isinstance(existing, list):
                raise MergeError(f"{named}: {key!r} is not a list. Nothing was written. Paste this into it")
            ids = {one["id"]: one for one in ours}
            entries: list[Any] = [ids.pop(_id(one), one) for one in cast("list[Any]", existing)]
            result[key] = [*entries, *ids.values()]
        else:
            servers = dict(_object(result.get(key, {}), named, repr(key)))
            for name, entry in cast("dict[str, dict[str, Any]]", value).items():
                servers[name] = _merge_entry(_object(servers.get(name, {}), named, repr(name)), entry, named)
            result[key] = servers
    return result


def _merge_entry(existing: dict[str, Any], entry: dict[str, Any], named: Path) -> dict[str, Any]:
    """The new entry, with what somebody added to the existing one, such as ADOPS_READ_ONLY.

    Arguments stay only if the command is the same.
    """
    if any(key in existing for key in _REMOTE_KEYS):
        return entry
    same_command = existing.get("command") == entry["command"]
    kept = {key: value for key, value in existing.items() if key != "args" or same_command}
    if "env" not in entry:
        return {**kept, **entry}
    env = _object(existing.get("env", {}), named, "'env'")
    twins = {name.removesuffix("_FILE") if name.endswith("_FILE") else f"{name}_FILE" for name in entry["env"]}
    return {**kept, **entry, "env": {**{key: env[key] for key in env if key not in twins}, **entry["env"]}}


def _id(item: Any) -> Any:
    found = cast("dict[str, Any]", item).get("id") if isinstance(item, dict) else None
    return found if isinstance(found, str) else None


def _object(value: Any, named: Path, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MergeError(f"{named}: {what} is not a JSON object. Nothing was written. Paste this into it")
    return cast("dict[str, Any]", value)


class _DuplicateKey(ValueError):
    pass


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _DuplicateKey("an object has the same key twice")
    return made


def _refuse_constant(constant: str) -> Any:
    raise ValueError(constant)


def _formatted_like(text: str, content: dict[str, Any], named: Path) -> str:
    """The content as JSON, with the indentation, line ends and escapes of the old text."""
    body = text.strip()
    found = _INDENTED.match(body.replace("\r\n", "\n"))
    indent: str | int | None = found[1] if found else 2 if "\n" in body or not body.strip("{} ") else None
    separators = (",", ":") if indent is None and '": ' not in body else None
    for ascii_only in (True,) if text.isascii() else (False, True):
        try:
            made = json.dumps(
                content, indent=indent, ensure_ascii=ascii_only, allow_nan=False, separators=separators
            ).replace("\n", "\r\n" if "\r\n" in text else "\n")
            made.encode()
        except UnicodeEncodeError:
            continue
        except ValueError:
            break
        return made + text[len(text.rstrip()) :]
    raise MergeError(f"{named} has a number that is too large. Nothing was written. Paste this into it")


def _read(target: Path) -> bytes | None:
    """The content of the file, or None if there is no file."""
    try:
        if not stat.S_ISREG(target.stat().st_mode):
            raise MergeError(f"{target} is not a file. Name the client's file with --file")
        with target.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    if len(content) > LARGEST:
        raise MergeError(f"{target} is too large for a client's settings. Nothing was written. Paste this into it")
    return content


def _copy_mode_and_owner(file: Path, original: os.stat_result) -> None:
    """Give the file the mode and, for root, the owner of the original. Otherwise the client might not read it."""
    file.chmod(stat.S_IMODE(original.st_mode))
    now = file.stat()
    if sys.platform != "win32" and (now.st_uid, now.st_gid) != (original.st_uid, original.st_gid):
        os.chown(file, original.st_uid, original.st_gid)


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in cast("dict[str, Any]", node).values():
            yield from _strings(value)
    elif isinstance(node, list):
        for item in cast("list[Any]", node):
            yield from _strings(item)


def _masked(line: str, shown: frozenset[str]) -> str:
    """A line of JSON with hidden values. In valid JSON no string continues on the next line."""
    last_key = ""

    def masked(found: re.Match[str]) -> str:
        nonlocal last_key
        text = json.loads(found[1], strict=False)
        if found[2]:
            last_key = text
            return found[0]
        return found[0] if text in shown or last_key in shown else '"***"'

    return _STRING.sub(masked, line)


def visible(line: str) -> str:
    """The line with `?` for characters that control a terminal or cannot be printed."""
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in line)
