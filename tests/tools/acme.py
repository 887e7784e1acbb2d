"""A transport of the vendor "Acme", for the tests of the transport itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support import Answer, FakeTime, Recorder
from tools.effects import recording_departures
from tools.errors import AdOpsError, Unavailable
from tools.vendor_http.auth import Auth
from tools.vendor_http.network.client import http_client
from tools.vendor_http.rate_limit import SlidingWindow
from tools.vendor_http.timing import Timing
from tools.vendor_http.transport import Hints, Kind, Transport

LOOK = "Look in the vendor's list first."
NOT_OPENED = "No connection to Acme could be opened, so nothing was sent."


@dataclass
class Line:
    """A transport of the vendor "Acme", its network and its time."""

    transport: Transport
    network: Recorder
    time: FakeTime

    async def send(self, kind: Kind, **given: Any) -> Any:
        method = "GET" if kind is Kind.READ else "POST"
        return await self.transport.request(kind, method, "/things", hints=Hints(look=LOOK), **given)

    async def fail(self, kind: Kind, **given: Any) -> AdOpsError:
        with pytest.raises(AdOpsError) as raised:
            await self.send(kind, **given)
        return raised.value

    @property
    def tries(self) -> int:
        return len(self.network.requests)


@dataclass
class Departures:
    """What a write's departure is told, in order, beside what a test adds. late: the last look finds it so."""

    told: list[str] = field(default_factory=list[str])
    late: bool = False
    meanwhile: Callable[[], Awaitable[object]] | None = None

    def remember(self, before: Mapping[str, Any]) -> None:
        raise AssertionError(before)

    def requested(self, method: str, path: str, body: Any) -> None:
        assert (method, path, body) == ("POST", "/", {"n": 1})
        self.told.append("requested")

    async def leaving(self, method: str, path: str, body: Any) -> None:
        assert (method, path, body) == ("POST", "/", {"n": 1})
        if self.meanwhile is not None:
            await self.meanwhile()
        self.told.append("departed")

    def check(self) -> None:
        if self.late:
            raise Unavailable("too late", next_step="Make the same call again.")
        self.told.append("checked")

    def not_sent(self) -> None:
        self.told.append("not sent")

    def answered(self, status: int) -> None:
        self.told.append(f"answered {status}")


def transport(http: httpx.AsyncClient, *, auth: Auth | None = None, timing: Timing | None = None) -> Transport:
    """A transport that nobody listens in to."""
    timing = timing or FakeTime().timing
    window = SlidingWindow(1000, 1.0, clock=timing.clock, sleep=timing.sleep)
    return Transport("Acme", http, limit=window, auth=auth, timing=timing)


async def write(
    http: httpx.AsyncClient,
    url: str,
    departures: Departures | None = None,
    *,
    auth: Auth | None = None,
    timeout: float = 5.0,
    timing: Timing | None = None,
) -> Any:
    """What a write is answered."""
    with recording_departures(departures or Departures()):
        acme = transport(http, auth=auth, timing=timing)
        answer = await acme.request(Kind.WRITE, "POST", url, json={"n": 1}, timeout=timeout, hints=Hints(look=LOOK))
    return answer.json()


def line(
    answer: Answer | httpx.AsyncBaseTransport,
    *,
    auth: Auth | None = None,
    limit: tuple[int, float] = (1000, 1.0),
    base_url: str = "https://acme.example",
) -> Line:
    time, network = FakeTime(), Recorder(answer)
    timing = time.timing
    http = http_client(transport=network, base_url=base_url)
    window = SlidingWindow(*limit, clock=timing.clock, sleep=timing.sleep)
    return Line(Transport("Acme", http, limit=window, auth=auth, timing=timing), network, time)
