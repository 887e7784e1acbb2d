"""JSON schemas of the tools, from the pydantic models and nothing else.

Arguments and results share one dialect: no `title` noise, and an optional field is one that may be left out; that
a null is taken for that is not advertised.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class Arguments(BaseModel):
    """Base of what an agent gives a tool: unknown names are refused, JSON types are taken as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Result(BaseModel):
    """Base of what a tool gives back; a field that is None is left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Dialect(GenerateJsonSchema):
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


def arguments_schema(model: type[Arguments]) -> dict[str, Any]:
    return _without_titles(model.model_json_schema(mode="validation", schema_generator=_Dialect))


def result_schema(model: type[Result]) -> dict[str, Any]:
    return _without_titles(model.model_json_schema(mode="serialization", schema_generator=_Dialect))
