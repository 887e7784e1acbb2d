"""A thread of its own for work that must not hold up the loop and is done one after another, as writing to SQLite is.

A hop to one of anyio's workers costs twice as much: it looks for an idle one, and gives way to the loop twice before.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], Any]
    context: contextvars.Context
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop

    def do(self) -> None:
        result: Any = None
        failed: BaseException | None = None
        try:
            result = self.context.run(self.work)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            failed = error
        # nobody waits any more once the loop is closed
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._tell, result, failed)

    def _tell(self, result: Any, failed: BaseException | None) -> None:
        if self.future.cancelled():
            return
        if failed is not None:
            self.future.set_exception(failed)
        else:
            self.future.set_result(result)


class OneThread:
    """The thread is started with the first work, and again with the first after `close`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] | None = None
        self._line = anyio.Lock(fast_acquire=True)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. A caller that is cancelled while others are served is not served; one whose
        work has begun waits for its end, since what it did must be known."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        async with self._line:
            loop = asyncio.get_running_loop()
            job = _Job(work, contextvars.copy_context(), loop.create_future(), loop)
            with anyio.CancelScope(shield=True):
                self._started().put(job)
                await job.future
            return job.future.result()

    def close(self) -> None:
        """End the thread once its work is done."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None

    def _started(self) -> queue.SimpleQueue[_Job | None]:
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(target=_serve, args=(self._jobs,), name=self._name, daemon=True).start()
        return self._jobs


def _serve(jobs: queue.SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job.do()
        # what it held is not held until the next one comes
        del job
