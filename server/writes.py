"""One write from its arguments to its outcome: not sent twice, not sent without the person who has to agree, and on
record before it leaves.

The order matters. Whether the same write stands in the record is looked up before a person is asked, so that nobody
is asked for nothing; it is claimed afterwards, in one transaction, so that of two at once only one is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, cast

import anyio

from server.arguments import KeyedManner
from server.operations import RENEWED_EVERY, Begun, Ending, Keeps, New, Operation, Operations, Taken, digest
from server.redaction import redacted
from server.standing import (
    awaiting,
    closing,
    declined,
    in_doubt_before,
    is_approved,
    look_with_us,
    on_record,
    question,
    rejected_before,
    replayed,
    under_way,
    with_other_arguments,
)
from tools.backends import Backends
from tools.errors import AdOpsError, Forbidden, InDoubt, NotFound, Refused, Unavailable
from tools.schema import Arguments, Result
from tools.tool import AnyTool, Write
from tools.transport import Timing
from tools.writes import Brief, State, departing

logger = logging.getLogger(__name__)

Confirm = Literal["client", "operator", "none"]

LATEST_DEPARTURE = 25.0
"""Seconds within which a write leaves or is given up: once it has left, it may take the transport's 30."""

PATIENCE = 10.0
"""Seconds for which a write waits for the same one, or for another one to the same thing, to end."""

LOOKS = 0.25
"""Seconds between two looks while it waits."""

LONGEST_BRIEF = 10.0
"""Seconds for finding out what a write would do, before it is sent without that."""

REJECTION_STANDS = 3600.0
"""Seconds for which the same call is answered with its rejection, instead of asking again."""


class Asker(Protocol):
    """Who asks the person in the client."""

    async def ask(self, question: str) -> bool:
        """Whether the person agrees."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    principal: as the record names them. asker: None where the client cannot ask, and its own permission prompt has to
    do.
    """

    principal: str = "unknown"
    asker: Asker | None = None


class Fault(Exception):
    """A fault of ours in a write. departed: whether a request had left, so that what it did is not known."""

    def __init__(self, operation_id: str, *, departed: bool) -> None:
        super().__init__(operation_id)
        self.operation_id = operation_id
        self.departed = departed


class WouldSend(Exception):
    """A dry run has come to the request that would be sent."""

    def __init__(self, method: str, path: str, body: Any) -> None:
        super().__init__(method)
        self.request = {"method": method, "path": path, "body": body}


class _Rehearsal:
    def remember(self, before: Mapping[str, Any]) -> None:
        """Nothing is sent, so nothing is kept."""

    async def leaving(self, method: str, path: str, body: Any) -> None:
        raise WouldSend(method, path, body)

    def answered(self, status: int) -> None:
        raise AssertionError(status)


