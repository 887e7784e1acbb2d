"""The fixed values that arguments are made of, as data that a client can read once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.freewheel import proposals, targeting
from tools.google_ad_manager import diagnoses
from tools.interchange import work_items


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One list of values. content: returns it as JSON; called when a client reads it."""

    name: str
    title: str
    description: str
    content: Callable[[], Any]

    @property
    def uri(self) -> str:
        return f"adops://vocabularies/{self.name}"


VOCABULARIES = (
    Vocabulary(
        "freewheel-targeting",
        "FreeWheel targeting types and item types",
        "What targeting and ssp_targeting of an inventory package are made of, and which item types "
        "find_targeting_items resolves.",
        targeting.vocabulary,
    ),
    Vocabulary(
        "freewheel-frequency-caps",
        "FreeWheel frequency cap types and scopes",
        "What a frequency cap of a proposed insertion order counts, and within what.",
        proposals.vocabulary,
    ),
    Vocabulary(
        "interchange-work-items",
        "Interchange work item kinds",
        "What people are asked to do by each kind of work item.",
        lambda: work_items.KINDS,
    ),
    Vocabulary(
        "gam-error-codes",
        "Google Ad Manager connection errors",
        "What each error code of a connection means, who does what about it, and where.",
        diagnoses.vocabulary,
    ),
)
