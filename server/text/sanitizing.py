"""The last look at what goes to an agent: no token of ours, nothing that controls a terminal or cannot be seen.

The clients show vendors' prose on one line already; this holds for every other string, such as an id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, cast

SHORTEST_TOKEN = 8
"""Characters: anything shorter is no secret, and stands in half of all texts."""

LONGEST_STRING = 200_000
"""Characters of one string; a setup projection as a whole is a quarter of that."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\u115f\u1160\u3164\uffa0\ufff0-\ufff8\ue000-\uf8ff\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\U000f0000-\U0010ffff]"
)
_ESCAPED = re.compile(r"\\(?:u00[01][0-9a-f]|[bfr])")


def encoded(answer: dict[str, Any], tokens: Iterable[str]) -> tuple[dict[str, Any], str]:
    """The answer and its text, cleaned where it has to be: most need nothing but this look."""
    secrets = [token for token in tokens if len(token) >= SHORTEST_TOKEN]
    text = _json(answer)
    unclean = _UNSEEN.search(text) or _ESCAPED.search(text) or len(text) > LONGEST_STRING
    if not unclean and not any(json.dumps(secret, ensure_ascii=False)[1:-1] in text for secret in secrets):
        return answer, text
    clean = cast("dict[str, Any]", _cleaned(answer, secrets))
    return clean, _json(clean)


def without_tokens(text: str, tokens: Iterable[str]) -> str:
    for token in tokens:
        if len(token) >= SHORTEST_TOKEN:
            text = text.replace(token, "***")
    return text


def cleaned(text: str, tokens: Iterable[str]) -> str:
    return cast("str", _cleaned(text, [token for token in tokens if len(token) >= SHORTEST_TOKEN]))


def _cleaned(node: Any, secrets: list[str]) -> Any:
    if isinstance(node, str):
        seen = _UNSEEN.sub(" ", without_tokens(node, secrets))
        return seen if len(seen) <= LONGEST_STRING else f"{seen[:LONGEST_STRING]}…"
    if isinstance(node, list):
        return [_cleaned(item, secrets) for item in cast("list[Any]", node)]
    if isinstance(node, dict):
        items = cast("dict[str, Any]", node).items()
        return keyed((_cleaned(key, secrets), _cleaned(value, secrets)) for key, value in items)
    return node


def keyed(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """An object of these; names that became the same are told apart, so that nothing is lost."""
    made: dict[str, Any] = {}
    for key, value in items:
        name = key
        while name in made:
            name += "'"
        made[name] = value
    return made


def _json(answer: dict[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
