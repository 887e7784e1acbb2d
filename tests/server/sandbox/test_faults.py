"""The faults of the sandbox, and the answers that an agent gets because of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from server.configuration.settings import Settings, SettingsError, load
from server.sandbox.faults import FAULTS, HEADER, Fault, FaultRates, FaultyTransport, UnknownFault
from tests.support import FakeTime, Recorder, SandboxNetwork, connected, error_of, text_of

NOTHING = FaultRates.parse("")
ORDER: dict[str, Any] = {"external_id": "CRM-1", "name": "N"}


def test_rates_and_a_seed_are_read_and_all_is_spread_evenly() -> None:
    read = FaultRates.parse("all=0.11, lost_after=0.2,seed=7")
    assert read.seed == 7
    assert read.rates["lost_after"] == pytest.approx(0.21)
    assert read.rates["html"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lost=0.1", "there is no fault 'lost'; there are all, latency, "),
        ("html=2", "html needs a rate from 0 to 1, such as html=0.1"),
        ("html=much", "html needs a rate from 0 to 1"),
        ("html", "html needs a rate from 0 to 1"),
        ("seed=x", "there is no fault 'seed'"),
        ("html=0.6,latency=0.6", "the rates together are more than 1"),
    ],
)
def test_a_misspelt_fault_is_refused_by_name(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownFault, match=said):
        FaultRates.parse(text)
    monkeypatch.setenv("ADOPS_SANDBOX_FAULTS", text)
    with pytest.raises(SettingsError, match=f"ADOPS_SANDBOX_FAULTS: {said}"):
        load()


async def request_with_fault(fault: str, *, method: str = "POST") -> tuple[Recorder, Any]:
    """The recorder of the vendor, and the answer or the exception of a request with that fault."""
    seen = Recorder(lambda request: httpx.Response(201, json={"done": request.method, "much": "x" * 100}))
    way = FaultyTransport(seen, NOTHING, FakeTime().sleep)
    async with httpx.AsyncClient(transport=way, base_url="https://vendor") as client:
        try:
            answer = await client.request(method, "/things", headers={HEADER: fault})
        except httpx.TransportError as error:
            return seen, error
    return seen, answer


@pytest.mark.parametrize(
    ("fault", "done", "status"),
    [
        ("latency", True, 201),
        ("rate_limited", False, 429),
        ("rate_limited_bare", False, 429),
        ("error_before", False, 500),
        ("error_after", True, 500),
        ("lost_before", False, None),
        ("lost_after", True, None),
        ("cut_body", True, None),
        ("html", True, 200),
        ("expired_token", False, 401),
        ("stale_read", True, 201),
        ("no such fault", True, 201),
    ],
)
async def test_one_request_can_ask_for_its_fault(fault: str, done: bool, status: int | None) -> None:
    seen, answer = await request_with_fault(fault)
    assert bool(seen.requests) is done
    assert (answer.status_code if isinstance(answer, httpx.Response) else None) == status
    if fault == "rate_limited":
        assert answer.headers["retry-after"] == "1"
    if fault == "html":
        assert answer.text.startswith("<html>")


async def test_a_stale_read_is_what_the_same_request_was_answered_before() -> None:
    counts = iter(range(9))
    way = FaultyTransport(Recorder(lambda _: httpx.Response(200, json=next(counts))), NOTHING, FakeTime().sleep)
    async with httpx.AsyncClient(transport=way, base_url="https://vendor") as client:
        stale = {HEADER: "stale_read"}
        answers = [await client.get("/a"), await client.get("/a", headers=stale), await client.get("/b", headers=stale)]
    assert [answer.json() for answer in answers] == [0, 0, 1]


async def test_the_same_seed_rolls_the_same_faults() -> None:
    rolled: list[dict[Fault, int]] = []
    for _ in range(2):
        vendor = Recorder(lambda _: httpx.Response(200, json={}))
        way = FaultyTransport(vendor, FaultRates.parse("all=0.5,seed=3"), FakeTime().sleep)
        async with httpx.AsyncClient(transport=way, base_url="https://vendor") as client:
            for _ in range(300):
                try:
                    await client.get("/")
                except httpx.TransportError:
                    continue
        rolled.append(way.counts)
    assert rolled[0] == rolled[1]
    assert rolled[0].keys() == set(FAULTS)
    assert 100 < sum(rolled[0].values()) < 200


@pytest.mark.parametrize(
    ("fault", "code", "orders"),
    [
        ("rate_limited", "rate_limited", 0),
        ("error_before", "in_doubt", 0),
        ("error_after", "in_doubt", 1),
        ("lost_before", "in_doubt", 0),
        ("lost_after", "in_doubt", 1),
        ("cut_body", "in_doubt", 1),
        ("html", "in_doubt", 1),
    ],
)
async def test_what_an_agent_is_told_of_a_fault_is_what_is_known(
    tmp_path: Path, fault: str, code: str, orders: int
) -> None:
    network = SandboxNetwork(FakeTime(), tmp_path)
    before = await _orders(network)
    settings = Settings(environment="sandbox", data_dir=tmp_path, sandbox_faults=f"{fault}=1")
    async with connected(network.wire, settings) as client:
        result = await client.call_tool("create_proposed_io", ORDER)
    assert error_of(result)["code"] == code, text_of(result)
    assert await _orders(network) - before == orders
    network.sandbox.close()


async def _orders(network: SandboxNetwork) -> int:
    settings = Settings(environment="sandbox", data_dir=network.directory)
    async with connected(network.wire, settings) as client:
        return (await client.call_tool("list_proposed_ios", {})).structured_content["total"]
