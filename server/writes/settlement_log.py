"""What the log says of a write that ended otherwise than the record had it."""

from __future__ import annotations

import logging

from server.ledger.entries import Settlement
from tools.effects import State

logger = logging.getLogger(__name__)


def log_settlement(operation_id: str, ended_as: State, settled: Settlement | None) -> None:
    """Say loudly that the record had, or has, another outcome than the one with which a write ended."""
    if settled is None:
        logger.error("%s ended as %s, which the record does not take: look at it", operation_id, ended_as)
    elif settled.correction is not None:
        logger.error("%s: %s %s", operation_id, settled.correction.what, settled.correction.next_step)
