"""`adops-mcp config`: the snippet for a client, and its merge into the client's file."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from server.cli import main, parser
from server.commands.client_file import MergeError, merged
from server.commands.config import CLIENTS

SECRET = "s3cr3t-of-freewheel"
OTHERS = "s3cr3t-of-another-server"
EVERY = list(CLIENTS)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project and the home that the clients' files are in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "ADOPS_ENVIRONMENT": "live",
        "ADOPS_DATA_DIR": str(tmp_path / "data"),
        "ADOPS_READ_ONLY": "true",
        "ADOPS_FREEWHEEL_USERNAME": "me",
        "ADOPS_FREEWHEEL_PASSWORD": SECRET,
        "ADOPS_HTTP_RATE": "10",
        "ADOPS_STATE_KEY": SECRET * 2,
    }.items():
        monkeypatch.setenv(name, value)


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[dict[str, Any], str]:
    """The snippet, and what is said on stderr."""
    capsys.readouterr()
    assert main(["config", *argv]) == 0
    told = capsys.readouterr()
    return json.loads(told.out), told.err


def entry(whole: dict[str, Any], name: str = "adops") -> dict[str, Any]:
    return (whole.get("mcpServers") or whole["servers"])[name]


def another(file: Path) -> str:
    """A client's file with the server of somebody else, which has a secret; its text."""
    text = json.dumps({"theme": "dark", "mcpServers": {"other": {"command": "x", "env": {"KEY": OTHERS}}}}, indent=4)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")
    return text + "\n"


def test_every_client_of_the_command_line_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    for client in EVERY:
        assert parser().parse_args(["config", client]).client == client
    with pytest.raises(SystemExit):
        main(["config", "emacs"])
    assert "claude-desktop" in capsys.readouterr().err


@pytest.mark.parametrize("client", EVERY)
async def test_what_is_printed_starts_a_server(
    client: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path / "data"))
    snippet, told = printed(capsys, client)
    made = entry(snippet)
    assert "It belongs in " in told
    async with Client(StdioServerParameters(command=made["command"], args=made.get("args", []), env=made["env"])) as at:
        assert (await at.list_tools()).tools
    assert (tmp_path / "data").is_dir()


