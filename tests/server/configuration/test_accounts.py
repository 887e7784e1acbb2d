"""Several publishers' accounts in one server: which credentials a call uses, and who may use which account."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import mcp_types as types
import pytest
from mcp import Client, MCPError

from server.cli import main, parser
from server.clients import Wire
from server.commands.doctor import examine
from server.commands.operations import run_action
from server.configuration.accounts import accounts_of
from server.configuration.settings import Settings, SettingsError, load
from server.http.application import BindAddress, check_settings
from tests.docs import ACCOUNTS, fenced
from tests.server.http.over_http import connected_over_http, hosted, tokens_file
from tests.support import FakeTime, Recorder, connected, text_of
from tools.catalogue import CATALOGUE
from tools.vendors import VendorName

TWO = """
[us]
title = "Northlight TV"
freewheel_token = { env = "US_FREEWHEEL" }

[uk]
freewheel_token = { env = "UK_FREEWHEEL" }
interchange_api_key = { env = "UK_INTERCHANGE" }
"""
OF_VENDORS = {tool.name for tool in CATALOGUE if tool.vendors}
ORDER: dict[str, Any] = {"external_id": "CRM-1", "name": "N"}
PACKAGE = "adops://freewheel/inventory-packages/{package_id}{?account}"


def written(directory: Path, text: str) -> Path:
    file = directory / "accounts.toml"
    file.write_text(text, encoding="utf-8")
    return file


def freewheel(request: httpx.Request) -> httpx.Response:
    """An empty FreeWheel network that accepts every order."""
    if request.method == "POST":
        return httpx.Response(
            201, json={"id": 7, "external_id": "CRM-1", "name": "N", "proposed_io_status": "PROPOSED"}
        )
    if "order" in request.url.path:
        return httpx.Response(200, json={"proposed_insertion_orders": [], "total_count": 0, "total_pages": 0})
    return httpx.Response(200, json={"inventory_packages": [], "total_count": 0, "total_pages": 0})


@asynccontextmanager
async def staged(
    directory: Path, monkeypatch: pytest.MonkeyPatch, text: str = TWO, time: FakeTime | None = None, **settings: Any
) -> AsyncGenerator[tuple[Client, Recorder]]:
    """A client of a staging server with these accounts, and the requests that were sent to FreeWheel."""
    for name in ("US_FREEWHEEL", "UK_FREEWHEEL", "UK_INTERCHANGE"):
        monkeypatch.setenv(name, f"secret of {name}")
    network = Recorder(freewheel)
    ways: dict[VendorName, httpx.AsyncBaseTransport] = {
        "freewheel": network,
        "interchange": Recorder(lambda _: httpx.Response(500)),
    }
    given = Settings(environment="staging", data_dir=directory, accounts_file=written(directory, text), **settings)
    async with connected(Wire(ways, (time or FakeTime()).timing), given) as client:
        yield client, network


async def said(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    return result.structured_content


async def test_where_there_are_several_accounts_a_tool_of_a_vendor_takes_one_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path, monkeypatch) as (client, _):
        tools = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
    assert {name for name, schema in tools.items() if "account" in schema["properties"]} == OF_VENDORS
    schema = tools["create_proposed_io"]
    assert next(iter(schema["properties"].items())) == (
        "account",
        {"type": "string", "enum": ["us", "uk"], "description": "Whose. us: Northlight TV."},
    )
    assert schema["required"] == ["account", "external_id", "name"]
    assert tools["list_avails"]["properties"]["account"]["enum"] == ["uk"]


@pytest.mark.parametrize("name", ["us", "uk"])
async def test_a_call_goes_out_with_the_credentials_of_the_account_that_it_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path, monkeypatch) as (client, network):
        made = await said(client, "create_proposed_io", {"account": name, **ORDER})
    assert (made["environment"], made["account"]) == ("staging", name)
    assert {request.headers["Authorization"] for request in network.requests} == {
        f"Bearer secret of {name.upper()}_FREEWHEEL"
    }
    assert network.written() == [("POST", "/services/v4/proposed_insertion_orders", ORDER)]


NOT_HERE = "does not have this, or is not for you; one of us (Northlight TV), uk"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "`account` is required: one of us (Northlight TV), uk."),
        ({"account": "de"}, f"`account`: 'de' {NOT_HERE}."),
        (
            {"account": ["us"]},
            f"`account`: \"['us']\" {NOT_HERE}.",
        ),
        (
            {"account": "US", "nam": "x"},
            f"`account`: 'US' {NOT_HERE}; unknown",
        ),
    ],
)
async def test_a_call_that_names_no_account_of_these_is_refused_with_their_names(
    given: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path, monkeypatch) as (client, network):
        error = (await said(client, "create_proposed_io", {**ORDER, **given}))["error"]
    assert error["code"] == "invalid_arguments"
    assert words in error["message"]
    assert network.requests == []


async def test_nothing_is_done_in_another_account_than_the_one_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only uk has Interchange, so a call for us must not be made there."""
    async with staged(tmp_path, monkeypatch) as (client, _):
        meant = (await said(client, "list_avails", {"account": "us"}))["error"]
        left_out = (await said(client, "list_avails", {}))["error"]
        prompts = {prompt.name: prompt.arguments or [] for prompt in (await client.list_prompts()).prompts}
        with pytest.raises(MCPError) as refused:
            await client.get_prompt("book_campaign", {"brief": "b", "account": "us"})
    assert "`account`: 'us' does not have this, or is not for you; one of uk." in meant["message"]
    assert "`account` is required: one of uk." in left_out["message"]
    assert prompts["book_campaign"][-1].description == "Whose: uk."
    assert prompts["review_proposal_pipeline"][-1].description == "Whose: us, uk."
    assert "`account`: one of uk" in refused.value.error.message


