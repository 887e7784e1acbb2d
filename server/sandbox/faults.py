"""Faults that the sandbox makes on purpose: what a vendor, or a proxy before it, does on a bad day.

Faults happen on the way to the embedded vendors, so that a connection can be cut and an answer lost. They are chosen at
random from a seed, or requested with the header `X-Sandbox-Fault`. Random faults leave the token endpoints alone.
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
"""The faults, by whether the vendor carries the request out.

Carried out: latency (a slow answer), error_after (500), lost_after (no answer), cut_body (half an answer), html (a page
instead of the answer). Not carried out: rate_limited (429 with Retry-After), rate_limited_bare (429 without it),
error_before (500), lost_before (the connection is cut), expired_token (401 once). stale_read repeats an earlier answer
to the same GET request.
"""

FAULTS: tuple[Fault, ...] = get_args(Fault)
HEADER = "x-sandbox-fault"
LATENCY = (0.02, 0.2)
"""The shortest and the longest delay, in seconds."""

_MOST_STORED_ANSWERS = 500
"""How many answers are stored for stale reads."""

LONGEST_STALE = 2.0
"""The greatest age of a stale answer, in seconds."""


class UnknownFault(ValueError):
    """The text names an unknown fault, or a rate that is out of range."""


@dataclass(frozen=True, slots=True)
class FaultRates:
    """How often each fault happens, from 0 to 1, together at most 1. `seed` is that of the random choice."""

    rates: Mapping[Fault, float]
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> FaultRates:
        """Parse text such as `all=0.3,lost_after=0.1,seed=7`. `all` is divided evenly. Raises UnknownFault."""
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
    """An httpx transport to a vendor that makes the faults. `counts` says how often each fault happened."""

    inner: httpx.AsyncBaseTransport
    rates: FaultRates
    sleep: Callable[[float], Awaitable[None]]
    counts: dict[Fault, int] = field(default_factory=dict["Fault", int])
    clock: Callable[[], float] = time.monotonic
    _answers: dict[str, tuple[float, httpx.Response]] = field(default_factory=dict[str, "tuple[float, httpx.Response]"])

    def __post_init__(self) -> None:
        self._random = random.Random(self.rates.seed)  # noqa: S311 - must be repeatable, need not be secret

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._choose_fault(request)
        if fault is None:
            return await self._answer(request)
        self.counts[fault] = self.counts.get(fault, 0) + 1
        match fault:
            case "latency":
                await self.sleep(self._random.uniform(*LATENCY))
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
                return self._stale_answer(request) or await self._answer(request)
            case _:
                return await self._answer_badly(fault, request)

    async def _answer_badly(self, fault: Fault, request: httpx.Request) -> httpx.Response:
        """Have the request carried out, and spoil the answer."""
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

    def _choose_fault(self, request: httpx.Request) -> Fault | None:
        requested = request.headers.get(HEADER)
        if requested is not None:
            return next((fault for fault in FAULTS if fault == requested), None)
        if request.url.path.endswith("/token"):
            return None
        rolled = self._random.random()
        for fault, rate in self.rates.rates.items():
            rolled -= rate
            if rolled < 0:
                return fault if fault != "stale_read" or request.method == "GET" else None
        return None

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inner.handle_async_request(request)
        await answer.aread()
        if request.method == "GET":
            self._answers[str(request.url)] = self.clock(), answer
            if len(self._answers) > _MOST_STORED_ANSWERS:
                del self._answers[next(iter(self._answers))]
        return answer

    def _stale_answer(self, request: httpx.Request) -> httpx.Response | None:
        at, stored = self._answers.get(str(request.url), (0.0, None))
        if stored is None or self.clock() - at > LONGEST_STALE:
            return None
        return httpx.Response(stored.status_code, headers={"content-type": "application/json"}, content=stored.content)


def _refusal(request: httpx.Request, status: int, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(
        status, json={"error": "a fault that the sandbox makes on purpose"}, headers=headers, request=request
    )


async def _half(content: bytes) -> AsyncGenerator[bytes]:
    yield content[: len(content) // 2]
    raise httpx.ReadError("cut in the middle")
