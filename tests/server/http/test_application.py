"""MCP over HTTP for clients of both eras, and requests that are refused before it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import mcp_types as types
import pytest
from starlette.types import Message, Receive, Scope, Send

from server.configuration.settings import Settings, SettingsError
from server.http.application import LARGEST_BODY, BindAddress, RequestCheckMiddleware, check_settings
from server.http.rate_limits import RateLimiter, RateLimitExceeded
from tests.server.http.over_http import URL, connected_over_http, hosted, tokens_file
from tests.support import error_of, text_of
from tools.catalogue import CATALOGUE

ORDER: dict[str, Any] = {"external_id": "CRM-1", "name": "N"}
LOST: dict[str, Any] = {"proposed_io_id": 418250, "proposed_io_status": "LOST"}
CALL: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "list_avails", "arguments": {}},
}
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
SEES = ("read", "approve")
modes = pytest.mark.parametrize("mode", ["auto", "legacy"])


@modes
async def test_a_tool_is_listed_called_and_recorded_over_http(tmp_path: Path, mode: Literal["auto", "legacy"]) -> None:
    async with hosted(tmp_path) as server, connected_over_http(server.app, mode=mode) as client:
        assert len((await client.list_tools()).tools) == len(CATALOGUE)
        made = await client.call_tool("create_proposed_io", ORDER)
        assert not made.is_error, text_of(made)
        again = await client.call_tool("create_proposed_io", ORDER)
        assert again.structured_content["replayed"] is True
    assert len(server.network.freewheel.written()) == 1


@modes
async def test_the_person_is_asked_where_the_era_allows_and_else_it_is_said_that_nobody_was(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    read: list[str] = []

    async def answer(_: Any, asked: types.ElicitRequestParams) -> types.ElicitResult:
        read.append(asked.message)
        return types.ElicitResult(action="accept", content={})

    async with (
        hosted(tmp_path) as server,
        connected_over_http(server.app, mode=mode, elicitation_callback=answer) as client,
    ):
        result = await client.call_tool("update_proposed_io", LOST)
    assert not result.is_error, text_of(result)
    assert len(read) == (1 if mode == "auto" else 0)
    assert result.structured_content.get("confirmation") == (
        None if mode == "auto" else "Nobody was asked first: this client cannot show a person a question."
    )


async def test_a_question_that_one_replica_asked_is_answered_to_another(tmp_path: Path) -> None:
    key = "k" * 32
    yes: types.InputResponses = {"confirm": types.ElicitResult(action="accept", content={})}

    async def never(_: Any, __: types.ElicitRequestParams) -> types.ElicitResult:
        raise AssertionError

    async with hosted(tmp_path, state_key=key) as one, hosted(tmp_path, state_key=key) as other:
        async with connected_over_http(one.app, elicitation_callback=never) as client:
            asked: Any = await client.session.call_tool("update_proposed_io", LOST, allow_input_required=True)
        async with connected_over_http(other.app, elicitation_callback=never) as client:
            done = await client.session.call_tool(
                "update_proposed_io", LOST, input_responses=yes, request_state=asked.request_state
            )
    assert not done.is_error
    assert len(other.network.freewheel.written()) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8760"}, 200),
        ({"Host": "evil.example.com"}, 421),
        ({"Origin": "https://adops.example.com"}, 200),
        ({"Origin": "https://agents.example.com"}, 200),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 400),
    ],
)
async def test_hosts_and_origins_that_are_not_ours_are_refused(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with hosted(tmp_path, http_origins=("https://agents.example.com",)) as server:
        answer = await server.http.post("/mcp", json=CALL, headers={**HEADERS, **headers})
    assert answer.status_code == status
    assert bool(server.network.interchange.requests) is (status == 200)


async def test_what_is_too_large_or_nowhere_is_refused(tmp_path: Path) -> None:
    async with hosted(tmp_path) as server:
        large = await server.http.post("/mcp", content=b" " * (LARGEST_BODY + 1), headers=HEADERS)
        nowhere = await server.http.get("/admin")
    assert (large.status_code, nowhere.status_code) == (413, 404)


async def test_it_is_alive_without_and_ready_only_with_a_record_that_can_be_used(tmp_path: Path) -> None:
    async with hosted(tmp_path) as server:
        alive, ready = [await server.http.get(path) for path in ("/healthz", "/readyz")]
        assert (alive.status_code, ready.status_code, ready.text) == (200, 200, "ready\n")
    (tmp_path / "operations-sandbox.sqlite3").write_bytes(b"this is no database" * 100)
    async with hosted(tmp_path) as server:
        alive, ready = [await server.http.get(path) for path in ("/healthz", "/readyz")]
    assert (alive.status_code, ready.status_code) == (200, 503)
    assert ready.text.startswith("The record of writes cannot be used: it is damaged.")


@pytest.mark.parametrize(
    ("place", "given", "words"),
    [
        (BindAddress("0.0.0.0"), {}, "nothing says who may call. Set ADOPS_AUTH_TOKENS_FILE"),  # noqa: S104
        (BindAddress("::"), {"http_url": URL}, "nothing says who may call"),
        (BindAddress("adops.example.com"), {}, "nothing says who may call"),
        (
            BindAddress("10.0.0.1"),
            {"auth_issuer": "https://i.example.com"},
            "ADOPS_HTTP_URL: set the address that clients use",
        ),
        (BindAddress(), {"auth_issuer": "https://i.example.com"}, "Only tokens that were issued for it are accepted"),
        (
            BindAddress(),
            {"auth_introspection_url": "https://i.example.com/i", "http_url": URL},
            "ADOPS_AUTH_INTROSPECTION_CLIENT_ID and _CLIENT_SECRET: set both",
        ),
    ],
)
def test_it_does_not_start_where_it_would_stand_open_or_let_nobody_in(
    place: BindAddress, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        check_settings(Settings(**given), place)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no token"),
        ("[[token]", "is not TOML"),
        ('[[token]]\nprincipal = "a"\nsha256 = "zz"\nscopes = []', "token 0.sha256 is missing or wrong"),
        ('[[token]]\nprincipal = "a"\nscopes = []', "token 0.sha256 is missing or wrong"),
    ],
)
def test_a_file_of_tokens_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(content)
    with pytest.raises(SettingsError, match="ADOPS_AUTH_TOKENS_FILE") as caught:
        check_settings(Settings(auth_tokens_file=file), BindAddress())
    assert words in str(caught.value)


@modes
async def test_a_caller_sees_and_uses_what_its_scopes_allow(tmp_path: Path, mode: Literal["auto", "legacy"]) -> None:
    file, tokens = tokens_file(tmp_path, reader=("read",), writer=("read", "write"))
    async with hosted(tmp_path, auth_tokens_file=file) as server:
        async with connected_over_http(server.app, tokens["reader"], mode) as client:
            listed = {tool.name for tool in (await client.list_tools()).tools}
            refused = await client.call_tool("create_proposed_io", ORDER)
        async with connected_over_http(server.app, tokens["writer"], mode) as client:
            all_of_them = {tool.name for tool in (await client.list_tools()).tools}
            made = await client.call_tool("create_proposed_io", ORDER)
            told = await client.call_tool("get_operation", {"operation_id": made.structured_content["operation_id"]})
    assert len(listed) == 19
    assert all_of_them - listed >= {"create_proposed_io", "reserve_avail"}
    error = error_of(refused)
    assert (error["code"], error["message"]) == (
        "not_permitted",
        "create_proposed_io needs the scope adops:write, which your token does not have. Nothing was sent.",
    )
    assert told.structured_content["asked_by"].startswith("writer through ")


async def test_operations_are_shown_to_their_caller_and_to_who_approves(tmp_path: Path) -> None:
    file, tokens = tokens_file(tmp_path, one=("read", "write"), other=("read", "write"), boss=("read", "approve"))
    async with hosted(tmp_path, auth_tokens_file=file) as server:
        async with connected_over_http(server.app, tokens["one"]) as client:
            made = (await client.call_tool("create_proposed_io", ORDER)).structured_content["operation_id"]
        seen: dict[str, tuple[int, bool]] = {}
        for principal, token in tokens.items():
            async with connected_over_http(server.app, token) as client:
                total = (await client.call_tool("list_operations", {})).structured_content["total"]
                got = await client.call_tool("get_operation", {"operation_id": made})
                seen[principal] = total, not got.is_error
    assert seen == {"one": (1, True), "other": (0, False), "boss": (1, True)}


async def test_the_same_write_of_another_caller_is_not_sent_again(tmp_path: Path) -> None:
    file, tokens = tokens_file(tmp_path, one=("read", "write"), other=("read", "write"))
    async with hosted(tmp_path, auth_tokens_file=file) as server:
        for token in tokens.values():
            async with connected_over_http(server.app, token) as client:
                assert not (await client.call_tool("create_proposed_io", ORDER)).is_error
    assert len(server.network.freewheel.written()) == 1


async def test_no_token_reaches_a_vendor(tmp_path: Path) -> None:
    file, tokens = tokens_file(tmp_path, one=("read", "write"))
    async with (
        hosted(tmp_path, auth_tokens_file=file) as server,
        connected_over_http(server.app, tokens["one"]) as client,
    ):
        await client.call_tool("list_avails", {})
        await client.call_tool("create_proposed_io", ORDER)
    requests = [*server.network.interchange.requests, *server.network.freewheel.requests]
    assert requests
    assert not any(tokens["one"] in str(request.headers) + str(request.content) for request in requests)


async def test_resources_and_completions_need_the_scope_to_read(tmp_path: Path) -> None:
    file, tokens = tokens_file(tmp_path, writer=("write",))
    call = {**CALL, "method": "resources/read", "params": {"uri": "adops://freewheel/proposed-ios/418250"}}
    complete = {
        **CALL,
        "method": "completion/complete",
        "params": {
            "ref": {"type": "ref/prompt", "name": "chase_work_items"},
            "argument": {"name": "source_id", "value": ""},
        },
    }
    headers = {**HEADERS, "Authorization": f"Bearer {tokens['writer']}"}
    async with hosted(tmp_path, auth_tokens_file=file) as server:
        answers = [(await server.http.post("/mcp", json=one, headers=headers)).text for one in (call, complete)]
    assert all("needs the scope adops:read" in answer for answer in answers)
    assert server.network.freewheel.requests == server.network.interchange.requests == []


async def test_a_caller_beyond_its_limit_is_told_when_to_come_back_and_others_are_not_held_up(tmp_path: Path) -> None:
    file, tokens = tokens_file(tmp_path, one=("read",), other=("read",))
    headers = {name: {**HEADERS, "Authorization": f"Bearer {token}"} for name, token in tokens.items()}
    async with hosted(tmp_path, auth_tokens_file=file, http_rate=6) as server:
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        statuses = [(await server.http.post("/mcp", json=ping, headers=headers["one"])).status_code for _ in range(7)]
        refused = await server.http.post("/mcp", json=ping, headers=headers["one"])
        other = await server.http.post("/mcp", json=ping, headers=headers["other"])
        server.network.time.moment += int(refused.headers["retry-after"])
        again = await server.http.post("/mcp", json=ping, headers=headers["one"])
    assert statuses == [200] * 6 + [429]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
    assert refused.json() == {
        "error": "You sent more than 6 requests a minute, which is the limit of one caller. Nothing was done."
    }
    assert (other.status_code, again.status_code) == (200, 200)


async def test_a_vendor_that_hangs_holds_up_neither_other_callers_nor_other_vendors(tmp_path: Path) -> None:
    file, tokens = tokens_file(tmp_path, patient=("read",), busy=("read",))
    let_go, waiting = anyio.Event(), anyio.Event()

    async def hangs(_: httpx.Request) -> httpx.Response:
        waiting.set()
        await let_go.wait()
        return httpx.Response(404)

    async with hosted(tmp_path, auth_tokens_file=file, http_at_once=1) as server:
        server.network.freewheel.inner = httpx.MockTransport(hangs)

        async def call(token: str, tool: str) -> int:
            params: dict[str, Any] = {"name": tool, "arguments": {}}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            headers = {**HEADERS, "Authorization": f"Bearer {token}"}
            return (await server.http.post("/mcp", json=body, headers=headers)).status_code

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, tokens["patient"], "list_inventory_packages")
            await waiting.wait()
            assert await call(tokens["patient"], "list_avails") == 429
            assert await call(tokens["busy"], "list_avails") == 200
            let_go.set()
    assert len(server.network.interchange.requests) > 0


def test_requests_at_once_are_counted_for_each_caller_and_given_back() -> None:
    limiter = RateLimiter(rate=100, concurrent=2, clock=lambda: 0.0)
    with ExitStack() as in_flight:
        for caller in ("a", "a", "b"):
            in_flight.enter_context(limiter.admitted(caller))
        with pytest.raises(RateLimitExceeded, match="more than 2 requests at once"):
            in_flight.enter_context(limiter.admitted("a"))
    for _ in range(90):
        with limiter.admitted("a"):
            pass


async def test_a_page_of_a_configured_origin_may_ask_first_and_call(tmp_path: Path) -> None:
    origin = {"Origin": "https://agents.example.com"}
    asks = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with hosted(tmp_path, http_origins=("https://agents.example.com",)) as server:
        preflight = await server.http.options("/mcp", headers=asks)
        called = await server.http.post("/mcp", json=CALL, headers={**HEADERS, **origin})
        other = await server.http.options("/mcp", headers={**asks, "Origin": "https://evil.example.com"})
    assert preflight.status_code == 200
    assert called.headers["access-control-allow-origin"] == "https://agents.example.com"
    assert other.status_code == 400


async def test_a_doubt_of_another_caller_is_settled_by_who_may_write_and_under_their_name(tmp_path: Path) -> None:
    file, tokens = tokens_file(tmp_path, one=("read", "write"), other=("read", "write"), reader=("read",), boss=SEES)
    async with (
        hosted(tmp_path, auth_tokens_file=file, sandbox_faults="lost_after=1") as server,
        connected_over_http(server.app, tokens["one"]) as client,
    ):
        lost = await client.call_tool("create_proposed_io", ORDER)
    operation = {"operation_id": lost.structured_content["error"]["operation_id"]}
    async with hosted(tmp_path, auth_tokens_file=file) as server:
        server.network.time.moment += 100
        async with connected_over_http(server.app, tokens["reader"]) as client:
            refused = await client.call_tool("reconcile_operation", operation)
        async with connected_over_http(server.app, tokens["other"]) as client:
            settled = await client.call_tool("reconcile_operation", operation)
        async with connected_over_http(server.app, tokens["boss"]) as client:
            told = await client.call_tool("get_operation", operation)
    assert "or it is another caller's" in error_of(refused)["message"]
    # what was there before could not be read either, so that nothing is proved
    assert settled.structured_content["outcome"] == "unknown"
    assert told.structured_content["history"][-1]["by"].startswith("other through ")


async def test_a_body_that_stalls_is_given_up_and_one_that_is_cut_reaches_nothing() -> None:
    sent: list[Message] = []
    reached: list[Scope] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        reached.append(scope)

    async def stalled() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    async def cut() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    guarded = RequestCheckMiddleware(app, longest_receive=0.01)
    await guarded({"type": "http", "method": "POST"}, stalled, send)
    assert [message.get("status") for message in sent] == [408, None]
    await guarded({"type": "http", "method": "POST"}, cut, send)
    assert (reached, len(sent)) == ([], 2)
