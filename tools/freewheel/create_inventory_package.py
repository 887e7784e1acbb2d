"""Create an inventory package (Inventory Package API v4, "Request Body Attributes")."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.fields import Name, Prose
from tools.freewheel.models import InventoryPackage
from tools.freewheel.packages import PackageState, differing, told_fields
from tools.freewheel.targeting import SspTargeting, Targeting
from tools.replies import STOP_AT_A_DIFFERENCE
from tools.schema import Arguments, Result
from tools.tool import Tool, Write

LOOK = (
    "First call list_inventory_packages with the same name (its first 255 characters at most) and sort_by_updated "
    "descending: if a package of that name was updated just now, the write was done; if there is none a minute later "
    "either, the same call may be made again."
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

    Use it when list_inventory_packages shows none like it. It sells and holds nothing: reserve_avail does. Never repeat
    one whose answer was lost: it may create a second.
    """
    body = _body(arguments)
    package = await backends.freewheel.create_inventory_package(body, look=LOOK)
    different = differing(body, told_fields(package))
    untold = [field for field in body if field not in told_fields(package)]
    return CreatedInventoryPackage(
        inventory_package=PackageState.of(package),
        what_happened=_what_happened(package, different, untold),
        next_step=_next_step(package, different, untold),
    )


def _body(arguments: CreateInventoryPackage) -> dict[str, Any]:
    return arguments.model_dump(mode="json", exclude_none=True)


def _what_happened(package: InventoryPackage, different: str, untold: list[str]) -> str:
    status = f"Its status is {package.status}." if package.status else "Its status was not told."
    told = [f"FreeWheel created inventory package {package.id}. {status} Nothing is sold or held by it."]
    if untold:
        told.append(f"The answer does not show {', '.join(untold)}.")
    return " ".join([*told, *([different] if different else [])])


def _next_step(package: InventoryPackage, different: str, untold: list[str]) -> str:
    if different:
        return STOP_AT_A_DIFFERENCE
    if untold:
        return f"Call get_inventory_package for {package.id} and compare what it shows with what was meant."
    return "Tell the person id and status. update_inventory_package changes it, or turns it on and off."


TOOL = Tool(
    name="create_inventory_package",
    title="Create inventory package",
    arguments=CreateInventoryPackage,
    result=CreatedInventoryPackage,
    effect=Write(),
    vendors=frozenset({"freewheel"}),
    handler=create_inventory_package,
)
