"""What a list proves about a write in doubt that is not seen in it, while others change the list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubts import AN_ORDER_LESS, ANOTHER_ORDER, World, world

ORDERS = "/proposed_insertion_orders"
OTHERS = 75
"""Orders beside the 25 of the sandbox: two full pages, so that the next one is the first of the third."""

Told = Callable[[Any], dict[str, Any]]


async def lost_behind_two_pages(agent: World, external_id: str) -> str:
    """The operation of an order that was made, and is the first one of the third page."""
    for number in range(OTHERS):
        agent.sandbox(ANOTHER_ORDER, f"O-{number}")
    operation_id = await agent.lost("create_proposed_io", {"external_id": external_id, "name": "N"}, when="after")
    for number in range(10):
        agent.sandbox(ANOTHER_ORDER, f"P-{number}")
    return operation_id


def slipping(agent: World, times: int, told: Told, *, added: bool) -> Callable[[httpx.Request, Any], Any]:
    """After the second page is read, an order before it is deleted, so that ours slips to that page.

    times: how often that happens. added: another order comes at the end, so that the total stands still.
    """
    left = [times]

    def rewrite(request: httpx.Request, payload: Any) -> Any:
        if not request.url.path.endswith(ORDERS):
            return payload
        if request.url.params["page"] == "2" and left[0]:
            left[0] -= 1
            agent.sandbox(AN_ORDER_LESS)
            if added:
                agent.sandbox(ANOTHER_ORDER, f"Q-{left[0]}")
        return told(payload)

    return rewrite


def as_it_is(payload: dict[str, Any]) -> dict[str, Any]:
    return payload


def without_counts(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if not name.startswith("total")}


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("told", [as_it_is, without_counts])
async def test_an_order_that_slips_to_a_page_already_read_is_never_said_not_to_be_sent(
    tmp_path: Path, told: Told, added: bool
) -> None:
    async with world(tmp_path) as agent:
        operation_id = await lost_behind_two_pages(agent, "CRM-9")
        agent.losing["freewheel"].rewrite = slipping(agent, 1, told, added=added)
        answer = await agent.reconciled(operation_id)
        assert answer["outcome"] == "succeeded", answer
        writes = agent.writes()
        again = await agent.done("create_proposed_io", {"external_id": "CRM-9", "name": "N"})
        assert again["replayed"] is True
        assert agent.writes() == writes


async def test_a_list_that_never_stands_still_settles_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        for number in range(OTHERS):
            agent.sandbox(ANOTHER_ORDER, f"O-{number}")
        operation_id = await agent.lost("create_proposed_io", {"external_id": "CRM-9", "name": "N"}, when="before")
        agent.losing["freewheel"].rewrite = slipping(agent, 9, as_it_is, added=False)
        answer = await agent.reconciled(operation_id)
        assert (answer["outcome"], answer["state"]) == ("unknown", "in_doubt")
        assert "changed while it was read" in answer["what_happened"]
        agent.losing["freewheel"].rewrite = None
        assert (await agent.reconciled(operation_id))["outcome"] == "not_sent"


CONTRADICTIONS: list[Told] = [
    lambda payload: {**payload, "total_count": len(payload["items"])},
    lambda payload: {**payload, "total_count": "many"},
    lambda payload: {**payload, "total_count": 0},
    lambda payload: {**payload, "per_page": 20},
]


@pytest.mark.parametrize("told", CONTRADICTIONS)
async def test_counts_that_contradict_each_other_do_not_end_a_reading_before_our_order(
    tmp_path: Path, told: Told
) -> None:
    """`total` of this page beside a larger `total_pages` hid the pages that follow."""
    async with world(tmp_path) as agent:
        operation_id = await lost_behind_two_pages(agent, "CRM-9")
        agent.losing["freewheel"].rewrite = lambda request, payload: (
            told(payload) if request.url.path.endswith(ORDERS) else payload
        )
        assert (await agent.reconciled(operation_id))["outcome"] == "succeeded"
