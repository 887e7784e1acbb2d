"""The runtime projection of a modular source at Interchange: its modules, lifecycle stages and open work.

Its shape is InventorySourceRuntimeProjection. It shows how the source is set up, not whether a booking went through.
A stage is MISSING_SETUP if a setup field is missing, BLOCKED or HITL_PENDING if it has open work items,
RUNTIME_INPUTS_REQUIRED if it needs something from the media buy or the creative, and READY otherwise.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from server.sandbox.interchange import bookings, work_items
from server.sandbox.interchange.modules.contracts import (
    FIELDS,
    MODULES,
    REQUIRED_RESULTS,
    STAGES,
    Module,
    Stage,
    row_id,
)
from server.sandbox.store import timestamp

_RUNTIME_SOURCES = ("MEDIA_BUY_INPUT", "CREATIVE_INPUT", "REPORTING_UPLOAD")


@dataclass(frozen=True)
class _State:
    source: sqlite3.Row
    modules: tuple[Module, ...]
    missing: frozenset[str]
    work: dict[str, dict[str, int]]
    checked_at: str

    def open_items(self, kinds: Iterable[str]) -> int:
        return sum(sum(self.work.get(kind, {}).values()) for kind in kinds)

    def missing_of(self, stages: Iterable[Stage]) -> list[str]:
        return [key for key in _input_keys(stages) if key in self.missing]


def projection(connection: sqlite3.Connection, now: datetime, source: sqlite3.Row) -> dict[str, object]:
    work = work_items.open_counts(connection, source["source_id"])
    state = _State(
        source=source,
        modules=MODULES[source["executor"]],
        missing=frozenset(json.loads(source["missing_setup"])),
        work=work,
        checked_at=_last_check(now),
    )
    return {
        "inventorySource": {
            "id": source["id"],
            "storefrontId": work_items.STOREFRONT_ID,
            "sourceId": source["source_id"],
            "name": source["name"],
            "executionType": "MODULAR_SOURCE",
            "status": source["status"],
            "healthStatus": source["health_status"],
            "lastError": source["last_error"],
            "lastCheckedAt": state.checked_at,
        },
        "modules": [_module(state, position) for position in range(len(state.modules))],
        "lifecycleSummary": [_summary(state, stage) for stage in STAGES],
        "openWorkItemCount": state.open_items(work),
        "activeAvailCount": bookings.active_avail_count(connection, now, source["source_id"]),
    }


def _last_check(now: datetime) -> str:
    """When the source was last checked. The platform checks its sources every half hour."""
    moment = now.astimezone(UTC)
    return timestamp(moment.replace(minute=moment.minute // 30 * 30, second=0))


def _module(state: _State, position: int) -> dict[str, object]:
    module = state.modules[position]
    missing = state.missing_of(module.stages)
    error = state.source["last_error"] if missing else None
    kinds = [kind for stage in module.stages for kind in stage.kinds]
    return {
        "moduleRowId": row_id(state.source["id"], position),
        "inventorySourceId": state.source["id"],
        "moduleInstanceId": _instance_id(state, module),
        "kind": module.kind,
        "name": module.name,
        "provider": module.provider,
        "status": _module_status(state, bool(missing)),
        "contractId": module.contract_id,
        "contractVersion": module.version,
        "contract": {
            "contractId": module.contract_id,
            "version": module.version,
            "moduleType": module.module_type,
            "primaryKind": module.kind,
            "provider": module.provider,
            "displayName": module.name,
            "description": module.description,
            "constraints": list(module.constraints),
        },
        "configuredFieldKeys": [
            key
            for key in _input_keys(module.stages)
            if FIELDS[key].source == "MODULE_CONFIG" and key not in state.missing
        ],
        "missingSetupFieldsBySource": _field_groups(state, missing),
        "lifecycle": [_stage(state, module, stage) for stage in module.stages],
        "openWorkItemCount": state.open_items(kinds),
        "openWorkItemCountsByKind": {kind: state.open_items([kind]) for kind in kinds if kind in state.work},
        "lastError": error,
        "lastCheckedAt": state.checked_at,
        "issues": [f"{FIELDS[key].label} is not configured" for key in missing],
    }


def _module_status(state: _State, incomplete: bool) -> str:
    if state.source["status"] == "DISABLED":
        return "DISABLED"
    return "CONFIGURING" if incomplete else "ACTIVE"


def _instance_id(state: _State, module: Module) -> str:
    return f"{state.source['source_id']}:{module.contract_id}"


def _stage(state: _State, module: Module, stage: Stage) -> dict[str, object]:
    missing = state.missing_of([stage])
    kinds: dict[str, object] = {"workItemKind": stage.kinds[0]} if stage.kinds else {}
    return {
        "stage": stage.stage,
        "mode": _mode(stage),
        "description": stage.description,
        **kinds,
        "outputKeys": list(stage.outputs),
        "taskContract": _task(module, stage),
        "requiredFieldsBySource": _field_groups(state, stage.inputs),
        "missingSetupFieldsBySource": _field_groups(state, missing),
        "moduleConfigReady": not missing,
    }


def _task(module: Module, stage: Stage) -> dict[str, object]:
    task: dict[str, object] = {
        "taskId": f"{module.contract_id}.{stage.stage.lower()}",
        "stage": stage.stage,
        "automationMode": _mode(stage),
        "completionPolicy": "HUMAN_COMPLETES" if stage.kinds else "MODULE_COMPLETES",
        "defaultActor": "operator" if stage.kinds else "module",
        "requiredInputKeys": list(stage.inputs),
        "requiredResultKeys": list(REQUIRED_RESULTS.get(stage.kinds[0], ())) if stage.kinds else [],
        "outputKeys": list(stage.outputs),
        "retryable": not stage.kinds,
        "blocksStage": True,
    }
    if stage.kinds:
        task |= {
            "workItemKind": stage.kinds[0],
            "fallbackWorkItemKind": stage.kinds[-1],
            "operatorAction": stage.action,
        }
    return task


def _mode(stage: Stage) -> str:
    return "HITL" if stage.kinds else "AUTOMATED"


def _summary(state: _State, name: str) -> dict[str, object]:
    running = [(module, stage) for module in state.modules for stage in module.stages if stage.stage == name]
    stages = [stage for _, stage in running]
    missing = state.missing_of(stages)
    kinds = [kind for stage in stages for kind in stage.kinds]
    runtime = sorted({FIELDS[key].source for key in _input_keys(stages)} & set(_RUNTIME_SOURCES))
    return {
        "stage": name,
        "supported": bool(running),
        "status": _status(state, stages, missing, kinds, bool(runtime)),
        "modes": sorted({_mode(stage) for stage in stages}),
        "moduleInstanceIds": [_instance_id(state, module) for module, _ in running],
        "moduleNames": [module.name for module, _ in running],
        "setupConfigured": bool(running) and not missing,
        "runtimeInputsRequired": bool(runtime),
        "hitlRequired": bool(kinds),
        "openWorkItemCount": state.open_items(kinds),
        "requiredRuntimeFieldSources": runtime,
        "missingSetupFieldsBySource": _field_groups(state, missing),
        "issues": [f"{FIELDS[key].label} is not configured" for key in missing],
    }


def _status(state: _State, stages: list[Stage], missing: list[str], kinds: list[str], runtime: bool) -> str:
    blocked = sum(state.work.get(kind, {}).get("BLOCKED", 0) for kind in kinds)
    conditions = (
        (not stages, "UNSUPPORTED"),
        (bool(missing), "MISSING_SETUP"),
        (bool(blocked), "BLOCKED"),
        (state.open_items(kinds) > 0, "HITL_PENDING"),
        (runtime, "RUNTIME_INPUTS_REQUIRED"),
    )
    return next((status for holds, status in conditions if holds), "READY")


def _input_keys(stages: Iterable[Stage]) -> list[str]:
    return list(dict.fromkeys(key for stage in stages for key in stage.inputs))


def _field_groups(state: _State, keys: Iterable[str]) -> list[dict[str, object]]:
    """The fields grouped by their source, as a list of InventorySourceContractFieldGroup."""
    groups: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
    for key in keys:
        field = FIELDS[key]
        groups[field.source].append(
            {
                "key": key,
                "label": field.label,
                "description": field.description,
                "source": field.source,
                "valueType": field.value_type,
                "required": True,
                "requiredFor": [
                    stage.stage for module in state.modules for stage in module.stages if key in stage.inputs
                ],
                "mapsTo": field.maps_to,
            }
        )
    return [{"source": source, "fields": fields} for source, fields in groups.items()]
