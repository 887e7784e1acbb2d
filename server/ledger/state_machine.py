"""The state machine of an operation: which event moves it from which state to which, who may cause the event, and what
the outcome rests on.

This table is the only place that states transitions. The ledger makes its SQL from it, the documentation prints it
(`markdown`), and the model in the tests explores it. The module imports nothing but types, so that all of them can use
it.

An outcome rests on proof or on inference. Proof is the vendor's own answer (a 2xx or a definite refusal), or the
sender's certainty that no byte was sent. Inference is what a reconciliation, a person or the end of a lease concluded
without either. Proof always replaces inference. Inference never replaces proof. An inferred outcome is corrected only
by a person, and only the sender puts it back in doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tools.effects import Age, State, is_settled

Ground = Literal["proof", "inference"]

ClaimLifetime = Literal["success", "doubt", "sending"]
"""How long a write holds its claim: after its success too, until its outcome is known, or only while it is under
way."""

Event = Literal[
    "claimed",
    "approval_requested",
    "approved",
    "rejected",
    "plan_changed",
    "nothing_left",
    "approval_expired",
    "approval_withdrawn",
    "taken_up",
    "departure_recorded",
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
    "superseded",
    "supersession_undone",
]

Actor = Literal["agent's call", "sender", "operator", "reconciler", "lease's end", "another write"]
"""The agent's call may be served by any process. The sender is the one process that holds the operation's lease."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One transition.

    state: None before the operation is recorded. replaces: what the outcome in that state must rest on for the event to
    change it; None where that does not matter. ground: what the next state rests on; None where the next state is no
    outcome, or rests on the same as before.
    """

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
    Edge(None, "approval_requested", "awaiting_approval", _CALL),
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
    Edge("sending", "departure_recorded", "sending", _SENDER),
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
    Edge("succeeded", "superseded", "superseded", _ANOTHER),
    Edge("superseded", "supersession_undone", "succeeded", _ANOTHER),
)

MEANING: Mapping[Event, str] = {
    "claimed": "no other operation holds the claim: it is recorded, and may be sent",
    "approval_requested": "it is recorded, and a person decides first",
    "approved": "a person agreed to exactly this plan",
    "rejected": "a person did not agree",
    "plan_changed": "what it would do has changed: another operation waits in its place",
    "nothing_left": "the vendor already has it as requested, so nothing is left to send",
    "approval_expired": "the approval was not used within a day",
    "approval_withdrawn": "the ledger went back in time since, so it may have been used",
    "taken_up": "the same call was made again, so that it is sent",
    "departure_recorded": "its sender still holds the lease: the request is recorded, and its first byte may be sent",
    "lease_ended_unsent": "its sender is gone, and no departure was recorded",
    "lease_ended_sent": "its sender is gone, and a departure was recorded",
    "answer_lost": "a request was sent, and no answer came",
    "answer_unread": "the vendor answered 2xx, and its answer could not be read",
    "confirmed": "the vendor answered 2xx, or nothing had to be sent",
    "refused": "the vendor refused it: nothing was changed",
    "unsent": "its sender is certain that no byte was sent",
    "found_done": "a look at the vendor showed that it was done",
    "found_unsent": "a look at the vendor showed that it was not carried out",
    "found_nothing": "a look at the vendor settled nothing",
    "said_done": "a person who looked at the vendor says that it was done",
    "said_unsent": "a person who looked at the vendor says that it was not carried out",
    "superseded": "a later write ended what this one made",
    "supersession_undone": "the write that was thought to have ended it was proved not to have been done",
}

_OUTCOMES: tuple[State, ...] = ("succeeded", "failed", "superseded")

_BY_EVENT: Mapping[tuple[State | None, Event], Edge] = {(edge.state, edge.event): edge for edge in EDGES}


def edge_of(state: State | None, event: Event, ground: Ground | None = None) -> Edge | None:
    """The transition for an event in a state whose outcome rests on `ground`. None when the event changes nothing."""
    edge = _BY_EVENT.get((state, event))
    return edge if edge is not None and edge.replaces in (None, ground) else None


def next_state(state: State | None, event: Event, ground: Ground | None = None) -> State | None:
    """The state after the event. None when the event changes nothing."""
    edge = edge_of(state, event, ground)
    return edge.next if edge else None


def next_ground(state: State | None, event: Event, ground: Ground | None = None) -> Ground | None:
    """What the outcome rests on after the event, which may have changed nothing."""
    edge = edge_of(state, event, ground)
    if edge is None or (edge.ground is None and edge.next in _OUTCOMES):
        return ground
    return edge.ground


def ordinary_transition(event: Event) -> tuple[tuple[State, ...], State, Ground | None]:
    """The states in which an event applies without correcting an outcome, the next state, and its ground."""
    edges = [edge for edge in EDGES if edge.event == event and edge.replaces is None]
    (target,) = {(edge.next, edge.ground): edge for edge in edges}.values()
    return tuple(edge.state for edge in edges if edge.state is not None), target.next, target.ground


HELD_IN: Mapping[ClaimLifetime, tuple[State, ...]] = {
    "success": ("awaiting_approval", "approved", "sending", "in_doubt", "succeeded"),
    "doubt": ("awaiting_approval", "approved", "sending", "in_doubt"),
    "sending": ("awaiting_approval", "approved", "sending"),
}
"""The states in which an operation holds its claim."""

INITIAL_STATE: Mapping[Literal["claimed", "approval_requested"], State] = {
    "claimed": "sending",
    "approval_requested": "awaiting_approval",
}


SENDER_OUTCOMES = frozenset(edge.event for edge in EDGES if edge.by == _SENDER and edge.event != "departure_recorded")
"""The events with which an operation ends for its sender, whatever its outcome then is."""


def holds_claim(keeps: ClaimLifetime, state: State) -> bool:
    """Whether an operation in that state keeps others with the same identity from being recorded."""
    return state in HELD_IN[keeps]


def holds_resource(state: State) -> bool:
    """Whether an operation in that state keeps others on the same resource from being under way."""
    return state == "sending"


def may_depart(state: State, *, is_own: bool) -> bool:
    """Whether a process may record a departure, and send: only while it holds the lease and nobody has ended it."""
    return is_own and next_state(state, "departure_recorded") is not None


def event_at_lease_end(
    state: State, *, is_own: bool, departed: bool, lease_is_over: bool
) -> Literal["lease_ended_unsent", "lease_ended_sent"] | None:
    """The event when a process finds an operation under way whose lease is over. A process never ends its own lease."""
    if is_own or not lease_is_over or not holds_resource(state):
        return None
    return "lease_ended_sent" if departed else "lease_ended_unsent"


def may_settle_unsent(age: Age | None, settle_after: float, *, is_under_way_here: bool) -> bool:
    """Whether a reconciliation or a person may conclude that a write was not carried out.

    A write shows at the vendor within `settle_after` seconds of its departure. These must have passed by every clock
    that can be compared with the departure's. A process settles nothing that it has under way itself.
    """
    return is_settled(age, settle_after) and not is_under_way_here


def markdown() -> str:
    """The table for the documentation."""
    lines = ["| state | event | next state | who | rests on | when |", "|---|---|---|---|---|---|"]
    for edge in EDGES:
        state = f"`{edge.state}`" if edge.state else "(new)"
        state += f", by {edge.replaces}" if edge.replaces else ""
        who = ", ".join(edge.by)
        lines.append(
            f"| {state} | `{edge.event}` | `{edge.next}` | {who} | {edge.ground or '-'} | {MEANING[edge.event]} |"
        )
    return "\n".join(lines)