async def test_the_same_write_in_another_account_is_another_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path, monkeypatch) as (client, network):
        first = await said(client, "create_proposed_io", {"account": "us", **ORDER})
        other = await said(client, "create_proposed_io", {"account": "uk", **ORDER})
        again = await said(client, "create_proposed_io", {"account": "us", **ORDER})
        listed = (await said(client, "list_operations", {}))["items"]
        whole = await said(client, "get_operation", {"operation_id": other["operation_id"]})
        counted = await said(client, "get_status", {})
    assert len(network.written()) == 2
    assert again["operation_id"] == first["operation_id"]
    assert again["replayed"] is True
    assert {one["operation_id"]: one["account"] for one in listed} == {
        first["operation_id"]: "us",
        other["operation_id"]: "uk",
    }
    assert whole["account"] == "uk"
    assert counted["record_of_writes"] == "2 writes on record."


async def test_a_doubt_is_settled_with_the_credentials_of_its_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = FakeTime()
    async with staged(tmp_path, monkeypatch, time=time) as (client, network):
        network.inner = httpx.MockTransport(
            lambda request: httpx.Response(502) if request.method == "POST" else freewheel(request)
        )
        lost = await said(client, "create_proposed_io", {"account": "uk", **ORDER})
        network.requests.clear()
        time.moment += 61
        settled = await said(client, "reconcile_operation", {"operation_id": lost["error"]["operation_id"]})
    assert (lost["account"], lost["error"]["code"]) == ("uk", "in_doubt")
    assert (settled["account"], settled["outcome"]) == ("uk", "not_sent")
    assert {request.headers["Authorization"] for request in network.requests} == {"Bearer secret of UK_FREEWHEEL"}


async def test_the_account_called_default_goes_on_with_the_record_from_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Recorder(freewheel)
    wire = Wire({"freewheel": network}, FakeTime().timing)
    before = Settings(environment="staging", data_dir=tmp_path, freewheel_token="t")  # pyright: ignore[reportArgumentType]
    async with connected(wire, before) as client:
        first = await said(client, "create_proposed_io", ORDER)
    async with staged(tmp_path, monkeypatch, TWO.replace("[us]", "[default]")) as (client, network):
        again = await said(client, "create_proposed_io", {"account": "default", **ORDER})
    assert again["operation_id"] == first["operation_id"]
    assert again["replayed"] is True
    assert network.written() == []