@dataclass
class _Journey:
    """One write on its way: each request that leaves is on record first."""

    record: Operations
    operation_id: str
    tokens: set[str]
    before: Mapping[str, Any] | None = None
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def remember(self, before: Mapping[str, Any]) -> None:
        self.before = before

    async def leaving(self, method: str, path: str, body: Any) -> None:
        request = redacted({"method": method, "path": path, "body": body}, self.tokens)
        if not await self.record.depart(self.operation_id, request, self.before):
            raise Unavailable(
                "This server was held up for so long that the write was given up. Nothing was sent.",
                next_step="Make the same call again.",
            )
        self.requests.append(request)

    def answered(self, status: int) -> None:
        self.requests[-1]["status"] = status


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
    """confirm: who is asked before a consequential write. longest: seconds until it has left."""

    record: Operations
    confirm: Confirm
    timing: Timing
    longest: float = LATEST_DEPARTURE
    under_way: UnderWay = field(default_factory=UnderWay)

    async def keep_alive(self) -> None:
        """Renew the leases of what is under way, for as long as the process serves."""
        while True:
            await anyio.sleep(RENEWED_EVERY)
            if self.under_way.count:
                try:
                    await self.record.renew()
                except AdOpsError:
                    logger.warning("the leases of the writes under way could not be renewed")

    async def rehearse(self, call: WriteCall) -> dict[str, Any]:
        """What would be sent and changed; nothing is sent and nothing recorded. Raises what the handler raises."""
        effect = call.effect
        brief = await effect.brief(call.arguments, call.backends)
        would_send: dict[str, Any] | None = None
        try:
            with departing(_Rehearsal()):
                await call.tool.handler(call.arguments, call.backends)
        except WouldSend as stopped:
            would_send = stopped.request
        standing = await self.record.standing(call.new(brief.does))
        problems = list(brief.problems) + ([on_record(standing)] if standing else [])
        told = {
            "would_send": would_send,
            "does": brief.does,
            "changes": list(brief.changes),
            "problems": problems,
            "not_checked": list(brief.not_checked),
            "asks_a_person": self.confirm != "none" and effect.consequential(call.arguments),
        }
        if would_send is None:
            next_step = "Nothing would be sent: it is as asked for already."
        elif problems:
            next_step = "Tell the person the problems; do not send it before they are solved."
        else:
            next_step = "Show the person this. The same call without dry_run sends it."
        return {
            "rehearsal": {name: value for name, value in told.items() if value not in (None, [])},
            "next_step": next_step,
        }

    async def write(self, call: WriteCall) -> dict[str, Any]:
        """What the agent is told: the result, or the outcome of the same write before. Raises AdOpsError or Fault."""
        self.under_way.check(call.tool)
        consequential = call.effect.consequential(call.arguments)
        asks_operator = consequential and self.confirm == "operator"
        asks_client = consequential and self.confirm == "client"
        asker = call.caller.asker if asks_client else None
        new = call.new(f"{call.tool.title}: {call.effect.subject(call.arguments)}")
        if (told := await self._before(call, new, asks_operator=asks_operator)) is not None:
            return told
        brief = await call.brief() if asks_operator or asker else None
        if brief is not None:
            new = replace(new, does=_storable(brief.does))
        if asker is not None:
            if not await asker.ask(question(new.does, brief)):
                raise declined()
            new = replace(new, note="the person agreed in the client")
        elif asks_client:
            new = replace(new, note="this client cannot ask the person")
        self.under_way.check(call.tool)
        with self.under_way:
            with anyio.fail_after(self.longest):
                begun = await self._begun(call, new, awaits=asks_operator)
            if isinstance(begun, str):
                return await self._send(begun, call, brief)
            return begun

    async def _before(self, call: WriteCall, new: New, *, asks_operator: bool) -> dict[str, Any] | None:
        """What is answered without asking anybody and without sending."""
        standing = await self.record.standing(new)
        if standing is not None and standing.state != "sending" and not is_approved(standing):
            return _answer(call, new, standing)
        if standing is None and asks_operator:
            since = self.record.now() - REJECTION_STANDS
            if (rejected := await self.record.rejected(new, since=since)) is not None:
                raise rejected_before(rejected)
        return None

    async def _begun(self, call: WriteCall, new: New, *, awaits: bool) -> str | dict[str, Any]:
        """The id under which it is sent now, or what is answered instead.

        awaits: whether an operator approves it first; it then raises AwaitingApproval the first time.
        """
        looks = 0
        while True:
            begun = await self.record.begin(new, awaiting=awaits)
            if isinstance(begun, Taken) and is_approved(begun.operation) and _is_same(begun.operation, new):
                begun = await self.record.start(begun.operation.id)
            elif isinstance(begun, Begun) and awaits:
                raise awaiting(begun.id)
            if isinstance(begun, Begun):
                return begun.id
            if isinstance(begun, Taken) and begun.operation.state != "sending":
                return _answer(call, new, begun.operation)
            if looks * LOOKS >= PATIENCE:
                raise under_way(begun.operation, same=isinstance(begun, Taken))
            looks += 1
            await self.timing.sleep(LOOKS)

    async def _send(self, operation_id: str, call: WriteCall, brief: Brief | None) -> dict[str, Any]:
        """Send it and record the outcome, whatever becomes of the caller meanwhile."""
        journey = _Journey(self.record, operation_id, call.backends.sent_tokens)
        try:
            with anyio.fail_after(self.longest):
                result = await self._carried_out(journey, call, brief)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await self._settle(operation_id, _failure(journey, error, call.caller.principal))
            if isinstance(error, InDoubt):
                error.next_step = look_with_us(operation_id, error.next_step)
            if isinstance(error, AdOpsError):
                error.operation_id = operation_id
            elif isinstance(error, Exception) and not isinstance(error, TimeoutError):
                raise Fault(operation_id, departed=bool(journey.requests)) from error
            raise
        told = result.told()
        ending = Ending(
            state="succeeded",
            actor=call.caller.principal,
            note="the vendor answered" if journey.requests else "nothing had to be sent",
            result=redacted(told, call.backends.sent_tokens),
            requests=journey.requests,
            supersedes=call.effect.supersedes(call.arguments),
        )
        with anyio.CancelScope(shield=True):
            await self._settle(operation_id, ending)
        return {"operation_id": operation_id, **call.effect.present(call.arguments, told)}

    async def _carried_out(self, journey: _Journey, call: WriteCall, brief: Brief | None) -> Result:
        if call.effect.baseline:
            # without it a lost answer could never be settled, and one read earlier may be from before another write
            brief = await _baseline(call)
        if brief is not None:
            await self.record.keep_brief(journey.operation_id, _storable(brief.does), brief.before)
        with departing(journey):
            return await call.tool.handler(call.arguments, call.backends)

    async def _settle(self, operation_id: str, ending: Ending) -> None:
        """The outcome is known, and told, even when it cannot be recorded: the record then ends up in doubt."""
        try:
            await self.record.settle(operation_id, ending)
        except AdOpsError:
            logger.exception("%s ended as %s, which could not be recorded", operation_id, ending.state)


