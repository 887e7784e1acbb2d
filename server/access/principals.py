"""Who calls and what they may do: whose token it is over HTTP, or the user of this machine on stdio."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, principal_components
from mcp.server.context import ServerRequestContext

from server.access.authentication import APPROVE, READ, WRITE
from server.ledger.entries import digest
from server.writes.records import LedgerView, user
from server.writes.write_call import Asker, Caller
from tools.catalogue import Entry
from tools.errors import NotPermitted
from tools.tool import AnyTool, Read
from tools.vendor_http.replies import printable


def caller_of(context: ServerRequestContext[Any], asker: Asker | None = None) -> Caller:
    """Whoever makes the call at hand, with what its client calls itself."""
    client = context.session.client_params.client_info if context.session.client_params else None
    named = printable(f"{client.name} {client.version}", limit=120) if client else "a client that gave no name"
    token = get_access_token()
    if token is None:
        return Caller(f"{user()} through {named}", asker)
    who = printable(token.subject or token.client_id, limit=120)
    through = "" if token.client_id == who else f" by way of {printable(token.client_id, limit=120)}"
    return Caller(f"{who}{through} through {named}", asker, identity_of(token), frozenset(token.scopes))


def identity_of(token: AccessToken) -> str:
    """Names whose token it is, whatever else is in it."""
    return digest(principal_components(token))


def may_read() -> bool:
    return _may(READ)


def may_use(entry: Entry) -> bool:
    """Whether a tool is listed for whoever makes the call at hand."""
    return _may(_scope_for(reads=entry.reads))


def permitted(tool: AnyTool, caller: Caller) -> None:
    """Raises NotPermitted."""
    needed = _scope_for(reads=isinstance(tool.effect, Read))
    if caller.scopes is not None and needed not in caller.scopes:
        raise NotPermitted(
            f"{tool.name} needs the scope {needed}, which your token does not have. Nothing was sent.",
            next_step="The person who gave you the token asks the operator for one with that scope.",
        )


def seen_by(caller: Caller, record: LedgerView) -> LedgerView:
    """Operations of others are for those who approve; their doubts are for those who write."""
    if caller.scopes is None:
        return record
    only_of = None if APPROVE in caller.scopes else caller.id
    settles, actor = WRITE in caller.scopes, f"{caller.principal}, through reconcile_operation"
    return replace(record, only_of=only_of, may_settle=settles, actor=actor)


def _scope_for(*, reads: bool) -> str:
    """As with `--read-only`: what only reads, and everything else."""
    return READ if reads else WRITE


def _may(scope: str) -> bool:
    token = get_access_token()
    return token is None or scope in token.scopes
