"""`adops-mcp doctor`: checks the settings, names their sources, and reads once from each vendor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from server.access.accounts_in_reach import CallerChoices, open_accounts
from server.clients import NoAccess, Wire, missing_of, sandbox_path
from server.configuration.accounts import DEFAULT, Account, account_in, accounts_of, state_suffix
from server.configuration.settings import (
    SECRETS,
    VENDOR_SETTINGS,
    Settings,
    misspelt_safety_settings,
    unknown_variables,
    variable,
)
from server.configuration.sources import source_of, variables
from server.ledger.entries import OperationFilter
from server.ledger.operations import Ledger
from server.writes.outcomes import moment
from server.writes.records import LedgerView, lost_operations, open_ledger
from tools.backends import Backends
from tools.catalogue import CATALOGUE
from tools.errors import AdOpsError
from tools.operations.models import Reachability
from tools.operations.vendor_checks import check_vendor
from tools.vendor_http.replies import printable
from tools.vendor_http.transport import Timing
from tools.vendors import TITLES, VendorName

_PREFIXES: dict[VendorName, str] = {
    "interchange": "interchange_",
    "freewheel": "freewheel_",
    "google_ad_manager": "gam_",
}


_MOST_CORRECTIONS = 5
"""How many corrected operations are shown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one vendor. mark: ok, off (not configured, by choice) or broken."""

    vendor: VendorName
    mark: str
    lines: list[str]

    def report(self) -> list[str]:
        return [f"[{self.mark}] {TITLES[self.vendor]}", *(f"    {line}" for line in self.lines)]


def run_doctor(settings: Settings) -> int:
    report, healthy = anyio.run(examine, settings)
    print(report)  # noqa: T201
    return 0 if healthy else 1


async def examine(settings: Settings, wire: Wire | None = None) -> tuple[str, bool]:
    """The report, and whether everything works that an offered tool needs."""
    accounts, wire = accounts_of(settings), wire or Wire()
    lines = [f"environment: {settings.environment} ({_origin('environment', settings)})"]
    findings: list[Finding] = []
    async with open_accounts(accounts, wire) as opened:
        for account in accounts:
            found = await _vendors(account, opened[account.name])
            findings += found
            lines += _heading(account) + [line for finding in found for line in finding.report()]
        backends = Backends(accounts=tuple(opened.values()))
        record, unknown = await _record(settings, accounts, backends, wire.timing)
    configured = any(len(missing_of(account)) < len(TITLES) for account in accounts)
    lines += [f"[{'ok' if record.next_step is None else 'broken'}] Record of writes", f"    {record.detail}"]
    lines += [f"    Next: {record.next_step}"] if record.next_step else []
    lines += [f"[warning] {line}" for line in unknown]
    choice = CallerChoices(accounts).unrestricted
    lines.append(
        f"tools: {len(choice.tools)} of {len(CATALOGUE)}"
        + (", none that writes (read-only)" if settings.read_only else ", writes included" if choice.writes else "")
    )
    given = variables(settings.env_file)
    misspelt = misspelt_safety_settings(given)
    lines.extend(f"[{'broken' if line in misspelt else 'warning'}] {line}" for line in unknown_variables(given))
    if not configured:
        lines.append(f"No vendor is configured for {settings.environment}, so there is no tool to serve.")
    return "\n".join(lines), configured and not misspelt and record.ok and all(
        finding.mark != "broken" for finding in findings
    )


def _heading(account: Account) -> list[str]:
    lines: list[str] = []
    if account.name:
        principals = "everybody with a valid token"
        if account.principals is not None:
            principals = ", ".join(sorted(account.principals)) or "nobody"
        lines.append(f"account {account.label}, for {principals}")
    if account.settings.environment == "sandbox":
        lines.append(f"state: {sandbox_path(account.settings, account.name)}")
    return lines


async def _vendors(account: Account, backends: Backends) -> list[Finding]:
    missing = missing_of(account)
    return [
        _without_access(vendor, missing[vendor], account.settings)
        if vendor in missing
        else await _reached(vendor, account.settings, backends)
        for vendor in TITLES
    ]


async def _record(
    settings: Settings, accounts: Sequence[Account], backends: Backends, timing: Timing
) -> tuple[Reachability, list[str]]:
    """Whether the ledger can be used, and warnings about it.

    One warning is about writes of accounts that are not configured, since they could be made twice.
    """
    record = open_ledger(settings, timing)
    try:
        found = await LedgerView(record, settings.settle_after).status(backends)
        tallies = await record.tally() if found.ok and settings.environment != "sandbox" else ()
        warnings = await _warnings(record) if found.ok else await _lost(record)
    finally:
        await record.close()
    known = {state_suffix(account.name) for account in accounts}
    unknown: Counter[str] = Counter()
    for tally in tallies:
        name = account_in(tally.scope, settings.environment)
        if name is not None and name not in known:
            unknown[name] += tally.count
    return found, warnings + [
        f"{count} writes on record belong to {f'account {name!r}' if name else 'this server without accounts'}, which "
        f"is not configured. If it has a new name now, name it {name or DEFAULT!r}, or these writes can be made twice."
        for name, count in unknown.items()
    ]


async def _lost(record: Ledger) -> list[str]:
    """What is missing from a ledger that was replaced by an older copy."""
    try:
        stopped = await record.stopped()
    except AdOpsError:
        return []
    return [f"missing from the record: {line}" for line in lost_operations(stopped)] if stopped else []


async def _warnings(record: Ledger) -> list[str]:
    """Warnings for the operator: what could make the ledger lose writes, and which operations were corrected."""
    warnings = list(await record.durability())
    corrected, total = await record.list(OperationFilter(corrected=True, limit=_MOST_CORRECTIONS))
    for operation in corrected:
        if (correction := operation.correction) is not None:
            warnings.append(f"{operation.id}, {moment(operation.created_at)}: {correction.what} {correction.next_step}")
    if total > len(corrected):
        warnings.append(f"{total - len(corrected)} more were corrected: `adops-mcp operations list` shows them.")
    for at, actor, note in (await record.restorations())[:1]:
        said = f"{actor}: {note}"
        warnings.append(
            f"The record was replaced by an older copy. Writes continued at {moment(at)}. {printable(said, limit=300)}"
        )
    return warnings


async def _reached(vendor: VendorName, settings: Settings, backends: Backends) -> Finding:
    lines = _describe_settings(vendor, settings)
    found = await check_vendor(vendor, backends)
    report = [*lines, found.detail, *([f"Next: {found.next_step}"] if found.next_step else [])]
    return Finding(vendor, "ok" if found.ok else "broken", report)


def _without_access(vendor: VendorName, missing: NoAccess, settings: Settings) -> Finding:
    if missing.incomplete:
        return Finding(vendor, "broken", [*_describe_settings(vendor, settings), f"Incomplete: {missing.fix}"])
    users = [entry.name for entry in CATALOGUE if vendor in entry.vendors]
    return Finding(vendor, "off", [f"Not configured: {missing.fix}", f"Used by: {', '.join(users)}."])


def _describe_settings(vendor: VendorName, settings: Settings) -> list[str]:
    fields = [field for field in Settings.model_fields if field.startswith(_PREFIXES[vendor])]
    name_of = str if settings.accounts_file else variable
    given = [f"{name_of(field)} ({_origin(field, settings)})" for field in fields if field in settings.model_fields_set]
    if settings.environment != "sandbox":
        return [f"Settings: {', '.join(given)}"] if given else []
    ignored = [f"Not used in the sandbox: {', '.join(given)}"] if given else []
    return ["Embedded, with its own credentials.", *ignored]


def _origin(field: str, settings: Settings) -> str:
    if settings.accounts_file is not None and field in VENDOR_SETTINGS:
        return "from the account's table"
    if field not in settings.model_fields_set:
        return "default"
    if source := source_of(field, settings.env_file):
        return f"from {source}"
    return "from the keyring" if settings.keyring and field in SECRETS else "given"
