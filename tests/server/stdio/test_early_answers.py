"""The start on stdio in processes as a client starts them: answers before the server is ready, and the handover."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.configuration.settings import Settings
from tests.frozen import legacy, live, modern
from tests.server.stdio.test_serve import COMMAND, started

LATE: dict[str, Any] = {"name": "get_status", "arguments": {}}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(number: int, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {**LATE, **params}}


def session(directory: Path, data: bytes, **settings: str) -> tuple[list[dict[str, Any]], subprocess.Popen[bytes]]:
    """Send everything at once, and close stdin after as many answers as there are ids."""
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"ADOPS_DATA_DIR": str(directory), **settings},
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(data)
    process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for _ in range(data.count(b'"id"'))]
    rest, errors = process.communicate(timeout=20)
    assert rest == b""
    assert errors == b""
    assert process.returncode == 0
    return answers, process


def lines(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


async def test_a_session_that_is_sent_at_once_is_answered_as_by_the_live_server_and_each_request_once(
    tmp_path: Path,
) -> None:
    hello, listed = legacy()
    data = lines(hello, INITIALIZED, listed, call(3), {**listed, "id": 4})
    answers, _ = session(tmp_path, data)
    assert [answer["id"] for answer in answers] == [1, 2, 4, 3]
    early = await live(Settings(), [hello, listed])
    assert answers[:2] == early
    assert answers[2]["result"] == early[1]["result"]
    assert answers[3]["result"]["structuredContent"]["environment"] == "sandbox"


async def test_the_era_that_was_answered_early_is_that_of_the_live_server(tmp_path: Path) -> None:
    discover, listed = modern(1, "server/discover"), modern(2, "tools/list")
    late = call(3, _meta=discover["params"]["_meta"])
    answers, _ = session(tmp_path, lines(discover, listed, late, {**legacy()[0], "id": 4}))
    found = {answer["id"]: answer for answer in answers}
    assert [found[1], found[2]] == await live(Settings(), [discover, listed])
    assert found[3]["result"]["structuredContent"]["environment"] == "sandbox"
    assert "the initialize handshake is not accepted" in found[4]["error"]["message"]


async def test_an_opening_that_is_not_understood_leaves_the_whole_session_to_the_live_server(tmp_path: Path) -> None:
    hello, listed = legacy()
    data = lines({"jsonrpc": "2.0", "id": 9, "method": "ping"}, hello, INITIALIZED, listed)
    answers, _ = session(tmp_path, data)
    assert answers == [{"jsonrpc": "2.0", "id": 9, "result": {}}, *await live(Settings(), [hello, listed])]


def test_a_message_that_comes_in_pieces_across_the_handover_is_put_together(tmp_path: Path) -> None:
    hello, _ = legacy()
    with started(tmp_path) as wire:
        assert wire.process.stdin
        assert wire.process.stdout
        wire.process.stdin.write(json.dumps(hello) + "\n" + json.dumps(call(5))[:40])
        wire.process.stdin.flush()
        assert json.loads(wire.process.stdout.readline())["id"] == 1
        # the live server is there once it answers
        wire.process.stdin.write(json.dumps(call(5))[40:] + "\n")
        wire.process.stdin.flush()
        assert json.loads(wire.process.stdout.readline())["id"] == 5
        assert wire.end() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_start_ends_it_at_once(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path) as wire:
        wire.ask("initialize", **legacy()[0]["params"])
        wire.process.send_signal(number)
        assert wire.process.wait(timeout=10) == 128 + number


def test_a_client_that_leaves_during_the_start_ends_it_without_a_word(tmp_path: Path) -> None:
    with started(tmp_path) as wire:
        wire.send({key: value for key, value in legacy()[0].items() if key != "jsonrpc"})
        assert wire.end() == (0, "")


def test_a_client_that_closes_its_end_before_it_reads_ends_it_without_a_word(tmp_path: Path) -> None:
    with started(tmp_path) as wire:
        assert wire.process.stdout
        wire.process.stdout.close()
        for message in (*legacy(), call(3)):
            wire.send(message)
        assert wire.process.stdin
        assert wire.process.stderr
        wire.process.stdin.close()
        assert wire.process.wait(timeout=20) == 0
        assert wire.process.stderr.read() == ""
        # so that it is not closed again
        wire.process.stdin = wire.process.stdout = None


def _with(name: bytes = b'"frozen"', capability: bytes = b"{}") -> bytes:
    """An opening with changed JSON, and a request after it."""
    opening = (
        lines(legacy()[0]).replace(b'"frozen"', name).replace(b'"capabilities": {}', b'"capabilities": %s' % capability)
    )
    return opening + lines({"jsonrpc": "2.0", "id": 2, "method": "ping"})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbf" + _with(), id="a byte order mark"),
        pytest.param(_with(b'"\\ud800"'), id="half of a character"),
        pytest.param(_with(b'"\xff"'), id="a byte that is no character"),
        pytest.param(_with(capability=b'{"x": NaN}'), id="no number"),
        pytest.param(_with(capability=b'{"x": ' + b"[" * 300 + b"]" * 300 + b"}"), id="deep nesting"),
        pytest.param(_with(b'"' + b"x" * 200_000 + b'"'), id="a long line"),
    ],
)
def test_an_opening_that_a_stricter_reader_takes_otherwise_is_left_to_the_live_server(
    data: bytes, tmp_path: Path
) -> None:
    """The answers are the same as those of a server that answers nothing early."""
    answers = [exchanged(tmp_path, data, b'"id":2', **more) for more in ({}, {"ADOPS_HTTP_RATE": "600"})]
    assert answers[0] == answers[1]


def exchanged(directory: Path, data: bytes, last: bytes, **settings: str) -> bytes:
    """All answers up to the line that contains `last`."""
    environment = {"ADOPS_DATA_DIR": str(directory), **settings}
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdin
    assert process.stdout
    process.stdin.write(data)
    process.stdin.flush()
    told = b""
    while last not in told:
        line = process.stdout.readline()
        assert line, f"the server ended with {process.wait()} after {told!r}"
        told += line
    return told + process.communicate(timeout=20)[0]


@pytest.mark.parametrize("early", [True, False])
def test_a_pipe_that_the_client_made_non_blocking_and_reads_late_carries_whole_answers(
    early: bool, tmp_path: Path
) -> None:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    more = {} if early else {"ADOPS_HTTP_RATE": "600"}
    environment = {"ADOPS_DATA_DIR": str(tmp_path), **more}
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=writes, env=environment)
    os.close(writes)
    assert process.stdin
    process.stdin.write(lines(*legacy(), call(3)))
    process.stdin.flush()
    while not (full := select.select([reads], [], [], 20)[0]):
        assert process.poll() is None
    assert full
    with os.fdopen(reads) as answers:
        found = [json.loads(answers.readline()) for _ in range(3)]
    assert [answer["id"] for answer in found] == [1, 2, 3]
    process.communicate(timeout=20)


@pytest.mark.parametrize("more", [{}, {"ADOPS_HTTP_RATE": "600"}])
def test_a_client_that_leaves_a_socket_with_answers_in_it_ends_it_without_a_word(
    more: dict[str, str], tmp_path: Path
) -> None:
    ours, theirs = socket.socketpair()
    environment = {"ADOPS_DATA_DIR": str(tmp_path), **more}
    process = subprocess.Popen(
        COMMAND, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE, env=environment
    )
    theirs.close()
    ours.sendall(lines(*legacy()))
    assert ours.recv(10)
    ours.close()
    assert process.communicate(timeout=20)[1] == b""
    assert process.returncode == 0


def test_a_start_without_docstrings_is_refused_as_tools_would_have_no_descriptions(tmp_path: Path) -> None:
    environment = {"ADOPS_DATA_DIR": str(tmp_path), "PYTHONOPTIMIZE": "2"}
    ended = subprocess.run(COMMAND, input=lines(*legacy()), capture_output=True, env=environment, check=False)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"PYTHONOPTIMIZE=2" in ended.stderr


def test_requests_from_a_file_are_answered_and_their_end_is_its_end(tmp_path: Path) -> None:
    (tmp_path / "requests").write_bytes(lines(*legacy()))
    with (tmp_path / "requests").open("rb") as file:
        ended = subprocess.run(
            COMMAND, stdin=file, capture_output=True, env={"ADOPS_DATA_DIR": str(tmp_path)}, timeout=20, check=True
        )
    # what is still under way at the end of the requests is not waited for
    assert json.loads(ended.stdout.splitlines()[0])["id"] == 1
    assert ended.stderr == b""


def test_answers_to_a_client_that_reads_late_come_whole(tmp_path: Path) -> None:
    """It sends far more than a pipe can hold, so that lines are written in parts."""
    hello, _ = legacy()
    refused = [call(number, name="list_avails", arguments={"x" * 2000: 1}) for number in range(10, 210)]
    answers, _ = session(tmp_path, lines(hello, INITIALIZED, *refused))
    assert sorted(answer["id"] for answer in answers) == [1, *range(10, 210)]


def test_a_client_that_reads_nothing_before_it_has_sent_everything_is_answered_whole(tmp_path: Path) -> None:
    """It sends more than pipes can hold, in both directions, while the server starts."""
    hello, listed = legacy()
    asked = [{**listed, "id": number} for number in range(2, 60)]
    data = lines(hello, INITIALIZED, *asked).replace(b"\n", b" " * 4000 + b"\n")
    answers, _ = session(tmp_path, data)
    assert sorted(answer["id"] for answer in answers) == list(range(1, 60))
    assert {len(answer["result"]["tools"]) for answer in answers if answer["id"] > 1} == {30}


def test_what_is_printed_while_serving_goes_to_stderr() -> None:
    imported = "from server.stdio.early_answers import claimed_stdio"
    code = f"{imported}\nwith claimed_stdio(): print('stray', flush=True)\nprint('after')"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert (ended.stdout, ended.stderr) == ("after\n", "stray\n")


def test_a_pipe_that_stderr_shares_stays_blocking(tmp_path: Path) -> None:
    """A non-blocking stderr would lose log lines when it is full."""
    reads, writes = os.pipe()
    environment = {"ADOPS_DATA_DIR": str(tmp_path)}
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=writes, stderr=writes, env=environment)
    assert process.stdin
    with os.fdopen(reads) as answers:
        process.stdin.write(lines(legacy()[0], INITIALIZED, call(3)))
        process.stdin.flush()
        assert [json.loads(answers.readline())["id"] for _ in range(2)] == [1, 3]
        assert os.get_blocking(writes)
        process.communicate(timeout=20)
    os.close(writes)


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_start_without_stdin_or_stdout_is_refused_in_words(tmp_path: Path, closed: str) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$@" {closed}', *COMMAND],
        capture_output=True,
        text=True,
        env={"ADOPS_DATA_DIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=20,
    )
    assert ended.returncode == 2
    assert ended.stderr == "adops-mcp: stdin and stdout must be open, because a client speaks MCP over them.\n"


def test_a_start_without_stderr_serves_all_the_same(tmp_path: Path) -> None:
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$0" "$@" 2>&-', *COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"ADOPS_DATA_DIR": str(tmp_path)},
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(lines(legacy()[0], INITIALIZED, call(3)))
    process.stdin.flush()
    assert [json.loads(process.stdout.readline())["id"] for _ in range(2)] == [1, 3]
    process.communicate(timeout=20)
    assert process.returncode == 0
