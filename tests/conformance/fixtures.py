"""What the conformance suite asks a server for by name, put on the very server object that production serves.

Each handler answers what is of the suite, and hands everything else on to ours. Names and texts are those that the
suite's scenarios describe (`conformance list --server`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from server.protocol.app import Opened

Context = ServerRequestContext[Opened]
Answer = types.CallToolResult | types.InputRequiredResult
Fixture = Callable[[Context, types.CallToolRequestParams], Awaitable[Answer]]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
"""One pixel."""

WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
"""Silence of no length."""

NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}
IMAGE = types.ImageContent(data=PNG, mime_type="image/png")


def said(*content: types.ContentBlock | str, failed: bool = False) -> types.CallToolResult:
    blocks = [types.TextContent(text=block) if isinstance(block, str) else block for block in content]
    return types.CallToolResult(content=blocks, is_error=failed)


def embedded(uri: str, text: str, mime_type: str = "text/plain") -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def elicit(message: str, **properties: Any) -> types.ElicitRequest:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str, tokens: int) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=types.TextContent(text=text))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=tokens))


def asked(state: str | None = None, **requests: Any) -> types.InputRequiredResult:
    return types.InputRequiredResult(input_requests=requests, request_state=state)


NAME = elicit("What is your name?", name={"type": "string"})
ROOTS = types.ListRootsRequest()


def content_of(params: types.CallToolRequestParams | types.GetPromptRequestParams, key: str, field: str) -> Any:
    """A field of what a person filled in; None when it was not, or not so."""
    answer = (params.input_responses or {}).get(key)
    return (answer.content or {}).get(field) if isinstance(answer, types.ElicitResult) else None


def always(result: types.CallToolResult) -> Fixture:
    async def answer(_: Context, __: types.CallToolRequestParams) -> Answer:
        return result

    return answer


async def with_progress(context: Context, _: types.CallToolRequestParams) -> Answer:
    for progress in (0, 50, 100):
        await context.session.report_progress(progress, 100)
        await anyio.sleep(0.05)
    return said("Progress was reported.")


async def elicitation(_: Context, params: types.CallToolRequestParams) -> Answer:
    name = content_of(params, "user_name", "name")
    return said(f"Hello, {name}!") if isinstance(name, str) else asked(user_name=NAME)


async def sampling(_: Context, params: types.CallToolRequestParams) -> Answer:
    answer = (params.input_responses or {}).get("capital_question")
    if isinstance(answer, types.CreateMessageResult):
        return said(json.dumps(answer.model_dump(mode="json")["content"]))
    return asked(capital_question=sample("What is the capital of France?", 100))


async def roots(_: Context, params: types.CallToolRequestParams) -> Answer:
    answer = (params.input_responses or {}).get("client_roots")
    if isinstance(answer, types.ListRootsResult):
        return said(", ".join(str(root.uri) for root in answer.roots))
    return asked(client_roots=ROOTS)


async def request_state(_: Context, params: types.CallToolRequestParams) -> Answer:
    """The state is sealed by the boundary of the server itself, which refuses one that was tampered with."""
    if params.request_state == "asked" and content_of(params, "confirm", "ok") is not None:
        return said("state-ok")
    return asked("asked", confirm=elicit("Please confirm", ok={"type": "boolean"}))


async def several(_: Context, params: types.CallToolRequestParams) -> Answer:
    wanted = {"user_name": NAME, "greeting": sample("Generate a greeting", 50), "client_roots": ROOTS}
    if params.request_state == "asked" and wanted.keys() <= (params.input_responses or {}).keys():
        return said("All of it came.")
    return asked("asked", **wanted)


async def rounds(_: Context, params: types.CallToolRequestParams) -> Answer:
    if params.request_state == "second" and content_of(params, "step2", "color"):
        return said("Both rounds are done.")
    if params.request_state == "first" and content_of(params, "step1", "name"):
        return asked("second", step2=elicit("Step 2: What is your favorite color?", color={"type": "string"}))
    return asked("first", step1=elicit("Step 1: What is your name?", name={"type": "string"}))


async def capabilities(context: Context, _: types.CallToolRequestParams) -> Answer:
    """Asks for what the client says it can do, and nothing else."""
    able = context.session.client_capabilities
    wanted: dict[str, Any] = {}
    if able and able.sampling:
        wanted["greeting"] = sample("Generate a greeting", 50)
    if able and able.elicitation:
        wanted["user_name"] = NAME
    return asked(**wanted) if wanted else said("This client can do nothing.")


async def missing_capability(context: Context, _: types.CallToolRequestParams) -> Answer:
    able = context.session.client_capabilities
    if able and able.sampling:
        return said("The client can sample.")
    raise MCPError(-32021, "The client has not the capability for this.", {"requiredCapabilities": {"sampling": {}}})


MIXED = said(
    "Multiple content types test:",
    IMAGE,
    embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
)
TOOLS: dict[str, Fixture] = {
    "test_simple_text": always(said("This is a simple text response for testing.")),
    "test_image_content": always(said(IMAGE)),
    "test_audio_content": always(said(types.AudioContent(data=WAV, mime_type="audio/wav"))),
    "test_embedded_resource": always(
        said(embedded("test://embedded-resource", "This is an embedded resource content."))
    ),
    "test_multiple_content_types": always(MIXED),
    "test_error_handling": always(said("This tool intentionally returns an error for testing", failed=True)),
    "test_tool_with_progress": with_progress,
    "test_input_required_result_elicitation": elicitation,
    "test_input_required_result_sampling": sampling,
    "test_input_required_result_list_roots": roots,
    "test_input_required_result_request_state": request_state,
    "test_input_required_result_tampered_state": request_state,
    "test_input_required_result_multiple_inputs": several,
    "test_input_required_result_multi_round": rounds,
    "test_input_required_result_capabilities": capabilities,
    "test_missing_capability": missing_capability,
    "test_logging_tool": always(said("This server sends no log messages to clients.")),
    "test_streaming_elicitation": elicitation,
}
_ARGUMENTS = (
    types.PromptArgument(name="arg1", description="First.", required=True),
    types.PromptArgument(name="arg2", description="Second.", required=True),
)
PROMPTS: dict[str, tuple[types.PromptArgument, ...]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": _ARGUMENTS,
    "test_prompt_with_embedded_resource": (
        types.PromptArgument(name="resourceUri", description="Of the resource.", required=True),
    ),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}
TEMPLATE = "test://template/{id}/data"
RESOURCES: dict[str, types.TextResourceContents | types.BlobResourceContents] = {
    "test://static-text": types.TextResourceContents(
        uri="test://static-text", mime_type="text/plain", text="This is the content of the static text resource."
    ),
    "test://static-binary": types.BlobResourceContents(uri="test://static-binary", mime_type="image/png", blob=PNG),
}


def messages(*content: types.ContentBlock) -> types.GetPromptResult:
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=one) for one in content])


def prompt_of(params: types.GetPromptRequestParams) -> types.GetPromptResult | types.InputRequiredResult:
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            return messages(types.TextContent(text="This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            told = f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"
            return messages(types.TextContent(text=told))
        case "test_prompt_with_embedded_resource":
            resource = embedded(given["resourceUri"], "Embedded resource content for testing.")
            return messages(resource, types.TextContent(text="Please process the embedded resource above."))
        case "test_prompt_with_image":
            return messages(IMAGE, types.TextContent(text="Please analyze the image above."))
        case _:
            context = content_of(params, "user_context", "context")
            if isinstance(context, str):
                return messages(types.TextContent(text=context))
            question = elicit("What context should the prompt use?", context={"type": "string"})
            return asked(user_context=question)


def resource_of(uri: str) -> types.TextResourceContents | types.BlobResourceContents | None:
    before, _, after = TEMPLATE.partition("{id}")
    if uri.startswith(before) and uri.endswith(after):
        found = uri[len(before) : -len(after)]
        told = {"id": found, "templateTest": True, "data": f"Data for ID: {found}"}
        return types.TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(told))
    return RESOURCES.get(uri)


def with_fixtures(server: Server[Opened]) -> Server[Opened]:
    """The same server, which answers the suite's names as well."""

    def ours(method: str) -> Any:
        entry = server.get_request_handler(method)
        assert entry is not None, method
        return entry.handler

    listing, calling = ours("tools/list"), ours("tools/call")
    prompts, prompt = ours("prompts/list"), ours("prompts/get")
    listed, templates, reading = ours("resources/list"), ours("resources/templates/list"), ours("resources/read")
    completing = ours("completion/complete")

    async def list_tools(context: Context, params: Any) -> types.ListToolsResult:
        found = await listing(context, params)
        made = [
            types.Tool(name=name, description="Of the conformance suite.", input_schema=NO_ARGUMENTS) for name in TOOLS
        ]
        return found.model_copy(update={"tools": [*found.tools, *made]})

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> Answer:
        fixture = TOOLS.get(params.name)
        return await (fixture(context, params) if fixture else calling(context, params))

    async def list_prompts(context: Context, params: Any) -> types.ListPromptsResult:
        found = await prompts(context, params)
        made = [
            types.Prompt(name=name, description="Of the conformance suite.", arguments=list(arguments))
            for name, arguments in PROMPTS.items()
        ]
        return found.model_copy(update={"prompts": [*found.prompts, *made]})

    async def get_prompt(context: Context, params: types.GetPromptRequestParams) -> Any:
        return prompt_of(params) if params.name in PROMPTS else await prompt(context, params)

    async def list_resources(context: Context, params: Any) -> types.ListResourcesResult:
        found = await listed(context, params)
        made = [types.Resource(uri=uri, name=uri, description="Of the conformance suite.") for uri in RESOURCES]
        return found.model_copy(update={"resources": [*found.resources, *made]})

    async def list_templates(context: Context, params: Any) -> types.ListResourceTemplatesResult:
        found = await templates(context, params)
        made = types.ResourceTemplate(uri_template=TEMPLATE, name="test template")
        return found.model_copy(update={"resource_templates": [*found.resource_templates, made]})

    async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        found = resource_of(str(params.uri))
        return types.ReadResourceResult(contents=[found]) if found else await reading(context, params)

    async def complete(context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        if isinstance(params.ref, types.PromptReference) and params.ref.name in PROMPTS:
            return types.CompleteResult(completion=types.Completion(values=["paris", "park", "party"], has_more=False))
        return await completing(context, params)

    server.add_request_handler("tools/list", types.PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    server.add_request_handler("prompts/list", types.PaginatedRequestParams, list_prompts)
    server.add_request_handler("prompts/get", types.GetPromptRequestParams, get_prompt)
    server.add_request_handler("resources/list", types.PaginatedRequestParams, list_resources)
    server.add_request_handler("resources/templates/list", types.PaginatedRequestParams, list_templates)
    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read_resource)
    server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)
    return server
