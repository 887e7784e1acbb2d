"""The definition of a tool as a client sees it, made from the tool and nothing else."""

from __future__ import annotations

import functools
from typing import Any

import mcp_types as types

from server.access.accounts_in_reach import AccountNames
from server.calls.arguments import input_schema
from tools.schema import result_schema
from tools.tool import AnyTool, Read, Write


@functools.cache
def definition(tool: AnyTool, accounts: AccountNames = ()) -> types.Tool:
    """A tool as a client sees it. It needs no settings and no network, and is made once.

    accounts: those of which a call names one, where there are several.
    """
    write = tool.effect if isinstance(tool.effect, Write) else None
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=input_schema(tool, accounts),
        output_schema=_output_schema(tool),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=isinstance(tool.effect, Read),
            destructive_hint=write is not None and write.destructive,
            idempotent_hint=write is None or write.repeatable or write.replays_success,
            open_world_hint=True,
        ),
    )


def _output_schema(tool: AnyTool) -> dict[str, Any]:
    """The schema of the result, with the environment, and with the error that replaces everything else.

    Older clients also validate an error's structured content with this schema, and drop it when it does not fit.
    Therefore the error is part of the schema, and only the environment is required.
    """
    schema = result_schema(tool.result)
    of_a_write = _OF_A_WRITE if isinstance(tool.effect, Write) else {}
    properties = {
        "environment": _ENVIRONMENT,
        "account": _ACCOUNT,
        **schema["properties"],
        **of_a_write,
        "error": _ERROR,
    }
    return {**schema, "properties": properties, "required": ["environment"]}


_ENVIRONMENT = {"type": "string", "enum": ["sandbox", "staging", "live"], "description": "Where this was done."}
_ACCOUNT = {"type": "string", "description": "Whose, where this server has several accounts."}
_OF_A_WRITE = {
    "operation_id": {"type": "string", "description": "Of this write's record: see get_operation."},
    "replayed": {
        "type": "boolean",
        "description": "True: nothing was sent now; this is the same call's outcome of then.",
    },
    "confirmation": {"type": "string", "description": "Only where a person was to be asked and could not be."},
    "done_at": {"type": "string", "description": "With replayed: when that was, UTC."},
    "found": {"type": "object", "description": "With replayed, where the answer was lost: what reconciling found."},
    "dry_run": {
        "type": "object",
        "description": "Only with dry_run, and nothing but next_step beside it.",
        "properties": {
            "would_send": {
                "type": "object",
                "description": "The exact request; absent: none would be sent.",
                "properties": {
                    "method": {"type": "string"},
                    "path": {"type": "string"},
                    "body": {"type": "object"},
                },
            },
            "does": {"type": "string"},
            "changes": {"type": "array", "items": {"type": "string"}},
            "problems": {"type": "array", "items": {"type": "string"}, "description": "Why it would fail or surprise."},
            "not_checked": {"type": "array", "items": {"type": "string"}},
            "asks_a_person": {"type": "boolean"},
        },
    },
}
_ERROR = {
    "type": "object",
    "description": "Only when the call failed (isError); then nothing but the place stands beside it.",
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "retryable": {"type": "boolean", "description": "Whether the same call may be made again."},
        "next_step": {"type": "string"},
        "upstream_status": {"type": "integer", "description": "The vendor's HTTP status."},
        "upstream_code": {"type": "string", "description": "The vendor's own error code."},
        "request_id": {"type": "string", "description": "The vendor's id of the request."},
        "operation_id": {"type": "string", "description": "Of this write's record: see get_operation."},
    },
    "required": ["code", "message", "retryable", "next_step"],
    "additionalProperties": False,
}
