"""Judges requests and answers by Interchange's published OpenAPI document, which is not part of this repository."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY

_METHODS = ("get", "put", "post", "patch", "delete")
_BASE_URI = "urn:interchange"


class ContractViolation(AssertionError):
    """What was sent or answered is not what the document allows."""


class _Operation(NamedTuple):
    pointer: tuple[str, ...]
    content: dict[str, Any]
    path_values: dict[str, str]


def document_path() -> Path:
    """`ADOPS_TEST_OPENAPI`, else `../shared/contracts/interchange-storefront.openapi.json` beside the repository."""
    default = Path(__file__).parents[2] / "shared" / "contracts" / "interchange-storefront.openapi.json"
    return Path(os.environ.get("ADOPS_TEST_OPENAPI", default))


def load_document() -> dict[str, Any]:
    """The document with `nullable` as its author means it: beside `allOf`, `anyOf` and `enum`, null is allowed too."""
    document: dict[str, Any] = json.loads(document_path().read_text(encoding="utf-8"))
    _let_null_in(document)
    return document


def _let_null_in(node: Any) -> None:
    if isinstance(node, list):
        for item in cast("list[Any]", node):
            _let_null_in(item)
    elif isinstance(node, dict):
        schema = cast("dict[str, Any]", node)
        for value in schema.values():
            _let_null_in(value)
        if schema.get("nullable") is True and "allOf" in schema:
            schema["anyOf"] = [{"allOf": schema.pop("allOf")}, {"enum": [None]}]
        elif schema.get("nullable") is True and "anyOf" in schema:
            schema["anyOf"] = [*schema["anyOf"], {"enum": [None]}]
        elif schema.get("nullable") is True and "enum" in schema:
            schema["enum"] = [*schema["enum"], None]


def validate_request(document: dict[str, Any], request: httpx.Request) -> None:
    """Raises ContractViolation for an undeclared path, method or query parameter, or a value out of its schema."""
    operation = _find(document, request)
    declared: set[str] = set()
    query = parse_qs(request.url.query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(request.url.query))
    for index, parameter in enumerate(operation.content.get("parameters", [])):
        pointer = (*operation.pointer, "parameters", str(index), "schema")
        name: str = parameter["name"]
        if parameter["in"] == "path":
            _check(document, pointer, operation.path_values[name], f"{_title(request)}: path {name}")
        elif parameter["in"] == "query":
            declared.add(name)
            if name in query:
                value = _typed(parameter["schema"], query[name])
                _check(document, pointer, value, f"{_title(request)}: query {name}")
            elif parameter.get("required"):
                raise ContractViolation(f"{_title(request)}: query parameter {name} is required")
    if undeclared := query.keys() - declared:
        raise ContractViolation(f"{_title(request)}: query parameters {sorted(undeclared)} are not declared")
    _check_body(document, operation, request)


def _check_body(document: dict[str, Any], operation: _Operation, request: httpx.Request) -> None:
    body = operation.content.get("requestBody")
    if body is None:
        if request.content:
            raise ContractViolation(f"{_title(request)}: no request body is declared")
        return
    if not request.content:
        if body.get("required"):
            raise ContractViolation(f"{_title(request)}: the request body is required")
        return
    media_type = _media_type(request.headers)
    if media_type not in body["content"]:
        raise ContractViolation(f"{_title(request)}: content type {media_type} is not declared")
    pointer = (*operation.pointer, "requestBody", "content", media_type, "schema")
    _check(document, pointer, _json(request.content, request), f"{_title(request)}: body")


def validate_response(document: dict[str, Any], request: httpx.Request, response: httpx.Response) -> None:
    """Raises ContractViolation; a status of 400 or more that is not declared is judged as an ErrorResponse."""
    operation = _find(document, request)
    status = str(response.status_code)
    if status in operation.content["responses"]:
        pointer = (*operation.pointer, "responses", status, "content", _media_type(response.headers), "schema")
    elif response.status_code >= 400:
        pointer = ("components", "schemas", "ErrorResponse")
    else:
        raise ContractViolation(f"{_title(request)}: status {status} is not declared")
    _check(document, pointer, _json(response.content, request), f"{_title(request)}: {status}")


def _find(document: dict[str, Any], request: httpx.Request) -> _Operation:
    """The operation of a request; a path without parameters wins over one with."""
    sent = request.url.raw_path.partition(b"?")[0].decode("ascii").split("/")
    templates: dict[str, dict[str, Any]] = document["paths"]
    for template in sorted(templates, key=lambda path: path.count("{")):
        item = templates[template]
        server: str = item.get("servers", document["servers"])[0]["url"]
        base = urlsplit(server).path
        values = _match((base + template).split("/"), sent)
        if values is None:
            continue
        method = request.method.lower()
        if method not in _METHODS or method not in item:
            raise ContractViolation(f"{_title(request)}: the method is not declared")
        return _Operation(("paths", template, method), item[method], values)
    raise ContractViolation(f"{_title(request)}: the path is not declared")


def _match(template: list[str], sent: list[str]) -> dict[str, str] | None:
    if len(template) != len(sent):
        return None
    values: dict[str, str] = {}
    for expected, segment in zip(template, sent, strict=True):
        if expected.startswith("{"):
            values[expected.strip("{}")] = unquote(segment)
        elif expected != segment:
            return None
    return values


def _typed(schema: dict[str, Any], values: list[str]) -> object:
    """A query value as its schema's type; one that cannot be stays text, for the schema to refuse."""
    if schema.get("type") == "array":
        return [_typed(schema["items"], [part]) for value in values for part in value.split(",")]
    if len(values) > 1:
        return values
    text = values[0]
    if schema.get("type") == "integer" and re.fullmatch("-?[0-9]+", text):
        return int(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def _check(document: dict[str, Any], pointer: tuple[str, ...], value: object, what: str) -> None:
    registry = EMPTY_REGISTRY.with_resource(_BASE_URI, DRAFT202012.create_resource(document))
    path = "/".join(part.replace("~", "~0").replace("/", "~1") for part in pointer)
    validator = OAS30Validator({"$ref": f"{_BASE_URI}#/{path}"}, registry=registry, format_checker=oas30_format_checker)
    problems = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
    if problems:
        raise ContractViolation(f"{what}: {'; '.join(problems)}")


def _json(content: bytes, request: httpx.Request) -> object:
    try:
        return json.loads(content)
    except ValueError:
        raise ContractViolation(f"{_title(request)}: not JSON: {content[:200]!r}") from None


def _media_type(headers: httpx.Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _title(request: httpx.Request) -> str:
    return f"{request.method} {request.url.raw_path.decode('ascii')}"
