"""`adops-mcp operations`: what was written, what waits for a person, and what is in doubt, at the command line."""

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
from server.ledger.entries import Operation, Restored, Step, Wanted
from server.ledger.operations import Operations
from server.text.sanitizing import cleaned
from server.writes.outcomes import moment
from server.writes.reconciliation import reconcile, settle_by_hand, to_be_watched
from server.writes.records import by_scope, open_record, told_lost, user, whole
from tools.backends import Backends
from tools.errors import AdOpsError
from tools.vendor_http.replies import printable
from tools.vendor_http.transport import Timing

_TO_APPROVE = ("awaiting_approval", "rejected")
_TO_REJECT = ("awaiting_approval", "approved")

PAGE = 500
"""Operations that are read at once for an export or a round of reconciling."""


@dataclass(frozen=True, slots=True)
class _Desk:
    """The operator's place: the record of this environment, and the accounts to look at, by their scopes."""

    record: Operations
    places: Mapping[str, Backends]
    settings: Settings
    operator: str
    arguments: argparse.Namespace
    timing: Timing

    async def found(self) -> tuple[Operation, list[Step]] | None:
        found = await self.record.get(self.arguments.operation_id)
        if found is None or found[0].scope not in self.places:
            _complain(
                f"there is no operation {self.arguments.operation_id} on record here; `operations list` shows all."
            )
            return None
        return found

    async def every(self, states: tuple[str, ...] = ()) -> AsyncGenerator[tuple[Operation, Sequence[Step]]]:
        """With its history, the newest first, each once although more are written meanwhile."""
        wanted = Wanted(scopes=self.places.keys(), states=states, limit=PAGE)
        while page := await self.record.whole(wanted):
            for found in page:
                yield found
            oldest, _ = page[-1]
            wanted = replace(wanted, older_than=(oldest.created_at, oldest.id))


def run(settings: Settings, arguments: argparse.Namespace, wire: Wire | None = None) -> int:
    """Run one of its actions; 0 done, 1 not done."""
    return anyio.run(carried_out, settings, arguments, wire or Wire())


async def carried_out(settings: Settings, arguments: argparse.Namespace, wire: Wire) -> int:
    action = _ACTIONS[arguments.action]
    try:
        async with _desk(settings, arguments, wire) as desk:
            return await action(desk)
    except AdOpsError as error:
        _complain(f"{error.message} {error.next_step}")
        return 1


@asynccontextmanager
async def _desk(settings: Settings, arguments: argparse.Namespace, wire: Wire) -> AsyncGenerator[_Desk]:
    record = open_record(settings, wire.timing)
    accounts = accounts_of(settings)
    async with open_accounts(accounts, wire) as opened:
        places = by_scope(Backends(accounts=tuple(opened.values())))
        try:
            yield _Desk(record, places, settings, f"{user()} at the command line", arguments, wire.timing)
        finally:
            await record.close()


async def _list(desk: _Desk) -> int:
    wanted = Wanted(
        scopes=desk.places.keys(),
        states=(desk.arguments.state,) if desk.arguments.state else (),
        text=desk.arguments.text,
        limit=desk.arguments.limit,
    )
    found, total = await desk.record.list(wanted)
    for operation in found:
        whose = f"{account}: " if (account := desk.places[operation.scope].account) else ""
        _say(f"{operation.id}  {moment(operation.created_at)}  {operation.state:17}  {whose}{_line(operation.does)}")
        if (correction := operation.correction) is not None:
            _say(f"  {correction.what} {correction.next_step}")
    if not found:
        filtered = total == 0 and (wanted.states or wanted.text)
        _say("Nothing is on record like that." if filtered else f"Nothing was written.{await _elsewhere(desk)}")
    elif total > len(found):
        _say(f"{total - len(found)} more: --limit shows them.")
    return 0


