"""The command line: `adops-mcp [serve]`, `demo`, `doctor`, ... A command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, get_args

from server import __version__
from tools.effects import State

_SERVE = "serve MCP over stdio (the default command)"


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help with a fixed width, so that the documentation does not depend on a terminal."""

    def __init__(self, prog: str, **_: Any) -> None:
        super().__init__(prog, max_help_position=30, width=100)


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of the whole command line, or of one command."""
    top = argparse.ArgumentParser(
        prog="adops-mcp",
        description="MCP server through which AI agents do a publisher's ad operations.",
        epilog="Without settings it works on the embedded sandbox. ADOPS_ENVIRONMENT=staging or live, and each\n"
        "vendor's credentials, are environment variables: `adops-mcp doctor` names them and checks them.",
        formatter_class=_Help,
    )
    top.add_argument("--version", action="version", version=f"adops-mcp {__version__}")
    _add_tool_flags(top)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    serve = commands.add_parser(
        "serve", help=_SERVE, description=f"{_SERVE[0].upper()}{_SERVE[1:]}.", formatter_class=_Help
    )
    _add_tool_flags(serve)
    over_http = serve.add_argument_group("over HTTP")
    over_http.add_argument("--http", action="store_true", help="serve streamable HTTP on /mcp instead of stdio")
    over_http.add_argument(
        "--host", default="127.0.0.1", help="address to bind to (%(default)s); any other needs authentication"
    )
    over_http.add_argument("--port", type=_port, default=8760, help="port to bind to (%(default)s)")
    over_http.add_argument("--workers", type=_workers, default=1, metavar="N", help="processes (%(default)s)")
    commands.add_parser(
        "demo",
        help="watch an MCP client do an ad operations job on a fresh sandbox",
        description="Start the server as a subprocess on a fresh sandbox, drive it with an MCP client over stdio and "
        "print what happens. Exit code 0 only if every step has the expected result.",
        formatter_class=_Help,
    )
    commands.add_parser(
        "doctor",
        help="check the settings, and read once from each vendor",
        description="Print for each vendor whether its settings are complete, where they come from (never the values), "
        "and the result of one cheap authenticated read. Exit code 1 if something that a tool needs is broken.",
        formatter_class=_Help,
    )
    _operations(commands)
    _config(commands)
    token = commands.add_parser(
        "token",
        help="make a token for a caller over HTTP",
        description="Make a token for a caller over HTTP. Print it, and the lines for ADOPS_AUTH_TOKENS_FILE, which "
        "have only its hash. The token is shown only this once.",
        formatter_class=_Help,
    )
    token.add_argument("principal", metavar="PRINCIPAL", help="who it is for, as named in the record of writes")
    token.add_argument(
        "--scopes",
        default="read,write",
        metavar="NAMES",
        help="of read, write, approve, metrics (%(default)s)",
    )
    sandbox = commands.add_parser(
        "sandbox",
        help="reset the sandbox, or serve it on loopback",
        description="The embedded vendors: Interchange, FreeWheel, Google Ad Manager.",
        formatter_class=_Help,
    )
    actions = sandbox.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    actions.add_parser(
        "reset",
        help="delete everything done in the sandbox and seed it again",
        description="Delete everything done in the sandbox and seed it again.",
        formatter_class=_Help,
    )
    on_loopback = actions.add_parser(
        "serve",
        help="serve the three vendors over HTTP on 127.0.0.1, for any client",
        description="Serve the three vendors over HTTP on 127.0.0.1, for any client, and print how to use them. They "
        "make faults as ADOPS_SANDBOX_FAULTS says, or as the header X-Sandbox-Fault of a request says.",
        formatter_class=_Help,
    )
    on_loopback.add_argument(
        "--port", type=_port, default=8750, help="port on 127.0.0.1 (default: %(default)s; 0 picks one)"
    )
    return commands.choices[command] if command else top


def _add_tool_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose tools. A flag wins over its variable, and --read-only wins over everything."""
    group = parser.add_argument_group("which tools to serve")
    group.add_argument(
        "--read-only",
        action="store_true",
        default=argparse.SUPPRESS,
        help="offer no tool that writes, whatever else is chosen",
    )
    group.add_argument(
        "--toolsets",
        metavar="NAMES",
        default=argparse.SUPPRESS,
        help="offer only these, separated by commas: freewheel, interchange, gam, operations",
    )
    group.add_argument(
        "--tools", metavar="NAMES", default=argparse.SUPPRESS, help="offer only these tools, and those of --toolsets"
    )


_OPERATIONS_ACTIONS = {
    "list": "list writes, the newest first",
    "show": "show one write: who made it, the request, the answer and the history",
    "approve": "approve a waiting write: it is sent when the agent makes the call again",
    "reject": "reject a waiting write: it is not sent",
    "reconcile": "find out at the vendor whether writes in doubt were carried out",
    "export": "print every write as a line of JSON, for an auditor",
    "backup": "copy the record to a new file while servers use it",
    "restored": "after an older copy of the record was restored: show what was lost, let writes continue",
}


