"""What keeps a modular source from working, separated from what waits in the normal course.

Source: InventorySourceRuntimeProjection ("Operator-facing setup-state projection for a modular inventory source").
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import Field

from tools.interchange import models
from tools.schema import Result
from tools.vendor_http.replies import is_too_deep

WAITING_DESCRIPTION = (
    "Stages that are not READY in the normal course, by status: HITL_PENDING waits for people, RUNTIME_INPUTS_REQUIRED "
    "for what comes with each booking."
)
"""The description of `waiting_stages` in results."""


class Stage(Result):
    stage: str
    status: str | None = None
    missing_setup_fields: list[str] | None = Field(
        default=None, description="Setup fields that an operator fills in Interchange: key (label)."
    )
    issues: list[str] | None = None


class InTheWay(Result):
    """The parts of a source's setup that keep it from carrying out bookings."""

    source_status: str | None = None
    source_health: str | None = None
    last_error: str | None = None
    stages: list[Stage] | None = Field(default=None, description="Lifecycle stages that cannot run as they are.")


def in_the_way(projection: models.Projection | None) -> InTheWay | None:
    """What keeps the source from working; None when nothing is known to."""
    if projection is None:
        return None
    source = projection.inventory_source
    stages = [_stage(stage) for stage in projection.lifecycle_summary if _is_obstacle(stage)]
    is_fine = source.status in (None, "ACTIVE") and _is_healthy(source.health_status) and not source.last_error
    if is_fine and not stages:
        return None
    return InTheWay(
        source_status=source.status,
        source_health=source.health_status,
        last_error=source.last_error,
        stages=stages or None,
    )


_SETTLED = ("READY", "UNSUPPORTED")
_WAITING = ("HITL_PENDING", "RUNTIME_INPUTS_REQUIRED")


def _is_obstacle(stage: models.LifecycleStage) -> bool:
    if stage.status in _SETTLED:
        return False
    return stage.status not in _WAITING or bool(stage.missing_setup_fields_by_source or stage.issues)


def waiting_stages(projection: models.Projection | None) -> dict[str, list[str]] | None:
    """The stages that wait in the normal course, by status; None when there are none."""
    waiting: dict[str, list[str]] = {}
    for stage in projection.lifecycle_summary if projection else ():
        if stage.status in _WAITING and stage.stage and not _is_obstacle(stage):
            waiting.setdefault(stage.status, []).append(stage.stage)
    return waiting or None


def _is_healthy(health: str | None) -> bool:
    return health is None or health.upper() in ("HEALTHY", "OK")


def _stage(stage: models.LifecycleStage) -> Stage:
    missing = [
        f"{field.key} ({field.label})" if field.label else field.key
        for group in stage.missing_setup_fields_by_source
        for field in group.fields
    ]
    return Stage(
        stage=stage.stage or "unnamed stage",
        status=stage.status,
        missing_setup_fields=missing or None,
        issues=stage.issues or None,
    )


def raw_object(value: Any) -> dict[str, Any] | None:
    """An object of an answer as it came; None when it is no object, or is nested too deeply for a result."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) and not is_too_deep(cast("Any", value)) else None
