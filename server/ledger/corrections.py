"""What the agent and the operator read when a write turns out otherwise than had been concluded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from server.ledger.state_machine import Event
from tools.effects import State

Cause: TypeAlias = "Event | Literal['forgotten', '']"
"""What corrected an outcome: an event, or a write that the ledger had forgotten. Empty when that is not known."""


@dataclass(frozen=True, slots=True)
class Correction:
    """was: the outcome that had been concluded. state: the one that replaces it. others: the ids of the operations that
    may have done the same again meanwhile. event: what corrected it."""

    was: State
    state: State
    others: tuple[str, ...] = ()
    event: Cause = ""

    @property
    def what(self) -> str:
        if self.event == "forgotten":
            return (
                f"The record went back in time meanwhile, and had forgotten this; it is on record again: {self.state}."
            )
        before = "done" if self.was != "failed" else "not sent"
        said = " A person looked since, and says that" if self.event in ("said_done", "said_unsent") else ""
        concluded = f"Meanwhile it was concluded that this was {before}."
        if self.was != "failed":
            return f"{concluded}{said} it was not." if said else f"{concluded} It was not."
        if self.state != "in_doubt":
            return f"{concluded}{said or ' In truth'} it was done."
        if self.event == "answer_lost":
            return f"{concluded} In truth it was sent, and what came of it is not known."
        return f"{concluded} In truth an answer of the vendor says that it was received."

    @property
    def next_step(self) -> str:
        if self.was != "failed":
            return "Tell the person, and look at what was done since because of it."
        if not self.others:
            return "Tell the person, and look at the vendor whether it was made a second time since."
        named = ", ".join(self.others)
        two = "there may be two: " if self.state == "in_doubt" else ""
        return (
            f"It was sent again since, or is about to be, as {named}: {two}look at the vendor for a second one, tell "
            "the person, and let them decide which one to undo."
        )


def correction(was: State, state: State, others: Sequence[str] = (), event: Cause = "") -> Correction | None:
    """None where the outcome that is known now is the one that had been concluded."""
    done = ("succeeded", "superseded")
    same = was == state or (was in done and state in done)
    return None if same else Correction(was, state, tuple(others), event)
