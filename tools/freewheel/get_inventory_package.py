"""Read one inventory package (Inventory Package API v4, "Request Body Attributes"; the path is not documented)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tools.backends import Backends
from tools.fields import FreeWheelId
from tools.freewheel.models import InventoryPackage
from tools.freewheel.targeting import TREES
from tools.freewheel.trees import Counts, ShownTree, counts, has_content, read_tree, shows_all, size
from tools.schema import Arguments, Result
from tools.tool import READ, Tool
from tools.vendor_http.replies import printable

MAX_SHOWN_ITEMS = 40
"""The largest tree, in items, that is shown without being asked for."""

MAX_TEXT_LENGTH = 5000
"""Characters of name and description that are shown: as many as the tools here can write."""


class GetInventoryPackage(Arguments):
    package_id: FreeWheelId = Field(description="From list_inventory_packages.")
    include_all_items: bool = Field(default=False, description="Also show a tree of over 40 items whole.")


class WholePackage(Result):
    id: int
    name: str | None = None
    status: str | None = Field(default=None, description="ACTIVE or INACTIVE.")
    description: str | None = None
    targeting: ShownTree | None = Field(default=None, description="As update_inventory_package takes it.")
    targeting_counts: Counts | None = Field(default=None, description="In place of a long targeting: items by type.")
    ssp_targeting: ShownTree | None = None
    ssp_targeting_counts: Counts | None = None
    created_at: str | None = None
    updated_at: str | None = None
    note: str | None = Field(default=None, description="What is not shown, and what to do.")


async def get_inventory_package(arguments: GetInventoryPackage, backends: Backends) -> WholePackage:
    """Show one FreeWheel inventory package whole: name, status and what its targeting includes and excludes.

    Use it before update_inventory_package, and to copy a targeting for create_inventory_package. To find a package,
    use list_inventory_packages.
    """
    package = await backends.freewheel.inventory_package(arguments.package_id)
    trees: dict[str, Any] = {}
    notes: list[str] = []
    for name in TREES:
        raw = package.raw.get(name)
        if not has_content(raw):
            continue
        tree = read_tree(raw)
        if tree is not None and not shows_all(raw):
            notes.append(f"{name} holds more than is shown here: replacing it would lose that.")
        if tree is None:
            notes.append(f"{name} came in a shape that cannot be shown: a person looks it up in FreeWheel.")
        elif size(tree) > MAX_SHOWN_ITEMS and not arguments.include_all_items:
            trees[f"{name}_counts"] = counts(tree)
            notes.append(
                f"{name} has {size(tree)} items and is shown in counts: call again with include_all_items to see it "
                "whole before you change it."
            )
        else:
            trees[name] = tree
    if not trees and not notes:
        notes.append(
            "FreeWheel stated no targeting, though a package must have one: what this one targets is not known. A "
            "person looks it up in FreeWheel."
        )
    altered = [field for field in ("name", "description") if _is_altered(package, field)]
    if altered:
        notes.append(
            f"{' and '.join(altered)} may be shown without links, markup and line breaks: do not send it back like "
            "this."
        )
    return WholePackage(
        id=package.id,
        name=_text(package, "name"),
        status=package.status,
        description=_text(package, "description"),
        created_at=package.created_at,
        updated_at=package.updated_at,
        note=" ".join(notes) or None,
        **trees,
    )


def _is_altered(package: InventoryPackage, field: str) -> bool:
    value = package.raw.get(field)
    return isinstance(value, str) and value.strip() != (_text(package, field) or "")


def _text(package: InventoryPackage, field: str) -> str | None:
    value = package.raw.get(field)
    return printable(value, limit=MAX_TEXT_LENGTH) or None if isinstance(value, str) else None


TOOL = Tool(
    name="get_inventory_package",
    title="Get inventory package",
    arguments=GetInventoryPackage,
    result=WholePackage,
    effect=READ,
    handler=get_inventory_package,
)
