"""The state machine of an operation, and the rules of claims and settlements."""

from __future__ import annotations

from math import inf
from typing import get_args

import pytest

from server.ledger.state_machine import (
    EDGES,
    HELD_IN,
    MEANING,
    Event,
    edge_of,
    event_at_lease_end,
    holds_claim,
    markdown,
    may_depart,
    may_settle_unsent,
    next_ground,
    next_state,
    ordinary_transition,
)
from tools.effects import Age, State


def test_each_event_has_edges_and_a_meaning_and_leads_to_one_state_from_each() -> None:
    assert {edge.event for edge in EDGES} == set(get_args(Event)) == set(MEANING)
    assert len({(edge.state, edge.event) for edge in EDGES}) == len(EDGES)
    for event in get_args(Event):
        if event not in ("claimed", "approval_requested"):
            assert ordinary_transition(event)[1] in get_args(State)


def test_each_state_is_reached_from_the_beginning() -> None:
    reached: set[State | None] = {None}
    for _ in get_args(State):
        reached.update(edge.next for edge in EDGES if edge.state in reached)
    assert reached == {None, *get_args(State)}


@pytest.mark.parametrize("edge", [edge for edge in EDGES if edge.state in ("succeeded", "failed", "superseded")])
def test_nothing_replaces_an_outcome_but_proof_one_that_was_concluded(edge: object) -> None:
    assert edge in EDGES
    (found,) = [one for one in EDGES if one == edge]
    if found.by == ("another write",):
        assert {found.state, found.next} == {"succeeded", "superseded"}
        return
    if found.by == ("operator",):
        assert (found.ground, found.replaces) == ("inference", "inference")
        assert {found.state, found.next} == {"succeeded", "failed"}
        return
    assert found.by == ("sender",)
    assert found.replaces == "inference"
    assert edge_of(found.state, found.event, "proof") is None


def test_what_a_look_or_the_end_of_a_lease_concludes_is_inference_and_what_the_sender_knows_is_proof() -> None:
    concluded = {(edge.by, edge.ground) for edge in EDGES if edge.next in ("succeeded", "failed") and edge.state}
    assert (("reconciler", "operator"), "inference") in concluded
    assert all(ground == "proof" for by, ground in concluded if by == ("sender",))
    assert all(ground == "inference" for by, ground in concluded if by == ("reconciler", "operator"))


@pytest.mark.parametrize(
    ("state", "event", "ground", "expected"),
    [
        ("failed", "confirmed", "inference", ("succeeded", "proof")),
        ("failed", "confirmed", "proof", (None, "proof")),
        ("succeeded", "refused", "inference", ("failed", "proof")),
        ("succeeded", "refused", "proof", (None, "proof")),
        ("superseded", "confirmed", "inference", ("superseded", "proof")),
        ("failed", "answer_unread", "inference", ("in_doubt", None)),
        ("succeeded", "superseded", "inference", ("superseded", "inference")),
        ("in_doubt", "found_unsent", None, ("failed", "inference")),
        ("failed", "found_done", "inference", (None, "inference")),
        ("rejected", "confirmed", None, (None, None)),
    ],
)
def test_a_later_truth_wins_and_nothing_else_does(
    state: State, event: Event, ground: None, expected: tuple[State | None, str | None]
) -> None:
    assert (next_state(state, event, ground), next_ground(state, event, ground)) == expected


def test_an_operation_in_doubt_keeps_its_claim_unless_only_one_under_way_does() -> None:
    assert [keeps for keeps in HELD_IN if holds_claim(keeps, "in_doubt")] == ["success", "doubt"]
    assert [keeps for keeps in HELD_IN if holds_claim(keeps, "succeeded")] == ["success"]
    assert not [keeps for keeps in HELD_IN if holds_claim(keeps, "failed")]


def test_only_who_holds_the_lease_departs_and_nobody_ends_a_lease_of_its_own() -> None:
    assert may_depart("sending", is_own=True)
    assert not may_depart("sending", is_own=False)
    assert not may_depart("failed", is_own=True)
    assert event_at_lease_end("sending", is_own=True, departed=True, lease_is_over=True) is None
    assert event_at_lease_end("sending", is_own=False, departed=True, lease_is_over=False) is None
    assert event_at_lease_end("sending", is_own=False, departed=True, lease_is_over=True) == "lease_ended_sent"
    assert event_at_lease_end("sending", is_own=False, departed=False, lease_is_over=True) == "lease_ended_unsent"


def test_a_write_is_settled_as_not_sent_only_once_it_is_old_enough_for_certain() -> None:
    assert may_settle_unsent(Age(60.0, inf), 60.0, is_under_way_here=False)
    assert not may_settle_unsent(Age(59.9, 1000.0), 60.0, is_under_way_here=False)
    assert not may_settle_unsent(Age(60.0, 60.0), 60.0, is_under_way_here=True)
    assert not may_settle_unsent(None, 60.0, is_under_way_here=False)


def test_the_table_is_printed_with_a_row_for_each_edge() -> None:
    assert len(markdown().splitlines()) == len(EDGES) + 2
    assert (
        "| `failed`, by inference | `confirmed` | `succeeded` | sender | proof "
        "| the vendor answered 2xx, or nothing had to be sent |" in markdown()
    )
