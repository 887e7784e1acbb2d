"""An httpx transport whose connections each carry one request and its answer, and are closed then.

A connection that is reused can answer the next request with what was left over from the last one: a gateway that sends
its refusal twice would refuse a write that it never saw. So no connection is reused, and each is watched for bytes that
nobody asked for. A request leaves in one piece, after its attempt allowed it (see the module `attempts`). httpx's own
transport promises none of this.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, cast
from urllib.request import proxy_bypass

import anyio
import h11
import httpcore
import httpx

from tools.effects import LONGEST_REQUEST
from tools.vendor_http.network.attempts import AnsweredEarly, Attempt, SentTwice, attempt_of

MOST_CONNECTIONS = 100
"""Connections that are open at once, per proxy and without one. Further requests wait."""

LISTEN_FOR = 0.001
"""Seconds for which a connection is read before a request and after its answer. Bytes that arrived earlier are found in
any case; the time lets the event loop look at the socket."""

READ_AT_ONCE = 8 * 1024
"""Bytes that are read at once, so that other tasks run between the parts of an answer that comes in tiny chunks."""

LONGEST_REPEATED = 64 * 1024
"""Bytes up to which an answer is recognised when it comes a second time. A longer one counts as another answer."""

LARGEST_HEAD = 100 * 1024
"""Bytes of an answer's head. httpcore reads as many."""

LARGEST_EXCHANGE = 40 * 1024 * 1024
"""Bytes that are read from one connection, including heads, interim answers and the framing of chunks."""

_RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
SOCKET_OPTIONS: list[httpcore.SOCKET_OPTION] = (
    [(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LONGEST_REQUEST * 1000))]
    if hasattr(socket, "TCP_USER_TIMEOUT")
    else []
)
"""How long the system sends again what the other side does not acknowledge, even after the process has ended. Where it
cannot be set (macOS, Windows), that may be minutes."""

_HEAD_ENDS = b"\r\n\r\n"
_FINAL_ANSWER = re.compile(rb"HTTP/1\.[01] [2-9][0-9]{2}")
"""The beginning of an answer that is not an interim one."""

_CURRENT: ContextVar[tuple[httpx.Request, Attempt]] = ContextVar("_CURRENT")
"""The request for which this task opens a connection, and its attempt."""


class _Received:
    """The bytes that came back, parsed here as well because httpcore does not say whether more follows an answer."""

    def __init__(self) -> None:
        self._parser = h11.Connection(h11.CLIENT, LARGEST_HEAD)
        self._answer = bytearray()
        self._surplus = bytearray()
        self._is_refusal = self._has_length = self._is_complete = False
        self.is_answer_over = False

    def receive(self, data: bytes) -> None:
        part = self._surplus if self.is_answer_over else self._answer
        if len(part) <= LONGEST_REPEATED:
            part += data
        if self.is_answer_over:
            return
        try:
            self._parser.receive_data(data)
            while (event := self._parser.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response):
                    self._is_refusal = 400 <= event.status_code < 500
                    self._has_length = any(
                        name in (b"content-length", b"transfer-encoding") for name, _ in event.headers
                    )
                if isinstance(event, h11.EndOfMessage):
                    self.is_answer_over = self._is_complete = True
                    self._surplus += self._parser.trailing_data[0]
                    del self._answer[len(self._answer) - len(self._surplus) :]
                    return
        except h11.RemoteProtocolError:
            # httpcore fails on these bytes as well, and its caller learns it from there
            self.is_answer_over = True

    @property
    def is_surplus_too_long(self) -> bool:
        """Whether more follows the answer than is compared with it."""
        return len(self._surplus) > LONGEST_REPEATED

    @property
    def has_several_answers(self) -> bool:
        """Whether more than one answer came. One that is repeated as a whole, or followed by a line end, counts as one.

        A refusal that ends before the end that it announced, or announces none, may hold another answer.
        """
        if self.is_surplus_too_long or (self._is_refusal and not self._is_complete and self._may_hold_another):
            return True
        surplus = self._surplus.strip()
        if len(self._answer) <= LONGEST_REPEATED:
            surplus = surplus.replace(self._answer.strip(), b"").strip()
        return bool(surplus)

    @property
    def _may_hold_another(self) -> bool:
        is_cut = not self._has_length and len(self._answer) > LONGEST_REPEATED
        return is_cut or len(_FINAL_ANSWER.findall(self._answer)) > 1


