"""The shapes of FreeWheel's v4 answers: lists come in several envelopes, single objects bare or under their name."""

from __future__ import annotations

from typing import Any, cast

from tools.vendor_http.replies import Answer

HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
"""FreeWheel requires both on every request."""


MAX_ENTRIES = 20_000
"""The longest list that is read. Pages hold 50 entries; reading a list without pages must not take long."""


def json_payload(answer: Answer) -> Any:
    """The JSON of an answer. An error in a success is not accepted: it would leave open what was done."""
    payload: Any = answer.json()
    body = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    if body.get("errors") or isinstance(body.get("error"), dict):
        code, words = answer.words()
        answer.unreadable(f'an error in a success: {code or "no code"}, "{words or "no words"}"')
    return cast("Any", payload)


def list_payload(answer: Answer, key: str) -> dict[str, Any]:
    """A list answer with its entries under `items`, from any envelope seen in v4.

    An answer with neither the resource's name nor `items` is not accepted: an empty list would be wrong.
    """
    payload = json_payload(answer)
    if isinstance(payload, dict):
        envelope = cast("dict[str, Any]", payload)
        for name in (key, "items"):
            if isinstance(envelope.get(name), list):
                if len(envelope[name]) > MAX_ENTRIES:
                    answer.unreadable(f"a page of {len(envelope[name]):,} entries")
                return {
                    "items": envelope[name],
                    "total": _first_value(envelope, "total", "total_count"),
                    "total_pages": _first_value(envelope, "total_pages", "total_page"),
                    "page": envelope.get("page"),
                    "per_page": envelope.get("per_page"),
                }
    answer.unreadable(f"JSON that has neither `{key}` nor `items`")


def _first_value(envelope: dict[str, Any], *names: str) -> Any:
    return next((envelope[name] for name in names if envelope.get(name) is not None), None)


def object_payload(answer: Answer, key: str) -> Any:
    """The object, whether it came bare or under its resource's name."""
    payload = json_payload(answer)
    if isinstance(payload, dict):
        inner = cast("dict[str, Any]", payload).get(key)
        if isinstance(inner, dict):
            return cast("dict[str, Any]", inner)
    return cast("Any", payload)
