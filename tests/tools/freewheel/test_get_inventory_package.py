"""get_inventory_package as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import Answer, answered_by, error_of, sandboxed, text_of
from tests.tokens import RESULT_CEILING, tokens
from tests.tools.cases import FailedReads, Failure, RefusedArguments, dropped
from tests.tools.freewheel.packages import ONE, PACKAGE, PACKAGES, ROOTS, WEATHER, Tree, apps, genres, item_set, ok

TOOL = "get_inventory_package"


async def shown(body: Any, **arguments: Any) -> dict[str, Any]:
    async with answered_by({"freewheel": lambda _: ok(body)}) as (client, recorders):
        result = await client.call_tool(TOOL, {"package_id": 7, **arguments})
    assert recorders["freewheel"].sent() == [("GET", ONE, None)]
    return answer_of(TOOL, result)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "inventory_package.attribute.id",
    "inventory_package.attribute.name",
    "inventory_package.attribute.description",
    "inventory_package.attribute.status",
    "inventory_package.attribute.targeting",
    "inventory_package.attribute.ssp_targeting",
    "inventory_package.task.Update inventory packages with new targeting goals",
    "inventory_package.targeting.include",
    "inventory_package.include.item_sets",
    "inventory_package.include.relationship",
    "inventory_package.item_set.item_lists",
    "inventory_package.item_set.targeting_type",
    "inventory_package.item_set.relationship",
    "inventory_package.item_list.relationship",
    "inventory_package.item_list.items",
    "inventory_package.item.id",
    "inventory_package.item.type",
)
async def test_a_package_is_shown_whole_with_both_of_its_targetings(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {"package_id": WEATHER})
    answer = answer_of(TOOL, result)
    assert answer == {
        "environment": "sandbox",
        "id": WEATHER,
        "name": "Northlight News Weather Center",
        "status": "ACTIVE",
        "description": answer["description"],
        "targeting": {
            "include": {
                "relationship": "AND",
                "item_sets": [
                    {
                        "targeting_type": "CONTENT",
                        "relationship": "AND",
                        "item_lists": [
                            {"relationship": "OR", "items": [{"id": "686", "type": "STANDARD_CONTENT_BRAND"}]},
                            {"relationship": "OR", "items": [{"id": "1116", "type": "STANDARD_GENRE"}]},
                        ],
                    }
                ],
            }
        },
        "ssp_targeting": {
            "include": {
                "relationship": "AND",
                "item_sets": [
                    {
                        "targeting_type": "PLATFORM",
                        "relationship": "AND",
                        "item_lists": [
                            {"relationship": "OR", "items": [{"id": "70281", "type": "STANDARD_APP"}]},
                            {"relationship": "OR", "items": [{"id": "72830", "type": "STANDARD_SITE_DOMAIN"}]},
                        ],
                    }
                ],
            }
        },
        "created_at": answer["created_at"],
        "updated_at": answer["updated_at"],
    }
    assert answer["description"].startswith("Live news stream and clips")
    assert network.freewheel.sent() == [("GET", f"{PACKAGES}/{WEATHER}", None)]


@pytest.mark.requirement("inventory_package.targeting.exclude", "inventory_package.exclude.item_sets")
async def test_what_a_package_leaves_out_is_shown_beside_what_it_targets() -> None:
    targeting = {**genres("1004"), "exclude": {"item_sets": [item_set("CONTENT", "STANDARD_GENRE", "1060")]}}
    assert (await shown({**PACKAGE, "targeting": targeting}))["targeting"] == targeting


async def test_every_package_of_the_sandbox_is_short_enough_to_read(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        found: list[int] = []
        following: dict[str, Any] | None = {"per_page": 50}
        while following is not None:
            page = (await client.call_tool("list_inventory_packages", following)).structured_content
            assert page is not None
            found += [item["id"] for item in page["items"]]
            following = page["next"]
        network.time.moment += 1
        costs: list[int] = []
        for package_id in found:
            network.time.moment += 0.1
            result = await client.call_tool(TOOL, {"package_id": package_id})
            assert {"targeting", "ssp_targeting"} & answer_of(TOOL, result).keys()
            costs.append(tokens(text_of(result)))
    assert len(costs) == 120
    assert max(costs) < RESULT_CEILING


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.requirement(
    "inventory_package.attribute.created_at",
    "inventory_package.attribute.updated_at",
)
async def test_a_package_is_read_bare_or_wrapped_and_without_what_is_not_known(wrapped: bool) -> None:
    package = {**PACKAGE, "id": "7", "status": "Active", "ssp_targeting": None, "added_later": {"a": 1}}
    assert await shown({"inventory_package": package} if wrapped else package) == {
        "environment": "live",
        "id": 7,
        "name": "Linear STB",
        "status": "ACTIVE",
        "description": "Set-top boxes. See [link] for more.",
        "targeting": genres("1004", "1008"),
        "created_at": "2025-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:04:05Z",
        "note": "description may be shown without links, markup and line breaks: do not send it back like this.",
    }


@pytest.mark.requirement(
    "inventory_package.include.sets",
)
async def test_a_tree_comes_in_the_shape_in_which_it_is_written() -> None:
    sets = [item_set("CONTENT", "STANDARD_GENRE", 1004, 1008)]
    targeting: Tree = {
        "include": {"relationship": "and", "sets": sets, "note": "old"},
        "exclude": {"item_sets": [], "sets": []},
        "version": 2,
    }
    answer = await shown({**PACKAGE, "targeting": targeting})
    assert (answer["targeting"], answer["ssp_targeting"]) == (genres("1004", "1008"), apps("70215"))


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({"name": "", "description": None, "created_at": ""}, {}),
        ({"name": 5, "description": ["x"], "status": 1, "updated_at": 1516453200}, {}),
        ({"name": "x" * 4000}, {"name": "x" * 4000}),
        ({"status": "ARCHIVED"}, {"status": "ARCHIVED"}),
    ],
)
async def test_unset_or_odd_fields_are_left_out(told: dict[str, Any], kept: dict[str, Any]) -> None:
    assert await shown({"id": 7, "targeting": genres("1"), **told}) == {
        "environment": "live",
        "id": 7,
        "targeting": genres("1"),
        **kept,
    }


LONG = {
    "include": {
        "relationship": "AND",
        "item_sets": [
            item_set("CONTENT", "STANDARD_GENRE", *range(30)),
            item_set("GEO", "DMA", *range(501, 511)),
        ],
    },
    "exclude": {"item_sets": [item_set("CONTENT", "STANDARD_CONTENT_RATING", "5")]},
}


async def test_a_tree_of_many_items_is_shown_in_counts() -> None:
    assert await shown({"id": 7, "name": "N", "targeting": LONG, "ssp_targeting": apps("5")}) == {
        "environment": "live",
        "id": 7,
        "name": "N",
        "targeting_counts": {
            "include": {"STANDARD_GENRE": 30, "DMA": 10},
            "exclude": {"STANDARD_CONTENT_RATING": 1},
        },
        "ssp_targeting": apps("5"),
        "note": "targeting has 41 items and is shown in counts: call again with include_all_items to see it whole "
        "before you change it.",
    }


@pytest.mark.parametrize(
    ("tree", "arguments"),
    [(LONG, {"include_all_items": True}), (genres(*range(40)), {}), (genres("1"), {"include_all_items": True})],
)
async def test_a_tree_is_shown_whole_when_it_is_short_or_asked_for(tree: Tree, arguments: dict[str, Any]) -> None:
    answer = await shown({"id": 7, "targeting": tree}, **arguments)
    assert "note" not in answer
    items = [
        item
        for part in answer["targeting"].values()
        for item_set in part["item_sets"]
        for item_list in item_set["item_lists"]
        for item in item_list["items"]
    ]
    assert len(items) in (1, 40, 41)
    assert all(isinstance(item["id"], str) for item in items)


NO_TARGETING = (
    "FreeWheel stated no targeting, though a package must have one: what this one targets is not known. A person looks "
    "it up in FreeWheel."
)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"targeting": None, "ssp_targeting": None},
        {"targeting": {}},
        {"targeting": {"include": {"relationship": "AND", "item_sets": []}}, "ssp_targeting": ""},
    ],
)
async def test_no_targeting_at_all_is_said_to_be_unknown_and_not_empty(told: dict[str, Any]) -> None:
    assert await shown({"id": 7, "name": "N", **told}) == {
        "environment": "live",
        "id": 7,
        "name": "N",
        "note": NO_TARGETING,
    }


@pytest.mark.parametrize("tree", ROOTS.values(), ids=ROOTS)
async def test_a_targeting_of_another_shape_does_not_hide_the_rest(tree: Any) -> None:
    answer = await shown({"id": 7, "targeting": tree, "ssp_targeting": apps("5")})
    assert answer == {
        "environment": "live",
        "id": 7,
        "ssp_targeting": apps("5"),
        "note": "targeting came in a shape that cannot be shown: a person looks it up in FreeWheel.",
    }


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({}, "`package_id` is required"),
        ({"package_id": 0}, "`package_id`: Input should be greater than or equal to 1"),
        ({"package_id": "7"}, "`package_id`: Input should be a valid integer"),
        ({"package_id": 2**53}, "`package_id`: Input should be less than or equal to 9007199254740991"),
        ({"package_id": 7, "include_all_items": "yes"}, "`include_all_items`: Input should be a valid boolean"),
        ({"id": 7}, "unknown argument `id`"),
    ],
)


FAILED_READS = FailedReads(
    {"package_id": 7},
    ("GET", ONE, None),
    [
        Failure(
            httpx.Response(401), "unauthorized", "FreeWheel answered 401", "The operator checks ADOPS_FREEWHEEL_TOKEN"
        ),
        Failure(httpx.Response(403), "forbidden", "FreeWheel answered 403", "A person asks the FreeWheel account team"),
        Failure(
            ok({"errors": [{"message": "Inventory package not found."}]}, 404),
            "not_found",
            'FreeWheel answered 404: "Inventory package not found."',
            "Take the id from list_inventory_packages. If it came from there, FreeWheel does not show single packages",
        ),
        Failure(
            httpx.Response(405), "refused", "FreeWheel answered 405", "Take the id from list_inventory_packages. If it"
        ),
        Failure(
            httpx.Response(200, html="<html></html>"),
            "unexpected_answer",
            "FreeWheel answered with an HTML page instead of JSON.",
            "Do not guess the answer.",
        ),
        Failure(
            httpx.Response(200, content=b'{"id": 7, "na'),
            "unexpected_answer",
            "FreeWheel answered with text instead of JSON.",
            "Do not guess the answer.",
        ),
        Failure(
            ok({"name": "no id"}),
            "unexpected_answer",
            "FreeWheel answered with JSON whose id could not be read.",
            "Do not guess the answer.",
        ),
        Failure(ok([PACKAGE]), "unexpected_answer", "FreeWheel answered with JSON of another shape.", "Do not guess"),
        Failure(
            ok({**PACKAGE, "id": 8}),
            "unexpected_answer",
            "FreeWheel answered with another object than the one asked for.",
            "Do not guess the answer.",
        ),
    ],
)


PASSING: list[tuple[Answer, str]] = [
    (dropped, "unavailable"),
    (lambda _: httpx.Response(500), "unavailable"),
    (lambda _: httpx.Response(429), "rate_limited"),
]


@pytest.mark.parametrize(("answer", "code"), PASSING, ids=["dropped", "500", "429"])
async def test_what_may_pass_is_asked_for_again_because_a_read_changes_nothing(answer: Answer, code: str) -> None:
    async with answered_by({"freewheel": answer}) as (client, recorders):
        result = await client.call_tool(TOOL, {"package_id": 7})
    assert (error_of(result)["code"], error_of(result)["retryable"]) == (code, True)
    assert recorders["freewheel"].sent() == [("GET", ONE, None)] * 3
