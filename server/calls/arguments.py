"""The arguments of a tool call: their schema, and the check of a call against it.

Beside the tool's own arguments a call may name an account, and a write has options.
"""

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
"""The number of problems that one error names."""


@functools.cache
def input_schema(tool: AnyTool, accounts: AccountNames = ()) -> dict[str, Any]:
    """The input schema as agents see it. accounts: those that a call names one of, where there are several."""
    schema = arguments_schema(tool.arguments)
    options = options_of(tool)
    if options is not None:
        schema = {**schema, "properties": {**schema["properties"], **arguments_schema(options)["properties"]}}
    if not accounts:
        return schema
    titled = [f"{name}: {title}" for name, title in accounts if title]
    account = {
        "type": "string",
        "enum": [name for name, _ in accounts],
        "description": f"Whose. {'; '.join(titled)}".strip(". ") + ".",
    }
    required = ["account", *schema.get("required", [])]
    return {**schema, "properties": {"account": account, **schema["properties"]}, "required": required}


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """The arguments of a call, as models. account: empty where a call names none."""

    arguments: Arguments
    options: KeyedWriteOptions
    account: str


def check_arguments(tool: AnyTool, arguments: Mapping[str, Any], accounts: AccountNames = ()) -> CheckedCall:
    """Check the arguments of a call. An argument that is null counts as left out.

    Raises InvalidArguments, which names every problem.
    """
    options = options_of(tool)
    given = {name: value for name, value in arguments.items() if value is not None}
    given_options = {
        name: given.pop(name) for name in tuple(given) if options is not None and name in options.model_fields
    }
    problems: list[str] = []
    account = _account(given.pop("account", None), accounts, problems) if accounts else ""
    schema = input_schema(tool, accounts)
    checked = _validated(schema, tool.arguments, given, problems)
    checked_options = _validated(schema, options or WriteOptions, given_options, problems)
    if checked is not None and checked_options is not None and account is not None:
        return CheckedCall(checked, KeyedWriteOptions.model_construct(**dict(checked_options)), account)
    more = len(problems) - MOST_PROBLEMS
    listed = "; ".join(problems[:MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
    raise InvalidArguments(
        f"{tool.name} was not called, and nothing was sent: {listed}.",
        next_step=f"Correct the arguments and call {tool.name} again.",
    )


def _account(named: Any, accounts: AccountNames, problems: list[str]) -> str | None:
    """The account that a call names. None when it names none of these; then a problem is added."""
    if any(named == name for name, _ in accounts):
        return cast("str", named)
    there = "one of " + ", ".join(f"{name} ({title})" if title else name for name, title in accounts)
    problems.append(
        f"`account` is required: {there}"
        if named is None
        else f"`account`: {printable(str(named), limit=40)!r} does not have this, or is not for you; {there}"
    )
    return None


def _validated(schema: dict[str, Any], model: type[A], given: Mapping[str, Any], problems: list[str]) -> A | None:
    """The values as a model. None when they are not valid; then their problems are added."""
    try:
        return model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        problems += [_problem(schema, issue) for issue in error.errors(include_input=False, include_url=False)]
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
    """The names of the properties that are allowed at a location in the arguments."""
    node = schema
    for step in location:
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
        if "$ref" in node:
            node = schema["$defs"][cast("str", node["$ref"]).rsplit("/", 1)[-1]]
    return list(node.get("properties", {}))
