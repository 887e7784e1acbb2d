"""Whatever goes wrong, and however often the process dies: each write is there once, or not, and the agent knows which.

A machine of hypothesis makes calls through the in-memory client, with a fault of its choice on the way to the vendor,
reads that are late, and deaths of the process at its moment, repeats calls, reconciles and lets time pass. Clocks
step, holds end, lists change while they are read, and answers come when another server has looked already.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
import sqlalchemy as sa
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.ledger.operations import LEASE
from server.sandbox.faults import FAULTS, Fault
from server.writes.reconciliation import settle_as_person_says
from tests.chaos.intents import TARGETING, Intent, Upstream, shown
from tests.chaos.world import AVAIL, CHANGES, ITEM, World
from tests.support import empty_record, new_database, text_of

ABOUT_HOLDS = ("reserve_avail", "release_booking")
WRITING_FAULTS = [fault for fault in FAULTS if fault != "stale_read"]
deaths = st.sampled_from([None, None, None, "before", "after"])
faults = st.sampled_from([None, None, *WRITING_FAULTS])
lists = st.sampled_from([None, None, None, "moves", "contradicts"])


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
        self.unclear = False
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

    def make(
        self,
        intent: Intent,
        fault: Fault | None = None,
        death: str | None = None,
        *,
        late: bool = False,
        list_: str | None = None,
    ) -> None:
        """Make the call of an intent and believe what is answered; a dead process answers nothing."""
        self.world.time.moment += 1
        self.world.fault, self.world.death, self.world.late = fault, death, late
        with self.with_lists(list_):
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

    @contextmanager
    def with_lists(self, how: str | None) -> Generator[None]:
        """The lists change between two pages meanwhile, or their counts contradict each other."""
        self.unclear |= how is not None
        self.world.moves, self.world.contradicts = how == "moves", how == "contradicts"
        try:
            yield
        finally:
            self.world.moves = self.world.contradicts = False

    def meant(self, tool: str, arguments: dict[str, Any]) -> Intent:
        intent = Intent(len(self.intents), tool, arguments)
        self.intents.append(intent)
        return intent

    def an_order(self) -> Intent:
        return self.meant("create_proposed_io", {"external_id": f"CHAOS-{len(self.intents)}", "name": "N"})

    def a_package(self) -> Intent:
        name = f"Chaos {len(self.intents)}."
        return self.meant("create_inventory_package", {"name": name, "targeting": TARGETING})

    def a_hold(self) -> Intent:
        """Of a size that no others add up to: where reads are late, counts do not always tell two equal ones apart."""
        impressions = 2 ** len(self.holds())
        arguments = {**AVAIL, "package_id": f"chaos-{len(self.intents)}", "requested_impressions": impressions}
        return self.meant("reserve_avail", arguments)

    @rule(fault=faults, death=deaths, list_=lists)
    def propose(self, fault: Fault | None, death: str | None, list_: str | None) -> None:
        self.make(self.an_order(), fault, death, list_=list_)

    @rule(fault=faults, death=deaths, late=st.booleans(), list_=lists)
    def package(self, fault: Fault | None, death: str | None, late: bool, list_: str | None) -> None:
        self.make(self.a_package(), fault, death, late=late, list_=list_)

    @rule(kind=st.sampled_from(["order", "package", "hold"]), seconds=st.sampled_from([LEASE + 1, LEASE + 61]))
    def answer_comes_after_another_server_looked(self, kind: str, seconds: float) -> None:
        """The process stands still before it reads the answer, for longer than its lease."""
        intent = {"order": self.an_order, "package": self.a_package, "hold": self.a_hold}[kind]()
        self.world.time.moment += 1
        result, looked = self.portal.call(self.answered_late, intent, seconds)
        intent.calls += 1
        intent.history.append(f"another server looked: {looked}")
        intent.told = "not done" if result.is_error else "done"
        assert looked is None or not result.is_error, shown(intent)
        assert looked != "not_sent", shown(intent)

    async def answered_late(self, intent: Intent, seconds: float) -> tuple[Any, str | None]:
        """The answer, and what another server found meanwhile; None where nothing was sent."""
        results: list[Any] = []
        held = self.world.held = anyio.Event()
        let_go = self.world.let_go = anyio.Event()

        async def call() -> None:
            results.append(await self.client.call_tool(intent.tool, intent.arguments))
            held.set()

        looked = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await held.wait()
            try:
                if not results:
                    self.world.time.moment += seconds
                    looked = await self.looked_elsewhere(intent)
            finally:
                let_go.set()
        self.world.held = None
        return results[0], looked

    async def looked_elsewhere(self, intent: Intent) -> str:
        """What another server concludes of a write whose server stands still."""
        async with self.world.server(self.world.new_record()) as other:
            listed = await other.call_tool("list_operations", {"per_page": 50})
            for operation in listed.structured_content["items"]:
                known = {"operation_id": operation["operation_id"]}
                told = (await other.call_tool("get_operation", known)).structured_content
                if told["tool"] == intent.tool and told["arguments"].items() <= intent.arguments.items():
                    result = await other.call_tool("reconcile_operation", known)
                    assert not result.is_error, text_of(result)
                    return str(result.structured_content["outcome"])
        raise AssertionError(shown(intent))

    @rule(ahead=st.sampled_from([-100.0, -7.0, 0.0, 7.0, 100.0]))
    def clock_steps(self, ahead: float) -> None:
        self.world.ahead = ahead

    @precondition(lambda self: any(hold.told == "done" for hold in self.holds()))
    @rule()
    def a_hold_ends(self) -> None:
        """By the vendor, of ours or of others."""
        self.world.others.end_hold()

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
        self.make(self.a_hold(), fault, death, late=late)

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
    @rule(data=st.data(), list_=lists)
    def reconcile(self, data: st.DataObject, list_: str | None) -> None:
        with self.with_lists(list_):
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
        intent.history.append(f"reconciled: {outcome}, {result.structured_content['what_happened']}")
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
        assert self.upstream.capacity_adds_up(self.world.time.now())

    def teardown(self) -> None:
        try:
            self.everything_can_be_settled()
        finally:
            self._served.close()
            self.world.network.sandbox.close()
            shutil.rmtree(self.directory)

    def everything_can_be_settled(self) -> None:
        """Once the vendors answer again: every write that was ever in doubt is settled, as it is.

        By a person where lists were read while they changed, and of holds, which end by themselves: then looking does
        not always tell.
        """
        self.world.time.moment += 320
        self.world.ahead = 100
        listed = self.call("list_operations", {"per_page": 50}).structured_content["items"]
        by_subject = {operation["operation_id"]: operation for operation in listed}
        for operation_id in reversed(by_subject):
            if by_subject[operation_id]["state"] == "in_doubt":
                self.doubts.setdefault(operation_id, self.intent_of(operation_id))
        for _ in range(3):
            for operation_id in sorted(self.doubts, reverse=True):
                self.look(operation_id)
        unknown = [intent for intent in self.doubts.values() if intent.tool not in ABOUT_HOLDS]
        assert self.unclear or not unknown, [shown(intent) for intent in unknown]
        for operation_id in sorted(self.doubts):
            self.settled_by_hand(operation_id)
        self.nothing_is_there_twice_and_what_was_told_is_so()
        for intent in self.intents:
            if intent.told is None:
                self.make(intent)
        self.nothing_is_there_twice_and_what_was_told_is_so()
        assert all(intent.told for intent in self.intents)

    def settled_by_hand(self, operation_id: str) -> None:
        """A person looks at the vendor, and says what is there."""
        intent = self.doubts.pop(operation_id)
        is_done = self.upstream.times_done(intent) > 0

        async def settled() -> str:
            assert self.world.record is not None
            found = await self.world.record.get(operation_id)
            assert found is not None
            outcome = "succeeded" if is_done else "not_sent"
            return await settle_as_person_says(
                self.world.record, found[0], outcome, settle_after=60, actor="A", note="seen"
            )

        refused = self.portal.call(settled)
        assert not refused, refused
        intent.history.append("by hand")
        if intent.told is None:
            intent.told = "done" if is_done else "not done"

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