@dataclass(frozen=True, slots=True)
class WriteCall:
    """One call of a tool that writes, its arguments checked."""

    tool: AnyTool
    arguments: Arguments
    manner: KeyedManner
    backends: Backends
    caller: Caller

    @property
    def effect(self) -> Write[Any]:
        return cast("Write[Any]", self.tool.effect)

    async def brief(self) -> Brief | None:
        """What a person is asked with; None when it cannot be had."""
        try:
            with anyio.fail_after(LONGEST_BRIEF):
                return await self.effect.brief(self.arguments, self.backends)
        except (AdOpsError, TimeoutError):
            return None

    def new(self, does: str) -> New:
        effect = self.effect
        given = self.arguments.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        subject = _storable(effect.subject(self.arguments))
        keeps: Keeps = "success" if effect.holds else "sending" if effect.repeatable else "doubt"
        return New(
            scope=self.backends.scope(),
            tool=self.tool.name,
            subject=subject,
            resource=_storable(effect.resource(self.arguments)) if effect.resource else subject,
            idempotency_key=self.manner.idempotency_key,
            keeps=keeps,
            fingerprint=digest({name: value for name, value in given.items() if name not in effect.shown_only}),
            principal=_storable(self.caller.principal),
            does=_storable(does),
            arguments=redacted(given, self.backends.sent_tokens),
        )


def _answer(call: WriteCall, new: New, standing: Operation) -> dict[str, Any]:
    """The outcome of the same write. Raises AdOpsError where there is none to be had."""
    if not _is_same(standing, new):
        raise with_other_arguments(standing, new)
    if standing.state == "succeeded":
        return call.effect.present(call.arguments, replayed(standing))
    if standing.state == "awaiting_approval":
        raise awaiting(standing.id)
    raise in_doubt_before(standing)


async def _baseline(call: WriteCall) -> Brief | None:
    """What a lost answer is settled with. None where the vendor refuses to tell: it then refuses the write in its own
    words, or this account may write and not read. Raises AdOpsError when it cannot be had now: nothing is sent."""
    try:
        return await call.effect.brief(call.arguments, call.backends)
    except (NotFound, Refused, Forbidden):
        return None


def _is_same(standing: Operation, new: New) -> bool:
    return standing.fingerprint == new.fingerprint


def _failure(journey: _Journey, error: BaseException, actor: str) -> Ending:
    """How a write ended that gave no result: in doubt unless it is known that nothing was carried out."""
    status = journey.requests[-1].get("status", 0) if journey.requests else None
    if isinstance(error, AdOpsError):
        in_doubt = isinstance(error, InDoubt) or (status is not None and 200 <= status < 300)
        told = {"code": error.code, "message": error.message, "next_step": error.next_step}
    else:
        in_doubt = status is not None and not 400 <= status < 500
        what = "It was sent, and the answer was not read." if in_doubt else "It was ended before it was carried out."
        told = {"code": "in_doubt" if in_doubt else "unavailable", "message": what}
    state: State = "in_doubt" if in_doubt else "failed"
    return Ending(state=state, actor=actor, note=told["message"], error=told, requests=journey.requests)


def _storable(text: str) -> str:
    """PostgreSQL takes no NUL in a text."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
