"""What agent and operator are told when proof came that something else had been concluded of a write before."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.states import State

if TYPE_CHECKING:
    from server.operations import Settlement

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Correction:
    """was: the outcome that had been concluded. state: the one that is proved. others: ids of the operations that may
    have done the same again meanwhile."""

    was: State
    state: State
    others: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        if self.was != "failed":
            return "Meanwhile it was concluded that this was done. It was not."
        proved = "an answer of the vendor says that it was received" if self.state == "in_doubt" else "it was done"
        return f"Meanwhile it was concluded that this was not sent. In truth {proved}."

    @property
    def next_step(self) -> str:
        if self.was != "failed":
            return "Tell the person, and look at what was done since because of it."
        if not self.others:
            return "Tell the person, and look at the vendor whether it was made a second time since."
        named = ", ".join(self.others)
        return (
            f"It was sent again since, or is about to be, as {named}: look at the vendor for a second one, tell the "
            "person, and let them decide which one to undo."
        )


def correction(was: State, state: State, others: Sequence[str] = ()) -> Correction | None:
    """None where the proof says the same as what had been concluded."""
    done = ("succeeded", "superseded")
    same = was == state or (was in done and state in done)
    return None if same else Correction(was, state, tuple(others))


def log_settlement(operation_id: str, ended_as: State, settled: Settlement | None) -> None:
    """Say loudly that the record had, or has, another outcome than the one with which a write ended."""
    if settled is None:
        logger.error("%s ended as %s, which the record does not take: look at it", operation_id, ended_as)
    elif settled.correction is not None:
        logger.error("%s: %s %s", operation_id, settled.correction.what, settled.correction.next_step)
