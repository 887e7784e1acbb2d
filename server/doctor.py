"""`adops-mcp doctor`: are the settings complete, where did they come from, and does each vendor answer?"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from server.offer import Offer, offer
from server.record import RecordView, open_record
from server.settings import Settings, misspelt_choices, unknown_variables, variable
from server.vendors import NoAccess, Wire, missing_vendors, open_backends, sandbox_path
from tools.backends import TITLES, Backends
from tools.catalogue import CATALOGUE
from tools.operations.reach import Reached, reach
from tools.tool import VendorName, Write

_PREFIXES: dict[VendorName, str] = {
    "interchange": "interchange_",
    "freewheel": "freewheel_",
    "google_ad_manager": "gam_",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """mark: ok, off (not configured, by choice) or broken."""

    vendor: VendorName
    mark: str
    lines: list[str]


def run_doctor(settings: Settings) -> int:
    report, healthy = anyio.run(examine, settings)
    print(report)  # noqa: T201
    return 0 if healthy else 1


async def examine(settings: Settings, wire: Wire | None = None) -> tuple[str, bool]:
    """The report, and whether everything that an offered tool needs works."""
    missing = missing_vendors(settings)
    findings: list[Finding] = []
    async with open_backends(settings, wire) as backends:
        for vendor in TITLES:
            away = missing.get(vendor)
            if away is None:
                findings.append(await _reached(vendor, settings, backends))
            else:
                findings.append(_away(vendor, away, settings))
        record = await _record(settings, backends, (wire or Wire()).timing.now)
    configured = len(missing) < len(TITLES)
    lines = [f"environment: {settings.environment} ({_origin('environment', settings)})"]
    if settings.environment == "sandbox":
        lines.append(f"state: {sandbox_path(settings)}")
    for finding in findings:
        lines.append(f"[{finding.mark}] {TITLES[finding.vendor]}")
        lines.extend(f"    {line}" for line in finding.lines)
    if record.next_step is None:
        lines.append(f"[ok] Record of writes\n    {record.said}")
    else:
        lines.append(f"[broken] Record of writes\n    {record.said}\n    Next: {record.next_step}")
    offered = offer(settings)
    lines.append(
        f"tools: {len(offered.tools)} of {len(CATALOGUE)}"
        + (", none that writes (read-only)" if settings.read_only else ", writes included" if _writes(offered) else "")
    )
    misspelt = misspelt_choices()
    lines.extend(f"[{'broken' if line in misspelt else 'warning'}] {line}" for line in unknown_variables())
    if not configured:
        lines.append(f"No vendor is configured for {settings.environment}, so there is no tool to serve.")
    return "\n".join(lines), configured and not misspelt and record.ok and all(
        finding.mark != "broken" for finding in findings
    )


async def _record(settings: Settings, backends: Backends, now: Callable[[], float]) -> Reached:
    record = open_record(settings, now)
    try:
        return await RecordView(record, settings.settle_after).look(backends)
    finally:
        await record.close()


async def _reached(vendor: VendorName, settings: Settings, backends: Backends) -> Finding:
    lines = _given(vendor, settings)
    found = await reach(vendor, backends)
    if found.ok:
        return Finding(vendor, "ok", [*lines, found.said])
    return Finding(vendor, "broken", [*lines, found.said, f"Next: {found.next_step}"])


def _writes(offered: Offer) -> bool:
    return any(isinstance(tool.effect, Write) for tool in offered.tools)


def _away(vendor: VendorName, away: NoAccess, settings: Settings) -> Finding:
    if away.incomplete:
        return Finding(vendor, "broken", [*_given(vendor, settings), f"Incomplete: {away.fix}"])
    users = [tool.name for tool in CATALOGUE if vendor in tool.vendors]
    return Finding(vendor, "off", [f"Not configured: {away.fix}", f"Used by: {', '.join(users)}."])


def _given(vendor: VendorName, settings: Settings) -> list[str]:
    fields = [field for field in Settings.model_fields if field.startswith(_PREFIXES[vendor])]
    given = [
        f"{variable(field)} ({_origin(field, settings)})" for field in fields if field in settings.model_fields_set
    ]
    if settings.environment != "sandbox":
        return [f"Settings: {', '.join(given)}"] if given else []
    ignored = [f"Not used in the sandbox: {', '.join(given)}"] if given else []
    return ["Embedded, with its own credentials.", *ignored]


def _origin(field: str, settings: Settings) -> str:
    if variable(field) in os.environ:
        return "from the environment"
    return "given" if field in settings.model_fields_set else "default"
