"""A short run of the soak, over real processes."""

from __future__ import annotations

import pytest

from tests.chaos.soak import soak


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_servers_that_are_killed_on_vendors_that_misbehave_lose_and_double_nothing(database: str) -> None:
    verdicts, wrong = soak(writes=40, fault_rate=0.3, kills=2, seed=5, workers=3, database=database, longest=150)
    assert wrong == []
    assert (verdicts.duplicates, verdicts.lost, verdicts.untrue, verdicts.in_doubt) == (0, 0, 0, 0)
    assert verdicts.found > 30
