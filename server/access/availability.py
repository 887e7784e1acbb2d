"""Which tools the settings leave out, and why."""

from __future__ import annotations

from server.clients import missing_vendors
from server.configuration.settings import Settings
from tools.catalogue import CATALOGUE, Entry
from tools.vendors import TITLES


def left_out_tools(settings: Settings) -> dict[str, str]:
    """For each tool that is not offered, the reason with the setting that decides it.

    Read-only wins over every choice of tools, and a choice of tools over what is configured.
    """
    missing = missing_vendors(settings)
    left_out: dict[str, str] = {}
    for entry in CATALOGUE:
        if settings.read_only and not entry.reads:
            left_out[entry.name] = "This server is read-only (ADOPS_READ_ONLY or --read-only)."
        elif not _is_chosen(entry, settings):
            left_out[entry.name] = (
                "It is not among the chosen tools (ADOPS_TOOLSETS or --toolsets, ADOPS_TOOLS or --tools)."
            )
        elif entry.vendors and all(vendor in missing for vendor in entry.vendors):
            ways = [f"{TITLES[vendor]} is not configured: {missing[vendor].fix}" for vendor in sorted(entry.vendors)]
            left_out[entry.name] = " Or: ".join(ways)
    return left_out


def _is_chosen(entry: Entry, settings: Settings) -> bool:
    if not settings.toolsets and not settings.tools:
        return True
    return entry.toolset in settings.toolsets or entry.name in settings.tools
