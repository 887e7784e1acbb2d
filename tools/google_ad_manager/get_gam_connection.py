"""Read a source's ad-server connection (Interchange: EsaConnection of "Replace ad-server source config")."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tools.backends import Backends
from tools.fields import SourceId
from tools.google_ad_manager.diagnoses import diagnosis_of_code, result_fields
from tools.interchange import models
from tools.schema import Arguments, Result
from tools.tool import READ, Tool
from tools.vendor_http.replies import printable

GOOGLE_AD_MANAGER = "google_ad_manager"


class GetGamConnection(Arguments):
    source_id: SourceId = Field(description="Ad-server source, from list_inventory_sources.")


class InventorySync(Result):
    status: str | None = Field(default=None, description="unknown, never_run, running, success or failed.")
    last_run_at: str | None = None
    completed_at: str | None = None
    item_count: int | None = None
    error: str | None = None
    updated_at: str | None = None


class ConnectionState(Result):
    source_id: str
    connection_id: str
    provisioning_status: str = Field(description="pending, provisioning, active, failed or deactivated.")
    provisioning_status_derived: bool | None = Field(
        default=None, description="True when Interchange did not state it and it follows from the other fields."
    )
    ad_server_type: str | None = Field(default=None, description="Absent when no ad server is configured.")
    network_code: str | None = Field(default=None, description="Absent when none is configured.")
    service_account_email: str | None = Field(
        default=None, description="The account that must be granted in Ad Manager; absent when not known."
    )
    last_error: str | None = Field(default=None, description="Why the last provisioning or test failed.")
    last_error_code: str | None = None
    meaning: str | None = Field(default=None, description="What last_error_code means.")
    do_now: str | None = Field(default=None, description="What a person does about it, if it is still so.")
    where: str | None = Field(default=None, description="Where a person does it.")
    last_tested_at: str | None = None
    provisioned_at: str | None = None
    deactivated_at: str | None = None
    inventory_sync: InventorySync | None = Field(default=None, description="Absent: nothing is known of a sync.")
    customer_id: int | None = None
    tenant_id: str | None = Field(default=None, description="Absent until provisioning succeeded.")
    mcp_url: str | None = Field(default=None, description="Possibly relative to a base URL that is not stated.")
    a2a_url: str | None = Field(default=None, description="As mcp_url.")
    created_at: str | None = None
    updated_at: str | None = None
    next_step: str


async def get_gam_connection(arguments: GetGamConnection, backends: Backends) -> ConnectionState:
    """Read the Google Ad Manager connection of a source as Interchange last knew it.

    Use it for the network code, the service account to grant and the last error. test_gam_connection says whether it
    works now.
    """
    connection = await backends.interchange.esa_connection(arguments.source_id)
    ad_server = connection.ad_server
    sync = connection.inventory_sync
    return ConnectionState(
        source_id=arguments.source_id,
        connection_id=connection.id,
        provisioning_status=connection.provisioning_status or _derived_status(connection),
        provisioning_status_derived=None if connection.provisioning_status else True,
        ad_server_type=ad_server.type if ad_server else None,
        network_code=ad_server.network_code if ad_server else None,
        service_account_email=connection.service_account_email,
        last_error=connection.last_error,
        **_remedy(connection),
        last_tested_at=connection.last_tested_at,
        provisioned_at=connection.provisioned_at,
        deactivated_at=connection.deactivated_at,
        inventory_sync=InventorySync(**sync.model_dump()) if sync else None,
        customer_id=connection.customer_id,
        tenant_id=connection.tenant_id,
        mcp_url=connection.mcp_url,
        a2a_url=connection.a2a_url,
        created_at=connection.created_at,
        updated_at=connection.updated_at,
        next_step=_next_step(connection),
    )


def _derived_status(connection: models.EsaConnection) -> str:
    """The status that follows from the other fields. They do not show `provisioning`."""
    if connection.deactivated_at:
        return "deactivated"
    if connection.last_error_code:
        return "failed"
    return "active" if connection.provisioned_at else "pending"


def _remedy(connection: models.EsaConnection) -> dict[str, Any]:
    if not connection.last_error_code:
        return {}
    diagnosis = diagnosis_of_code(connection.last_error_code, configured=connection.ad_server is not None)
    fields = result_fields(diagnosis, connection.service_account_email)
    return {"last_error_code": diagnosis.code, **{name: fields[name] for name in ("meaning", "do_now", "where")}}


def _next_step(connection: models.EsaConnection) -> str:
    if "ad_server" not in connection.model_fields_set:
        return "Interchange does not state whether an ad server is configured: a person looks in Interchange."
    if connection.ad_server is None:
        return "No ad server is configured: ask the person for the network code, then call configure_gam_source."
    if connection.ad_server.type != GOOGLE_AD_MANAGER:
        type_ = printable(connection.ad_server.type or "not stated", limit=80)
        return f"Its ad server is {type_}, not Google Ad Manager: leave it to a person in Interchange."
    if connection.deactivated_at or connection.provisioning_status == "deactivated":
        return "It is deactivated: a person decides in Interchange whether it is reactivated."
    over = ": the error shown may be over" if connection.last_error or connection.last_error_code else ""
    return f"Call test_gam_connection to see whether it works now{over}."


TOOL = Tool(
    name="get_gam_connection",
    title="Get a Google Ad Manager connection",
    arguments=GetGamConnection,
    result=ConnectionState,
    effect=READ,
    handler=get_gam_connection,
)
