"""Asking the person in the client before a consequential write, in both eras of the protocol.

Up to 2025-11-25 the server sends the client a request and waits for its answer. From 2026-07-28 on the call is answered
with the question, and the client makes the call again with the person's answer. What it then brings back is sealed by
the SDK's RequestStateBoundary: bound to tool, arguments and principal, and valid for a few minutes. The sealed state
holds what was asked, so that an answer counts only for what the person read, and a name of its own, so that it counts
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

from server.writes.write_call import NeedsInput, PersonsAnswer
from tools.errors import Unavailable

LASTS = 600.0
"""Seconds for which a question may be answered."""

_KEY = "confirm"
_NOTHING_TO_FILL_IN: dict[str, Any] = {"type": "object", "properties": {}}


def asker_of(context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> ClientAsker | None:
    """The asker for the client that made the call. None when it cannot show its person a question."""
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

    async def ask(self, question: str, agreement: str) -> PersonsAnswer:
        """Raises NeedsInput where the client has to make the call again with the answer."""
        if self._context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return self._brought_answer(question, agreement)
        try:
            answer = await self._context.session.elicit_form(
                question, _NOTHING_TO_FILL_IN, related_request_id=self._context.request_id
            )
        except MCPError:
            raise Unavailable(
                "The client did not show the person the question that has to be answered first. Nothing was sent.",
                next_step="Make the same call again. If it stays so, the operator sets who confirms: ADOPS_CONFIRM.",
            ) from None
        return PersonsAnswer(answer.action, secrets.token_hex(16))

    def _brought_answer(self, question: str, agreement: str) -> PersonsAnswer:
        """The answer that the call brings with it. Raises NeedsInput when it has none for this question."""
        answer = (self._params.input_responses or {}).get(_KEY)
        agreed_to, _, name = (self._params.request_state or "").partition(":")
        if agreed_to == agreement and name and isinstance(answer, types.ElicitResult):
            return PersonsAnswer(answer.action, name)
        request = types.ElicitRequest(
            params=types.ElicitRequestFormParams(message=question, requested_schema=_NOTHING_TO_FILL_IN)
        )
        state = f"{agreement}:{secrets.token_hex(16)}"
        raise NeedsInput(types.InputRequiredResult(input_requests={_KEY: request}, request_state=state))


def sealed(name: str, key: SecretStr | None) -> RequestStateBoundary:
    """The middleware that seals the state which a client brings back. key: shared by replicas; None makes one for this
    process."""
    keys = [key.get_secret_value() if key is not None else secrets.token_urlsafe(32)]
    return RequestStateBoundary(RequestStateSecurity(keys=keys, ttl=LASTS), default_audience=name)
