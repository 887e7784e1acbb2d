"""What the tests of the work item tools share: a work item as Interchange sends it, and answers that get lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from tests.support import Answer
from tests.tools.cases import dropped, refused_by_interchange, timed_out

SOURCES = "/api/v2/storefront/inventory-sources"
CADENT, CTV, LIVE = "northlight-cadent", "northlight-ctv", "northlight-live-sports"
IDS: dict[str, Any] = {"source_id": "s", "work_item_id": "7"}
PATH = f"{SOURCES}/s/modular/work-items/7"
READ = ("GET", PATH, None)

ITEM: dict[str, Any] = {
    "id": "7",
    "kind": "EXECUTE_UPSTREAM_BOOKING",
    "title": "Book it",
    "description": None,
    "status": "OPEN",
    "priority": "HIGH",
    "resourceType": "modular_booking",
    "resourceId": "5",
    "mediaBuyId": "m",
    "buyerCustomerId": 9,
    "assignedTo": None,
    "dueAt": None,
    "payload": {},
    "result": {},
    "blockedReason": None,
    "completedBy": None,
    "completedAt": None,
    "createdAt": "2026-11-22T10:00:00Z",
    "updatedAt": "2026-11-22T10:00:00Z",
}
"""Of a detail answer, what the tools read."""


def items_of(source_id: str, query: str = "limit=100") -> tuple[str, str, None]:
    return ("GET", f"{SOURCES}/{source_id}/modular/work-items?{query}", None)


LOST: Sequence[tuple[Answer, str]] = [
    (timed_out, "did not answer in time"),
    (dropped, "closed the connection before it answered"),
    (lambda _: httpx.Response(503, json={"error": "unavailable"}), "answered 503"),
    (lambda _: httpx.Response(408), "answered 408"),
    (lambda _: httpx.Response(200, html="<html></html>"), "answered with an HTML page instead of JSON"),
    (lambda _: httpx.Response(200, content=b'{"ok": true, "item": {"id'), "answered with text instead of JSON"),
    (lambda _: httpx.Response(200, json={"ok": True}), "answered with JSON whose item could not be read"),
    (lambda _: httpx.Response(200, json={"data": None, "error": None}), "answered with JSON of another shape"),
]
"""What may come instead of a write's answer, and how that is told."""

REFUSALS = [
    *refused_by_interchange(
        (401, "unauthorized", "The operator checks ADOPS_INTERCHANGE_API_KEY"), upstream_code="UNAUTHORIZED"
    ),
    *refused_by_interchange(
        (402, "forbidden", "A person settles this with the vendor"), upstream_code="CREDIT_LIMIT_EXCEEDED"
    ),
    *refused_by_interchange(
        (403, "forbidden", "Ask for access: a person asks Interchange"), upstream_code="ACCESS_DENIED"
    ),
    *refused_by_interchange(
        (404, "not_found", "Take source_id and work_item_id from list_work_items"), upstream_code="NOT_FOUND"
    ),
    *refused_by_interchange(
        (400, "refused", "Call get_work_item to see the item's status"), upstream_code="INVALID_STATE"
    ),
    *refused_by_interchange((409, "conflict", "Call get_work_item to see its present state"), upstream_code="CONFLICT"),
    *refused_by_interchange(
        (422, "refused", "Correct the arguments as the message says"), upstream_code="CAPABILITY_NOT_SUPPORTED"
    ),
    *refused_by_interchange(
        (429, "rate_limited", "Wait a minute, then make the same call again."), upstream_code="RATE_LIMITED"
    ),
]
"""Interchange's refusals of a write."""
