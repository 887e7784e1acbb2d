"""Connections that carry one request and its answer, and are closed: what httpx's own transport does not promise.

A connection that is used again can answer the next request with what was left over from the last one: a gateway that
sends its refusal twice refuses a write that it never saw. So nothing is used again, and each connection is watched
for bytes that nobody asked for. The request leaves in one piece, after its attempt was asked (see
`tools.vendor_http.attempts`).
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, cast

import anyio
import h11
import httpcore
import httpx

from tools.effects import LONGEST_REQUEST
from tools.vendor_http.attempts import Attempt, SentTwice, Unsolicited

MOST_CONNECTIONS = 100
"""At once, to all that is reached in one way; more requests wait."""

SILENCE = 0.001
"""Seconds for which a connection is listened to before a request and after its answer. What arrived earlier is found
in any case; the time is for the event loop to look."""

SLICE = 8 * 1024
"""Bytes that are read at once, so that the event loop turns between the parts of an answer of tiny chunks."""

LONGEST_REPEATED = 64 * 1024
"""Bytes of an answer that may come twice: a longer one is not told from another."""

LARGEST_HEAD = 100 * 1024
"""Bytes; httpcore reads as many."""

LARGEST_EXCHANGE = 40 * 1024 * 1024
"""Bytes that are read from one connection, with heads, interim answers and what frames the chunks of a body."""

_DROP_WHAT_IS_UNSENT = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
UNCONFIRMED: list[httpcore.SOCKET_OPTION] = (
    [(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LONGEST_REQUEST * 1000))]
    if hasattr(socket, "TCP_USER_TIMEOUT")
    else []
)
"""For how long the system sends again what the other side does not confirm, also when the process is gone meanwhile.
Where it cannot be set (macOS, Windows) that may be minutes."""

_HEAD_ENDS = b"\r\n\r\n"
_ANSWER = re.compile(rb"HTTP/1\.[01] [2-9][0-9]{2}")
"""How an answer begins that is not an interim one."""

_EXCEPTIONS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
_CARRIED: ContextVar[tuple[httpx.Request, Attempt]] = ContextVar("_CARRIED")
"""The request for which a connection is opened in this task."""


class _Answers:
    """What comes back, read beside httpcore, which does not tell whether anything follows an answer."""

    def __init__(self) -> None:
        self._reader = h11.Connection(h11.CLIENT, LARGEST_HEAD)
        self._answer = bytearray()
        self._more = bytearray()
        self._is_refusal = self._is_framed = self._is_whole = False
        self.have_ended = False

    def receive(self, data: bytes) -> None:
        part = self._more if self.have_ended else self._answer
        if len(part) <= LONGEST_REPEATED:
            part += data
        if self.have_ended:
            return
        try:
            self._reader.receive_data(data)
            while (event := self._reader.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response):
                    self._is_refusal = 400 <= event.status_code < 500
                    self._is_framed = any(
                        name in (b"content-length", b"transfer-encoding") for name, _ in event.headers
                    )
                if isinstance(event, h11.EndOfMessage):
                    self.have_ended = self._is_whole = True
                    self._more += self._reader.trailing_data[0]
                    del self._answer[len(self._answer) - len(self._more) :]
                    return
        except h11.RemoteProtocolError:
            # httpcore says so as well, and to whom it matters
            self.have_ended = True

    @property
    def are_too_many(self) -> bool:
        """Whether more followed the answer than is looked at."""
        return len(self._more) > LONGEST_REPEATED

    @property
    def are_several(self) -> bool:
        """Whether more came than one answer. The same again, whole, says nothing else, nor does the end of a line.

        A refusal that did not come to an end which it announced may hold another answer.
        """
        if self.are_too_many or (self._is_refusal and not self._is_whole and self._holds_another):
            return True
        more = self._more.strip()
        if len(self._answer) <= LONGEST_REPEATED:
            more = more.replace(self._answer.strip(), b"").strip()
        return bool(more)

    @property
    def _holds_another(self) -> bool:
        is_cut = not self._is_framed and len(self._answer) > LONGEST_REPEATED
        return is_cut or len(_ANSWER.findall(self._answer)) > 1


class SingleUse(httpcore.AsyncNetworkStream):
    """A connection for one request.

    What is written before the request, to a proxy, passes. The request is held back until it is whole, and then leaves
    in one piece; nothing is written after it.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream, request: httpx.Request, attempt: Attempt) -> None:
        self._stream = stream
        self._request = request
        self._attempt = attempt
        self._begins = f"{request.method} ".encode()
        self._body = int(request.headers.get("content-length", 0))
        self._held = bytearray()
        self._answers: _Answers | None = None
        self._read = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(min(max_bytes, SLICE), timeout)
        self._read += len(data)
        if self._read > LARGEST_EXCHANGE:
            raise httpcore.RemoteProtocolError("more was sent than is read")
        self._hear(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        if self._answers is not None:
            raise SentTwice
        if not self._held and not buffer.startswith(self._begins):
            await self._stream.write(buffer, timeout)
            return
        self._held += buffer
        head_ends = self._held.find(_HEAD_ENDS)
        if head_ends >= 0 and len(self._held) - head_ends - len(_HEAD_ENDS) >= self._body:
            await self._send(bytes(self._held), timeout)

    async def _send(self, request: bytes, timeout: float | None) -> None:
        await self._attempt.depart()
        if (heard := await self._heard()) is not None:
            raise Unsolicited if heard else httpcore.ConnectError("closed before anything was sent")
        answers = _Answers()
        self._attempt.start()
        self._answers = answers
        self._attempt.hear_out = self._hear_out
        try:
            await self._stream.write(request, timeout)
        except httpcore.WriteError:
            # httpcore would read on: what comes now is no answer to a request that did not leave whole
            raise httpcore.NetworkError("the request could not be written") from None

    async def listen(self) -> None:
        """Look whether more follows, once the answer is read."""
        if self._answers is not None:
            self._hear(await self._heard() or b"")

    async def _hear_out(self) -> None:
        """Read until the other side closes, or more came than is looked at."""
        with suppress(httpcore.NetworkError, httpcore.RemoteProtocolError):
            while self._answers is not None and not self._answers.are_too_many and await self.read(SLICE):
                pass

    def _hear(self, data: bytes) -> None:
        if self._answers is not None and data:
            self._answers.receive(data)
            self._attempt.is_followed = self._answers.are_several

    async def _heard(self) -> bytes | None:
        """What came already; empty when the other side closed, None when nothing came.

        Asked of the stream and not of its socket: in TLS a socket has something to read that nobody sent us.
        """
        try:
            return await self._stream.read(SLICE, SILENCE)
        except httpcore.ReadTimeout:
            return None
        except httpcore.ReadError:
            return b""

    async def aclose(self) -> None:
        if self._answers is not None and not self._answers.have_ended:
            # or the system goes on sending what the other side did not confirm, for minutes after it was given up
            unsent: socket.socket | None = self._stream.get_extra_info("socket")
            # there is nothing to drop where it is closed already
            with suppress(OSError):
                if unsent is not None:
                    unsent.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP_WHAT_IS_UNSENT)
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            within = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            # httpcore leaves it open when whoever waits for it gives up
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise
        return SingleUse(within, self._request, self._attempt)

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
        return SingleUse(stream, *_CARRIED.get())

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class SingleUseTransport(httpx.AsyncBaseTransport):
    """httpx's own transport with a connection for each request. Through `proxy`, where there is one."""

    def __init__(self, tls: ssl.SSLContext, proxy: httpx.Proxy | None = None) -> None:
        through = None
        if proxy is not None:
            through = httpcore.Proxy(
                _url(proxy.url), auth=proxy.raw_auth, headers=proxy.headers.raw, ssl_context=proxy.ssl_context
            )
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            proxy=through,
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=0,
            network_backend=_Backend(),
            socket_options=UNCONFIRMED,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        attempt = request.extensions.get("attempt") or Attempt()
        carried = _CARRIED.set((request, attempt))
        try:
            with _as_of_httpx():
                answer: Any = await self._pool.handle_async_request(
                    httpcore.Request(
                        request.method,
                        _url(request.url),
                        headers=request.headers.raw,
                        content=cast("AsyncIterable[bytes]", request.stream),
                        extensions=request.extensions,
                    )
                )
        finally:
            _CARRIED.reset(carried)
        extensions = answer.extensions
        body = _Body(answer, extensions["network_stream"])
        return httpx.Response(answer.status, headers=answer.headers, stream=body, extensions=extensions)

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response, connection: SingleUse) -> None:
        self._answer = answer
        self._connection = connection

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        with _as_of_httpx():
            async for part in self._answer.aiter_stream():
                yield part
            await self._connection.listen()

    async def aclose(self) -> None:
        with _as_of_httpx():
            await self._answer.aclose()


def _url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


@contextmanager
def _as_of_httpx() -> Generator[None]:
    """httpcore's exceptions, which httpx has by the same names."""
    try:
        yield
    except _EXCEPTIONS as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error