def test_without_a_script_beside_it_this_python_is_started(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    python = str(tmp_path / "bare" / "bin" / "python")
    monkeypatch.setattr(sys, "executable", python)
    made = entry(printed(capsys, "claude-code")[0])
    assert (made["command"], made["args"]) == (python, ["-P", "-m", "server.cli"])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    ran = subprocess.run([made["command"], *made["args"], "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("adops-mcp ")


@pytest.mark.parametrize(
    ("client", "reference"),
    [
        ("claude-code", "${ADOPS_FREEWHEEL_PASSWORD}"),
        ("cursor", "${env:ADOPS_FREEWHEEL_PASSWORD}"),
        ("vscode", "${input:adops-ADOPS_FREEWHEEL_PASSWORD}"),
    ],
)
@pytest.mark.usefixtures("live")
def test_secrets_go_in_by_name_and_other_settings_by_value(
    client: str, reference: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    snippet, told = printed(capsys, client, "--environment", "staging")
    assert entry(snippet)["env"] == {
        "ADOPS_ENVIRONMENT": "staging",
        "ADOPS_DATA_DIR": str(tmp_path / "data"),
        "ADOPS_READ_ONLY": "true",
        "ADOPS_FREEWHEEL_USERNAME": "me",
        "ADOPS_FREEWHEEL_PASSWORD": reference,
    }
    assert SECRET not in json.dumps(snippet) + told
    if client == "vscode":
        assert entry(snippet)["type"] == "stdio"
        (asked,) = snippet["inputs"]
        assert f"${{input:{asked['id']}}}" == reference
        assert (asked["type"], asked["password"]) == ("promptString", True)
    else:
        assert "set ADOPS_FREEWHEEL_PASSWORD there" in told


@pytest.mark.usefixtures("live")
def test_claude_desktop_fills_in_nothing_and_is_pointed_at_the_keyring(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snippet, told = printed(capsys, "claude-desktop")
    assert entry(snippet)["env"]["ADOPS_KEYRING"] == "adops-mcp"
    assert "ADOPS_FREEWHEEL_PASSWORD" not in entry(snippet)["env"]
    assert f"{sys.executable} -m keyring set adops-mcp ADOPS_FREEWHEEL_PASSWORD\n" in told
    assert SECRET not in json.dumps(snippet) + told
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.delenv("ADOPS_FREEWHEEL_PASSWORD")
    monkeypatch.setenv("ADOPS_FREEWHEEL_PASSWORD_FILE", str(tmp_path / "secret"))
    snippet, told = printed(capsys, "claude-desktop")
    assert entry(snippet)["env"]["ADOPS_FREEWHEEL_PASSWORD_FILE"] == str(tmp_path / "secret")
    assert "ADOPS_KEYRING" not in entry(snippet)["env"]
    assert "keyring" not in told


@pytest.mark.usefixtures("live")
def test_the_sandbox_gets_no_secret_and_a_file_of_accounts_brings_the_names_in_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(entry(printed(capsys, "cursor", "--environment", "sandbox")[0])["env"]) == {
        "ADOPS_ENVIRONMENT",
        "ADOPS_DATA_DIR",
        "ADOPS_READ_ONLY",
    }
    (tmp_path / "accounts.toml").write_text(
        '[uk]\nfreewheel_token = { env = "UK" }\ninterchange_api_key = { env = "X" }'
    )
    monkeypatch.setenv("ADOPS_ACCOUNTS_FILE", str(tmp_path / "accounts.toml"))
    monkeypatch.setenv("UK", SECRET)
    assert entry(printed(capsys, "cursor")[0])["env"]["UK"] == "${env:UK}"
    advice = printed(capsys, "claude-desktop")[1]
    assert '{ keyring = "UK" } instead of env' in advice
    assert "UK_FILE" not in advice


def test_what_would_not_reach_the_server_as_it_is_meant_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path / "${HOME}"))
    assert main(["config", "claude-code"]) == 2
    assert "ADOPS_DATA_DIR: holds ${, which Claude Code would fill in" in capsys.readouterr().err
    assert entry(printed(capsys, "claude-desktop")[0])["env"]["ADOPS_DATA_DIR"].endswith("${HOME}")
    monkeypatch.setenv("ADOPS_READONLY", "1")
    assert main(["config", "claude-desktop"]) == 2
    assert "did you mean ADOPS_READ_ONLY?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["config", "cursor", "--name", 'a"b'])
    assert "is no name for a server" in capsys.readouterr().err


@pytest.mark.parametrize("client", EVERY)
@pytest.mark.usefixtures("live")
def test_a_new_file_is_for_its_owner_and_the_second_time_there_is_nothing_to_change(
    client: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for said in ("It is written to ", "There is nothing to change in "):
        assert main(["config", client, "--write", "--yes"]) == 0
        told = capsys.readouterr()
        assert said in told.err
        assert SECRET not in told.out + told.err
    place = CLIENTS[client].place()
    assert tmp_path in place.parents
    assert place.stat().st_mode & 0o777 == 0o600
    assert json.loads(place.read_text()) == printed(capsys, client)[0]
    assert [file.name for file in place.parent.iterdir() if file.is_file()] == [place.name]


@pytest.mark.usefixtures("live")
def test_the_merge_keeps_what_else_is_in_the_file_and_a_copy_of_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "mcp.json"
    text = another(file)
    file.chmod(0o640)
    for name in ("adops", "adops-2"):
        assert main(["config", "cursor", "--write", "--yes", "--file", str(file), "--name", name]) == 0
    whole = json.loads(file.read_text())
    assert list(whole) == ["theme", "mcpServers"]
    assert list(whole["mcpServers"]) == ["other", "adops", "adops-2"]
    assert whole["mcpServers"]["other"] == json.loads(text)["mcpServers"]["other"]
    assert file.read_text().startswith(text[:60])
    assert file.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "mcp.json.1.bak").read_text() == text
    assert (tmp_path / "mcp.json.1.bak").stat().st_mode & 0o777 == 0o640
    assert "adops-2" not in (tmp_path / "mcp.json.2.bak").read_text()
    told = capsys.readouterr()
    assert '+        "adops": {' in told.out
    assert OTHERS not in told.out + told.err


@pytest.mark.usefixtures("live")
def test_what_was_added_to_the_entry_stays_and_a_secret_in_it_is_replaced_and_not_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = entry(printed(capsys, "claude-code")[0])["command"]
    there = {"command": command, "args": ["serve", "--read-only"], "timeout": 5}
    env = {"ADOPS_TOOLSETS": "freewheel", "ADOPS_FREEWHEEL_PASSWORD_FILE": "/old", "ADOPS_FREEWHEEL_TOKEN": OTHERS}
    file = tmp_path / ".mcp.json"
    file.write_text(
        json.dumps({"mcpServers": {"adops": {**there, "env": env}, "far": {"url": "https://x/?k=" + OTHERS}}})
    )
    assert main(["config", "claude-code", "--write", "--yes"]) == 0
    assert main(["config", "claude-code", "--write", "--yes", "--name", "far"]) == 0
    told = capsys.readouterr()
    made = json.loads(file.read_text())["mcpServers"]
    assert {key: made["adops"][key] for key in there} == there
    assert made["adops"]["env"]["ADOPS_TOOLSETS"] == "freewheel"
    assert "ADOPS_FREEWHEEL_PASSWORD_FILE" not in made["adops"]["env"]
    assert set(made["far"]) == {"command", "env"}
    assert OTHERS not in told.out + told.err
    assert "***" in told.out
    assert '"ADOPS_TOOLSETS": "freewheel"' in told.out


def test_an_input_of_vscode_is_kept_once_beside_those_of_others(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADOPS_ENVIRONMENT", "live")
    monkeypatch.setenv("ADOPS_INTERCHANGE_API_KEY", SECRET)
    file = tmp_path / ".vscode" / "mcp.json"
    file.parent.mkdir()
    others = [{"type": "promptString", "id": "other"}, 5]
    ours = {"type": "promptString", "id": "adops-ADOPS_INTERCHANGE_API_KEY", "description": "mine"}
    file.write_text(json.dumps({"inputs": [*others, ours], "servers": {}}))
    assert main(["config", "vscode", "--write", "--yes"]) == 0
    whole = json.loads(file.read_text())
    assert list(whole) == ["inputs", "servers"]
    assert whole["inputs"] == [*others, printed(capsys, "vscode")[0]["inputs"][0]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n  // mine\n  "mcpServers": {}\n}', "is not plain JSON (Expecting property name"),
        ('{"mcpServers": {},}', "is not plain JSON"),
        ('{"mcpServers": {}, "mcpServers": {}}', "an object has the same key twice"),
        ('{"a": NaN}', "is not plain JSON"),
        ('{"a": 1e999}', "has a number that is too large"),
        ("[]", "the file is not a JSON object"),
        ('{"mcpServers": []}', "'mcpServers' is not a JSON object"),
        ('{"mcpServers": {"adops": 5}}', "'adops' is not a JSON object"),
        ("[" * 100_000, "is nested too deeply"),
        (b"\xff\xfe{}", "is not plain JSON"),
    ],
)
def test_a_file_that_would_lose_something_is_not_touched_and_the_snippet_is_printed(
    text: str | bytes, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    held = text.encode() if isinstance(text, str) else text
    file = tmp_path / ".mcp.json"
    file.write_bytes(held)
    assert main(["config", "claude-code", "--write", "--yes"]) == 1
    told = capsys.readouterr()
    assert words in told.err
    assert entry(json.loads(told.out))["command"]
    assert file.read_bytes() == held
    assert os.listdir(tmp_path) == [".mcp.json"]  # noqa: PTH208


@pytest.mark.parametrize("text", ["", " \n", "{}", "{ }\n"])
def test_an_empty_file_is_filled(text: str, tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    file.write_text(text)
    assert main(["config", "claude-code", "--write", "--yes"]) == 0
    assert file.read_text().startswith('{\n  "mcpServers": {\n    "adops": {')


@pytest.mark.parametrize(
    ("before", "begins"),
    [
        ('{\n\t"a": "é"\n}\n', '{\n\t"a": "é",\n\t"mcpServers": {\n\t\t"adops"'),
        ('{\r\n   "a": "\\u00e9"\r\n}', '{\r\n   "a": "\\u00e9",\r\n   "mcpServers": {\r\n      "adops"'),
        ('\ufeff{"a":"é","b":"\\ud800"}', '\ufeff{"a":"\\u00e9","b":"\\ud800","mcpServers":{"adops":{'),
        ('{"a": 1.50}', '{"a": 1.5, "mcpServers": {"adops": {'),
    ],
)
def test_indentation_line_ends_and_letters_are_those_of_the_file(before: str, begins: str, tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    file.write_bytes(before.encode())
    assert main(["config", "claude-code", "--write", "--yes"]) == 0
    after = file.read_bytes().decode()
    assert after.startswith(begins)
    assert after.endswith("}" + before[len(before.rstrip()) :])


def test_a_symlink_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    another(tmp_path / "dotfiles" / "mcp.json")
    link = tmp_path / ".mcp.json"
    link.symlink_to("dotfiles/mcp.json")
    assert main(["config", "claude-code", "--write", "--yes"]) == 0
    assert link.is_symlink()
    assert "adops" in (tmp_path / "dotfiles" / "mcp.json").read_text()
    assert f"written to {link}, a link to {tmp_path}/dotfiles/mcp.json, and what" in capsys.readouterr().err
    link.unlink()
    link.symlink_to(".mcp.json")
    assert main(["config", "claude-code", "--write", "--yes"]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_nothing_is_written_where_nobody_can_be_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / ".mcp.json"
    text = another(file)
    assert main(["config", "claude-code", "--write"]) == 2
    told = capsys.readouterr()
    assert "nobody to ask: give --yes" in told.err
    assert '+        "adops": {' in told.out
    assert file.read_text() == text


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("Yes", 0), ("", 1), ("n", 1)])
def test_on_a_terminal_the_person_is_asked(answer: str, code: int, tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    text = another(file)
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    told = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", "config", "claude-code", "--write"],
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert told.returncode == code
    assert f"Write this to {file}? [y/N]" in told.stderr
    assert (file.read_text() == text) is bool(code)


def test_what_another_program_wrote_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    another(file)
    snippet: dict[str, Any] = {"mcpServers": {"adops": {"command": "x"}}}
    late, new = merged(file, snippet, frozenset()), merged(tmp_path / "new.json", snippet, frozenset())
    for change in (late, new):
        change.target.write_text("{}")
        with pytest.raises(MergeError, match=r"was changed by another program\. Run this again"):
            change.write()
        assert change.target.read_text() == "{}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mcp.json", "new.json"]


def test_a_place_that_cannot_be_written_or_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "huge").write_bytes(b" " * (16 * 1_048_576 + 1))
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        (".", "is not a file. Name the client's file with --file"),
        ("pipe", "is not a file"),
        ("file/mcp.json", "cannot be read: Not a directory"),
        ("huge", "is too large to be a client's settings"),
        ("/proc/adops/mcp.json", "cannot be written: No such file or directory. It is as it was"),
    ):
        assert main(["config", "cursor", "--write", "--yes", "--file", name]) == 1
        assert words in capsys.readouterr().err
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", _nobody)
    assert main(["config", "cursor"]) == 2
    assert main(["config", "claude-desktop"]) == 2
    assert "there is no home directory to find the client's file in: name it with --file" in capsys.readouterr().err
    assert main(["config", "cursor", "--file", "mcp.json"]) == 0


def _nobody(_: int) -> Any:
    raise KeyError


def test_what_a_file_of_others_holds_cannot_play_with_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".mcp.json"
    file.write_text(
        '{\n  "mcpServers": {\n    "a\u2028\u009b31m\u202eb": {"args": ["' + OTHERS + '", "\u2028' + OTHERS + '"]}}}'
    )
    assert main(["config", "claude-code", "--write", "--yes"]) == 0
    told = capsys.readouterr().out
    assert not {"\u2028", "\u009b", "\u202e"} & set(told)
    assert OTHERS not in told
