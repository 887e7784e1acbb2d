"""The sources that could not be read, in the results of tools that read several."""

from __future__ import annotations

from collections.abc import Mapping

from tools.errors import AdOpsError
from tools.schema import Result


class UnreadSource(Result):
    source_id: str
    reason: str


def unread_sources(unread: Mapping[str, AdOpsError]) -> list[UnreadSource] | None:
    return [UnreadSource(source_id=source_id, reason=error.message) for source_id, error in unread.items()] or None