def _operations(commands: Any) -> None:
    operations = commands.add_parser(
        "operations",
        help="list, approve, reject and settle writes",
        description="The record of writes of this environment: what was sent, what waits, what is in doubt.",
        formatter_class=_Help,
    )
    actions = operations.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    parsers = {
        name: actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", formatter_class=_Help)
        for name, text in _OPERATIONS_ACTIONS.items()
    }
    parsers["list"].add_argument("--state", choices=get_args(State))
    parsers["list"].add_argument("--text", help="only writes about this, or with this id")
    parsers["list"].add_argument("--limit", type=_count, default=50, metavar="N", help="how many at most (50)")
    for name in ("show", "approve", "reject"):
        parsers[name].add_argument("operation_id", metavar="ID")
    parsers["reconcile"].add_argument("operation_id", metavar="ID", nargs="?", help="one operation; else all in doubt")
    parsers["reconcile"].add_argument(
        "--outcome",
        choices=("succeeded", "not_sent"),
        help="what a person found at the vendor, instead of looking",
    )
    parsers["backup"].add_argument("file", metavar="FILE", help="the copy; an existing file is not overwritten")
    parsers["restored"].add_argument(
        "--note", help="the result of comparing the lost writes with the vendors; without a note they are only shown"
    )
    for name in ("approve", "reject", "reconcile"):
        parsers[name].add_argument("--note", help="why, for the history (and for the agent if it is rejected)")


def _config(commands: Any) -> None:
    config = commands.add_parser(
        "config",
        help="what a client needs to start this server",
        description="Print what a client needs to start this server from here, ready to paste, or merge it into the\n"
        "client's file. What is set now goes in: secrets by name and never by value.",
        formatter_class=_Help,
    )
    config.add_argument(
        "client",
        metavar="CLIENT",
        choices=("claude-desktop", "claude-code", "cursor", "vscode"),
        help="claude-desktop, claude-code, cursor or vscode",
    )
    config.add_argument("--write", action="store_true", help="merge it into the client's file, after a look at it")
    config.add_argument("--yes", action="store_true", help="write it without asking")
    config.add_argument("--file", metavar="PATH", help="another file than the one that the client documents")
    config.add_argument("--name", type=_server, default="adops", help="what the client calls the server (%(default)s)")
    config.add_argument("--environment", choices=("sandbox", "staging", "live"), help="instead of ADOPS_ENVIRONMENT")


def _server(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name for a server: up to 64 letters, digits, _ and -")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no count: give a number from 1 to 10000")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes: give one from 1 to 64")
    return int(text)


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 0 to 65535")
    return port


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 something is broken, 2 wrong usage or settings."""
    given = sys.argv[1:] if argv is None else argv
    if any("\udc80" <= character <= "\udcff" for word in given for character in word):
        print("adops-mcp: an argument is not UTF-8 text.", file=sys.stderr)  # noqa: T201
        return 2
    arguments = parser().parse_args(argv)
    flags = {name: getattr(arguments, name) for name in ("read_only", "toolsets", "tools") if hasattr(arguments, name)}
    if arguments.command in (None, "serve") and not getattr(arguments, "http", False):
        if getattr(arguments, "workers", 1) > 1:
            print("adops-mcp: --workers is for --http.", file=sys.stderr)  # noqa: T201
            return 2
        from server.stdio.early_answers import serve_stdio  # noqa: PLC0415

        return serve_stdio(flags)
    from server.configuration.settings import SettingsError, load  # noqa: PLC0415
    from server.preflight import unusable  # noqa: PLC0415
    from server.telemetry.logs_and_traces import log_to_stderr  # noqa: PLC0415

    try:
        settings = load(**flags)
        log_to_stderr(settings)
        return _run(arguments, settings)
    except SettingsError as error:
        return unusable(error)
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace, settings: Any) -> int:
    match arguments.command:
        case "demo":
            from server.commands.demo import run_demo  # noqa: PLC0415

            return run_demo()
        case "doctor":
            from server.commands.doctor import run_doctor  # noqa: PLC0415

            return run_doctor(settings)
        case "config":
            from server.commands.config import run as configure  # noqa: PLC0415

            return configure(settings, arguments)
        case "operations":
            from server.commands.operations import run  # noqa: PLC0415

            return run(settings, arguments)
        case "token":
            from server.access.authentication import token_command  # noqa: PLC0415

            return token_command(arguments.principal, arguments.scopes)
        case "sandbox":
            from server.commands.sandbox import reset, serve  # noqa: PLC0415

            return reset(settings) if arguments.action == "reset" else serve(settings, arguments.port)
        case _:
            # another program of this environment may use this folder for its own metrics
            os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
            from server.stdio.lazy_models import lazy_models  # noqa: PLC0415

            with lazy_models():
                from server.http.application import BindAddress, serve_http  # noqa: PLC0415

            return serve_http(settings, BindAddress(arguments.host, arguments.port), workers=arguments.workers)
