"""Principals: who makes a call and what they may do. Over HTTP the token says so; on stdio it is this machine's
user."""

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
    """The caller of the current call, with the name that its client gives."""
    client = context.session.client_params.client_info if context.session.client_params else None
    named = printable(f"{client.name} {client.version}", limit=120) if client else "a client that gave no name"
    token = get_access_token()
    if token is None:
        return Caller(f"{user()} through {named}", asker)
    who = printable(token.subject or token.client_id, limit=120)
    through = "" if token.client_id == who else f" by way of {printable(token.client_id, limit=120)}"
    return Caller(f"{who}{through} through {named}", asker, identity_of(token), frozenset(token.scopes))


def identity_of(token: AccessToken) -> str:
    """Names the owner of a token, whatever else the token says."""
    return digest(principal_components(token))


def may_read() -> bool:
    return _may(READ)


def may_use(entry: Entry) -> bool:
    """Whether the caller of the current request may use a tool."""
    return _may(_scope_for(reads=entry.reads))


def check_permitted(tool: AnyTool, caller: Caller) -> None:
    """Raises NotPermitted when the caller has not the scope that the tool needs."""
    needed = _scope_for(reads=isinstance(tool.effect, Read))
    if caller.scopes is not None and needed not in caller.scopes:
        raise NotPermitted(
            f"{tool.name} needs the scope {needed}, which your token does not have. Nothing was sent.",
            next_step="The person who gave you the token asks the operator for one with that scope.",
        )


def ledger_for(caller: Caller, ledger: LedgerView) -> LedgerView:
    """The ledger as the caller may see it: others' operations with the scope approve, settling their doubts with
    write."""
    if caller.scopes is None:
        return ledger
    only_of = None if APPROVE in caller.scopes else caller.id
    settles, actor = WRITE in caller.scopes, f"{caller.principal}, through reconcile_operation"
    return replace(ledger, only_of=only_of, may_settle=settles, actor=actor)


def _scope_for(*, reads: bool) -> str:
    """The scope that a tool needs. A probe needs the scope of a write, as `--read-only` leaves it out too."""
    return READ if reads else WRITE


def _may(scope: str) -> bool:
    token = get_access_token()
    return token is None or scope in token.scopes