async def test_the_limit_of_a_vendor_is_one_for_all_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interchange counts by address, and FreeWheel does not document by what it counts."""
    time = FakeTime()
    async with staged(tmp_path, monkeypatch, time=time) as (client, network):
        began = time.moment
        for number in range(21):
            await said(client, "list_inventory_packages", {"account": ("us", "uk")[number % 2]})
    assert len(network.requests) == 21
    assert time.moment == began + 1


async def test_an_error_names_the_key_of_the_account_that_is_to_be_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path, monkeypatch) as (client, network):
        network.inner = httpx.MockTransport(lambda _: httpx.Response(401))
        refused = await client.call_tool("list_inventory_packages", {"account": "uk"})
        status = await said(client, "get_status", {})
    assert refused.structured_content["error"]["next_step"] == (
        "The operator checks freewheel_token of [uk] in ADOPS_ACCOUNTS_FILE, then runs `adops-mcp doctor`."
    )
    assert "freewheel_token of [uk] in ADOPS_ACCOUNTS_FILE" in text_of(refused)
    vendors = [(one["account"], one["vendor"], one["configured"]) for one in status["vendors"]]
    assert vendors == [
        ("us", "Interchange", False),
        ("us", "FreeWheel", True),
        ("us", "Google Ad Manager", False),
        ("uk", "Interchange", True),
        ("uk", "FreeWheel", True),
        ("uk", "Google Ad Manager", False),
    ]
    assert status["vendors"][0]["next_step"] == (
        "The operator does this: set interchange_api_key of [us] in ADOPS_ACCOUNTS_FILE to an API key of the "
        "storefront."
    )
    assert "FreeWheel (us) and Interchange (uk) and FreeWheel (uk)" in status["next_step"]
    assert "secret of" not in str(status)


async def test_a_person_reads_whose_account_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    async def no(_: Any, question: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(question.message)
        return types.ElicitResult(action="decline")

    file = written(tmp_path, "[us]\n[uk]\n")
    settings = Settings(environment="sandbox", data_dir=tmp_path, accounts_file=file)
    lost = {"account": "uk", "proposed_io_id": 418250, "proposed_io_status": "LOST"}
    wire = Wire(timing=FakeTime().timing)
    async with connected(wire, settings, elicitation_callback=no) as client:
        await said(client, "update_proposed_io", lost)
    assert asked[0].startswith("Account: uk\nClose proposed IO 418250")
    waits = settings.model_copy(update={"confirm": "operator"})
    async with connected(wire, waits) as client:
        operation_id = (await said(client, "update_proposed_io", lost))["error"]["operation_id"]
    for words in (["list"], ["approve", operation_id], ["show", operation_id], ["export"], ["reconcile"]):
        assert await run_action(waits, parser().parse_args(["operations", *words]), wire) == 0
    told = capsys.readouterr().out
    assert "awaiting_approval  uk: Close proposed IO 418250" in told
    assert "Account: uk\nClose proposed IO 418250" in told
    assert '"account": "uk"' in told


async def test_each_account_has_a_sandbox_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, '[default]\n[uk]\ninterchange_api_key = { env = "NOT_SET" }\n')
    settings = Settings(environment="sandbox", data_dir=tmp_path, accounts_file=file)
    async with connected(Wire(timing=FakeTime().timing), settings) as client:
        await said(client, "create_proposed_io", {"account": "uk", **ORDER})
        found = {
            name: (await said(client, "list_proposed_ios", {"account": name}))["total"] for name in ("default", "uk")
        }
    assert found["uk"] == found["default"] + 1
    assert {"sandbox.sqlite3", "sandbox-uk.sqlite3"} < set(os.listdir(tmp_path))  # noqa: PTH208
    monkeypatch.setenv("ADOPS_ACCOUNTS_FILE", str(file))
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path))
    assert main(["sandbox", "reset"]) == 0
    assert "sandbox-uk.sqlite3 was reset" in capsys.readouterr().out


async def test_an_object_and_what_is_typed_are_of_one_account(tmp_path: Path) -> None:
    settings = Settings(
        environment="sandbox", data_dir=tmp_path, accounts_file=written(tmp_path, '[us]\ntitle = "TV"\n[uk]\n')
    )
    async with connected(Wire(timing=FakeTime().timing), settings) as client:
        templates = [template.uri_template for template in (await client.list_resource_templates()).resource_templates]
        package = await client.read_resource("adops://freewheel/inventory-packages/270118?account=uk")
        with pytest.raises(MCPError) as nobodys:
            await client.read_resource("adops://freewheel/inventory-packages/270118")
        reference = types.ResourceTemplateReference(uri=PACKAGE)
        whose = await client.complete(reference, {"name": "account", "value": "u"})
        ids = await client.complete(
            reference, {"name": "package_id", "value": "270118"}, context_arguments={"account": "uk"}
        )
        none = await client.complete(
            reference, {"name": "package_id", "value": "270118"}, context_arguments={"account": "de"}
        )
        prompts = {prompt.name: prompt.arguments or [] for prompt in (await client.list_prompts()).prompts}
        texts = [
            (await client.get_prompt("review_proposal_pipeline", given)).messages[0].content
            for given in ({}, {"account": "uk"})
        ]
        with pytest.raises(MCPError) as unknown:
            await client.get_prompt("review_proposal_pipeline", {"account": "de"})
    assert PACKAGE in templates
    (content,) = package.contents
    assert isinstance(content, types.TextResourceContents)
    assert content.text.startswith('{"environment":"sandbox","account":"uk"')
    assert "`account` is required: one of us (TV), uk" in nobodys.value.error.message
    assert whose.completion.values == ["us", "uk"]
    assert (ids.completion.values, none.completion.values) == (["270118"], [])
    assert all(arguments[-1].name == "account" for arguments in prompts.values())
    assert all(isinstance(text, types.TextContent) for text in texts)
    assert [getattr(text, "text", "").splitlines()[-1] for text in texts] == [
        "This server has several accounts (us, uk). Ask the person whose this is for before you call a tool.",
        "Work in the account `uk` alone: give it as `account` to every tool that takes one.",
    ]
    assert "`account`: one of us, uk" in unknown.value.error.message


FOR_SOME = """
[us]
who = ["kim", "client:planner"]

