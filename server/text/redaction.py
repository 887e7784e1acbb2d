"""What is kept of a write: everything but secrets, letter for letter, since a lost one is looked for by it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from server.text.sanitizing import keyed, without_tokens

_SECRET = re.compile(r"token|secret|passw|credential|authorization|api[_-]?key|private[_-]?key|cookie", re.IGNORECASE)
_NOT_SECRET = ("idempotency_key",)


def redacted(told: Mapping[str, Any], tokens: Collection[str]) -> dict[str, Any]:
    """Without the values of fields that are named like secrets, and without the tokens that were sent."""
    return cast("dict[str, Any]", _redacted(told, tokens))


def _redacted(node: Any, tokens: Collection[str]) -> Any:
    if isinstance(node, str):
        return without_tokens(node, tokens)
    if isinstance(node, list):
        return [_redacted(item, tokens) for item in cast("list[Any]", node)]
    if isinstance(node, dict):
        return keyed(
            (
                without_tokens(name, tokens),
                "***" if _SECRET.search(name) and name not in _NOT_SECRET and value else _redacted(value, tokens),
            )
            for name, value in cast("dict[str, Any]", node).items()
        )
    return node
