"""Cases that every tool has, each with its own values: a tool's test file names them, test_every_tool runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from tests.support import Answer

Sent = tuple[str, str, Any]
"""A request as it was sent: method, path with query, and JSON body or None."""


@dataclass(frozen=True)
class RefusedArguments:
    """Arguments that are refused before anything is sent, each with words of the message.

    beside: valid arguments that each case is laid over.
    """

    cases: Sequence[tuple[Mapping[str, Any], str]]
    beside: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class EmptyLists:
    """Arguments for which the sandbox has an empty list, each with the total and the note that explain it."""

    cases: Sequence[tuple[dict[str, Any], int, str]]


class Failure(NamedTuple):
    """What a vendor answers, our code for it, and how the message and the next step begin."""

    answer: httpx.Response
    code: str
    message: str
    next_step: str


@dataclass(frozen=True)
class FailedReads:
    """A read that the vendor refuses, or answers with something that cannot be read. request: what is sent for it."""

    arguments: dict[str, Any]
    request: Sent
    cases: Sequence[Failure]


@dataclass(frozen=True)
class LostRead:
    """A read whose answer is lost. request: what is sent for it."""

    arguments: dict[str, Any]
    request: Sent


@dataclass(frozen=True)
class LostWrite:
    """A write whose answer is lost: the answers, each with the words for it.

    look: how a person finds out whether it was done. sent: every request, where there is a read among them, or else
    every write. reads: the answer to the reads before the write; without it, lists are empty.
    """

    arguments: dict[str, Any]
    cases: Sequence[tuple[Answer, str]]
    look: str
    sent: Sequence[Sent]
    reads: Any = None


@dataclass(frozen=True)
class RefusedWrite:
    """A write that the vendor refuses. The other fields are those of LostWrite."""

    arguments: dict[str, Any]
    cases: Sequence[Failure]
    sent: Sequence[Sent]
    reads: Any = None


def refused_by_freewheel(*cases: tuple[int, str, str], body: Any = None) -> list[Failure]:
    """Failures of (status, code, next step). body: FreeWheel's; its message has to be "no"."""
    body = body or {"Message": "no"}
    return [
        Failure(httpx.Response(status, json=body), code, f'FreeWheel answered {status}: "no"', next_step)
        for status, code, next_step in cases
    ]


def refused_by_interchange(*cases: tuple[int, str, str], upstream_code: str = "X") -> list[Failure]:
    """Failures of (status, code, next step)."""
    body = {"data": None, "error": {"code": upstream_code, "message": "No."}}
    return [
        Failure(
            httpx.Response(status, json=body),
            code,
            f'Interchange answered {status} {upstream_code}: "No."',
            next_step,
        )
        for status, code, next_step in cases
    ]


def unexplained_by_interchange(*cases: tuple[int, str, str]) -> list[Failure]:
    """Failures of (status, code, next step), whose body has a code and no message."""
    return [
        Failure(
            httpx.Response(status, json={"error": {"code": "X"}}), code, f"Interchange answered {status} X", next_step
        )
        for status, code, next_step in cases
    ]


def unreadable_from_interchange(*cases: tuple[httpx.Response, str]) -> list[Failure]:
    """Failures of (answer, what is wrong with it)."""
    return [
        Failure(answer, "unexpected_answer", f"Interchange answered with {what}", "Do not guess the answer.")
        for answer, what in cases
    ]


def after_reading(found: Any, answer: Answer) -> Answer:
    """Answers the reads with what is found, and the write as `answer` does."""

    def answered(request: httpx.Request) -> Any:
        return httpx.Response(200, json=found) if request.method == "GET" else answer(request)

    return answered


def raising(error: Callable[[str], httpx.TransportError]) -> Callable[[httpx.Request], httpx.Response]:
    """An answer that never comes. The URL in the error must not reach the agent."""

    def answer(_: httpx.Request) -> httpx.Response:
        raise error("https://vendor.example/secret")

    return answer


timed_out = raising(httpx.ReadTimeout)
dropped = raising(httpx.RemoteProtocolError)
