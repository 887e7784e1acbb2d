"""`python -m tests.release.image`: carry out the Dockerfile without an engine, and run what it makes as one would.

Each stage is a folder that is the root of its steps, with this machine's system files and Python in place of the base
image's, which is not fetched. The steps, the health check and the command are the file's own words. The server is
process 1 of a network and processes of its own, as the file's user, with nothing to write to but its volume and /tmp.
It needs root on Linux, and util-linux.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from server.access.authentication import READ, new_token
from tests.release.dockerfile import last, lay_context, steps

LONGEST = 300
"""Seconds for one step."""

_SYSTEM = ("usr", "etc", "dev")
_LINKED = ("bin", "sbin", "lib", "lib64")
_PREFIX = Path(sys.base_prefix)
_OF_THE_NETWORK = ("PIP_", "SSL_", "REQUESTS_", "HTTP_", "HTTPS_", "NO_", "http_", "https_", "no_")
"""How the names of the variables begin that pip needs here to reach its index."""

_LOOPBACK_UP = "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 0x41))"
_ASKED = """
import json, sys, urllib.error, urllib.request
hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "image", "version": "0"}}
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}).encode()
headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
for given in ({}, {"authorization": f"Bearer {sys.argv[1]}", "host": "adops.example.com"}):
    try:
        asked = urllib.request.Request("http://127.0.0.1:8760/mcp", body, headers | given)
        print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked).status)
    except urllib.error.HTTPError as refused:
        print(refused.status)
"""


class NotAsItMustBe(Exception):
    """The image does not do what it must; the message says what."""


@dataclass(slots=True)
class Stage:
    """One FROM and what its steps made of it. root: the folder that is its root."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict[str, str])
    folder: str = "/"
    user: str = "0:0"

    def __post_init__(self) -> None:
        for name in (*_SYSTEM, "proc", "tmp", "run", "run/secrets"):
            (self.root / name).mkdir(parents=True)
        for name in _LINKED:
            if Path("/", name).is_symlink():
                (self.root / name).symlink_to(Path("/", name).readlink())
        (self.root / _PREFIX.relative_to("/")).mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        self.variables["PATH"] = f"{_PREFIX}/bin:/usr/local/bin:/usr/bin:/bin"

    def build(self, words: Sequence[str]) -> None:
        """Carry out a step of the build: as its user, with the network, and writing anywhere but to the machine."""
        network = {name: value for name, value in os.environ.items() if name.startswith(_OF_THE_NETWORK)}
        command = ["unshare", "--mount", "sh", "-euc", self._entering(words, {**network, **self.variables})]
        subprocess.run(command, check=True, timeout=LONGEST)

    def command(self, words: Sequence[str], given: Mapping[str, str], secrets: Path) -> list[str]:
        """What starts a container: process 1, alone with its loopback, on a root that cannot be written to."""
        script = self._entering(words, {**self.variables, **given}, secrets)
        return ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-euc", script]

    def within(self, process: int, words: Sequence[str]) -> list[str]:
        """What starts another process in a container, as its health check is."""
        user, group = self.user.split(":")
        entering = ["nsenter", f"--target={process}", "--mount", "--net", "--pid", "--root", "--wd"]
        return [*entering, f"--setuid={user}", f"--setgid={group}", *_with(self.variables), *words]

    def _entering(self, words: Sequence[str], variables: Mapping[str, str], secrets: Path | None = None) -> str:
        root = shlex.quote(str(self.root))
        lines = [f"mount --bind {root} {root}"]
        lines += [f"mount --rbind /{name} {root}/{name}" for name in _SYSTEM]
        read_only = [f"{root}/usr", f"{root}/etc"]
        if not _PREFIX.is_relative_to("/usr"):
            lines.append(f"mount --bind {_PREFIX} {root}{_PREFIX}")
            read_only.append(f"{root}{_PREFIX}")
        if secrets is not None:
            (volume,) = last("VOLUME").words
            lines += [
                f"mount --bind {root}{volume} {root}{volume}",
                f"mount --bind {shlex.quote(str(secrets))} {root}/run/secrets",
                f"mount -t tmpfs tmpfs {root}/tmp",  # noqa: S108 - of the container
                f"mount -t proc proc {root}/proc",
                f"{sys.executable} -c {shlex.quote(_LOOPBACK_UP)}",
            ]
            read_only.append(root)
        lines += [f"mount -o remount,bind,ro {place}" for place in read_only]
        entered = ["chroot", f"--userspec={self.user}", str(self.root), *_with(variables, f"--chdir={self.folder}")]
        return "\n".join([*lines, f"exec {shlex.join([*entered, *words])}"])


def _with(variables: Mapping[str, str], *options: str) -> list[str]:
    return ["env", "--ignore-environment", *options, *(f"{name}={value}" for name, value in variables.items())]


