"""`python -m tests.model` explores all cases and prints their sizes, verdicts, and ways to what is broken."""

from __future__ import annotations

import sys
import time

from tests.model.cases import CASES, REMAIN, Case
from tests.model.explorer import BREAKS, explore
from tests.model.rules import Code, Rules


def _explored(case: Case, rules: Rules, until: str = "") -> str:
    """What it breaks."""
    began = time.monotonic()
    found = explore(case.bounds, rules, (until,) if until else BREAKS)
    which = "of the code" if isinstance(rules, Code) else "before issue 15"
    told = found.broken or "nothing is broken"
    print(f"  rules {which:16}{found.states:>9,} states {time.monotonic() - began:6.1f} s  {told}", flush=True)
    if found.broken:
        print(found.told(), flush=True)
    return found.broken


def main() -> int:
    """0 when the rules of the code break nothing, and those of before what they are said to."""
    as_told = True
    for case in CASES:
        print(f"\n{case.name}", flush=True)
        as_told &= _explored(case, case.rules_before, case.before) == case.before
        as_told &= _explored(case, case.rules) == ""
    print("\nWhat the rules of the code leave open:")
    for case, broken in REMAIN:
        print(f"\n{case.name}", flush=True)
        as_told &= _explored(case, case.rules) == broken
    return 0 if as_told else 1


if __name__ == "__main__":
    sys.exit(main())
