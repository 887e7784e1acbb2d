"""`adops-mcp demo`: an MCP client does an ad-ops job through the server, over stdio, on a fresh sandbox."""

from __future__ import annotations

import json
import sys
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from server import __version__
from server.sandbox.freewheel.seed.network import BRANDS
from server.sandbox.google_ad_manager.app import GRANT_MISSING
from tools.errors import Conflict

Json = dict[str, Any]

IMPRESSIONS = 750_000
BUYER = "Halden & Pryce Media"
BRAND = BRANDS[0]


class NotAsExpected(Exception):
    """A step did not say what it should."""


def run_demo(write: Callable[[str], None] = print) -> int:
    """Print the transcript; 0 only if each step said what it should."""
    problem = anyio.run(_demo, write)
    if problem is not None:
        write(f"\nThis is not what should have happened: {problem}")
        return 1
    write("\nEvery step said what it should. Nothing left this machine.")
    return 0


async def _demo(write: Callable[[str], None]) -> NotAsExpected | None:
    with tempfile.TemporaryDirectory(prefix="adops-mcp-demo-") as directory:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-P", "-m", "adops_mcp"],
            env={"ADOPS_ENVIRONMENT": "sandbox", "ADOPS_DATA_DIR": directory},
        )
        async with Client(server) as client:
            tools = (await client.list_tools()).tools
            write(f"adops-mcp {__version__} over stdio, MCP {client.protocol_version}, on the embedded sandbox")
            write(f"{len(tools)} tools: {', '.join(tool.name for tool in tools)}")
            try:
                await _Job(client, write).do()
            except NotAsExpected as problem:
                return problem
    return None