[uk]
who = ["kim", "lee"]

[de]
who = []
"""


async def test_principals_use_the_accounts_that_are_for_them_and_see_no_others(tmp_path: Path) -> None:
    every = ("read", "write", "approve")
    file, tokens = tokens_file(tmp_path, kim=every, lee=every, pat=every)
    accounts = written(tmp_path, FOR_SOME)
    async with hosted(tmp_path, auth_tokens_file=file, accounts_file=accounts) as server:
        async with connected_over_http(server.app, tokens["kim"]) as kim:
            schema = next(t for t in (await kim.list_tools()).tools if t.name == "create_proposed_io").input_schema
            of_us = await said(kim, "create_proposed_io", {"account": "us", **ORDER})
            of_uk = await said(kim, "create_proposed_io", {"account": "uk", **ORDER})
            refused = await said(kim, "create_proposed_io", {"account": "de", **ORDER})
        async with connected_over_http(server.app, tokens["lee"]) as lee:
            alone = next(t for t in (await lee.list_tools()).tools if t.name == "create_proposed_io").input_schema
            seen = (await said(lee, "list_operations", {}))["items"]
            hidden = await said(lee, "get_operation", {"operation_id": of_us["operation_id"]})
            settled = await said(lee, "reconcile_operation", {"operation_id": of_us["operation_id"]})
            own = await said(lee, "get_operation", {"operation_id": of_uk["operation_id"]})
            names = {vendor["account"] for vendor in (await said(lee, "get_status", {}))["vendors"]}
            suggested = await lee.complete(
                types.ResourceTemplateReference(uri=PACKAGE.partition("{?")[0]),
                {"name": "package_id", "value": "270118"},
                context_arguments={"account": "us"},
            )
        async with connected_over_http(server.app, tokens["pat"]) as pat:
            offered = {tool.name for tool in (await pat.list_tools()).tools}
            status = await said(pat, "get_status", {})
            nothing = await said(pat, "list_operations", {})
            with pytest.raises(MCPError) as none:
                await pat.call_tool("create_proposed_io", ORDER)
    assert schema["properties"]["account"]["enum"] == ["us", "uk"]
    assert "'de' does not have this, or is not for you" in refused["error"]["message"]
    assert "account" not in alone["properties"]
    assert [one["operation_id"] for one in seen] == [of_uk["operation_id"]]
    assert (hidden["error"]["code"], settled["error"]["code"]) == ("not_found", "not_found")
    assert (own["account"], names) == ("uk", {"uk"})
    assert suggested.completion.values == []
    assert offered == {"list_operations", "get_operation", "reconcile_operation", "get_status"}
    assert (status["vendors"], nothing["total"]) == ([], 0)
    assert "No account of this server is for you" in none.value.error.message
    assert "No account of this server is for you" in status["left_out"][0]["why"]


def test_who_names_subjects_and_clients_and_never_one_for_the_other(tmp_path: Path) -> None:
    from mcp.server.auth.provider import AccessToken  # noqa: PLC0415

    def token(client: str, subject: str | None, **claims: str) -> AccessToken:
        return AccessToken(token="t", client_id=client, scopes=[], subject=subject, claims={"client": client, **claims})

    settings = Settings(accounts_file=written(tmp_path, FOR_SOME))
    us, _, de = accounts_of(settings)
    assert us.is_open_to(None)
    assert us.is_open_to(token("any", "kim"))
    assert us.is_open_to(token("planner", "anybody"))
    assert not us.is_open_to(token("kim", "anybody"))
    assert not us.is_open_to(token("any", "planner"))
    assert not us.is_open_to(token("any", "client:planner"))
    assert not us.is_open_to(token("any", None))
    assert not us.is_open_to(AccessToken(token="t", client_id="planner", scopes=[], subject="planner"))
    assert not de.is_open_to(token("kim", "kim"))


async def test_doctor_looks_at_each_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, FOR_SOME.replace("[uk]", '[uk]\ntitle = "Northlight UK"'))
    report, healthy = await examine(Settings(environment="sandbox", data_dir=tmp_path, accounts_file=file))
    assert healthy
    assert report.count("[ok] FreeWheel") == 3
    assert "account us, for client:planner, kim\n" in report
    assert "account uk (Northlight UK), for kim, lee\n" in report
    assert "account de, for nobody\n" in report
    assert "sandbox-uk.sqlite3" in report
    monkeypatch.setenv("T", "t")
    file = written(tmp_path, '[us]\nfreewheel_username = "u"\n[uk]\nfreewheel_token = { env = "T" }')
    wire = Wire({"freewheel": httpx.MockTransport(freewheel)}, FakeTime().timing)
    report, healthy = await examine(Settings(environment="live", data_dir=tmp_path, accounts_file=file), wire)
    assert not healthy
    assert "Incomplete: set freewheel_password of [us] in ADOPS_ACCOUNTS_FILE as well." in report
    assert "[ok] FreeWheel\n    Settings: freewheel_token (from the account's table)" in report


async def test_doctor_warns_of_writes_of_an_account_that_there_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path, monkeypatch) as (client, _):
        await said(client, "create_proposed_io", {"account": "uk", **ORDER})
    wire = Wire({"freewheel": httpx.MockTransport(freewheel)}, FakeTime().timing)
    for renamed, words in (
        ("[gb]", "1 writes on record belong to account 'uk', which"),
        ("[uk]", ""),
    ):
        file = written(tmp_path, f"{renamed}\nfreewheel_token = {{ env = 'UK_FREEWHEEL' }}")
        settings = Settings(environment="staging", data_dir=tmp_path, accounts_file=file)
        report, _ = await examine(settings, wire)
        assert words in report
        assert ("which is not configured" in report) is bool(words)


WRONG = [
    ("", "has no account. Write a table for each, such as [uk]."),
    ("[uk", "is not TOML"),
    ("title = 'x'", "'title' is not an account. Write its keys in a table"),
    ("[UK]", "'UK' cannot be the name of an account. Use up to 32 of a-z"),
    ("[uk]\nfreewheel_tokn = 'x'", "[uk] freewheel_tokn: there is no such key; did you mean freewheel_token?"),
    ("[uk]\nread_only = true", "[uk] read_only: there is no such key"),
    ("[uk]\nwho = 'kim'", '[uk] who: write a list of principals, such as ["kim", "client:planner"]'),
    (
        "[uk]\nfreewheel_token = 's3cret'",
        "[uk] freewheel_token: write where the secret is, not the secret",
    ),
    ("[uk]\nfreewheel_token = { env = 'NOT_SET' }", "[uk] freewheel_token: the variable NOT_SET is not set"),
    (
        "[uk]\nfreewheel_token = { env = 's3cret' }",
        "[uk] freewheel_token: write where the secret is, not the secret",
    ),
    (
        "[uk]\nfreewheel_token = { file = '~nobody-here/x' }",
        "[uk] freewheel_token: the file ~nobody-here/x is",
    ),
    ('[uk]\nfreewheel_token = { file = "a\\u0000b" }', "[uk] freewheel_token: the file a"),
    ("[uk]\nfreewheel_base_url = 5", "[uk] freewheel_base_url: Input should be a valid string"),
    (
        "[uk]\nfreewheel_username = 'Api@x'\n[us]\nfreewheel_username = 'api@x'",
        "[uk] and [us] have the same freewheel_username",
    ),
    ("[uk]\nfreewheel_token = { file = '/nowhere' }", "[uk] freewheel_token: the file /nowhere is empty or cannot be"),
    ("[uk]\nfreewheel_base_url = 'http://x.example.com'", "[uk] freewheel_base_url: must be https"),
    ("[uk]\ngam_service_account_file = 'key.json'", "[uk] gam_service_account_file: must be a full path"),
    (
        "[uk]\nfreewheel_token = { env = 'T' }\n[us]\nfreewheel_token = { env = 'T' }",
        "[uk] and [us] have the same freewheel_token. One account under two names would have two records",
    ),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_file_that_cannot_be_used_ends_the_start_with_the_account_and_the_key(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("T", "s3cret")
    monkeypatch.setenv("ADOPS_ENVIRONMENT", "staging")
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ADOPS_ACCOUNTS_FILE", str(written(tmp_path, text)))
    assert main(["serve"]) == 2
    told = capsys.readouterr().err
    assert "ADOPS_ACCOUNTS_FILE" in told
    assert words in told
    assert "s3cret" not in told


def test_the_sandbox_refuses_what_live_would_refuse_without_the_secrets(tmp_path: Path) -> None:
    same = "[uk]\nfreewheel_token = { env = 'T' }\n[us]\nfreewheel_token = { env = 'T' }"
    for text, words in ((same, "have the same freewheel_token"), ("[uk]\nfreewheel_base_url = 5", "valid string")):
        with pytest.raises(SettingsError, match=words):
            accounts_of(Settings(accounts_file=written(tmp_path, text)))


def test_over_http_an_account_of_some_is_refused_where_nobody_says_who_calls(tmp_path: Path) -> None:
    settings = Settings(accounts_file=written(tmp_path, FOR_SOME))
    with pytest.raises(SettingsError) as refused:
        check_settings(settings, BindAddress())
    assert str(refused.value).startswith(
        "ADOPS_ACCOUNTS_FILE: [us] says who may use it, and over HTTP nothing says who"
    )
    check_settings(settings.model_copy(update={"accounts_file": written(tmp_path, "[us]\n[uk]\n")}), BindAddress())


def test_secrets_are_read_from_files_too_and_credentials_of_two_places_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    text = f"[uk]\nfreewheel_token = {{ file = '{tmp_path / 'key'}' }}"
    monkeypatch.setenv("ADOPS_ENVIRONMENT", "staging")
    monkeypatch.setenv("ADOPS_ACCOUNTS_FILE", str(written(tmp_path, text)))
    (account,) = accounts_of(load())
    assert account.settings.freewheel_token is not None
    assert account.settings.freewheel_token.get_secret_value() == "s3cret"
    monkeypatch.setenv("ADOPS_INTERCHANGE_API_KEY", "k")
    with pytest.raises(SettingsError) as both:
        accounts_of(load())
    assert str(both.value) == (
        "keep only one of ADOPS_ACCOUNTS_FILE and ADOPS_INTERCHANGE_API_KEY. With accounts, each has its own."
    )


def test_the_file_of_the_page_can_be_used(tmp_path: Path) -> None:
    accounts = accounts_of(Settings(accounts_file=written(tmp_path, fenced("accounts", ACCOUNTS))))
    assert [(account.name, account.title) for account in accounts] == [
        ("northlight", "Northlight TV"),
        ("northlight-uk", "Northlight UK"),
    ]
    assert [account.principals for account in accounts] == [None, {"kim@northlight.example", "client:planner"}]


async def test_one_account_alone_is_never_asked_for_and_still_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TWO.partition("[uk]")[0]
    async with staged(tmp_path, monkeypatch, text) as (client, network):
        schemas = [tool.input_schema["properties"] for tool in (await client.list_tools()).tools]
        listed = await said(client, "list_inventory_packages", {})
    assert not any("account" in properties for properties in schemas)
    assert listed["account"] == "us"
    assert network.requests[0].headers["Authorization"] == "Bearer secret of US_FREEWHEEL"
