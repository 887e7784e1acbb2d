"""How FreeWheel's v4 answers are wrapped: lists in several envelopes, single objects bare or under their name."""

from __future__ import annotations

from typing import Any, cast

from tools.vendor_http.replies import Answer

HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
"""FreeWheel asks for both on every request."""


MOST_ENTRIES = 20_000
"""Entries of one list that are read: pages hold 50, and a list that does not page is still no reason to stand still."""


def answered(answer: Answer) -> Any:
    """The JSON of an answer that holds no error: one beside the object leaves it open what was done."""
    payload: Any = answer.json()
    body = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    if body.get("errors") or isinstance(body.get("error"), dict):
        code, words = answer.words()
        answer.unreadable(f'an error in a success: {code or "no code"}, "{words or "no words"}"')
    return cast("Any", payload)


def listed(answer: Answer, key: str) -> dict[str, Any]:
    """A list answer with its items under `items`, from any of the envelopes seen in v4.

    One with neither the resource's own key nor `items` is refused: an empty list would be a lie.
    """
    payload = answered(answer)
    if isinstance(payload, dict):
        envelope = cast("dict[str, Any]", payload)
        for name in (key, "items"):
            if isinstance(envelope.get(name), list):
                if len(envelope[name]) > MOST_ENTRIES:
                    answer.unreadable(f"a page of {len(envelope[name]):,} entries")
                return {
                    "items": envelope[name],
                    "total": _first(envelope, "total", "total_count"),
                    "total_pages": _first(envelope, "total_pages", "total_page"),
                    "page": envelope.get("page"),
                    "per_page": envelope.get("per_page"),
                }
    answer.unreadable(f"JSON that has neither `{key}` nor `items`")


def _first(envelope: dict[str, Any], *names: str) -> Any:
    return next((envelope[name] for name in names if envelope.get(name) is not None), None)


def unwrapped(answer: Answer, key: str) -> Any:
    """The object itself, whether it came bare or wrapped in its resource name."""
    payload = answered(answer)
    if isinstance(payload, dict):
        inner = cast("dict[str, Any]", payload).get(key)
        if isinstance(inner, dict):
            return cast("dict[str, Any]", inner)
    return cast("Any", payload)
