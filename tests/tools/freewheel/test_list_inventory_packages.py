"""list_inventory_packages as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, error_of, sandboxed, text_of
from tests.tokens import tokens
from tests.tools.cases import EmptyLists, FailedReads, Failure, LostRead, RefusedArguments

TOOL = "list_inventory_packages"
PATH = "/services/v4/inventory_packages"
EPOCH = "1970-01-01T00:00:00Z"


def packages(count: int) -> list[dict[str, Any]]:
    return [{"id": number, "name": f"Package {number}", "status": "ACTIVE"} for number in range(1, count + 1)]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "inventory_package.task.Get a list of inventory packages belonging to the current network",
    "package_list.task.Retrieve a list of inventory packages belonging to the current network",
    "package_list.task.Retrieve IDs, names, descriptions, statuses, times of creation, and times of last updated for "
    "listed inventory packages",
    "package_list.task.Query the inventory package list by name, status and last updated time",
    "inventory_package.query.name",
    "inventory_package.query.status",
    "package_list.query.name",
    "package_list.query.status",
    "package_list.attribute.id",
    "package_list.attribute.name",
    "package_list.attribute.description",
    "package_list.attribute.status",
    "package_list.attribute.created_at",
    "package_list.attribute.updated_at",
)
async def test_packages_are_found_by_part_of_their_name_and_status(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {"name": "STB VOD", "status": "INACTIVE", "per_page": 5})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "items": [
            {
                "id": 272375,
                "name": "STB VOD C7 Catch-Up Primetime",
                "status": "INACTIVE",
                "description": "Set-top-box video on demand over MVPD partners. About 1.9M impressions a month, rate "
                "card $37 CPM.",
                "created_at": "2025-04-13T21:44:01Z",
                "updated_at": "2025-08-13T21:44:01Z",
            },
            {
                "id": 272634,
                "name": "STB VOD Dynamic Ad Insertion D4+",
                "status": "INACTIVE",
                "created_at": "2025-09-19T06:20:08Z",
                "updated_at": "2026-02-15T06:20:08Z",
            },
        ],
        "total": 2,
        "next": None,
    }
    assert network.freewheel.sent() == [("GET", f"{PATH}?page=1&per_page=5&name=STB+VOD&status=INACTIVE", None)]


async def test_the_request_names_json_twice_and_carries_a_minted_token(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await client.call_tool(TOOL, {})
        await client.call_tool(TOOL, {"page": 2})
    token, first, second = network.freewheel.requests
    assert (token.method, token.url.path) == ("POST", "/auth/token")
    assert first.headers["authorization"] == second.headers["authorization"]
    assert first.headers["authorization"].startswith("Bearer ")
    for request in (first, second):
        assert (request.headers["accept"], request.headers["content-type"]) == ("application/json",) * 2


SINCE, UNTIL = "2026-03-01T00:00:00Z", "2026-05-31T23:59:59Z"


@pytest.mark.parametrize(
    ("arguments", "parameter", "value"),
    [
        ({"updated_since": SINCE}, "updated_at", f"{SINCE}.."),
        ({"updated_until": UNTIL}, "updated_at", f"..{UNTIL}"),
        ({"updated_since": SINCE, "updated_until": UNTIL}, "updated_at", f"{SINCE}..{UNTIL}"),
        ({"sort_by_updated": "ascending"}, "updated_at", f"{EPOCH}.."),
        ({"sort_by_updated": "descending"}, "-updated_at", f"{EPOCH}.."),
        ({"updated_since": SINCE, "sort_by_updated": "ascending"}, "updated_at", f"{SINCE}.."),
        ({"updated_since": SINCE, "sort_by_updated": "descending"}, "-updated_at", f"{SINCE}.."),
        ({"updated_until": UNTIL, "sort_by_updated": "descending"}, "-updated_at", f"..{UNTIL}"),
        (
            {"updated_since": SINCE, "updated_until": UNTIL, "sort_by_updated": "descending"},
            "-updated_at",
            f"{SINCE}..{UNTIL}",
        ),
        ({"updated_since": "2026-03-01T01:30:00+01:30"}, "updated_at", f"{SINCE}.."),
        ({"updated_until": "2026-05-31T18:59:59-05:00"}, "updated_at", f"..{UNTIL}"),
        ({"updated_since": "2026-02-28T19:00:00.999-05:00"}, "updated_at", f"{SINCE}.."),
        ({"updated_since": SINCE, "updated_until": SINCE}, "updated_at", f"{SINCE}..{SINCE}"),
    ],
)
@pytest.mark.requirement(
    "inventory_package.query.updated_at",
    "package_list.query.updated_at",
    "package_list.task.Sort the inventory package list by last updated time",
)
async def test_a_range_and_an_order_are_one_parameter_in_utc(
    tmp_path: Path, arguments: dict[str, Any], parameter: str, value: str
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"per_page": 50, **arguments}))
    request = network.freewheel.requests[-1]
    assert dict(request.url.params) == {"page": "1", "per_page": "50", parameter: value}
    updated = [item["updated_at"] for item in answer["items"]]
    assert updated == sorted(updated, reverse=parameter == "-updated_at")
    since, _, until = value.partition("..")
    assert all((not since or moment >= since) and (not until or moment <= until) for moment in updated)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"per_page": 50},
        {"sort_by_updated": "descending", "per_page": 7},
        {"name": "Northlight", "status": "ACTIVE", "updated_since": "2025-06-01T02:00:00+02:00", "per_page": 5},
    ],
)
@pytest.mark.requirement(
    "inventory_package.query.page",
    "inventory_package.query.per_page",
    "package_list.query.page",
    "package_list.query.per_page",
)
async def test_following_next_gives_every_package_once(tmp_path: Path, arguments: dict[str, Any]) -> None:
    seen: list[int] = []
    following: dict[str, Any] | None = arguments
    total = 0
    async with sandboxed(tmp_path) as (client, _):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            seen += [item["id"] for item in answer["items"]]
            total = answer["total"]
            following = answer["next"]
    assert len(seen) == len(set(seen)) == total >= 20


async def test_every_page_of_the_default_size_is_short_enough_to_read(tmp_path: Path) -> None:
    costs: list[int] = []
    following: dict[str, Any] | None = {}
    async with sandboxed(tmp_path) as (client, _):
        while following is not None:
            result = await client.call_tool(TOOL, following)
            costs.append(tokens(text_of(result)))
            following = answer_of(TOOL, result)["next"]
    assert len(costs) == 8
    assert max(costs) < 1_300


async def test_next_repeats_the_arguments_that_were_given_and_no_others(tmp_path: Path) -> None:
    given = {"name": "Northlight", "updated_since": "2024-12-01T02:00:00+02:00", "per_page": 5, "page": 2}
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, given))
    assert answer["next"] == {**given, "page": 3}


async def test_a_page_is_shown_without_empty_fields_and_with_the_enum_in_upper_case() -> None:
    items: list[dict[str, Any]] = [
        {"id": "270118", "name": "A", "status": "Active", "description": "", "updated_at": None, "new_field": {}},
        {"id": 270155, "name": "B", "description": None},
    ]
    page = {"inventory_packages": items, "page": 3, "per_page": 5, "total": 17, "total_pages": 4}
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json=page)}) as (client, recorders):
        result = await client.call_tool(TOOL, {"page": 3, "per_page": 5})
    assert answer_of(TOOL, result) == {
        "environment": "live",
        "items": [{"id": 270118, "name": "A", "status": "ACTIVE"}, {"id": 270155, "name": "B"}],
        "total": 17,
        "next": {"page": 4, "per_page": 5},
    }
    assert recorders["freewheel"].sent() == [("GET", f"{PATH}?page=3&per_page=5", None)]
    assert recorders["freewheel"].requests[0].headers["authorization"] == "Bearer freewheel-token"


@pytest.mark.parametrize(
    ("envelope", "shown", "total", "more"),
    [
        ({"items": packages(5)}, 5, None, True),
        ({"items": packages(4)}, 4, None, False),
        ({"items": packages(5), "links": [], "total_count": 6, "total_page": 2}, 5, 6, True),
        ({"items": packages(5), "total": 5}, 5, 5, False),
        ({"inventory_packages": packages(5), "total": None, "total_pages": 1}, 5, None, False),
        ({"inventory_packages": packages(5), "total": "6", "total_pages": None}, 5, 6, True),
        ({"inventory_packages": packages(2), "items": []}, 2, None, False),
    ],
)
async def test_totals_may_be_missing_or_named_otherwise(
    envelope: dict[str, Any], shown: int, total: int | None, more: bool
) -> None:
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json=envelope)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"per_page": 5}))
    assert (len(answer["items"]), answer.get("total")) == (shown, total)
    assert answer["next"] == ({"per_page": 5, "page": 2} if more else None)


async def test_after_page_1000_there_is_advice_instead_of_a_next_page() -> None:
    envelope = {"inventory_packages": packages(5), "total": 5005, "total_pages": 1001}
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json=envelope)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"per_page": 5, "page": 1000}))
    assert (len(answer["items"]), answer["total"], answer["next"]) == (5, 5005, None)
    assert answer["note"] == "FreeWheel gives no page after 1000: narrow the list by name, status or updated range."


FILTERED = "No package matches all filters: drop one, or shorten `name` (it is matched case-sensitively)."


EMPTY_LISTS = EmptyLists(
    [
        ({"name": "stb"}, 0, FILTERED),
        ({"updated_since": "2030-01-01T00:00:00Z"}, 0, FILTERED),
        ({"name": "Airline", "status": "INACTIVE", "sort_by_updated": "ascending"}, 0, FILTERED),
        ({"page": 9}, 120, "There is nothing on page 9: start again from page 1."),
        ({"page": 1000, "name": "Kids"}, 13, "There is nothing on page 1000: start again from page 1."),
    ],
)


async def test_a_network_without_any_package_is_told_about_marketplace() -> None:
    envelope: dict[str, Any] = {"inventory_packages": [], "page": 1, "per_page": 10, "total": 0, "total_pages": 0}
    async with answered_by({"freewheel": lambda _: httpx.Response(200, json=envelope)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {}))
    assert answer["note"].startswith("This network has no inventory packages, or Marketplace is not enabled")


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"name": ""}, "`name`: String should have at least 1 character"),
        ({"name": "x" * 256}, "`name`: String should have at most 255 characters"),
        ({"name": 5}, "`name`: Input should be a valid string"),
        ({"status": "active"}, "`status`: Input should be 'ACTIVE' or 'INACTIVE'"),
        ({"updated_since": "2026-03-01"}, "`updated_since`: write a date-time with an offset"),
        ({"updated_since": "2026-03-01T00:00:00"}, "`updated_since`: write a date-time with an offset"),
        ({"updated_until": 1767225600}, "`updated_until`: write a date-time with an offset"),
        ({"updated_until": "2026-02-30T00:00:00Z"}, "`updated_until`: Input should be a valid datetime"),
        (
            {"updated_since": "2026-03-01T00:00:00Z", "updated_until": "2026-03-01T00:59:59+01:00"},
            "updated_since is after updated_until",
        ),
        ({"sort_by_updated": "newest"}, "`sort_by_updated`: Input should be 'ascending' or 'descending'"),
        ({"page": 0}, "`page`: Input should be greater than or equal to 1"),
        ({"page": 1001}, "`page`: Input should be less than or equal to 1000"),
        ({"per_page": 4}, "`per_page`: Input should be greater than or equal to 5"),
        ({"per_page": 51}, "`per_page`: Input should be less than or equal to 50"),
        ({"updated_at": "2026-03-01T00:00:00Z.."}, "unknown argument `updated_at`"),
        ({"perPage": 5}, "unknown argument `perPage` (did you mean `per_page`?)"),
    ],
)


@pytest.mark.parametrize("moment", ["20260101", "1767225600", "1767225600.5"])
async def test_a_number_is_not_a_moment(tmp_path: Path, moment: str) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {"updated_since": moment})
    assert error_of(result)["code"] == "invalid_arguments"
    assert network.freewheel.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"updated_since": "0001-01-01T00:00:00Z"},
        {"updated_since": "0001-01-01T00:00:00+14:00"},
        {"updated_until": "9999-12-31T23:59:59-05:00"},
    ],
)
async def test_a_moment_at_the_end_of_the_calendar_is_sent_or_refused_but_no_fault(
    tmp_path: Path, arguments: dict[str, Any]
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, arguments)
    if result.is_error:
        assert error_of(result)["code"] == "invalid_arguments"
        assert network.freewheel.requests == []


FAILED_READS = FailedReads(
    {},
    ("GET", f"{PATH}?page=1&per_page=15", None),
    [
        Failure(
            httpx.Response(403, json={"Message": "User is not authorized to access this resource"}),
            "forbidden",
            'FreeWheel answered 403: "User is not authorized to access this resource".',
            "A person asks the FreeWheel account team to enable Marketplace",
        ),
        Failure(
            httpx.Response(401, text="Invalid credentials"),
            "unauthorized",
            'FreeWheel answered 401: "Invalid credentials".',
            "The operator checks ADOPS_FREEWHEEL_TOKEN",
        ),
        Failure(
            httpx.Response(422, json={"errors": [{"message": "page must be smaller."}]}),
            "refused",
            'FreeWheel answered 422: "page must be smaller."',
            "Correct the arguments",
        ),
        Failure(
            httpx.Response(200, json={"results": []}),
            "unexpected_answer",
            "FreeWheel answered with JSON that has neither `inventory_packages` nor `items`.",
            "Do not guess the answer.",
        ),
        Failure(
            httpx.Response(200, json={"items": [{"name": "no id"}]}),
            "unexpected_answer",
            "FreeWheel answered with JSON whose items.0.id could not be read.",
            "Do not guess the answer.",
        ),
        Failure(
            httpx.Response(200, html="<html>Sign in at https://sso.example</html>"),
            "unexpected_answer",
            "FreeWheel answered with an HTML page instead of JSON.",
            "Do not guess the answer.",
        ),
    ],
)


LOST_READ = LostRead({}, ("GET", f"{PATH}?page=1&per_page=15", None))
