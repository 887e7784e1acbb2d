"""server.json, by which the MCP registry lists the server: `python -m tests.release.registry` checks it, and `--write`
makes it. It names three packages: the bundle, the image and the wheel.

The registry takes an image or a wheel only if that says whose server it is: the image by a label in the Dockerfile, the
wheel by a line of README.md, which is its description. Both are checked and made here too. At a release, `--bundle
FILE` prints server.json with the checksum of that bundle: what is handed to `mcp-publisher publish`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from server.configuration.settings import variable
from tests.release.dockerfile import DOCKERFILE
from tests.release.project import NOBODY, ROOT, Field, Project, form, project

SERVER_JSON = ROOT / "server.json"
README = ROOT / "README.md"
MEND = "python -m tests.release.registry --write"
LABEL = "io.modelcontextprotocol.server.name"
MARK = "mcp-name"
SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
LONGEST_DESCRIPTION = 100

_FORMATS = {"string": "string", "boolean": "boolean", "file": "filepath", "directory": "filepath"}


class NotReleased(Exception):
    """There is nothing to publish; the message says what is missing."""


def document(about: Project, checksum: str | None = None) -> dict[str, Any]:
    """checksum: SHA-256 of the bundle, which is known only once it is made, and without which it is not published."""
    return {
        "$schema": SCHEMA,
        "name": about.registry_name,
        "title": "Ad operations",
        "description": about.description.partition(":")[0] + ".",
        "repository": {"url": about.repository, "source": "github"},
        "version": about.version,
        "packages": [_bundle(about, checksum), _image(about), _wheel(about)],
    }


def _bundle(about: Project, checksum: str | None) -> dict[str, Any]:
    address = f"{about.repository}/releases/download/v{about.version}/{about.bundle}"
    told: dict[str, Any] = {"registryType": "mcpb", "identifier": address, "version": about.version}
    if checksum is not None:
        told["fileSha256"] = checksum
    return told | {"transport": {"type": "stdio"}, "environmentVariables": [_variable(field) for field in form()]}


def _image(about: Project) -> dict[str, Any]:
    """Over stdio, with the record of writes in a volume: a write is sent once only where the last start is known."""
    fields = [field for field in form() if field.kind not in ("file", "directory")]
    return {
        "registryType": "oci",
        "identifier": f"ghcr.io/{about.owner.lower()}/{about.name}:{about.version}",
        "runtimeHint": "docker",
        "runtimeArguments": [{"type": "named", "name": "--volume", "value": f"{about.name}:/data"}],
        "packageArguments": [{"type": "positional", "value": "serve"}],
        "transport": {"type": "stdio"},
        "environmentVariables": [_variable(field) for field in fields],
    }


def _wheel(about: Project) -> dict[str, Any]:
    return {
        "registryType": "pypi",
        "identifier": about.name,
        "version": about.version,
        "runtimeHint": "uvx",
        "transport": {"type": "stdio"},
        "environmentVariables": [_variable(field) for field in form()],
    }


def _variable(field: Field) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": variable(field.name),
        "description": field.description,
        "format": _FORMATS[field.kind],
        "isRequired": False,
        "isSecret": field.secret,
    }
    if field.default != "":
        told["default"] = str(field.default).lower() if isinstance(field.default, bool) else field.default
    return told | ({"choices": list(field.choices)} if field.choices else {})


def written(told: dict[str, Any]) -> str:
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def labelled(about: Project, dockerfile: str) -> str:
    """The Dockerfile with the label of whose image it makes."""
    return re.sub(rf'(LABEL {re.escape(LABEL)}=)"[^"]*"', rf'\g<1>"{about.registry_name}"', dockerfile)


def marked(about: Project, readme: str) -> str:
    """README.md with the line that says whose wheel it describes."""
    line = f"<!-- {MARK}: {about.registry_name} -->"
    fresh, found = re.subn(rf"<!-- {MARK}: \S+ -->", line, readme)
    return fresh if found else f"{readme}\n{line}\n"


def finished(about: Project, bundle: Path) -> str:
    """What is published. Raises NotReleased."""
    if not about.is_owned:
        raise NotReleased(f"pyproject.toml: put the owner in the place of {NOBODY} in [project.urls], then: {MEND}")
    if bundle.name != about.bundle:
        raise NotReleased(f"{bundle} is not the bundle of {about.version}: python -m tests.release.bundle makes it")
    if not bundle.is_file():
        raise NotReleased(f"there is no {bundle}: python -m tests.release.bundle makes it")
    return written(document(about, hashlib.sha256(bundle.read_bytes()).hexdigest()))


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.release.registry", description=__doc__)
    what = arguments.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="make them instead of checking them")
    what.add_argument("--bundle", type=Path, metavar="FILE", help="print what is published with that bundle")
    asked, about = arguments.parse_args(), project()
    if asked.bundle is not None:
        try:
            print(finished(about, asked.bundle), end="")
        except NotReleased as problem:
            print(problem, file=sys.stderr)
            return 1
        return 0
    for file, fresh in (
        (SERVER_JSON, written(document(about))),
        (DOCKERFILE, labelled(about, DOCKERFILE.read_text("utf-8"))),
        (README, marked(about, README.read_text("utf-8"))),
    ):
        if asked.write:
            file.write_text(fresh, "utf-8")
        elif not file.is_file() or file.read_text("utf-8") != fresh:
            print(f"{file.name} is stale; mend it with: {MEND}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
