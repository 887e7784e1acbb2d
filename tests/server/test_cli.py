from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from pydantic import SecretStr

from server import __version__
from server.cli import main
from server.commands.demo import run_demo
from server.commands.doctor import examine
from server.configuration.settings import Settings
from server.protocol.app import build_server
from server.sandbox.faults import HEADER
from tests.processes import sandbox_on_loopback


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"adops-mcp {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["sell"], "invalid choice: 'sell'"),
        (["sandbox"], "required: ACTION"),
        (["sandbox", "serve", "--port", "eighty"], "'eighty' is not a port: give a number from 0 to 65535"),
        (["sandbox", "serve", "--port", "65536"], "'65536' is not a port"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_an_argument_that_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "show", b"\xff\xfe".decode(errors="surrogateescape")]) == 2
    assert capsys.readouterr().err == "adops-mcp: an argument is not UTF-8 text.\n"


def test_settings_that_cannot_be_used_end_every_command_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADOPS_ENVIRONMENT", "prod")
    assert main(["doctor"]) == 2
    assert "ADOPS_ENVIRONMENT" in capsys.readouterr().err


def test_the_demo_tells_the_whole_job_and_ends_with_0() -> None:
    lines: list[str] = []
    assert run_demo(lines.append) == 0
    told = "\n".join(lines)
    for words in (
        "MCP 2026-07-28, on the embedded sandbox",
        "FreeWheel created proposed IO",
        "it is HELD",
        "It is not booked.",
        "refused [conflict]",
        "yes: The service account reaches the network.",
        "no [ADAPTER_PERMISSION_DENIED]",
        "Every step had the expected result.",
    ):
        assert words in told


async def test_a_reset_gives_back_what_was_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path))
    arguments = {"source_id": "northlight-ctv", "text": "next quarter", "per_page": 1}
    async with Client(build_server(Settings())) as client:

        async def available() -> int:
            result = await client.call_tool("list_avails", arguments)
            return result.structured_content["items"][0]["available_impressions"]

        before = await available()
        avail = (await client.call_tool("list_avails", arguments)).structured_content["items"][0]
        held = await client.call_tool(
            "reserve_avail",
            {
                "source_id": avail["source_id"],
                "avail_id": avail["avail_id"],
                "media_buy_id": "sf_mb_7f3a91c204",
                "buyer_customer_id": 88120,
                "requested_impressions": 1000,
            },
        )
        assert not held.is_error
        assert await available() == before - 1000
        assert main(["sandbox", "reset"]) == 0
        assert await available() == before
    assert str(tmp_path) in capsys.readouterr().out


@pytest.mark.parametrize("command", [["serve"], ["doctor"], ["sandbox", "reset"], ["sandbox", "serve", "--port", "0"]])
def test_a_data_directory_that_cannot_be_written_is_named_by_its_setting(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path / "file"))
    assert main(command) == 2
    assert "ADOPS_DATA_DIR: the sandbox's state in" in capsys.readouterr().err


def test_a_reset_replaces_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADOPS_DATA_DIR", str(tmp_path))
    (tmp_path / "sandbox.sqlite3").write_bytes(b"no database " * 1000)
    assert main(["doctor"]) == 2
    assert main(["sandbox", "reset"]) == 0
    assert main(["doctor"]) == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    with sandbox_on_loopback(tmp_path_factory.mktemp("served")) as printed:
        yield printed


async def test_the_served_sandbox_is_reached_with_the_settings_that_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sandbox_on_loopback(tmp_path) as printed:
        for name, value in printed.items():
            monkeypatch.setenv(name, value)
        settings = Settings()
        assert settings.environment == "staging"
        assert isinstance(settings.interchange_api_key, SecretStr)
        async with Client(build_server(settings)) as client:
            for name, arguments in (
                ("list_avails", {}),
                ("list_inventory_packages", {}),
                ("create_proposed_io", {"external_id": "NL-1", "name": "Over HTTP"}),
                ("test_gam_connection", {"source_id": "gam-northlight"}),
                ("test_gam_connection", {"network_code": "21700001"}),
            ):
                result = await client.call_tool(name, arguments)
                assert not result.is_error, result.content
                assert result.structured_content["environment"] == "staging"
        report, healthy = await examine(settings)
        assert healthy, report


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("rate_limited", 429),
        ("error_before", 500),
        ("error_after", 500),
        ("html", 200),
        ("expired_token", 401),
        ("lost_before", httpx.TransportError),
        ("lost_after", httpx.TransportError),
        ("cut_body", httpx.TransportError),
        ("latency", 200),
        ("none", 200),
    ],
)
def test_the_served_sandbox_misbehaves_when_a_request_asks_for_it(
    served: dict[str, str], fault: str, answer: Any
) -> None:
    """One connection, so that a cut is seen to be of that connection, and the next request gets through."""
    url = f"{served['ADOPS_INTERCHANGE_BASE_URL']}/inventory-sources"
    key = {"Authorization": f"Bearer {served['ADOPS_INTERCHANGE_API_KEY']}"}
    with httpx.Client(headers=key, trust_env=False) as client:
        if isinstance(answer, int):
            assert client.get(url, headers={HEADER: fault}).status_code == answer
        else:
            with pytest.raises(answer):
                client.get(url, headers={HEADER: fault})
        assert client.get(url).status_code == 200


def test_the_served_sandbox_misbehaves_at_the_rates_of_the_setting(tmp_path: Path) -> None:
    with sandbox_on_loopback(tmp_path, ADOPS_SANDBOX_FAULTS="error_before=1") as printed:
        assert httpx.get(printed["ADOPS_INTERCHANGE_BASE_URL"], trust_env=False).status_code == 500


def test_the_key_file_of_the_served_sandbox_is_for_its_owner_alone(tmp_path: Path) -> None:
    with sandbox_on_loopback(tmp_path) as printed:
        assert Path(printed["ADOPS_GAM_SERVICE_ACCOUNT_FILE"]).stat().st_mode & 0o777 == 0o600
