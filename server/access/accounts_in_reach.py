"""What one caller can reach: the accounts that they may use, the tools that these offer, and their vendors' clients."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server.access.availability import left_out_tools
from server.clients import Shared, Wire, open_backends
from server.configuration.accounts import Account, name_settings_of
from tools.backends import Backends
from tools.catalogue import BY_NAME, CATALOGUE, Entry
from tools.tool import AnyTool, Write

if TYPE_CHECKING:
    from mcp.server.auth.provider import AccessToken

    from tools.backends import Ledger

AccountNames = tuple[tuple[str, str], ...]
"""Accounts of which a call names one: the name and the title of each."""

_NONE_FOR_YOU = "No account of this server is for you: the operator lists who may use which in ADOPS_ACCOUNTS_FILE."


@dataclass(frozen=True, slots=True)
class CallerChoice:
    """The accounts and tools of one caller.

    left_out: for each tool that is not offered to them, the reason. account_names: for each tool, the accounts of which
    a call has to name one. A caller with several accounts also names one where only one of them has the tool's vendor,
    so that nothing is done in another account than was meant. single_account: for each tool, the account of a caller
    who has only one. A tool about this server itself is in neither, where there are several accounts.
    """

    accounts: tuple[Account, ...]
    tools: Mapping[str, Entry]
    left_out: Mapping[str, str]
    account_names: Mapping[str, AccountNames]
    single_account: Mapping[str, str]

    def names_with(self, tools: Collection[str]) -> tuple[str, ...]:
        """The names of the accounts that have all of these tools. Empty where the caller has one account."""
        having = [{name for name, _ in self.account_names[tool]} for tool in tools if tool in self.account_names]
        return tuple(name for name in self.names if all(name in names for names in having))

    @property
    def writes(self) -> bool:
        """Whether one of the tools changes something at a vendor."""
        return any(entry.effect is Write for entry in self.tools.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the accounts. Empty where the caller has one account."""
        return tuple(account.name for account in self.accounts) if len(self.accounts) > 1 else ()


class CallerChoices:
    """The choice of each caller, made once for each set of accounts."""

    def __init__(self, accounts: tuple[Account, ...]) -> None:
        self._accounts = accounts
        self._left_out = {account.name: left_out_tools(account.settings) for account in accounts}
        self._made: dict[tuple[str, ...], CallerChoice] = {}

    def of(self, token: AccessToken | None) -> CallerChoice:
        """The choice of the caller with this token. None: the user of this machine, on stdio."""
        accounts = tuple(account for account in self._accounts if account.is_open_to(token))
        names = tuple(account.name for account in accounts)
        if names not in self._made:
            self._made[names] = self._choice(accounts)
        return self._made[names]

    @property
    def unrestricted(self) -> CallerChoice:
        """The choice of a caller who may use every account."""
        return self.of(None)

    def _choice(self, accounts: tuple[Account, ...]) -> CallerChoice:
        tools: dict[str, Entry] = {}
        left_out: dict[str, str] = {}
        account_names: dict[str, AccountNames] = {}
        single_account: dict[str, str] = {}
        for entry in CATALOGUE:
            # a caller who may use no account still sees the tools about this server itself
            candidates = accounts if entry.vendors else (accounts or self._accounts)
            reasons = {
                account.name: name_settings_of(self._reason(account, entry), account.name) for account in candidates
            }
            offering = [account for account in candidates if not reasons[account.name]]
            if not offering:
                left_out[entry.name] = _combined(reasons)
                continue
            tools[entry.name] = entry
            if len(accounts) == 1:
                single_account[entry.name] = accounts[0].name
            elif entry.vendors:
                account_names[entry.name] = tuple((account.name, account.title) for account in offering)
        return CallerChoice(accounts, tools, left_out, account_names, single_account)

    def _reason(self, account: Account, entry: Entry) -> str:
        """Why an account does not offer a tool. Empty when it does."""
        return self._left_out[account.name].get(entry.name, "")


def _combined(reasons: Mapping[str, str]) -> str:
    if len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return " ".join(f"{name}: {why}" for name, why in reasons.items()) or _NONE_FOR_YOU


@dataclass(frozen=True, slots=True)
class ReachableAccounts:
    """A caller's choice, with the vendors' clients. opened: of every account of the server. ledger: as this caller
    sees it."""

    choice: CallerChoice
    opened: Mapping[str, Backends]
    ledger: Ledger | None = None

    @classmethod
    def single(cls, backends: Backends) -> ReachableAccounts:
        """The one account of a server without named accounts."""
        choice = CallerChoice((), BY_NAME, {}, {}, dict.fromkeys(BY_NAME, backends.account))
        return cls(choice, {backends.account: backends}, backends.ledger)

    def backends_for(self, tool: AnyTool, account: str) -> Backends:
        """The clients that a call of a tool works with. account: as the call names it, or empty."""
        name = account or self.choice.single_account.get(tool.name)
        if name is not None:
            return self.account(name)
        reached = tuple(self.account(account.name) for account in self.choice.accounts)
        tokens = next(iter(self.opened.values())).sent_tokens
        return Backends(accounts=reached, ledger=self.ledger, left_out=dict(self.choice.left_out), sent_tokens=tokens)

    def account(self, name: str) -> Backends:
        """The clients of one account."""
        return replace(self.opened[name], ledger=self.ledger, left_out=dict(self.choice.left_out))


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
