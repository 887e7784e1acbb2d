"""The deadline that counts only seconds in which this process ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest

from tools.vendor_http.timing import Timing


@dataclass
class Ticks:
    """Ticks that take no time. stands_still: for how many seconds the process does in which of them."""

    stands_still: Mapping[int, float] = field(default_factory=dict[int, float])
    moment: float = 100.0
    lengths: list[float] = field(default_factory=list[float])

    async def __call__(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.lengths.append(seconds)
        self.moment += seconds + self.stands_still.get(len(self.lengths), 0.0)

    @property
    def timing(self) -> Timing:
        return Timing(clock=lambda: self.moment, tick=self)


async def until_cancelled(ticks: Ticks, seconds: float) -> None:
    with anyio.CancelScope() as scope, ticks.timing.deadline(seconds, scope):
        await anyio.sleep_forever()


@pytest.mark.parametrize(
    ("seconds", "stands_still", "lengths"),
    [
        (30.0, {}, [1.0] * 30),
        (2.5, {}, [2.5 / 3] * 3),
        (0.2, {}, [0.2]),
        pytest.param(30.0, {3: 60.0}, [1.0] * 30, id="once"),
        pytest.param(30.0, dict.fromkeys(range(1, 30), 3600.0), [1.0] * 30, id="in all but the last"),
        pytest.param(30.0, {30: 60.0}, [1.0] * 31, id="in the last"),
        pytest.param(30.0, {30: 60.0, 31: 0.6}, [1.0] * 32, id="in the last, and again"),
        pytest.param(30.0, dict.fromkeys(range(1, 99), 1.0), [1.0] * 60, id="in each"),
        pytest.param(30.0, {30: 0.4}, [1.0] * 30, id="a little"),
    ],
)
async def test_a_second_counts_once_however_long_the_process_stood_still_and_the_last_one_only_when_it_ran(
    seconds: float, stands_still: dict[int, float], lengths: list[float]
) -> None:
    ticks = Ticks(stands_still)
    await until_cancelled(ticks, seconds)
    assert ticks.lengths == lengths


async def test_nothing_is_counted_any_more_once_it_is_over() -> None:
    ticks = Ticks()
    with anyio.CancelScope() as scope, ticks.timing.deadline(3.0, scope):
        await anyio.lowlevel.checkpoint()
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    assert not scope.cancel_called
    assert len(ticks.lengths) < 3
