"""The rows of the specification, and what brings about what each of them observes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import httpx

from tests.docs import ROOT
from tests.doubts import World

PAGE = ROOT / "docs" / "guarantees.md"

Row = tuple[str, str]
Drive = Callable[[World], Awaitable[str]]
"""Brings about what is observed, and gives the outcome that the agent is told."""

DRIVES: dict[Row, list[Drive]] = {}


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table."""

    write: str
    observed: str
    verdict: str


def rules() -> list[Rule]:
    part = re.search(r"<!-- specification: reconciliation -->\n(.*?)<!-- end -->", PAGE.read_text("utf-8"), re.DOTALL)
    assert part is not None
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part[1].splitlines()[2:]]
    return [Rule(write.strip("`"), observed, verdict) for write, observed, verdict, _ in rows]


def drives(write: str, observed: str) -> Callable[[Drive], Drive]:
    def keep(drive: Drive) -> Drive:
        DRIVES.setdefault((write, observed), []).append(drive)
        return drive

    return keep


async def outcome(agent: World, operation_id: str) -> str:
    return str((await agent.reconciled(operation_id))["outcome"])


def rewritten(ending: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[httpx.Request, Any], Any]:
    """Each object that is read from a path, or from the list there, changed."""

    def rewrite(request: httpx.Request, payload: Any) -> Any:
        if ending not in request.url.path:
            return payload
        for key, value in payload.items():
            if isinstance(value, list):
                return {**payload, key: [change(one) for one in cast("list[dict[str, Any]]", value)]}
            if isinstance(value, dict) and len(payload) == 1:
                return {key: change(cast("dict[str, Any]", value))}
        return change(payload)

    return rewrite
