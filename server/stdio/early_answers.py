"""The start on stdio: the first requests are answered while a thread imports and opens the live server.

Then the live server takes over: it continues with the requests that were not answered, and reads the rest by itself.
This module imports only the standard library, so that the first answer is fast.
"""

from __future__ import annotations

import functools
import json
import os
import select
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Generic, NoReturn, TypeVar, cast

from server.stdio.frozen import FrozenAnswers, load_frozen_answers
from server.stdio.handover import Handover
from server.stdio.lazy_models import lazy_models

T = TypeVar("T")

_READ_SIZE = 1 << 16
_LONGEST_REQUEST = 1 << 14
_MOST_BRACKETS = 64
"""The most brackets in a request that is answered early. The requests of known clients have a tenth of that."""
_PAUSE = 0.005
"""Seconds to wait before writing again to a pipe that took nothing."""
_SWITCH_INTERVAL = 0.0005
"""Seconds after which the importing thread lets the answering one run. Python's default is ten times as long."""


class BackgroundBuild(threading.Thread, Generic[T]):
    """Builds something in another thread. done_fd: a descriptor that becomes readable when the build has ended."""

    def __init__(self, build: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._build = build
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.done_fd, self._open_until_done = os.pipe()

    def run(self) -> None:
        try:
            self._result.append(self._build())
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            self._error = error
        finally:
            os.close(self._open_until_done)

    def result(self) -> T:
        """Wait for the result. Raises the error of the build."""
        self.join()
        os.close(self.done_fd)
        if self._error is not None:
            raise self._error
        return self._result[0]


def serve_stdio(flags: Mapping[str, Any]) -> int:
    """Serve until stdin ends, and return the exit code: 2 if the server cannot start, which stderr explains.

    flags: the settings given on the command line.
    """
    if not (_is_open(0) and _is_open(1)):
        print("adops-mcp: stdin and stdout must be open, because a client speaks MCP over them.", file=sys.stderr)  # noqa: T201
        return 2
    with claimed_stdio() as (input_fd, output_fd):
        if os.isatty(input_fd):
            print("adops-mcp waits for an MCP client on stdin. Try `adops-mcp demo`.", file=sys.stderr)  # noqa: T201
        try:
            build = functools.partial(_build_live_server, flags)
            serve, handover = answer_while_building(os.environ, flags, input_fd, output_fd, build)
            return 2 if serve is None else serve(handover)
        except KeyboardInterrupt:
            return 130


def _build_live_server(flags: Mapping[str, Any]) -> Callable[[Handover], int] | None:
    with lazy_models():
        from server.stdio.serve import build_live_server  # noqa: PLC0415 - the slow import

        return build_live_server(flags)


@contextmanager
def claimed_stdio() -> Generator[tuple[int, int]]:
    """New descriptors of the client's pipes, for input and output.

    Inside the context stdin is empty and stdout is stderr, so that no stray print gets into the protocol.
    """
    input_fd, output_fd = os.dup(0), os.dup(1)
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(2 if _is_open(2) else nothing, 1)
        os.close(nothing)
        yield input_fd, output_fd
    finally:
        os.dup2(input_fd, 0)
        os.dup2(output_fd, 1)
        os.close(input_fd)
        os.close(output_fd)


def answer_while_building(
    environ: Mapping[str, str], flags: Mapping[str, Any], input_fd: int, output_fd: int, build: Callable[[], T]
) -> tuple[T, Handover]:
    """Run `build` in a thread and answer the first requests meanwhile. Returns its result and the handover.

    Raises what `build` raises. If no request can be answered early, `build` runs at once, without a thread.
    """
    answers = load_frozen_answers(environ, flags) if _can_be_polled(input_fd) else None
    if answers is None:
        return build(), Handover(input_fd, output_fd)
    background = BackgroundBuild(build)
    responder = _EarlyResponder(answers, input_fd, output_fd)
    default_interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        with _exiting_on_signals():
            background.start()
            responder.run_until(background.done_fd)
            result = background.result()
    finally:
        sys.setswitchinterval(default_interval)
    return result, responder.handover()


class _EarlyResponder:
    """Reads the client's first requests, answers those it can, and keeps the others for the live server."""

    def __init__(self, answers: FrozenAnswers, input_fd: int, output_fd: int) -> None:
        self._answers = answers
        self._input_fd = input_fd
        self._output_fd = output_fd
        self._first_request: Mapping[str, Any] | None = None
        self._is_live_session = False
        self._unanswered = list[bytes]()
        self._partial_line = list[bytes]()
        self._answered_id: int | str | None = None
        self._pending_output = bytearray()

    def handover(self) -> Handover:
        """What was not answered with the beginning of a line, and what was not sent yet."""
        pending_input = b"".join((*self._unanswered, *self._partial_line))
        return Handover(self._input_fd, self._output_fd, pending_input, self._answered_id, bytes(self._pending_output))

    def run_until(self, done_fd: int) -> None:
        """Read and answer until `done_fd` is readable, or the input ends."""
        poll = select.poll()
        poll.register(done_fd, select.POLLIN)
        poll.register(self._input_fd, select.POLLIN)
        while True:
            if self._pending_output:
                poll.register(self._output_fd, select.POLLOUT)
            ready = {descriptor for descriptor, _ in poll.poll()}
            if done_fd in ready:
                return
            if self._output_fd in ready:
                self._send()
                poll.unregister(self._output_fd)
            if self._input_fd in ready and not self._read():
                return

    def _read(self) -> bool:
        """Read and handle lines. Returns False at the end of the input."""
        try:
            read = os.read(self._input_fd, _READ_SIZE)
        except OSError:
            # the client closed the pipe without reading everything
            read = b""
        if b"\n" in read:
            *lines, rest = b"".join((*self._partial_line, read)).split(b"\n")
            self._partial_line = [rest]
            for line in lines:
                self._handle(line)
        else:
            self._partial_line.append(read)
        return bool(read)

    def _send(self) -> None:
        """Write at most PIPE_BUF bytes: a pipe that is ready takes them without blocking."""
        try:
            del self._pending_output[: os.write(self._output_fd, self._pending_output[: select.PIPE_BUF])]
        except BlockingIOError:
            # the client made the pipe non-blocking, and it has room for fewer bytes
            time.sleep(_PAUSE)
        except OSError:
            # the client is gone, and reading will reach the end of the input
            self._pending_output.clear()

    def _handle(self, line: bytes) -> None:
        request = None if self._is_live_session else _parse(line)
        answer = None if request is None else self._answers.answer(request, first=self._first_request)
        if request is None or answer is None:
            self._unanswered.append(line + b"\n")
            # if the first request cannot be answered early, the live server answers the whole session
            self._is_live_session = self._is_live_session or self._first_request is None
            return
        if self._first_request is None:
            # the live server reads this request too, because it decides the protocol era of the session
            self._first_request, self._answered_id = request, request["id"]
            self._unanswered.append(line + b"\n")
        self._pending_output += answer.encode()


def _parse(line: bytes) -> Mapping[str, Any] | None:
    """The request, or None if a stricter parser may read the line differently.

    That is so for another encoding, half of a surrogate pair, NaN and deep nesting.
    """
    if len(line) > _LONGEST_REQUEST or line.count(b"{") + line.count(b"[") > _MOST_BRACKETS:
        return None
    try:
        request = json.loads(line.decode(), parse_constant=_refuse_constant)
        json.dumps(request, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", request) if isinstance(request, dict) else None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _can_be_polled(descriptor: int) -> bool:
    """Whether it is a pipe, socket or terminal, on another system than Windows. The live server reads files itself."""
    return sys.platform != "win32" and not stat.S_ISREG(os.fstat(descriptor).st_mode)


@contextmanager
def _exiting_on_signals() -> Generator[None]:
    """Exit at once on SIGINT and SIGTERM, since nothing is running yet that has to be finished."""

    def exit_now(number: int, _: FrameType | None) -> None:
        os._exit(128 + number)

    before = {number: signal.signal(number, exit_now) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
