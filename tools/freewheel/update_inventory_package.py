"""Change an inventory package (Inventory Package API v4, column "Updatable?").

Whether a PUT may be partial is not documented, so the package is read first and sent back whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.effects import Brief, Doubt, Verdict, remember
from tools.errors import UnexpectedAnswer
from tools.fields import FreeWheelId, Name, Prose
from tools.freewheel.models import InventoryPackage
from tools.freewheel.packages import FIELDS, PackageState, differing, is_set, same, told_both, told_fields
from tools.freewheel.targeting import TREES, SspTargeting, Targeting
from tools.freewheel.trees import shows_all
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.updates import Change, change, changed_line, may_have_moved, seen
from tools.vendor_http.replies import STOP_AT_A_DIFFERENCE, printable


class UpdateInventoryPackage(Arguments):
    package_id: FreeWheelId = Field(description="From list_inventory_packages.")
    name: Name | None = Field(default=None, description="New name.")
    description: Prose | None = Field(default=None, description='"" removes it.')
    status: Literal["ACTIVE", "INACTIVE"] | None = Field(default=None, description="INACTIVE turns it off.")
    targeting: Targeting | None = Field(default=None, description="The whole new one, in place of the present.")
    ssp_targeting: SspTargeting | None = Field(default=None, description="Likewise, of SSP inventory.")

    @model_validator(mode="after")
    def _changes_something(self) -> UpdateInventoryPackage:
        if not self.asked():
            raise ValueError(f"nothing to change: give {', '.join(FIELDS[:-1])} or {FIELDS[-1]}")
        return self

    def asked(self) -> dict[str, Any]:
        """What is to be changed, in FreeWheel's spelling."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"package_id"})


class UpdatedInventoryPackage(Result):
    inventory_package: PackageState = Field(description="As FreeWheel shows it now.")
    changes: list[Change] = Field(description="What FreeWheel shows otherwise than before.")
    what_happened: str
    next_step: str


async def update_inventory_package(arguments: UpdateInventoryPackage, backends: Backends) -> UpdatedInventoryPackage:
    """Change a FreeWheel inventory package: name, description, status or targeting; what is not given stays.

    It is sent back whole, as it was a moment before: what somebody else changes meanwhile is undone. To change a
    targeting, take it whole from get_inventory_package, edit it and give it here.
    """
    client, asked = backends.freewheel, arguments.asked()
    present = await client.inventory_package(arguments.package_id)
    before = told_fields(present)
    changed = {field: value for field, value in asked.items() if not _is_already(field, value, before)}
    if not changed:
        return UpdatedInventoryPackage(
            inventory_package=PackageState.of(present),
            changes=[],
            what_happened=f"Nothing was sent: inventory package {present.id} is already as asked.",
            next_step="Tell the person that nothing had to be changed.",
        )
    body = _whole(before, changed)
    remember({"updated_at": present.updated_at})
    answer = await client.update_inventory_package(present.id, body, look=_look(present.id))
    shown, after = answer, told_fields(answer)
    unshown = [field for field, value in body.items() if field not in after or _went(field, value, after)]
    if unshown and (again := await seen(client.inventory_package(present.id))):
        fresh = told_fields(again)
        shown, after = again, {**after, **{field: fresh[field] for field in unshown if field in fresh}}
    return _result(shown, before, asked, body, after)


_Fields = Mapping[str, Any]


def _is_already(field: str, value: Any, before: _Fields) -> bool:
    if field not in before:
        return False
    if field in TREES:
        return same(field, before[field], value) and shows_all(before[field])
    return before[field] == value or not (is_set(field, before[field]) or is_set(field, value))


def _went(field: str, value: Any, after: _Fields) -> bool:
    """Whether the answer holds nothing in the place of what was sent: it may only be left out of this answer."""
    return is_set(field, value) and not is_set(field, after[field])


def _whole(before: _Fields, changed: _Fields) -> dict[str, Any]:
    """The whole body. Raises UnexpectedAnswer when what has to stay was not told, because it would be lost."""
    merged = {field: value for field, value in before.items() if is_set(field, value)} | dict(changed)
    untold = [field for field in ("name", "status") if field not in merged]
    if not any(tree in merged for tree in TREES):
        untold.append("targeting")
    if untold:
        raise UnexpectedAnswer(
            f"The update was not sent: FreeWheel's answer does not tell the package's present {' and '.join(untold)}, "
            "and an update may replace the whole package, so that this would be lost.",
            next_step=f"Ask the person for the package's {' and '.join(untold)} and call again with it, or have a "
            "person make this change in FreeWheel.",
        )
    return {field: merged[field] for field in FIELDS if field in merged}


_MAY_BE_GONE = ("description", *TREES)
"""What a package may do without, so that its absence from an answer does not tell whether it is set."""


