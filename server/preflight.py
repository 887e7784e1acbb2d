"""What has to hold before anything is served, over whichever transport."""

from __future__ import annotations

import logging
import sys

from server.access.accounts_in_reach import Choices
from server.clients import check_proxies, missing_of, open_sandbox
from server.configuration.accounts import Account, accounts_of
from server.configuration.settings import NoAccess, Settings, SettingsError, misspelt_safety_settings, unknown_variables
from server.configuration.sources import variables
from tools.vendors import TITLES, VendorName

logger = logging.getLogger(__name__)


def unusable(problem: SettingsError) -> int:
    """The exit code for settings that cannot be used, after saying on stderr what is wrong with them."""
    print(f"adops-mcp: these settings cannot be used:\n{problem}", file=sys.stderr)  # noqa: T201
    return 2


def may_start(settings: Settings) -> bool:
    """Says on stderr why not: with no vendor or no tool a client would only see an empty server.

    Raises SettingsError when the file of accounts, the sandbox's state or a proxy cannot be used.
    """
    given = variables(settings.env_file)
    if misspelt := misspelt_safety_settings(given):
        print("adops-mcp: not started, as tools that are meant to be left out would be offered:", file=sys.stderr)  # noqa: T201
        for line in misspelt:
            print(f"  {line}", file=sys.stderr)  # noqa: T201
        return False
    if sys.flags.optimize >= 2:
        print("adops-mcp: not started: -OO (PYTHONOPTIMIZE=2) takes away what tools are described by.", file=sys.stderr)  # noqa: T201
        return False
    accounts = accounts_of(settings)
    missing: list[tuple[Account, VendorName, NoAccess]] = [
        (account, vendor, way) for account in accounts for vendor, way in missing_of(account).items()
    ]
    if len(missing) == len(TITLES) * len(accounts):
        print(f"adops-mcp: no vendor is configured for {settings.environment}, so there is no tool:", file=sys.stderr)  # noqa: T201
        for account, vendor, way in missing:
            print(f"  {account.name}{' ' if account.name else ''}{vendor}: {way.fix}", file=sys.stderr)  # noqa: T201
        print("Or leave ADOPS_ENVIRONMENT out to use the sandbox.", file=sys.stderr)  # noqa: T201
        return False
    choice = Choices(accounts).whole
    if not choice.tools:
        print("adops-mcp: of the chosen tools none is left to offer:", file=sys.stderr)  # noqa: T201
        for why in dict.fromkeys(choice.left_out.values()):
            print(f"  {why}", file=sys.stderr)  # noqa: T201
        return False
    if settings.environment == "sandbox":
        for account in accounts:
            open_sandbox(settings, account=account.name).close()
    check_proxies(settings)
    for line in unknown_variables(given):
        logger.warning(line)
    for account, vendor, way in missing:
        if way.incomplete:
            logger.warning("%s is left out: %s", f"{TITLES[vendor]} {account.name}".strip(), way.fix)
    return True
