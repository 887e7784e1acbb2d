"""Our server beside the SDK's, in one run: `python -m tests.bench [PART ...]`; parts: start, calls, memory, http, wire,
writes, curves.

Rounds alternate, so that what else the machine does meets all alike: read the ratios. None of it is a test.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Callable, Iterator

import anyio

from tests.bench import curves, in_process, over_stdio
from tests.bench.figures import Figure, as_json, table


def _calls(rounds: int) -> Iterator[Figure]:
    return over_stdio.calls(rounds, anyio.run(in_process.plain_call))


def _memory(calls: int, _: int) -> Iterator[Figure]:
    return over_stdio.memory(calls)


PARTS: dict[str, Callable[[int], Iterator[Figure]]] = {
    "start": over_stdio.start,
    "calls": _calls,
    "memory": functools.partial(_memory, 10_000),
    "http": in_process.over_http,
    "wire": in_process.over_the_wire,
    "writes": in_process.at_most_once,
}


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    arguments.add_argument("parts", nargs="*", metavar="PART", help="all of them when none is named")
    arguments.add_argument("--rounds", type=int, default=7, help="of each measurement (%(default)s)")
    arguments.add_argument("--calls", type=int, default=10_000, help="of the measurement of memory (%(default)s)")
    arguments.add_argument("--json", action="store_true", help="for machines")
    given = arguments.parse_args()
    parts = {**PARTS, "memory": functools.partial(_memory, given.calls)}
    if wrong := set(given.parts) - {*parts, "curves"}:
        arguments.error(f"there is no part {', '.join(sorted(wrong))}; there are {', '.join(parts)}, curves")
    figures: list[Figure] = []
    for name, part in parts.items():
        if not given.parts or name in given.parts:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            figures += part(given.rounds)
    rows = curves.drawn() if not given.parts or "curves" in given.parts else []
    if given.json:
        print(json.dumps({"figures": json.loads(as_json(figures)), "curves": rows}, indent=2))
        return 0
    for printed in filter(None, (figures and table([figure.told() for figure in figures]), rows and table(rows))):
        print(f"{printed}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