@dataclass
class _Job:
    client: Client
    write: Callable[[str], None]
    step: int = field(default=0)

    async def do(self) -> None:
        await self.find_packages()
        await self.propose()
        buy = await self.find_buy()
        avail = await self.find_avail()
        ids = {
            "source_id": avail["source_id"],
            "avail_id": avail["avail_id"],
            "media_buy_id": buy["media_buy_id"],
            "buyer_customer_id": buy["buyer_customer_id"],
        }
        await self.hold(ids)
        await self.say_it_twice(ids)
        await self.finalise(ids)
        await self.look_again(ids, avail)
        await self.see_the_work(ids)
        await self.hold_too_much(ids)
        await self.test_connections()

    async def find_packages(self) -> None:
        self.ask("Which live sports packages were touched last?")
        found = await self.call(
            "list_inventory_packages", name="Sports", status="ACTIVE", sort_by_updated="descending", per_page=5
        )
        self.expect(found["items"] and (found["next"] is None) is (found["total"] <= 5), "a first page of packages")
        for package in found["items"]:
            self.say(f"{package['id']}  {package['name']}  (updated {package['updated_at'][:10]})")
        self.say(f"{found['total']} in all; the next page: {_compact(found['next'])}")

    async def propose(self) -> None:
        self.ask(f"Propose a $125,000 order to {BRAND.name}, three impressions a day at most, 60 % likely to close.")
        created = await self.call(
            "create_proposed_io",
            external_id="DEMO-2041",
            name=f"{BRAND.name} - Spring Sports",
            brand_id=BRAND.id,
            probability_of_close=60,
            budget={"budget_model": "CURRENCY_TARGET", "currency": 125000},
            frequency_caps=[{"value": 3, "type": "IMPRESSION", "scope": "TIME", "period": 1440}],
        )
        self.expect(created["proposed_io"]["proposed_io_status"] == "PROPOSED", "a proposed insertion order")
        self.tell(created)

    async def find_buy(self) -> Json:
        self.ask(f"Which media buys of {BUYER} wait for inventory?")
        found = await self.call("list_media_buys", status="awaiting_source", per_page=50)
        buys = [buy for buy in found["items"] if buy.get("buyer") == BUYER]
        self.expect(buys, "a media buy of that buyer")
        for buy in buys:
            self.say(f"{buy['media_buy_id']}: {buy['status']}, {buy.get('pending_reason', 'nothing pending')}")
        return buys[0]

    async def find_avail(self) -> Json:
        self.ask(f"What can still take {IMPRESSIONS:,} impressions of live basketball?")
        found = await self.call("list_avails", text="basketball", min_available=IMPRESSIONS)
        self.expect(bool(found["items"]), "an avail with room")
        for avail in found["items"]:
            price = f"{avail['currency']} {avail['cpm']:.2f} CPM" if "cpm" in avail else "price not stated"
            self.say(f"{avail['name']}: {avail['available_impressions']:,} available, {price}, in {avail['source_id']}")
        return found["items"][0]

    async def hold(self, ids: Json) -> None:
        self.ask(f"Hold {IMPRESSIONS:,} of the first for {BUYER}'s first media buy, for two hours.")
        held = await self.call("reserve_avail", **ids, requested_impressions=IMPRESSIONS, hold_minutes=120)
        self.expect(held["booking"]["status"] == "HELD", "a hold")
        self.tell(held)

    async def say_it_twice(self, ids: Json) -> None:
        self.ask("The same again, as an agent does that did not hear the answer. (Nothing is sent.)")
        again = await self.call("reserve_avail", **ids, requested_impressions=IMPRESSIONS, hold_minutes=120)
        self.expect(again["replayed"] is True, "the outcome of the hold that there is")
        self.tell(again)

    async def finalise(self, ids: Json) -> None:
        self.ask("Hand it over for execution.")
        handoff = await self.call("finalize_booking", **ids)
        self.expect(handoff["booking"]["status"] == "HELD", "a booking that is still held")
        self.expect("not booked" in handoff["what_happened"], "plain words that nothing is booked yet")
        self.tell(handoff)
        for item in handoff["open_work_items"]:
            self.say(f"for people: {item['kind']} {item['work_item_id']} ({item['status']}): {item['title']}")
        for stage in handoff.get("in_the_way", {}).get("stages", []):
            self.say(f"in the way: {stage['stage']} is {stage['status']}: {', '.join(stage['missing_setup_fields'])}")

    async def look_again(self, ids: Json, before: Json) -> None:
        self.ask("Did the counts move?")
        found = await self.call("list_avails", source_id=ids["source_id"], text=before["name"])
        now = next(avail for avail in found["items"] if avail["avail_id"] == ids["avail_id"])
        gone = before["available_impressions"] - now["available_impressions"]
        self.expect(gone == IMPRESSIONS, "exactly the held impressions to be gone")
        self.say(
            f"available {before['available_impressions']:,} -> {now['available_impressions']:,}, "
            f"held {before['held_impressions']:,} -> {now['held_impressions']:,}, "
            f"booked {before['booked_impressions']:,} -> {now['booked_impressions']:,}"
        )

    async def see_the_work(self, ids: Json) -> None:
        self.ask("What do people have to do for this media buy, and by when?")
        work = await self.call("list_work_items", media_buy_id=ids["media_buy_id"])
        self.expect(work["items"], "work for people")
        for item in work["items"]:
            self.say(f"{item['work_item_id']} {item['kind']}: {item['status']}, due {item.get('due_at', 'any time')}")

    async def hold_too_much(self, ids: Json) -> None:
        self.ask("Now hold a billion more. (This is refused.)")
        more = {"requested_impressions": 1_000_000_000, "idempotency_key": "a billion more"}
        error = await self.call("reserve_avail", refused=True, **ids, **more)
        self.expect(error["code"] == Conflict.code, "a conflict")
        self.say(f"refused [{error['code']}] {error['message']}")
        self.say(f"next: {error['next_step']}")

    async def test_connections(self) -> None:
        self.ask("Does our Ad Manager network answer?")
        good = await self.call("test_gam_connection", source_id="gam-northlight")
        self.expect(good["ok"] is True, "a working connection")
        self.say(f"yes: {good['meaning']} Network {good['network_code']}, as {good['service_account_email']}")
        self.ask("And the one that the kids' app wants to use?")
        bad = await self.call("test_gam_connection", network_code=GRANT_MISSING)
        self.expect(bad["ok"] is False and bad["code"] == "ADAPTER_PERMISSION_DENIED", "a missing grant")
        self.say(f"no [{bad['code']}]: {bad['meaning']}")
        self.say(f"a person: {bad['do_now']}")
        self.say(f"where: {bad['where']}")
        self.say("the account sees: " + ", ".join(network["network_code"] for network in bad["account_sees"]))

    async def call(self, tool: str, /, *, refused: bool = False, **arguments: Any) -> Json:
        """The structured result of a call that must succeed, or the error of one that must be refused."""
        self.write(_filled(f"{tool} {_compact(arguments)}", "   "))
        result = await self.client.call_tool(tool, arguments)
        self.expect(result.is_error is refused, f"{tool} to be {'refused' if refused else 'done'}")
        content: Json = result.structured_content
        self.expect(content["environment"] == "sandbox", "the sandbox")
        return content["error"] if refused else content

    def ask(self, what: str) -> None:
        self.step += 1
        self.write(f"\n{self.step}. {what}")

    def tell(self, result: Json) -> None:
        self.say(result["what_happened"])
        self.say(f"next: {result['next_step']}")

    def say(self, line: str) -> None:
        self.write(_filled(line, "   > "))

    def expect(self, held: object, what: str) -> None:
        if not held:
            raise NotAsExpected(f"step {self.step} should have given {what}.")


def _filled(line: str, lead: str) -> str:
    return textwrap.fill(
        line, width=110, initial_indent=lead, subsequent_indent="     ", break_long_words=False, break_on_hyphens=False
    )


def _compact(arguments: Any) -> str:
    return json.dumps(arguments, ensure_ascii=False, separators=(", ", ": "))
