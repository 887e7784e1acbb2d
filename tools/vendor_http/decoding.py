"""Reading the body of an answer: bounded as it is unpacked, in steps between which other work goes on."""

from __future__ import annotations

import zlib
from collections.abc import Generator

import anyio.lowlevel
import httpx

LARGEST_REPLY = 16 * 1024 * 1024
"""Bytes of one answer that are read, packed and unpacked; the largest documented one is a projection of tens of
kilobytes."""

STEP = 64 * 1024
"""Bytes that are unpacked before other work goes on."""

ACCEPTED = "gzip"
"""What is asked for. One layer of it is unpacked, and nothing else: two of them make three gigabytes of three
kilobytes."""

_GZIP = 16 + zlib.MAX_WBITS


class Undecodable(Exception):
    """The body cannot be read. The message completes "answered with ..."."""


async def body_of(response: httpx.Response) -> bytes:
    """The body, unpacked. Raises Undecodable, and httpx.TransportError when it does not come to its end."""
    unpacking = _unpacking(response.headers)
    body, raw = bytearray(), 0
    async for part in _raw(response):
        raw += len(part)
        for step in unpacking.steps(part):
            body += step
            if max(len(body), raw) > LARGEST_REPLY:
                raise Undecodable(f"more than {LARGEST_REPLY // (1024 * 1024)} MiB")
            await anyio.lowlevel.checkpoint()
    if raw and not unpacking.is_whole:
        raise Undecodable(_CANNOT)
    return bytes(body)


_CANNOT = "a body that cannot be decoded"


def _raw(response: httpx.Response) -> httpx.AsyncByteStream:
    if not isinstance(response.stream, httpx.AsyncByteStream):
        raise TypeError(response.stream)
    return response.stream


class _AsItCame:
    is_whole = True

    def steps(self, part: bytes) -> Generator[bytes]:
        yield part


class _Gzip:
    def __init__(self) -> None:
        self._reader = zlib.decompressobj(_GZIP)

    @property
    def is_whole(self) -> bool:
        return self._reader.eof and not self._reader.unused_data

    def steps(self, part: bytes) -> Generator[bytes]:
        """At most `STEP` at once. Raises Undecodable."""
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


def _unpacking(headers: httpx.Headers) -> _AsItCame | _Gzip:
    """Raises Undecodable for what was not asked for."""
    codings = [coding.strip().lower() for coding in headers.get("content-encoding", "").split(",")]
    layers = [coding for coding in codings if coding not in ("", "identity")]
    if not layers:
        return _AsItCame()
    if layers in (["gzip"], ["x-gzip"]):
        return _Gzip()
    raise Undecodable(_CANNOT)
