"""The list of all tools, in the order in which agents see them. A new tool is one file, one test and one line here."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

from tools.tool import AnyTool, Probe, Read, Toolset, Write
from tools.vendors import VendorName

_INTERCHANGE: frozenset[VendorName] = frozenset({"interchange"})
_FREEWHEEL: frozenset[VendorName] = frozenset({"freewheel"})
_GOOGLE_AD_MANAGER: frozenset[VendorName] = frozenset({"google_ad_manager"})

_TOOLSETS: dict[str, Toolset] = {
    "freewheel": "freewheel",
    "interchange": "interchange",
    "google_ad_manager": "gam",
    "operations": "operations",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a tool before its file is imported, which happens when it is first used.

    module: its folder and file under `tools`, with a dot between them.
    effect: what it does to the world.
    vendors: the vendors it can work with. It is offered when one of them is configured, and always when it needs none.
    """

    module: str
    effect: type[Read | Probe | Write[Any]]
    vendors: frozenset[VendorName] = frozenset()

    @property
    def name(self) -> str:
        return self.module.partition(".")[2]

    @property
    def toolset(self) -> Toolset:
        """The group of tools that can be chosen together: those of one folder."""
        return _TOOLSETS[self.module.partition(".")[0]]

    @property
    def reads(self) -> bool:
        return self.effect is Read

    @property
    def tool(self) -> AnyTool:
        """The tool itself. Raises TypeError when its file contradicts this entry, by which the tool was offered."""
        return _load(self)


@functools.cache
def _load(entry: Entry) -> AnyTool:
    tool: AnyTool = importlib.import_module(f"tools.{entry.module}").TOOL
    if (tool.name, type(tool.effect)) != (entry.name, entry.effect):
        raise TypeError(
            f"tools/catalogue.py lists {entry.module} as {entry.effect.__name__}, but its file says otherwise"
        )
    return tool


CATALOGUE: tuple[Entry, ...] = (
    Entry("interchange.list_media_buys", Read, _INTERCHANGE),
    Entry("interchange.list_avails", Read, _INTERCHANGE),
    Entry("interchange.reserve_avail", Write, _INTERCHANGE),
    Entry("interchange.finalize_booking", Write, _INTERCHANGE),
    Entry("interchange.release_booking", Write, _INTERCHANGE),
    Entry("interchange.list_work_items", Read, _INTERCHANGE),
    Entry("interchange.get_work_item", Read, _INTERCHANGE),
    Entry("interchange.update_work_item", Write, _INTERCHANGE),
    Entry("interchange.complete_work_item", Write, _INTERCHANGE),
    Entry("interchange.list_inventory_sources", Read, _INTERCHANGE),
    Entry("interchange.get_inventory_source", Read, _INTERCHANGE),
    Entry("google_ad_manager.get_gam_connection", Read, _INTERCHANGE),
    Entry("google_ad_manager.configure_gam_source", Write, _INTERCHANGE),
    Entry("google_ad_manager.test_gam_connection", Probe, _INTERCHANGE | _GOOGLE_AD_MANAGER),
    Entry("freewheel.list_inventory_packages", Read, _FREEWHEEL),
    Entry("freewheel.get_inventory_package", Read, _FREEWHEEL),
    Entry("freewheel.create_inventory_package", Write, _FREEWHEEL),
    Entry("freewheel.update_inventory_package", Write, _FREEWHEEL),
    Entry("freewheel.find_targeting_items", Read, _FREEWHEEL),
    Entry("freewheel.list_campaigns", Read, _FREEWHEEL),
    Entry("freewheel.list_advertisers", Read, _FREEWHEEL),
    Entry("freewheel.list_proposed_ios", Read, _FREEWHEEL),
    Entry("freewheel.get_proposed_io", Read, _FREEWHEEL),
    Entry("freewheel.create_proposed_io", Write, _FREEWHEEL),
    Entry("freewheel.update_proposed_io", Write, _FREEWHEEL),
    Entry("freewheel.list_proposed_placements", Read, _FREEWHEEL),
    Entry("operations.list_operations", Read),
    Entry("operations.get_operation", Read),
    Entry("operations.reconcile_operation", Read),
    Entry("operations.get_status", Read),
)

BY_NAME = {entry.name: entry for entry in CATALOGUE}
