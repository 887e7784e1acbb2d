"""How far the body of an answer is read and unpacked, and that other work goes on meanwhile."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncGenerator

import anyio
import httpx
import pytest

from tests.tools.acme import write
from tests.tools.sockets import listening, without_proxies
from tools.errors import InDoubt
from tools.vendor_http import decoding
from tools.vendor_http.decoding import LARGEST_REPLY, STEP, Undecodable, body_of
from tools.vendor_http.network.client import http_client

JSON = b'{"id": 7}'


def packed(body: bytes, coding: str = "gzip", *, piece: int = 1 << 20) -> httpx.Response:
    """An answer that comes in pieces."""

    async def pieces() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), piece):
            yield body[start : start + piece]

    return httpx.Response(200, headers={"content-encoding": coding}, content=pieces())


async def refused(response: httpx.Response) -> str:
    with pytest.raises(Undecodable) as told:
        await body_of(response)
    return str(told.value)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", " gzip ", "identity, gzip"])
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
async def test_one_layer_of_gzip_is_unpacked(coding: str, piece: int) -> None:
    text = JSON * 20_000
    assert await body_of(packed(gzip.compress(text), coding, piece=piece)) == text


@pytest.mark.parametrize("coding", ["", "identity", "identity, identity"])
async def test_what_is_not_packed_is_read_as_it_came(coding: str) -> None:
    assert await body_of(packed(JSON, coding)) == JSON


@pytest.mark.parametrize(
    "coding", ["gzip, gzip", "gzip,gzip,gzip", "deflate", "br", "zstd", "compress", "gzip, br", "br, gzip", "aes128gcm"]
)
async def test_other_codings_and_more_than_one_are_not_unpacked(coding: str) -> None:
    assert await refused(packed(gzip.compress(JSON), coding)) == "a body that cannot be decoded"


WHOLE = gzip.compress(JSON, mtime=0)


@pytest.mark.parametrize(
    "body", [WHOLE[:-1], WHOLE[:-9], WHOLE[:5], WHOLE + b"x", WHOLE + WHOLE, b"not gzip", zlib.compress(JSON)]
)
@pytest.mark.parametrize("piece", [1, 1 << 20])
async def test_gzip_that_is_cut_or_followed_by_more_is_not_taken_for_the_whole(body: bytes, piece: int) -> None:
    assert await refused(packed(body, piece=piece)) == "a body that cannot be decoded"


async def test_nothing_needs_no_unpacking() -> None:
    assert await body_of(packed(b"")) == b""


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_an_answer_may_be_as_large_as_the_largest_and_not_one_byte_larger(coding: str) -> None:
    def coded(size: int) -> bytes:
        return gzip.compress(bytes(size), 1) if coding == "gzip" else bytes(size)

    assert len(await body_of(packed(coded(LARGEST_REPLY), coding))) == LARGEST_REPLY
    assert await refused(packed(coded(LARGEST_REPLY + 1), coding)) == "more than 16 MiB"


async def test_what_is_packed_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LARGEST_REPLY", 1000)
    stored = gzip.compress(bytes(990), 0)
    assert len(stored) > 1000
    assert await refused(packed(stored)) == "more than 0 MiB"


async def test_other_work_goes_on_while_a_bomb_is_unpacked_and_little_of_it_is() -> None:
    bomb, turns = gzip.compress(bytes(40 * LARGEST_REPLY)), 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(other_work)
        assert await refused(packed(bomb)) == "more than 16 MiB"
        group.cancel_scope.cancel()
    assert turns >= LARGEST_REPLY // STEP


async def test_other_work_goes_on_while_tiny_pieces_come() -> None:
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(other_work)
        assert len(await body_of(packed(bytes(5000), "", piece=1))) == 5000
        group.cancel_scope.cancel()
    assert turns >= 5000


@pytest.mark.parametrize("layers", [1, 2, 3])
async def test_over_a_socket_a_bomb_that_answers_a_write_leaves_it_in_doubt(
    layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_proxies(monkeypatch)
    bomb = bytes(LARGEST_REPLY + 1)
    for _ in range(layers):
        bomb = gzip.compress(bomb)
    coding = ", ".join(["gzip"] * layers)
    head = f"HTTP/1.1 201 Any\r\ncontent-encoding: {coding}\r\ncontent-length: {len(bomb)}\r\n\r\n"
    async with listening(head.encode() + bomb) as server, http_client() as http:
        with pytest.raises(InDoubt, match="more than 16 MiB" if layers == 1 else "a body that cannot be decoded"):
            await write(http, server.url)
    assert b"\r\nAccept-Encoding: gzip\r\n" in server.heard[0]
