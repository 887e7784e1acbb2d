"""What an agent may give a tool: its own arguments and, for a write, how it is to be made. Checked here, by name."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from tools.errors import InvalidArguments
from tools.fields import BodyId
from tools.schema import Arguments, arguments_schema
from tools.tool import AnyTool, Write

A = TypeVar("A", bound=Arguments)

MOST_PROBLEMS = 10
"""How many problems of one call's arguments are named."""


class Manner(Arguments):
    """How any write is made."""

    dry_run: bool | None = Field(default=None, description="Only show it.")


class KeyedManner(Manner):
    """How a write is made whose success answers the same call later."""

    idempotency_key: BodyId | None = Field(default=None, description="New: another on purpose.")

    @field_validator("idempotency_key")
    @classmethod
    def _is_the_same_with_space_around_it(cls, key: str | None) -> str | None:
        return key.strip() if key is not None else None


def manner_of(tool: AnyTool) -> type[Manner] | None:
    if not isinstance(tool.effect, Write):
        return None
    return KeyedManner if tool.effect.holds else Manner


@functools.cache
def schema_of(tool: AnyTool) -> dict[str, Any]:
    """The input schema as agents see it: the tool's own arguments first."""
    schema = arguments_schema(tool.arguments)
    manner = manner_of(tool)
    if manner is None:
        return schema
    return {**schema, "properties": {**schema["properties"], **arguments_schema(manner)["properties"]}}


def check(tool: AnyTool, arguments: Mapping[str, Any]) -> tuple[Arguments, KeyedManner]:
    """The arguments as the tool's model, and how it is to be done; a null is as good as what was left out.

    Raises InvalidArguments that names every problem; nothing was sent.
    """
    manner = manner_of(tool)
    given = {name: value for name, value in arguments.items() if value is not None}
    how = {name: given.pop(name) for name in tuple(given) if manner is not None and name in manner.model_fields}
    problems: list[str] = []
    checked = _checked(tool, tool.arguments, given, problems)
    made = _checked(tool, manner or Manner, how, problems)
    if checked is not None and made is not None:
        return checked, KeyedManner.model_construct(**dict(made))
    more = len(problems) - MOST_PROBLEMS
    listed = "; ".join(problems[:MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
    raise InvalidArguments(
        f"{tool.name} was not called, and nothing was sent: {listed}.",
        next_step=f"Correct the arguments and call {tool.name} again.",
    )


def _checked(tool: AnyTool, model: type[A], given: Mapping[str, Any], problems: list[str]) -> A | None:
    """None after adding to `problems`."""
    try:
        return model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        problems += [_problem(tool, issue) for issue in error.errors(include_input=False, include_url=False)]
    except RecursionError:
        problems.append("the arguments are nested too deeply")
    except ValueError:
        problems.append("a number has too many digits")
    return None


def _problem(tool: AnyTool, issue: ErrorDetails) -> str:
    location = issue["loc"]
    where = ".".join(str(step) for step in location)
    if issue["type"] == "extra_forbidden":
        valid = _valid_names(schema_of(tool), location[:-1])
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
