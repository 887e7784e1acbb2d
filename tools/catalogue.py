"""The one list of tools, in the order agents see them. Adding a tool is one file, one test and one line here."""

from __future__ import annotations

from tools.freewheel import (
    create_inventory_package,
    create_proposed_io,
    find_targeting_items,
    get_inventory_package,
    get_proposed_io,
    list_advertisers,
    list_campaigns,
    list_inventory_packages,
    list_proposed_ios,
    list_proposed_placements,
    update_inventory_package,
    update_proposed_io,
)
from tools.google_ad_manager import configure_gam_source, get_gam_connection, test_gam_connection
from tools.interchange import (
    complete_work_item,
    finalize_booking,
    get_inventory_source,
    get_work_item,
    list_avails,
    list_inventory_sources,
    list_media_buys,
    list_work_items,
    release_booking,
    reserve_avail,
    update_work_item,
)
from tools.operations import get_operation, get_status, list_operations, reconcile_operation
from tools.tool import AnyTool

CATALOGUE: tuple[AnyTool, ...] = (
    list_media_buys.TOOL,
    list_avails.TOOL,
    reserve_avail.TOOL,
    finalize_booking.TOOL,
    release_booking.TOOL,
    list_work_items.TOOL,
    get_work_item.TOOL,
    update_work_item.TOOL,
    complete_work_item.TOOL,
    list_inventory_sources.TOOL,
    get_inventory_source.TOOL,
    get_gam_connection.TOOL,
    configure_gam_source.TOOL,
    test_gam_connection.TOOL,
    list_inventory_packages.TOOL,
    get_inventory_package.TOOL,
    create_inventory_package.TOOL,
    update_inventory_package.TOOL,
    find_targeting_items.TOOL,
    list_campaigns.TOOL,
    list_advertisers.TOOL,
    list_proposed_ios.TOOL,
    get_proposed_io.TOOL,
    create_proposed_io.TOOL,
    update_proposed_io.TOOL,
    list_proposed_placements.TOOL,
    list_operations.TOOL,
    get_operation.TOOL,
    reconcile_operation.TOOL,
    get_status.TOOL,
)
