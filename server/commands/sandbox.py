"""`adops-mcp sandbox`: resets the sandbox, or serves it over HTTP on loopback."""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from server.clients import open_sandbox, sandbox_path
from server.configuration.accounts import accounts_of
from server.configuration.settings import Settings, SettingsError
from server.sandbox import Sandbox
from server.sandbox.faults import FaultRates
from server.sandbox.faulty_server import CuttableProtocol, FaultyApp
from server.sandbox.freewheel.tokens import CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME
from server.sandbox.interchange.app import API_KEY

HOST = "127.0.0.1"


def reset(settings: Settings) -> int:
    """Reset the sandbox of every account. Its file is seeded in place, so that running servers see it."""
    for account in accounts_of(settings):
        _reset(settings, account.name)
    return 0


def _reset(settings: Settings, account: str) -> None:
    path = sandbox_path(settings, account)
    try:
        sandbox = open_sandbox(settings, account=account)
    except SettingsError as error:
        damaged = isinstance(error.__cause__, sqlite3.DatabaseError) and not isinstance(
            error.__cause__, sqlite3.OperationalError
        )
        if not damaged:
            raise
        path.unlink()
        sandbox = open_sandbox(settings, account=account)
    sandbox.reset()
    sandbox.close()
    print(f"The sandbox in {path} was reset.")  # noqa: T201


def serve(settings: Settings, port: int) -> int:
    """Serve until interrupted. The vendors share the state of the embedded sandbox, and make faults on request."""
    sandbox = open_sandbox(settings)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # a client may read the printed address and connect before uvicorn listens
        listener.listen()
    except OSError:
        print(f"Port {port} on {HOST} is not available. Choose another one with --port.", file=sys.stderr)  # noqa: T201
        return 1
    origin = f"http://{HOST}:{listener.getsockname()[1]}"
    key_file = _write_key(sandbox, sandbox_path(settings).parent, origin)
    print(_instructions(origin, key_file), flush=True)  # noqa: T201
    rates = FaultRates.parse(settings.sandbox_faults or "")
    app = Starlette(
        routes=[
            Mount("/interchange", FaultyApp(sandbox.interchange(), rates)),
            Mount("/freewheel", FaultyApp(sandbox.freewheel(), rates)),
            Mount("/google-ad-manager", FaultyApp(sandbox.google_ad_manager(), rates)),
        ]
    )
    uvicorn.Server(uvicorn.Config(app, log_level="warning", http=CuttableProtocol)).run(sockets=[listener])
    sandbox.close()
    return 0


def _write_key(sandbox: Sandbox, directory: Path, origin: str) -> Path:
    """Write the service account's key file. Only its owner can read it, as with a real one."""
    path = directory / "sandbox-service-account.json"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    key = json.loads(sandbox.service_account_key(f"{origin}/google-ad-manager/token"))
    path.write_text(json.dumps(key, indent=2), encoding="utf-8")
    return path


def _instructions(origin: str, key_file: Path) -> str:
    return f"""\
The sandbox is served on {origin}. Stop it with Ctrl-C.
  Interchange        {origin}/interchange/api/v2/storefront
                     Authorization: Bearer {API_KEY}
  FreeWheel          {origin}/freewheel
                     user {USERNAME}, password {PASSWORD}
                     or client {CLIENT_ID}, secret {CLIENT_SECRET} at {origin}/freewheel/oauth2/token
  Google Ad Manager  {origin}/google-ad-manager
                     service account key {key_file}
To use it from adops-mcp like a real vendor:
  ADOPS_ENVIRONMENT=staging
  ADOPS_INTERCHANGE_BASE_URL={origin}/interchange/api/v2/storefront
  ADOPS_INTERCHANGE_API_KEY={API_KEY}
  ADOPS_FREEWHEEL_BASE_URL={origin}/freewheel
  ADOPS_FREEWHEEL_USERNAME={USERNAME}
  ADOPS_FREEWHEEL_PASSWORD={PASSWORD}
  ADOPS_GAM_BASE_URL={origin}/google-ad-manager
  ADOPS_GAM_SERVICE_ACCOUNT_FILE={key_file}"""
