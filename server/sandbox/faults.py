"""What the sandbox can be told to do wrong: everything that a vendor, or what stands before it, does on a bad day.

Faults happen on the way to the embedded vendors, so that a connection can be cut and an answer lost. They are rolled
with a seed, or asked for by one request with the header `X-Sandbox-Fault`. Token endpoints are left alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import httpx

Fault = Literal[
    "latency",
    "rate_limited",
    "rate_limited_bare",
    "error_before",
    "error_after",
    "lost_before",
    "lost_after",
    "cut_body",
    "html",
    "expired_token",
    "stale_read",
]
"""latency: slow. rate_limited: 429 with Retry-After; _bare: without. error_before: 500, and nothing was done;
error_after: 500, and it was done. lost_before: the connection is cut before anything was done; lost_after: it was done
and no answer comes. cut_body: it was done and the answer ends in its middle. html: it was done and a page comes
instead. expired_token: 401 once, and nothing was done. stale_read: what the same request was answered before."""

FAULTS: tuple[Fault, ...] = get_args(Fault)
HEADER = "x-sandbox-fault"
LATENCY = (0.02, 0.2)
"""Seconds, from and to."""

_KEPT = 500
"""Answers that are kept to be given again."""

STALE = 2.0
"""Seconds by which a stale read is late at most."""


class UnknownFault(ValueError):
    """A fault or rate that there is not."""


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """rates: from 0 to 1, of each fault; together at most 1. seed: of the dice."""

    rates: Mapping[Fault, float]
    seed: int = 0

    @classmethod
    def read(cls, text: str) -> Misbehaviour:
        """`all=0.3,lost_after=0.1,seed=7`: `all` is spread evenly. Raises UnknownFault."""
        rates: dict[Fault, float] = dict.fromkeys(FAULTS, 0.0)
        seed = 0
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = part.partition("=")
            if name == "seed" and value.isdecimal():
                seed = int(value)
                continue
            names: list[Fault] = [fault for fault in FAULTS if name in ("all", fault)]
            if not names:
                raise UnknownFault(f"there is no fault {name[:40]!r}; there are all, {', '.join(FAULTS)} and seed")
            for fault in names:
                rates[fault] += _rate(name, value) / len(names)
        if sum(rates.values()) > 1 + 1e-9:
            raise UnknownFault("the rates together are more than 1")
        return cls(rates, seed)


def _rate(name: str, value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise UnknownFault(f"{name} needs a rate from 0 to 1, such as {name}=0.1")
    return rate


@dataclass
class FaultyTransport(httpx.AsyncBaseTransport):
    """A way to a vendor on which things go wrong."""

    inner: httpx.AsyncBaseTransport
    misbehaviour: Misbehaviour
    sleep: Callable[[float], Awaitable[None]]
    happened: dict[Fault, int] = field(default_factory=dict["Fault", int])
    clock: Callable[[], float] = time.monotonic
    _answers: dict[str, tuple[float, httpx.Response]] = field(default_factory=dict[str, "tuple[float, httpx.Response]"])

    def __post_init__(self) -> None:
        self._dice = random.Random(self.misbehaviour.seed)  # noqa: S311 - to be repeated, not to be secret

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._fault(request)
        if fault is None:
            return await self._answer(request)
        self.happened[fault] = self.happened.get(fault, 0) + 1
        match fault:
            case "latency":
                await self.sleep(self._dice.uniform(*LATENCY))
                return await self._answer(request)
            case "rate_limited":
                return _refusal(request, 429, {"Retry-After": "1"})
            case "rate_limited_bare":
                return _refusal(request, 429)
            case "error_before":
                return _refusal(request, 500)
            case "expired_token":
                return _refusal(request, 401)
            case "lost_before":
                raise httpx.ReadError("cut before it was done", request=request)
            case "stale_read":
                return self._before(request) or await self._answer(request)
            case _:
                return await self._done_and(fault, request)

    async def _done_and(self, fault: Fault, request: httpx.Request) -> httpx.Response:
        """It is carried out, and this is what comes of its answer."""
        answer = await self._answer(request)
        match fault:
            case "error_after":
                return _refusal(request, 500)
            case "html":
                return httpx.Response(200, html="<html><body>Please sign in.</body></html>", request=request)
            case "cut_body":
                headers = {"content-type": "application/json"}
                return httpx.Response(answer.status_code, headers=headers, content=_half(answer.content))
            case _:
                raise httpx.ReadError("the answer is lost", request=request)

    async def aclose(self) -> None:
        await self.inner.aclose()

    def _fault(self, request: httpx.Request) -> Fault | None:
        asked = request.headers.get(HEADER)
        if asked is not None:
            return next((fault for fault in FAULTS if fault == asked), None)
        if request.url.path.endswith("/token"):
            return None
        rolled = self._dice.random()
        for fault, rate in self.misbehaviour.rates.items():
            rolled -= rate
            if rolled < 0:
                return fault if fault != "stale_read" or request.method == "GET" else None
        return None

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inner.handle_async_request(request)
        await answer.aread()
        if request.method == "GET":
            self._answers[str(request.url)] = self.clock(), answer
            if len(self._answers) > _KEPT:
                del self._answers[next(iter(self._answers))]
        return answer

    def _before(self, request: httpx.Request) -> httpx.Response | None:
        at, before = self._answers.get(str(request.url), (0.0, None))
        if before is None or self.clock() - at > STALE:
            return None
        return httpx.Response(before.status_code, headers={"content-type": "application/json"}, content=before.content)


def _refusal(request: httpx.Request, status: int, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, json={"error": "the sandbox was told to"}, headers=headers, request=request)


async def _half(content: bytes) -> AsyncGenerator[bytes]:
    yield content[: len(content) // 2]
    raise httpx.ReadError("cut in the middle")
