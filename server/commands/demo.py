"""`adops-mcp demo`: an MCP client does an ad operations job with the server over stdio, on a fresh sandbox."""

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
from server.sandbox.google_ad_manager.seed import GRANT_MISSING
from tools.errors import Conflict

Json = dict[str, Any]

IMPRESSIONS = 750_000
BUYER = "Halden & Pryce Media"
BRAND = BRANDS[0]


class UnexpectedResult(Exception):
    """A step of the demo had another result than it should."""


def run_demo(write: Callable[[str], None] = print) -> int:
    """Print the transcript. Returns 0 only if every step had the expected result."""
    problem = anyio.run(_demo, write)
    if problem is not None:
        write(f"\nThe demo failed: {problem}")
        return 1
    write("\nEvery step had the expected result. Nothing left this machine.")
    return 0


async def _demo(write: Callable[[str], None]) -> UnexpectedResult | None:
    with tempfile.TemporaryDirectory(prefix="adops-mcp-demo-") as directory:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-P", "-m", "server.cli"],
            env={"ADOPS_ENVIRONMENT": "sandbox", "ADOPS_DATA_DIR": directory},
        )
        async with Client(server) as client:
            tools = (await client.list_tools()).tools
            write(f"adops-mcp {__version__} over stdio, MCP {client.protocol_version}, on the embedded sandbox")
            write(f"{len(tools)} tools: {', '.join(tool.name for tool in tools)}")
            try:
                await _Demo(client, write).run()
            except UnexpectedResult as problem:
                return problem
    return None


