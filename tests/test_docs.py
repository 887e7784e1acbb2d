"""What the pages name is there: links, files, settings, commands, tools. What they show is tested beside it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from mcp_types.methods import SPEC_CLIENT_METHODS

import prompts
from server import __version__
from server.access.authentication import APPROVE, METRICS, READ, WRITE
from server.cli import parser
from server.commands.config import CLIENTS
from server.configuration.settings import unknown_variables
from tests.chaos import soak
from tests.docs import PAGES, PARTS, ROOT, fenced
from tests.pages import Page, read
from tests.requirements import load
from tools.catalogue import CATALOGUE

ALL = tuple(read(path) for path in PAGES)
SUBJECTS = (
    *("installing", "clients", "settings", "interchange", "freewheel", "google-ad-manager"),
    *("tools", "guarantees", "operations", "accounts", "http", "observability", "sandbox", "commands", "speed"),
)
NEW_FILES = {fence.name for page in ALL for fence in page.marked("file")}
"""Files that an example has its reader make."""

OF_THE_TESTS = {"ADOPS_TEST_OPENAPI"}
HOSTS = (
    r"example|(.+\.)?example\.com|.+\.example|127\.0\.0\.1|localhost|host"
    r"|api\.interchange\.io|api\.staging\.interchange\.io"
    r"|api\.freewheel\.tv|api\.stg\.freewheel\.tv|token\.apiaccess\.freewheel\.tv"
    r"|keepachangelog\.com|semver\.org|database"
)
"""Examples, a service of compose.yaml, the hosts of the vendors in their documents, and the pages that we follow."""

_SETTING = re.compile(r"\bADOPS_[A-Z][A-Z_]*[A-Z]")
_HOST = re.compile(r"(?:https?://|postgres(?:ql)?://|[\w.]@)(?:[^\s/@\"'`]*@)?([A-Za-z0-9.-]*[A-Za-z0-9])")
_OF_A_MACHINE = re.compile(r"(?<![\w.])(?:/(?:home|root|Users|work|tmp|private|mnt)/|[A-Z]:\\)\S*")
_FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")

each_page = pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)


def test_there_is_a_page_for_each_question_that_a_stranger_has() -> None:
    names = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    assert {page.name for page in ALL} >= names | {f"docs/{name}.md" for name in SUBJECTS}
    front = next(page for page in ALL if page.name == "README.md")
    assert {page.name for page in ALL} - {"README.md"} - set(front.links) == set()


@each_page
def test_every_link_leads_somewhere(page: Page) -> None:
    anchors = {other.path: other.anchors for other in ALL}
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https", link
            assert parts.hostname, link
            continue
        target = (page.path.parent / parts.path).resolve() if parts.path else page.path
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if parts.fragment:
            assert parts.fragment in anchors[target], link


@each_page
def test_every_file_that_is_named_is_there(page: Page) -> None:
    for code in page.code:
        first, slash, _ = code.partition("/")
        is_ours = (slash and (ROOT / first).is_dir()) or code.endswith((".py", ".md", ".toml"))
        if _FILE.fullmatch(code) and is_ours and code not in {*NEW_FILES, *SPEC_CLIENT_METHODS}:
            assert (ROOT / code).exists(), code


@each_page
def test_every_setting_that_is_named_is_one(page: Page) -> None:
    named = dict.fromkeys(set(_SETTING.findall(page.text)) - OF_THE_TESTS, "")
    assert unknown_variables(named) == []


@each_page
def test_every_command_that_is_named_can_be_given(page: Page) -> None:
    """In prose a command may be named without its arguments; in a block it is whole."""
    for command in _commands(page):
        problem = _problem_of(command.removeprefix("…"))
        whole = not command.startswith("…")
        assert problem is None or (not whole and "the following arguments are required" in problem), (command, problem)


@each_page
def test_every_block_of_json_and_toml_can_be_read(page: Page) -> None:
    for fence in page.fences:
        if fence.language in ("json", "toml"):
            assert (json.loads if fence.language == "json" else tomllib.loads)(fence.text), fence.text


@each_page
def test_every_module_that_is_run_is_there(page: Page) -> None:
    for module in re.findall(r"python3? -m ([\w.]+)", page.text):
        assert importlib.util.find_spec(module), module


@each_page
def test_every_tool_and_prompt_that_is_named_is_one(page: Page) -> None:
    names = {tool.name for tool in CATALOGUE} | {prompt.name for prompt in prompts.load()}
    verbs = {name.partition("_")[0] for name in names}
    named = {code for code in page.code if re.fullmatch(r"[a-z]+(_[a-z]+)+", code) and code.partition("_")[0] in verbs}
    assert named - names == set()


@each_page
def test_no_page_names_a_machine(page: Page) -> None:
    assert _OF_A_MACHINE.findall(page.text) == []
    assert [host for host in _HOST.findall(page.text) if not re.fullmatch(HOSTS, host)] == []


def test_every_generated_part_stands_on_one_page() -> None:
    marks = re.findall(r"<!-- generated: (\w+) -->", "".join(page.text for page in ALL))
    assert sorted(marks) == sorted(PARTS)


def test_every_command_that_ci_can_run_has_a_name_of_its_own() -> None:
    names = [fence.name for page in ALL for fence in page.marked("command")]
    assert sorted(names) == ["bundle", "demo", "generate", "soak", "test"]


def test_the_long_soak_can_be_run_as_the_page_says() -> None:
    command = fenced("soak", ROOT / "docs" / "guarantees.md").removeprefix(".venv/bin/python -m tests.chaos.soak ")
    assert soak.command().parse_args(shlex.split(command)).clocks


def test_every_client_that_an_entry_can_be_made_for_is_on_its_page() -> None:
    (page,) = (page for page in ALL if page.name == "docs/clients.md")
    for name, client in CLIENTS.items():
        assert f"{client.title} (`{name}`)" in " ".join(page.text.split())


def test_every_scope_is_on_the_page_about_http() -> None:
    (page,) = (page for page in ALL if page.name == "docs/http.md")
    assert {code for code in page.code if code.startswith("adops:")} == {READ, WRITE, APPROVE, METRICS}


def test_every_row_that_is_named_is_one() -> None:
    rows = {requirement.id for requirement in load()}
    named = [fence for page in ALL for fence in page.marked("row")]
    assert named
    assert all(fence.name in rows and fence.name in fence.text for fence in named)


def test_the_changelog_says_what_this_version_brings() -> None:
    changelog = next(page for page in ALL if page.name == "CHANGELOG.md")
    versions = re.findall(r"^## (\S+)", changelog.text, re.MULTILINE)
    assert versions[:2] == ["Unreleased", __version__]


def _commands(page: Page) -> Iterator[str]:
    """The arguments of every `adops-mcp ...`, with an ellipsis before those that stand in prose."""
    for code in page.code:
        if code.startswith("adops-mcp "):
            yield "…" + code.removeprefix("adops-mcp ")
    for fence in page.fences:
        if fence.language in ("sh", "bash", "console"):
            for words in itertools.chain.from_iterable(map(_simple_commands, _lines(fence.text))):
                for at, word in enumerate(words):
                    if word.rpartition("/")[2] == "adops-mcp":
                        yield shlex.join(words[at + 1 :])
                        break


def _lines(text: str) -> list[str]:
    """Those that a shell sees: one that ends with a backslash goes on with the next."""
    return text.replace("\\\n", " ").splitlines()


def _simple_commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for is_between, words in itertools.groupby(lexer, lambda word: not set(word) - set("&|;<>()")):
        if not is_between:
            yield list(words)


def _problem_of(command: str) -> str | None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            parser().parse_args(shlex.split(command))
        except SystemExit as ended:
            return said.getvalue() if ended.code else None
    return None
