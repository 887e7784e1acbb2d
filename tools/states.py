"""The states of a write on record."""

from __future__ import annotations

from typing import Literal

State = Literal["awaiting_approval", "approved", "rejected", "sending", "succeeded", "failed", "in_doubt", "superseded"]
