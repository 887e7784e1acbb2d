"""Over sockets on loopback: what has to be so before the first byte of a write leaves, and what is known when it is not
sent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from pathlib import Path

import anyio
import httpcore
import httpx
import pytest

from tests.tools.acme import NOT_OPENED, Departures, transport, write
from tests.tools.sockets import answer, certified, heard, serving, without_proxies
from tools.effects import LONGEST_REQUEST, recording_departures
from tools.errors import AdOpsError, InDoubt, Unavailable
from tools.vendor_http.network.attempts import Attempt, SentTwice
from tools.vendor_http.network.client import http_client
from tools.vendor_http.network.single_use import SingleUse
from tools.vendor_http.transport import Kind

ORDER = ["requested", "departed", "checked", "answered 201"]


@pytest.fixture(autouse=True)
def no_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)
    monkeypatch.setenv("NO_PROXY", "nobody.example")


async def test_a_departure_is_recorded_on_an_open_connection_before_the_first_byte() -> None:
    opened, departures = asyncio.Event(), Departures()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.set()
        request = await heard(reader)
        departures.told.append(f"heard {request[-7:].decode()}")
        writer.write(answer(201))

    async def nothing_is_heard() -> None:
        await opened.wait()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()

    departures.meanwhile = nothing_is_heard
    async with serving(serve) as url, http_client() as http:
        assert await write(http, url, departures) == {}
    assert departures.told == ["requested", "departed", "checked", 'heard {"n":1}', "answered 201"]


async def test_in_tls_a_departure_is_recorded_once_the_other_side_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    departures = Departures()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(answer(201))

    tls, trusted = certified(tmp_path)
    async with serving(serve, tls) as url:
        async with http_client() as http:
            with pytest.raises(Unavailable, match="nothing was sent"):
                await write(http, url, departures)
        assert departures.told == ["requested"] * 3
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        async with http_client() as http:
            departures.told.clear()
            # TLS 1.3 sends session tickets, which are no answer
            assert await write(http, url, departures) == {}
    assert departures.told == ORDER


async def test_through_a_tunnel_only_the_request_departs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    departures = Departures()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        departures.told.append("heard " + (await heard(reader)).partition(b" ")[0].decode())
        writer.write(answer(201))

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        departures.told.append("proxy heard " + (await heard(reader)).partition(b" ")[0].decode())
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        there = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(9000):
                    writer.write(data)
                writer.close()

        await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))

    tls, trusted = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with serving(serve, tls) as url, serving(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        async with http_client() as http:
            assert await write(http, url, departures) == {}
    assert departures.told == ["requested", "proxy heard CONNECT", "departed", "checked", "heard POST", "answered 201"]


async def says_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_connection_that_never_opens_leaves_no_departure(monkeypatch: pytest.MonkeyPatch) -> None:
    departures = Departures()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with serving(says_nothing) as silent, http_client() as http:
        for url in (f"http://127.0.0.1:{port}/", silent.replace("http", "https")):
            with pytest.raises(Unavailable) as told:
                await write(http, url, departures, timeout=0.2)
            assert told.value.message == NOT_OPENED
        monkeypatch.setenv("HTTPS_PROXY", silent)
        async with http_client() as through:
            with pytest.raises(Unavailable, match="nothing was sent"):
                await write(through, "https://acme.example/", departures, timeout=0.2)
    assert set(departures.told) == {"requested"}


async def test_a_caller_that_gives_up_while_a_connection_opens_leaves_no_departure() -> None:
    departures = Departures()
    async with serving(says_nothing) as silent, http_client() as http:
        with anyio.move_on_after(0.05) as scope:
            await write(http, silent.replace("http", "https"), departures)
    assert scope.cancelled_caught
    assert departures.told == ["requested"]


async def test_a_caller_that_gives_up_while_a_departure_is_recorded_sends_nothing() -> None:
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        got.append(await reader.read())

    departures = Departures(meanwhile=anyio.sleep_forever)
    async with serving(serve) as url, http_client() as http:
        with anyio.move_on_after(0.05) as scope:
            await write(http, url, departures)
        while not got:
            await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert (got, departures.told) == ([b""], ["requested"])


async def test_a_caller_that_gives_up_after_the_departure_waits_for_the_answer() -> None:
    departures = Departures()
    scope = anyio.CancelScope()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        scope.cancel()
        writer.write(answer(201))

    async with serving(serve) as url, http_client() as http:
        with scope:
            await write(http, url, departures)
    assert departures.told == ORDER


async def test_a_write_that_is_late_at_the_last_look_is_given_up_and_its_connection_closed() -> None:
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        got.append(await reader.read())

    departures = Departures(late=True)
    async with serving(serve) as url, http_client() as http:
        with pytest.raises(Unavailable, match="too late"):
            await write(http, url, departures)
        while not got:
            await anyio.lowlevel.checkpoint()
    assert (got, departures.told) == ([b""], ["requested", "departed", "not sent"])


async def test_whatever_carries_a_write_is_given_it_after_the_departure_and_the_last_look() -> None:
    departures = Departures()

    def made_up(_: httpx.Request) -> httpx.Response:
        departures.told.append("heard")
        return httpx.Response(201, json={})

    await write(http_client(transport=httpx.MockTransport(made_up)), "https://acme.example/", departures)
    assert departures.told == ["requested", "departed", "checked", "heard", "answered 201"]
    departures.told.clear()
    departures.late = True
    with pytest.raises(Unavailable, match="too late"):
        await write(http_client(transport=httpx.MockTransport(made_up)), "https://acme.example/", departures)
    assert departures.told == ["requested", "departed", "not sent"]


UNASKED = [answer(404), answer(408), answer(503), answer(201), b"220 mail ready\r\n", b""]


@pytest.mark.parametrize("unasked", UNASKED)
async def test_what_answers_before_it_is_asked_or_closes_is_sent_nothing(unasked: bytes) -> None:
    got: list[bytes] = []
    said = asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(unasked)
        if not unasked:
            writer.write_eof()
        await writer.drain()
        said.release()
        got.append(await reader.read())

    departures = Departures(meanwhile=said.acquire)
    async with serving(serve) as url, http_client() as http:
        with pytest.raises(Unavailable, match="nothing was sent"):
            await write(http, url, departures)
        while len(got) < 3:
            await anyio.lowlevel.checkpoint()
    assert (got, departures.told) == ([b""] * 3, ["requested", "departed", "not sent"] * 3)


async def test_in_tls_too_what_answers_before_it_is_asked_is_sent_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(403))
        await writer.drain()
        said.release()
        assert await reader.read() == b""

    tls, trusted = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with serving(serve, tls) as url, http_client() as http:
        with pytest.raises(Unavailable, match="answered before it was asked, so nothing was sent"):
            await write(http, url, Departures(meanwhile=said.acquire))


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 Any\r\ncontent-length: 90\r\n\r\n{"])
async def test_a_server_that_resets_the_connection_leaves_a_write_in_doubt(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(said)
        await writer.drain()
        reset = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        writer.transport.abort()

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(InDoubt, match="closed the connection before it answered"):
            await write(http, url)


async def test_what_is_given_up_without_an_answer_is_not_sent_on_by_the_system() -> None:
    ends: list[BaseException | bytes] = []

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await heard(reader)
        try:
            ends.append(await reader.read())
        except ConnectionResetError as error:
            ends.append(error)

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(InDoubt, match="did not answer in time"):
            await write(http, url, timeout=0.1)
    # a connection that is reset keeps nothing to be sent again
    assert [type(end) for end in ends] == [ConnectionResetError]


class Wire(httpcore.AsyncNetworkStream):
    """What is written, piece by piece, to nobody. fails: the first piece cannot be."""

    def __init__(self, *, fails: bool = False) -> None:
        self.written: list[bytes] = []
        self.fails = fails

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self.written.append(buffer)
        if self.fails:
            raise httpcore.WriteError

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        raise httpcore.ReadTimeout


def request() -> httpx.Request:
    return httpx.Request("POST", "https://acme.example/", json={"n": 1})


HEAD = b"POST / HTTP/1.1\r\ncontent-length: 7\r\n\r\n"


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
async def test_the_system_sends_what_is_not_confirmed_no_longer_than_a_request_may_live() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(answer(200))

    async with serving(serve) as url, http_client() as http:
        response = await http.send(http.build_request("GET", url), stream=True)
        ours = response.extensions["network_stream"].get_extra_info("socket")
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == LONGEST_REQUEST * 1000
        await response.aclose()


async def test_a_request_leaves_in_one_piece_and_once() -> None:
    wire, attempt = Wire(), Attempt()
    connection = SingleUse(wire, request(), attempt)
    for piece in (b"\x05\x01\x00", b"CONNECT acme.example:443 HTTP/1.1\r\n\r\n", HEAD, b'{"n"', b":1}"):
        assert not attempt.is_sent
        await connection.write(piece)
    await connection.write(b"")
    assert wire.written == [b"\x05\x01\x00", b"CONNECT acme.example:443 HTTP/1.1\r\n\r\n", HEAD + b'{"n":1}']
    for more in (b"x", HEAD + b'{"n":1}'):
        with pytest.raises(SentTwice):
            await connection.write(more)
    with pytest.raises(SentTwice):
        await SingleUse(wire, request(), attempt).write(HEAD + b'{"n":1}')
    assert len(wire.written) == 3


async def test_an_attempt_that_did_not_depart_cannot_send() -> None:
    with pytest.raises(SentTwice):
        Attempt().start()


async def test_no_answer_is_read_to_a_request_that_did_not_leave_whole() -> None:
    connection = SingleUse(Wire(fails=True), request(), Attempt())
    # httpcore takes a WriteError for a reason to look for an answer
    with pytest.raises(httpcore.NetworkError) as told:
        await connection.write(HEAD + b'{"n":1}')
    assert type(told.value) is httpcore.NetworkError


async def test_a_fault_of_ours_before_the_first_byte_is_not_taken_for_a_lost_answer() -> None:
    async def broken() -> None:
        raise SentTwice

    departures = Departures(meanwhile=broken)
    async with serving(says_nothing) as url, http_client() as http:
        with pytest.raises(SentTwice):
            await write(http, url, departures)
    assert departures.told == ["requested"]


async def test_a_write_that_nobody_records_is_sent_once_as_well() -> None:
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        got.append(await heard(reader))

    async with serving(serve) as url, http_client() as http:
        with pytest.raises(InDoubt):
            await transport(http).request(Kind.WRITE, "POST", url, json={"n": 1})
    assert len(got) == 1


async def test_a_time_out_while_a_connection_opens_is_no_lost_answer_for_any_kind() -> None:
    for kind in Kind:
        async with serving(says_nothing) as silent, http_client() as http:
            with pytest.raises(AdOpsError) as told, recording_departures(Departures()):
                await transport(http).request(kind, "POST", silent.replace("http", "https"), json={"n": 1}, timeout=0.1)
        assert told.value.message == NOT_OPENED
