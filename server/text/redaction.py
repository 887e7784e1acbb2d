"""Redaction of what the ledger stores about a write: secrets are removed, and nothing else is changed.

A lost write is looked for by its exact content, so the rest has to stay as it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from server.text.sanitizing import with_unique_keys, without_tokens

_SECRET = re.compile(r"token|secret|passw|credential|authorization|api[_-]?key|private[_-]?key|cookie", re.IGNORECASE)
_NOT_SECRET = ("idempotency_key",)


def redacted(content: Mapping[str, Any], tokens: Collection[str]) -> dict[str, Any]:
    """The content without the values of fields that are named like secrets, and without the tokens that were sent."""
    return cast("dict[str, Any]", _redacted(content, tokens))


def _redacted(node: Any, tokens: Collection[str]) -> Any:
    if isinstance(node, str):
        return without_tokens(node, tokens)
    if isinstance(node, list):
        return [_redacted(item, tokens) for item in cast("list[Any]", node)]
    if isinstance(node, dict):
        return with_unique_keys(
            (
                without_tokens(name, tokens),
                "***" if _SECRET.search(name) and name not in _NOT_SECRET and value else _redacted(value, tokens),
            )
            for name, value in cast("dict[str, Any]", node).items()
        )
    return node
