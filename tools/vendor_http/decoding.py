"""Reading the body of an answer: limited while it is decompressed, in steps between which other tasks run."""

from __future__ import annotations

import zlib
from collections.abc import Generator

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
    decoder = _decoder_for(response.headers)
    body, raw = bytearray(), 0
    async for part in _raw(response):
        raw += len(part)
        for step in decoder.steps(part):
            body += step
            if max(len(body), raw) > LARGEST_REPLY:
                raise Undecodable(f"more than {LARGEST_REPLY // (1024 * 1024)} MiB")
            await anyio.lowlevel.checkpoint()
    if raw and not decoder.is_complete:
        raise Undecodable(_CANNOT)
    return bytes(body)


_CANNOT = "a body that cannot be decoded"


def _raw(response: httpx.Response) -> httpx.AsyncByteStream:
    if not isinstance(response.stream, httpx.AsyncByteStream):
        raise TypeError(response.stream)
    return response.stream


class _Identity:
    is_complete = True

    def steps(self, part: bytes) -> Generator[bytes]:
        yield part


class _Gzip:
    def __init__(self) -> None:
        self._reader = zlib.decompressobj(_GZIP)

    @property
    def is_complete(self) -> bool:
        return self._reader.eof and not self._reader.unused_data

    def steps(self, part: bytes) -> Generator[bytes]:
        """The decompressed parts, of at most `STEP` bytes each. Raises Undecodable."""
        try:
            while True:
                step = self._reader.decompress(part, STEP)
                yield step
                part = self._reader.unconsumed_tail
                if self._reader.unused_data:
                    raise Undecodable(_CANNOT)
                if not part and len(step) < STEP:
                    return
        except zlib.error:
            raise Undecodable(_CANNOT) from None


def _decoder_for(headers: httpx.Headers) -> _Identity | _Gzip:
    """Raises Undecodable for an encoding that was not asked for."""
    codings = [coding.strip().lower() for coding in headers.get("content-encoding", "").split(",")]
    layers = [coding for coding in codings if coding not in ("", "identity")]
    if not layers:
        return _Identity()
    if layers in (["gzip"], ["x-gzip"]):
        return _Gzip()
    raise Undecodable(_CANNOT)