@dataclass
class _Demo:
    """The steps of the demo, in order."""

    client: Client
    write: Callable[[str], None]
    step: int = field(default=0)

    async def run(self) -> None:
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
        await self.hold_again(ids)
        await self.finalize(ids)
        await self.compare_counts(ids, avail)
        await self.list_work(ids)
        await self.hold_too_much(ids)
        await self.test_connections()

    async def find_packages(self) -> None:
        self.start_step("Which live sports packages were updated last?")
        found = await self.call(
            "list_inventory_packages", name="Sports", status="ACTIVE", sort_by_updated="descending", per_page=5
        )
        self.expect(found["items"] and (found["next"] is None) is (found["total"] <= 5), "a first page of packages")
        for package in found["items"]:
            self.print(f"{package['id']}  {package['name']}  (updated {package['updated_at'][:10]})")
        self.print(f"{found['total']} in all; the next page: {_compact(found['next'])}")

    async def propose(self) -> None:
        self.start_step(
            f"Propose an order of $125,000 to {BRAND.name}: three impressions a day at most, 60 % likely to close."
        )
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
        self.show(created)

    async def find_buy(self) -> Json:
        self.start_step(f"Which media buys of {BUYER} are waiting for inventory?")
        found = await self.call("list_media_buys", status="awaiting_source", per_page=50)
        buys = [buy for buy in found["items"] if buy.get("buyer") == BUYER]
        self.expect(buys, "a media buy of that buyer")
        for buy in buys:
            self.print(f"{buy['media_buy_id']}: {buy['status']}, {buy.get('pending_reason', 'nothing pending')}")
        return buys[0]

    async def find_avail(self) -> Json:
        self.start_step(f"Which avails of live basketball have {IMPRESSIONS:,} impressions left?")
        found = await self.call("list_avails", text="basketball", min_available=IMPRESSIONS)
        self.expect(bool(found["items"]), "an avail with room")
        for avail in found["items"]:
            price = f"{avail['currency']} {avail['cpm']:.2f} CPM" if "cpm" in avail else "price not stated"
            self.print(
                f"{avail['name']}: {avail['available_impressions']:,} available, {price}, in {avail['source_id']}"
            )
        return found["items"][0]

    async def hold(self, ids: Json) -> None:
        self.start_step(f"Hold {IMPRESSIONS:,} of the first one for two hours, for the first media buy of {BUYER}.")
        held = await self.call("reserve_avail", **ids, requested_impressions=IMPRESSIONS, hold_minutes=120)
        self.expect(held["booking"]["status"] == "HELD", "a hold")
        self.show(held)

    async def hold_again(self, ids: Json) -> None:
        self.start_step("Make the same call again, as an agent does that did not get the answer. (Nothing is sent.)")
        again = await self.call("reserve_avail", **ids, requested_impressions=IMPRESSIONS, hold_minutes=120)
        self.expect(again["replayed"] is True, "the outcome of the existing hold")
        self.show(again)

    async def finalize(self, ids: Json) -> None:
        self.start_step("Hand the booking over.")
        handoff = await self.call("finalize_booking", **ids)
        self.expect(handoff["booking"]["status"] == "HELD", "a booking that is still held")
        self.expect("not booked" in handoff["what_happened"], "the statement that nothing is booked yet")
        self.show(handoff)
        for item in handoff["open_work_items"]:
            self.print(f"for people: {item['kind']} {item['work_item_id']} ({item['status']}): {item['title']}")
        for stage in handoff.get("in_the_way", {}).get("stages", []):
            self.print(f"in the way: {stage['stage']} is {stage['status']}: {', '.join(stage['missing_setup_fields'])}")

    async def compare_counts(self, ids: Json, before: Json) -> None:
        self.start_step("How did the counts change?")
        found = await self.call("list_avails", source_id=ids["source_id"], text=before["name"])
        now = next(avail for avail in found["items"] if avail["avail_id"] == ids["avail_id"])
        gone = before["available_impressions"] - now["available_impressions"]
        self.expect(gone == IMPRESSIONS, "the available count to drop by exactly the held impressions")
        self.print(
            f"available {before['available_impressions']:,} -> {now['available_impressions']:,}, "
            f"held {before['held_impressions']:,} -> {now['held_impressions']:,}, "
            f"booked {before['booked_impressions']:,} -> {now['booked_impressions']:,}"
        )

    async def list_work(self, ids: Json) -> None:
        self.start_step("Which work do people have for this media buy, and when is it due?")
        work = await self.call("list_work_items", media_buy_id=ids["media_buy_id"])
        self.expect(work["items"], "work for people")
        for item in work["items"]:
            self.print(f"{item['work_item_id']} {item['kind']}: {item['status']}, due {item.get('due_at', 'any time')}")

    async def hold_too_much(self, ids: Json) -> None:
        self.start_step("Hold a billion more. (This is refused.)")
        more = {"requested_impressions": 1_000_000_000, "idempotency_key": "a billion more"}
        error = await self.call("reserve_avail", refused=True, **ids, **more)
        self.expect(error["code"] == Conflict.code, "a conflict")
        self.print(f"refused [{error['code']}] {error['message']}")
        self.print(f"next: {error['next_step']}")

    async def test_connections(self) -> None:
        self.start_step("Does the connection to our Ad Manager network work?")
        good = await self.call("test_gam_connection", source_id="gam-northlight")
        self.expect(good["ok"] is True, "a working connection")
        self.print(f"yes: {good['meaning']} Network {good['network_code']}, as {good['service_account_email']}")
        self.start_step("And the connection to the network of the kids' app?")
        bad = await self.call("test_gam_connection", network_code=GRANT_MISSING)
        self.expect(bad["ok"] is False and bad["code"] == "ADAPTER_PERMISSION_DENIED", "a missing grant")
        self.print(f"no [{bad['code']}]: {bad['meaning']}")
        self.print(f"a person: {bad['do_now']}")
        self.print(f"where: {bad['where']}")
        self.print("the account sees: " + ", ".join(network["network_code"] for network in bad["account_sees"]))

    async def call(self, tool: str, /, *, refused: bool = False, **arguments: Any) -> Json:
        """Call a tool. Returns its structured result, or its error if the call is to be refused."""
        self.write(_wrap(f"{tool} {_compact(arguments)}", "   "))
        result = await self.client.call_tool(tool, arguments)
        self.expect(result.is_error is refused, f"{tool} to be {'refused' if refused else 'done'}")
        content: Json = result.structured_content
        self.expect(content["environment"] == "sandbox", "the sandbox")
        return content["error"] if refused else content

    def start_step(self, request: str) -> None:
        self.step += 1
        self.write(f"\n{self.step}. {request}")

    def show(self, result: Json) -> None:
        self.print(result["what_happened"])
        self.print(f"next: {result['next_step']}")

    def print(self, line: str) -> None:
        self.write(_wrap(line, "   > "))

    def expect(self, condition: object, expected: str) -> None:
        if not condition:
            raise UnexpectedResult(f"step {self.step}: expected {expected}.")


def _wrap(line: str, indent: str) -> str:
    return textwrap.fill(
        line,
        width=110,
        initial_indent=indent,
        subsequent_indent="     ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _compact(arguments: Any) -> str:
    return json.dumps(arguments, ensure_ascii=False, separators=(", ", ": "))
