"""`adops-mcp operations`: the operator sees, approves, rejects and settles writes at the command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio

from server.access.accounts_in_reach import open_accounts
from server.clients import Wire
from server.configuration.accounts import accounts_of
from server.configuration.settings import Settings
from server.ledger.entries import HistoryEntry, Operation, OperationFilter, Restored
from server.ledger.operations import Ledger
from server.text.sanitizing import sanitized
from server.writes.outcomes import moment
from server.writes.reconciliation import reconcile, settle_as_person_says, still_to_be_watched
from server.writes.records import by_scope, details, lost_operations, open_ledger, user
from tools.backends import Backends
from tools.errors import AdOpsError
from tools.vendor_http.replies import printable
from tools.vendor_http.transport import Timing

_TO_APPROVE = ("awaiting_approval", "rejected")
_TO_REJECT = ("awaiting_approval", "approved")

PAGE = 500
"""How many operations are read at once for an export or for reconciling all."""


@dataclass(frozen=True, slots=True)
class _Session:
    """One run of the command: the ledger of this environment, the backends of each scope, and the arguments."""

    record: Ledger
    backends: Mapping[str, Backends]
    settings: Settings
    operator: str
    arguments: argparse.Namespace
    timing: Timing

    async def find(self) -> tuple[Operation, list[HistoryEntry]] | None:
        found = await self.record.get(self.arguments.operation_id)
        if found is None or found[0].scope not in self.backends:
            _print_error(
                f"there is no operation {self.arguments.operation_id} on record here. `operations list` shows all."
            )
            return None
        return found

    async def read_all(self, states: tuple[str, ...] = ()) -> AsyncGenerator[tuple[Operation, Sequence[HistoryEntry]]]:
        """Every operation with its history, newest first. New operations during the read do not repeat one."""
        wanted = OperationFilter(scopes=self.backends.keys(), states=states, limit=PAGE)
        while page := await self.record.list_with_history(wanted):
            for found in page:
                yield found
            oldest, _ = page[-1]
            wanted = replace(wanted, older_than=(oldest.created_at, oldest.id))


def run(settings: Settings, arguments: argparse.Namespace, wire: Wire | None = None) -> int:
    """Run one action. Returns 0 if it was done, 1 if not."""
    return anyio.run(run_action, settings, arguments, wire or Wire())


async def run_action(settings: Settings, arguments: argparse.Namespace, wire: Wire) -> int:
    action = _ACTIONS[arguments.action]
    try:
        async with _open_session(settings, arguments, wire) as session:
            return await action(session)
    except AdOpsError as error:
        _print_error(f"{error.message} {error.next_step}")
        return 1


@asynccontextmanager
async def _open_session(settings: Settings, arguments: argparse.Namespace, wire: Wire) -> AsyncGenerator[_Session]:
    record = open_ledger(settings, wire.timing)
    accounts = accounts_of(settings)
    async with open_accounts(accounts, wire) as opened:
        backends = by_scope(Backends(accounts=tuple(opened.values())))
        try:
            yield _Session(record, backends, settings, f"{user()} at the command line", arguments, wire.timing)
        finally:
            await record.close()


async def _list(session: _Session) -> int:
    wanted = OperationFilter(
        scopes=session.backends.keys(),
        states=(session.arguments.state,) if session.arguments.state else (),
        text=session.arguments.text,
        limit=session.arguments.limit,
    )
    found, total = await session.record.list(wanted)
    for operation in found:
        owner = f"{account}: " if (account := session.backends[operation.scope].account) else ""
        _print(f"{operation.id}  {moment(operation.created_at)}  {operation.state:17}  {owner}{_line(operation.does)}")
        if (correction := operation.correction) is not None:
            _print(f"  {correction.what} {correction.next_step}")
    if not found:
        is_filtered = total == 0 and (wanted.states or wanted.text)
        _print("No operation matches." if is_filtered else f"Nothing was written.{await _other_scopes(session)}")
    elif total > len(found):
        _print(f"{total - len(found)} more: --limit shows them.")
    return 0


async def _other_scopes(session: _Session) -> str:
    """A sentence about writes of other scopes in the ledger, such as the sandbox before its reset."""
    _, total = await session.record.list(OperationFilter(limit=1))
    return f" The record has {total} of another scope, such as a sandbox that was reset since." if total else ""


async def _show(session: _Session) -> int:
    if (found := await session.find()) is None:
        return 1
    shown = _as_json(*found, session.backends[found[0].scope].account)
    _print(sanitized(json.dumps(shown, indent=2, ensure_ascii=False), ()))
    return 0


async def _approve(session: _Session) -> int:
    return await _decide(session, approve=True)


async def _reject(session: _Session) -> int:
    return await _decide(session, approve=False)


async def _decide(session: _Session, *, approve: bool) -> int:
    if (found := await session.find()) is None:
        return 1
    operation, _ = found
    new_state, allowed_states = ("approved", _TO_APPROVE) if approve else ("rejected", _TO_REJECT)
    if operation.state not in allowed_states:
        _print_error(f"{operation.id} cannot be {new_state}: it is {operation.state}.")
        return 1
    decided = await session.record.decide(
        operation.id, approve=approve, actor=session.operator, note=session.arguments.note or ""
    )
    if decided is None or decided.state != new_state:
        _print_error(f"{operation.id} cannot be {new_state} any more: it is {decided.state if decided else 'gone'}.")
        return 1
    if account := session.backends[operation.scope].account:
        _print(f"Account: {account}")
    for line in _plan_lines(operation):
        _print(line)
    _print(
        f"Approved exactly this. It is sent when the agent makes the same call again within a day: {operation.id}"
        if approve
        else f"Rejected. It is not sent: {operation.id}"
    )
    return 0


def _plan_lines(operation: Operation) -> list[str]:
    """The plan that is decided on, as lines of text."""
    plan = operation.plan or {}
    lines = [*plan.get("changes", []), *plan.get("now", [])]
    lines += [f"Problem: {problem}" for problem in plan.get("problems", [])]
    lines += [f"Not checked: {what}" for what in plan.get("not_checked", [])]
    request: Any = plan.get("would_send")
    if request:
        body = json.dumps(request.get("body"), ensure_ascii=False)
        lines.append(f"Request: {request.get('method')} {request.get('path')} {body}")
    lines.append(f"Requested by {operation.principal}")
    return [_line(operation.does), *(f"  {_line(line)}" for line in lines)]


async def _reconcile(session: _Session) -> int:
    if session.arguments.operation_id is None:
        return await _reconcile_all(session)
    if (found := await session.find()) is None:
        return 1
    operation = await _wait_for_clock(session, found[0])
    if session.arguments.outcome:
        problem = await settle_as_person_says(
            session.record,
            operation,
            session.arguments.outcome,
            settle_after=session.settings.settle_after,
            actor=session.operator,
            note=session.arguments.note or "",
        )
        if problem:
            _print_error(problem)
            return 1
        _print(f"{operation.id} is settled as {session.arguments.outcome.replace('_', ' ')}, by {session.operator}.")
        return 0
    return 0 if await _reconcile_one(session, operation) else 1


async def _reconcile_all(session: _Session) -> int:
    if session.arguments.outcome:
        _print_error("--outcome needs the id of one operation.")
        return 1
    in_doubt = [operation async for operation, _ in session.read_all(("in_doubt",))]
    settled = [
        await _reconcile_one(session, await _wait_for_clock(session, operation)) for operation in reversed(in_doubt)
    ]
    _print(f"{len(settled)} in doubt, {settled.count(True)} settled, {settled.count(False)} still in doubt.")
    return 0 if all(settled) else 1


async def _wait_for_clock(session: _Session, operation: Operation) -> Operation:
    """The operation after the time for which this process has to see it: the database's clock alone is not trusted."""
    wait = still_to_be_watched(operation, session.settings.settle_after)
    if operation.state == "sending" and not session.record.one_machine:
        wait = session.record.lease
    if not wait or session.arguments.outcome == "succeeded":
        return operation
    _print_progress(f"{operation.id}: waiting {wait:.0f} s, because the database's clock alone is not trusted.")
    await session.timing.sleep(wait + 0.1)
    found = await session.record.get(operation.id)
    return found[0] if found else operation


