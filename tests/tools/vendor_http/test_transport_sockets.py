"""The transport over real sockets on loopback: what a server's closing means for a request."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.tools.acme import NOT_OPENED, line
from tests.tools.sockets import listening
from tools.errors import AdOpsError, InDoubt, Unavailable
from tools.vendor_http.auth import StaticToken
from tools.vendor_http.transport import Kind

CLOSES = [
    pytest.param(b"", id="before answering"),
    pytest.param(b"HTTP/1.1 200 OK\r\ncontent-le", id="within the head"),
    pytest.param(b'HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{"id":', id="within a body of known length"),
    pytest.param(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n{"id":\r\n', id="within chunks"),
    pytest.param(b"220 mail ready\r\n", id="not speaking HTTP"),
]


@pytest.mark.parametrize("answer", CLOSES)
@pytest.mark.parametrize("kind", list(Kind))
async def test_on_a_real_socket_a_server_that_closes_leaves_a_write_in_doubt(kind: Kind, answer: bytes) -> None:
    async with listening(answer) as server, httpx.AsyncHTTPTransport() as network:
        acme = line(network)
        with pytest.raises(AdOpsError) as told:
            await acme.transport.request(kind, "POST", server.url, json={"n": 1}, timeout=5.0)
    assert type(told.value) is (InDoubt if kind is Kind.WRITE else Unavailable)
    assert len(server.heard) == (3 if kind is Kind.READ else 1)
    assert all(request.endswith(b'{"n":1}') for request in server.heard)


async def test_on_a_real_socket_a_silent_server_leaves_a_write_in_doubt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with httpx.AsyncHTTPTransport() as network:
            acme = line(network)
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            with pytest.raises(InDoubt, match="did not answer in time"):
                await acme.transport.request(Kind.WRITE, "POST", url, json={}, timeout=0.2)
    assert acme.tries == 1


@pytest.mark.parametrize("kind", list(Kind))
async def test_on_a_real_socket_a_closed_port_means_not_sent(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with httpx.AsyncHTTPTransport() as network:
        acme = line(network)
        with pytest.raises(Unavailable) as told:
            await acme.transport.request(kind, "POST", f"http://127.0.0.1:{port}/", json={})
    assert (told.value.message, acme.tries, acme.time.slept) == (NOT_OPENED, 3, [0.5, 1.0])


async def test_on_a_real_socket_a_request_that_cannot_be_written_is_not_in_doubt() -> None:
    async with listening(b"") as server, httpx.AsyncHTTPTransport() as network:
        acme = line(network, auth=StaticToken("pasted-with-its-newline\n", setting="ACME_KEY"))
        with pytest.raises(AdOpsError) as told:
            await acme.transport.request(Kind.WRITE, "POST", server.url, json={}, timeout=5.0)
    assert server.heard == []
    assert type(told.value) is not InDoubt
