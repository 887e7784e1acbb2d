"""Operations in the ledger, as agents read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from tools.effects import State
from tools.schema import Result


class OperationSummary(Result):
    operation_id: str
    account: str | None = Field(default=None, description="Whose, where this server has several accounts.")
    tool: str
    state: str = Field(
        description="awaiting_approval; approved, not sent yet; rejected; sending; succeeded; failed: nothing was "
        "changed; in_doubt: sent, outcome not known; superseded: done, ended by a later write."
    )
    does: str = Field(description="What the write is or was to do.")
    asked_by: str
    asked_at: str = Field(description="UTC.")
    ended_at: str | None = Field(default=None, description="UTC; absent while it is open.")


class SentRequest(Result):
    method: str
    path: str
    body: Any = None
    status: int | None = Field(default=None, description="The vendor's HTTP status; absent: none came.")


class HistoryStep(Result):
    at: str
    state: str
    by: str
    note: str


class WholeOperation(OperationSummary):
    subject: str = Field(description="What it is about, as the record names it.")
    idempotency_key: str | None = None
    plan: dict[str, Any] | None = Field(default=None, description="What a person decides on.")
    arguments: dict[str, Any] = Field(description="As given, without secrets.")
    approved_by: str | None = None
    sent_at: str | None = Field(default=None, description="UTC; absent: not sent.")
    took_seconds: float | None = Field(default=None, description="From being sent to its end.")
    requests: list[SentRequest] = Field(description="What was sent, in order.")
    result: dict[str, Any] | None = Field(default=None, description="What the call answered then.")
    failure: dict[str, Any] | None = Field(default=None, description="What the agent got instead of a result.")
    history: list[HistoryStep]
    next_step: str


class Reconciliation(Result):
    operation_id: str
    account: str | None = Field(default=None, description="Whose, where this server has several accounts.")
    outcome: str = Field(description="succeeded, not_sent (nothing was changed) or unknown.")
    state: str = Field(description="Of the operation now, as in list_operations.")
    found: dict[str, Any] | None = Field(default=None, description="Ids and states of what was found at the vendor.")
    what_happened: str
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationQuery:
    """Which operations a list holds. text: part of what they do, or an id. page: from 1."""

    state: State | None = None
    text: str | None = None
    page: int = 1
    per_page: int = 15


@dataclass(frozen=True, slots=True)
class Reachability:
    """Whether a vendor, or the ledger, can be used.

    detail: what was read, or what went wrong.
    next_step: set when it failed, or when part of it cannot be used.
    """

    ok: bool
    detail: str
    next_step: str | None = None
