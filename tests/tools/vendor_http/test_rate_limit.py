"""No window of the limit's length ever sees more requests than the limit, and nobody overtakes."""

from __future__ import annotations

import asyncio
import heapq
import random
from dataclasses import dataclass, field

import pytest

from tests.support import FakeTime
from tools.errors import RateLimited
from tools.vendor_http.rate_limit import SlidingWindow

TICK = 0.125
"""Times are multiples of this, so that sums of them are exact."""


@dataclass
class Clock:
    """Time that stands still while any task can run, then jumps to the next one that wakes.

    Of those that wake at one moment, the ones that waited for the limit come before the ones that only arrive.
    """

    now: float = 0.0
    sleepers: list[tuple[float, bool, int, asyncio.Future[None]]] = field(
        default_factory=list[tuple[float, bool, int, "asyncio.Future[None]"]]
    )
    begun: int = 0

    async def sleep(self, seconds: float) -> None:
        await self.until(self.now + seconds, arrives=False)

    async def until(self, moment: float, *, arrives: bool) -> None:
        self.begun += 1
        wakes = asyncio.get_running_loop().create_future()
        heapq.heappush(self.sleepers, (moment, arrives, self.begun, wakes))
        await wakes

    async def run(self, until: float = float("inf")) -> None:
        while True:
            for _ in range(10):
                await asyncio.sleep(0)
            if not self.sleepers or self.sleepers[0][0] > until:
                return
            moment, _, _, wakes = heapq.heappop(self.sleepers)
            self.now = max(self.now, moment)
            if not wakes.done():
                wakes.set_result(None)


@dataclass
class Callers:
    """Calls that ask for admission at given moments; `admitted` holds (moment, number of the call)."""

    requests: int
    seconds: float
    longest_wait: float = float("inf")
    clock: Clock = field(default_factory=Clock)
    admitted: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    def __post_init__(self) -> None:
        self.window = SlidingWindow(
            self.requests,
            self.seconds,
            clock=lambda: self.clock.now,
            sleep=self.clock.sleep,
            longest_wait=self.longest_wait,
        )

    def begin(self, moments: list[float]) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self._call(moment, number)) for number, moment in enumerate(moments)]

    async def _call(self, moment: float, number: int) -> None:
        await self.clock.until(moment, arrives=True)
        await self.window.acquire("Acme")
        self.admitted.append((self.clock.now, number))

    @property
    def moments(self) -> list[float]:
        return [moment for moment, _ in self.admitted]

    def most_in_a_window(self) -> int:
        return max(sum(start <= moment < start + self.seconds for moment in self.moments) for start in self.moments)


@pytest.mark.parametrize(
    ("requests", "seconds", "arrivals", "admissions"),
    [
        (3, 1.0, [0.0] * 7, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0]),
        (2, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.25, 1.0, 1.25, 2.0]),
        (2, 1.0, [0.0, 0.75, 1.0, 1.0, 1.0], [0.0, 0.75, 1.0, 1.75, 2.0]),
        (1, 0.5, [0.0, 0.5, 1.0, 5.0], [0.0, 0.5, 1.0, 5.0]),
        (2, 1.0, [0.0, 9.0, 9.0, 9.0], [0.0, 9.0, 9.0, 10.0]),
    ],
)
async def test_each_call_goes_at_the_first_moment_the_limit_allows(
    requests: int, seconds: float, arrivals: list[float], admissions: list[float]
) -> None:
    callers = Callers(requests, seconds)
    tasks = callers.begin(arrivals)
    await callers.clock.run()
    await asyncio.gather(*tasks)
    assert callers.admitted == list(zip(admissions, range(len(arrivals)), strict=True))


def earliest(arrivals: list[float], requests: int, seconds: float) -> list[float]:
    """The same, found by trying one tick after another."""
    admitted: list[float] = []
    for arrival in arrivals:
        moment = max([arrival, *admitted[-1:]])
        while sum(moment - seconds < other <= moment for other in admitted) >= requests:
            moment += TICK
        admitted.append(moment)
    return admitted


@pytest.mark.parametrize("seed", range(60))
async def test_any_schedule_stays_in_the_limit_keeps_its_order_and_waits_no_longer_than_needed(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a repeatable schedule
    callers = Callers(dice.randint(1, 5), dice.choice([0.5, 1.0, 3.0]))
    rush = dice.choice([1, 8, 60])
    arrivals = sorted(dice.randrange(rush * 8) * TICK for _ in range(40))
    tasks = callers.begin(arrivals)
    await callers.clock.run()
    await asyncio.gather(*tasks)
    assert callers.most_in_a_window() <= callers.requests
    assert [number for _, number in callers.admitted] == list(range(len(arrivals)))
    assert callers.moments == earliest(arrivals, callers.requests, callers.seconds)


@pytest.mark.parametrize("seed", range(20))
async def test_cancelled_waiters_leave_the_limit_and_the_order_of_the_others_whole(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a repeatable schedule
    callers = Callers(2, 1.0)
    tasks = callers.begin(sorted(dice.randrange(16) * TICK for _ in range(20)))
    await callers.clock.run(until=2.0)
    cancelled = [task for task in tasks if not task.done() and dice.random() < 0.5]
    for task in cancelled:
        task.cancel()
    await callers.clock.run()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(end, asyncio.CancelledError) for end in ended) == len(cancelled) > 0
    assert len(callers.admitted) == len(tasks) - len(cancelled)
    assert callers.most_in_a_window() <= 2
    assert callers.admitted == sorted(callers.admitted)


async def test_a_queue_that_is_too_long_is_refused_at_once_and_takes_no_place() -> None:
    time = FakeTime(moment=0.0)
    window = SlidingWindow(1, 40.0, clock=lambda: time.moment, sleep=time.sleep, longest_wait=30.0)
    await window.acquire("Acme")
    with pytest.raises(RateLimited):
        await window.acquire("Acme")
    with pytest.raises(RateLimited) as refused:
        await window.acquire("Acme")
    assert refused.value.message == (
        "More calls to Acme are waiting than its limit of 1 requests in 40 s lets through in 30 s. Nothing was sent."
    )
    assert refused.value.next_step == "Wait 40 s, then make the call again; make fewer calls at once."
    assert time.slept == []
    time.moment = 10.0
    await window.acquire("Acme")
    assert time.slept == [30.0]


async def test_only_as_many_calls_queue_as_the_longest_wait_lets_through() -> None:
    callers = Callers(2, 1.0, longest_wait=3.0)
    tasks = callers.begin([0.0] * 12)
    await callers.clock.run()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert callers.moments == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    assert [isinstance(end, RateLimited) for end in ended] == [False] * 8 + [True] * 4
