"""Inventory packages as FreeWheel sends them, for the tests of the tools that read and write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from tests.snapshots import answer_of
from tests.support import answered_by

PACKAGES = "/services/v4/inventory_packages"
ONE = f"{PACKAGES}/7"

Tree = dict[str, Any]


def item_set(targeting_type: str, item_type: str, *ids: Any) -> Tree:
    items = [{"id": item_id, "type": item_type} for item_id in ids]
    return {
        "targeting_type": targeting_type,
        "relationship": "AND",
        "item_lists": [{"relationship": "OR", "items": items}],
    }


def genres(*ids: Any) -> Tree:
    """A targeting of genres, and of nothing else."""
    return {"include": {"relationship": "AND", "item_sets": [item_set("CONTENT", "STANDARD_GENRE", *ids)]}}


def apps(*ids: Any) -> Tree:
    """An SSP targeting of apps."""
    return {"include": {"relationship": "AND", "item_sets": [item_set("PLATFORM", "STANDARD_APP", *ids)]}}


PACKAGE: dict[str, Any] = {
    "id": 7,
    "name": "Linear STB",
    "description": "Set-top boxes.\nSee https://northlight.example/stb  for more.",
    "status": "ACTIVE",
    "targeting": genres("1004", "1008"),
    "ssp_targeting": apps("70215"),
    "created_at": "2025-01-02T03:04:05Z",
    "updated_at": "2026-01-02T03:04:05Z",
}
"""Its description holds what no reader is shown, and what an update must give back all the same."""

WEATHER = 271191
"""A package of the sandbox that has both targetings."""

RENAME: dict[str, Any] = {"name": "Linear"}
RENAMED: dict[str, Any] = {**PACKAGE, **RENAME}
BODY = {name: PACKAGE[name] for name in ("name", "description", "status", "targeting", "ssp_targeting")}
READ = ("GET", ONE, None)
PUT = ("PUT", ONE, {**BODY, **RENAME})
"""What is sent for `RENAME`."""

ROOTS: dict[str, Any] = {
    "not a list": {"include": {"relationship": "AND", "item_sets": "all"}},
    "a list": [genres("1004")],
    "text": "everything",
    "other words": {"groups": [{"id": 5}]},
}
"""Trees in shapes that no document knows."""


def in_turn(*answers: httpx.Response | Callable[[httpx.Request], httpx.Response]) -> Callable[..., httpx.Response]:
    """Answers one request after the other; a request beyond the last answer fails the test."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        following = left.pop(0)
        return following if isinstance(following, httpx.Response) else following(request)

    return answer


def ok(body: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=json.dumps(body))


async def updated(arguments: dict[str, Any], *answers: Any) -> tuple[dict[str, Any], list[tuple[str, str, Any]]]:
    """The answer of update_inventory_package for package 7, and what was sent, when FreeWheel answers these in turn.

    A dict is the body of a 200.
    """
    given: list[Any] = [ok(answer) if isinstance(answer, dict) else answer for answer in answers]
    async with answered_by({"freewheel": in_turn(*given)}) as (client, recorders):
        result = await client.call_tool("update_inventory_package", {"package_id": 7, **arguments})
    return answer_of("update_inventory_package", result), recorders["freewheel"].sent()
