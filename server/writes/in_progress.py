"""The writes in progress of this process: their leases, their outcomes, and the end of the server.

An outcome that cannot be recorded, because the ledger is not reachable, is kept here and recorded later.
"""

from __future__ import annotations

import logging

import anyio

from server.ledger.entries import NewOperation, OperationOutcome, Settlement
from server.ledger.operations import RENEWED_EVERY, Ledger
from server.writes.outcomes import closing
from tools.effects import State
from tools.errors import AdOpsError
from tools.tool import AnyTool

logger = logging.getLogger(__name__)


class WritesInProgress:
    """Enter it for the time of a write: a server that shuts down waits for it. unrecorded: outcomes that are known and
    not in the ledger yet, by operation id."""

    def __init__(self, ledger: Ledger) -> None:
        self.unrecorded: dict[str, tuple[NewOperation, OperationOutcome]] = {}
        self._ledger = ledger
        self._count = 0
        self._none_left = anyio.Event()
        self._closed = False

    def check_open(self, tool: AnyTool) -> None:
        """Raises Unavailable once the server shuts down and takes no more writes."""
        if self._closed:
            raise closing(tool)

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._none_left.set()
            self._none_left = anyio.Event()

    async def keep_alive(self) -> None:
        """Look after the writes in progress for as long as the process serves."""
        while True:
            await anyio.sleep(RENEWED_EVERY)
            await self.look_after()

    async def look_after(self) -> None:
        """Renew the leases of the writes in progress, and record the outcomes that could not be recorded before."""
        try:
            await self._ledger.renew_leases()
            for operation_id in tuple(self.unrecorded):
                new, outcome = self.unrecorded.pop(operation_id)
                try:
                    await self._settle(operation_id, new, outcome)
                except AdOpsError:
                    self.unrecorded[operation_id] = new, outcome
                    raise
        except AdOpsError:
            logger.warning("the record cannot be written: leases of writes under way, or outcomes, have to wait")

    async def record_outcome(
        self, operation_id: str, new: NewOperation, outcome: OperationOutcome
    ) -> Settlement | None:
        """Record the outcome of a write, now or later. None when it is not recorded yet, or changed nothing.

        The agent gets its outcome also when the ledger cannot be written. If it can never be written, the operation
        ends as in doubt.
        """
        try:
            return await self._settle(operation_id, new, outcome)
        except AdOpsError:
            self.unrecorded[operation_id] = new, outcome
            logger.exception("%s ended as %s, which could not be recorded yet", operation_id, outcome.state)
            return None

    async def _settle(self, operation_id: str, new: NewOperation, outcome: OperationOutcome) -> Settlement | None:
        """Record an outcome, also of a write that the ledger has forgotten meanwhile. Raises AdOpsError when the ledger
        cannot be written."""
        settled = await self._ledger.settle(operation_id, outcome)
        if settled is None:
            settled = await self._ledger.recover(operation_id, new, outcome)
        log_settlement(operation_id, outcome.state, settled)
        return settled

    async def close(self) -> None:
        """Take no more writes, and wait until none is in progress."""
        self._closed = True
        while self._count:
            await self._none_left.wait()
        await self.look_after()


def log_settlement(operation_id: str, ended_as: State, settled: Settlement | None) -> None:
    """Log an error when the ledger had, or still has, another outcome than the one with which a write ended."""
    if settled is None:
        logger.error("%s ended as %s, which the record does not take: look at it", operation_id, ended_as)
    elif settled.correction is not None:
        logger.error("%s: %s %s", operation_id, settled.correction.what, settled.correction.next_step)
