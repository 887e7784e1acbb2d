"""What the record of writes does inside one transaction; see `server.ledger.operations` for what it means."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from server.clocks import AGREE, DEPARTS_WITHIN, Stamp, lease_is_over
from server.ledger.entries import (
    APPROVAL_LASTS,
    OPEN_STATES,
    Begun,
    Busy,
    Ending,
    InDoubtAlready,
    New,
    NotOurs,
    Operation,
    Settlement,
    Step,
    Taken,
    digest,
)
from server.ledger.reads import Rows
from server.ledger.state_machine import (
    STARTS,
    Event,
    at_the_end_of_its_lease,
    edge_of,
    holds_claim,
    holds_resource,
    may_settle_unsent,
    next_ground,
    next_state,
    ordinary,
)
from server.ledger.statements import (
    CHANGE,
    CHANGE_MINE,
    DEPART,
    INSERT,
    INSERT_IF_FREE,
    OVER,
    carry_out,
    into,
    note,
)
from server.ledger.storage.marks import Entry
from server.ledger.storage.tables import HISTORY, RESTORATIONS
from server.ledger.storage.tables import OPERATIONS as TABLE
from tools.effects import LONGEST_REQUEST, State, Superseded
from tools.spelling import normalized_id

_LEFT_BEHIND = {
    "code": "in_doubt",
    "message": "The process that sent it ended before the answer came: it may or may not have been carried out.",
}
_NEVER_LEFT = {"code": "unavailable", "message": "The process ended, or stood still, before anything was sent."}
_STALE = {"code": "unavailable", "message": "It was approved and not sent within a day, so the approval is over."}
_MAY_BE_USED = {
    "code": "unavailable",
    "message": "The record went back in time after it was approved, so it may have been sent: the approval is over.",
}
_REPLACED = {"code": "conflict", "message": "What it would do changed before it was sent, so it waits anew as %s."}


@dataclass(slots=True, kw_only=True)
class Record(Rows):
    """One transaction. owner: this process. lease: seconds. under_way: what this process has under way."""

    owner: str
    lease: float
    under_way: frozenset[str] = frozenset()

    def check(self) -> None:
        """Raises Unrecorded where nothing may be claimed, sent or concluded."""
        if self.stopped is not None:
            raise self.stopped.error()

    def begin(self, new: New, *, awaiting: bool) -> Begun | Taken | Busy:
        """Raises InDoubtAlready, after which nothing of it may stand."""
        self.check()
        busy = None if awaiting else digest(new.scope, new.resource)
        begun = self._record(INSERT_IF_FREE[self.connection.dialect.name], new, busy)
        outcome = Begun(begun) if begun else self._begin_against(new, busy)
        if isinstance(outcome, Begun):
            self._check_doubts(new)
        return outcome

    def _check_doubts(self, new: New | Operation) -> None:
        """Raises InDoubtAlready. It comes after the claim: in PostgreSQL the claim may have waited for the end of
        another one, and what that ended as is seen by what comes afterwards."""
        if (doubt := self._doubt(new)) is not None:
            raise InDoubtAlready(doubt)

    def _begin_against(self, new: New, busy: str | None) -> Begun | Taken | Busy:
        """Something is in its place: what a dead process left, or what stands."""
        if (standing := self.standing(new)) is not None:
            return Taken(standing)
        if new.question is not None and (used := self.one("question", new.question)) is not None:
            return Taken(used)
        if busy and (other := self.one("busy", busy)) is not None:
            # it may be the same write, begun by another process since the look above
            standing = self.one("claim", new.identity)
            return Busy(other) if standing is None else Taken(standing)
        return Begun(self._record(INSERT, new, busy))

    def replace(self, operation_id: str, new: New) -> Begun | Taken:
        self.check()
        # the claim is one alone: it is given up before the other takes it
        if not self._move(operation_id, "plan_changed", new.principal, "what it would do changed before it was sent"):
            return Taken(self._of(operation_id))
        other = self._record(INSERT, new, None)
        error = {**_REPLACED, "message": _REPLACED["message"] % other}
        carry_out(self.connection, CHANGE, {"which": operation_id, "error": _text(error)})
        return Begun(other)

    def _record(
        self, insert: sa.Insert, new: New, busy: str | None, *, operation_id: str = "", claim: str | None = ""
    ) -> str:
        """Record a write that is sent now or, without `busy`, waits. The id is empty when nothing was inserted.

        operation_id, claim: of one that was on record before.
        """
        operation_id = operation_id or f"op_{int(self.now.clock * 1000):011x}{secrets.token_hex(4)}"
        state = STARTS["claimed" if busy else "asked"]
        identity = new.identity
        inserted = carry_out(
            self.connection,
            insert,
            {
                "id": operation_id,
                "scope": new.scope,
                "tool": new.tool,
                "subject": new.subject,
                "resource": new.resource,
                "idempotency_key": new.idempotency_key,
                "identity": identity,
                "claim": identity if claim == "" else claim,
                "busy": busy,
                "keeps": new.keeps,
                "fingerprint": new.fingerprint,
                "state": state,
                "principal": new.principal,
                "does": new.does,
                "arguments": _text(new.arguments),
                "requests": "[]",
                "plan": _text(new.plan),
                "question": new.question,
                "caller": new.caller,
                "created_at": self.now.clock,
                "owner": self.owner,
                **(self._leased() if busy else {"leased": None, "lease_until": None}),
            },
        )
        if not inserted:
            return ""
        self.claimed = busy is not None
        self._note(operation_id, state, new.principal, new.note, new)
        return operation_id

    def start(self, operation_id: str, actor: str) -> Begun | Taken | Busy:
        """Raises InDoubtAlready, after which nothing of it may stand."""
        self.check()
        self.expire()
        found = self._of(operation_id)
        if next_state(found.state, "taken_up") is None:
            return Taken(found)
        busy = digest(found.scope, found.resource)
        if (other := self.one("busy", busy)) is not None:
            return Busy(other)
        self.claimed = True
        held = {"busy": busy, "owner": self.owner, **self._leased()}
        if not self._move(operation_id, "taken_up", actor, "taken up after its approval", **held):
            return Taken(self._of(operation_id))
        self._check_doubts(found)
        return Begun(operation_id)

    def standing(self, new: New) -> Operation | None:
        self.expire()
        return self.one("claim", new.identity) or self._doubt(new)

    def _doubt(self, new: New | Operation) -> Operation | None:
        """A write in doubt of the same tool on the same thing, under another key or in another spelling: neither is a
        way around a doubt.

        Other changes to the same thing, without a key, may be made meanwhile: they are not the same write.
        """
        if new.keeps == "sending":
            return None
        same = (TABLE.c.scope == new.scope) & (TABLE.c.state == "in_doubt") & (TABLE.c.tool == new.tool)
        if new.keeps != "success" and new.idempotency_key is None:
            same &= TABLE.c.fingerprint == new.fingerprint
        subjects = self.connection.execute(
            sa.select(TABLE.c.id, TABLE.c.subject).where(same).order_by(TABLE.c.created_at)
        )
        subject = _spelt_once(new.subject)
        found = next((one.id for one in subjects if _spelt_once(one.subject) == subject), None)
        return None if found is None else self.one("id", found)

    def rejected(self, new: New, since: float) -> Operation | None:
        newest = TABLE.select().where(TABLE.c.identity == new.identity).order_by(TABLE.c.created_at.desc()).limit(1)
        for found in map(self.read, self.connection.execute(newest)):
            if found.state == "rejected" and (found.ended_at or 0) >= since:
                return found
        return None

    def keep_brief(self, operation_id: str, does: str, before: Mapping[str, Any] | None) -> None:
        self._mine(CHANGE_MINE, operation_id, does=does, before=_text(before))

    def depart(self, operation_id: str, request: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
        """Raises NotOurs, after which nothing of it may stand."""
        self.check()
        what = f"departure recorded: {request.get('method')} {request.get('path')}"
        leaves: dict[str, Any] = {
            "request": _text(request),
            "sent_at": self.now.clock,
            "departed": self.now.text(),
            "departure": self._note(operation_id, "sending", _SELF, what),
            **self._leased(),
            **({} if before is None else {"before": _text(before)}),
        }
        if not self._mine(DEPART, operation_id, **leaves):
            raise NotOurs

    def renew(self, ids: Collection[str]) -> None:
        self.watch()
        if not ids:
            return
        mine = (TABLE.c.owner == self.owner) & (TABLE.c.state == "sending") & TABLE.c.id.in_(list(ids))
        self.connection.execute(TABLE.update().where(mine).values(self._leased()))

    def _leased(self) -> dict[str, Any]:
        """A lease that begins now. lease_until: for the servers of an earlier version, and for the database's clock."""
        return {"leased": self.now.text(), "lease_until": self.now.clock + self.lease}

    def settle(self, operation_id: str, ending: Ending) -> Settlement | None:
        values: dict[str, Any] = {"result": _text(ending.result), "error": _text(ending.error)}
        values |= {} if ending.requests is None else {"requests": _text(ending.requests)}
        if ending.event in ("found_unsent", "said_unsent"):
            self.check()
            found = self._of(operation_id)
            here = operation_id in self.under_way
            age = found.age_for(by_person=ending.event == "said_unsent")
            if not may_settle_unsent(age, ending.settle_after, is_under_way_here=here):
                return None
        if ending.looked_at not in (None, self._entries(operation_id)):
            return None
        if ending.event == "answer_lost":
            values |= self._left_late(operation_id)
        if self._move(operation_id, ending.event, ending.actor, ending.note, **values):
            settlement = Settlement(ending.state)
        elif (corrected := self._correct(operation_id, ending, values)) is not None:
            settlement = corrected
        else:
            return None
        if settlement.state == "succeeded" and ending.supersedes:
            found = self._of(operation_id)
            for ends in ending.supersedes:
                self._supersede(found, ends, ending.actor)
        return settlement

    def _entries(self, operation_id: str) -> int:
        """How many entries its history has. The row is locked first, so that none is added meanwhile."""
        self.one("id", operation_id, lock=True)
        counted = sa.select(sa.func.count()).where(HISTORY.c.operation_id == operation_id)
        return self.connection.execute(counted).scalar_one()

    def _left_late(self, operation_id: str) -> dict[str, Any]:
        """A sender that says later than a request lives that no answer came was held up: it may have left long after
        the departure on record, so that the time to settle it begins now."""
        found = self.one("id", operation_id, lock=True)
        if found is None or (found.age is not None and found.age.at_most < DEPARTS_WITHIN + LONGEST_REQUEST + AGREE):
            return {}
        return {"departed": self._no_later()}

    def _correct(self, operation_id: str, ending: Ending, values: Mapping[str, Any]) -> Settlement | None:
        """Put what is known now in the place of what was concluded; None where there is nothing that it may replace."""
        found = self.one("id", operation_id, lock=True)
        edge = found and edge_of(found.state, ending.event, found.ground)
        if found is None or edge is None:
            return None
        others = self._made_since(found) if found.state == "failed" and edge.next != "failed" else ()
        settlement = Settlement(edge.next, replaced=found.state, others=others, event=ending.event)
        changes: dict[str, Any] = {
            **values,
            "state": edge.next,
            "ground": next_ground(found.state, ending.event, found.ground),
            "claim": self._claim(found, edge.next),
            "ended_at": None if edge.next in OPEN_STATES else self.now.clock,
        }
        what = ending.note
        if (correction := settlement.correction) is not None:
            told = {"was": found.state, "at": self.now.clock, "others": list(others), "event": ending.event}
            changes["corrected"] = _text(told)
            what = f"{what} {correction.what} {correction.next_step}"
        carry_out(self.connection, CHANGE, {"which": operation_id, **changes})
        self._note(operation_id, edge.next, ending.actor, what)
        if edge.next == "failed" and found.state != "failed":
            self._restore_ended_by(found, ending.actor)
        return settlement

    def _claim(self, operation: Operation, state: State) -> str | None:
        """The claim that goes with a state, unless another operation has it by now."""
        held = holds_claim(operation.keeps, state)
        other = self.one("claim", operation.identity) if held else None
        return operation.identity if held and (other is None or other.id == operation.id) else None

    def _made_since(self, found: Operation) -> tuple[str, ...]:
        """Which other operations may have done the same again."""
        same = sa.or_(TABLE.c.identity == found.identity, TABLE.c.fingerprint == found.fingerprint)
        place = (TABLE.c.scope == found.scope) & (TABLE.c.tool == found.tool) & (TABLE.c.subject == found.subject)
        undone = TABLE.c.state.in_(["failed", "rejected"])
        sent = (TABLE.c.departure > (found.departure or 0)) & sa.not_(undone)
        later = sa.or_(sent, TABLE.c.state.in_(["awaiting_approval", "approved", "sending"]))
        made = sa.select(TABLE.c.id).where(place, same, later, TABLE.c.id != found.id)
        return tuple(row[0] for row in self.connection.execute(made.order_by(TABLE.c.created_at, TABLE.c.id)))

    def _restore_ended_by(self, by: Operation, actor: str) -> None:
        """What a write was concluded to have ended still stands, now that it is known not to have been done."""
        ended = sa.select(HISTORY.c.operation_id).where(
            HISTORY.c.note == _ended_by(by), HISTORY.c.state == "superseded"
        )
        for (operation_id,) in self.connection.execute(ended).all():
            found = self._of(operation_id)
            if (state := next_state(found.state, "not_ended")) is not None:
                change = {"state": state, "claim": self._claim(found, state)}
                carry_out(self.connection, CHANGE, {"which": operation_id, **change})
                self._note(operation_id, state, actor, f"not ended by {by.tool}, {by.id}: that was not done")

    def restored(self, actor: str, note: str, lost: Sequence[Entry]) -> tuple[str, ...]:
        """Let writes go on after the ledger went back in time. What was under way then may have departed, and what was
        approved may have been sent: those approvals end; their ids."""
        values = {"at": self.now.clock, "actor": actor, "note": note, "lost": _text([one.operation for one in lost])}
        self.connection.execute(RESTORATIONS.insert().values(values))
        under_way = TABLE.select().where(TABLE.c.state == "sending")
        for row in self.connection.execute(under_way).all():
            departed = {} if row.departed else {"departed": self._no_later(), "sent_at": self.now.clock}
            what = "the ledger went back in time: it may have departed"
            self._move(row.id, "lease_ended_sent", actor, what, error=_text(_LEFT_BEHIND), **departed)
        approved = sa.select(TABLE.c.id).where(TABLE.c.state == "approved").order_by(TABLE.c.created_at)
        ended = tuple(row.id for row in self.connection.execute(approved).all())
        for operation_id in ended:
            what = "the ledger went back in time: its approval may have been used"
            self._move(operation_id, "approval_withdrawn", actor, what, error=_text(_MAY_BE_USED))
        return ended

    def recover(self, operation_id: str, new: New, ending: Ending) -> Settlement | None:
        """Record a write again that its sender had under way when the ledger went back in time and forgot it. None when
        it is there, or nothing was carried out."""
        state, ground = ordinary(ending.event)[1:]
        if state not in ("succeeded", "in_doubt") or self.one("id", operation_id) is not None:
            return None
        claim = new.identity if holds_claim(new.keeps, state) and self.one("claim", new.identity) is None else None
        self._record(INSERT, new, None, operation_id=operation_id, claim=claim)
        others = self._made_since(self._of(operation_id))
        told = {"was": "failed", "at": self.now.clock, "others": list(others), "event": "forgotten"}
        changes: dict[str, Any] = {
            "state": state,
            "ground": ground,
            "result": _text(ending.result),
            "error": _text(ending.error),
            "requests": _text(ending.requests or []),
            "corrected": _text(told),
            "sent_at": self.now.clock,
            "departed": self._no_later(),
            "ended_at": None if state in OPEN_STATES else self.now.clock,
        }
        settlement = Settlement(state, replaced="failed", others=others, event="forgotten")
        what = f"{ending.note}. {settlement.correction.what if settlement.correction else ''}"
        changes["departure"] = self._note(operation_id, state, ending.actor, what)
        carry_out(self.connection, CHANGE, {"which": operation_id, **changes})
        return settlement

    def _no_later(self) -> str:
        """The moment of a departure that is only known to be past."""
        return replace(self.now, exact=False).text()

    def decide(self, operation_id: str, *, approve: bool, actor: str, note: str) -> Operation | None:
        found = self.one("id", operation_id, lock=True)
        if found is None:
            return None
        if approve and next_state(found.state, "approved"):
            if found.state == "rejected" and self.one("claim", found.identity) is not None:
                return found
            approval: dict[str, Any] = {"approved_by": actor, "approved_at": self.now.clock}
            approval |= {"error": None, "ended_at": None}
            self._move(operation_id, "approved", actor, note or "approved", **approval)
        elif not approve and next_state(found.state, "rejected"):
            error = {"code": "rejected", "message": f"A person rejected it: {note or 'no reason was given'}."}
            self._move(operation_id, "rejected", actor, note or "rejected", error=_text(error))
        return self._of(operation_id)

    def get(self, operation_id: str) -> tuple[Operation, list[Step]] | None:
        self.expire()
        found = self.one("id", operation_id)
        if found is not None and found.state == "in_doubt" and found.age is None and not self.stopped:
            # a server of an earlier version sent it while this one was served beside it
            carry_out(self.connection, CHANGE, {"which": operation_id, "departed": self._no_later()})
        return (found, self.steps([operation_id])[operation_id]) if found else None

    def expire(self) -> None:
        """Settle what a dead process left under way, and approvals that nobody used.

        The rows are locked: a process that is about to send one waits, and then finds that it is no longer its own.
        """
        if self.stopped is not None:
            return
        before = {"leased_before": self.now.clock, "approved_before": self.now.clock - APPROVAL_LASTS}
        for row in self.connection.execute(OVER[self.connection.dialect.name], before).all():
            if not holds_resource(row.state):
                self._move(row.id, "approval_expired", _SELF, "its approval was not used in time", error=_text(_STALE))
                continue
            event = at_the_end_of_its_lease(
                row.state,
                is_own=row.owner == self.owner and row.id in self.under_way,
                departed=row.sent_at is not None,
                lease_is_over=self._is_over(row.id, row.leased, row.lease_until),
            )
            if event == "lease_ended_unsent":
                self._move(row.id, event, _SELF, "the process ended before it sent it", error=_text(_NEVER_LEFT))
            elif event == "lease_ended_sent":
                departed = {} if row.departed else {"departed": self._no_later()}
                self._move(
                    row.id, event, _SELF, "the process that sent it is gone", error=_text(_LEFT_BEHIND), **departed
                )

    def _is_over(self, operation_id: str, leased: str | None, until: float | None) -> bool:
        if (renewed := Stamp.read(leased)) is not None:
            watched = self._seen_for("lease", operation_id, leased)
            return lease_is_over(renewed, self.now, self.lease, one_machine=self.one_machine, watched=watched)
        return until is not None and until < self.now.clock

    def _supersede(self, by: Operation, ends: Superseded, actor: str) -> None:
        near = self.near(by.scope, by.resource, ("succeeded",), by.id)
        # a success that is found late ends nothing that was made after it
        last = by.departure or sys.maxsize
        standing = {one.id: one for one in near if one.tool == ends.tool and (one.departure or 0) < last}
        for ended in ends.select([operation.past() for operation in standing.values()]):
            self._move(ended, "ended", actor, _ended_by(by))

    def _move(self, operation_id: str, event: Event, actor: str, note: str, **values: Any) -> bool:
        """Another state. False, and nothing changed, where the event leads nowhere without correcting an outcome."""
        change = into(event)
        state = ordinary(event)[1]
        if state not in OPEN_STATES:
            values.setdefault("ended_at", self.now.clock)
        moved = bool(carry_out(self.connection, change, {"which": operation_id, **values}))
        if moved:
            self._note(operation_id, state, actor, note)
        return moved

    def _mine(self, change: sa.Update, operation_id: str, **values: Any) -> bool:
        """Change a write that this process has under way; False when it has none of that id."""
        mine = {"which": operation_id, "whose": self.owner, **values}
        return bool(carry_out(self.connection, change, mine))

    def _note(self, operation_id: str, state: State, actor: str, text: str, new: New | None = None) -> int:
        step = {"operation_id": operation_id, "at": self.now.clock, "state": state, "actor": actor, "note": text}
        number = note(self.connection, step)
        about = (new.tool, new.subject) if new else ("", "")
        self.noted.append(Entry(number, operation_id, self.now.clock, *about, stamp=self.now.text()))
        return number

    def _of(self, operation_id: str) -> Operation:
        found = self.one("id", operation_id, lock=True)
        assert found is not None  # noqa: S101 - nothing removes a record
        return found


_SELF = "adops-mcp"


def _ended_by(write: Operation) -> str:
    return f"ended by {write.tool}, {write.id}"


def _spelt_once(subject: str) -> str:
    return normalized_id(unquote(subject))


def _text(value: Any) -> str | None:
    """JSON for a column, in ASCII: PostgreSQL takes no NUL."""
    return None if value is None else json.dumps(value)
