"""What the tools that write inventory packages share: the fields of a body, and how they are shown and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.backends import Backends
from tools.freewheel.models import InventoryPackage, PageOf
from tools.freewheel.search import ReadPage, read_all
from tools.freewheel.targeting import TREES
from tools.freewheel.trees import has_content, same_tree, shown_trees
from tools.schema import Result
from tools.vendor_http.replies import printable

FIELDS = ("name", "description", "status", "targeting", "ssp_targeting")
"""The fields of an update, by the column "Updatable?"."""


class PackageState(Result):
    id: int
    name: str | None = None
    status: str | None = None
    updated_at: str | None = None

    @classmethod
    def of(cls, package: InventoryPackage) -> PackageState:
        return cls(id=package.id, name=package.name, status=package.status, updated_at=package.updated_at)


def stated_fields(package: InventoryPackage) -> dict[str, Any]:
    """The fields that an answer states, null or not, as they came; only the status is made upper case."""
    stated = {field: package.raw[field] for field in FIELDS if field in package.raw}
    return {**stated, "status": package.status} if "status" in stated else stated


def is_set(field: str, value: Any) -> bool:
    return has_content(value) if field in TREES else value not in (None, "")


def same_value(field: str, one: Any, other: Any) -> bool:
    """Whether two values of a field mean the same: trees in any order, and texts apart from the space around them."""
    if field in TREES:
        return same_tree(one, other)
    return str(one or "").strip() == str(other or "").strip()


def shown_values(field: str, before: Any, after: Any) -> tuple[str | None, str | None]:
    """Two values of a field as a reader sees them; None means not set."""
    if field in TREES:
        return shown_trees(before, after)
    return _shown_value(before), _shown_value(after)


def difference_note(requested: Mapping[str, Any], stated: Mapping[str, Any]) -> str:
    """How the answer differs from the request, in a sentence; empty when it does not."""
    differences: list[str] = []
    for field, value in requested.items():
        if field in stated and not same_value(field, value, stated[field]):
            wanted, is_now = shown_values(field, value, stated[field])
            differences.append(f"{field} {is_now or 'not set'} instead of {wanted or 'not set'}")
    return f"The answer is not what was asked for: {', '.join(differences)}." if differences else ""


async def all_packages(backends: Backends) -> tuple[list[InventoryPackage], bool]:
    """The network's packages, and whether the whole list was read."""
    return await read_all(package_pages(backends), "inventory packages")


def package_pages(backends: Backends) -> ReadPage[InventoryPackage]:
    """Reads the pages of the list of packages."""

    async def read(page: int, per_page: int) -> PageOf[InventoryPackage]:
        return await backends.freewheel.list_inventory_packages({"page": page, "per_page": per_page})

    return read


def _shown_value(value: Any) -> str | None:
    return printable(str(value)) if value not in (None, "") else None
