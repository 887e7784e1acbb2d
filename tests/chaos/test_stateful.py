"""Whatever goes wrong, and however often the process dies: each write is there once, or not, and the agent knows which.

A machine of hypothesis makes calls through the in-memory client, with a fault of its choice on the way to the vendor,
reads that are late, and deaths of the process at its moment, repeats calls, reconciles and lets time pass.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import sqlalchemy as sa
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from mcp import Client

from server.app import build_server
from server.calls import Calls
from server.faults import FAULTS, HEADER, Fault, FaultyTransport, Misbehaviour
from server.operations import LEASE, Operations, T, Unrecorded
from server.operations_rows import Record
from server.settings import Settings
from server.vendors import Wire
from server.writes import Writes
from tests.chaos.intents import TARGETING, Intent, Upstream, seeded, shown
from tests.support import FakeTime, SandboxNetwork, empty_record, new_database, text_of
from tools.tool import VendorName

AVAIL: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "avail_id": "avl_news_evening",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
}
ITEM: dict[str, Any] = {"source_id": "northlight-ctv", "work_item_id": "440317003"}


def orders(directory: Path) -> list[dict[str, Any]]:
    ids = seeded(directory, "freewheel_proposed_insertion_order", "id")
    return [{"proposed_io_id": one} for one in ids]


def packages(directory: Path) -> list[dict[str, Any]]:
    return [{"package_id": one} for one in seeded(directory, "freewheel_inventory_package", "id")]


def work_items(directory: Path) -> list[dict[str, Any]]:
    ids = seeded(directory, "interchange_work_items", "id", "status = 'OPEN' AND booking_id IS NULL")
    source = {one: seeded(directory, "interchange_work_items", "source_id", f"id = {one}")[0] for one in ids}
    payload = {one: json.loads(seeded(directory, "interchange_work_items", "payload", f"id = {one}")[0]) for one in ids}
    return [
        {
            "source_id": source[one],
            "work_item_id": str(one),
            "result": dict.fromkeys(payload[one]["requiredResultFields"], "R"),
        }
        for one in ids
        if str(one) != ITEM["work_item_id"]
    ]


CHANGES: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "update_proposed_io": orders,
    "update_inventory_package": packages,
    "complete_work_item": work_items,
}
WRITING_FAULTS = [fault for fault in FAULTS if fault != "stale_read"]
deaths = st.sampled_from([None, None, None, "before", "after"])
faults = st.sampled_from([None, None, *WRITING_FAULTS])


class Mortal(Operations):
    """The record of a process that can die: nothing that it does afterwards is kept."""

    dead = False

    async def _run(self, work: Callable[[Record], T]) -> T:
        if self.dead:
            raise Unrecorded("The process is dead.", next_step="None.")
        return await super()._run(work)


class Way(httpx.AsyncBaseTransport):
    """The way to one vendor: on the next write, the fault and the death that were chosen."""

    def __init__(self, inner: httpx.AsyncBaseTransport, world: World) -> None:
        clock = world.time.now_seconds
        self._faulty = FaultyTransport(inner, Misbehaviour.read(""), world.time.sleep, clock=clock)
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" or request.url.path.endswith("/token"):
            if self._world.late:
                request.headers[HEADER] = "stale_read"
            return await self._faulty.handle_async_request(request)
        fault, death = self._world.chosen()
        if death == "before":
            self._world.die(request)
        if fault is not None:
            request.headers[HEADER] = fault
        try:
            return await self._faulty.handle_async_request(request)
        finally:
            if death == "after":
                self._world.die(request)


class World:
    """A sandbox, and a server before it that can be started again."""

    def __init__(self, directory: Path, record_url: str) -> None:
        self.directory = directory
        self.record_url = record_url
        self.time = FakeTime()
        self.network = SandboxNetwork(self.time, directory)
        self.fault: Fault | None = None
        self.death: str | None = None
        self.late = False
        self.record: Mortal | None = None

    def chosen(self) -> tuple[Fault | None, str | None]:
        """Once each."""
        chosen = self.fault, self.death
        self.fault = self.death = None
        return chosen

    def die(self, request: httpx.Request) -> None:
        assert self.record is not None
        self.record.dead = True
        raise httpx.ReadError("the process is dead", request=request)

    @asynccontextmanager
    async def served(self) -> AsyncGenerator[Client]:
        given = Settings(environment="sandbox", data_dir=self.directory, settle_after=60)
        self.record = Mortal(self.record_url, "ADOPS_DATA_DIR", self.time.clocks)
        ways: dict[VendorName, httpx.AsyncBaseTransport] = {
            "interchange": Way(self.network.interchange, self),
            "freewheel": Way(self.network.freewheel, self),
        }
        wire = Wire({**self.network.wire.transports, **ways}, self.time.timing)
        calls = Calls("sandbox", Writes(self.record, "none", wire.timing))
        async with Client(build_server(given, wire, calls)) as client:
            yield client


class Agent(RuleBasedStateMachine):
    """What an agent does, and what has to hold whatever happens to it."""

    portal: ClassVar[BlockingPortal]
    new_record: ClassVar[Callable[[Path], str]]

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="adops-mcp-chaos-"))
        self.world = World(self.directory, type(self).new_record(self.directory))
        self.upstream = Upstream(self.directory)
        self.intents: list[Intent] = []
        self.doubts: dict[str, Intent] = {}
        self.left = {kind: things(self.directory) for kind, things in CHANGES.items()}
        self._served = ExitStack()
        self.start()

    def start(self) -> None:
        served = self.portal.wrap_async_context_manager(self.world.served())
        self.client = self._served.enter_context(served)

    def restart(self) -> None:
        self._served.close()
        self.start()

    def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        async def made() -> Any:
            return await self.client.call_tool(tool, arguments)

        return self.portal.call(made)

    def make(self, intent: Intent, fault: Fault | None = None, death: str | None = None, *, late: bool = False) -> None:
        """Make the call of an intent and believe what is answered; a dead process answers nothing."""
        self.world.time.moment += 1
        self.world.fault, self.world.death, self.world.late = fault, death, late
        result = self.call(intent.tool, intent.arguments)
        self.world.fault = self.world.death = None
        self.world.late = False
        intent.calls += 1
        assert self.world.record is not None
        if self.world.record.dead:
            intent.history.append(f"died ({fault})")
            intent.told = None
            self.restart()
            return
        error: dict[str, Any] = result.structured_content.get("error") or {}
        intent.history.append(f"{fault}: {error.get('code', 'done')}")
        if not result.is_error:
            intent.told = "done"
        elif error["code"] == "in_doubt":
            intent.told, intent.doubted = None, True
            self.doubts[error["operation_id"]] = intent
        elif error["code"] != "in_progress":
            assert intent.told != "done", f"{text_of(result)} after {shown(intent)}"
            intent.told = "not done"

    def meant(self, tool: str, arguments: dict[str, Any]) -> Intent:
        intent = Intent(len(self.intents), tool, arguments)
        self.intents.append(intent)
        return intent

    @rule(fault=faults, death=deaths)
    def propose(self, fault: Fault | None, death: str | None) -> None:
        number = len(self.intents)
        self.make(self.meant("create_proposed_io", {"external_id": f"CHAOS-{number}", "name": "N"}), fault, death)

    @rule(fault=faults, death=deaths, late=st.booleans())
    def package(self, fault: Fault | None, death: str | None, late: bool) -> None:
        name = f"Chaos {len(self.intents)}."
        arguments = {"name": name, "targeting": TARGETING}
        self.make(self.meant("create_inventory_package", arguments), fault, death, late=late)

    @rule(fault=faults, late=st.booleans())
    def note(self, fault: Fault | None, late: bool) -> None:
        """Without deaths: an update whose answer the agent never got may be made again, and is sent again."""
        arguments = {**ITEM, "notes": f"Chaos {len(self.intents)}."}
        self.make(self.meant("update_work_item", arguments), fault, late=late)

    @rule(fault=faults, death=deaths, late=st.booleans(), tool=st.sampled_from(sorted(CHANGES)))
    def change(self, fault: Fault | None, death: str | None, late: bool, tool: str) -> None:
        """One thing of the seed each, so that what it is in the end tells whether it was done."""
        if self.left[tool]:
            name = f"Chaos {len(self.intents)}."
            told = {"notes": name} if tool == "complete_work_item" else {"name": name}
            self.make(self.meant(tool, {**self.left[tool].pop(), **told}), fault, death, late=late)

    @rule(fault=faults, death=deaths, late=st.booleans())
    def hold(self, fault: Fault | None, death: str | None, late: bool) -> None:
        """Of sizes that no others add up to: where reads are late, counts do not always tell two equal ones apart."""
        impressions = 2 ** len(self.holds())
        arguments = {**AVAIL, "package_id": f"chaos-{len(self.intents)}", "requested_impressions": impressions}
        self.make(self.meant("reserve_avail", arguments), fault, death, late=late)

    @precondition(lambda self: any(hold.told == "done" for hold in self.holds()))
    @rule(
        fault=faults,
        death=deaths,
        late=st.booleans(),
        tool=st.sampled_from(["finalize_booking", "release_booking"]),
        data=st.data(),
    )
    def carry_on(self, fault: Fault | None, death: str | None, late: bool, tool: str, data: st.DataObject) -> None:
        held = [hold for hold in self.holds() if hold.told == "done"]
        hold = data.draw(st.sampled_from(held), "hold")
        if tool == "finalize_booking" and self.is_given_up(hold):
            return
        ids = {**AVAIL, "package_id": hold.arguments["package_id"]}
        known = [intent for intent in self.intents if intent.tool == tool and intent.arguments == ids]
        self.make(known[0] if known else self.meant(tool, ids), fault, death, late=late)

    @precondition(lambda self: bool(self.intents))
    @rule(fault=faults, death=deaths, data=st.data())
    def repeat(self, fault: Fault | None, death: str | None, data: st.DataObject) -> None:
        intent = data.draw(st.sampled_from(self.intents), "intent")
        if intent.tool in ("reserve_avail", "finalize_booking") and self.is_given_up(intent):
            return
        if intent.tool == "update_work_item":
            if intent.told == "done":
                return
            death = None
        self.make(intent, fault, death)

    @precondition(lambda self: bool(self.doubts))
    @rule(data=st.data())
    def reconcile(self, data: st.DataObject) -> None:
        self.look(data.draw(st.sampled_from(sorted(self.doubts)), "operation"))

    @rule(seconds=st.sampled_from([1, LEASE + 1, 61]))
    def wait(self, seconds: float) -> None:
        self.world.time.moment += seconds

    def look(self, operation_id: str) -> None:
        result = self.call("reconcile_operation", {"operation_id": operation_id})
        if result.is_error:
            return
        intent = self.doubts[operation_id]
        outcome = result.structured_content["outcome"]
        intent.history.append(f"reconciled: {outcome}")
        if outcome != "unknown":
            del self.doubts[operation_id]
            if intent.told is None:
                intent.told = "done" if outcome == "succeeded" else "not done"

    def holds(self) -> list[Intent]:
        return [intent for intent in self.intents if intent.tool == "reserve_avail"]

    def is_given_up(self, hold: Intent) -> bool:
        """What was given up may be held and handed over anew, which is another write."""
        released = (intent for intent in self.intents if intent.tool == "release_booking")
        return any(intent.arguments["package_id"] == hold.arguments["package_id"] for intent in released)

    @invariant()
    def nothing_is_there_twice_and_what_was_told_is_so(self) -> None:
        for intent in self.intents:
            count = self.upstream.times_done(intent)
            assert count <= 1, shown(intent)
            assert intent.told is None or (intent.told == "done") == (count == 1), f"{count} {shown(intent)}"

    @invariant()
    def capacity_adds_up(self) -> None:
        assert self.upstream.capacity_adds_up()

    def teardown(self) -> None:
        try:
            self.everything_can_be_settled()
        finally:
            self._served.close()
            self.world.network.sandbox.close()
            shutil.rmtree(self.directory)

    def everything_can_be_settled(self) -> None:
        """Once the vendors answer again: every write that was ever in doubt is settled, as it is."""
        self.world.time.moment += 120
        listed = self.call("list_operations", {"per_page": 50}).structured_content["items"]
        by_subject = {operation["operation_id"]: operation for operation in listed}
        for operation_id in reversed(by_subject):
            if by_subject[operation_id]["state"] == "in_doubt":
                self.doubts.setdefault(operation_id, self.intent_of(operation_id))
        for _ in range(3):
            for operation_id in sorted(self.doubts, reverse=True):
                self.look(operation_id)
        assert self.doubts == {}, [shown(intent) for intent in self.doubts.values()]
        self.nothing_is_there_twice_and_what_was_told_is_so()
        for intent in self.intents:
            if intent.told is None:
                self.make(intent)
        self.nothing_is_there_twice_and_what_was_told_is_so()
        assert all(intent.told for intent in self.intents)

    def intent_of(self, operation_id: str) -> Intent:
        told = self.call("get_operation", {"operation_id": operation_id}).structured_content
        (intent,) = (
            intent
            for intent in self.intents
            if intent.tool == told["tool"] and told["arguments"].items() <= intent.arguments.items()
        )
        return intent


def in_a_file(directory: Path) -> str:
    file = directory / "record.sqlite3"
    file.write_bytes(empty_record())
    return f"sqlite:///{file}"


class Case(Agent.TestCase):
    """Not run itself."""

    settings = settings(
        max_examples=40,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],  # a failure is told as it was found: making it smaller takes minutes
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    new_record: ClassVar[Callable[[Path], str]] = in_a_file
    __test__ = False

    def setUp(self) -> None:
        self._portal = start_blocking_portal()
        Agent.portal = self._portal.__enter__()
        Agent.new_record = type(self).new_record

    def tearDown(self) -> None:
        self._portal.__exit__(None, None, None)


class TestWhateverGoesWrongOverSQLite(Case):
    __test__ = True


class TestWhateverGoesWrongOverPostgreSQL(Case):
    __test__ = True
    settings = settings(Case.settings, max_examples=8)

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def on_the_server(cls, postgresql: sa.URL) -> None:
        cls.new_record = lambda _: new_database(postgresql)
