"""What a write would do and send, as a person is shown it who decides: their word is for that, and for nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.ledger.entries import digest
from server.text.sanitizing import sanitized

_AGREED = ("does", "changes", "problems", "would_send")
"""What a person's word is for. What is not among these may move without another word: see `tools.effects.Brief`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a brief says of a write, with the request that would be sent: None where none would be."""

    does: str
    changes: Sequence[str]
    now: Sequence[str]
    problems: Sequence[str]
    not_checked: Sequence[str]
    would_send: Mapping[str, Any] | None

    def shown(self) -> dict[str, Any]:
        """As JSON, without what is empty."""
        told = {
            "does": self.does,
            "changes": list(self.changes),
            "now": list(self.now),
            "problems": list(self.problems),
            "not_checked": list(self.not_checked),
            "would_send": self.would_send,
        }
        return {name: value for name, value in told.items() if value not in (None, [])}

    def question(self, account: str = "") -> str:
        """What a person in the client is asked. account: whose, where there are several."""
        problems = [f"Problem: {problem}" for problem in self.problems]
        whose = [f"Account: {account}"] if account else []
        return sanitized("\n".join([*whose, self.does, *self.changes, *self.now, *problems, "Send this?"]), ())


def agreed(shown: Mapping[str, Any]) -> str:
    """Names what a person agrees to who is shown this plan."""
    return digest({name: shown.get(name) for name in _AGREED})
