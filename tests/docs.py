"""The generated parts of the pages: `python -m tests.docs` checks them, and `python -m tests.docs --write` makes them.

The pages are the README, its neighbours, and everything in `docs/`. A part stands between the marks
`<!-- generated: NAME -->` and `<!-- end -->`, on whatever page its subject is; PARTS has the function that makes it.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from pydantic.fields import FieldInfo

import prompts
from server.cli import parser
from server.configuration.settings import Settings, variable
from server.ledger.state_machine import markdown as states
from server.protocol.resources import TEMPLATES
from tools.catalogue import CATALOGUE
from tools.google_ad_manager import diagnoses
from tools.tool import Write
from tools.vendors import TITLES, VendorName
from tools.vocabularies import VOCABULARIES

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
ACCOUNTS = ROOT / "docs" / "accounts.md"
INSTALLING = ROOT / "docs" / "installing.md"
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
MEND = "python -m tests.docs --write"

_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tools() -> str:
    rows = ["| tool | vendor | effect | what it does |", "|---|---|---|---|"]
    order: tuple[VendorName, ...] = get_args(VendorName)
    for entry in CATALOGUE:
        vendors = ", ".join(TITLES[vendor] for vendor in order if vendor in entry.vendors) or "this server"
        effect = "writes" if entry.effect is Write else "reads"
        purpose = entry.tool.description.partition("\n\n")[0]
        rows.append(f"| `{entry.name}` | {vendors} | {effect} | {purpose} |")
    return "\n".join(rows)


def settings() -> str:
    rows = ["| variable | what it is |", "|---|---|"]
    rows += [f"| `{variable(name)}` | {_described(field)} |" for name, field in Settings.model_fields.items()]
    return "\n".join(rows)


def _described(field: FieldInfo) -> str:
    default = f" Default: `{field.default}`." if isinstance(field.default, str) else ""
    return f"{field.description}{default}".replace("|", "\\|")


def prompt_table() -> str:
    rows = ["| prompt | what it does | arguments |", "|---|---|---|"]
    for prompt in prompts.load():
        arguments = ", ".join(
            f"`{argument.name}`{'' if argument.required else ' (optional)'}" for argument in prompt.arguments
        )
        rows.append(f"| `{prompt.name}` | {prompt.description} | {arguments} |")
    return "\n".join(rows)


def resource_table() -> str:
    rows = ["| resource | what it is |", "|---|---|"]
    rows += [f"| `{vocabulary.uri}` | {vocabulary.title} |" for vocabulary in VOCABULARIES]
    rows += [f"| `{template.uri}` | {template.title}, as `{template.tool}` gives it |" for template in TEMPLATES]
    return "\n".join(rows)


def gam_codes() -> str:
    rows = ["| code | what it means | what a person does | where |", "|---|---|---|---|"]
    for told in diagnoses.vocabulary():
        rows.append(f"| `{told['code']}` | {told['meaning']} | {told['do_now']} | {told.get('where', '')} |")
    return "\n".join(rows)


def command_help(command: str | None = None) -> str:
    """The help of the whole command line, or of one command."""
    return f"```text\n{parser(command).format_help().rstrip()}\n```"


COMMANDS = ("serve", "demo", "doctor", "operations", "config", "token", "sandbox")

PARTS: dict[str, Callable[[], str]] = {
    "tools": tools,
    "prompts": prompt_table,
    "resources": resource_table,
    "settings": settings,
    "states": states,
    "gam_codes": gam_codes,
    "help": command_help,
    **{f"{command}_help": functools.partial(command_help, command) for command in COMMANDS},
}


def made(page: str) -> str:
    """The page with every generated part made anew."""
    return _PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]()}\n{part[3]}", page)


def fenced(name: str, page: Path = README) -> str:
    """The command or snippet of that name in a page."""
    fence = rf"<!-- (?:command|snippet): {re.escape(name)} -->\n```\w+\n(.*?)```"
    found = re.search(fence, page.read_text("utf-8"), re.DOTALL)
    if found is None:
        raise LookupError(f"{page.name} has no command or snippet {name!r}")
    return found[1].strip()


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.docs", description=__doc__)
    arguments.add_argument("--write", action="store_true", help="make the parts instead of checking them")
    write = arguments.parse_args().write
    stale = {page: fresh for page in PAGES if (fresh := made(text := page.read_text("utf-8"))) != text}
    for page, fresh in stale.items():
        if write:
            page.write_text(fresh, "utf-8")
        else:
            print(f"{page.relative_to(ROOT)} is stale; mend it with: {MEND}", file=sys.stderr)
    return 1 if stale and not write else 0


if __name__ == "__main__":
    sys.exit(main())
