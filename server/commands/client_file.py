"""One server's entry in a client's JSON file: everything else in the file stays, and nothing is lost when it fails."""

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
"""Bytes of a file that is read; clients that keep their history in it stay below."""

_STRING = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?')
_INDENTED = re.compile(r'^[{\[]\s*?\n([ \t]+)"')
_REPLACED = ("url", "serverUrl")
"""What an entry of a server elsewhere has: nothing of it is of use to one that is started here."""


class MergeError(Exception):
    """Why a file is left as it is."""


@dataclass(frozen=True, slots=True)
class Merged:
    """named: the file as it was named. target: the same, behind symlinks. before: None for a new file. shown: the
    strings and keys that the difference may show."""

    named: Path
    target: Path
    before: bytes | None
    after: bytes
    shown: frozenset[str]

    @property
    def is_same(self) -> bool:
        return self.before == self.after

    def difference(self) -> str:
        """A unified diff in which values that are not of this server are `***`: they may be secrets of others."""
        before, after = ((text or b"").decode().split("\n") for text in (self.before, self.after))
        name = str(self.named)
        lines = list(difflib.unified_diff(before, after, f"{name} before", f"{name} after", lineterm=""))
        told = [*lines[:2], *(_masked(line, self.shown) for line in lines[2:])]
        return "\n".join(visible(line) for line in told)

    def write(self) -> Path | None:
        """The copy of the file as it was, or None for a new one. Raises MergeError and OSError, and nothing is changed
        then. A file keeps its mode and owner; a new one is for its owner alone."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self.target.parent, prefix=f".{self.target.name[:64]}.")
        fresh, copy = Path(name), None
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.after)
                file.flush()
                os.fsync(descriptor)
            if self.before is not None:
                _as_it_was(fresh, self.target.stat())
            if _read(self.target) != self.before:
                raise MergeError(f"{self.named} was changed by another program meanwhile: run this again")
            if self.before is not None:
                copy = self._copied(self.before)
            fresh.replace(self.target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            if copy is not None:
                copy.unlink(missing_ok=True)
            raise
        return copy

    def _copied(self, before: bytes) -> Path:
        for number in itertools.count(1):
            copy = self.named.with_name(f"{self.named.name}.{number}.bak")
            try:
                descriptor = os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(descriptor, "wb") as file:
                file.write(before)
            _as_it_was(copy, self.target.stat())
            return copy
        raise AssertionError


def merged(named: Path, snippet: dict[str, Any], keys: frozenset[str]) -> Merged:
    """What the file would hold with the snippet in it. Raises MergeError where that would lose something of the file.

    snippet: as `server.commands.config` makes it. keys: whose values the difference may show.
    """
    target = Path(os.path.realpath(named))
    before = _read(target)
    shown = keys | frozenset(_strings(snippet))
    if before is None or not before.strip():
        return Merged(named, target, before, json.dumps(snippet, indent=2).encode() + b"\n", shown)
    try:
        return Merged(named, target, before, _changed(before, snippet, named), shown)
    except RecursionError:
        raise MergeError(f"{named} is nested too deeply: nothing is written. Paste this into it") from None


def _changed(before: bytes, snippet: dict[str, Any], named: Path) -> bytes:
    bom, text = "", ""
    try:
        text = before.decode()
        bom = "\ufeff" if text.startswith("\ufeff") else ""
        text = text.removeprefix("\ufeff")
        held = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except ValueError as error:
        why = f" ({error})" if isinstance(error, json.JSONDecodeError | _Twice) else ""
        raise MergeError(
            f"{named} is not plain JSON{why}, and comments would be lost: nothing is written. Paste this into it"
        ) from None
    whole = _with(_object(held, named, "the file"), snippet, named)
    if whole == held:
        return before
    return (bom + _as_written(whole, text, named)).encode()


def _with(held: dict[str, Any], snippet: dict[str, Any], named: Path) -> dict[str, Any]:
    whole = dict(held)
    for key, value in snippet.items():
        if isinstance(value, list):
            ours = cast("list[dict[str, Any]]", value)
            there = whole.get(key, [])
            if not isinstance(there, list):
                raise MergeError(f"{named}: {key!r} is no list: nothing is written. Paste this into it")
            ids = {one["id"]: one for one in ours}
            kept: list[Any] = [ids.pop(_id(one), one) for one in cast("list[Any]", there)]
            whole[key] = [*kept, *ids.values()]
        else:
            servers = dict(_object(whole.get(key, {}), named, repr(key)))
            for name, entry in cast("dict[str, dict[str, Any]]", value).items():
                servers[name] = _entry(_object(servers.get(name, {}), named, repr(name)), entry, named)
            whole[key] = servers
    return whole


def _entry(there: dict[str, Any], entry: dict[str, Any], named: Path) -> dict[str, Any]:
    """What somebody has added to the entry stays, such as ADOPS_READ_ONLY; arguments, where the command is the same."""
    if any(key in there for key in _REPLACED):
        return entry
    kept = {key: value for key, value in there.items() if key != "args" or there.get("command") == entry["command"]}
    if "env" not in entry:
        return {**kept, **entry}
    env = _object(there.get("env", {}), named, "'env'")
    twins = {name.removesuffix("_FILE") if name.endswith("_FILE") else f"{name}_FILE" for name in entry["env"]}
    return {**kept, **entry, "env": {**{key: env[key] for key in env if key not in twins}, **entry["env"]}}


def _id(item: Any) -> Any:
    found = cast("dict[str, Any]", item).get("id") if isinstance(item, dict) else None
    return found if isinstance(found, str) else None


def _object(held: Any, named: Path, what: str) -> dict[str, Any]:
    if not isinstance(held, dict):
        raise MergeError(f"{named}: {what} is no JSON object: nothing is written. Paste this into it")
    return cast("dict[str, Any]", held)


class _Twice(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Twice("a key stands twice in one object")
    return made


def _refused(constant: str) -> Any:
    raise ValueError(constant)


def _as_written(whole: dict[str, Any], text: str, named: Path) -> str:
    """With the indentation, the line ends and the letters of the text that it replaces."""
    body = text.strip()
    found = _INDENTED.match(body.replace("\r\n", "\n"))
    indent: str | int | None = found[1] if found else 2 if "\n" in body or not body.strip("{} ") else None
    separators = (",", ":") if indent is None and '": ' not in body else None
    for ascii_only in (True,) if text.isascii() else (False, True):
        try:
            made = json.dumps(
                whole, indent=indent, ensure_ascii=ascii_only, allow_nan=False, separators=separators
            ).replace("\n", "\r\n" if "\r\n" in text else "\n")
            made.encode()
        except UnicodeEncodeError:
            continue
        except ValueError:
            break
        return made + text[len(text.rstrip()) :]
    raise MergeError(f"{named} has a number that is too large to be kept: nothing is written. Paste this into it")


def _read(target: Path) -> bytes | None:
    """None when there is no such file."""
    try:
        if not stat.S_ISREG(target.stat().st_mode):
            raise MergeError(f"{target} is no file: name the client's own with --file")
        with target.open("rb") as file:
            held = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    if len(held) > LARGEST:
        raise MergeError(f"{target} is too large to be a client's settings: nothing is written. Paste this into it")
    return held


def _as_it_was(file: Path, was: os.stat_result) -> None:
    """The mode and, for root, the owner: else the client could not read its own file any more."""
    file.chmod(stat.S_IMODE(was.st_mode))
    now = file.stat()
    if sys.platform != "win32" and (now.st_uid, now.st_gid) != (was.st_uid, was.st_gid):
        os.chown(file, was.st_uid, was.st_gid)


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
    """A line of valid JSON; in one, no string goes on in the next line."""
    last = ""

    def masked(found: re.Match[str]) -> str:
        nonlocal last
        text = json.loads(found[1], strict=False)
        if found[2]:
            last = text
            return found[0]
        return found[0] if text in shown or last in shown else '"***"'

    return _STRING.sub(masked, line)


def visible(line: str) -> str:
    """Without what controls a terminal or cannot be printed on it."""
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in line)
