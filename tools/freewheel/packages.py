"""What the tools that write inventory packages share: the fields that a body holds, told and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.backends import Backends
from tools.freewheel.models import InventoryPackage, PageOf
from tools.freewheel.search import Read, entries_before, every, proven
from tools.freewheel.targeting import TREES
from tools.freewheel.trees import is_told, same_tree, told_change
from tools.schema import Result
from tools.vendor_http.replies import printable

FIELDS = ("name", "description", "status", "targeting", "ssp_targeting")
"""What an update may hold, by the column "Updatable?"."""


class PackageState(Result):
    id: int
    name: str | None = None
    status: str | None = None
    updated_at: str | None = None

    @classmethod
    def of(cls, package: InventoryPackage) -> PackageState:
        return cls(id=package.id, name=package.name, status=package.status, updated_at=package.updated_at)


def told_fields(package: InventoryPackage) -> dict[str, Any]:
    """The fields that an answer holds, null or not, as they came; a status in capitals, which is how one is sent."""
    told = {field: package.raw[field] for field in FIELDS if field in package.raw}
    return {**told, "status": package.status} if "status" in told else told


def is_set(field: str, value: Any) -> bool:
    return is_told(value) if field in TREES else value not in (None, "")


def same(field: str, one: Any, other: Any) -> bool:
    """Whether two values of a field mean the same: trees in whatever order, texts but for the space around them."""
    if field in TREES:
        return same_tree(one, other)
    return str(one or "").strip() == str(other or "").strip()


def told_both(field: str, before: Any, after: Any) -> tuple[str | None, str | None]:
    """Two values of a field as a reader is told them; None is not set."""
    if field in TREES:
        return told_change(before, after)
    return _told(before), _told(after)


def differing(asked: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """What the vendor's answer says otherwise than was asked, in a sentence; empty when nothing."""
    different: list[str] = []
    for field, value in asked.items():
        if field in told and not same(field, value, told[field]):
            wanted, is_now = told_both(field, value, told[field])
            different.append(f"{field} {is_now or 'not set'} instead of {wanted or 'not set'}")
    return f"The answer is not what was asked for: {', '.join(different)}." if different else ""


async def every_package(backends: Backends) -> tuple[list[InventoryPackage], bool]:
    """The network's packages, and whether the list was read to its end."""
    return await every(_pages(backends), _WHAT)


async def proven_packages(backends: Backends) -> tuple[list[InventoryPackage], bool]:
    """The packages that were seen, and whether it is proven that there are no others."""
    return await proven(_pages(backends), _WHAT)


async def packages_before(backends: Backends) -> list[InventoryPackage] | None:
    """All packages before a write; None when they could not be read."""
    return await entries_before(_pages(backends), _WHAT)


_WHAT = "inventory packages"


def _pages(backends: Backends) -> Read[InventoryPackage]:
    async def read(page: int, per_page: int) -> PageOf[InventoryPackage]:
        return await backends.freewheel.list_inventory_packages({"page": page, "per_page": per_page})

    return read


def _told(value: Any) -> str | None:
    return printable(str(value)) if value not in (None, "") else None
