"""One write from its arguments to its outcome: not sent twice, not sent without the person who has to agree, and on
record before it leaves.

The order matters. Whether the same write stands in the record is looked up before a person is asked, so that nobody
is asked for nothing; it is claimed afterwards, in one transaction, so that of two at once only one is sent. Where
nobody is asked, the claim alone finds what stands. What the person read is then looked up once more, and held against
the request that leaves: their word is for that alone.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import anyio

from server.ledger.entries import Begun, Busy, Ending, New, Operation, Settlement, Taken
from server.ledger.operations import RENEWED_EVERY, Operations
from server.telemetry.call_log import set_operation
from server.text.redaction import redacted
from server.writes.departure import Journey, ended_as
from server.writes.dry_run import plan_of, says_the_same, told_before
from server.writes.outcomes import (
    awaiting,
    cannot_be_told_from,
    changed_meanwhile,
    closing,
    corrected,
    declined,
    look_with_us,
    not_sent_now,
    on_record,
    rejected_before,
    replayed,
    under_way,
    unsent,
    why,
    with_other_arguments,
)
from server.writes.plan import Plan, agreed
from server.writes.settlement_log import log_settlement
from server.writes.write_call import Asker, WriteCall, storable
from tools.effects import State, is_settled, recording_departures
from tools.errors import AdOpsError, InDoubt
from tools.schema import Result
from tools.tool import AnyTool
from tools.vendor_http.transport import Timing

logger = logging.getLogger(__name__)

Confirm = Literal["client", "operator", "none"]

LATEST_DEPARTURE = 25.0
"""Seconds within which a write leaves or is given up: once it has left, it may take the transport's 30."""

PATIENCE = 10.0
"""Seconds for which a write waits for the same one, or for another one to the same thing, to end."""

LOOKS = 0.25
"""Seconds between two looks while it waits."""

LONGEST_PLAN = 25.0
"""Seconds for finding out what a write would do, for a person to decide on."""

REJECTION_STANDS = 3600.0
"""Seconds for which the same call is answered with its rejection, instead of asking again."""

WAITING: tuple[State, ...] = ("awaiting_approval", "approved")
_UNSENT: tuple[State, ...] = (*WAITING, "sending")
_HELD: tuple[State, ...] = (*_UNSENT, "in_doubt", "succeeded")

_NOBODY = "Nobody was asked first: this client cannot show a person a question."

_NOTHING_LEFT = Ending(
    event="nothing_left",
    actor="adops-mcp",
    note="it is as asked for already, so nothing is left to be sent",
    error={"code": "conflict", "message": "It is as asked for already, so nothing was sent."},
)


class Fault(Exception):
    """A fault of ours in a write. departed: whether a request had left, so that what it did is not known."""

    def __init__(self, operation_id: str, *, departed: bool) -> None:
        super().__init__(operation_id)
        self.operation_id = operation_id
        self.departed = departed


class UnderWay:
    """The writes that are under way, so that a server that is ended waits for them and takes no more."""

    def __init__(self) -> None:
        self.count = 0
        self._idle = anyio.Event()
        self._closed = False

    def check(self, tool: AnyTool) -> None:
        """Raises Unavailable once no more writes are taken."""
        if self._closed:
            raise closing(tool)

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1
        if not self.count:
            self._idle.set()
            self._idle = anyio.Event()

    async def close(self) -> None:
        self._closed = True
        while self.count:
            await self._idle.wait()