async def _reconcile_one(session: _Session, operation: Operation) -> bool:
    """Reconcile one operation. Returns whether it is no longer in doubt."""
    try:
        found = await reconcile(
            session.record,
            operation,
            session.backends[operation.scope],
            settle_after=session.settings.settle_after,
            actor=session.operator,
        )
    except AdOpsError as error:
        _print_error(f"{operation.id}: {error.message}")
        return False
    verdict = found.verdict
    _print(f"{operation.id}  {verdict.outcome.replace('_', ' ')}: {_line(verdict.evidence)}")
    if verdict.check:
        _print(f"  {_line(verdict.check)}")
    return found.operation.state != "in_doubt"


async def _export(session: _Session) -> int:
    """Print every operation as one line of JSON, with its history."""
    async for operation, steps in session.read_all():
        shown = _as_json(operation, steps, session.backends[operation.scope].account)
        _print(json.dumps({"scope": operation.scope, **shown}, separators=(",", ":")))
    return 0


async def _backup(session: _Session) -> int:
    if problem := await session.record.backup(Path(session.arguments.file)):
        _print_error(problem)
        return 1
    _print(f"The record is copied to {session.arguments.file}. If this copy is ever restored, writes stop until")
    _print(
        "you have run `adops-mcp operations restored`. Before you restore it, remove the old record together with its"
    )
    _print("`-journal` file: the journal of a killed process would be rolled back into the copy.")
    return 0


