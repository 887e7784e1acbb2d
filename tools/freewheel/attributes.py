"""Reading FreeWheel's standard attributes, whose ids targeting is made of, in either of two shapes.

Source: "Standard Attributes API V4" names the kinds and their parents. Public clients read `{kind: [entry]}` and
`{"standard_attributes": {kind: {singular: [entry]}}}`, where an entry is `{id, name}` or `{id, <something>_name}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import ValidationError

from tools.freewheel.models import StandardAttribute
from tools.freewheel.wire import json_payload
from tools.vendor_http.replies import Answer

StandardAttributes = Mapping[str, list[StandardAttribute]]
"""The readable entries of each kind, by FreeWheel's name of the kind: `genres`, `device_types` and so on."""


def read_attributes(answer: Answer) -> StandardAttributes:
    """Read the answer. Raises UnexpectedAnswer when it has no kind: an empty result would be wrong."""
    payload = json_payload(answer)
    kinds = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    inner = kinds.get("standard_attributes")
    if isinstance(inner, dict):
        kinds = cast("dict[str, Any]", inner)
    read = {kind: list(_entries(found)) for kind, value in kinds.items() if (found := _list_in(value)) is not None}
    if not any(read.values()):
        answer.unreadable("JSON that has no list of standard attributes")
    return read


def _list_in(value: Any) -> list[Any] | None:
    if isinstance(value, list):
        return cast("list[Any]", value)
    if isinstance(value, dict):
        inner = list(cast("dict[str, Any]", value).values())
        return _list_in(inner[0]) if len(inner) == 1 else None
    return None


def _entries(found: list[Any]) -> Iterator[StandardAttribute]:
    for entry in found:
        if not isinstance(entry, dict):
            continue
        body = cast("dict[str, Any]", entry)
        name = body.get("name") or next((value for key, value in body.items() if key.endswith("_name")), None)
        try:
            yield StandardAttribute.model_validate({"id": body.get("id"), "name": name})
        except ValidationError:
            continue
