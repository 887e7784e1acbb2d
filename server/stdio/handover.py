"""What the early answers hand over to the live server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Handover:
    """Where the live server goes on. reads, writes: the client's ends, apart from stdin and stdout. held: what it has
    to read first. muted: the id of the request in it whose answer was given already. unsent: the rest of an answer that
    the client has not taken yet."""

    reads: int
    writes: int
    held: bytes = b""
    muted: int | str | None = None
    unsent: bytes = b""
