"""What an agent may give a tool: its own arguments and, for a write, how it is to be made. Checked here, by name."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from server.access.accounts_in_reach import AccountNames
from server.writes.write_call import KeyedWriteOptions, WriteOptions, options_of
from tools.errors import InvalidArguments
from tools.schema import Arguments, arguments_schema
from tools.tool import AnyTool
from tools.vendor_http.replies import printable

A = TypeVar("A", bound=Arguments)

MOST_PROBLEMS = 10
"""How many problems of one call's arguments are named."""


@functools.cache
def schema_of(tool: AnyTool, among: AccountNames = ()) -> dict[str, Any]:
    """The input schema as agents see it: whose account, where there are several, and the tool's own arguments first."""
    schema = arguments_schema(tool.arguments)
    options = options_of(tool)
    if options is not None:
        schema = {**schema, "properties": {**schema["properties"], **arguments_schema(options)["properties"]}}
    if not among:
        return schema
    titled = [f"{name}: {title}" for name, title in among if title]
    whose = {
        "type": "string",
        "enum": [name for name, _ in among],
        "description": f"Whose. {'; '.join(titled)}".strip(". ") + ".",
    }
    required = ["account", *schema.get("required", [])]
    return {**schema, "properties": {"account": whose, **schema["properties"]}, "required": required}


@dataclass(frozen=True, slots=True)
class Checked:
    """account: empty where a call names none."""

    arguments: Arguments
    options: KeyedWriteOptions
    account: str


def check(tool: AnyTool, arguments: Mapping[str, Any], among: AccountNames = ()) -> Checked:
    """The arguments as the tool's model, and how it is to be done; a null is as good as what was left out.

    Raises InvalidArguments that names every problem; nothing was sent.
    """
    options = options_of(tool)
    given = {name: value for name, value in arguments.items() if value is not None}
    how = {name: given.pop(name) for name in tuple(given) if options is not None and name in options.model_fields}
    problems: list[str] = []
    account = _account(given.pop("account", None), among, problems) if among else ""
    valid = schema_of(tool, among)
    checked = _checked(valid, tool.arguments, given, problems)
    made = _checked(valid, options or WriteOptions, how, problems)
    if checked is not None and made is not None and account is not None:
        return Checked(checked, KeyedWriteOptions.model_construct(**dict(made)), account)
    more = len(problems) - MOST_PROBLEMS
    listed = "; ".join(problems[:MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
    raise InvalidArguments(
        f"{tool.name} was not called, and nothing was sent: {listed}.",
        next_step=f"Correct the arguments and call {tool.name} again.",
    )


def _account(named: Any, among: AccountNames, problems: list[str]) -> str | None:
    """None after adding to `problems`."""
    if any(named == name for name, _ in among):
        return cast("str", named)
    there = "one of " + ", ".join(f"{name} ({title})" if title else name for name, title in among)
    problems.append(
        f"`account` is required: {there}"
        if named is None
        else f"`account`: {printable(str(named), limit=40)!r} does not have this, or is not for you; {there}"
    )
    return None


def _checked(valid: dict[str, Any], model: type[A], given: Mapping[str, Any], problems: list[str]) -> A | None:
    """None after adding to `problems`."""
    try:
        return model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        problems += [_problem(valid, issue) for issue in error.errors(include_input=False, include_url=False)]
    except RecursionError:
        problems.append("the arguments are nested too deeply")
    except ValueError:
        problems.append("a number has too many digits")
    return None


def _problem(schema: dict[str, Any], issue: ErrorDetails) -> str:
    location = issue["loc"]
    where = ".".join(str(step) for step in location)
    if issue["type"] == "extra_forbidden":
        valid = _valid_names(schema, location[:-1])
        if not valid:
            return f"unknown argument `{where[:100]}` (it takes none)"
        close = difflib.get_close_matches(str(location[-1]), valid, n=1)
        return f"unknown argument `{where[:100]}`" + (
            f" (did you mean `{close[0]}`?)" if close else f" (valid: {', '.join(valid)})"
        )
    if issue["type"] == "missing":
        return f"`{where}` is required"
    message = issue["msg"].removeprefix("Value error, ")
    return f"`{where}`: {message}" if where else message


def _valid_names(schema: dict[str, Any], location: Sequence[str | int]) -> list[str]:
    """The property names at a place in the arguments."""
    node = schema
    for step in location:
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
        if "$ref" in node:
            node = schema["$defs"][cast("str", node["$ref"]).rsplit("/", 1)[-1]]
    return list(node.get("properties", {}))
