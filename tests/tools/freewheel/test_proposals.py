"""What the tools of proposed insertion orders share."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from tests.snapshots import answer_of
from tests.support import written_to
from tools.freewheel.proposals import FrequencyCap, vocabulary

TOOL = "create_proposed_io"
COLLECTION = "/services/v4/proposed_insertion_orders"
LEAST: dict[str, Any] = {"external_id": "CRM-2044", "name": "Halden Trucks - Winter"}


def test_the_vocabulary_of_frequency_caps_is_what_a_cap_takes() -> None:
    told = vocabulary()
    assert told == {
        "at_most": 3,
        "type": ["IMPRESSION", "PACKAGE"],
        "scope": ["TIME", "STREAM", "CAMPAIGN", "ASSET", "SITE_SECTION"],
        "period": "Required with scope TIME, refused with any other. FreeWheel documents no unit; its v3 API counts "
        "minutes (1440 is a day).",
    }
    for scope in told["scope"]:
        for kind in told["type"]:
            needed = {"period": 60} if scope == "TIME" else {}
            FrequencyCap.model_validate({"value": 1, "type": kind, "scope": scope, **needed})
    for wrong in ({"scope": "TIME"}, {"scope": "STREAM", "period": 60}, {"scope": "DAY"}):
        with pytest.raises(ValidationError):
            FrequencyCap.model_validate({"value": 1, "type": "IMPRESSION", **wrong})


async def test_the_space_that_freewheel_makes_of_a_text_is_no_difference() -> None:
    payload = {"id": 418419, "external_id": "CRM 2044"}
    async with written_to({"freewheel": lambda _: httpx.Response(201, json=payload)}) as (client, recorders):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**LEAST, "external_id": " CRM  2044"}))
    assert answer["next_step"].startswith("get_proposed_io for 418419 shows whether")
    assert recorders["freewheel"].written() == [("POST", COLLECTION, {**LEAST, "external_id": " CRM  2044"})]


async def test_texts_are_made_printable_where_they_are_told() -> None:
    payload = {
        "id": 418419,
        "name": "Halden\u202e <b>Trucks</b>",
        "description": "One\r\ntwo at https://crm.example/2044. " + "x" * 400,
    }
    async with written_to({"freewheel": lambda _: httpx.Response(201, json=payload)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, LEAST))
    assert answer["proposed_io"] == {
        "id": 418419,
        "name": "Halden Trucks",
        "description": "One two at [link] " + "x" * 400,
    }
