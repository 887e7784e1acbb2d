"""What the catalogue costs an agent: `python -m tests.tokens` prints tokens per tool and fails past the ceiling.

Counted are name, description and input schema of each tool, as compact JSON, in o200k_base tokens.
"""

from __future__ import annotations

import functools
import json
import sys
from typing import Any, cast

import quicktok  # pyright: ignore[reportMissingTypeStubs]

from server.protocol.definitions import definition
from tools.catalogue import CATALOGUE
from tools.tool import AnyTool

CEILING = 7_500
"""Tokens of all definitions together: they stand in every conversation, used or not."""

RESULT_CEILING = 1_500
"""Tokens of one result on the sandbox's data, unless the caller asked for more."""


@functools.cache
def _encoding() -> Any:
    return cast("Any", quicktok).get_encoding("o200k_base")


def tokens(text: str) -> int:
    return len(_encoding().encode(text))


def cost(tool: AnyTool) -> int:
    seen = definition(tool)
    told = {"name": seen.name, "description": seen.description, "inputSchema": seen.input_schema}
    return tokens(json.dumps(told, ensure_ascii=False, separators=(",", ":")))


def main() -> int:
    costs = {entry.name: cost(entry.tool) for entry in CATALOGUE}
    for name, count in sorted(costs.items(), key=lambda item: -item[1]):
        print(f"{count:6,}  {name}")
    total = sum(costs.values())
    print(f"{total:6,}  of at most {CEILING:,}, {len(costs)} tools")
    if total > CEILING:
        print(f"{total - CEILING:,} tokens too many: shorten descriptions or fields", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
