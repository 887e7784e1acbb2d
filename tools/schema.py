"""The JSON schemas of the tools, made from the pydantic models and from nothing else.

Schemas have no `title`. An optional field is one that may be left out. Null is accepted for it, and the schema does not
say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class Arguments(BaseModel):
    """Base class of a tool's arguments: unknown names are refused, and values are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)


class Result(BaseModel):
    """Base class of a tool's result."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    def structured_content(self) -> dict[str, Any]:
        """The result as an agent reads it, without the fields that are None."""
        return self.model_dump(mode="json", exclude_none=True)


class _SchemaGenerator(GenerateJsonSchema):
    """Leaves out that an optional field may be null, and default values of None."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        if field["schema"]["type"] == "default":
            return False
        return super().field_is_required(field, total)


def _without_titles(node: Any) -> Any:
    if isinstance(node, dict):
        items = cast("dict[str, Any]", node).items()
        return {key: _without_titles(value) for key, value in items if not (key == "title" and isinstance(value, str))}
    if isinstance(node, list):
        return [_without_titles(item) for item in cast("list[Any]", node)]
    return node


_FAR_BOUNDS = {"maximum": 2**53 - 1, "maxLength": 255}
"""Bounds from these values on only catch mistakes: they are enforced, and left out of the schema."""


def _without_far_bounds(node: Any) -> Any:
    if isinstance(node, dict):
        items = cast("dict[str, Any]", node).items()
        return {key: _without_far_bounds(value) for key, value in items if not _is_far(key, value)}
    if isinstance(node, list):
        return [_without_far_bounds(item) for item in cast("list[Any]", node)]
    return node


def _is_far(key: str, value: Any) -> bool:
    return isinstance(value, int) and value >= _FAR_BOUNDS.get(key, value + 1)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in cast("dict[str, Any]", node).items():
            if key == "$ref":
                yield _name(value)
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for item in cast("list[Any]", node):
            yield from _references(item)


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with every definition that is used once put in the place where it is used."""
    definitions: dict[str, Any] = schema.get("$defs", {})
    shared = {name for name, uses in Counter(_references(schema)).items() if uses > 1}

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(item) for item in cast("list[Any]", node)]
        if not isinstance(node, dict):
            return node
        object_schema = cast("dict[str, Any]", node)
        reference = object_schema.get("$ref")
        if isinstance(reference, str) and _name(reference) not in shared:
            other_keys = {key: value for key, value in object_schema.items() if key != "$ref"}
            return inline({**definitions[_name(reference)], **other_keys})
        return {key: inline(value) for key, value in object_schema.items()}

    inlined = inline({key: value for key, value in schema.items() if key != "$defs"})
    shared_definitions = {name: inline(definitions[name]) for name in definitions if name in shared}
    return {"$defs": shared_definitions, **inlined} if shared_definitions else inlined


def arguments_schema(model: type[Arguments]) -> dict[str, Any]:
    schema = _without_titles(model.model_json_schema(mode="validation", schema_generator=_SchemaGenerator))
    return _inlined(_without_far_bounds(schema))


def result_schema(model: type[Result]) -> dict[str, Any]:
    return _without_titles(model.model_json_schema(mode="serialization", schema_generator=_SchemaGenerator))
