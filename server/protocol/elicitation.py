"""Asking the person in the client before a consequential write, in either era of the protocol.

Up to 2025-11-25 the server sends the client a request and waits. From 2026-07-28 on the call is answered with what is
asked, and the client makes it again with the person's word. What it then brings back is sealed by the SDK's
RequestStateBoundary: bound to tool, arguments and principal, and valid for a few minutes. Inside the seal is what was
asked about, so that a person's word is only taken for what that person read, and a name of its own, so that it counts
once.
"""

from __future__ import annotations

import secrets
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import SecretStr

from server.writes.write_call import NeedsInput, Word
from tools.errors import Unavailable

LASTS = 600.0
"""Seconds for which a question may be answered."""

_KEY = "confirm"
_NOTHING_TO_FILL_IN: dict[str, Any] = {"type": "object", "properties": {}}


def asker_of(context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> ClientAsker | None:
    """Who asks in the client that made the call; None when it cannot show a question to its person."""
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return None
    return ClientAsker(context, params)


class ClientAsker:
    """Asks through the client that made the call."""

    def __init__(self, context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> None:
        self._context = context
        self._params = params

    async def ask(self, question: str, about: str) -> Word:
        """Raises NeedsInput where the client is to make the call again with the answer."""
        if self._context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return self._answered(question, about)
        try:
            answer = await self._context.session.elicit_form(
                question, _NOTHING_TO_FILL_IN, related_request_id=self._context.request_id
            )
        except MCPError:
            raise Unavailable(
                "The client did not show the person the question that has to be answered first. Nothing was sent.",
                next_step="Make the same call again. If it stays so, the operator sets who confirms: ADOPS_CONFIRM.",
            ) from None
        return Word(answer.action, secrets.token_hex(16))

    def _answered(self, question: str, about: str) -> Word:
        answer = (self._params.input_responses or {}).get(_KEY)
        asked_about, _, named = (self._params.request_state or "").partition(":")
        if asked_about == about and named and isinstance(answer, types.ElicitResult):
            return Word(answer.action, named)
        asked = types.ElicitRequest(
            params=types.ElicitRequestFormParams(message=question, requested_schema=_NOTHING_TO_FILL_IN)
        )
        raise NeedsInput(
            types.InputRequiredResult(input_requests={_KEY: asked}, request_state=f"{about}:{secrets.token_hex(16)}")
        )


def sealed(name: str, key: SecretStr | None) -> RequestStateBoundary:
    """The middleware that seals what a client brings back. key: that replicas share, instead of one of this process."""
    keys = [key.get_secret_value() if key is not None else secrets.token_urlsafe(32)]
    return RequestStateBoundary(RequestStateSecurity(keys=keys, ttl=LASTS), default_audience=name)
