"""Each row of the specification, driven."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubts import world
from tests.guarantees import bookings, changes, creations
from tests.guarantees.specification import DRIVES, Drive, Rule, rules

DRIVEN = (creations, bookings, changes)
"""Importing them is what fills DRIVES."""

VERDICTS = {"succeeded": "succeeded", "not sent": "not_sent", "unknown": "unknown"}
_DRIVEN = [
    pytest.param(rule, drive, id=f"{rule.write}: {rule.observed}-{number}")
    for rule in rules()
    for number, drive in enumerate(DRIVES.get((rule.write, rule.observed), ()))
]


@pytest.mark.parametrize(("rule", "drive"), _DRIVEN)
async def test_a_write_in_doubt_is_settled_as_the_specification_says(tmp_path: Path, rule: Rule, drive: Drive) -> None:
    async with world(tmp_path) as agent:
        assert await drive(agent) == VERDICTS[rule.verdict]


def test_every_row_of_the_specification_is_driven_and_every_drive_has_a_row() -> None:
    rows = [(rule.write, rule.observed) for rule in rules()]
    assert len(rows) == len(set(rows))
    assert set(rows) == set(DRIVES)
