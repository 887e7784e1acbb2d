"""update_inventory_package as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, error_of, sandboxed
from tests.tools.cases import RefusedArguments
from tests.tools.freewheel.packages import (
    BODY,
    ONE,
    PACKAGE,
    PACKAGES,
    PUT,
    READ,
    RENAME,
    RENAMED,
    WEATHER,
    apps,
    genres,
    item_set,
    ok,
    updated,
)

TOOL = "update_inventory_package"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.requirement(
    "inventory_package.attribute.id",
    "inventory_package.attribute.name",
)
async def test_one_change_sends_the_whole_package_and_loses_nothing(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        before = (await client.call_tool("get_inventory_package", {"package_id": WEATHER})).structured_content
        result = await client.call_tool(TOOL, {"package_id": WEATHER, "name": "Weather", "status": "INACTIVE"})
        after = (await client.call_tool("get_inventory_package", {"package_id": WEATHER})).structured_content
    assert before is not None
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "inventory_package": {
            "id": WEATHER,
            "name": "Weather",
            "status": "INACTIVE",
            "updated_at": "2026-11-22T12:00:00Z",
        },
        "changes": [
            {"field": "name", "before": "Northlight News Weather Center", "after": "Weather"},
            {"field": "status", "before": "ACTIVE", "after": "INACTIVE"},
        ],
        "what_happened": f"FreeWheel updated inventory package {WEATHER}.",
        "next_step": "Tell the person what changed.",
    }
    changed = {"name": "Weather", "status": "INACTIVE", "updated_at": "2026-11-22T12:00:00Z"}
    assert after == {**before, **changed}
    kept = {name: before[name] for name in ("description", "targeting", "ssp_targeting")}
    path = f"{PACKAGES}/{WEATHER}"
    assert network.freewheel.sent()[1:3] == [
        ("GET", path, None),
        ("PUT", path, {"name": "Weather", "status": "INACTIVE", **kept}),
    ]


@pytest.mark.requirement(
    "inventory_package.task.Activate or deactivate existing inventory packages",
    "inventory_package.attribute.status",
)
async def test_a_package_is_turned_off_and_on_again(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        before = (await client.call_tool("get_inventory_package", {"package_id": WEATHER})).structured_content
        for status in ("INACTIVE", "ACTIVE"):
            answer = answer_of(TOOL, await client.call_tool(TOOL, {"package_id": WEATHER, "status": status}))
            assert answer["inventory_package"]["status"] == status
            assert [change["field"] for change in answer["changes"]] == ["status"]
        after = (await client.call_tool("get_inventory_package", {"package_id": WEATHER})).structured_content
    assert before is not None
    assert after == {**before, "updated_at": "2026-11-22T12:00:00Z"}


@pytest.mark.requirement(
    "inventory_package.task.Update inventory packages with new targeting goals",
    "inventory_package.attribute.targeting",
    "inventory_package.targeting.include",
    "inventory_package.targeting.exclude",
    "inventory_package.include.item_sets",
    "inventory_package.include.relationship",
    "inventory_package.exclude.item_sets",
    "inventory_package.item_set.item_lists",
    "inventory_package.item_set.targeting_type",
    "inventory_package.item_set.relationship",
    "inventory_package.item_list.relationship",
    "inventory_package.item_list.items",
    "inventory_package.item.id",
    "inventory_package.item.type",
)
async def test_a_targeting_that_was_read_is_edited_and_given_back(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        shown = (await client.call_tool("get_inventory_package", {"package_id": WEATHER})).structured_content
        assert shown is not None
        targeting = shown["targeting"]
        targeting["include"]["item_sets"][0]["item_lists"][1]["items"].append({"id": "1120", "type": "STANDARD_GENRE"})
        targeting["exclude"] = {"item_sets": [item_set("GEO", "DMA", "501")]}
        result = await client.call_tool(TOOL, {"package_id": WEATHER, "targeting": targeting})
    answer = answer_of(TOOL, result)
    assert answer["changes"] == [
        {
            "field": "targeting",
            "before": "include CONTENT [(STANDARD_CONTENT_BRAND 686) AND (STANDARD_GENRE 1116)]",
            "after": "include CONTENT [(STANDARD_CONTENT_BRAND 686) AND (STANDARD_GENRE 1116 OR 1120)]; "
            "exclude GEO [(DMA 501)]",
        }
    ]
    assert answer["what_happened"] == f"FreeWheel updated inventory package {WEATHER}."
    assert network.freewheel.sent()[-1] == (
        "PUT",
        f"{PACKAGES}/{WEATHER}",
        {
            "name": shown["name"],
            "description": shown["description"],
            "status": "ACTIVE",
            "targeting": targeting,
            "ssp_targeting": shown["ssp_targeting"],
        },
    )


@pytest.mark.requirement(
    "inventory_package.attribute.description",
)
async def test_a_description_is_removed_by_empty_text(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"package_id": WEATHER, "description": ""}))
        again = answer_of(TOOL, await client.call_tool(TOOL, {"package_id": WEATHER, "description": ""}))
    ((method, _, body),) = [sent for sent in network.freewheel.sent() if sent[0] != "GET"]
    assert (method, body["description"]) == ("PUT", "")
    (change,) = answer["changes"]
    assert change["field"] == "description"
    assert change["before"].startswith("Live news stream and clips")
    assert "after" not in change
    assert again["what_happened"].startswith("Nothing was sent:")


async def test_what_is_not_changed_goes_back_exactly_as_it_came() -> None:
    raw: dict[str, Any] = {
        "id": 7,
        "name": "  Linear \u202eSTB  ",
        "description": "First line\nhttps://northlight.example " + "x" * 900,
        "status": "Active",
        "targeting": {"include": {"relationship": "And", "sets": [item_set("CONTENT", "STANDARD_MOOD", 5)]}, "v": 2},
        "ssp_targeting": "a shape that is not known",
        "created_at": "2025-01-02T03:04:05Z",
        "added_later": {"a": 1},
    }
    answer, sent = await updated({"status": "INACTIVE"}, raw, {**raw, "status": "INACTIVE"})
    kept = {name: raw[name] for name in ("name", "description", "targeting", "ssp_targeting")}
    assert sent == [READ, ("PUT", ONE, {**kept, "status": "INACTIVE"})]
    assert answer["changes"] == [{"field": "status", "before": "ACTIVE", "after": "INACTIVE"}]
    assert answer["what_happened"] == "FreeWheel updated inventory package 7."


@pytest.mark.parametrize("status", ["Active", "ACTIVE"])
async def test_a_status_goes_back_in_capitals(status: str) -> None:
    _, sent = await updated(RENAME, {**PACKAGE, "status": status}, RENAMED)
    assert sent == [READ, PUT]


@pytest.mark.parametrize("unset", [None, "", {}, {"include": {"relationship": "AND", "item_sets": []}}])
async def test_what_is_not_set_is_not_sent(unset: Any) -> None:
    package = {**PACKAGE, "description": None, "ssp_targeting": unset}
    answer, sent = await updated(RENAME, package, {**package, "name": "Linear"})
    body = {"name": "Linear", "status": "ACTIVE", "targeting": PACKAGE["targeting"]}
    assert sent == [READ, ("PUT", ONE, body)]
    assert answer["what_happened"] == "FreeWheel updated inventory package 7."


@pytest.mark.requirement(
    "inventory_package.attribute.ssp_targeting",
)
async def test_a_second_tree_is_added_beside_the_first() -> None:
    package = {**PACKAGE, "ssp_targeting": None}
    answer, sent = await updated({"ssp_targeting": apps(70215)}, package, PACKAGE)
    assert sent == [READ, ("PUT", ONE, BODY)]
    assert answer["changes"] == [
        {"field": "ssp_targeting", "after": "include PLATFORM [(STANDARD_APP 70215)]"},
    ]


async def test_a_long_tree_is_told_by_its_difference() -> None:
    many = [str(number) for number in range(1000, 1060)]
    package = {**PACKAGE, "targeting": genres(*many)}
    answer, _ = await updated({"targeting": genres(*many, "7")}, package, {**PACKAGE, "targeting": genres(*many, "7")})
    assert answer["changes"] == [
        {"field": "targeting", "before": "60 items", "after": "61 items; added: include STANDARD_GENRE 7"}
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "Linear STB"},
        {"status": "ACTIVE"},
        {"targeting": genres(1008, 1004)},
        {"description": PACKAGE["description"], "ssp_targeting": apps("70215"), "name": "Linear STB"},
    ],
)
async def test_a_change_that_changes_nothing_is_not_sent(arguments: dict[str, Any]) -> None:
    answer, sent = await updated(arguments, PACKAGE)
    assert answer == {
        "environment": "live",
        "inventory_package": {
            "id": 7,
            "name": "Linear STB",
            "status": "ACTIVE",
            "updated_at": "2026-01-02T03:04:05Z",
        },
        "changes": [],
        "what_happened": "Nothing was sent: inventory package 7 is already as requested.",
        "next_step": "Tell the person that nothing had to be changed.",
    }
    assert sent == [READ]


@pytest.mark.parametrize(
    ("told", "untold"),
    [
        ({"targeting": None, "ssp_targeting": None}, "targeting"),
        ({"targeting": {"include": {"relationship": "AND"}}, "ssp_targeting": ""}, "targeting"),
        ({"status": None}, "status"),
        ({"status": 1, "targeting": None, "ssp_targeting": {}}, "status and targeting"),
    ],
)
async def test_what_would_be_lost_because_it_was_not_told_keeps_the_update_from_being_sent(
    told: dict[str, Any], untold: str
) -> None:
    async with answered_by({"freewheel": lambda _: ok({**PACKAGE, **told})}) as (client, recorders):
        result = await client.call_tool(TOOL, {"package_id": 7, **RENAME})
    error = error_of(result)
    assert (error["code"], error["message"], error["next_step"]) == (
        "unexpected_answer",
        f"The update was not sent: FreeWheel's answer does not state the package's present {untold}, and an update may "
        "replace the whole package, so this would be lost.",
        f"Ask the person for the package's {untold} and call again with it, or have a person make this change in "
        "FreeWheel.",
    )
    assert recorders["freewheel"].sent() == [READ]


async def test_a_list_like_answer_without_targeting_is_no_base_for_an_update() -> None:
    basic = {name: PACKAGE[name] for name in ("id", "name", "description", "status", "updated_at")}
    async with answered_by({"freewheel": lambda _: ok(basic)}) as (client, recorders):
        result = await client.call_tool(TOOL, {"package_id": 7, "status": "INACTIVE"})
    assert error_of(result)["message"].startswith("The update was not sent: FreeWheel's answer does not state")
    assert recorders["freewheel"].sent() == [READ]


async def test_a_targeting_that_is_given_takes_the_place_of_one_that_was_not_told() -> None:
    package = {**PACKAGE, "targeting": None, "ssp_targeting": None}
    answer, sent = await updated({"targeting": genres("5")}, package, {**package, "targeting": genres("5")})
    body = {name: PACKAGE[name] for name in ("name", "description", "status")}
    assert sent == [READ, ("PUT", ONE, {**body, "targeting": genres("5")})]
    assert answer["changes"] == [
        {"field": "targeting", "before": "not stated", "after": "include CONTENT [(STANDARD_GENRE 5)]"}
    ]
    assert answer["what_happened"] == (
        "FreeWheel updated inventory package 7. It showed no targeting before: whether one was replaced now is not "
        "known."
    )


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"package_id": None}, "`package_id` is required"),
        ({"package_id": 0, "name": "N"}, "`package_id`: Input should be greater than or equal to 1"),
        ({}, "nothing to change: give name, description, status, targeting or ssp_targeting"),
        ({"name": None}, "nothing to change: give name, description, status, targeting or ssp_targeting"),
        ({"name": ""}, "`name`: String should have at least 1 character"),
        ({"status": "active"}, "`status`: Input should be 'ACTIVE' or 'INACTIVE'"),
        ({"targeting": {}}, "`targeting.include` is required"),
        (
            {"targeting": apps("70215")},
            "`targeting`: include.item_sets.0.item_lists.0.items.0.type STANDARD_APP is none of targeting's but of "
            "ssp_targeting's; valid: ",
        ),
        ({"updated_at": "2026-11-22T12:00:00Z"}, "unknown argument `updated_at`"),
    ],
    beside={"package_id": WEATHER},
)
