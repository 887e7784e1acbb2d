"""Writes through the whole server, to a vendor on loopback behind a gateway that repeats itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from server.clients import Wire
from tests.support import FakeTime, connected, error_of, live_settings
from tests.tools.sockets import answer, heard, serving, without_proxies

TOOL = "create_proposed_io"
ORDERS = "/services/v4/proposed_insertion_orders"


class RepeatsRefusals:
    """Keeps its connections open, refuses the first order, and says so twice; makes every other one."""

    def __init__(self, *, apart: bool) -> None:
        self.apart = apart
        self.asked: list[str] = []
        self.orders: list[dict[str, Any]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _, body = (await heard(reader)).partition(b"\r\n\r\n")
            method, path, _ = head.decode().split(" ", 2)
            if method == "GET":
                writer.write(answer(200, b'{"total_count": 0, "items": []}'))
                await writer.drain()
                continue
            self.asked.append(f"{method} {path}")
            if len(self.asked) == 1:
                refusal = answer(404, b'{"errors": [{"message": "no such advertiser"}]}')
                writer.write(refusal)
                if self.apart:
                    await writer.drain()
                writer.write(refusal)
            else:
                self.orders.append(json.loads(body) | {"id": 418419 + len(self.orders)})
                writer.write(answer(201, json.dumps(self.orders[-1]).encode()))
            await writer.drain()


@pytest.mark.parametrize("apart", [False, True])
async def test_a_refusal_that_a_gateway_repeats_is_not_the_answer_to_the_next_order(
    apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_proxies(monkeypatch)
    monkeypatch.setattr("tools.vendor_http.transport.LISTEN_AFTER_REFUSAL", 0.05)
    vendor = RepeatsRefusals(apart=apart)
    async with serving(vendor) as url:
        settings = live_settings(freewheel_base_url=url.rstrip("/"))
        async with connected(Wire(timing=FakeTime().timing), settings) as client:
            refused = await client.call_tool(TOOL, {"external_id": "CRM-1", "name": "One"})
            made = await client.call_tool(TOOL, {"external_id": "CRM-2", "name": "Two"})
    told = error_of(refused)
    assert (told["code"], told["upstream_status"]) == ("not_found", 404)
    assert "Nothing was changed." in told["message"]
    assert not made.is_error, made
    assert [order["external_id"] for order in vendor.orders] == ["CRM-2"]
    assert vendor.asked == [f"POST {ORDERS}"] * 2
