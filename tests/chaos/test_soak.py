"""A short run of the soak, over real processes."""

from __future__ import annotations

import pytest

from tests.chaos.soak import soak


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_servers_in_trouble_on_vendors_that_misbehave_lose_and_double_nothing(database: str) -> None:
    verdicts, wrong = soak(
        writes=30,
        fault_rate=0.3,
        kills=2,
        stops=1,
        restores=1,
        clocks=True,
        ends=True,
        seed=5,
        workers=4,
        database=database,
        longest=240,
    )
    assert wrong == []
    assert verdicts.holds, verdicts.lines()
    assert verdicts.found > 18
    assert verdicts.befell["restored"] == 1
