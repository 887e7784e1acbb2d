"""The one list of tools, in the order agents see them. Adding a tool is one file, one test and one line here."""

from __future__ import annotations

from tools.freewheel import create_proposed_io, list_inventory_packages
from tools.google_ad_manager import test_gam_connection
from tools.interchange import finalize_booking, list_avails, reserve_avail
from tools.tool import AnyTool

CATALOGUE: tuple[AnyTool, ...] = (
    list_avails.TOOL,
    reserve_avail.TOOL,
    finalize_booking.TOOL,
    list_inventory_packages.TOOL,
    create_proposed_io.TOOL,
    test_gam_connection.TOOL,
)