def built(place: Path) -> Stage:
    """The last stage, once every step was carried out."""
    context = place / "context"
    lay_context(context)
    stages: dict[str, Stage] = {}
    stage = None
    for step in steps():
        if step.command == "FROM":
            name = step.words[-1] if "AS" in step.words else str(len(stages))
            stage = stages[name] = Stage(place / f"stage-{name}")
            continue
        assert stage is not None
        match step.command:
            case "COPY":
                origin = step.flag("from")
                _copy(step.words, stages[origin].root if origin else context, stage)
            case "RUN":
                stage.build(step.words if step.is_list else ("/bin/sh", "-c", *step.words))
            case "ENV":
                known = stage.variables
                known |= {name: string.Template(value).substitute(known) for name, value in step.pairs.items()}
            case "USER":
                (stage.user,) = step.words
            case "WORKDIR":
                (stage.folder,) = step.words
                (stage.root / stage.folder[1:]).mkdir(parents=True, exist_ok=True)
            case "LABEL" | "VOLUME" | "EXPOSE" | "STOPSIGNAL" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
                pass
            case other:
                raise NotAsItMustBe(f"{other} is not known here")
    assert stage is not None
    return stage


def _copy(words: Sequence[str], origin: Path, stage: Stage) -> None:
    """As an engine does it: of a folder what is in it, and a file into the folder that is named with a slash."""
    *sources, target = words
    into = stage.root / target[1:] if target.startswith("/") else stage.root / stage.folder[1:] / target
    for found in (found for source in sources for found in sorted(origin.glob(source.lstrip("/")))):
        if found.is_dir():
            shutil.copytree(found, into, symlinks=True, dirs_exist_ok=True)
        else:
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, into)


@contextmanager
def running(stage: Stage, given: Mapping[str, str], secrets: Path) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """A container of what the file starts by itself: what was started, and its process 1 as this machine sees it."""
    command = stage.command([*last("ENTRYPOINT").words, *last("CMD").words], given, secrets)
    started = subprocess.Popen(command)
    first = _first(started)
    try:
        yield started, first
    finally:
        with suppress(ProcessLookupError):
            os.kill(first, signal.SIGKILL)
        started.wait(60)


def _first(started: subprocess.Popen[bytes]) -> int:
    """The process that is 1 in there, as soon as there is one."""
    while started.poll() is None:
        for child in psutil.Process(started.pid).children():
            return child.pid
    raise NotAsItMustBe(f"it ended at once with {started.returncode}")


def healthy(stage: Stage, started: subprocess.Popen[bytes], process: int) -> float:
    """Seconds until the health check's own command succeeds."""
    kind, *words = last("HEALTHCHECK").words
    assert kind == "CMD"
    begun = time.monotonic()
    while started.poll() is None and time.monotonic() < begun + 60:
        if not subprocess.run(stage.within(process, words), capture_output=True, check=False).returncode:
            return time.monotonic() - begun
    raise NotAsItMustBe("it never became healthy")


def tried(stage: Stage, place: Path) -> None:
    """Serve with a token, ask, end it; and what a start without settings, and one over stdio, come to."""
    secrets = place / "secrets"
    secrets.mkdir()
    token, lines = new_token("image", [READ])
    (secrets / "auth-tokens").write_text(lines, "utf-8")
    (secrets / "state-key").write_text("0" * 64 + "\n", "utf-8")
    (secrets / "interchange-api-key").write_text("the API key; not used in the sandbox\n", "utf-8")
    given = {
        "ADOPS_HTTP_URL": "https://adops.example.com/mcp",
        "ADOPS_AUTH_TOKENS_FILE": "/run/secrets/auth-tokens",
        "ADOPS_STATE_KEY_FILE": "/run/secrets/state-key",
        "ADOPS_INTERCHANGE_API_KEY_FILE": "/run/secrets/interchange-api-key",
    }
    with running(stage, given, secrets) as (started, first):
        print(f"healthy after {healthy(stage, started, first):.1f} s")
        asked = subprocess.run(
            stage.within(first, ["python", "-c", _ASKED, token]), capture_output=True, text=True, check=True
        )
        _must("without a token and with one it answers", asked.stdout.split(), ["401", "200"])
        process = psutil.Process(first)
        _must("it runs as", [*set(process.uids()), *set(process.gids())], [int(part) for part in stage.user.split(":")])
        process.send_signal(signal.Signals[last("STOPSIGNAL").words[0]])
        _must("ended, its exit code is", started.wait(60), 0)
    entry = last("ENTRYPOINT").words
    for what, words, code in (
        ("without settings", [*entry, *last("CMD").words], 2),
        ("over stdio", [*entry, "serve"], 0),
        ("with PostgreSQL and telemetry", ["python", "-c", "import psycopg, opentelemetry.sdk"], 0),
        ("writing beside its volume", ["touch", "/opt/adops-mcp/x"], 1),
    ):
        command = stage.command(words, {}, secrets)
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        _must(f"{what}, the exit code is", ended.returncode, code)


def _must(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise NotAsItMustBe(f"{what} {found} and not {expected}")
    print(f"{what} {found}")


def _may_run() -> bool:
    """Whether this machine lets anybody make a root and a network of their own, as many containers do not."""
    if sys.platform != "linux" or os.geteuid() or shutil.which("unshare") is None:
        return False
    probe = ["unshare", "--mount", "--net", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return not subprocess.run(probe, capture_output=True, check=False).returncode


def main() -> int:
    if not _may_run():
        print("not run: it needs root on Linux, and namespaces")
        return 0
    with tempfile.TemporaryDirectory(prefix="adops-mcp-image-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        begun = time.monotonic()
        try:
            stage = built(place)
            print(f"built in {time.monotonic() - begun:.0f} s")
            tried(stage, place)
        except NotAsItMustBe as problem:
            print(problem, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
