"""Test a Google Ad Manager connection: of an Interchange source, or of a bare network."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.fields import SourceId
from tools.google_ad_manager.client import Finding, Network, Probe
from tools.google_ad_manager.diagnoses import DIAGNOSES, Diagnosis, diagnosis_of_code, result_fields
from tools.interchange.models import ConnectionTest, EsaConnection
from tools.schema import Arguments, Result
from tools.tool import PROBE, Tool
from tools.vendor_http.replies import printable

MAX_NETWORKS = 20


class TestGamConnection(Arguments):
    __test__ = False

    source_id: SourceId | None = Field(
        default=None, description="From list_inventory_sources. Give this or network_code."
    )
    network_code: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,32}$",
        description="Ad Manager network to test directly, digits only.",
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> TestGamConnection:
        if (self.source_id is None) == (self.network_code is None):
            raise ValueError("give either source_id or network_code, and not both")
        return self


class VisibleNetwork(Result):
    network_code: str
    name: str | None = None
    time_zone: str | None = None
    currency: str | None = None
    is_test_network: bool | None = None


class Capability(Result):
    capability: str
    status: str = Field(description="passed, failed or not_checked.")
    message: str | None = None


class GamConnection(Result):
    ok: bool = Field(description="Whether the connection works.")
    code: str = Field(description="OK, or the error code: ADAPTER_NETWORK_NOT_FOUND, ADAPTER_PERMISSION_DENIED, ...")
    meaning: str
    do_now: str = Field(description="What a person must do now.")
    where: str | None = Field(default=None, description="Where a person does it.")
    waiting_helps: bool = Field(description="Whether the same test may pass later although nobody did anything.")
    wait_seconds: int | None = Field(default=None, description="How long to wait before testing again.")
    tested_by: str = Field(description="interchange (through the source) or direct (this server's own account).")
    source_id: str | None = None
    network_code: str | None = Field(default=None, description="The network tested; absent when none is configured.")
    service_account_email: str | None = Field(
        default=None, description="The account that must be granted in Ad Manager; absent when not known."
    )
    account_sees: list[VisibleNetwork] | None = Field(
        default=None,
        description="Networks that the account can see, or after a test that passed the tested one only; empty is "
        "none, absent is not known.",
    )
    account_sees_more: int | None = Field(default=None, description="How many further networks it sees.")
    capabilities: list[Capability] | None = None
    vendor_says: str | None = Field(default=None, description="The vendor's own words.")
    tested_at: str | None = None
    request_id: str | None = Field(default=None, description="Google's id of the request, for its support.")


async def test_gam_connection(arguments: TestGamConnection, backends: Backends) -> GamConnection:
    """Test whether a Google Ad Manager network can be reached, and say what a person must do where if it cannot.

    Give source_id to test a source with the account that Interchange keeps, or network_code to test a network with
    this server's own. It changes nothing in Ad Manager, but Interchange records what a test by source found, and
    may provision the source when it passes: ask before the first test of one. Test again only after something was
    done, or when waiting_helps.
    """
    if arguments.source_id is not None:
        connection = await backends.interchange.esa_connection(arguments.source_id)
        tested = await backends.interchange.test_connection(arguments.source_id)
        return _source_result(arguments.source_id, connection, tested)
    network_code = arguments.network_code or ""
    return _network_result(network_code, await backends.google_ad_manager.probe(network_code))


test_gam_connection.__test__ = False  # pyright: ignore[reportFunctionMemberAccess] - its name looks like a test's


def _source_result(source_id: str, connection: EsaConnection, tested: ConnectionTest) -> GamConnection:
    configured = connection.ad_server is not None
    diagnosis = (
        _diagnosis_of_passed_test(tested)
        if tested.success
        else diagnosis_of_code(tested.error_code, configured=configured)
    )
    words = [] if tested.success else [word for word in (tested.error, tested.remediation) if word]
    return GamConnection(
        ok=tested.success,
        **result_fields(diagnosis, connection.service_account_email),
        tested_by="interchange",
        source_id=source_id,
        network_code=connection.ad_server.network_code if connection.ad_server else None,
        service_account_email=connection.service_account_email,
        capabilities=[
            Capability(capability=check.capability, status=check.status, message=check.message)
            for check in tested.capability_checks
        ]
        or None,
        vendor_says=printable(" ".join(words)) or None,
        tested_at=tested.tested_at,
    )


def _network_result(network_code: str, probe: Probe) -> GamConnection:
    networks = [probe.network] if probe.network else probe.visible
    further = len(networks) - MAX_NETWORKS if networks else 0
    return GamConnection(
        ok=probe.finding is Finding.OK,
        **result_fields(DIAGNOSES[probe.finding], probe.account),
        tested_by="direct",
        network_code=network_code,
        service_account_email=probe.account,
        account_sees=None if networks is None else [_visible(network) for network in networks[:MAX_NETWORKS]],
        account_sees_more=further if further > 0 else None,
        vendor_says=probe.words if probe.finding is not Finding.OK else None,
        request_id=probe.request_id,
    )


def _diagnosis_of_passed_test(tested: ConnectionTest) -> Diagnosis:
    failed = [check.capability for check in tested.capability_checks if check.status.casefold() == "failed"]
    diagnosis = DIAGNOSES[Finding.OK]
    if not failed:
        return diagnosis
    return replace(
        diagnosis,
        meaning=f"The service account reaches the network, but cannot do everything: {', '.join(failed)} failed.",
        do_now="Show the person which capabilities failed, with their messages.",
    )


def _visible(network: Network) -> VisibleNetwork:
    return VisibleNetwork(
        network_code=network.network_code,
        name=network.display_name,
        time_zone=network.time_zone,
        currency=network.currency_code,
        is_test_network=network.test_network or None,
    )


TOOL = Tool(
    name="test_gam_connection",
    title="Test a Google Ad Manager connection",
    arguments=TestGamConnection,
    result=GamConnection,
    effect=PROBE,
    handler=test_gam_connection,
)
