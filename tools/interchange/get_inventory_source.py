"""Read one inventory source and its readiness (Interchange: getInventorySource, getModularInventorySourceReadiness)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tools.backends import Backends
from tools.fields import SourceId
from tools.interchange import models, readiness
from tools.schema import Arguments, Result
from tools.tool import READ, Tool
from tools.vendor_http.replies import printable

GOOGLE_AD_MANAGER = "google_ad_manager"


class GetInventorySource(Arguments):
    source_id: SourceId = Field(description="From list_inventory_sources.")
    include_projection: bool = Field(
        default=False, description="Also the raw setup projection of a MODULAR_SOURCE (tens of kilobytes)."
    )


class InventorySourceDetails(Result):
    source_id: str
    name: str
    execution_type: str | None = None
    status: str | None = None
    description: str | None = None
    health: str | None = Field(default=None, description="Of a MODULAR_SOURCE, as Interchange states it.")
    in_the_way: readiness.InTheWay | None = Field(
        default=None, description="What keeps a MODULAR_SOURCE from working; absent when nothing is known to."
    )
    setup_not_read: bool | None = Field(
        default=None, description="True when the setup could not be read: something may be in the way."
    )
    waiting_stages: dict[str, list[str]] | None = Field(default=None, description=readiness.WAITING_DESCRIPTION)
    open_work_item_count: int | None = None
    active_avail_count: int | None = None
    projection: dict[str, Any] | None = Field(default=None, description="Only with include_projection, as it came.")
    ad_server_type: str | None = Field(
        default=None, description="Of a MANAGED_SALES_AGENT; absent when none is configured."
    )
    network_code: str | None = None
    last_error: str | None = Field(default=None, description="Why the ad server's last provisioning or test failed.")
    last_error_code: str | None = None
    last_tested_at: str | None = None
    provisioned_at: str | None = None
    deactivated_at: str | None = None
    updated_at: str | None = None
    next_step: str


async def get_inventory_source(arguments: GetInventorySource, backends: Backends) -> InventorySourceDetails:
    """Read one inventory source of the Interchange storefront with its readiness: what is in its way, what waits.

    Use it when bookings on a source do not move, or to see whether a setup is complete. To find
    sources use list_inventory_sources; for the test of an ad server, test_gam_connection.
    """
    source = await backends.interchange.inventory_source(arguments.source_id)
    if source.execution_type == "MODULAR_SOURCE":
        projection, raw = await backends.interchange.projection(arguments.source_id)
        return _modular(source, projection, raw if arguments.include_projection else None)
    return _other(source)


def _modular(source: models.InventorySource, projection: models.Projection | None, raw: Any) -> InventorySourceDetails:
    in_the_way = readiness.in_the_way(projection)
    return InventorySourceDetails(
        **_common(source),
        health=projection.inventory_source.health_status if projection else None,
        in_the_way=in_the_way,
        setup_not_read=projection is None or None,
        waiting_stages=readiness.waiting_stages(projection),
        open_work_item_count=projection.open_work_item_count if projection else None,
        active_avail_count=projection.active_avail_count if projection else None,
        projection=readiness.raw_object(raw),
        next_step=_modular_next(source, projection, in_the_way),
    )


def _other(source: models.InventorySource) -> InventorySourceDetails:
    managed = source.managed_sa or models.ManagedSalesAgent()
    ad_server = managed.ad_server or models.AdServer()
    return InventorySourceDetails(
        **_common(source),
        ad_server_type=ad_server.type,
        network_code=ad_server.network_code,
        last_error=managed.last_error,
        last_error_code=managed.last_error_code,
        last_tested_at=managed.last_tested_at,
        provisioned_at=managed.provisioned_at,
        deactivated_at=managed.deactivated_at,
        next_step=_managed_next(source),
    )


def _common(source: models.InventorySource) -> dict[str, Any]:
    return {
        "source_id": source.source_id,
        "name": source.name,
        "execution_type": source.execution_type,
        "status": source.status,
        "description": source.description,
        "updated_at": source.updated_at,
    }


def _modular_next(
    source: models.InventorySource, projection: models.Projection | None, in_the_way: readiness.InTheWay | None
) -> str:
    if projection is None:
        return "What its setup lacks is not known: an operator looks at the source in Interchange."
    todo: list[str] = []
    if source.status != "ACTIVE":
        status = printable(source.status, limit=80) if source.status else "not stated"
        todo.append(f"Its status is {status}: a person decides in Interchange whether it becomes ACTIVE.")
    if in_the_way and (in_the_way.stages or in_the_way.last_error):
        todo.append(
            "An operator fixes what is in_the_way in Interchange: fills in missing_setup_fields, settles issues."
        )
    elif in_the_way and source.status == "ACTIVE":
        todo.append("An operator looks in Interchange at what is in_the_way: no reason is shown here.")
    elif source.status == "ACTIVE":
        todo.append("Nothing is known to be in its way: list_avails shows what it sells.")
    if projection.open_work_item_count:
        todo.append("list_work_items shows its open work items, and what people have to do.")
    return " ".join(todo)


def _managed_next(source: models.InventorySource) -> str:
    if source.execution_type != "MANAGED_SALES_AGENT":
        return "The tools here work with modular and ad-server sources only: a person handles this one in Interchange."
    managed = source.managed_sa
    if managed is None:
        return "Its ad server is not shown here: call get_gam_connection."
    if managed.deactivated_at:
        return "It is deactivated: a person decides in Interchange whether it is reactivated."
    if managed.ad_server is None:
        return "No ad server is shown here: call get_gam_connection, and configure_gam_source if none is configured."
    if managed.ad_server.type not in (None, GOOGLE_AD_MANAGER):
        type_ = printable(managed.ad_server.type, limit=80)
        return f"Its ad server is {type_}, not Google Ad Manager: leave it to a person in Interchange."
    if managed.last_error_code or managed.last_error:
        return "get_gam_connection says what the error means and who fixes it, test_gam_connection whether it persists."
    return "Call test_gam_connection to see whether its ad server works now."


TOOL = Tool(
    name="get_inventory_source",
    title="Get an inventory source",
    arguments=GetInventorySource,
    result=InventorySourceDetails,
    effect=READ,
    handler=get_inventory_source,
)
