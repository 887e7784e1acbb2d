"""Which vendors are reached through this machine's proxies, and what a start says of one that cannot be used."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from server.clients import Wire, open_backends
from server.configuration.settings import Settings, SettingsError
from server.preflight import may_start
from tests.support import live_settings
from tests.tools.sockets import listening, without_proxies
from tools.errors import AdOpsError

REFUSED = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def no_other_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


async def asked_of_freewheel(settings: Settings, wire: Wire | None = None) -> None:
    async with open_backends(settings, wire) as backends:
        assert backends.freewheel_client is not None
        with contextlib.suppress(AdOpsError):
            await backends.freewheel_client.proposed_insertion_order(1)


async def test_the_token_and_the_vendor_are_each_reached_on_their_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    token = b'HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n{"access_token": "t-1"}'
    async with listening(token) as issuer, listening(REFUSED) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        settings = live_settings(
            freewheel_token=None,
            freewheel_client_id="kim",
            freewheel_client_secret=SecretStr("s3cret"),
            freewheel_token_url=issuer.url,
        )
        await asked_of_freewheel(settings)
    assert [heard.partition(b" HTTP")[0] for heard in issuer.heard] == [b"POST /"]
    assert {heard.partition(b" HTTP")[0] for heard in proxy.heard} == {b"CONNECT api.freewheel.tv:443"}


async def test_a_network_that_was_handed_in_has_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(REFUSED) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        await asked_of_freewheel(
            live_settings(), Wire({"freewheel": httpx.MockTransport(lambda _: httpx.Response(404))})
        )
    assert proxy.heard == []


async def test_the_sandbox_has_no_proxy_not_even_one_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALL_PROXY", "ftp://proxy.example")
    settings = Settings(data_dir=tmp_path)
    assert may_start(settings)
    await asked_of_freewheel(settings)


@pytest.mark.parametrize("url", ["ftp://kim:hidden@proxy.example", "http://kim:hidden@127.0.0.1:99999"])
async def test_a_proxy_that_cannot_be_used_keeps_the_server_from_starting(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY: is no proxy that can be used") as told:
        may_start(live_settings())
    assert "hidden" not in str(told.value)
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY: "):
        async with open_backends(live_settings()):
            pass


def test_a_command_says_which_proxy_setting_it_cannot_use(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")} | {
        "HTTPS_PROXY": "ftp://kim:hidden@proxy.example",
        "ADOPS_ENVIRONMENT": "live",
        "ADOPS_INTERCHANGE_API_KEY": "key",
        "ADOPS_DATA_DIR": str(tmp_path),
    }
    for command in (["doctor"], ["serve"]):
        ended = subprocess.run(
            [sys.executable, "-m", "adops_mcp", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 2, ended.stderr
        assert "HTTPS_PROXY: is no proxy that can be used" in ended.stderr
        assert "hidden" not in ended.stderr + ended.stdout
        assert "Traceback" not in ended.stderr
