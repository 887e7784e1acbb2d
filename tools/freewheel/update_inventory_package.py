"""Change an inventory package (Inventory Package API v4, column "Updatable?").

It is not documented whether a PUT may be partial, so the package is read first and sent back whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.effects import Doubt, Preview, Verdict, record_baseline
from tools.errors import UnexpectedAnswer
from tools.fields import FreeWheelId, Name, Prose
from tools.freewheel.models import InventoryPackage
from tools.freewheel.packages import (
    FIELDS,
    PackageState,
    difference_note,
    is_set,
    same_value,
    shown_values,
    stated_fields,
)
from tools.freewheel.targeting import TREES, SspTargeting, Targeting
from tools.freewheel.trees import shows_all
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.updates import Change, change_line, may_have_changed, read_after_write, shown_change
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
        if not self.requested():
            raise ValueError(f"nothing to change: give {', '.join(FIELDS[:-1])} or {FIELDS[-1]}")
        return self

    def requested(self) -> dict[str, Any]:
        """The requested values, by FreeWheel's field names."""
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
    client, requested = backends.freewheel, arguments.requested()
    present = await client.inventory_package(arguments.package_id)
    before = stated_fields(present)
    changed = {field: value for field, value in requested.items() if not _is_already(field, value, before)}
    if not changed:
        return UpdatedInventoryPackage(
            inventory_package=PackageState.of(present),
            changes=[],
            what_happened=f"Nothing was sent: inventory package {present.id} is already as requested.",
            next_step="Tell the person that nothing had to be changed.",
        )
    body = _whole_body(before, changed)
    record_baseline({"updated_at": present.updated_at})
    answer = await client.update_inventory_package(present.id, body, look=_how_to_check(present.id))
    package, after = answer, stated_fields(answer)
    unshown = [field for field, value in body.items() if field not in after or _is_missing(field, value, after)]
    if unshown and (again := await read_after_write(client.inventory_package(present.id))):
        fresh = stated_fields(again)
        package, after = again, {**after, **{field: fresh[field] for field in unshown if field in fresh}}
    return _result(package, before, requested, body, after)


_Fields = Mapping[str, Any]


def _is_already(field: str, value: Any, before: _Fields) -> bool:
    if field not in before:
        return False
    if field in TREES:
        return same_value(field, before[field], value) and shows_all(before[field])
    return before[field] == value or not (is_set(field, before[field]) or is_set(field, value))


def _is_missing(field: str, value: Any, after: _Fields) -> bool:
    """Whether the answer has no value for a field that was sent. It may only be left out of this answer."""
    return is_set(field, value) and not is_set(field, after[field])


def _whole_body(before: _Fields, changed: _Fields) -> dict[str, Any]:
    """The whole body. Raises UnexpectedAnswer when FreeWheel did not state what must stay, because it would be lost."""
    merged = {field: value for field, value in before.items() if is_set(field, value)} | dict(changed)
    unstated = [field for field in ("name", "status") if field not in merged]
    if not any(tree in merged for tree in TREES):
        unstated.append("targeting")
    if unstated:
        raise UnexpectedAnswer(
            "The update was not sent: FreeWheel's answer does not state the package's present "
            f"{' and '.join(unstated)}, and an update may replace the whole package, so this would be lost.",
            next_step=f"Ask the person for the package's {' and '.join(unstated)} and call again with it, or have a "
            "person make this change in FreeWheel.",
        )
    return {field: merged[field] for field in FIELDS if field in merged}


_OPTIONAL_FIELDS = ("description", *TREES)
"""Fields that a package may lack. Where an answer does not have one, it may be set or not."""


def _how_to_check(package_id: int) -> str:
    return (
        f"By hand: get_inventory_package for {package_id}: if it shows the new values, the write was done; if it "
        "shows the old ones a minute later, the same call may be made again."
    )


