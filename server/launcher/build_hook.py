"""How the launcher gets to the top of the wheel, beside nothing: hatchling runs this while it builds.

An editable install takes the launcher from its own folder, so that it finds the repository from there. A setting of
pyproject.toml would copy it into that install too.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LauncherAtTheTop(BuildHookInterface[Any]):
    """Puts `server/launcher/adops_mcp` into the wheel as `adops_mcp`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """version: `standard` for a wheel, `editable` for an editable install."""
        if version == "standard":
            build_data["force_include"]["server/launcher/adops_mcp"] = "adops_mcp"
