"""The manifest of the bundle: what a client shows before it installs it, asks for, and starts."""

from __future__ import annotations

from typing import Any

import prompts
from prompts import Prompt
from server.configuration.settings import variable
from server.protocol.prompts import render
from tests.release.project import Field, form, project
from tools.catalogue import CATALOGUE

ENTRY = "main.py"
ICON = "icon.png"


def manifest() -> dict[str, Any]:
    """Of version 0.4, which is the first that lets the client bring Python and the dependencies, with uv.

    Every field of the form has a default, if only an empty one: Claude Desktop hands on `${user_config.x}` as it
    stands for a field without a value.
    """
    about, fields = project(), form()
    told: dict[str, Any] = {
        "manifest_version": "0.4",
        "name": about.name,
        "display_name": "Ad operations",
        "version": about.version,
        "description": about.description,
        "author": {"name": about.author},
        "icon": ICON,
        "server": {
            "type": "uv",
            "entry_point": ENTRY,
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", ENTRY],
                "env": {variable(field.name): f"${{user_config.{field.name}}}" for field in fields},
            },
        },
        "tools": [
            {"name": entry.name, "description": entry.tool.description.partition("\n\n")[0]} for entry in CATALOGUE
        ],
        "prompts": [_prompt(prompt) for prompt in prompts.load()],
        "user_config": {field.name: _asked(field) for field in fields},
    }
    if about.license is not None:
        told["license"] = about.license
    if about.is_owned:
        told["repository"] = {"type": "git", "url": about.repository}
    return told


def _prompt(prompt: Prompt) -> dict[str, Any]:
    """With its text as it is when every argument is given."""
    names = [argument.name for argument in prompt.arguments]
    return {
        "name": prompt.name,
        "description": prompt.description,
        "arguments": names,
        "text": render(prompt.text, {name: f"${{arguments.{name}}}" for name in names}),
    }


def _asked(field: Field) -> dict[str, Any]:
    asked = {
        "type": field.kind,
        "title": field.title,
        "description": field.description,
        "required": False,
        "default": field.default,
    }
    return {**asked, "sensitive": True} if field.secret else asked
