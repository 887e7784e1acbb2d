"""The dialect of the tools' schemas, and that it says what the models do."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, cast

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field, ValidationError

from tools.fields import LARGEST_INTEGER, Listing, Moment, SourceId
from tools.schema import Arguments, Result, arguments_schema, result_schema


class Part(Arguments):
    title: str = Field(description="A field that is called title.")
    size: int | None = Field(default=None, ge=1, description="A size.")


class Once(Arguments):
    size: int = Field(ge=1, le=LARGEST_INTEGER, description="A size.")
    part: Part = Field(description="A part of its own.")


class Order(Arguments):
    id: SourceId = Field(description="An id.")
    amount: int = Field(ge=1, description="An amount.")
    share: float = Field(default=0.5, description="A share.")
    status: Literal["ACTIVE", "INACTIVE"] | None = Field(default=None, description="A status.")
    since: Moment | None = Field(default=None, description="A moment.")
    part: Part | None = Field(default=None, description="A part.")
    parts: Annotated[list[Part], Field(max_length=2)] = Field(default=[], description="Parts.")


class Line(Result):
    title: str | None = None
    count: int


class Report(Result):
    lines: list[Line] = Field(default=[])
    first: Line | None = None
    note: str | None = Field(default=None, description="A note.")


FULL: dict[str, Any] = {
    "id": "a b",
    "amount": 1,
    "share": 1,
    "status": "ACTIVE",
    "since": "2026-11-22T13:00:00Z",
    "part": {"title": "t", "size": 1},
    "parts": [{"title": "t"}],
}


def fits(schema: dict[str, Any], value: Any) -> bool:
    return cast("Any", Draft202012Validator(schema)).is_valid(value)


def test_the_schema_of_arguments_is_this() -> None:
    assert arguments_schema(Order) == {
        "$defs": {
            "Part": {
                "additionalProperties": False,
                "properties": {
                    "title": {"description": "A field that is called title.", "type": "string"},
                    "size": {"description": "A size.", "minimum": 1, "type": "integer"},
                },
                "required": ["title"],
                "type": "object",
            }
        },
        "additionalProperties": False,
        "properties": {
            "id": {"description": "An id.", "minLength": 1, "type": "string"},
            "amount": {"description": "An amount.", "minimum": 1, "type": "integer"},
            "share": {"default": 0.5, "description": "A share.", "type": "number"},
            "status": {"description": "A status.", "enum": ["ACTIVE", "INACTIVE"], "type": "string"},
            "since": {"description": "A moment.", "format": "date-time", "type": "string"},
            "part": {"$ref": "#/$defs/Part", "description": "A part."},
            "parts": {
                "default": [],
                "description": "Parts.",
                "items": {"$ref": "#/$defs/Part"},
                "maxItems": 2,
                "type": "array",
            },
        },
        "required": ["id", "amount"],
        "type": "object",
    }


def test_a_model_that_is_used_once_stands_where_it_is_used() -> None:
    assert arguments_schema(Once)["properties"]["part"] == {
        "additionalProperties": False,
        "properties": {
            "title": {"description": "A field that is called title.", "type": "string"},
            "size": {"description": "A size.", "minimum": 1, "type": "integer"},
        },
        "required": ["title"],
        "type": "object",
        "description": "A part of its own.",
    }
    assert "$defs" not in arguments_schema(Once)


def test_a_bound_that_only_keeps_out_mistakes_is_enforced_and_not_told() -> None:
    assert arguments_schema(Once)["properties"]["size"] == {"description": "A size.", "minimum": 1, "type": "integer"}
    with pytest.raises(ValidationError, match="less than or equal to 9007199254740991"):
        Once.model_validate({"size": LARGEST_INTEGER + 1, "part": {"title": "t"}})


@pytest.mark.parametrize(
    ("report", "answer"),
    [
        (Report(), {"lines": []}),
        (
            Report(lines=[Line(count=1), Line(title="t", count=2)], first=Line(count=0), note="n"),
            {"lines": [{"count": 1}, {"title": "t", "count": 2}], "first": {"count": 0}, "note": "n"},
        ),
    ],
)
def test_a_result_without_its_empty_fields_is_what_its_schema_says(report: Report, answer: dict[str, Any]) -> None:
    assert report.structured_content() == answer
    assert fits(result_schema(Report), answer)


@pytest.mark.parametrize("following", [None, {"page": 2}])
def test_a_list_always_tells_what_is_next(following: dict[str, Any] | None) -> None:
    told = Listing[Line](items=[Line(count=1)], next=following).structured_content()
    assert told == {"items": [{"count": 1}], "next": following}
    assert fits(result_schema(Listing[Line]), told)


def test_a_result_may_leave_out_what_has_a_default_and_nothing_else() -> None:
    schema = result_schema(Report)
    assert "required" not in schema
    assert schema["$defs"]["Line"]["required"] == ["count"]
    assert schema["properties"]["note"] == {"description": "A note.", "type": "string"}
    assert schema["properties"]["first"] == {"$ref": "#/$defs/Line"}


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": 5},
        {"amount": 0},
        {"amount": "1"},
        {"amount": 1.5},
        {"amount": True},
        {"share": "0.5"},
        {"status": "active"},
        {"part": {}},
        {"part": {"title": "t", "size": 0}},
        {"part": {"title": "t", "colour": "red"}},
        {"parts": [{"title": "t"}] * 3},
        {"colour": "red"},
    ],
)
def test_what_the_schema_refuses_the_model_refuses(change: dict[str, Any]) -> None:
    given = {**FULL, **change}
    assert not fits(arguments_schema(Order), given)
    with pytest.raises(ValidationError):
        Order.model_validate_json(json.dumps(given))


@pytest.mark.parametrize("left_out", [[], ["share"], ["status", "since", "part", "parts"]])
def test_what_the_schema_takes_the_model_takes(left_out: list[str]) -> None:
    given = {name: value for name, value in FULL.items() if name not in left_out}
    assert fits(arguments_schema(Order), given)
    Order.model_validate_json(json.dumps(given))


@pytest.mark.parametrize("share", ["Infinity", "-Infinity", "NaN"])
def test_a_number_that_is_none_is_refused(share: str) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Order.model_validate_json(f'{{"id": "a", "amount": 1, "share": {share}}}')


@pytest.mark.parametrize("unsafe", ["a/b", "a\\b", "a?b", "a#b", "..", "a..b", ".", "a\nb", "\x7f", "x" * 256])
def test_an_id_that_would_leave_its_path_segment_is_refused(unsafe: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Order(id=unsafe, amount=1)
    assert [issue["loc"] for issue in refused.value.errors()] == [("id",)]


@pytest.mark.parametrize("moment", ["2026-11-22T13:00:00", "2026-11-22", "tomorrow"])
def test_a_moment_without_an_offset_is_refused(moment: str) -> None:
    with pytest.raises(ValidationError):
        Order.model_validate_json(f'{{"id": "a", "amount": 1, "since": "{moment}"}}')


def test_arguments_and_results_cannot_be_changed() -> None:
    order = Order(id="a", amount=1)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(order, "amount", 2)  # noqa: B010 - what a type checker would refuse
    with pytest.raises(ValidationError, match="extra"):
        Report.model_validate({"colour": "red"})
