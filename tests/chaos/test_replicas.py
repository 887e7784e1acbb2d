"""Three replicas behind nginx on one PostgreSQL, of which some are killed: nothing is lost and nothing doubled."""

from __future__ import annotations

import pytest

from tests.chaos.replicas import NoNginx, run


def test_of_three_replicas_behind_a_balancer_that_are_killed_under_load_nothing_is_lost_or_doubled() -> None:
    try:
        verdicts, wrong = run(writes=150, fault_rate=0.1, kills=2, seed=5)
    except NoNginx as reason:
        pytest.skip(str(reason))
    assert verdicts.holds, [*verdicts.lines(), *wrong]
    assert verdicts.found > 120
    assert verdicts.befell["killed"] == 2
