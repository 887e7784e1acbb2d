"""The figures of a run: one a row, with what it is compared with and what it should be."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """ours, reference: of each round, in `unit`. target: the most, or the least, that the ratio of the medians should
    be; without a reference, that the median should be; None is only shown."""

    what: str
    unit: str
    ours: Sequence[float]
    reference: Sequence[float] = ()
    against: str = ""
    target: float | None = None
    better: Literal["less", "more"] = "less"

    @property
    def judged(self) -> float:
        middle = statistics.median(self.ours)
        return middle / statistics.median(self.reference) if self.reference else middle

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.judged <= self.target if self.better == "less" else self.judged >= self.target

    def told(self) -> dict[str, Any]:
        sign = {"less": "<=", "more": ">="}[self.better]
        return {
            "what": self.what,
            "ours": _told(self.ours, self.unit),
            "reference": f"{_told(self.reference, self.unit)} {self.against}" if self.reference else "",
            "ratio": f"{self.judged:.2f} x" if self.reference else "",
            "target": "" if self.target is None else f"{sign} {self.target:g}{' x' if self.reference else ''}",
            "met": {None: "", True: "yes", False: "no"}[self.met],
        }


def _told(values: Sequence[float], unit: str) -> str:
    middle = statistics.median(values)
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    spread = f" ({min(values):,.{digits}f} to {max(values):,.{digits}f})" if len(values) > 1 else ""
    return f"{middle:,.{digits}f} {unit}{spread}"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return "\n".join([*lines, *(f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows)])


def as_json(figures: Sequence[Figure]) -> str:
    return json.dumps(
        [
            {
                "what": figure.what,
                "unit": figure.unit,
                "ours": list(figure.ours),
                "reference": list(figure.reference),
                "against": figure.against,
                "judged": figure.judged,
                "target": figure.target,
                "met": figure.met,
            }
            for figure in figures
        ],
        indent=2,
    )


def alternating(rounds: int, *measured: Callable[[], float]) -> list[list[float]]:
    """Every measurement once a round, so that what else the machine does meets all of them alike."""
    found: list[list[float]] = [[] for _ in measured]
    for _ in range(rounds):
        for number, measure in enumerate(measured):
            found[number].append(measure())
    return found
