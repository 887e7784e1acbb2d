"""The state machine of an operation: which event leads from which state to which, who may bring it about, and what the
outcome then rests on.

This table is the only place where transitions are stated: the SQL of the ledger is made from it, the documentation
prints it (`markdown`), and the model of the tests explores it. It imports nothing but types, so that all of them can.

An outcome rests on proof or on inference. Proof is the vendor's own answer, a 2xx or a definite refusal, and the
sender's own certainty that no byte left. Inference is what a reconciliation, a person or the end of a lease concluded
without either. Proof replaces inference whenever it comes. Inference replaces no proof; of what was inferred, only a
person corrects the outcome, and only the sender reopens the doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tools.effects import Age, State, is_settled

Ground = Literal["proof", "inference"]

Keeps = Literal["success", "doubt", "sending"]
"""How long a write keeps others of its identity from being sent: past its success, until it is settled, or only while
it is under way."""

Event = Literal[
    "claimed",
    "asked",
    "approved",
    "rejected",
    "plan_changed",
    "nothing_left",
    "approval_expired",
    "approval_withdrawn",
    "taken_up",
    "departed",
    "lease_ended_unsent",
    "lease_ended_sent",
    "answer_lost",
    "answer_unread",
    "confirmed",
    "refused",
    "unsent",
    "found_done",
    "found_unsent",
    "found_nothing",
    "said_done",
    "said_unsent",
    "ended",
    "not_ended",
]

Actor = Literal["agent's call", "sender", "operator", "reconciler", "lease's end", "another write"]
"""The agent's call is any process that serves it; the sender is the one process that holds the operation's lease."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One transition. state: None before the operation is recorded. replaces: what the outcome in that state must rest
    on for the event to change it; None where that does not matter. ground: what the next state rests on; None where it
    is no outcome, or where it rests on what it rested on before."""

    state: State | None
    event: Event
    next: State
    by: tuple[Actor, ...]
    ground: Ground | None = None
    replaces: Ground | None = None


_CALL: tuple[Actor, ...] = ("agent's call",)
_SENDER: tuple[Actor, ...] = ("sender",)
_OPERATOR: tuple[Actor, ...] = ("operator",)
_LOOKED: tuple[Actor, ...] = ("reconciler", "operator")
_LEASE: tuple[Actor, ...] = ("lease's end",)
_ANOTHER: tuple[Actor, ...] = ("another write",)

EDGES: tuple[Edge, ...] = (
    Edge(None, "claimed", "sending", _CALL),
    Edge(None, "asked", "awaiting_approval", _CALL),
    Edge("awaiting_approval", "approved", "approved", _OPERATOR),
    Edge("rejected", "approved", "approved", _OPERATOR),
    Edge("awaiting_approval", "rejected", "rejected", _OPERATOR),
    Edge("approved", "rejected", "rejected", _OPERATOR),
    Edge("awaiting_approval", "plan_changed", "failed", _CALL, "proof"),
    Edge("approved", "plan_changed", "failed", _CALL, "proof"),
    Edge("awaiting_approval", "nothing_left", "failed", _CALL, "proof"),
    Edge("approved", "nothing_left", "failed", _CALL, "proof"),
    Edge("approved", "approval_expired", "failed", _LEASE, "proof"),
    Edge("approved", "approval_withdrawn", "failed", _OPERATOR, "inference"),
    Edge("approved", "taken_up", "sending", _CALL),
    Edge("sending", "departed", "sending", _SENDER),
    Edge("sending", "lease_ended_unsent", "failed", _LEASE, "inference"),
    Edge("sending", "lease_ended_sent", "in_doubt", _LEASE),
    Edge("sending", "answer_lost", "in_doubt", _SENDER),
    Edge("in_doubt", "answer_lost", "in_doubt", _SENDER),
    Edge("failed", "answer_lost", "in_doubt", _SENDER, replaces="inference"),
    Edge("sending", "answer_unread", "in_doubt", _SENDER),
    Edge("in_doubt", "answer_unread", "in_doubt", _SENDER),
    Edge("failed", "answer_unread", "in_doubt", _SENDER, replaces="inference"),
    Edge("sending", "confirmed", "succeeded", _SENDER, "proof"),
    Edge("in_doubt", "confirmed", "succeeded", _SENDER, "proof"),
    Edge("failed", "confirmed", "succeeded", _SENDER, "proof", "inference"),
    Edge("succeeded", "confirmed", "succeeded", _SENDER, "proof", "inference"),
    Edge("superseded", "confirmed", "superseded", _SENDER, "proof", "inference"),
    Edge("sending", "refused", "failed", _SENDER, "proof"),
    Edge("in_doubt", "refused", "failed", _SENDER, "proof"),
    Edge("failed", "refused", "failed", _SENDER, "proof", "inference"),
    Edge("succeeded", "refused", "failed", _SENDER, "proof", "inference"),
    Edge("superseded", "refused", "failed", _SENDER, "proof", "inference"),
    Edge("sending", "unsent", "failed", _SENDER, "proof"),
    Edge("in_doubt", "unsent", "failed", _SENDER, "proof"),
    Edge("failed", "unsent", "failed", _SENDER, "proof", "inference"),
    Edge("succeeded", "unsent", "failed", _SENDER, "proof", "inference"),
    Edge("superseded", "unsent", "failed", _SENDER, "proof", "inference"),
    Edge("in_doubt", "found_done", "succeeded", _LOOKED, "inference"),
    Edge("in_doubt", "found_unsent", "failed", _LOOKED, "inference"),
    Edge("in_doubt", "found_nothing", "in_doubt", _LOOKED),
    Edge("in_doubt", "said_done", "succeeded", _OPERATOR, "inference"),
    Edge("failed", "said_done", "succeeded", _OPERATOR, "inference", "inference"),
    Edge("in_doubt", "said_unsent", "failed", _OPERATOR, "inference"),
    Edge("succeeded", "said_unsent", "failed", _OPERATOR, "inference", "inference"),
    Edge("succeeded", "ended", "superseded", _ANOTHER),
    Edge("superseded", "not_ended", "succeeded", _ANOTHER),
)

MEANING: Mapping[Event, str] = {
    "claimed": "no other operation holds the claim: it is recorded, and may be sent",
    "asked": "it is recorded, and a person decides first",
    "approved": "a person agreed to exactly this plan",
    "rejected": "a person did not agree",
    "plan_changed": "what it would do is otherwise by now: another operation waits in its place",
    "nothing_left": "the vendor has it as asked for already",
    "approval_expired": "the approval was not used within a day",
    "approval_withdrawn": "the ledger went back in time since, so it may have been used",
    "taken_up": "the same call was made again, so that it is sent",
    "departed": "its sender still holds the lease: a request is on record, and its first byte may leave",
    "lease_ended_unsent": "its sender is gone, and nothing had departed",
    "lease_ended_sent": "its sender is gone, and a request had departed",
    "answer_lost": "a request departed, and no answer came",
    "answer_unread": "the vendor answered 2xx, and its answer could not be read",
    "confirmed": "the vendor answered 2xx, or nothing had to be sent",
    "refused": "the vendor refused it: nothing was changed",
    "unsent": "its sender is certain that no byte left",
    "found_done": "looking at the vendor showed it as done",
    "found_unsent": "looking at the vendor showed that it was not carried out",
    "found_nothing": "looking at the vendor settled nothing",
    "said_done": "a person who looked at the vendor says that it was done",
    "said_unsent": "a person who looked at the vendor says that it was not carried out",
    "ended": "a later write ended what this one made",
    "not_ended": "the write that was concluded to have ended it was proved not to have been done",
}

_OUTCOMES: tuple[State, ...] = ("succeeded", "failed", "superseded")

_BY_EVENT: Mapping[tuple[State | None, Event], Edge] = {(edge.state, edge.event): edge for edge in EDGES}


def edge_of(state: State | None, event: Event, ground: Ground | None = None) -> Edge | None:
    """The transition that an event is in a state whose outcome rests on `ground`; None when it changes nothing."""
    edge = _BY_EVENT.get((state, event))
    return edge if edge is not None and edge.replaces in (None, ground) else None


def next_state(state: State | None, event: Event, ground: Ground | None = None) -> State | None:
    """The state after the event; None when it changes nothing there."""
    edge = edge_of(state, event, ground)
    return edge.next if edge else None


def next_ground(state: State | None, event: Event, ground: Ground | None = None) -> Ground | None:
    """What the outcome rests on after the event, also where the event changes nothing."""
    edge = edge_of(state, event, ground)
    if edge is None or (edge.ground is None and edge.next in _OUTCOMES):
        return ground
    return edge.ground


def ordinary(event: Event) -> tuple[tuple[State, ...], State, Ground | None]:
    """From which states an event leads on without correcting anything, where to, and on which ground."""
    edges = [edge for edge in EDGES if edge.event == event and edge.replaces is None]
    (target,) = {(edge.next, edge.ground): edge for edge in edges}.values()
    return tuple(edge.state for edge in edges if edge.state is not None), target.next, target.ground


HELD_IN: Mapping[Keeps, tuple[State, ...]] = {
    "success": ("awaiting_approval", "approved", "sending", "in_doubt", "succeeded"),
    "doubt": ("awaiting_approval", "approved", "sending", "in_doubt"),
    "sending": ("awaiting_approval", "approved", "sending"),
}
"""In which states an operation holds its claim."""

STARTS: Mapping[Literal["claimed", "asked"], State] = {"claimed": "sending", "asked": "awaiting_approval"}


ENDS_SENDING = frozenset(edge.event for edge in EDGES if edge.by == _SENDER and edge.event != "departed")
"""What ends an operation for its sender, whatever it means for the outcome."""


def holds_claim(keeps: Keeps, state: State) -> bool:
    """Whether no other operation of the same identity may be recorded while this one is in that state."""
    return state in HELD_IN[keeps]


def holds_resource(state: State) -> bool:
    """Whether no other operation on the same resource may be under way meanwhile."""
    return state == "sending"


def may_depart(state: State, *, is_own: bool) -> bool:
    """Whether a process may record a departure, and send: only what it holds the lease of, as long as nobody else
    ended that."""
    return is_own and next_state(state, "departed") is not None


def at_the_end_of_its_lease(
    state: State, *, is_own: bool, departed: bool, lease_is_over: bool
) -> Literal["lease_ended_unsent", "lease_ended_sent"] | None:
    """What a process that looks makes of an operation under way. A process never ends a lease of its own."""
    if is_own or not lease_is_over or not holds_resource(state):
        return None
    return "lease_ended_sent" if departed else "lease_ended_unsent"


def may_settle_unsent(age: Age | None, settle_after: float, *, is_under_way_here: bool) -> bool:
    """Whether it may be concluded that a write was not carried out, by looking or by a person.

    A write shows at the vendor within `settle_after` seconds of its departure. That they have passed has to be so by
    each clock that can be compared with the departure's. A process settles nothing that it has under way itself.
    """
    return is_settled(age, settle_after) and not is_under_way_here


def markdown() -> str:
    """The table, for the documentation."""
    lines = ["| state | event | next state | who | rests on | when |", "|---|---|---|---|---|---|"]
    for edge in EDGES:
        state = f"`{edge.state}`" if edge.state else "(new)"
        state += f", by {edge.replaces}" if edge.replaces else ""
        who = ", ".join(edge.by)
        lines.append(
            f"| {state} | `{edge.event}` | `{edge.next}` | {who} | {edge.ground or '-'} | {MEANING[edge.event]} |"
        )
    return "\n".join(lines)