class SingleUse(httpcore.AsyncNetworkStream):
    """A connection for one request.

    What httpcore writes before the request, to a proxy, is passed on. The request is held back until it is complete and
    then leaves in one piece. Nothing is written after it.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream, request: httpx.Request, attempt: Attempt) -> None:
        self._stream = stream
        self._request = request
        self._attempt = attempt
        self._first_word = f"{request.method} ".encode()
        self._body_length = int(request.headers.get("content-length", 0))
        self._held = bytearray()
        self._received: _Received | None = None
        self._read_so_far = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(min(max_bytes, READ_AT_ONCE), timeout)
        self._read_so_far += len(data)
        if self._read_so_far > LARGEST_EXCHANGE:
            raise httpcore.RemoteProtocolError("the answer is too long")
        self._note(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        if self._received is not None:
            raise SentTwice
        if not self._held and not buffer.startswith(self._first_word):
            await self._stream.write(buffer, timeout)
            return
        self._held += buffer
        head_ends = self._held.find(_HEAD_ENDS)
        if head_ends >= 0 and len(self._held) - head_ends - len(_HEAD_ENDS) >= self._body_length:
            await self._send(bytes(self._held), timeout)

    async def _send(self, request: bytes, timeout: float | None) -> None:
        await self._attempt.depart()
        if (waiting := await self._read_waiting()) is not None:
            raise AnsweredEarly if waiting else httpcore.ConnectError("closed before anything was sent")
        received = _Received()
        self._attempt.start()
        self._received = received
        self._attempt.look_for_more = self._look_for_more
        self._attempt.read_to_the_end = self._read_to_the_end
        try:
            await self._stream.write(request, timeout)
        except httpcore.WriteError:
            # on a WriteError httpcore reads an answer, which is none to a request that was sent in part
            raise httpcore.NetworkError("the request could not be written") from None

    async def _look_for_more(self) -> None:
        """Read what has followed the answer already."""
        self._note(await self._read_waiting() or b"")

    async def _read_to_the_end(self) -> None:
        """Read until the other side closes, or more came than is compared with the answer."""
        with suppress(httpcore.NetworkError, httpcore.RemoteProtocolError):
            while self._received is not None and not self._received.is_surplus_too_long:
                if not await self.read(READ_AT_ONCE):
                    return

    def _note(self, data: bytes) -> None:
        if self._received is not None and data:
            self._received.receive(data)
            self._attempt.has_several_answers = self._received.has_several_answers

    async def _read_waiting(self) -> bytes | None:
        """The bytes that have arrived already: empty when the other side closed, None when nothing came.

        The stream is read and not its socket, because TLS puts bytes on a socket that are no part of an answer.
        """
        try:
            return await self._stream.read(READ_AT_ONCE, LISTEN_FOR)
        except httpcore.ReadTimeout:
            return None
        except httpcore.ReadError:
            return b""

    async def aclose(self) -> None:
        if self._received is not None and not self._received.is_answer_over:
            # otherwise the system goes on for minutes to send what the other side did not acknowledge
            unanswered: socket.socket | None = self._stream.get_extra_info("socket")
            # an OSError means that it is closed already
            with suppress(OSError):
                if unanswered is not None:
                    unanswered.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            encrypted = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            # httpcore leaves the connection open when its caller is cancelled
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise
        return SingleUse(encrypted, self._request, self._attempt)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self) -> None:
        self._backend = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return SingleUse(stream, *_CURRENT.get())

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class SingleUseTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport over a pool that opens a connection for each request.

    proxy: carries all requests but those to the hosts that NO_PROXY, or the system, excepts. direct: carries those.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        proxy: httpx.Proxy | None = None,
        direct: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        # httpx does not say which backend its pool uses, so that the pool is made here
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            proxy=_as_httpcore(proxy) if proxy else None,
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=0,
            network_backend=_Backend(),
            socket_options=SOCKET_OPTIONS,
        )
        self._direct = direct

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, port = request.url.host, request.url.port
        if self._direct is not None and proxy_bypass(f"{host}:{port}" if port else host):
            return await self._direct.handle_async_request(request)
        token = _CURRENT.set((request, attempt_of(request)))
        try:
            return await super().handle_async_request(request)
        finally:
            _CURRENT.reset(token)


def _as_httpcore(proxy: httpx.Proxy) -> httpcore.Proxy:
    url = proxy.url
    return httpcore.Proxy(
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        auth=proxy.raw_auth,
        headers=proxy.headers.raw,
        ssl_context=proxy.ssl_context,
    )
