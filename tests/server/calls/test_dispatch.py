"""One call from start to end: what is refused before a handler runs, and what becomes of its faults."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel
import httpx
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult

from server.access.accounts_in_reach import ReachableAccounts
from server.calls.arguments import input_schema
from server.clients import Wire, open_backends
from server.configuration.settings import Settings
from tests.snapshots import answer_of
from tests.support import (
    FakeTime,
    Recorder,
    SandboxNetwork,
    answered_by,
    calls_of,
    error_of,
    live_settings,
    sandboxed,
    text_of,
    written_to,
)
from tools.catalogue import CATALOGUE
from tools.tool import AnyTool, Probe, Write
from tools.vendor_http.transport import Timing

TOOLS: dict[str, AnyTool] = {entry.name: entry.tool for entry in CATALOGUE}
IDS: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "avail_id": "avl_news_evening",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
}
ITEM: dict[str, Any] = {"source_id": "northlight-ctv", "work_item_id": "440317003"}
GENRE: dict[str, Any] = {
    "relationship": "OR",
    "item_lists": [{"relationship": "OR", "items": [{"id": "1076", "type": "STANDARD_GENRE"}]}],
}
LEAST: dict[str, dict[str, Any]] = {
    "list_media_buys": {},
    "list_avails": {"source_id": "northlight-cadent"},
    "reserve_avail": {**IDS, "requested_impressions": 1000},
    "finalize_booking": IDS,
    "release_booking": IDS,
    "list_work_items": {"source_id": "northlight-ctv"},
    "get_work_item": ITEM,
    "update_work_item": {**ITEM, "status": "IN_PROGRESS"},
    "complete_work_item": ITEM,
    "list_inventory_sources": {},
    "get_inventory_source": {"source_id": "northlight-ctv"},
    "list_inventory_packages": {},
    "get_inventory_package": {"package_id": 270118},
    "create_inventory_package": {
        "name": "N",
        "targeting": {
            "include": {"relationship": "AND", "item_sets": [{"targeting_type": "CONTENT", **GENRE}]},
        },
    },
    "update_inventory_package": {"package_id": 270118, "status": "INACTIVE"},
    "find_targeting_items": {"item_type": "STANDARD_GENRE"},
    "list_campaigns": {},
    "list_advertisers": {},
    "list_proposed_ios": {},
    "get_proposed_io": {"proposed_io_id": 418250},
    "create_proposed_io": {"external_id": "CRM-1", "name": "N"},
    "update_proposed_io": {"proposed_io_id": 418250, "name": "N"},
    "list_proposed_placements": {"proposed_io_id": 418250},
    "get_gam_connection": {"source_id": "gam-northlight"},
    "configure_gam_source": {"source_id": "gam-northlight", "network_code": "21700001"},
    "test_gam_connection": {"source_id": "gam-northlight"},
}
"""The least that each tool of a vendor can be called with; get_status takes nothing and turns its vendors' faults into
findings."""
OF_THE_RECORD = {"list_operations", "get_operation", "reconcile_operation"}
RESERVED: dict[str, Any] = {
    "bookingId": "5",
    "availId": "avl_news_evening",
    "mediaBuyId": "sf_mb_7f3a91c204",
    "packageId": "default",
    "requestedImpressions": 1000,
    "status": "HELD",
}
each_tool = pytest.mark.parametrize("tool", LEAST)
both_modes = pytest.mark.parametrize("mode", ["auto", "legacy"])


def sent(network: SandboxNetwork) -> int:
    vendors = (network.interchange, network.freewheel, network.google_ad_manager)
    return sum(len(vendor.requests) for vendor in vendors)


@asynccontextmanager
async def called_directly(directory: Path) -> AsyncGenerator[tuple[Any, SandboxNetwork]]:
    """The one call path without a client before it: for arguments that no client of ours can write as JSON."""
    network = SandboxNetwork(FakeTime(), directory)
    settings = Settings(environment="sandbox", data_dir=directory)
    async with open_backends(settings, network.wire) as backends:

        async def call(tool: str, arguments: dict[str, Any]) -> CallToolResult:
            return await calls_of(settings, network.wire).call(
                TOOLS[tool], arguments, ReachableAccounts.single(backends)
            )

        yield call, network


# protocol faults


@both_modes
@pytest.mark.parametrize("name", ["cancel_booking", "", "x" * 1_000_000, "list_avails ", "LIST_AVAILS"])
async def test_an_unknown_tool_is_a_protocol_error_that_names_the_offered_ones(
    tmp_path: Path, name: str, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, _):
        with pytest.raises(MCPError) as caught:
            await client.call_tool(name, {})
    assert caught.value.error.code == INVALID_PARAMS == -32602
    assert caught.value.error.message == (
        f"no tool {name[:64]!r} is offered here: There is none. Offered: {', '.join(TOOLS)}"
    )


def test_every_tool_that_takes_arguments_is_called_here() -> None:
    assert LEAST.keys() | OF_THE_RECORD == {name for name, tool in TOOLS.items() if tool.arguments.model_fields}


async def test_a_tool_whose_vendor_is_not_configured_says_so() -> None:
    async with answered_by({}, freewheel_token=None) as (client, _):
        offered = [tool.name for tool in (await client.list_tools()).tools]
        with pytest.raises(MCPError) as caught:
            await client.call_tool("create_proposed_io", LEAST["create_proposed_io"])
    assert offered == [entry.name for entry in CATALOGUE if entry.vendors != {"freewheel"}]
    assert caught.value.error.code == INVALID_PARAMS
    assert caught.value.error.message == (
        "no tool 'create_proposed_io' is offered here: FreeWheel is not configured: set one of ADOPS_FREEWHEEL_TOKEN; "
        "ADOPS_FREEWHEEL_USERNAME and ADOPS_FREEWHEEL_PASSWORD; ADOPS_FREEWHEEL_CLIENT_ID and "
        f"ADOPS_FREEWHEEL_CLIENT_SECRET. Offered: {', '.join(offered)}"
    )


@both_modes
@pytest.mark.parametrize("cursor", ["", "2", "x" * 1000])
async def test_an_unknown_cursor_is_a_protocol_error(
    tmp_path: Path, cursor: str, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, _):
        with pytest.raises(MCPError) as caught:
            await client.list_tools(cursor=cursor)
    assert caught.value.error.code == INVALID_PARAMS
    assert caught.value.error.message == "unknown cursor: all tools are on the first page"


# arguments


@each_tool
async def test_an_unknown_argument_is_named_with_the_one_that_may_be_meant(tmp_path: Path, tool: str) -> None:
    known = next(iter(TOOLS[tool].arguments.model_fields))
    typo = f"{known}_"
    async with sandboxed(tmp_path) as (client, network):
        near = await client.call_tool(tool, {**LEAST[tool], typo: 1})
        far = await client.call_tool(tool, {**LEAST[tool], "zzz": 1})
    assert text_of(near) == (
        f"[invalid_arguments] {tool} was not called, and nothing was sent: unknown argument `{typo}` (did you mean "
        f"`{known}`?).\nNext: Correct the arguments and call {tool} again."
    )
    valid = ", ".join(input_schema(TOOLS[tool])["properties"])
    assert f"unknown argument `zzz` (valid: {valid})." in text_of(far)
    answer_of(tool, near)
    assert sent(network) == 0


async def test_at_most_ten_problems_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        result = await client.call_tool("list_avails", {f"zzz{number}": number for number in range(25)})
    assert text_of(result).count("unknown argument") == 10
    assert "; and 15 more." in text_of(result)


WHOLE = "Input should be a valid integer"
TEXT = "Input should be a valid string"
WRONG_TYPES: list[tuple[str, dict[str, Any], str]] = [
    ("list_inventory_packages", {"page": "5"}, f"`page`: {WHOLE}"),
    ("list_inventory_packages", {"page": True}, f"`page`: {WHOLE}"),
    ("list_inventory_packages", {"page": 1.5}, f"`page`: {WHOLE}"),
    ("list_inventory_packages", {"page": [1]}, f"`page`: {WHOLE}"),
    ("list_inventory_packages", {"page": 10**30}, "`page`: Input should be less than or equal to 1000"),
    ("list_inventory_packages", {"name": 1}, f"`name`: {TEXT}"),
    ("list_inventory_packages", {"status": ["ACTIVE"]}, "`status`: Input should be 'ACTIVE' or 'INACTIVE'"),
    ("list_avails", {"source_id": {"id": "x"}}, f"`source_id`: {TEXT}"),
    ("list_avails", {"source_id": False}, f"`source_id`: {TEXT}"),
    ("reserve_avail", {"buyer_customer_id": "88120"}, f"`buyer_customer_id`: {WHOLE}"),
    ("reserve_avail", {"buyer_customer_id": None}, "`buyer_customer_id` is required"),
    ("reserve_avail", {"requested_impressions": True}, f"`requested_impressions`: {WHOLE}"),
    ("finalize_booking", {"include_projection": 1}, "`include_projection`: Input should be a valid boolean"),
    ("finalize_booking", {"include_projection": "true"}, "`include_projection`: Input should be a valid boolean"),
    ("create_proposed_io", {"budget": "5"}, "`budget`: Input should be an object"),
    (
        "create_proposed_io",
        {"budget": {"budget_model": "CURRENCY_TARGET", "currency": "5"}},
        "`budget.currency`: Input should be a valid number",
    ),
    (
        "create_proposed_io",
        {"budget": {"budget_model": "CURRENCY_TARGET", "currency": True}},
        "`budget.currency`: Input should be a valid number",
    ),
    ("create_proposed_io", {"frequency_caps": {}}, "`frequency_caps`: Input should be a valid array"),
    ("test_gam_connection", {"source_id": 5}, f"`source_id`: {TEXT}"),
]


@both_modes
@pytest.mark.parametrize(("tool", "wrong", "words"), WRONG_TYPES)
async def test_a_value_of_another_json_type_is_refused_and_never_converted(
    tmp_path: Path, mode: Literal["auto", "legacy"], tool: str, wrong: dict[str, Any], words: str
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(tool, {**LEAST[tool], **wrong})
    assert error_of(result)["code"] == "invalid_arguments"
    assert words in text_of(result)
    assert sent(network) == 0


async def test_null_for_an_optional_argument_is_treated_alike_everywhere(tmp_path: Path) -> None:
    outcomes: dict[str, bool] = {}
    async with sandboxed(tmp_path) as (client, _):
        for name, least in LEAST.items():
            for argument, field in TOOLS[name].arguments.model_fields.items():
                if not field.is_required() and argument not in least:
                    result = await client.call_tool(name, {**least, argument: None})
                    refused = result.is_error and error_of(result)["code"] == "invalid_arguments"
                    outcomes[f"{name}.{argument}"] = refused
    assert len(outcomes) > 20
    assert len(set(outcomes.values())) == 1, outcomes


INFINITE = float("inf")


@pytest.mark.parametrize("number", [INFINITE, -INFINITE, float("nan")])
@pytest.mark.parametrize(
    ("tool", "argument"), [("list_avails", "min_available"), ("reserve_avail", "requested_impressions")]
)
async def test_a_number_without_an_end_is_refused(tmp_path: Path, tool: str, argument: str, number: float) -> None:
    async with called_directly(tmp_path) as (call, network):
        result = await call(tool, {**LEAST[tool], argument: number})
    assert error_of(result)["code"] == "invalid_arguments"
    assert f"`{argument}`: " in text_of(result)
    assert sent(network) == 0


@pytest.mark.parametrize("number", [INFINITE, float("nan")])
async def test_an_amount_without_an_end_is_refused(tmp_path: Path, number: float) -> None:
    budget = {"budget_model": "CURRENCY_TARGET", "currency": number}
    async with called_directly(tmp_path) as (call, network):
        result = await call("create_proposed_io", {**LEAST["create_proposed_io"], "budget": budget})
    assert "`budget.currency`: Input should be a finite number" in text_of(result)
    assert sent(network) == 0


FREE_FORM: list[Any] = [
    pytest.param(INFINITE, id="1e999"),
    pytest.param(float("nan"), id="nan"),
    pytest.param(10**5000, id="5000 digits"),
]


@pytest.mark.parametrize("value", FREE_FORM)
async def test_what_cannot_be_sent_as_json_is_refused_and_not_in_doubt(tmp_path: Path, value: Any) -> None:
    async with called_directly(tmp_path) as (call, network):
        result = await call("finalize_booking", {**IDS, "creative": {"other": {"x": value}}})
    assert sent(network) == 0
    assert error_of(result)["code"] == "invalid_arguments"


@pytest.mark.parametrize(("tool", "argument"), [("list_avails", "page"), ("reserve_avail", "requested_impressions")])
async def test_a_number_of_5000_digits_is_refused(tmp_path: Path, tool: str, argument: str) -> None:
    async with called_directly(tmp_path) as (call, network):
        result = await call(tool, {**LEAST[tool], argument: 10**5000})
    assert sent(network) == 0
    assert error_of(result)["code"] == "invalid_arguments"


def nested(depth: int) -> dict[str, Any]:
    top: dict[str, Any] = {}
    for _ in range(depth):
        top = {"x": top}
    return top


@pytest.mark.parametrize("depth", [250, 900, 100_000])
async def test_arguments_nested_too_deeply_are_refused(tmp_path: Path, depth: int) -> None:
    async with called_directly(tmp_path) as (call, network):
        result = await call("finalize_booking", {**IDS, "creative": {"other": nested(depth)}})
    assert error_of(result)["code"] == "invalid_arguments"
    assert sent(network) == 0


@each_tool
@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
async def test_a_lone_surrogate_is_refused(tmp_path: Path, tool: str, text: str) -> None:
    fields = TOOLS[tool].arguments.model_fields
    name = next((name for name, field in fields.items() if field.annotation is not int), next(iter(fields)))
    async with called_directly(tmp_path) as (call, network):
        results = [await call(tool, {**LEAST[tool], **odd}) for odd in ({name: text}, {text: 1})]
    assert [error_of(result)["code"] for result in results] == ["invalid_arguments"] * 2
    for result in results:
        text_of(result).encode("utf-8")
    assert sent(network) == 0


@each_tool
async def test_a_megabyte_in_place_of_a_name_or_a_value_is_refused_in_few_words(tmp_path: Path, tool: str) -> None:
    huge = "x" * 1_000_000
    argument = "campaign_id" if tool == "create_proposed_io" else next(iter(TOOLS[tool].arguments.model_fields))
    async with sandboxed(tmp_path) as (client, network):
        results = [await client.call_tool(tool, {**LEAST[tool], **odd}) for odd in ({argument: huge}, {huge: 1})]
    assert [error_of(result)["code"] for result in results] == ["invalid_arguments"] * 2
    assert max(len(text_of(result)) for result in results) < 1000
    assert sent(network) == 0


# faults


@each_tool
async def test_a_fault_inside_is_told_by_a_reference_and_leaks_nothing(
    tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise RuntimeError("Bearer secret at https://vendor.example /home/operator/adops.py")

    caplog.set_level(logging.ERROR, "server.calls.dispatch")
    async with answered_by({"interchange": broken, "freewheel": broken}) as (client, recorders):
        result = await client.call_tool(tool, LEAST[tool])
    error = error_of(result)
    answer_of(tool, result)
    sent = isinstance(TOOLS[tool].effect, Write) and any(recorder.written() for recorder in recorders.values())
    assert (error["code"], error["retryable"]) == ("in_doubt" if sent else "internal_error", False)
    assert ("after it was sent: it may or may not have been carried out" in error["message"]) is sent
    assert ("Nothing was changed" in error["message"]) is (not sent and not isinstance(TOOLS[tool].effect, Probe))
    shown = json.dumps(result.model_dump(mode="json"))
    assert not [word for word in ("secret", "vendor.example", "RuntimeError", "Traceback", "/home") if word in shown]
    (record,) = caplog.records
    reference = error["message"].partition("(reference ")[2].partition(" ")[0]
    assert f"{tool} failed inside (reference {reference})" in record.getMessage()
    assert record.exc_info


SURROGATE = rb'{"error": {"code": "ODD\ud800", "message": "half a pair: \ud800"}}'


@each_tool
async def test_odd_text_in_a_vendors_refusal_is_still_told_as_a_refusal(tool: str) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(422, content=SURROGATE, headers={"content-type": "application/json"})

    async with answered_by({"interchange": refuse, "freewheel": refuse}) as (client, _):
        result = await client.call_tool(tool, LEAST[tool])
    assert error_of(result)["code"] == "refused"
    text_of(result).encode("utf-8")


async def test_odd_text_in_a_free_form_answer_does_not_put_a_write_in_doubt() -> None:
    booking = b'{"bookingId": "5", "availId": "a", "mediaBuyId": "m", "status": "HELD"}'
    payload = b'{"booking": ' + booking + rb', "workItems": [{"title": "\ud800"}], "projection": {"x": "\ud800"}}'
    headers = {"content-type": "application/json"}
    answer = httpx.Response(200, content=payload, headers=headers)
    async with written_to({"interchange": lambda _: answer}) as (client, _):
        result = await client.call_tool("finalize_booking", {**IDS, "include_projection": True})
    assert not result.is_error, text_of(result)


# at once


@both_modes
async def test_two_identical_reads_at_once_get_the_same_answer(tmp_path: Path, mode: Literal["auto", "legacy"]) -> None:
    answers: list[dict[str, Any]] = []

    async with sandboxed(tmp_path, mode) as (client, network):

        async def read() -> None:
            answers.append(answer_of("list_inventory_packages", await client.call_tool("list_inventory_packages", {})))

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            group.start_soon(read)
    assert answers[0] == answers[1]
    assert len(network.freewheel.sent()) == 2
    assert [request.url.path for request in network.freewheel.requests].count("/auth/token") == 1


async def never(_: httpx.Request) -> httpx.Response:
    await anyio.sleep_forever()
    raise AssertionError


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ("list_avails", "Nothing was changed."),
        ("test_gam_connection", "What it set off, if it was sent, is not known."),
    ],
)
async def test_what_takes_too_long_is_ended_and_told(tool: str, told: str) -> None:
    wire = Wire({"interchange": Recorder(never)}, FakeTime().timing)
    async with open_backends(live_settings(), wire) as backends:
        arguments = {"source_id": "gam-northlight"}
        result = await calls_of(live_settings(), longest=0.05).call(
            TOOLS[tool], arguments, ReachableAccounts.single(backends)
        )
    assert error_of(result)["code"] == "unavailable"
    assert error_of(result)["message"] == f"{tool} took too long and was ended. {told}"


async def test_a_write_that_has_left_is_not_cut_short() -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"products": []})
        ends = anyio.current_time() + 0.6
        while anyio.current_time() < ends:
            await anyio.lowlevel.checkpoint()
        return httpx.Response(200, json=RESERVED)

    network = Recorder(slow)
    async with open_backends(live_settings(), Wire({"interchange": network}, FakeTime().timing)) as backends:
        calls = calls_of(live_settings(), longest=0.5)
        result = await calls.call(TOOLS["reserve_avail"], LEAST["reserve_avail"], ReachableAccounts.single(backends))
    assert not result.is_error
    assert result.structured_content["booking"]["status"] == "HELD"
    assert len(network.written()) == 1


async def test_what_is_read_back_after_a_write_is_not_cut_short_either() -> None:
    order: dict[str, Any] = {"id": 7, "external_id": "X", "name": "Old", "proposed_io_status": "PROPOSED"}
    rest: dict[str, Any] = {
        "budget": {"budget_model": "EVERGREEN"},
        "delivery": {"frequency_caps": []},
        "assignments": {"users": []},
    }

    async def slow(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            ends = anyio.current_time() + 0.6
            while anyio.current_time() < ends:
                await anyio.lowlevel.checkpoint()
            order["name"] = "New"
            return httpx.Response(200, json=order)
        return httpx.Response(200, json=order | rest)

    network = Recorder(slow)
    async with open_backends(live_settings(), Wire({"freewheel": network}, FakeTime().timing)) as backends:
        calls = calls_of(live_settings(), longest=0.5)
        result = await calls.call(
            TOOLS["update_proposed_io"], {"proposed_io_id": 7, "name": "New"}, ReachableAccounts.single(backends)
        )
    assert not result.is_error, text_of(result)
    assert result.structured_content["changes"] == [{"field": "name", "before": "Old", "after": "New"}]
    assert [request.method for request in network.requests] == ["GET", "PUT", "GET"]


async def test_a_write_whose_caller_goes_away_is_seen_through_and_its_end_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked, done = anyio.Event(), list[str]()

    async def slow(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"products": []})
        asked.set()
        for _turn in range(10):
            await anyio.lowlevel.checkpoint()
        done.append("held")
        return httpx.Response(200, json=RESERVED)

    wire = Wire({"interchange": Recorder(slow)}, FakeTime().timing)
    async with open_backends(live_settings(), wire) as backends:
        calls = calls_of(live_settings())
        async with anyio.create_task_group() as group:
            group.start_soon(
                calls.call, TOOLS["reserve_avail"], LEAST["reserve_avail"], ReachableAccounts.single(backends)
            )
            await asked.wait()
            group.cancel_scope.cancel()
        await calls.close()
        refused = await calls.call(TOOLS["reserve_avail"], LEAST["reserve_avail"], ReachableAccounts.single(backends))
    assert error_of(refused)["message"].endswith("takes no more writes: reserve_avail was not sent.")
    assert done == ["held"]
    (told,) = (record.getMessage() for record in caplog.records if record.name == "server.calls.dispatch")
    assert re.fullmatch(r"reserve_avail: the caller went away, and it ended as done: op_[0-9a-f]{19}", told)


async def test_a_write_that_had_not_left_when_its_caller_went_away_is_logged_as_not_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = FakeTime()
    waiting = anyio.Event()

    def no_connection(request: httpx.Request) -> httpx.Response:
        waiting.set()
        raise httpx.ConnectError("no", request=request)

    async def sleep_forever(_: float) -> None:
        await anyio.sleep_forever()

    timing = Timing(clock=time.timing.clock, now=time.timing.now, sleep=sleep_forever, jitter=lambda: 0.0)
    wire = Wire({"interchange": Recorder(no_connection)}, timing)
    async with open_backends(live_settings(), wire) as backends, anyio.create_task_group() as group:
        group.start_soon(
            calls_of(live_settings()).call,
            TOOLS["reserve_avail"],
            LEAST["reserve_avail"],
            ReachableAccounts.single(backends),
        )
        await waiting.wait()
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    (record,) = caplog.records
    assert record.getMessage().endswith("the caller went away, and nothing was carried out")
