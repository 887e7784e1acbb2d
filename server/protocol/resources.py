"""MCP resources: the vocabularies of arguments, and single objects by their ids."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

import mcp_types as types
from mcp.shared.exceptions import MCPError

from prompts import ArgumentType
from server.access.accounts_in_reach import CallerChoice, ReachableAccounts
from server.calls.dispatch import Dispatcher
from server.writes.write_call import Caller
from tools.vocabularies import VOCABULARIES

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Template:
    """An object that one tool reads by one id. parameter: the tool's argument. kind: how the argument is completed."""

    uri: str
    title: str
    tool: str
    parameter: str
    kind: ArgumentType
    is_number: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        before, after = re.escape(self.uri).split(re.escape(f"{{{self.parameter}}}"))
        return re.compile(f"{before}([^/?#]+){after}")

    def listed_uri(self, choice: CallerChoice) -> str:
        """The URI template as it is listed: with the account, where there are several (RFC 6570)."""
        return f"{self.uri}{{?account}}" if self.tool in choice.account_names else self.uri

    def arguments(self, uri: str) -> dict[str, Any] | None:
        """The tool's arguments for a URI of this template; None for any other URI."""
        path, _, account = uri.partition("?account=")
        match = self.pattern.fullmatch(path)
        if match is None:
            return None
        value = unquote(match[1])
        is_whole = self.is_number and re.fullmatch(r"[0-9]{1,16}", value, re.ASCII)
        named = {"account": unquote(account)} if account else {}
        return {self.parameter: int(value) if is_whole else value, **named}


TEMPLATES = (
    Template(
        "adops://freewheel/inventory-packages/{package_id}",
        "Inventory package",
        "get_inventory_package",
        "package_id",
        "package_id",
        is_number=True,
    ),
    Template(
        "adops://freewheel/proposed-ios/{proposed_io_id}",
        "Proposed insertion order",
        "get_proposed_io",
        "proposed_io_id",
        "proposed_io_id",
        is_number=True,
    ),
    Template(
        "adops://interchange/inventory-sources/{source_id}",
        "Inventory source",
        "get_inventory_source",
        "source_id",
        "source_id",
    ),
)


def offered_templates(tools: Collection[str]) -> list[Template]:
    return [template for template in TEMPLATES if template.tool in tools]


def listed_vocabularies() -> types.ListResourcesResult:
    return types.ListResourcesResult(
        resources=[
            types.Resource(
                uri=vocabulary.uri,
                name=vocabulary.name,
                title=vocabulary.title,
                description=vocabulary.description,
                mime_type=JSON,
            )
            for vocabulary in VOCABULARIES
        ]
    )


def template_of(uri: str, choice: CallerChoice) -> Template | None:
    """The template that is listed with this URI."""
    for template in offered_templates(choice.tools):
        if uri in (template.uri, template.listed_uri(choice)):
            return template
    return None


def listed_templates(choice: CallerChoice) -> types.ListResourceTemplatesResult:
    return types.ListResourceTemplatesResult(
        resource_templates=[
            types.ResourceTemplate(
                uri_template=template.listed_uri(choice),
                name=template.tool.removeprefix("get_"),
                title=template.title,
                description=f"One object, as the tool {template.tool} gives it.",
                mime_type=JSON,
            )
            for template in offered_templates(choice.tools)
        ]
    )


async def read(
    uri: str, dispatcher: Dispatcher, accounts: ReachableAccounts, caller: Caller
) -> types.ReadResourceResult:
    """A vocabulary, or an object read by its tool. Raises MCPError with the tool's error as its data."""
    for vocabulary in VOCABULARIES:
        if vocabulary.uri == uri:
            return _text(uri, vocabulary.content())
    tools = accounts.choice.tools
    for template in offered_templates(tools):
        if (arguments := template.arguments(uri)) is not None:
            result = await dispatcher.call(tools[template.tool].tool, arguments, accounts, caller)
            if result.is_error:
                error = cast("dict[str, Any]", result.structured_content)["error"]
                raise MCPError(types.INVALID_PARAMS, f"{error['message']} Next: {error['next_step']}", error)
            return _text(uri, result.structured_content)
    known = [vocabulary.uri for vocabulary in VOCABULARIES]
    templates = [template.listed_uri(accounts.choice) for template in offered_templates(tools)]
    offered = f"there are {', '.join([*known, *templates])}"
    raise MCPError(types.INVALID_PARAMS, f"there is no resource {uri[:200]!r}; {offered}", {"uri": uri[:2000]})


def _text(uri: str, content: Any) -> types.ReadResourceResult:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=JSON, text=text)])
