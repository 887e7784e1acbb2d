"""Create an inventory package (Inventory Package API v4, "Request Body Attributes")."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.effects import Doubt, Preview, Verdict, record_baseline
from tools.fields import Name, Prose
from tools.freewheel.creation import Creation
from tools.freewheel.models import InventoryPackage
from tools.freewheel.packages import (
    PackageState,
    all_packages,
    difference_note,
    is_set,
    package_pages,
    stated_fields,
)
from tools.freewheel.targeting import TREES, SspTargeting, Targeting
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.vendor_http.replies import STOP_AT_A_DIFFERENCE, printable

HOW_TO_CHECK = (
    "By hand: list_inventory_packages with the same name (its first 255 characters at most) and sort_by_updated "
    "descending; if a package of that name was updated just now, the write was done."
)


class CreateInventoryPackage(Arguments):
    name: Name = Field(description="Its name.")
    description: Prose | None = Field(default=None, description="Free text.")
    targeting: Targeting | None = Field(
        default=None, description="What it holds and leaves out; give this, ssp_targeting or both."
    )
    ssp_targeting: SspTargeting | None = Field(default=None, description="The same of SSP inventory.")

    @model_validator(mode="after")
    def _targets_something(self) -> CreateInventoryPackage:
        if self.targeting is None and self.ssp_targeting is None:
            raise ValueError("give targeting, ssp_targeting or both")
        return self


class CreatedInventoryPackage(Result):
    inventory_package: PackageState = Field(description="As FreeWheel answered.")
    what_happened: str
    next_step: str


async def create_inventory_package(arguments: CreateInventoryPackage, backends: Backends) -> CreatedInventoryPackage:
    """Create an inventory package in FreeWheel: a named bundle of inventory for campaigns to target.

    Use it when list_inventory_packages shows none like it. It sells and holds nothing: reserve_avail does.
    """
    body = _body(arguments)
    creation = _creation(arguments, backends)
    baseline = await creation.baseline()
    record_baseline(baseline)
    package = await backends.freewheel.create_inventory_package(body, look=HOW_TO_CHECK)
    creation.check_new(package, baseline)
    difference = difference_note(body, stated_fields(package))
    unstated = [field for field in body if field not in stated_fields(package)]
    return CreatedInventoryPackage(
        inventory_package=PackageState.of(package),
        what_happened=_what_happened(package, difference, unstated),
        next_step=_next_step(package, difference, unstated),
    )


def _body(arguments: CreateInventoryPackage) -> dict[str, Any]:
    return arguments.model_dump(mode="json", exclude_none=True)


def _what_happened(package: InventoryPackage, difference: str, unstated: list[str]) -> str:
    status = f"Its status is {package.status}." if package.status else "Its status is not stated."
    sentences = [f"FreeWheel created inventory package {package.id}. {status} Nothing is sold or held by it."]
    if unstated:
        sentences.append(f"The answer does not show {', '.join(unstated)}.")
    return " ".join([*sentences, *([difference] if difference else [])])


def _next_step(package: InventoryPackage, difference: str, unstated: list[str]) -> str:
    if difference:
        return STOP_AT_A_DIFFERENCE
    if unstated:
        return f"Call get_inventory_package for {package.id} and compare what it shows with what was meant."
    return "Tell the person id and status. update_inventory_package changes it, or turns it on and off."


def _subject(arguments: CreateInventoryPackage) -> str:
    return f"inventory_package:{arguments.name.strip()}"


async def _preview(arguments: CreateInventoryPackage, backends: Backends) -> Preview:
    packages, is_whole = await all_packages(backends)
    same_name = [package.id for package in packages if _has_name(package, arguments.name)]
    trees = [name for name in TREES if getattr(arguments, name) is not None]
    return Preview(
        does=f"Create inventory package {printable(arguments.name, limit=200)} in FreeWheel, "
        f"with {' and '.join(trees)}.",
        changes=["The network has one inventory package more. Nothing is sold or held by it."],
        problems=[f"There is one of that name already: {', '.join(map(str, same_name[:5]))}."] if same_name else [],
        not_checked=[
            "Whether the ids of its targeting exist: find_targeting_items lists them.",
            *([] if is_whole else ["Packages past what FreeWheel listed."]),
        ],
    )


def _creation(arguments: CreateInventoryPackage, backends: Backends) -> Creation[InventoryPackage]:
    name = printable(arguments.name, limit=200)
    return Creation[InventoryPackage](
        noun="inventory package",
        field="name",
        identity=arguments.name,
        result_key="inventory_package",
        found_key="inventory_package_ids",
        read_page=package_pages(backends),
        read=backends.freewheel.inventory_package,
        difference=lambda package: _difference(arguments, package),
        unstated=lambda package: [name for name in _body(arguments) if name not in stated_fields(package)],
        check=f"A person looks in FreeWheel for inventory packages named {name}.",
    )


async def _reconcile(arguments: CreateInventoryPackage, backends: Backends, doubt: Doubt) -> Verdict:
    return await _creation(arguments, backends).reconcile(doubt)


def _difference(arguments: CreateInventoryPackage, package: InventoryPackage) -> str:
    """How a package differs from the request, including what it has beyond it, in a sentence."""
    stated = stated_fields(package)
    not_requested = [name for name in ("description", *TREES) if getattr(arguments, name) is None]
    extra = [name for name in not_requested if is_set(name, stated.get(name))]
    return difference_note(_body(arguments), stated) or (
        f"It has {', '.join(extra)}, which was not asked for." if extra else ""
    )


def _has_name(package: InventoryPackage, name: str) -> bool:
    return str(package.raw.get("name") or "").strip() == name.strip()


TOOL = Tool(
    name="create_inventory_package",
    title="Create inventory package",
    arguments=CreateInventoryPackage,
    result=CreatedInventoryPackage,
    effect=Write(subject=_subject, preview=_preview, reconcile=_reconcile, replays_success=True),
    handler=create_inventory_package,
)
