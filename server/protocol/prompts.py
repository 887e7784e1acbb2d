"""MCP prompts as a client gets them: which are offered, the check of their arguments, and their text."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date

import mcp_types as types
from mcp.shared.exceptions import MCPError

import prompts
from prompts import Argument, ArgumentType, Prompt
from server.access.accounts_in_reach import CallerChoice

LONGEST_ARGUMENT = 4000
"""Characters of one argument, which is a brief and not a document."""

_ACCOUNT = "account"
_IN = "Work in the account `{}` alone: give it as `account` to every tool that takes one."
_WHOSE = "This server has several accounts ({}). Ask the person whose this is for before you call a tool."


def offered_prompts(tools: Collection[str]) -> dict[str, Prompt]:
    """The prompts whose tools are all offered, by name."""
    return {prompt.name: prompt for prompt in prompts.load() if set(prompt.tools) <= set(tools)}


def prompts_for(choice: CallerChoice) -> dict[str, Prompt]:
    """The prompts for a caller. With several accounts, one of them must have all the tools of the prompt."""
    offered = offered_prompts(choice.tools)
    return {n: prompt for n, prompt in offered.items() if not choice.names or choice.names_with(prompt.tools)}


def to_mcp_prompt(prompt: Prompt, accounts: Sequence[str] = ()) -> types.Prompt:
    """The prompt as `prompts/list` shows it. accounts: the names of which one may be given, where there are several."""
    account = types.PromptArgument(name=_ACCOUNT, description=f"Whose: {', '.join(accounts)}.", required=False)
    return types.Prompt(
        name=prompt.name,
        title=prompt.title,
        description=prompt.description,
        arguments=[
            types.PromptArgument(name=argument.name, description=argument.description, required=argument.required)
            for argument in prompt.arguments
        ]
        + ([account] if accounts else []),
    )


def fill_prompt(prompt: Prompt, given: Mapping[str, str], accounts: Sequence[str] = ()) -> types.GetPromptResult:
    """The prompt with its arguments. Raises MCPError, which names every argument that is unknown, missing or wrong."""
    account = given.get(_ACCOUNT, "").strip() if accounts else ""
    given = {name: value for name, value in given.items() if not (accounts and name == _ACCOUNT)}
    known = {argument.name: argument for argument in prompt.arguments}
    values = {name: value.strip() for name, value in given.items() if value.strip()}
    problems = [f"there is no argument {name[:64]!r} (there are {', '.join(known)})" for name in given.keys() - known]
    problems += [
        f"`{name}` is required" for name, argument in known.items() if argument.required and name not in values
    ]
    problems += [
        f"`{name}`: {problem}" for name in values.keys() & known if (problem := _problem(known[name], values[name]))
    ]
    if account and account not in accounts:
        problems.append(f"`account`: one of {', '.join(accounts)}")
    if problems:
        raise MCPError(types.INVALID_PARAMS, f"prompt {prompt.name}: {'; '.join(sorted(problems))}")
    text = render(prompt.text, {name: values.get(name, "") for name in known})
    if accounts:
        text += f"\n\n{_IN.format(account) if account else _WHOSE.format(', '.join(accounts))}"
    return types.GetPromptResult(
        description=prompt.description,
        messages=[types.PromptMessage(role="user", content=types.TextContent(text=text))],
    )


def render(template: str, values: Mapping[str, str]) -> str:
    """The template with its values. values: one for each argument, empty where none was given."""
    import jinja2  # noqa: PLC0415 - only a request for a prompt needs it

    environment = jinja2.Environment(
        autoescape=False,  # noqa: S701 - the text is Markdown for a model, not HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(template).render(values).strip()


def _problem(argument: Argument, value: str) -> str | None:
    if len(value) > LONGEST_ARGUMENT:
        return f"at most {LONGEST_ARGUMENT:,} characters"
    check = _CHECKS.get(argument.type)
    return check(value) if check else None


def _pattern(pattern: str, otherwise: str) -> Callable[[str], str | None]:
    return lambda value: None if re.fullmatch(pattern, value, re.ASCII) else otherwise


def _date(value: str) -> str | None:
    try:
        date.fromisoformat(value)
    except ValueError:
        return "write a date such as 2026-11-22"
    return None


_SOURCE = _pattern(r"(?!\.{1,2}$)[^\s/\\?#]{1,255}", "an inventory source's id holds no spaces and none of / \\ ? #")
_FREEWHEEL = _pattern(r"[1-9][0-9]{0,15}", "a FreeWheel id is a whole number")
_CHECKS: dict[ArgumentType, Callable[[str], str | None]] = {
    "count": _pattern(r"[1-9][0-9]{0,2}(,?[0-9]{3})*|[1-9][0-9]*", "write a whole number, such as 750000"),
    "date": _date,
    "media_buy_id": _pattern(r"\S{1,255}", "an id holds no spaces"),
    "source_id": _SOURCE,
    "modular_source_id": _SOURCE,
    "gam_source_id": _SOURCE,
    "network_code": _pattern(r"[0-9]{1,32}", "a network code is digits only, such as 21700001"),
    "package_id": _FREEWHEEL,
    "proposed_io_id": _FREEWHEEL,
}
