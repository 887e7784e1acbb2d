"""`adops-mcp doctor`: are the settings complete, where did they come from, and does each vendor answer?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from server.access.accounts_in_reach import Choices, open_accounts
from server.clients import NoAccess, Wire, missing_of, sandbox_path
from server.configuration.accounts import DEFAULT, Account, account_in, accounts_of, own
from server.configuration.settings import SECRETS, VENDORS_OWN, Settings, misspelt_choices, unknown_variables, variable
from server.configuration.sources import place_of, variables
from server.ledger.entries import Wanted
from server.ledger.operations import Operations
from server.writes.outcomes import moment
from server.writes.records import RecordView, open_record, told_lost
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


_SHOWN = 5
"""Operations of which the record had something else that are shown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """mark: ok, off (not configured, by choice) or broken."""

    vendor: VendorName
    mark: str
    lines: list[str]

    def told(self) -> list[str]:
        return [f"[{self.mark}] {TITLES[self.vendor]}", *(f"    {line}" for line in self.lines)]


def run_doctor(settings: Settings) -> int:
    report, healthy = anyio.run(examine, settings)
    print(report)  # noqa: T201
    return 0 if healthy else 1


async def examine(settings: Settings, wire: Wire | None = None) -> tuple[str, bool]:
    """The report, and whether everything that an offered tool needs works."""
    accounts, wire = accounts_of(settings), wire or Wire()
    lines = [f"environment: {settings.environment} ({_origin('environment', settings)})"]
    findings: list[Finding] = []
    async with open_accounts(accounts, wire) as opened:
        for account in accounts:
            found = await _vendors(account, opened[account.name])
            findings += found
            lines += _heading(account) + [line for finding in found for line in finding.told()]
        places = Backends(accounts=tuple(opened.values()))
        record, forgotten = await _record(settings, accounts, places, wire.timing)
    configured = any(len(missing_of(account)) < len(TITLES) for account in accounts)
    lines += [f"[{'ok' if record.next_step is None else 'broken'}] Record of writes", f"    {record.detail}"]
    lines += [f"    Next: {record.next_step}"] if record.next_step else []
    lines += [f"[warning] {line}" for line in forgotten]
    choice = Choices(accounts).whole
    lines.append(
        f"tools: {len(choice.tools)} of {len(CATALOGUE)}"
        + (", none that writes (read-only)" if settings.read_only else ", writes included" if choice.writes else "")
    )
    given = variables(settings.env_file)
    misspelt = misspelt_choices(given)
    lines.extend(f"[{'broken' if line in misspelt else 'warning'}] {line}" for line in unknown_variables(given))
    if not configured:
        lines.append(f"No vendor is configured for {settings.environment}, so there is no tool to serve.")
    return "\n".join(lines), configured and not misspelt and record.ok and all(
        finding.mark != "broken" for finding in findings
    )


def _heading(account: Account) -> list[str]:
    lines: list[str] = []
    if account.name:
        for_whom = ", ".join(sorted(account.who)) or "nobody" if account.who is not None else "everybody who is let in"
        lines.append(f"account {account.told}, for {for_whom}")
    if account.settings.environment == "sandbox":
        lines.append(f"state: {sandbox_path(account.settings, account.name)}")
    return lines


async def _vendors(account: Account, backends: Backends) -> list[Finding]:
    missing = missing_of(account)
    return [
        _away(vendor, missing[vendor], account.settings)
        if vendor in missing
        else await _reached(vendor, account.settings, backends)
        for vendor in TITLES
    ]


async def _record(
    settings: Settings, accounts: Sequence[Account], places: Backends, timing: Timing
) -> tuple[Reachability, list[str]]:
    """Whether it can be used, and what it holds of accounts that there are not: their writes could be made twice."""
    record = open_record(settings, timing)
    try:
        found = await RecordView(record, settings.settle_after).status(places)
        tallies = await record.tally() if found.ok and settings.environment != "sandbox" else ()
        warnings = await _warnings(record) if found.ok else await _lost(record)
    finally:
        await record.close()
    known = {own(account.name) for account in accounts}
    forgotten: Counter[str] = Counter()
    for tally in tallies:
        name = account_in(tally.scope, settings.environment)
        if name is not None and name not in known:
            forgotten[name] += tally.count
    return found, warnings + [
        f"{count} writes on record are of {f'account {name!r}' if name else 'this server without accounts'}, which is "
        f"not configured: if that is now another name here, name it {name or DEFAULT!r}, or they can be made twice."
        for name, count in forgotten.items()
    ]


async def _lost(record: Operations) -> list[str]:
    """What is missing from a record that went back in time."""
    try:
        stopped = await record.stopped()
    except AdOpsError:
        return []
    return [f"not in the record any more: {line}" for line in told_lost(stopped)] if stopped else []


async def _warnings(record: Operations) -> list[str]:
    """What the operator looks at: what could make the record forget, and what it had wrong."""
    told = list(await record.durability())
    corrected, total = await record.list(Wanted(corrected=True, limit=_SHOWN))
    for operation in corrected:
        if (correction := operation.correction) is not None:
            told.append(f"{operation.id}, {moment(operation.created_at)}: {correction.what} {correction.next_step}")
    if total > len(corrected):
        told.append(f"{total - len(corrected)} more are like that: `adops-mcp operations list` has them.")
    for at, actor, note in (await record.restorations())[:1]:
        said = f"{actor}: {note}"
        told.append(f"The record went back in time, and writes went on at {moment(at)}. {printable(said, limit=300)}")
    return told


async def _reached(vendor: VendorName, settings: Settings, backends: Backends) -> Finding:
    lines = _given(vendor, settings)
    found = await check_vendor(vendor, backends)
    told = [*lines, found.detail, *([f"Next: {found.next_step}"] if found.next_step else [])]
    return Finding(vendor, "ok" if found.ok else "broken", told)


def _away(vendor: VendorName, away: NoAccess, settings: Settings) -> Finding:
    if away.incomplete:
        return Finding(vendor, "broken", [*_given(vendor, settings), f"Incomplete: {away.fix}"])
    users = [entry.name for entry in CATALOGUE if vendor in entry.vendors]
    return Finding(vendor, "off", [f"Not configured: {away.fix}", f"Used by: {', '.join(users)}."])


def _given(vendor: VendorName, settings: Settings) -> list[str]:
    fields = [field for field in Settings.model_fields if field.startswith(_PREFIXES[vendor])]
    spelling = str if settings.accounts_file else variable
    given = [
        f"{spelling(field)} ({_origin(field, settings)})" for field in fields if field in settings.model_fields_set
    ]
    if settings.environment != "sandbox":
        return [f"Settings: {', '.join(given)}"] if given else []
    ignored = [f"Not used in the sandbox: {', '.join(given)}"] if given else []
    return ["Embedded, with its own credentials.", *ignored]


def _origin(field: str, settings: Settings) -> str:
    if settings.accounts_file is not None and field in VENDORS_OWN:
        return "from the account's table"
    if field not in settings.model_fields_set:
        return "default"
    if place := place_of(field, settings.env_file):
        return f"from {place}"
    return "from the keyring" if settings.keyring and field in SECRETS else "given"
