"""What the pages of the vendors show of `adops-mcp doctor` is what it says, on the sandbox's vendors in their place.

Each block is marked with a case below: the settings, and what a vendor answers instead of what the sandbox would.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from server.clients import Wire
from server.commands.doctor import examine
from server.configuration.settings import Settings
from server.sandbox.freewheel.tokens import PASSWORD, USERNAME
from server.sandbox.interchange.app import API_KEY
from tests.docs import ROOT
from tests.pages import Fence, read
from tests.support import FakeTime, SandboxNetwork
from tools.vendors import VendorName

PAGES: dict[str, VendorName] = {
    "freewheel": "freewheel",
    "interchange": "interchange",
    "google-ad-manager": "google_ad_manager",
}
FENCES = [
    (vendor, fence) for name, vendor in PAGES.items() for fence in read(ROOT / "docs" / f"{name}.md").marked("doctor")
]


@dataclass(frozen=True, slots=True)
class Case:
    """settings: without ADOPS_; KEY is the sandbox's key file, OTHER one of another kind. below: the paths that are
    answered so, instead of by the sandbox; no answer is no connection."""

    settings: Mapping[str, str]
    below: str = ""
    answer: httpx.Response | None = None
    healthy: bool = False


def refused(status: int, **payload: object) -> httpx.Response:
    return httpx.Response(status, json=payload) if payload else httpx.Response(status)


FREEWHEEL = {"FREEWHEEL_USERNAME": USERNAME, "FREEWHEEL_PASSWORD": PASSWORD}
INTERCHANGE = {"INTERCHANGE_API_KEY": API_KEY}
GOOGLE = {"GAM_SERVICE_ACCOUNT_FILE": "KEY"}

CASES: dict[str, Case] = {
    "freewheel": Case(FREEWHEEL, healthy=True),
    "freewheel-credentials": Case({**FREEWHEEL, "FREEWHEEL_PASSWORD": "another-password"}),
    "freewheel-token": Case({"FREEWHEEL_TOKEN": "a-token-of-last-year"}),
    "freewheel-marketplace": Case(
        FREEWHEEL, "/services/v4", refused(403, Message="User is not authorized to access this resource")
    ),
    "freewheel-proposals-alone": Case(
        FREEWHEEL,
        "/services/v4/inventory_packages",
        refused(403, Message="User is not authorized to access this resource"),
        healthy=True,
    ),
    "freewheel-half": Case({"FREEWHEEL_USERNAME": USERNAME}),
    "freewheel-two": Case({**FREEWHEEL, "FREEWHEEL_TOKEN": "a-token-as-well"}),
    "freewheel-network": Case(FREEWHEEL, "/"),
    "freewheel-limit": Case(FREEWHEEL, "/services/v4", refused(429)),
    "interchange": Case(INTERCHANGE, healthy=True),
    "interchange-key": Case({"INTERCHANGE_API_KEY": "scope3_1_another-key"}),
    "interchange-denied": Case(
        INTERCHANGE, "/", refused(403, error={"code": "ACCESS_DENIED", "message": "This key may not read the account"})
    ),
    "interchange-network": Case(INTERCHANGE, "/"),
    "interchange-limit": Case(
        INTERCHANGE,
        "/",
        httpx.Response(
            429, json={"error": {"code": "RATE_LIMITED", "message": "Too many requests"}}, headers={"Retry-After": "30"}
        ),
    ),
    "gam": Case(GOOGLE, healthy=True),
    "gam-no-grant": Case(GOOGLE, "/v1/networks", httpx.Response(200, json={}), healthy=True),
    "gam-no-file": Case({"GAM_SERVICE_ACCOUNT_FILE": "/not/there.json"}),
    "gam-no-key": Case({"GAM_SERVICE_ACCOUNT_FILE": "OTHER"}),
    "gam-key-gone": Case(GOOGLE, "/token", refused(400, error="invalid_grant")),
    "gam-api-off": Case(
        GOOGLE,
        "/v1/networks",
        refused(
            403,
            error={
                "status": "PERMISSION_DENIED",
                "message": "Google Ad Manager API has not been used in this project before or it is disabled.",
                "details": [{"reason": "SERVICE_DISABLED"}],
            },
        ),
    ),
}


def test_every_case_is_shown_on_a_page_and_every_block_has_a_case() -> None:
    assert [fence.name for _, fence in FENCES] == list(CASES)


@pytest.mark.parametrize(("vendor", "fence"), FENCES, ids=[fence.name for _, fence in FENCES])
async def test_doctor_says_what_the_page_shows(
    vendor: VendorName, fence: Fence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[fence.name]
    network = SandboxNetwork(FakeTime(), tmp_path)
    files = {"KEY": network.sandbox.service_account_key("https://oauth2.googleapis.com/token"), "OTHER": "{}"}
    for name, content in files.items():
        (tmp_path / name).write_text(content, "utf-8")
    for name, value in {"ENVIRONMENT": "live", "DATA_DIR": str(tmp_path), **case.settings}.items():
        monkeypatch.setenv(f"ADOPS_{name}", str(tmp_path / value) if value in files else value)

    inner = network.wire.transports[vendor]

    async def answered(request: httpx.Request) -> httpx.Response:
        if not case.below or case.below not in request.url.path:
            return await inner.handle_async_request(request)
        if case.answer is None:
            raise httpx.ConnectError("no way there")
        return case.answer

    wire = Wire({**network.wire.transports, vendor: httpx.MockTransport(answered)}, network.time.timing)
    report, healthy = await examine(Settings(), wire)
    assert (fence.text if fence.text.startswith("[") else textwrap.indent(fence.text, "    ")) in report
    assert healthy is case.healthy
    network.sandbox.close()