async def _elsewhere(desk: _Desk) -> str:
    """What stands in the same record for another place, such as the sandbox before its reset."""
    _, total = await desk.record.list(Wanted(limit=1))
    return f" On record are {total} of another place, such as a sandbox that was reset since." if total else ""


async def _show(desk: _Desk) -> int:
    if (found := await desk.found()) is None:
        return 1
    told = _told(*found, desk.places[found[0].scope].account)
    _say(cleaned(json.dumps(told, indent=2, ensure_ascii=False), ()))
    return 0


async def _approve(desk: _Desk) -> int:
    return await _decide(desk, approve=True)


async def _reject(desk: _Desk) -> int:
    return await _decide(desk, approve=False)


async def _decide(desk: _Desk, *, approve: bool) -> int:
    if (found := await desk.found()) is None:
        return 1
    operation, _ = found
    wanted, open_to = ("approved", _TO_APPROVE) if approve else ("rejected", _TO_REJECT)
    if operation.state not in open_to:
        _complain(f"{operation.id} cannot be {wanted}: it is {operation.state}.")
        return 1
    decided = await desk.record.decide(
        operation.id, approve=approve, actor=desk.operator, note=desk.arguments.note or ""
    )
    if decided is None or decided.state != wanted:
        _complain(f"{operation.id} cannot be {wanted} any more: it is {decided.state if decided else 'gone'}.")
        return 1
    if account := desk.places[operation.scope].account:
        _say(f"Account: {account}")
    for line in _planned(operation):
        _say(line)
    _say(
        f"Approved, exactly this. It is sent when the agent makes the same call again, within a day: {operation.id}"
        if approve
        else f"Rejected; it is not sent: {operation.id}"
    )
    return 0


def _planned(operation: Operation) -> list[str]:
    """What is decided on, in lines."""
    plan = operation.plan or {}
    told = [*plan.get("changes", []), *plan.get("now", [])]
    told += [f"Problem: {problem}" for problem in plan.get("problems", [])]
    told += [f"Not checked: {what}" for what in plan.get("not_checked", [])]
    request: Any = plan.get("would_send")
    if request:
        body = json.dumps(request.get("body"), ensure_ascii=False)
        told.append(f"Request: {request.get('method')} {request.get('path')} {body}")
    told.append(f"Asked by {operation.principal}")
    return [_line(operation.does), *(f"  {_line(line)}" for line in told)]


async def _reconcile(desk: _Desk) -> int:
    if desk.arguments.operation_id is None:
        return await _reconcile_all(desk)
    if (found := await desk.found()) is None:
        return 1
    operation = await _watched(desk, found[0])
    if desk.arguments.outcome:
        why_not = await settle_by_hand(
            desk.record,
            operation,
            desk.arguments.outcome,
            settle_after=desk.settings.settle_after,
            actor=desk.operator,
            note=desk.arguments.note or "",
        )
        if why_not:
            _complain(why_not)
            return 1
        _say(f"{operation.id} is settled as {desk.arguments.outcome.replace('_', ' ')}, by {desk.operator}.")
        return 0
    return 0 if await _looked(desk, operation) else 1


async def _reconcile_all(desk: _Desk) -> int:
    if desk.arguments.outcome:
        _complain("--outcome needs the id of one operation.")
        return 1
    in_doubt = [operation async for operation, _ in desk.every(("in_doubt",))]
    settled = [await _looked(desk, await _watched(desk, operation)) for operation in reversed(in_doubt)]
    _say(f"{len(settled)} in doubt, {settled.count(True)} settled, {settled.count(False)} still in doubt.")
    return 0 if all(settled) else 1


async def _watched(desk: _Desk, operation: Operation) -> Operation:
    """As it is once this process has seen it for as long as the database's clock may not be believed alone."""
    wait = to_be_watched(operation, desk.settings.settle_after)
    if operation.state == "sending" and not desk.record.one_machine:
        wait = desk.record.lease
    if not wait or desk.arguments.outcome == "succeeded":
        return operation
    _progress(f"{operation.id}: waits {wait:.0f} s, since the database's clock is not believed alone.")
    await desk.timing.sleep(wait + 0.1)
    found = await desk.record.get(operation.id)
    return found[0] if found else operation


