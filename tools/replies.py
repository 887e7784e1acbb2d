"""Reading a vendor's answer: its JSON, its error words, its request id. Nothing here raises on odd input."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import httpx

EXCERPT = 300
"""How much of a vendor's own words an agent is shown, in characters."""

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_HALF_PAIR = re.compile(r"[\ud800-\udfff]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069]+")
_REQUEST_ID_HEADERS = ("x-request-id", "x-goog-correlation-id", "x-amzn-requestid", "x-correlation-id")


class NotJson(ValueError):
    """The body is not JSON."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a vendor, read to its end."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON, without NaN, infinities and halves of surrogate pairs. Raises NotJson."""
        try:
            return _encodable(json.loads(self.body, parse_constant=_no_json_number))
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
        try:
            seconds = float(self.headers.get("retry-after", ""))
        except ValueError:
            return None
        return seconds if 0 <= seconds < float("inf") else None

    def vendor_error(self, secrets: Iterable[str] = ()) -> tuple[str | None, str | None]:
        """The vendor's own (code, message), each None when the body has none that can be shown.

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
        text = self.body[:4096].decode("utf-8", errors="replace").strip()
        if not text or text.startswith(("<", "{", "[")):
            return None
        return printable(text, limit=120, secrets=secrets)

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
            return "a body that is not JSON"
        return "JSON of another shape"


def _no_json_number(name: str) -> NoReturn:
    raise ValueError(name)


def _encodable(node: Any) -> Any:
    """Half a surrogate pair is legal in JSON's escapes and in no encoding that the answer has to pass later."""
    if isinstance(node, str):
        return _HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", node)
    if isinstance(node, list):
        return [_encodable(item) for item in cast("list[Any]", node)]
    if isinstance(node, dict):
        return {_encodable(key): _encodable(value) for key, value in cast("dict[str, Any]", node).items()}
    return node


def printable(text: str, *, limit: int = EXCERPT, secrets: Iterable[str] = ()) -> str:
    """A vendor's words on one line, without URLs, control characters and our secrets, cut to `limit`."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _URL.sub("[link]", _UNPRINTABLE.sub(" ", text))
    text = " ".join(text.split())
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
    if isinstance(errors, list):
        return None, "; ".join(_messages(cast("list[Any]", errors))) or None
    for key in ("message", "Message", "error_description"):
        if isinstance(body.get(key), str) and body[key]:
            return (error if isinstance(error, str) else None), body[key]
    return None, error if isinstance(error, str) else None


def _structured(error: dict[str, Any]) -> tuple[str | None, str | None]:
    code = error.get("status") if isinstance(error.get("status"), str) else error.get("code")
    message = error.get("message")
    parts = [message] if isinstance(message, str) else []
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