def _look(package_id: int) -> str:
    return (
        f"By hand: get_inventory_package for {package_id}: if it shows the new values, the write was done; if it "
        "shows the old ones a minute later, the same call may be made again."
    )


def _result(
    shown: InventoryPackage, before: _Fields, asked: _Fields, body: _Fields, after: _Fields
) -> UpdatedInventoryPackage:
    moved = [
        field
        for field in FIELDS
        if field in after and (field in before or field in asked) and not same(field, before.get(field), after[field])
    ]
    no_targeting = not any(is_set(tree, before.get(tree)) for tree in TREES)
    hidden = [field for field in moved if field not in before or (field in TREES and no_targeting)]
    pairs = {field: told_both(field, before.get(field), after[field]) for field in moved}
    different = differing(asked, after)
    unasked = [field for field in moved if field not in asked]
    unconfirmed = [field for field in body if field not in after]
    not_told = [field for field in _MAY_BE_GONE if field not in before and field not in asked]
    beyond = [tree for tree in TREES if tree in asked and not shows_all(before.get(tree))]
    is_done = not (unconfirmed or unasked or different)
    told = [f"FreeWheel {'updated' if is_done else 'took the update of'} inventory package {shown.id}."]
    if unconfirmed:
        told.append(f"It does not show {', '.join(unconfirmed)}, so nothing is confirmed of that.")
    if not_told:
        told.append(
            f"FreeWheel had not told {' and '.join(not_told)} of it, so none was sent back: whether there was one that "
            "is gone now is not known."
        )
    if beyond:
        told.append(f"{' and '.join(beyond)} had held more than these tools know, which went with it.")
    if no_targeting:
        told.append("It had shown no targeting before: whether there was one that is replaced now is not known.")
    if unasked:
        told.append(f"Changed without being asked for: {', '.join(unasked)}.")
    if different:
        told.append(different)
    return UpdatedInventoryPackage(
        inventory_package=PackageState.of(shown),
        changes=[change(field, "not told" if field in hidden else had, has) for field, (had, has) in pairs.items()],
        what_happened=" ".join(told),
        next_step=_next_step(shown.id, wrong=bool(different or unasked), unconfirmed=unconfirmed, lost=not_told),
    )


def _next_step(package_id: int, *, wrong: bool, unconfirmed: list[str], lost: list[str]) -> str:
    if wrong:
        return STOP_AT_A_DIFFERENCE
    if unconfirmed:
        return f"Call get_inventory_package for {package_id}. What it does not show either, a person looks up."
    if lost:
        return f"Tell the person what changed, and have {' and '.join(lost)} looked at in FreeWheel."
    return "Tell the person what changed."


def _subject(arguments: UpdateInventoryPackage) -> str:
    return f"inventory_package:{arguments.package_id}"


async def _brief(arguments: UpdateInventoryPackage, backends: Backends) -> Brief:
    present = await backends.freewheel.inventory_package(arguments.package_id)
    before, asked = told_fields(present), arguments.asked()
    changed = {field: value for field, value in asked.items() if not _is_already(field, value, before)}
    off = " Campaigns that target it lose it." if changed.get("status") == "INACTIVE" else ""
    named = f"inventory package {present.id} ({printable(present.name or 'no name', limit=200)})"
    return Brief(
        does=f"Change {named}.{off}" if changed else f"Nothing: {named} is already as asked.",
        changes=[changed_line(field, *told_both(field, before.get(field), value)) for field, value in changed.items()],
        not_checked=["Which campaigns target it: FreeWheel does not tell."],
    )


async def _reconcile(arguments: UpdateInventoryPackage, backends: Backends, doubt: Doubt) -> Verdict:
    package = await backends.freewheel.inventory_package(arguments.package_id)
    told, asked = told_fields(package), arguments.asked()
    found = {"package_id": package.id, **({"status": package.status} if package.status else {})}
    untold = [field for field in asked if field not in told]
    against = differing(asked, told)
    if not (against or untold):
        return Verdict(outcome="succeeded", evidence="The package shows what was asked for.", found=found)
    check = f"A person looks at inventory package {package.id} in FreeWheel."
    if untold or may_have_moved(doubt, package.updated_at, package.created_at):
        evidence = f"{against or 'FreeWheel does not tell ' + ', '.join(untold) + '.'} It may have been changed since."
        return Verdict(outcome="unknown", evidence=evidence, check=check, found=found)
    return Verdict(outcome="not_sent", evidence=against, found=found)


TOOL = Tool(
    name="update_inventory_package",
    title="Update inventory package",
    arguments=UpdateInventoryPackage,
    result=UpdatedInventoryPackage,
    effect=Write(
        subject=_subject,
        brief=_brief,
        reconcile=_reconcile,
        destructive=True,
        repeatable=True,
        consequential=lambda arguments: arguments.status == "INACTIVE",
    ),
    handler=update_inventory_package,
)
