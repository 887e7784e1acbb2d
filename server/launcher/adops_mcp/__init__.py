"""The one name that is installed: the launcher of the server, and in `_app` everything that it starts.

`server`, `tools` and `prompts` are names that other projects use too, so they are not installed beside other packages.
In the wheel they lie in `_app`. In a checkout, and in an editable install, they lie at the root of the repository. The
launcher lets Python look there first. It imports no module that Python has not imported already: a client waits for it.
"""

import os
import sys

_HERE = os.path.dirname(__file__)
_PACKED = os.path.join(_HERE, "_app")
APP = _PACKED if os.path.isdir(_PACKED) else os.path.dirname(os.path.dirname(os.path.dirname(_HERE)))
"""The folder that holds `server`, `tools` and `prompts`."""


def main() -> int:
    """Run the command line on our own packages, and return its exit code."""
    sys.path[:] = search_path(sys.path, _working_directory())
    # a worker process is given this search path, and must not look elsewhere before it has it
    os.environ.pop("PYTHONPATH", None)
    os.environ["PYTHONSAFEPATH"] = "1"
    from server.cli import main as command_line  # noqa: PLC0415 - the search path comes first

    return command_line()


def search_path(found: list[str], working: str) -> list[str]:
    """The folders to import from: our own, then the standard library, then what is installed, and last PYTHONPATH.

    Python puts PYTHONPATH, and the working directory or the script's folder, in front of the standard library.
    Somebody's project may lie there, with modules that are named like ours or like those that we need. The working
    directory is left out. The folder that holds this package keeps its place: what we need may be installed there and
    nowhere else.
    """
    standard = os.path.dirname(os.__file__)
    front = found.index(standard) if standard in found else 0
    ours = os.path.dirname(_HERE)
    last = [folder for folder in found[:front] if folder not in (ours, "", working)]
    return [APP, *(folder for folder in found[:front] if folder == ours), *found[front:], *last]


def _working_directory() -> str:
    """An empty string when somebody removed it."""
    try:
        return os.getcwd()
    except OSError:
        return ""
