"""Reading the body of an answer: limited while it is decompressed, in steps between which other tasks run."""

from __future__ import annotations

import zlib
from collections.abc import Generator
from typing import Any

import anyio.lowlevel
import httpx

LARGEST_REPLY = 16 * 1024 * 1024
"""Bytes of one answer that are read, compressed and decompressed. The largest documented answer is a projection of tens
of kilobytes."""

STEP = 64 * 1024
"""Bytes that are decompressed before other tasks run."""

ACCEPTED = "gzip"
"""The only encoding that is asked for and decoded, in one layer: two layers can turn three kilobytes into three
gigabytes."""

_GZIP = 16 + zlib.MAX_WBITS


class Undecodable(Exception):
    """The body cannot be read. The message completes "answered with ..."."""


async def body_of(response: httpx.Response) -> bytes:
    """The decompressed body. Raises Undecodable, and httpx.TransportError when it ends too early."""
    gzip = zlib.decompressobj(_GZIP) if _is_gzip(response.headers) else None
    body, raw = bytearray(), 0
    async for part in _raw(response):
        raw += len(part)
        for step in _decompressed(gzip, part) if gzip else (part,):
            body += step
            if max(len(body), raw) > LARGEST_REPLY:
                raise Undecodable(f"more than {LARGEST_REPLY // (1024 * 1024)} MiB")
            await anyio.lowlevel.checkpoint()
    if raw and gzip and not gzip.eof:
        raise Undecodable(_CANNOT)
    return bytes(body)


_CANNOT = "a body that cannot be decoded"


def _raw(response: httpx.Response) -> httpx.AsyncByteStream:
    if not isinstance(response.stream, httpx.AsyncByteStream):
        raise TypeError(response.stream)
    return response.stream


def _decompressed(gzip: Any, part: bytes) -> Generator[bytes]:
    """The decompressed data, in steps of at most `STEP` bytes. Raises Undecodable."""
    try:
        while True:
            step = gzip.decompress(part, STEP)
            yield step
            part = gzip.unconsumed_tail
            if gzip.unused_data:
                raise Undecodable(_CANNOT)
            if not part and len(step) < STEP:
                return
    except zlib.error:
        raise Undecodable(_CANNOT) from None


def _is_gzip(headers: httpx.Headers) -> bool:
    """Whether a body is compressed. Raises Undecodable for an encoding that was not asked for."""
    codings = [coding.strip().lower() for coding in headers.get("content-encoding", "").split(",")]
    layers = [coding for coding in codings if coding not in ("", "identity")]
    if layers not in ([], ["gzip"], ["x-gzip"]):
        raise Undecodable(_CANNOT)
    return bool(layers)
