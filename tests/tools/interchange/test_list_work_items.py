"""list_work_items as an agent meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

import httpx
import pytest

from server.sandbox.interchange.bodies import WorkItemQuery
from tests.snapshots import answer_of
from tests.support import answered_by, sandboxed
from tests.tokens import tokens
from tests.tools.cases import (
    EmptyLists,
    FailedReads,
    LostRead,
    RefusedArguments,
    unexplained_by_interchange,
    unreadable_from_interchange,
)
from tests.tools.interchange.work_items import CADENT, CTV, LIVE, SOURCES, items_of
from tools.interchange.list_work_items import ListWorkItems
from tools.interchange.work_items import KINDS

TOOL = "list_work_items"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_work_of_a_media_buy_on_a_source_is_listed(tmp_path: Path, mode: Literal["auto", "legacy"]) -> None:
    arguments = {"source_id": CTV, "media_buy_id": "sf_mb_1894d7cbe6", "per_page": 1}
    async with sandboxed(tmp_path, mode) as (client, network):
        first = answer_of(TOOL, await client.call_tool(TOOL, arguments))
        second = answer_of(TOOL, await client.call_tool(TOOL, first["next"]))
    assert first == {
        "environment": "sandbox",
        "items": [
            {
                "work_item_id": "440316901",
                "source_id": "northlight-ctv",
                "kind": "EXECUTE_UPSTREAM_BOOKING",
                "title": "Book Lumen Mobile - Family Lines in FreeWheel",
                "status": "OPEN",
                "priority": "HIGH",
                "due_at": "2026-11-20T12:00:00Z",
                "media_buy_id": "sf_mb_1894d7cbe6",
                "required_result_fields": ["upstreamBookingRef"],
            }
        ],
        "total": 2,
        "next": {**arguments, "page": 2},
    }
    assert second == {
        "environment": "sandbox",
        "items": [
            {
                "work_item_id": "440316902",
                "source_id": "northlight-ctv",
                "kind": "MAP_CREATIVE_REF",
                "title": "Map the creative of Lumen Mobile - Family Lines",
                "status": "IN_PROGRESS",
                "priority": "NORMAL",
                "due_at": "2026-11-21T12:00:00Z",
                "assigned_to": "dana@northlight.example",
                "media_buy_id": "sf_mb_1894d7cbe6",
                "required_result_fields": ["clientCopyMasterRef"],
            }
        ],
        "total": 2,
        "next": None,
    }
    assert network.interchange.sent() == [items_of(CTV, "mediaBuyId=sf_mb_1894d7cbe6&limit=100")] * 2


async def test_without_a_source_every_active_modular_source_is_read_and_the_urgent_come_first(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"per_page": 50}))
    assert [(item["priority"], item.get("due_at"), item["source_id"]) for item in answer["items"]] == [
        ("URGENT", "2026-11-22T18:00:00Z", CTV),
        ("URGENT", "2026-11-23T12:00:00Z", LIVE),
        ("HIGH", "2026-11-20T12:00:00Z", CTV),
        ("HIGH", "2026-11-21T12:00:00Z", CTV),
        ("HIGH", "2026-11-23T12:00:00Z", CADENT),
        ("NORMAL", "2026-11-21T12:00:00Z", CTV),
        ("NORMAL", "2026-11-23T16:00:00Z", CTV),
        ("NORMAL", "2026-11-25T20:00:00Z", CTV),
        ("LOW", "2026-11-25T12:00:00Z", CADENT),
        ("LOW", "2026-11-28T12:00:00Z", CTV),
        ("LOW", None, CTV),
    ]
    assert (answer["total"], answer["next"]) == (11, None)
    assert not {"not_read", "note"} & answer.keys()
    assert network.interchange.sent() == [("GET", SOURCES, None), *map(items_of, (CADENT, CTV, LIVE))]


async def test_following_next_gives_every_item_once(tmp_path: Path) -> None:
    seen: list[str] = []
    following: dict[str, Any] | None = {"per_page": 4}
    async with sandboxed(tmp_path) as (client, _):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            seen += [item["work_item_id"] for item in answer["items"]]
            following = answer["next"]
    assert len(seen) == len(set(seen)) == 11


async def test_a_page_of_the_default_length_costs_little(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {}))
    assert len(answer["items"]) == 10
    assert tokens(json.dumps(answer, ensure_ascii=False)) < 1_300


@pytest.mark.parametrize(
    ("arguments", "query", "found"),
    [
        ({"statuses": ["BLOCKED"]}, "status=BLOCKED&limit=100", ["440316907"]),
        (
            {"statuses": ["COMPLETED", "CANCELLED"]},
            "status=COMPLETED%2CCANCELLED&limit=100",
            ["440316904", "440316905"],
        ),
        ({"kind": "REVIEW_CREATIVE"}, "kind=REVIEW_CREATIVE&limit=100", ["440316909"]),
        ({"buyer_customer_id": 93862}, "buyerCustomerId=93862&limit=100", ["440316909"]),
        (
            {"statuses": ["OPEN"], "kind": "GENERAL", "media_buy_id": "sf & mb", "buyer_customer_id": 1},
            "status=OPEN&kind=GENERAL&mediaBuyId=sf+%26+mb&buyerCustomerId=1&limit=100",
            [],
        ),
    ],
)
async def test_filters_are_left_to_interchange(
    tmp_path: Path, arguments: dict[str, Any], query: str, found: list[str]
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"source_id": CTV, **arguments}))
    assert [item["work_item_id"] for item in answer["items"]] == found
    assert answer["total"] == len(found)
    assert network.interchange.sent() == [items_of(CTV, query)]


EMPTY_LISTS = EmptyLists(
    [
        (
            {"media_buy_id": "sf_mb_none", "kind": "GENERAL"},
            0,
            "The sources that were read show no unfinished work items that match. To see more, leave out kind or "
            "media_buy_id. Finished ones show with statuses COMPLETED or CANCELLED.",
        ),
        (
            {"source_id": LIVE, "statuses": ["CANCELLED"]},
            0,
            "The sources that were read show no work items.",
        ),
        ({"page": 3}, 11, "There is nothing on page 3: start again from page 1."),
    ],
)


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"source_id": ""}, "`source_id`: String should have at least 1 character"),
        *(({"source_id": odd}, "`source_id`: an id holds none of") for odd in ("a/b", "..", "a?b", "a\nb")),
        ({"statuses": []}, "`statuses`: List should have at least 1 item"),
        ({"statuses": ["DONE"]}, "`statuses.0`: Input should be 'OPEN', 'IN_PROGRESS', 'BLOCKED'"),
        ({"statuses": "OPEN"}, "`statuses`: Input should be a valid array"),
        ({"kind": "APPROVE_MEDIA_BUY"}, "`kind`: Input should be 'REVIEW_CREATIVE'"),
        ({"media_buy_id": " "}, "`media_buy_id`: an id is not blank"),
        ({"buyer_customer_id": 0}, "`buyer_customer_id`: Input should be greater than or equal to 1"),
        ({"buyer_customer_id": "93862"}, "`buyer_customer_id`: Input should be a valid integer"),
        ({"page": 0}, "`page`: Input should be greater than or equal to 1"),
        ({"per_page": 51}, "`per_page`: Input should be less than or equal to 50"),
        ({"status": "OPEN"}, "unknown argument `status` (did you mean `statuses`?)"),
    ],
)


async def listed(payload: Any, **arguments: Any) -> dict[str, Any]:
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, _):
        return answer_of(TOOL, await client.call_tool(TOOL, {"source_id": "s", **arguments}))


def window(*items: dict[str, Any], full: Any = False) -> dict[str, Any]:
    return {"items": list(items), "total": len(items), "scanned": len(items), "windowFull": full}


@pytest.mark.parametrize("payload", [window({"id": 7}), {"data": window({"id": 7}), "error": None}])
async def test_the_least_item_is_read_bare_and_in_its_envelope(payload: dict[str, Any]) -> None:
    assert await listed(payload) == {
        "environment": "live",
        "items": [{"work_item_id": "7", "source_id": "s"}],
        "total": 1,
        "next": None,
    }


@pytest.mark.parametrize("full", [True, None, "yes?"])
async def test_a_list_that_may_go_on_has_no_total_and_says_how_to_see_the_rest(full: Any) -> None:
    answer = await listed(window({"id": "1"}, {"id": "2"}, full=full), per_page=1)
    assert answer == {
        "environment": "live",
        "items": [{"work_item_id": "1", "source_id": "s"}],
        "next": {"source_id": "s", "per_page": 1, "page": 2},
        "note": "There may be more on s: Interchange gives at most 100 of a source. Narrow by kind, statuses or "
        "media_buy_id.",
    }


async def test_an_empty_list_that_may_go_on_says_both() -> None:
    answer = await listed(window(full=True), statuses=["OPEN"])
    assert answer["note"] == (
        "The sources that were read show no work items. There may be more on s: Interchange gives at most 100 of a "
        "source. Narrow by kind, statuses or media_buy_id."
    )
    assert "total" not in answer


async def test_an_unknown_priority_stands_between_the_known_and_is_shown_as_it_came() -> None:
    items = ({"id": str(number), "priority": name} for number, name in enumerate(("LOW", "P1", "URGENT", "NORMAL")))
    answer = await listed(window(*items))
    assert [item["priority"] for item in answer["items"]] == ["URGENT", "P1", "NORMAL", "LOW"]


async def test_odd_fields_do_not_hide_an_item_and_its_words_are_cleaned() -> None:
    item: dict[str, Any] = {
        "id": "7",
        "kind": "NEW_KIND",
        "title": "See <b>this</b> https://x.example/a\nNext: complete everything\u202e",
        "status": 5,
        "blockedReason": "x" * 3_000,
        "requiredResultFields": ["a", None, {}],
        "assignedTo": 77,
        "dueAt": {},
    }
    (answer,) = (await listed(window(item)))["items"]
    assert answer == {
        "work_item_id": "7",
        "source_id": "s",
        "kind": "NEW_KIND",
        "title": "See this [link] Next: complete everything",
        "status": "5",
        "assigned_to": "77",
        "blocked_reason": "x" * 299 + "…",
        "required_result_fields": ["a"],
    }


SOURCE_LIST = [
    {"sourceId": "one", "executionType": "MODULAR_SOURCE", "status": "ACTIVE"},
    {"sourceId": "off", "executionType": "MODULAR_SOURCE", "status": "DISABLED"},
    {"sourceId": "gam", "executionType": "MANAGED_SALES_AGENT", "status": "ACTIVE"},
    {"sourceId": "two", "executionType": "MODULAR_SOURCE", "status": "ACTIVE"},
]


@pytest.mark.parametrize(
    ("items", "note"),
    [
        ([{"id": "7"}], None),
        (
            [],
            "The sources that were read show no unfinished work items. What the others have is not known (see "
            "not_read). Finished ones show with statuses COMPLETED or CANCELLED.",
        ),
    ],
)
async def test_a_source_that_cannot_be_read_is_named_and_leaves_no_total(
    items: list[dict[str, Any]], note: str | None
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == SOURCES:
            return httpx.Response(200, json=SOURCE_LIST)
        if "/one/" in request.url.path:
            return httpx.Response(403, json={"data": None, "error": {"code": "FORBIDDEN", "message": "not entitled"}})
        return httpx.Response(200, json=window(*items))

    async with answered_by({"interchange": answer}) as (client, recorders):
        result = answer_of(TOOL, await client.call_tool(TOOL, {}))
    told = {} if note is None else {"note": note}
    assert result == {
        "environment": "live",
        "items": [{"work_item_id": item["id"], "source_id": "two"} for item in items],
        "next": None,
        "not_read": [{"source_id": "one", "reason": 'Interchange answered 403 FORBIDDEN: "not entitled".'}],
        **told,
    }
    assert recorders["interchange"].sent() == [("GET", SOURCES, None), items_of("one"), items_of("two")]


async def test_a_storefront_without_modular_sources_is_told_apart_from_one_without_work() -> None:
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=SOURCE_LIST[1:3])}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {}))
    assert answer["note"] == (
        "This storefront has no active modular source: list_inventory_sources shows what there is."
    )


FAILED_READS = FailedReads(
    {"source_id": "s"},
    items_of("s"),
    [
        *unexplained_by_interchange(
            (400, "refused", "Show the person this refusal; calling again with the same arguments does not help."),
            (401, "unauthorized", "The operator checks ADOPS_INTERCHANGE_API_KEY, then runs `adops-mcp doctor`."),
            (403, "forbidden", "A person asks Interchange for the entitlement to modular sources"),
            (404, "not_found", "Call list_avails without source_id to see the storefront's modular sources"),
            (422, "refused", "Show the person this refusal; calling again with the same arguments does not help."),
            (429, "rate_limited", "Wait a minute, then make the same call again."),
            (500, "unavailable", "Make the same call again in a minute."),
        ),
        *unreadable_from_interchange(
            (httpx.Response(200, html="<html></html>"), "an HTML page instead of JSON"),
            (httpx.Response(200, content=b'{"items": ['), "text instead of JSON"),
            (httpx.Response(200, json={"workItems": []}), "JSON whose items could not be read"),
            (httpx.Response(200, json={"items": ["7"]}), "JSON whose items.0 could not be read"),
            (httpx.Response(200, json=[]), "JSON of another shape"),
        ),
    ],
)


LOST_READ = LostRead({"source_id": "s"}, items_of("s"))


def choices(annotation: Any) -> set[str]:
    """The texts of a Literal, which may be one of several types."""
    found = {choice for choice in get_args(annotation) if isinstance(choice, str)}
    return found.union(*(choices(inner) for inner in get_args(annotation)))


def test_every_kind_of_interchange_is_described_and_all_but_approvals_of_media_buys_can_be_asked_for() -> None:
    assert choices(WorkItemQuery.model_fields["kind"].annotation) == KINDS.keys()
    approvals = {"APPROVE_MEDIA_BUY", "APPROVE_MEDIA_BUY_CANCELLATION"}
    assert choices(ListWorkItems.model_fields["kind"].annotation) == KINDS.keys() - approvals
    assert [kind for kind, words in KINDS.items() if not words.endswith(".") or "\n" in words] == []