async def _looked(desk: _Desk, operation: Operation) -> bool:
    """Whether nothing is in doubt about it any more."""
    try:
        found = await reconcile(
            desk.record,
            operation,
            desk.places[operation.scope],
            settle_after=desk.settings.settle_after,
            actor=desk.operator,
        )
    except AdOpsError as error:
        _complain(f"{operation.id}: {error.message}")
        return False
    verdict = found.verdict
    _say(f"{operation.id}  {verdict.outcome.replace('_', ' ')}: {_line(verdict.evidence)}")
    if verdict.check:
        _say(f"  {_line(verdict.check)}")
    return found.operation.state != "in_doubt"


async def _export(desk: _Desk) -> int:
    """Every operation as one line of JSON, whole and with its history."""
    async for operation, steps in desk.every():
        told = _told(operation, steps, desk.places[operation.scope].account)
        _say(json.dumps({"scope": operation.scope, **told}, separators=(",", ":")))
    return 0


async def _backup(desk: _Desk) -> int:
    if why_not := await desk.record.backup(Path(desk.arguments.file)):
        _complain(why_not)
        return 1
    _say(f"The record is copied to {desk.arguments.file}. Should it be restored, writes stop until the operator has")
    _say("looked what was lost: `adops-mcp operations restored`. Before that, remove a `-journal` beside the record")
    _say("together with the record: what a killed process left there would be rolled back into the copy.")
    return 0


async def _restored(desk: _Desk) -> int:
    """Show what was lost; with a note, let writes go on."""
    note = _line(desk.arguments.note or "")
    settle_after = desk.settings.settle_after
    if note:
        done = await desk.record.restored(desk.operator, note, settle_after=settle_after)
    else:
        done = Restored(await desk.record.stopped())
    stopped = done.stopped
    if stopped is not None and not stopped.lost:
        raise stopped.error()
    if stopped is None:
        _say("Nothing is known to be lost: what this machine wrote last is in the record.")
    else:
        _say("This machine wrote these last, or saw them, and the record does not have them; there may be more:")
        for line in told_lost(stopped):
            _say(f"  {line}")
        _say("Compare them with the vendors: what is there was sent, and must not be made again.")
    if not note and stopped is None:
        return 0
    if not note:
        _complain("nothing was changed: once they are compared, `operations restored --note ...` lets writes go on.")
        return 1
    if done.until is not None:
        _complain(
            f"nothing was changed: what was lost may still be carried out, until about {moment(done.until)}. Compare "
            "it with the vendors after that, and then give this command again."
        )
        return 1
    for operation_id in done.ended:
        _say(
            f"{operation_id} was approved and may have been sent since: its approval is over, and it is asked for anew."
        )
    _say(f"Writes go on, from every machine on this record; on record as said by {desk.operator}.")
    return 0


_ACTIONS: dict[str, Callable[[_Desk], Coroutine[Any, Any, int]]] = {
    "list": _list,
    "show": _show,
    "approve": _approve,
    "reject": _reject,
    "reconcile": _reconcile,
    "export": _export,
    "backup": _backup,
    "restored": _restored,
}


def _told(operation: Operation, steps: Sequence[Step], account: str) -> dict[str, Any]:
    from tools.operations.models import WholeOperation  # noqa: PLC0415 - a list does without it

    return WholeOperation(**whole(operation, steps, account)).structured_content()


def _line(text: str) -> str:
    return printable(text, limit=1000)


def _say(line: str) -> None:
    print(line)  # noqa: T201


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _complain(line: str) -> None:
    print(f"adops-mcp: {line}", file=sys.stderr)  # noqa: T201