def _result(
    package: InventoryPackage, before: _Fields, requested: _Fields, body: _Fields, after: _Fields
) -> UpdatedInventoryPackage:
    changed = [
        field
        for field in FIELDS
        if field in after
        and (field in before or field in requested)
        and not same_value(field, before.get(field), after[field])
    ]
    no_targeting = not any(is_set(tree, before.get(tree)) for tree in TREES)
    unstated_before = [field for field in changed if field not in before or (field in TREES and no_targeting)]
    pairs = {field: shown_values(field, before.get(field), after[field]) for field in changed}
    difference = difference_note(requested, after)
    not_requested = [field for field in changed if field not in requested]
    unconfirmed = [field for field in body if field not in after]
    unstated = [field for field in _OPTIONAL_FIELDS if field not in before and field not in requested]
    had_unknown_parts = [tree for tree in TREES if tree in requested and not shows_all(before.get(tree))]
    is_done = not (unconfirmed or not_requested or difference)
    sentences = [f"FreeWheel {'updated' if is_done else 'took the update of'} inventory package {package.id}."]
    if unconfirmed:
        sentences.append(f"It does not show {', '.join(unconfirmed)}, so nothing is confirmed of that.")
    if unstated:
        sentences.append(
            f"FreeWheel had not stated {' and '.join(unstated)} of it, so none was sent back: one may have been there "
            "and be gone now."
        )
    if had_unknown_parts:
        sentences.append(f"{' and '.join(had_unknown_parts)} held more than these tools know, which was replaced too.")
    if no_targeting:
        sentences.append("It showed no targeting before: whether one was replaced now is not known.")
    if not_requested:
        sentences.append(f"Changed without being asked for: {', '.join(not_requested)}.")
    if difference:
        sentences.append(difference)
    return UpdatedInventoryPackage(
        inventory_package=PackageState.of(package),
        changes=[
            shown_change(field, "not stated" if field in unstated_before else shown_before, shown_after)
            for field, (shown_before, shown_after) in pairs.items()
        ],
        what_happened=" ".join(sentences),
        next_step=_next_step(
            package.id, wrong=bool(difference or not_requested), unconfirmed=unconfirmed, may_be_lost=unstated
        ),
    )


def _next_step(package_id: int, *, wrong: bool, unconfirmed: list[str], may_be_lost: list[str]) -> str:
    if wrong:
        return STOP_AT_A_DIFFERENCE
    if unconfirmed:
        return f"Call get_inventory_package for {package_id}. What it does not show either, a person looks up."
    if may_be_lost:
        return f"Tell the person what changed, and have {' and '.join(may_be_lost)} looked at in FreeWheel."
    return "Tell the person what changed."


def _subject(arguments: UpdateInventoryPackage) -> str:
    return f"inventory_package:{arguments.package_id}"


async def _preview(arguments: UpdateInventoryPackage, backends: Backends) -> Preview:
    present = await backends.freewheel.inventory_package(arguments.package_id)
    before, requested = stated_fields(present), arguments.requested()
    changed = {field: value for field, value in requested.items() if not _is_already(field, value, before)}
    consequence = " Campaigns that target it lose it." if changed.get("status") == "INACTIVE" else ""
    label = f"inventory package {present.id} ({printable(present.name or 'no name', limit=200)})"
    return Preview(
        does=f"Change {label}.{consequence}" if changed else f"Nothing: {label} is already as requested.",
        changes=[
            change_line(field, *shown_values(field, before.get(field), value)) for field, value in changed.items()
        ],
        not_checked=["Which campaigns target it: FreeWheel does not state."],
    )


async def _reconcile(arguments: UpdateInventoryPackage, backends: Backends, doubt: Doubt) -> Verdict:
    package = await backends.freewheel.inventory_package(arguments.package_id)
    stated, requested = stated_fields(package), arguments.requested()
    found = {"package_id": package.id, **({"status": package.status} if package.status else {})}
    unstated = [field for field in requested if field not in stated]
    difference = difference_note(requested, stated)
    if not (difference or unstated):
        return Verdict(outcome="succeeded", evidence="The package shows what was asked for.", found=found)
    check = f"A person looks at inventory package {package.id} in FreeWheel."
    if unstated or may_have_changed(doubt, package.updated_at, package.created_at):
        evidence = (
            f"{difference or 'FreeWheel does not state ' + ', '.join(unstated) + '.'} It may have been changed since."
        )
        return Verdict(outcome="unknown", evidence=evidence, check=check, found=found)
    return Verdict(outcome="not_sent", evidence=difference, found=found)


TOOL = Tool(
    name="update_inventory_package",
    title="Update inventory package",
    arguments=UpdateInventoryPackage,
    result=UpdatedInventoryPackage,
    effect=Write(
        subject=_subject,
        preview=_preview,
        reconcile=_reconcile,
        destructive=True,
        repeatable=True,
        consequential=lambda arguments: arguments.status == "INACTIVE",
    ),
    handler=update_inventory_package,
)
