"""What the sandbox's FreeWheel resources have in common: media types, errors, pages, ids and body validation.

v4 resources answer JSON and v3 resources XML. FreeWheel publishes no error format for v4: the shape used here,
`{"errors": [{"message": ...}]}`, is that of its sister APIs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple, NoReturn, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

JSON = "application/json"
XML = "application/xml"
FORM = "application/x-www-form-urlencoded"
LARGEST_ID = 2**63 - 1

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,10}", re.ASCII)
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class RefusedError(Exception):
    """Carries the response to a request that the vendor refuses."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def errors(status: int, *messages: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"errors": [{"message": message} for message in messages]}, status, headers)


def refuse(status: int, *messages: str, headers: dict[str, str] | None = None) -> NoReturn:
    raise RefusedError(errors(status, *messages, headers=headers))


def forbid() -> NoReturn:
    """Refuse with the gateway's 403, which has its own shape, because a network function is off."""
    raise RefusedError(JSONResponse({"Message": "User is not authorized to access this resource"}, 403))


def require_accept(request: Request, wanted: str = JSON) -> None:
    """Refuse with 406 unless `Accept` names the media type of the resource: JSON, or XML in v3.

    The documents ask for the header on every request and do not mention wildcards. A wildcard is refused, so that a
    client that leaves the header to its HTTP library finds out here.
    """
    accepted = {_media_type(part) for part in request.headers.get("accept", "").split(",")}
    if wanted not in accepted:
        refuse(406, f"Not acceptable: send Accept: {wanted}. Nothing else is supported.")


async def json_object(request: Request) -> dict[str, object]:
    """The JSON object in the body: 415 for another content type, 400 if it is not UTF-8 JSON, 422 if no object."""
    _require_content_type(request, JSON)
    body = await request.body()
    try:
        value: object = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        # A lone surrogate ("\ud800") is valid JSON and cannot be stored as text.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        refuse(400, "The request body is not valid JSON.")
    if not isinstance(value, dict):
        refuse(422, "The request body must be a JSON object.")
    return cast("dict[str, object]", value)


async def form_text(request: Request) -> str:
    """The urlencoded body as text: 415 for another content type, 400 if it is not ASCII."""
    _require_content_type(request, FORM)
    try:
        return (await request.body()).decode("ascii")
    except UnicodeDecodeError:
        refuse(400, "The request body is not a valid form.")


class PageRequest(NamedTuple):
    """The requested page of a list: `page` is 1 to 1000, `per_page` 5 to 50."""

    page: int
    per_page: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page

    def response_under(self, key: str, entries: Sequence[object], total: int) -> JSONResponse:
        """A page in the envelope of inventory packages: the entries are under the resource's own name."""
        return JSONResponse({key: entries, **self._asdict(), "total": total, "total_pages": self.page_count(total)})

    def items_response(self, entries: Sequence[object], total: int) -> JSONResponse:
        """A page in the envelope of other v4 resources: the entries are under `items`, the totals have other names."""
        return JSONResponse(
            {"items": entries, **self._asdict(), "total_count": total, "total_page": self.page_count(total)}
        )

    def page_count(self, total: int) -> int:
        return -(-total // self.per_page)


def read_page(query: QueryParams) -> PageRequest:
    return PageRequest(_bounded(query, "page", 1, 1, 1000), _bounded(query, "per_page", 20, 5, 50))


def read_name(query: QueryParams) -> str:
    """The `name` to search for. An empty string means no search."""
    name = query.get("name", "")
    if len(name) > 255:
        refuse(422, "name must not be longer than 255 characters.")
    return name


def path_id(request: Request, parameter: str, resource: str) -> int:
    """An FW_ID in the path: 404 if it cannot be an id."""
    text = str(request.path_params[parameter])
    if not _ID.fullmatch(text) or int(text) > LARGEST_ID:
        refuse(404, f"{resource} not found.")
    return int(text)


def _bounded(query: QueryParams, name: str, default: int, low: int, high: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(text) or not low <= int(text) <= high:
        refuse(422, f"{name} must be an integer between {low} and {high}.")
    return int(text)


def _require_content_type(request: Request, wanted: str) -> None:
    header = request.headers.get("content-type", "")
    charset = re.search(r'charset="?([^\s;"]+)', header, re.IGNORECASE)
    if _media_type(header) != wanted or (charset and charset[1].lower() not in {"utf-8", "utf8"}):
        refuse(415, f"Unsupported media type: send Content-Type: {wanted}.")


def _media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


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
    """The error messages of a body that sets a field which cannot be set on create."""
    return [f"{field}: cannot be set on create" for field in fields if field in body]


def validated(model: type[_Body], body: dict[str, object], faults: Iterable[str] = ()) -> _Body:
    """The body as `model`. Refuses with 422 and a message, `<field>: <problem>`, for each fault."""
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
