"""What a start imports. It runs in another process, because imports cannot be undone in this one."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from typing import Any

START = """
import gc, json, sys
from server.stdio.lazy_models import lazy_models
with lazy_models():
    import mcp_types
    during = gc.isenabled()
    import server.stdio.serve
from pydantic import BaseModel
from tools.catalogue import CATALOGUE

class Own(BaseModel):
    text: str

models = [thing for thing in vars(mcp_types).values() if isinstance(thing, type) and issubclass(thing, BaseModel)]
print(json.dumps({
    "not built": sum(not model.__pydantic_complete__ for model in models),
    "models": len(models),
    "own is built": Own.__pydantic_complete__,
    "garbage": [during, gc.isenabled()],
    "imported": [entry.name for entry in CATALOGUE if f"tools.{entry.module}" in sys.modules],
    "used": mcp_types.CallToolResult.model_validate({"content": [{"type": "text", "text": "x"}]}).content[0].text,
}))
"""


@functools.cache
def started() -> dict[str, Any]:
    ran = subprocess.run([sys.executable, "-W", "error", "-c", START], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_at_a_start_the_models_of_the_protocol_wait_until_they_are_used() -> None:
    told = started()
    assert told["not built"] > told["models"] / 2
    assert told["used"] == "x"


def test_afterwards_models_are_built_and_garbage_is_looked_for_as_ever() -> None:
    told = started()
    assert told["own is built"]
    assert told["garbage"] == [False, True]


def test_at_a_start_no_tool_is_imported() -> None:
    assert started()["imported"] == []
