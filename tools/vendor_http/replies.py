"""Reading a vendor's answer: its JSON, its error message and request id, and what an unreadable answer means."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn, TypeVar, cast

import httpx
from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from tools.errors import InDoubt, UnexpectedAnswer

M = TypeVar("M", bound=BaseModel)

EXCERPT = 300
"""Characters of a vendor's own words that an agent is shown."""

_TAG = re.compile(r"<[a-z!/?][^<>]*>", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
LONGEST_WAIT = 86_400.0
"""Seconds: a longer `Retry-After` is ignored."""

DEEPEST = 100
"""Levels of nesting in a part that is passed on unchanged. Libraries that write JSON can do little more than twice as
many."""

MOST_IN_A_LIST = 50_000
"""Entries of one list in an answer that are read. No page and no projection has nearly as many."""

MOST_VALUES = 500_000
"""Values in an answer that are read: sixteen megabytes of the smallest values take seconds."""

_TEXT = 16 * 1024
"""Bytes of a body that is not JSON in which an error message is looked for."""

_HALF_PAIR = re.compile(r"[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters that control a terminal, reverse the direction of text or cannot be seen."""

_REQUEST_ID_HEADERS = ("x-request-id", "x-goog-correlation-id", "x-amzn-requestid", "x-correlation-id")


class Kind(Enum):
    """The kind of a request, which decides whether it is sent again: see `tools.vendor_http.transport`."""

    READ = "read"
    PROBE = "probe"
    WRITE = "write"


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


def shown(value: str) -> str:
    """A vendor's text as it may stand in a result."""
    return printable(value)


IfReadable = WrapValidator(_or_none)
"""For fields that may come in any shape: one that cannot be read is None, so that the others are still shown."""


class NotJson(ValueError):
    """The body is not JSON."""


class TooManyValues(NotJson):
    """The body may be JSON, but has so many values that nothing else would run while it is parsed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a vendor, read completely."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        return 400 <= self.status < 500

    def json(self) -> Any:
        """The body as JSON, without NaN, infinities and halves of surrogate pairs. Raises NotJson."""
        if sum(map(self.body.count, (b",", b"[", b"{"))) > MOST_VALUES:
            raise TooManyValues
        try:
            read = json.loads(self.body, parse_constant=_no_json_number, parse_float=_finite)
            return _encodable(read) if _may_hold_half(self.body) else read
        except (ValueError, RecursionError):
            raise NotJson from None

    @property
    def request_id(self) -> str | None:
        for header in _REQUEST_ID_HEADERS:
            if value := self.headers.get(header):
                return printable(value, limit=100)
        return None

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from a numeric `Retry-After`; no vendor here documents its date form."""
        value = self.headers.get("retry-after", "").strip()
        if not _SECONDS.fullmatch(value):
            return None
        seconds = float(value)
        return seconds if seconds <= LONGEST_WAIT else None

    def vendor_error(self, secrets: Iterable[str] = ()) -> tuple[str | None, str | None]:
        """The vendor's own code and message, each None when the body has none that can be shown.

        Reads every error shape that the contracts know: `{"error": {code, message, status}}`,
        `{"errors": [{message}]}`, `{"message"}`, `{"Message"}`, `{"error": "..."}`, `{"error_description"}`;
        else a short excerpt of plain text. HTML and XML are never quoted.
        """
        try:
            payload = self.json()
        except NotJson:
            return None, self._plain_text(secrets)
        code, message = _words(payload)
        return (
            printable(code, limit=80, secrets=secrets) if code else None,
            printable(message, secrets=secrets) if message else None,
        )

    def _plain_text(self, secrets: Iterable[str]) -> str | None:
        text = " ".join(self.body[:_TEXT].decode("utf-8", errors="replace").split())
        if not text or text.startswith(("<", "{", "[")):
            return None
        return printable(text[:4096], limit=120, secrets=secrets)

    def looks_like(self) -> str:
        """What kind of body this is, for an error message: `an HTML page`, `an empty body`, ..."""
        head = self.body[:512].lstrip().lower()
        if not head:
            return "an empty body"
        if head.startswith((b"<!doctype html", b"<html")):
            return "an HTML page"
        if head.startswith(b"<"):
            return "XML"
        try:
            self.json()
        except NotJson:
            return "text"
        return "JSON of another shape"


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's answer, and what is known about its request, which decides what an unreadable answer means.

    look: for a write, how a person or agent finds out whether it was carried out. secrets: what no text may repeat.
    """

    vendor: str
    kind: Kind
    look: str
    reply: Reply
    secrets: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def is_success(self) -> bool:
        return self.reply.is_success

    def words(self) -> tuple[str | None, str | None]:
        """The vendor's own code and message, without our secrets."""
        return self.reply.vendor_error(self.secrets)

    def clean(self, text: str | None) -> str | None:
        """A text of the answer as it may be shown."""
        return printable(text, secrets=self.secrets) if text else None

    def json(self) -> Any:
        """Raises UnexpectedAnswer, or InDoubt for the answer to a write, when it is not JSON."""
        try:
            return self.reply.json()
        except TooManyValues:
            self.unreadable(f"JSON of more than {MOST_VALUES:,} values")
        except NotJson:
            self.unreadable(f"{self.reply.looks_like()} instead of JSON")

    def parse(self, model: type[M], payload: Any) -> M:
        """The payload as a `model`, which ignores unknown fields. Raises as `json` does, naming the wrong fields."""
        for found in cast("dict[str, Any]", payload).values() if isinstance(payload, dict) else ():
            if isinstance(found, list) and len(cast("list[Any]", found)) > MOST_IN_A_LIST:
                self.unreadable(f"a list of more than {MOST_IN_A_LIST:,} entries")
        try:
            return model.model_validate(payload)
        except ValidationError as error:
            fields = sorted({".".join(str(step) for step in issue["loc"]) for issue in error.errors()} - {""})
        what = f"JSON whose {', '.join(fields[:5])} could not be read" if fields else "JSON of another shape"
        self.unreadable(what)

    def unreadable(self, what: str) -> NoReturn:
        """Raise the error for an answer that cannot be read. what: completes the phrase "answered with ..."."""
        if self.kind is Kind.WRITE:
            raise in_doubt(f"{self.vendor} answered with {what}", self.look, self.reply)
        raise UnexpectedAnswer(
            f"{self.vendor} answered with {what}. Nothing can be said about what it holds.",
            next_step="Do not guess the answer. Call again later; if it stays so, the operator runs "
            "`adops-mcp doctor`.",
            upstream_status=self.reply.status,
            request_id=self.reply.request_id,
        )


def in_doubt(what: str, look: str, reply: Reply | None = None) -> InDoubt:
    """The error for a write that was sent and whose outcome is not known. what: how that came about."""
    return InDoubt(
        f"The request was sent, but {what}: it may or may not have been carried out.",
        next_step=f"Do not send it again yet. {look}".strip(),
        upstream_status=reply.status if reply else None,
        request_id=reply.request_id if reply else None,
    )


def differences(asked: Mapping[str, object], answer: BaseModel) -> str:
    """A sentence with the fields in which the answer differs from what was asked for, or an empty string.

    asked: the values by the answer's field names. A field that one of the two leaves out is no difference.
    """
    differing = [
        f"{name} {printable(str(getattr(answer, name)), limit=80)} instead of {printable(str(value), limit=80)}"
        for name, value in asked.items()
        if value is not None and getattr(answer, name) is not None and getattr(answer, name) != value
    ]
    return f"The answer is not what was asked for: {', '.join(differing)}." if differing else ""


STOP_AT_A_DIFFERENCE = "Do nothing more with it: show the person this difference, and have it looked at at the vendor."
"""The next step when there is a difference."""


def _no_json_number(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(digits)
    return number


def _may_hold_half(body: bytes) -> bool:
    """Whether a string in the body can hold half of a surrogate pair. Looking at every string takes far longer."""
    if _ESCAPED_HALF.search(body) or b"\0" in body:
        return True
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _encodable(node: Any) -> Any:
    """Replace halves of surrogate pairs: JSON's escapes allow them, the encodings of our own output do not."""
    if isinstance(node, str):
        return _HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", node)
    if isinstance(node, list):
        return [_encodable(item) for item in cast("list[Any]", node)]
    if isinstance(node, dict):
        return {_encodable(key): _encodable(value) for key, value in cast("dict[str, Any]", node).items()}
    return node


def is_too_deep(node: Any) -> bool:
    """Whether a part of an answer is nested too deeply to be passed on."""
    level = [node]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (
                cast("dict[str, Any]", outer).values() if isinstance(outer, dict) else cast("list[Any]", outer)
            )
        ]
        if not level:
            return False
    return True


def printable(text: str, *, limit: int = EXCERPT, secrets: Iterable[str] = ()) -> str:
    """A vendor's words on one line of at most `limit` characters: no URLs, markup, invisible characters or secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(character) in _INVISIBLE else character for character in text)
    words = (_TAG.sub(" ", text) if "<" in text else text).split()
    text = " ".join(["[link]" if "://" in word else word for word in words] if "://" in text else words)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _words(payload: Any) -> tuple[str | None, str | None]:
    if isinstance(payload, list):
        payload = next(iter(cast("list[Any]", payload)), None)
    if not isinstance(payload, dict):
        return None, None
    body = cast("dict[str, Any]", payload)
    error = body.get("error")
    if isinstance(error, dict):
        return _structured(cast("dict[str, Any]", error))
    errors = body.get("errors")
    if isinstance(errors, list) and (messages := _messages(cast("list[Any]", errors))):
        return None, "; ".join(messages)
    for key in ("message", "Message", "error_description"):
        if isinstance(body.get(key), str) and body[key]:
            return (error if isinstance(error, str) else None), body[key]
    return None, error if isinstance(error, str) else None


def _structured(error: dict[str, Any]) -> tuple[str | None, str | None]:
    code = error.get("status") if isinstance(error.get("status"), str) else error.get("code")
    field, message = error.get("field"), error.get("message")
    parts = [message] if isinstance(message, str) else []
    if parts and isinstance(field, str) and field:
        parts = [f"{field}: {message}"]
    details = error.get("details")
    if isinstance(details, dict):
        issues = cast("dict[str, Any]", details).get("issues")
        if isinstance(issues, list):
            parts += _messages(cast("list[Any]", issues))
    return (code if isinstance(code, str) else None), "; ".join(parts) or None


def _messages(items: list[Any]) -> list[str]:
    messages: list[str] = []
    for item in items[:5]:
        if isinstance(item, str):
            messages.append(item)
        elif isinstance(item, dict):
            issue = cast("dict[str, Any]", item)
            path, message = issue.get("path"), issue.get("message")
            if isinstance(message, str):
                where = ".".join(str(step) for step in cast("list[Any]", path)) if isinstance(path, list) else path
                messages.append(f"{where}: {message}" if where else message)
    return messages
