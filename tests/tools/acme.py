"""A transport of the vendor "Acme", for the tests of the transport itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support import Answer, FakeTime, Recorder
from tools.connections import Connections
from tools.errors import AdOpsError
from tools.limits import SlidingWindow
from tools.transport import Auth, Hints, Kind, Transport

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


def line(
    answer: Answer | httpx.AsyncBaseTransport, *, auth: Auth | None = None, limit: tuple[int, float] = (1000, 1.0)
) -> Line:
    time, network = FakeTime(), Recorder(answer)
    timing = time.timing
    http = Connections(network, base_url="https://acme.example")
    window = SlidingWindow(*limit, clock=timing.clock, sleep=timing.sleep)
    return Line(Transport("Acme", http, limit=window, auth=auth, timing=timing), network, time)
