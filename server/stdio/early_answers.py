"""The start on stdio: what a client asks first is answered while a thread imports and opens the rest.

Afterwards this is out of the way: the live server goes on with what was not answered, and reads on by itself.
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

from server.stdio.frozen import Frozen, frozen
from server.stdio.handover import Handover
from server.stdio.lazy_models import in_less_time

T = TypeVar("T")

_AT_ONCE = 1 << 16
_LONGEST = 1 << 14
_MOST_BRACKETS = 64
"""Of a request that is answered early: those of the clients that there are have a tenth of that."""
_PAUSE = 0.005
"""Seconds."""
_SWITCH = 0.0005
"""Seconds after which the importing thread lets the answering one go on; Python's own are ten times as many."""


class Making(threading.Thread, Generic[T]):
    """Something made in another thread. ends: becomes readable when it is there."""

    def __init__(self, make: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._make = make
        self._made: list[T] = []
        self._error: BaseException | None = None
        self.ends, self._end = os.pipe()

    def run(self) -> None:
        try:
            self._made.append(self._make())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        finally:
            os.close(self._end)

    def made(self) -> T:
        """Raises what making it raised."""
        self.join()
        os.close(self.ends)
        if self._error is not None:
            raise self._error
        return self._made[0]


def serve_stdio(flags: Mapping[str, Any]) -> int:
    """Serve until stdin ends, and return the exit code: 2 when it may not start, which stderr explains.

    flags: settings of the command line.
    """
    if not (_is_open(0) and _is_open(1)):
        print("adops-mcp: stdin and stdout have to be open: a client speaks MCP over them.", file=sys.stderr)  # noqa: T201
        return 2
    with claimed() as (reads, writes):
        if os.isatty(reads):
            print("adops-mcp waits for an MCP client on stdin; try `adops-mcp demo`.", file=sys.stderr)  # noqa: T201
        try:
            live, handover = greeted(os.environ, flags, reads, writes, functools.partial(_live, flags))
            return 2 if live is None else live(handover)
        except KeyboardInterrupt:
            return 130


def _live(flags: Mapping[str, Any]) -> Callable[[Handover], int] | None:
    with in_less_time():
        from server.stdio.serve import opened  # noqa: PLC0415 - this is what takes its time

        return opened(flags)


@contextmanager
def claimed() -> Generator[tuple[int, int]]:
    """Descriptors of the client's ends. Meanwhile stdin is empty and stdout is stderr: nothing stray gets in."""
    reads, writes = os.dup(0), os.dup(1)
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(2 if _is_open(2) else nothing, 1)
        os.close(nothing)
        yield reads, writes
    finally:
        os.dup2(reads, 0)
        os.dup2(writes, 1)
        os.close(reads)
        os.close(writes)


def greeted(
    environ: Mapping[str, str], flags: Mapping[str, Any], reads: int, writes: int, make: Callable[[], T]
) -> tuple[T, Handover]:
    """What `make` makes, in a thread, while the first requests are answered, and where to go on. Raises what it
    raises."""
    answers = frozen(environ, flags) if _can_be_waited_for(reads) else None
    if answers is None:
        return make(), Handover(reads, writes)
    making = Making(make)
    front = _Front(answers, reads, writes)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH)
    try:
        with _ending_at_once():
            making.start()
            front.until(making.ends)
            made = making.made()
    finally:
        sys.setswitchinterval(usual)
    return made, Handover(reads, writes, front.held, front.muted, bytes(front.unsent))


class _Front:
    def __init__(self, answers: Frozen, reads: int, writes: int) -> None:
        self._answers = answers
        self._reads = reads
        self._writes = writes
        self._first: Mapping[str, Any] | None = None
        self._aside = False
        self._held = list[bytes]()
        self._begun = list[bytes]()
        self.muted: int | str | None = None
        self.unsent = bytearray()

    @property
    def held(self) -> bytes:
        """What was not answered, and the beginning of a line."""
        return b"".join((*self._held, *self._begun))

    def until(self, ends: int) -> None:
        """Read and answer until `ends` is readable, or nothing more can come."""
        poll = select.poll()
        poll.register(ends, select.POLLIN)
        poll.register(self._reads, select.POLLIN)
        while True:
            if self.unsent:
                poll.register(self._writes, select.POLLOUT)
            ready = {descriptor for descriptor, _ in poll.poll()}
            if ends in ready:
                return
            if self._writes in ready:
                self._send()
                poll.unregister(self._writes)
            if self._reads in ready and not self._read():
                return

    def _read(self) -> bool:
        """False at the end."""
        try:
            read = os.read(self._reads, _AT_ONCE)
        except OSError:
            # a client that went away without taking all that was sent to it
            read = b""
        if b"\n" in read:
            *lines, rest = b"".join((*self._begun, read)).split(b"\n")
            self._begun = [rest]
            for line in lines:
                self._take(line)
        else:
            self._begun.append(read)
        return bool(read)

    def _send(self) -> None:
        """As much as a pipe that is ready takes whole, since it is one that blocks."""
        try:
            del self.unsent[: os.write(self._writes, self.unsent[: select.PIPE_BUF])]
        except BlockingIOError:
            # whoever opened it made it so, and it is ready for less than this
            time.sleep(_PAUSE)
        except OSError:
            # the client is gone, and the end of what it sends says so
            self.unsent.clear()

    def _take(self, line: bytes) -> None:
        request = _request(line)
        if request is None or self._aside or (answer := self._answers.answer(request, first=self._first)) is None:
            self._held.append(line + b"\n")
            # a session that begins in another way is all the live server's
            self._aside = self._aside or self._first is None
            return
        if self._first is None:
            # it is what the live server tells the era of the session by
            self._first, self.muted = request, request["id"]
            self._held.append(line + b"\n")
        self.unsent += answer.encode()


def _request(line: bytes) -> Mapping[str, Any] | None:
    """None for what a stricter reader may take otherwise: another encoding, half of a character, NaN, deep nesting."""
    if len(line) > _LONGEST or line.count(b"{") + line.count(b"[") > _MOST_BRACKETS:
        return None
    try:
        request = json.loads(line.decode(), parse_constant=_refused)
        json.dumps(request, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", request) if isinstance(request, dict) else None


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _can_be_waited_for(descriptor: int) -> bool:
    """Pipes, sockets and terminals can, outside of Windows; files are read at once by the live server."""
    return sys.platform != "win32" and not stat.S_ISREG(os.fstat(descriptor).st_mode)


@contextmanager
def _ending_at_once() -> Generator[None]:
    """Nothing is under way yet that had to be finished."""

    def end(number: int, _: FrameType | None) -> None:
        os._exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