@dataclass(frozen=True, slots=True)
class Writes:
    """confirm: who is asked before a consequential write. longest: seconds until it has left. settle_after: seconds
    after which a write shows at the vendor, or was not carried out. late: outcomes that are known and not on record
    yet."""

    record: Operations
    confirm: Confirm
    timing: Timing
    longest: float = LATEST_DEPARTURE
    settle_after: float = 60.0
    under_way: UnderWay = field(default_factory=UnderWay)
    late: dict[str, tuple[New, Ending]] = field(default_factory=dict[str, tuple[New, Ending]])

    async def keep_alive(self) -> None:
        """Look after what is under way, for as long as the process serves."""
        while True:
            await anyio.sleep(RENEWED_EVERY)
            await self.look_after()

    async def look_after(self) -> None:
        """Renew the leases of what is under way, and record the outcomes that could not be before."""
        try:
            await self.record.renew()
            for operation_id in tuple(self.late):
                new, ending = self.late.pop(operation_id)
                try:
                    await self._record_outcome(operation_id, new, ending)
                except AdOpsError:
                    self.late[operation_id] = new, ending
                    raise
        except AdOpsError:
            logger.warning("the record cannot be written: leases of writes under way, or outcomes, have to wait")

    async def close(self) -> None:
        """Take no more writes, and wait until none is under way."""
        await self.under_way.close()
        await self.look_after()

    async def rehearse(self, call: WriteCall) -> dict[str, Any]:
        """What would be sent and changed; nothing is sent and nothing recorded. Raises what the handler raises."""
        plan, new = await plan_of(call, blind=False), call.new()
        standing, against = await self.record.standing(new), await self._against(call)
        operator = self._asks_operator(call)
        if operator and standing is None:
            standing = await self._rejected(new, plan)
        waits = standing is not None and standing.state in WAITING and is_same(standing, new)
        problems = list(plan.problems)
        if standing is not None and not waits:
            problems.append(on_record(standing, same=is_same(standing, new)))
        elif against is not None:
            problems.append(against.message)
        asks = operator or self._asker(call) is not None
        told = plan.shown() | {
            "changes": [*plan.changes, *plan.now],
            "problems": problems,
            "asks_a_person": asks and plan.would_send is not None,
        }
        if plan.would_send is None:
            next_step = "Nothing would be sent: it is as asked for already."
        elif problems:
            next_step = "Tell the person the problems; do not send it before they are solved."
        elif standing is not None and waits:
            next_step = on_record(standing, same=True)
        elif operator:
            next_step = "Show the person this. The same call without dry_run then waits for the operator's approval."
        else:
            next_step = "Show the person this. The same call without dry_run sends it."
        shown = {name: value for name, value in told.items() if name != "now" and value != []}
        return {"rehearsal": shown, "next_step": next_step}

    async def write(self, call: WriteCall) -> dict[str, Any]:
        """What the agent is told: the result, or the outcome of the same write before. Raises AdOpsError or Fault."""
        self.under_way.check(call.tool)
        asker = self._asker(call)
        asks_operator = self._asks_operator(call)
        new = call.new()
        if asker is None and not asks_operator and call.effect.blocked_by is None:
            return await self._unasked(call, new, looked=False)
        standing = await self._standing(new, wait=asks_operator or asker is not None)
        if standing is not None and not (standing.state in _UNSENT and is_same(standing, new)):
            return _answer(call, new, standing)
        if (against := await self._against(call)) is not None:
            raise against
        if asks_operator or (standing is not None and standing.state in WAITING):
            return await self._with_operator(call, standing)
        if asker is None:
            return await self._unasked(call, new, looked=True)
        plan = await self._planned(call)
        if plan.would_send is None:
            return await self._go(call, new, lambda: self.record.begin(new), plan)
        word = await asker.ask(plan.question(call.backends.account), agreed(plan.shown()))
        if word.said != "accept":
            raise declined(word.said)
        sure = call.new(plan, "the person agreed in the client", word.question)
        return await self._go(call, sure, lambda: self.record.begin(sure), plan)

    async def _unasked(self, call: WriteCall, new: New, *, looked: bool) -> dict[str, Any]:
        """Send it without asking anybody. looked: whether what stands was looked at; else its claim finds that."""
        sure = replace(new, note="this client cannot ask the person") if self._cannot_ask(call) else new
        return await self._go(call, sure, lambda: self.record.begin(sure), None, looked=looked)

    def _cannot_ask(self, call: WriteCall) -> bool:
        return call.is_consequential and self.confirm == "client" and call.caller.asker is None

    def _asker(self, call: WriteCall) -> Asker | None:
        return call.caller.asker if self.confirm == "client" and call.is_consequential else None

    def _asks_operator(self, call: WriteCall) -> bool:
        return self.confirm == "operator" and call.is_consequential

    async def _rejected(self, new: New, plan: Plan) -> Operation | None:
        """The same write, when a person rejected exactly this of late."""
        rejected = await self.record.rejected(new, since=self.record.now() - REJECTION_STANDS)
        return rejected if rejected and agreed(rejected.plan or {}) == agreed(plan.shown()) else None

    async def _planned(self, call: WriteCall) -> Plan:
        try:
            with anyio.fail_after(LONGEST_PLAN):
                return await plan_of(call, blind=True)
        except AdOpsError as error:
            raise unsent(error) from None

    async def _standing(self, new: New, *, wait: bool) -> Operation | None:
        """What stands in the record for the same write. wait: until it is not under way any more, so that nobody is
        asked for what is being done."""
        began = self.timing.clock()
        while (standing := await self.record.standing(new)) is not None and standing.state == "sending" and wait:
            if self.timing.clock() - began >= PATIENCE:
                raise under_way(standing, same=True)
            await self.timing.sleep(LOOKS)
        return standing

    async def _against(self, call: WriteCall, but: str = "") -> AdOpsError | None:
        """What else on record keeps it from being sent. but: its own operation."""
        against = call.effect.blocked_by
        new = call.new()
        near = {found.id: found for found in await self.record.near(new.scope, new.resource, states=_HELD, but=but)}
        if against is None:
            return self._may_be_overtaken(new, near.values())
        others = [operation.past() for operation in near.values()]
        found = against(call.arguments, others, self.settle_after)
        if found is None or (found.may_be_same and new.idempotency_key is not None):
            return None
        return with_other_arguments(near[found.id], new) if found.may_be_same else cannot_be_told_from(near[found.id])

    def _may_be_overtaken(self, new: New, near: Iterable[Operation]) -> AdOpsError | None:
        """Another write to the same thing that is in doubt and may still be on its way: it would undo this one, or
        come after it."""
        for one in near:
            arrived = is_settled(one.age, self.settle_after)
            if one.state == "in_doubt" and one.subject == new.subject and not arrived:
                return cannot_be_told_from(one)
        return None

    async def _with_operator(self, call: WriteCall, standing: Operation | None) -> dict[str, Any]:
        """Send it when a person approved exactly what it would do now; else let it wait. Raises AwaitingApproval."""
        plan = await self._planned(call)
        plan = replace(plan, now=[*plan.now, *await self._rejections(call)])
        new = call.new(plan)
        if plan.would_send is None:
            if standing is not None:
                await self.record.settle(standing.id, _NOTHING_LEFT)
            return await self._go(call, new, lambda: self.record.begin(new), plan)
        if standing is None:
            if (rejected := await self._rejected(new, plan)) is not None:
                raise rejected_before(rejected)
            begun = await self.record.begin(new, awaiting=True)
        elif agreed(standing.plan or {}) != agreed(plan.shown()):
            begun = await self.record.replace(standing.id, new)
        elif standing.state == "approved":
            return await self._go(call, new, lambda: self.record.start(standing.id, new.principal), plan)
        else:
            raise awaiting(standing.id, plan.problems)
        if isinstance(begun, Begun):
            raise awaiting(begun.id, plan.problems, instead_of=standing)
        return _answer(call, new, begun.operation)

    async def _rejections(self, call: WriteCall) -> list[str]:
        """What was rejected of late about the same thing, for whoever decides on this."""
        new, since = call.new(), self.record.now() - REJECTION_STANDS
        near = await self.record.near(new.scope, new.resource, states=("rejected",))
        recent = [found for found in near if found.tool == new.tool and (found.ended_at or 0) >= since]
        return [f"{found.id}, of the same kind, was rejected: {why(found)}" for found in recent]

    async def _go(
        self,
        call: WriteCall,
        new: New,
        attempt: Callable[[], Awaitable[Begun | Taken | Busy]],
        plan: Plan | None,
        *,
        looked: bool = True,
    ) -> dict[str, Any]:
        """Send it as soon as the record lets it, or answer with the outcome of the same one. plan: what was agreed.
        looked: whether what waits for the operator was looked for before; else it is left to them here."""
        self.under_way.check(call.tool)
        with self.under_way:
            with anyio.fail_after(self.longest):
                begun = await self._begun(new, attempt)
            if isinstance(begun, str):
                told = await self._send(begun, call, plan)
                return told | {"confirmation": _NOBODY} if plan is None and self._cannot_ask(call) else told
        if not looked and begun.state in WAITING and is_same(begun, new):
            return await self._with_operator(call, begun)
        return _answer(call, new, begun)

    async def _begun(self, new: New, attempt: Callable[[], Awaitable[Begun | Taken | Busy]]) -> str | Operation:
        """The id under which it is sent now, or what stands in its place."""
        began = self.timing.clock()
        while not isinstance(begun := await attempt(), Begun):
            standing = begun.operation
            if isinstance(begun, Taken) and not (standing.state == "sending" and is_same(standing, new)):
                return standing
            if self.timing.clock() - began >= PATIENCE:
                raise under_way(standing, same=isinstance(begun, Taken))
            await self.timing.sleep(LOOKS)
        return begun.id

    async def _send(self, operation_id: str, call: WriteCall, plan: Plan | None) -> dict[str, Any]:
        """Send it and record the outcome, whatever becomes of the caller meanwhile."""
        set_operation(operation_id)
        journey = Journey(self.record, operation_id, call.backends.sent_tokens, plan)
        try:
            with anyio.fail_after(self.longest):
                result = await self._carried_out(journey, call, plan)
        except BaseException as error:
            if isinstance(error, AdOpsError) and not journey.requests:
                unsent(error)
            settled: Settlement | None = None
            with anyio.CancelScope(shield=True):
                settled = await self._settle(operation_id, ended_as(journey, error, call.caller.principal), call)
            if isinstance(error, InDoubt):
                error.next_step = look_with_us(operation_id, error.next_step)
            if isinstance(error, AdOpsError) and settled and settled.correction:
                error.message = f"{error.message} {settled.correction.what}"
                error.next_step = f"{settled.correction.next_step} {error.next_step}"
            if isinstance(error, AdOpsError):
                error.operation_id = operation_id
            elif isinstance(error, Exception) and not isinstance(error, TimeoutError):
                raise Fault(operation_id, departed=bool(journey.requests)) from error
            raise
        told = result.structured_content()
        ending = Ending(
            event="confirmed",
            actor=call.caller.principal,
            note="the vendor answered" if journey.requests else "nothing had to be sent",
            result=redacted(told, call.backends.sent_tokens),
            requests=journey.requests,
            supersedes=call.effect.supersedes(call.arguments, told),
        )
        settled: Settlement | None = None
        with anyio.CancelScope(shield=True):
            settled = await self._settle(operation_id, ending, call)
        answer = {"operation_id": operation_id, **call.effect.present(call.arguments, told)}
        return corrected(answer, settled.correction) if settled and settled.correction else answer

    async def _carried_out(self, journey: Journey, call: WriteCall, plan: Plan | None) -> Result:
        if (against := await self._against(call, journey.operation_id)) is not None:
            raise against
        if call.effect.needs_baseline or plan is not None:
            # what was read earlier may be from before another write
            brief = await told_before(call)
            if plan is not None and plan.would_send is not None and not says_the_same(plan, brief, call):
                raise changed_meanwhile()
            if brief is not None:
                await self.record.keep_brief(journey.operation_id, storable(brief.does), brief.baseline)
        with recording_departures(journey):
            return await call.tool.handler(call.arguments, call.backends)

    async def _settle(self, operation_id: str, ending: Ending, call: WriteCall) -> Settlement | None:
        """The outcome is known, and told, even when it cannot be recorded: it is later, or the record ends in doubt."""
        new = call.new()
        try:
            return await self._record_outcome(operation_id, new, ending)
        except AdOpsError:
            self.late[operation_id] = new, ending
            logger.exception("%s ended as %s, which could not be recorded yet", operation_id, ending.state)
            return None

    async def _record_outcome(self, operation_id: str, new: New, ending: Ending) -> Settlement | None:
        """Also of a write that the record has forgotten meanwhile. Raises AdOpsError when it cannot be written."""
        settled = await self.record.settle(operation_id, ending)
        if settled is None:
            settled = await self.record.recover(operation_id, new, ending)
        log_settlement(operation_id, ending.state, settled)
        return settled


def _answer(call: WriteCall, new: New, standing: Operation) -> dict[str, Any]:
    """The outcome of the same write. Raises AdOpsError where there is none to be had."""
    if standing.state == "in_doubt" and standing.identity != new.identity:
        raise cannot_be_told_from(standing)
    if not is_same(standing, new):
        raise with_other_arguments(standing, new)
    if standing.state in ("succeeded", "superseded"):
        return call.effect.present(call.arguments, replayed(standing))
    raise not_sent_now(standing)


def is_same(standing: Operation, new: New) -> bool:
    return standing.fingerprint == new.fingerprint
