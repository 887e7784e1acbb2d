"""How FreeWheel's v4 answers are wrapped: lists in several envelopes, single objects bare or under their name."""

from __future__ import annotations

from typing import Any, cast

from tools.replies import Answer

HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
"""FreeWheel asks for both on every request."""


def listed(answer: Answer, key: str) -> dict[str, Any]:
    """A list answer with its items under `items`, from any of the envelopes seen in v4.

    One with neither the resource's own key nor `items` is refused: an empty list would be a lie.
    """
    payload = answer.json()
    if isinstance(payload, dict):
        envelope = cast("dict[str, Any]", payload)
        for name in (key, "items"):
            if isinstance(envelope.get(name), list):
                return {
                    "items": envelope[name],
                    "total": _first(envelope, "total", "total_count"),
                    "total_pages": _first(envelope, "total_pages", "total_page"),
                }
    answer.unreadable(f"JSON that has neither `{key}` nor `items`")


def _first(envelope: dict[str, Any], *names: str) -> Any:
    return next((envelope[name] for name in names if envelope.get(name) is not None), None)


def unwrapped(answer: Answer, key: str) -> Any:
    """The object itself, whether it came bare or wrapped in its resource name."""
    payload = answer.json()
    if isinstance(payload, dict):
        inner = cast("dict[str, Any]", payload).get(key)
        if isinstance(inner, dict):
            return cast("dict[str, Any]", inner)
    return cast("Any", payload)
