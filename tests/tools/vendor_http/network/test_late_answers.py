"""Over sockets on loopback: answers that come late, because this process stood still or because they are the second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from tests.tools.acme import Departures, transport, write
from tests.tools.sockets import Serve, answer, heard, serving, without_proxies
from tests.tools.vendor_http.test_timing import Ticks
from tools.errors import AdOpsError, InDoubt, NotFound
from tools.vendor_http.network.client import http_client
from tools.vendor_http.timing import Timing
from tools.vendor_http.transport import LISTEN_AFTER_REFUSAL, Kind

CREATED = answer(201, b'{"id": 7}')
REFUSED = answer(404, b'{"error": "no such thing"}')
LONG = answer(201, b" " * 100_000 + b'{"id": 7}')
CHUNKED = b'HTTP/1.1 201 Any\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"id"\r\n4\r\n: 7}\r\n0\r\n\r\n'
TWO_ANSWERS = "Acme sent more than one answer: it may or may not have been carried out"


@pytest.fixture(autouse=True)
def no_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


@asynccontextmanager
async def without_a_deadline(serve: Serve) -> AsyncGenerator[str]:
    """As `serving`, whose own deadline passes when the clock of the event loop jumps. For one connection."""
    ended = asyncio.Event()

    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(serve_and_close, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        await ended.wait()


@pytest.fixture
async def stand_still(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets every timer of the event loop be as late as after a process was stopped for so many seconds."""
    loop, ahead = asyncio.get_running_loop(), 0.0
    time = loop.time
    monkeypatch.setattr(loop, "time", lambda: time() + ahead)

    def jump(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    return jump


@pytest.mark.parametrize("told", [CREATED, LONG, CHUNKED])
@pytest.mark.parametrize("timeout", [30.0, 0.5])
async def test_an_answer_that_came_while_the_process_stood_still_is_read(
    told: bytes, timeout: float, stand_still: Callable[[float], None]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(told)
        stand_still(3600)
        await writer.drain()

    departures, timing = Departures(), Timing(clock=asyncio.get_running_loop().time)
    async with without_a_deadline(serve) as url, http_client() as http:
        assert await write(http, url, departures, timeout=timeout, timing=timing) == {"id": 7}
    assert departures.told == ["requested", "departed", "checked", "answered 201"]


async def test_an_answer_that_comes_after_the_process_woke_is_read_as_well(
    stand_still: Callable[[float], None],
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        stand_still(3600)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        writer.write(CREATED)

    timing = Timing(clock=asyncio.get_running_loop().time)
    async with without_a_deadline(serve) as url, http_client() as http:
        assert await write(http, url, timeout=30.0, timing=timing) == {"id": 7}


async def test_a_vendor_that_never_answers_is_given_up_after_thirty_seconds_in_which_the_process_ran() -> None:
    ticks, asked = Ticks({3: 3600.0}), asyncio.Event()

    async def tick(seconds: float) -> None:
        await asked.wait()
        await ticks(seconds)

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await heard(reader)
        asked.set()
        await reader.read()

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(InDoubt, match="did not answer in time"):
            await write(http, url, timeout=30.0, timing=replace(ticks.timing, tick=tick))
    assert ticks.lengths == [1.0] * 30


class Listens:
    """Time in which a try never ends, and the listening after a refusal when `ends` is set."""

    def __init__(self, *, ends: bool = False) -> None:
        self.began = asyncio.Event()
        self.ends = ends

    async def tick(self, seconds: float) -> None:
        if seconds == LISTEN_AFTER_REFUSAL:
            self.began.set()
            if self.ends:
                return
        await anyio.sleep_forever()

    @property
    def timing(self) -> Timing:
        return Timing(clock=lambda: 0.0, tick=self.tick)

    async def began_or_closed(self, reader: asyncio.StreamReader) -> None:
        waiting = [asyncio.ensure_future(wait) for wait in (self.began.wait(), reader.read())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()


async def told_later(first: bytes, later: bytes, *, ends: bool = False) -> AdOpsError:
    """What a write is told of `first`, with `later` sent once it is listened for more."""
    listens = Listens(ends=ends)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(first)
        await listens.began_or_closed(reader)
        writer.write(later)
        await writer.drain()

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(AdOpsError) as told:
            await write(http, url, timeout=0.5, timing=listens.timing)
    return told.value


UNREADABLE = answer(404, b"no gzip", b"content-encoding: gzip")


@pytest.mark.parametrize("first", [REFUSED, UNREADABLE, REFUSED + REFUSED[:20]])
@pytest.mark.parametrize("later", [CREATED, answer(403), REFUSED * 9_000])
async def test_a_refusal_that_another_answer_follows_later_leaves_a_write_in_doubt(first: bytes, later: bytes) -> None:
    told = await told_later(first, later)
    assert isinstance(told, InDoubt)
    assert TWO_ANSWERS in told.message


@pytest.mark.parametrize("later", [REFUSED, REFUSED * 3, b"\r\n", b""])
async def test_a_refusal_that_only_itself_follows_later_is_one(later: bytes) -> None:
    assert isinstance(await told_later(REFUSED, later), NotFound)
    assert isinstance(await told_later(REFUSED + REFUSED[:20], REFUSED[20:] + later), NotFound)


async def test_a_refusal_counts_when_nothing_follows_and_the_vendor_does_not_close() -> None:
    closed, listens = list[bytes](), Listens(ends=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(REFUSED)
        closed.append(await reader.read())

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(NotFound, match="no such thing"):
            await write(http, url, timeout=0.5, timing=listens.timing)
    assert closed == [b""]
    assert listens.began.is_set()


async def test_only_a_refused_write_is_listened_to_for_more() -> None:
    listens = Listens()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await heard(reader)
        writer.write(CREATED if request.startswith(b"POST") else REFUSED)
        await reader.read()

    async with serving(serve) as url, http_client() as http:
        assert await write(http, url, timeout=0.5, timing=listens.timing) == {"id": 7}
        with pytest.raises(NotFound):
            await transport(http, timing=listens.timing).request(Kind.READ, "GET", url)
    assert not listens.began.is_set()


async def test_a_try_that_ends_while_it_is_listened_for_more_was_refused() -> None:
    closed = list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(REFUSED)
        closed.append(await reader.read())

    listening = asyncio.Event()

    async def tick(seconds: float) -> None:
        if seconds == LISTEN_AFTER_REFUSAL:
            listening.set()
            await anyio.sleep_forever()
        await listening.wait()

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(NotFound, match="no such thing"):
            await write(http, url, timeout=0.5, timing=Timing(clock=lambda: 0.0, tick=tick))
    assert closed == [b""]


HEAD = b"HTTP/1.1 404 Any\r\n"
NO_LENGTH = [
    pytest.param(HEAD + b"\r\nno such thing" + CREATED, id="to its end"),
    pytest.param(b"HTTP/1.0 404 Any\r\n\r\n" + CREATED, id="of HTTP/1.0"),
    pytest.param(HEAD + b"content-type: text/plain\r\n\r\n\r\n" + CREATED.replace(b"/1.1", b"/1.0"), id="a line later"),
    pytest.param(HEAD + b"\r\n" + b" " * 70_000, id="too long to tell"),
    pytest.param(HEAD + b"transfer-encoding: chunked\r\n\r\n" + CREATED, id="in place of a chunk"),
    pytest.param(HEAD + b"content-length: 900\r\n\r\nno" + CREATED, id="cut short"),
]


@pytest.mark.parametrize("told", NO_LENGTH)
async def test_a_refusal_that_does_not_say_where_it_ends_and_may_hold_another_answer_leaves_a_write_in_doubt(
    told: bytes,
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(told)

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(InDoubt, match=TWO_ANSWERS) as raised:
            await write(http, url)
    assert "201" not in raised.value.message


QUOTED = b'{"message": "HTTP/1.1 201 is what you wanted"}'
ONE_ANSWER = [
    pytest.param(HEAD + b'\r\n{"message": "no such thing"}', "no such thing", id="without a length"),
    pytest.param(HEAD + b'content-length: 900\r\n\r\n{"message": ', "an empty body", id="cut short"),
    pytest.param(HEAD + b"content-length: 90000\r\n\r\n" + b" " * 80_000, "an empty body", id="cut short when long"),
    pytest.param(answer(404, b"no", *[b"x: " + b"y" * 900] * 90), "no", id="with a large head"),
    pytest.param(answer(404, QUOTED), "HTTP/1.1 201 is what you wanted", id="that quotes another one"),
]


@pytest.mark.parametrize(("told", "words"), ONE_ANSWER)
async def test_a_refusal_that_holds_no_other_answer_is_one(told: bytes, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(told)

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(NotFound, match=words):
            await write(http, url)
