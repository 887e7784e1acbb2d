from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.cli import main
from server.clients import Wire
from server.commands.doctor import examine
from server.configuration.settings import Settings
from server.sandbox import Sandbox
from tests.support import OPENED, Answer, FakeTime, live_settings
from tools.catalogue import CATALOGUE
from tools.vendors import VendorName


def wire(**answers: Answer) -> Wire:
    names: dict[str, VendorName] = {"interchange": "interchange", "freewheel": "freewheel"}
    return Wire({names[name]: httpx.MockTransport(answer) for name, answer in answers.items()}, FakeTime().timing)


def account(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"id": 7, "company": "Northlight", "name": "NL", "customerDomain": None})


def packages(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"inventory_packages": [], "total": 0, "total_pages": 0})


def denied(_: httpx.Request) -> httpx.Response:
    return httpx.Response(401, text="no such token freewheel-token")


async def test_on_the_sandbox_every_vendor_is_read(tmp_path: Path) -> None:
    report, healthy = await examine(Settings(environment="sandbox", data_dir=tmp_path))
    assert healthy
    assert "[ok] Interchange\n    Embedded, with its own credentials.\n    Reads the account of Northlight" in report
    assert "Reads 120 inventory packages." in report
    assert "The service account sees 2 networks: 21700001 Northlight Television" in report


async def test_a_record_of_writes_that_cannot_be_used_is_broken(tmp_path: Path) -> None:
    report, healthy = await examine(Settings(environment="sandbox", data_dir=tmp_path))
    assert healthy
    assert "[ok] Record of writes\n    0 writes on record." in report
    (tmp_path / "operations-sandbox.sqlite3").write_bytes(b"this is no database" * 100)
    report, healthy = await examine(Settings(environment="sandbox", data_dir=tmp_path))
    assert not healthy
    assert "[broken] Record of writes\n    The record of writes cannot be used: it is damaged." in report
    assert str(tmp_path) in report


async def test_it_says_whether_the_server_would_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, _ = await examine(Settings(environment="sandbox", data_dir=tmp_path))
    assert f"tools: {len(CATALOGUE)} of {len(CATALOGUE)}, writes included" in report
    report, healthy = await examine(Settings(environment="sandbox", data_dir=tmp_path, read_only=True))
    assert healthy
    reads = sum(entry.reads for entry in CATALOGUE)
    assert f"tools: {reads} of {len(CATALOGUE)}, none that writes (read-only)" in report
    monkeypatch.setenv("ADOPS_READONLY", "1")
    report, healthy = await examine(Settings(environment="sandbox", data_dir=tmp_path))
    assert not healthy
    assert "[broken] ADOPS_READONLY is not a setting; did you mean ADOPS_READ_ONLY?" in report


async def test_on_live_it_says_where_settings_came_from_and_never_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADOPS_ENVIRONMENT", "live")
    monkeypatch.setenv("ADOPS_INTERCHANGE_API_KEY", "interchange-key")
    monkeypatch.setenv("ADOPS_FREEWHEEL_TOKEN", "freewheel-token")
    report, healthy = await examine(Settings(), wire(interchange=account, freewheel=packages))
    assert healthy
    assert report.startswith("environment: live (from the environment)\n[ok] Interchange\n")
    assert "Settings: ADOPS_INTERCHANGE_API_KEY (from the environment)" in report
    assert "Reads the account of Northlight." in report
    assert "[off] Google Ad Manager\n    Not configured: set ADOPS_GAM_SERVICE_ACCOUNT_FILE" in report
    assert "interchange-key" not in report
    assert "freewheel-token" not in report


async def test_a_vendor_that_refuses_the_token_is_broken_and_the_setting_is_named() -> None:
    report, healthy = await examine(live_settings(), wire(interchange=account, freewheel=denied))
    assert not healthy
    assert (
        '[broken] FreeWheel\n    Settings: ADOPS_FREEWHEEL_TOKEN (given)\n    FreeWheel answered 401: "no such'
        in report
    )
    assert "Next: The operator checks ADOPS_FREEWHEEL_TOKEN" in report
    assert "freewheel-token" not in report


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"freewheel_token": None, "freewheel_username": "me"}, "Incomplete: set ADOPS_FREEWHEEL_PASSWORD as well."),
        ({"gam_service_account_file": Path("/nowhere.json")}, "Incomplete: point ADOPS_GAM_SERVICE_ACCOUNT_FILE at"),
    ],
)
async def test_half_configured_is_broken(given: dict[str, Any], words: str) -> None:
    report, healthy = await examine(live_settings(**given), wire(interchange=account, freewheel=packages))
    assert not healthy
    assert words in report


async def test_nothing_configured_at_all_is_broken() -> None:
    report, healthy = await examine(Settings(environment="live"))
    assert not healthy
    assert report.count("[off]") == 3
    assert "No vendor is configured for live, so there is no tool to serve." in report


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (httpx.Response(403, json={"error": {"status": "PERMISSION_DENIED"}}), "enables the Ad Manager API"),
        (httpx.Response(403, html="<html>blocked</html>"), "A person asks the vendor for access"),
    ],
)
async def test_a_refused_list_of_networks_leads_to_the_api_only_where_google_refused_it(
    tmp_path: Path, refusal: httpx.Response, words: str
) -> None:
    report, healthy = await examine(*with_a_key(tmp_path, refusal))
    assert not healthy
    assert words in report


async def test_an_address_at_which_freewheel_has_no_packages_leads_to_its_setting() -> None:
    report, healthy = await examine(
        live_settings(), wire(interchange=account, freewheel=lambda _: httpx.Response(404, json={}))
    )
    assert not healthy
    assert "Next: The operator checks ADOPS_FREEWHEEL_BASE_URL, if it is set" in report


async def test_a_service_account_that_sees_no_network_is_told_so(tmp_path: Path) -> None:
    report, healthy = await examine(*with_a_key(tmp_path, httpx.Response(200, json={})))
    assert healthy
    assert "sees no network yet: nobody has granted it access" in report


def with_a_key(tmp_path: Path, networks: httpx.Response) -> tuple[Settings, Wire]:
    """Google Ad Manager as the only vendor, with this answer to the list of networks."""
    now = FakeTime(time.time())
    key = tmp_path / "key.json"
    sandbox = Sandbox(clock=now.now)
    OPENED.callback(sandbox.close)
    key.write_text(sandbox.service_account_key("http://127.0.0.1/token"))
    inner = httpx.ASGITransport(sandbox.google_ad_manager())

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/networks":
            return networks
        return await inner.handle_async_request(request)

    settings = live_settings(interchange_api_key=None, freewheel_token=None, gam_service_account_file=key)
    return settings, Wire({"google_ad_manager": httpx.MockTransport(answer)}, now.timing)


def test_the_exit_code_is_0_when_all_is_well_and_1_when_something_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path))
    assert main(["doctor"]) == 0
    monkeypatch.setenv("ADOPS_ENVIRONMENT", "live")
    monkeypatch.setenv("ADOPS_FREEWHEEL_USERNAME", "me")
    assert main(["doctor"]) == 1
    assert "set ADOPS_FREEWHEEL_PASSWORD as well." in capsys.readouterr().out