async def _restored(session: _Session) -> int:
    """Show what was lost. With a note, let writes continue."""
    note = _line(session.arguments.note or "")
    settle_after = session.settings.settle_after
    if note:
        done = await session.record.resume_writes(session.operator, note, settle_after=settle_after)
    else:
        done = Restored(await session.record.stopped())
    stopped = done.stopped
    if stopped is not None and not stopped.lost:
        raise stopped.error()
    if stopped is None:
        _print("Nothing seems to be lost: the last writes of this machine are in the record.")
    else:
        _print("This machine wrote or saw these last, and the record does not have them. There may be more:")
        for line in lost_operations(stopped):
            _print(f"  {line}")
        _print("Compare them with the vendors. What is there was sent, and must not be made again.")
    if not note and stopped is None:
        return 0
    if not note:
        _print_error(
            "nothing was changed. Compare them, then let writes continue with `operations restored --note ...`."
        )
        return 1
    if done.until is not None:
        _print_error(
            f"nothing was changed. Lost writes may still be carried out until about {moment(done.until)}. Compare "
            "them with the vendors after that, and run this command again."
        )
        return 1
    for operation_id in done.ended:
        _print(f"{operation_id} was approved and may have been sent since. It needs a new approval.")
    _print(
        f"Writes continue from every machine that knows of no other loss. Recorded as the word of {session.operator}."
    )
    return 0


_ACTIONS: dict[str, Callable[[_Session], Coroutine[Any, Any, int]]] = {
    "list": _list,
    "show": _show,
    "approve": _approve,
    "reject": _reject,
    "reconcile": _reconcile,
    "export": _export,
    "backup": _backup,
    "restored": _restored,
}


def _as_json(operation: Operation, steps: Sequence[HistoryEntry], account: str) -> dict[str, Any]:
    from tools.operations.models import WholeOperation  # noqa: PLC0415 - a list does not need it

    return WholeOperation(**details(operation, steps, account)).structured_content()


def _line(text: str) -> str:
    return printable(text, limit=1000)


def _print(line: str) -> None:
    print(line)  # noqa: T201


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _print_error(line: str) -> None:
    print(f"adops-mcp: {line}", file=sys.stderr)  # noqa: T201
