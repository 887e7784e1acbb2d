"""How the sandbox's FreeWheel reads a body: strictly typed, undocumented fields ignored, all faults named at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from server.sandbox.freewheel_wire import LARGEST_ID, refuse


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("can't be blank")
    return text


FwId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Text = Annotated[str, Field(max_length=255), AfterValidator(_not_blank)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, defer_build=True)


_Body = TypeVar("_Body", bound=Body)


def set_on_create(body: dict[str, object], *fields: str) -> list[str]:
    """The faults of a body that sets what cannot be set on create."""
    return [f"{field}: cannot be set on create" for field in fields if field in body]


def validated(model: type[_Body], body: dict[str, object], faults: Iterable[str] = ()) -> _Body:
    """422 with a message, `<path of the field>: <what is wrong>`, for each of `faults` and of the model's own."""
    messages = list(faults)
    try:
        read = model.model_validate(body)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            field = ".".join(str(part) for part in problem["loc"])
            messages.append(f"{field}: {problem['msg'].removeprefix('Value error, ')}")
        refuse(422, *messages)
    if messages:
        refuse(422, *messages)
    return read
