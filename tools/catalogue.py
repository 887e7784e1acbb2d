"""The one list of tools, in the order agents see them. Adding a tool is one file, one test and one line here."""

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
    """What is known of a tool before it is used: its file, and the models in it, are imported then.

    place: folder and name. kind: what it does to the world. vendors: those it can work with: it is offered when at
    least one of them is configured, and always when it needs none.
    """

    place: str
    kind: type[Read | Probe | Write[Any]]
    vendors: frozenset[VendorName] = frozenset()

    @property
    def name(self) -> str:
        return self.place.partition(".")[2]

    @property
    def toolset(self) -> Toolset:
        """The group that it is chosen with: the tools of its folder."""
        return _TOOLSETS[self.place.partition(".")[0]]

    @property
    def reads(self) -> bool:
        return self.kind is Read

    @property
    def tool(self) -> AnyTool:
        """Raises TypeError where its file says something else than its line here, by which it was offered."""
        return _imported(self)


@functools.cache
def _imported(entry: Entry) -> AnyTool:
    tool: AnyTool = importlib.import_module(f"tools.{entry.place}").TOOL
    if (tool.name, type(tool.effect)) != (entry.name, entry.kind):
        raise TypeError(f"tools/catalogue.py lists {entry.place} as {entry.kind.__name__}, which its file does not say")
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
