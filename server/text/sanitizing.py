"""Sanitizing of everything that goes to an agent: our tokens, control characters and invisible characters are removed.

The vendors' clients already put prose on one line. This covers every other string too, such as an id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, cast

SHORTEST_TOKEN = 8
"""In characters. Anything shorter is not a secret, and occurs in many texts by chance."""

LONGEST_STRING = 200_000
"""In characters of one string. A whole setup projection has a quarter of that."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\u115f\u1160\u3164\uffa0\ufff0-\ufff8\ue000-\uf8ff\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\U000f0000-\U0010ffff]"
)
_ESCAPED = re.compile(r"\\(?:u00[01][0-9a-f]|[bfr])")


def sanitized_json(answer: dict[str, Any], tokens: Iterable[str]) -> tuple[dict[str, Any], str]:
    """The sanitized answer and its JSON text. Most answers need no change and are only checked."""
    secrets = [token for token in tokens if len(token) >= SHORTEST_TOKEN]
    text = _json(answer)
    unclean = _INVISIBLE.search(text) or _ESCAPED.search(text) or len(text) > LONGEST_STRING
    if not unclean and not any(json.dumps(secret, ensure_ascii=False)[1:-1] in text for secret in secrets):
        return answer, text
    clean = cast("dict[str, Any]", _sanitized(answer, secrets))
    return clean, _json(clean)


def without_tokens(text: str, tokens: Iterable[str]) -> str:
    """The text with `***` in place of the tokens."""
    for token in tokens:
        if len(token) >= SHORTEST_TOKEN:
            text = text.replace(token, "***")
    return text


def sanitized(text: str, tokens: Iterable[str]) -> str:
    """The text without the tokens and without characters that control a terminal or are invisible."""
    return cast("str", _sanitized(text, [token for token in tokens if len(token) >= SHORTEST_TOKEN]))


def _sanitized(node: Any, secrets: list[str]) -> Any:
    if isinstance(node, str):
        text = _INVISIBLE.sub(" ", without_tokens(node, secrets))
        return text if len(text) <= LONGEST_STRING else f"{text[:LONGEST_STRING]}…"
    if isinstance(node, list):
        return [_sanitized(item, secrets) for item in cast("list[Any]", node)]
    if isinstance(node, dict):
        items = cast("dict[str, Any]", node).items()
        return with_unique_keys((_sanitized(key, secrets), _sanitized(value, secrets)) for key, value in items)
    return node


def with_unique_keys(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A dict of the items. If sanitizing made two keys the same, one gets an apostrophe, so that no item is lost."""
    made: dict[str, Any] = {}
    for key, value in items:
        name = key
        while name in made:
            name += "'"
        made[name] = value
    return made


def _json(answer: dict[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
