"""What the judges' reports come to: the judges themselves run in CI."""

from __future__ import annotations

from typing import Any

import pytest

from tests.judges import MCPSCORE_EXEMPT, TDQS_EXEMPT, judged_by_mcpscore, judged_by_tdqs
from tools.catalogue import CATALOGUE


def linted(*more: tuple[str, str]) -> dict[str, Any]:
    names = [tuple(name.split(" of ")) for name in TDQS_EXEMPT]
    findings = [{"rule": rule, "tool": tool, "message": "so it is"} for rule, tool in [*names, *more]]
    tools = [{"contextSignals": {"schemaDescriptionCoverage": 100}}]
    return {"specVersion": "1", "findings": findings, "tools": tools}


def scored(score: int = 97, failed: tuple[str, ...] = tuple(MCPSCORE_EXEMPT), verdict: str = "pass") -> dict[str, Any]:
    return {
        "mcpscore_version": "1",
        "score": score,
        "max_score": 100,
        "results": [{"rule_id": name, "passed": False, "message": "so it is"} for name in failed],
        "smoke": {
            "summary": {"passed": 1, "failed": 1},
            "checks": [{"check_id": "schema", "tool_name": "get_status", "verdict": verdict, "message": "so it is"}],
        },
    }


def test_what_is_exempt_is_no_problem() -> None:
    assert judged_by_tdqs(linted()) == []
    assert judged_by_mcpscore(scored()) == []


def test_a_finding_that_is_not_exempt_is_a_problem() -> None:
    assert judged_by_tdqs(linted(("no-description", "get_status"))) == ["tdqs: no-description of get_status: so it is"]
    assert judged_by_mcpscore(scored(failed=(*MCPSCORE_EXEMPT, "tools_titles"))) == ["mcpscore: tools_titles: so it is"]


def test_an_exemption_of_what_is_no_longer_found_is_a_problem() -> None:
    assert len(judged_by_tdqs({**linted(), "findings": []})) == len(TDQS_EXEMPT)
    assert len(judged_by_mcpscore(scored(failed=()))) == len(MCPSCORE_EXEMPT)


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (scored(95), "mcpscore: 95 of 100 is below 96.0%"),
        (scored(verdict="fail"), "mcpscore: schema of get_status: so it is"),
    ],
)
def test_a_score_below_the_floor_and_a_call_that_fails_are_problems(report: dict[str, Any], line: str) -> None:
    assert judged_by_mcpscore(report) == [line]


def test_exemptions_name_tools_that_there_are() -> None:
    assert {name.partition(" of ")[2] for name in TDQS_EXEMPT} <= {tool.name for tool in CATALOGUE}
