"""The record of writes as tools see it: what an operation is to an agent, and who keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from tools.fields import Listing
from tools.schema import Result
from tools.writes import Past

if TYPE_CHECKING:
    from tools.backends import Backends
    from tools.operations.list_operations import ListOperations
    from tools.operations.reach import Reached


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
    sent_at: str | None = Field(default=None, description="UTC; absent: it never left.")
    took_seconds: float | None = Field(default=None, description="From being sent to its end.")
    requests: list[SentRequest] = Field(description="What was sent, in order.")
    result: dict[str, Any] | None = Field(default=None, description="What the call answered then.")
    failure: dict[str, Any] | None = Field(default=None, description="What the agent was told instead of a result.")
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


class WritesRecord(Protocol):
    """Who keeps the record. `get` and `reconcile` raise NotFound for an id that is not there."""

    async def list(self, wanted: ListOperations, backends: Backends) -> Listing[OperationSummary]: ...

    async def get(self, operation_id: str, backends: Backends) -> WholeOperation: ...

    async def look(self, backends: Backends) -> Reached:
        """Whether it can be used, and how much of it is open."""
        ...

    async def standing(self, resource: str, backends: Backends) -> Sequence[Past]:
        """The writes on that resource which succeeded and still stand, the oldest first."""
        ...

    async def reconcile(self, operation_id: str, backends: Backends) -> Reconciliation: ...
