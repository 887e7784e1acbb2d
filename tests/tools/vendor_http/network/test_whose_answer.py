"""Over sockets on loopback: whose answer it is that comes back, and what more than one of them means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from pydantic import SecretStr

from tests.support import FakeTime
from tests.tools.acme import Departures, transport, write
from tests.tools.sockets import answer, heard, serving, without_proxies
from tools.errors import AdOpsError, InDoubt, NotFound, Refused
from tools.freewheel.auth import MintedToken, PasswordGrant
from tools.vendor_http.network.client import http_client
from tools.vendor_http.network.single_use import READ_AT_ONCE
from tools.vendor_http.transport import Kind


@pytest.fixture(autouse=True)
def no_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


@pytest.fixture(autouse=True)
def it_is_not_listened_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.vendor_http.transport.LISTEN_AFTER_REFUSAL", 0.05)


class Gateway:
    """A server that keeps its connections open, and gives the answers of `script` to what it hears, in turn. An answer
    is the bytes, or several of them, of which each is a segment of its own."""

    def __init__(self, *script: bytes | list[bytes]) -> None:
        self.script = list(script)
        self.heard: list[bytes] = []
        self.connections = 0
        self.after = 0.0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            self.heard.append(await heard(reader))
            told = self.script.pop(0)
            for segment in [told] if isinstance(told, bytes) else told:
                writer.write(segment)
                await writer.drain()

    @property
    def lines(self) -> list[str]:
        return [request.partition(b" HTTP")[0].decode() for request in self.heard]


CREATED = answer(201, b'{"id": 7}')
REFUSED = answer(404, b'{"error": "no such thing"}')
REFUSED_OTHERWISE = answer(403, b'{"error": "no such user"}')
READ_AS_ONE = answer(201, b'{"id": 7}'.rjust(READ_AT_ONCE - len(answer(201, b" " * 1000)) + 1000))
"""An answer that is read at once, and nothing after it."""
SEVERAL = [
    REFUSED + CREATED,
    CREATED + REFUSED,
    REFUSED + REFUSED_OTHERWISE,
    REFUSED + REFUSED[:20],
    REFUSED + REFUSED + CREATED,
    READ_AS_ONE + REFUSED,
    [REFUSED, CREATED],
    [REFUSED, REFUSED + CREATED],
]
TWICE = [REFUSED + REFUSED, [REFUSED, REFUSED], REFUSED * 3, REFUSED + b"\r\n" + REFUSED]


@pytest.mark.parametrize("several", SEVERAL)
async def test_a_write_with_more_than_one_answer_is_in_doubt_and_the_next_has_its_own(
    several: bytes | list[bytes],
) -> None:
    gateway, departures = Gateway(several, CREATED), Departures()
    async with serving(gateway) as url, http_client() as http:
        with pytest.raises(InDoubt, match="Acme sent more than one answer: it may or may not have been carried out"):
            await write(http, url, departures)
        assert await write(http, url) == {"id": 7}
    assert departures.told == ["requested", "departed", "checked"]
    assert (gateway.lines, gateway.connections) == (["POST /", "POST /"], 2)


@pytest.mark.parametrize("twice", TWICE)
async def test_a_refusal_that_comes_twice_is_one_and_not_the_answer_to_the_next_write(
    twice: bytes | list[bytes],
) -> None:
    gateway = Gateway(twice, CREATED)
    async with serving(gateway) as url, http_client() as http:
        with pytest.raises(NotFound):
            await write(http, url)
        assert await write(http, url) == {"id": 7}
    assert (gateway.lines, gateway.connections) == (["POST /", "POST /"], 2)


async def test_an_answer_that_fills_a_read_is_one_when_nothing_follows() -> None:
    assert len(READ_AS_ONE) == READ_AT_ONCE
    async with serving(Gateway(READ_AS_ONE)) as url, http_client() as http:
        assert await write(http, url) == {"id": 7}


async def test_the_same_answer_twice_is_told_from_another_up_to_a_length() -> None:
    long = answer(200, b" " * 99_000 + b'{"id": 7}')
    gateway = Gateway(long, long + long)
    async with serving(gateway) as url, http_client() as http:
        assert await write(http, url) == {"id": 7}
        with pytest.raises(InDoubt):
            await write(http, url)


async def test_a_refusal_of_a_token_with_more_after_it_does_not_send_the_write_again() -> None:
    class Renewed:
        setting = "ACME_KEY"

        async def token(self) -> str:
            return "one"

        async def renew(self, refused: str) -> str | None:
            raise AssertionError(refused)

    gateway = Gateway(answer(401) + CREATED)
    async with serving(gateway) as url, http_client() as http:
        with pytest.raises(InDoubt):
            await write(http, url, auth=Renewed())
    assert gateway.lines == ["POST /"]


async def test_a_write_with_a_renewed_token_has_a_connection_of_its_own() -> None:
    class Renewed:
        setting = "ACME_KEY"

        async def token(self) -> str:
            return "one"

        async def renew(self, refused: str) -> str | None:
            return f"{refused}-renewed"

    gateway, departures = Gateway(answer(401), CREATED), Departures()
    async with serving(gateway) as url, http_client() as http:
        assert await write(http, url, departures, auth=Renewed()) == {"id": 7}
    assert gateway.connections == 2
    assert departures.told == [
        *["requested", "departed", "checked", "answered 401"],
        *["requested", "departed", "checked", "answered 201"],
    ]


async def test_a_refusal_of_a_read_that_comes_twice_is_not_the_answer_to_a_write() -> None:
    gateway = Gateway(REFUSED + REFUSED_OTHERWISE, CREATED, REFUSED + REFUSED, CREATED)
    async with serving(gateway) as url, http_client() as http:
        acme = transport(http)
        # read again, as there is no telling which of the two it is
        assert (await acme.request(Kind.READ, "GET", url)).json() == {"id": 7}
        with pytest.raises(NotFound):
            await acme.request(Kind.READ, "GET", url)
        assert await write(http, url) == {"id": 7}
    assert gateway.lines == ["GET /", "GET /", "GET /", "POST /"]


async def test_a_read_that_is_answered_late_is_not_the_answer_to_the_next_one() -> None:
    late = asyncio.Event()
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await heard(reader))
        if len(got) == 1:
            writer.write(REFUSED)
            await writer.drain()
            await late.wait()
            writer.write(REFUSED)
        else:
            late.set()
            writer.write(CREATED)

    async with serving(serve) as url, http_client() as http:
        acme = transport(http)
        with pytest.raises(NotFound):
            await acme.request(Kind.READ, "GET", url)
        assert (await acme.request(Kind.READ, "GET", url)).json() == {"id": 7}


async def test_a_token_is_not_minted_from_what_was_left_over() -> None:
    minted = answer(200, b'{"access_token": "t-1", "expires_in": 1}')
    gateway = Gateway(minted, answer(200, b'{"access_token": "t-2", "expires_in": 604800}'))
    gateway.script[0] = minted + answer(200, b'{"access_token": "left over", "expires_in": 604800}')
    async with serving(gateway) as url, http_client() as http:
        grant = PasswordGrant("kim", SecretStr("s3cret"))
        auth = MintedToken(grant, transport(http), url=url, timing=FakeTime().timing)
        assert await auth.token() == "t-2"


HEADS: list[tuple[bytes, ...]] = [(b"connection: keep-alive", b"keep-alive: timeout=60"), (b"connection: close",), ()]


@pytest.mark.parametrize("head", HEADS)
async def test_each_request_has_a_connection_of_its_own_that_is_closed_after_it(head: tuple[bytes, ...]) -> None:
    closed: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"\r\nconnection: close\r\n" in (await heard(reader)).lower()
        writer.write(answer(200, b"{}", *head))
        closed.append(await reader.read())

    async with serving(serve) as url, http_client() as http:
        acme = transport(http)
        for kind in (Kind.READ, Kind.READ, Kind.PROBE, Kind.WRITE):
            await acme.request(kind, "POST", url, json={"n": 1})
    assert closed == [b""] * 4


@pytest.mark.parametrize("end", [b"\r\n", b"\n\r\n", b""])
async def test_a_line_that_ends_after_an_answer_is_no_other_answer(end: bytes) -> None:
    gateway = Gateway(REFUSED + end)
    async with serving(gateway) as url, http_client() as http:
        with pytest.raises(NotFound):
            await write(http, url)


CHUNKED = b'HTTP/1.1 201 Any\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"id"\r\n4\r\n: 7}\r\n0\r\nx-more: 1\r\n\r\n'
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n"


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (CHUNKED, None),
        (INTERIM + CREATED, None),
        (b"HTTP/1.1 204 Any\r\n\r\n" + CREATED, InDoubt),
        (CHUNKED + REFUSED, InDoubt),
        (INTERIM + REFUSED, NotFound),
        (answer(422, b'{"message": "no"}') + b"\0", InDoubt),
        (b"HTTP/1.1 101 Any\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", InDoubt),
        (answer(302, b"", b"location: /elsewhere"), InDoubt),
        (answer(413, b'{"message": "too large"}'), Refused),
    ],
)
async def test_interim_answers_and_trailers_belong_to_the_answer_and_nothing_else_does(
    told: bytes, error: type[AdOpsError] | None
) -> None:
    gateway = Gateway(told)
    async with serving(gateway) as url, http_client() as http:
        if error is None:
            assert await write(http, url) == {"id": 7}
        else:
            with pytest.raises(error):
                await write(http, url)
    assert gateway.lines == ["POST /"]


Endless = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [
        pytest.param(b"", INTERIM * 100, id="interim answers"),
        pytest.param(b"HTTP/1.1 404 Any\r\n", b"x-more: 1\r\n" * 100, id="headers"),
        pytest.param(b"HTTP/1.1 404 Any\r\nx: ", b"x" * 999, id="one header"),
        pytest.param(b"HTTP/1.1 201 Any\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x: 1\r\n" * 99, id="trailers"),
        pytest.param(b"HTTP/1.1 201 Any\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 900, id="tiny chunks"),
        pytest.param(b"HTTP/1.1 201 Any\r\ntransfer-encoding: chunked\r\n\r\n", b"1" * 999, id="one chunk's size"),
    ],
)
async def test_an_endless_answer_to_a_write_ends_in_doubt(
    begins: bytes, goes_on: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.vendor_http.network.single_use.LARGEST_EXCHANGE", 300_000)
    given = len(begins)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal given
        await heard(reader)
        writer.write(begins)
        while True:
            writer.write(goes_on)
            await writer.drain()
            given += len(goes_on)

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(InDoubt):
            await write(http, url)
    assert given < 20_000_000


async def test_an_answer_that_trickles_is_waited_for_as_long_as_a_try_may_last_and_no_longer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(b"HTTP/1.1 200 Any\r\ncontent-length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(InDoubt, match="did not answer in time"):
            await write(http, url, timeout=0.1)


async def test_many_at_once_each_get_their_own_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = (await heard(reader)).partition(b"?n=")[2].partition(b" ")[0]
        writer.write(answer(200, number) + b"\r\n")

    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(serve))
        http = await stack.enter_async_context(http_client())
        acme = transport(http)
        asked = [acme.request(Kind.READ, "GET", url, params={"n": number}) for number in range(50)]
        answers = await asyncio.gather(*asked)
    assert [told.json() for told in answers] == list(range(50))


async def test_an_answer_that_is_asked_for_without_an_attempt_is_given_too() -> None:
    async with serving(Gateway(CREATED)) as url, http_client() as http:
        assert (await http.get(url)).json() == {"id": 7}
