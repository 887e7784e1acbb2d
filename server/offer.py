"""Which tools this server offers, and why the others are left out."""

from __future__ import annotations

from dataclasses import dataclass

from server.settings import Settings
from server.vendors import missing_vendors
from tools.backends import TITLES
from tools.catalogue import CATALOGUE
from tools.tool import AnyTool, Read


@dataclass(frozen=True, slots=True)
class Offer:
    """left_out: for each tool that is not offered, why, and the setting that decides it."""

    tools: tuple[AnyTool, ...]
    left_out: dict[str, str]


def offer(settings: Settings) -> Offer:
    """Read-only wins over every choice; a choice of toolsets and tools over what is configured."""
    missing = missing_vendors(settings)
    left_out: dict[str, str] = {}
    for tool in CATALOGUE:
        if settings.read_only and not isinstance(tool.effect, Read):
            left_out[tool.name] = "This server is read-only (ADOPS_READ_ONLY or --read-only)."
        elif not _is_chosen(tool, settings):
            left_out[tool.name] = (
                "It is not among the chosen tools (ADOPS_TOOLSETS or --toolsets, ADOPS_TOOLS or --tools)."
            )
        elif tool.vendors and all(vendor in missing for vendor in tool.vendors):
            ways = [f"{TITLES[vendor]} is not configured: {missing[vendor].fix}" for vendor in sorted(tool.vendors)]
            left_out[tool.name] = " Or: ".join(ways)
    return Offer(tuple(tool for tool in CATALOGUE if tool.name not in left_out), left_out)


def _is_chosen(tool: AnyTool, settings: Settings) -> bool:
    if not settings.toolsets and not settings.tools:
        return True
    return tool.toolset in settings.toolsets or tool.name in settings.tools
