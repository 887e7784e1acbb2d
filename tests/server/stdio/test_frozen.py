"""The frozen answers are the same as those of the live server, or there is none."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import mcp_types as types
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from server.access.accounts_in_reach import Choices
from server.configuration.accounts import accounts_of
from server.configuration.settings import Settings, SettingsError, load
from server.preflight import may_start
from server.stdio.early_answers import serve_stdio
from server.stdio.frozen import UNDERSTOOD, FrozenAnswers, load_frozen_answers
from tests import frozen as tool
from tests.frozen import legacy, live, modern, request
from tools.catalogue import CATALOGUE

NAMES = [entry.name for entry in CATALOGUE]


def answers(environ: dict[str, str] | None = None, **flags: Any) -> FrozenAnswers:
    found = load_frozen_answers(environ or {}, flags)
    assert found is not None
    return found


def answer_of(line: str | None) -> dict[str, Any]:
    assert line is not None
    assert line.endswith("\n")
    return json.loads(line)


def offered(found: FrozenAnswers) -> list[str]:
    return [json.loads(line)["name"] for line in found.tools]


async def test_what_is_written_down_is_what_the_live_server_answers() -> None:
    assert await tool.made() == tool.FILE.read_text("utf-8"), f"mend it with: {tool.MEND}"


@pytest.mark.parametrize("protocol", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_handshake_and_its_list_are_answered_as_by_the_live_server(protocol: str) -> None:
    hello, listed = legacy(protocol)
    found = answers()
    early = [answer_of(found.answer(hello, first=None)), answer_of(found.answer(listed, first=hello))]
    assert early == await live(Settings(), [hello, listed])


async def test_discovery_and_its_list_are_answered_as_by_the_live_server() -> None:
    asked = [modern(1, "server/discover"), modern(2, "tools/list")]
    found = answers()
    early = [answer_of(found.answer(asked[0], first=None)), answer_of(found.answer(asked[1], first=asked[0]))]
    assert early == await live(Settings(), asked)


def _of(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


WAYS = {
    "ENVIRONMENT": ["sandbox", "staging", "live", "prod"],
    "READ_ONLY": ["true", "1", "0", "No", "perhaps", " true"],
    "TOOLSETS": ["freewheel", "gam, operations", "interchange freewheel", "frewheel", ","],
    "TOOLS": ["list_avails", "get_status,reserve_avail", "list_avail", "\t"],
    "INTERCHANGE_API_KEY": ["key", " ", "${KEY}"],
    "INTERCHANGE_API_KEY_FILE": ["KEY_FILE"],
    "KEYRING": ["adops-mcp"],
    "FREEWHEEL_TOKEN": ["token", " token "],
    "FREEWHEEL_USERNAME": ["me"],
    "FREEWHEEL_PASSWORD": ["secret", "  "],
    "FREEWHEEL_CLIENT_ID": ["me"],
    "FREEWHEEL_CLIENT_SECRET": ["secret"],
    "GAM_SERVICE_ACCOUNT_FILE": ["KEY_FILE", "/nowhere/key.json", "key.json", "~/key.json"],
    "FREEWHEEL_BASE_URL": ["https://ads.example"],
    "ACCOUNTS_FILE": ["KEY_FILE"],
    "LOG_LEVEL": ["INFO", "info", "LOUD"],
    "LOG_FORMAT": ["json", "xml"],
    "CONFIRM": ["operator", "nobody"],
    "SETTLE_AFTER": ["5", "soon"],
    "SANDBOX_FAULTS": ["all=0.1", "everything"],
    "DATABASE_URL": ["sqlite:///x"],
    "DATA_DIR": ["DIRECTORY", "DIRECTORY/new/one", "KEY_FILE", "here", "/dev/null/x"],
    "REDONLY": ["1"],
    "read_only": ["1"],
}
ENVIRONS = st.fixed_dictionaries({}, optional={name: _of(["", *ways]) for name, ways in WAYS.items()})
FLAGS = st.fixed_dictionaries({}, optional={"read_only": st.just(value=True), "toolsets": _of(WAYS["TOOLSETS"])})


@given(ENVIRONS, FLAGS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_tools_for_any_settings_are_the_live_servers_or_left_to_it(
    tmp_path: Path, chosen: dict[str, str], flags: dict[str, Any]
) -> None:
    file = tmp_path / "key.json"
    file.write_text("{}")
    places = {"KEY_FILE": str(file), "DIRECTORY": str(tmp_path), "DIRECTORY/new/one": str(tmp_path / "new" / "one")}
    environ = {f"ADOPS_{name}": places.get(value, value) for name, value in chosen.items()}
    environ = {"adops_read_only" if name == "ADOPS_read_only" else name: value for name, value in environ.items()}
    found = load_frozen_answers(environ, flags)
    if found is None:
        return
    with mock.patch.dict(os.environ, environ):
        given = load(**flags)
        assert offered(found) == list(Choices(accounts_of(given)).whole.tools)
        assert may_start(given)


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, NAMES),
        ({"ADOPS_HTTP_URL": "", "ADOPS_STATE_KEY_FILE": "", "ADOPS_TOOLS": ""}, NAMES),
        ({"ADOPS_TOOLS": "list_avails, get_status"}, ["list_avails", "get_status"]),
        (
            {"ADOPS_ENVIRONMENT": "live", "ADOPS_FREEWHEEL_TOKEN": "t", "ADOPS_READ_ONLY": "1"},
            [entry.name for entry in CATALOGUE if not entry.vendors or ("freewheel" in entry.vendors and entry.reads)],
        ),
    ],
)
def test_usual_settings_are_answered_early(environ: dict[str, str], names: list[str]) -> None:
    found = answers(environ)
    assert offered(found) == names
    assert ("writes are real" in found.answer(legacy()[0], first=None)) is ("ADOPS_ENVIRONMENT" in environ)  # pyright: ignore[reportOperatorIssue]


def test_a_live_server_without_any_vendor_is_left_to_say_so() -> None:
    assert load_frozen_answers({"ADOPS_ENVIRONMENT": "live"}, {}) is None


@pytest.mark.parametrize("name", ["ACCOUNTS_FILE", "HTTP_URL", "REDONLY", "INTERCHANGE_BASE_URL"])
def test_settings_that_it_does_not_understand_are_left_to_the_live_server(name: str) -> None:
    assert load_frozen_answers({f"ADOPS_{name}": "x"}, {}) is None


def test_every_setting_that_it_understands_is_one() -> None:
    assert {name.lower() for name in UNDERSTOOD} <= Settings.model_fields.keys()


def test_with_another_version_of_the_sdk_everything_is_left_to_the_live_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert load_frozen_answers({}, {}) is None


CLIENTS = _of(
    [
        {"name": "a", "version": "1"},
        {"name": "a", "version": "1", "title": "A"},
        {"name": "a"},
        {"name": "a", "version": 1},
        {"name": "a", "version": "1", "icons": 5},
        {"name": "a", "version": "1", "websiteUrl": "https://a.example"},
        None,
        "a",
    ]
)
CAPABILITIES: st.SearchStrategy[Any] = st.one_of(
    _of([None, 5, [], {"tools": True, "prompts": False, "logging": 3}]),
    st.fixed_dictionaries(
        {},
        optional={
            "roots": _of([{}, {"listChanged": True}, {"listChanged": {}}, {"other": 1}, True]),
            "sampling": _of([{}, {"tools": {}}, {"context": 5}, None]),
            "elicitation": _of([{}, {"form": {}}, {"form": {}, "url": {}}, {"form": True}]),
            "experimental": _of([{}, {"a": {}}, {"a": 1}]),
            "extensions": _of([{}, {"io.x/ui": {"mimeTypes": ["a"]}}, {"io.x/ui": 1}]),
            "tasks": _of([{}, {"list": {}}, {"list": 5}]),
            "unheard": _of([{}, 1, None]),
        },
    ),
)
TOKENS: st.SearchStrategy[Any] = _of(
    [{}, {"progressToken": 1}, {"progressToken": "a"}, {"progressToken": {}}, {"other": 1}]
)
NUMBERS = _of([1, 0, -1, "one", ""])


@st.composite
def openings(draw: st.DrawFn) -> dict[str, Any]:
    """A first request, well-formed or not."""
    if draw(st.booleans()):
        params: dict[str, Any] = {
            "protocolVersion": draw(_of(["2025-11-25", "2024-11-05", "2026-07-28", "1999-01-01", 5])),
            "clientInfo": draw(CLIENTS),
            "capabilities": draw(CAPABILITIES),
            **draw(_of([{}, {"_meta": {}}, {"_meta": {"progressToken": 1}}, {"_meta": 5}, {"other": 1}])),
        }
        return {**request(1, "initialize", params), "id": draw(NUMBERS)}
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": draw(_of(["2026-07-28", "2025-11-25", 5])),
        "io.modelcontextprotocol/clientInfo": draw(CLIENTS),
        "io.modelcontextprotocol/clientCapabilities": draw(CAPABILITIES),
        **draw(TOKENS),
    }
    kept = {name: value for name, value in meta.items() if draw(st.integers(0, 9)) > 0}
    more = draw(_of([{}, {}, {"cursor": "x"}, {"cursor": None}]))
    asked = request(1, draw(_of(["server/discover", "tools/list", "ping"])), {"_meta": kept, **more})
    return {**asked, "id": draw(NUMBERS), **draw(_of([{}, {}, {"other": 1}, {"jsonrpc": "1.0"}]))}


@given(st.lists(openings(), min_size=25, max_size=25))
@settings(max_examples=12, deadline=None)
def test_an_opening_request_is_answered_as_by_the_live_server_or_left_to_it(asked: list[dict[str, Any]]) -> None:
    found = answers()
    early = [(one, answer) for one in asked if (answer := found.answer(one, first=None)) is not None]

    async def compare() -> None:
        for one, answer in early:
            try:
                types.jsonrpc_message_adapter.validate_python(one)
            except ValidationError:
                pytest.fail(f"the live server cannot even read {one}")
            assert [json.loads(answer)] == await live(Settings(), [one])

    anyio.run(compare)


@pytest.mark.parametrize(
    "params",
    [{"cursor": "x"}, {"cursor": None}, {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}, [], 5],
)
def test_a_list_that_is_not_plainly_asked_for_is_left_to_the_live_server(params: Any) -> None:
    assert answers().answer(request(2, "tools/list", params), first=legacy()[0]) is None


def test_what_it_does_not_know_is_left_to_the_live_server() -> None:
    found, hello = answers(), legacy()[0]
    for method, first in itertools.product(("ping", "tools/call", "prompts/list"), (None, hello)):
        assert found.answer(request(3, method, {}), first=first) is None
    assert found.answer(hello, first=hello) is None
    assert found.answer(modern(4, "tools/list"), first=hello) is None


def test_a_server_that_may_not_start_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADOPS_SETTLE_AFTER", "soon")
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert serve_stdio({}) == 2
    with pytest.raises(SettingsError, match="ADOPS_SETTLE_AFTER"):
        load()
    assert "ADOPS_SETTLE_AFTER" in capfd.readouterr().err
