"""Where one caller's calls may work: the accounts that are for them, the tools that these offer, and their clients."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server.access.availability import offer
from server.clients import Shared, Wire, open_backends
from server.configuration.accounts import Account, spelt
from tools.backends import Backends
from tools.catalogue import BY_NAME, CATALOGUE, Entry
from tools.tool import AnyTool, Write

if TYPE_CHECKING:
    from mcp.server.auth.provider import AccessToken

    from tools.backends import Ledger

AccountNames = tuple[tuple[str, str], ...]
"""The accounts that a call names one of: name and title of each."""

_NONE_FOR_YOU = "No account of this server is for you: the operator lists who may use which in ADOPS_ACCOUNTS_FILE."


@dataclass(frozen=True, slots=True)
class Choice:
    """What there is for one caller. among: the accounts that a call of a tool names one of, where the caller has
    several; also where one of them alone has the tool's vendor, so that nothing is done in another than was meant.
    only: the account of a caller who has one alone. A tool of this server itself, with several, is in neither."""

    accounts: tuple[Account, ...]
    tools: Mapping[str, Entry]
    left_out: Mapping[str, str]
    among: Mapping[str, AccountNames]
    only: Mapping[str, str]

    def names_for(self, tools: Collection[str]) -> tuple[str, ...]:
        """Those of the accounts that have all of these tools, where there is more than one."""
        having = [{name for name, _ in self.among[tool]} for tool in tools if tool in self.among]
        return tuple(name for name in self.names if all(name in names for names in having))

    @property
    def writes(self) -> bool:
        """Whether a tool of it changes something at a vendor."""
        return any(entry.effect is Write for entry in self.tools.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Of the accounts, where there is more than one."""
        return tuple(account.name for account in self.accounts) if len(self.accounts) > 1 else ()


class Choices:
    """The choices of all callers; made once for each set of accounts."""

    def __init__(self, accounts: tuple[Account, ...]) -> None:
        self._accounts = accounts
        self._offers = {account.name: offer(account.settings) for account in accounts}
        self._made: dict[tuple[str, ...], Choice] = {}

    def of(self, token: AccessToken | None) -> Choice:
        accounts = tuple(account for account in self._accounts if account.is_open_to(token))
        names = tuple(account.name for account in accounts)
        if names not in self._made:
            self._made[names] = self._choice(accounts)
        return self._made[names]

    @property
    def whole(self) -> Choice:
        """What there is for who may use everything."""
        return self.of(None)

    def _choice(self, accounts: tuple[Account, ...]) -> Choice:
        tools: dict[str, Entry] = {}
        left_out: dict[str, str] = {}
        among: dict[str, AccountNames] = {}
        only: dict[str, str] = {}
        for entry in CATALOGUE:
            # who may use no account still sees what this server is
            looked_at = accounts if entry.vendors else (accounts or self._accounts)
            reasons = {account.name: spelt(self._left_out(account, entry), account.name) for account in looked_at}
            offering = [account for account in looked_at if not reasons[account.name]]
            if not offering:
                left_out[entry.name] = _reason(reasons)
                continue
            tools[entry.name] = entry
            if len(accounts) == 1:
                only[entry.name] = accounts[0].name
            elif entry.vendors:
                among[entry.name] = tuple((account.name, account.title) for account in offering)
        return Choice(accounts, tools, left_out, among, only)

    def _left_out(self, account: Account, entry: Entry) -> str:
        return self._offers[account.name].left_out.get(entry.name, "")


def _reason(reasons: Mapping[str, str]) -> str:
    if len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return " ".join(f"{name}: {why}" for name, why in reasons.items()) or _NONE_FOR_YOU


@dataclass(frozen=True, slots=True)
class Places:
    """A choice with the clients of its accounts. opened: of every account of the server. record: as this caller sees
    it."""

    choice: Choice
    opened: Mapping[str, Backends]
    record: Ledger | None = None

    @classmethod
    def only(cls, backends: Backends) -> Places:
        """The one account of a server that has no names for them."""
        choice = Choice((), BY_NAME, {}, {}, dict.fromkeys(BY_NAME, backends.account))
        return cls(choice, {backends.account: backends}, backends.ledger)

    def at(self, tool: AnyTool, account: str) -> Backends:
        """What a call of a tool works with. account: as the caller named it; empty where there was nothing to name."""
        name = account or self.choice.only.get(tool.name)
        if name is not None:
            return self.account(name)
        reached = tuple(self.account(account.name) for account in self.choice.accounts)
        tokens = next(iter(self.opened.values())).sent_tokens
        return Backends(accounts=reached, ledger=self.record, left_out=dict(self.choice.left_out), sent_tokens=tokens)

    def account(self, name: str) -> Backends:
        return replace(self.opened[name], ledger=self.record, left_out=dict(self.choice.left_out))


@asynccontextmanager
async def open_accounts(accounts: tuple[Account, ...], wire: Wire) -> AsyncGenerator[dict[str, Backends]]:
    """The clients of each account, by its name."""
    shared = Shared()
    async with AsyncExitStack() as stack:
        opened: dict[str, Backends] = {}
        for account in accounts:
            opening = open_backends(account.settings, wire, account=account.name, shared=shared)
            opened[account.name] = await stack.enter_async_context(opening)
        yield opened
