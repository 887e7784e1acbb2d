"""The state of a proposed insertion order, to be compared and sent back: each attribute is set, not set, or not stated.

Source: Proposed Insertion Order API v4, "Attributes" with its child tables. `delivery`, `budget` and `assignments` are
not "included in basic GET": their absence says nothing, and neither does a shape that cannot be read. Of the basic
attributes, `description`, `brand_id` and `probability_of_close` may be unset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from tools.freewheel import models
from tools.freewheel.models import ProposedInsertionOrder
from tools.freewheel.proposals import GOALS, same_text
from tools.vendor_http.replies import printable

BASIC = ("external_id", "name", "description", "brand_id", "probability_of_close", "proposed_io_status")
NOT_BASIC = ("budget", "frequency_caps", "assigned_user_ids")
EVERGREEN = {"budget_model": "EVERGREEN"}

_MAY_BE_UNSET = ("description", "brand_id", "probability_of_close")
_BUDGET = ("budget_model", "currency", "impression", "over_delivery", "over_delivery_type")
_CAP = ("value", "type", "scope", "period")
_USER = ("id", "full_name", "login")


def attributes(order: ProposedInsertionOrder) -> dict[str, Any]:
    """The updatable attributes that the order states, with the arguments' names and in one form: sets are sorted, and
    what FreeWheel ignores is left out. None means not set; an absent attribute is not stated, or only in part."""
    basic = {name: getattr(order, name) for name in BASIC if _is_stated(order, name)}
    assigned = order.assignments and order.assignments.users
    users = None if assigned is None else sorted({user.id for user in assigned})
    separate = zip(NOT_BASIC, (_budget(order.budget), _caps(order.delivery), users), strict=True)
    return basic | {name: value for name, value in separate if value is not None}


def unstated_attributes(order: ProposedInsertionOrder) -> list[str]:
    """The attributes that an update without them may remove, because the order does not state them."""
    stated = attributes(order)
    return [
        name
        for name in (*BASIC, *NOT_BASIC)
        if stated.get(name) is None and not (name in _MAY_BE_UNSET and (name in stated or name not in order.raw))
    ]


def whole_body(order: ProposedInsertionOrder, given: Mapping[str, Any]) -> dict[str, Any]:
    """A body with all that is known, in FreeWheel's form, in which `given` (in the arguments' form) replaces the
    present.

    Undocumented fields inside an attribute are sent back as they came.
    """
    present = attributes(order)
    state = {name: value for name, value in present.items() if value not in (None, EVERGREEN)} | dict(given)
    body = {name: state[name] for name in BASIC if name in state}
    if "budget" in state:
        body["budget"] = _undocumented_fields(order.raw.get("budget"), _BUDGET) | state["budget"]
    if "frequency_caps" in state:
        delivery = _undocumented_fields(order.raw.get("delivery"), ("frequency_caps",))
        body["delivery"] = delivery | {
            "frequency_caps": state["frequency_caps"] if "frequency_caps" in given else _raw_caps(order)
        }
    if "assigned_user_ids" in state:
        users = {user["id"]: user for user in _raw_users(order)}
        body["assignments"] = _undocumented_fields(order.raw.get("assignments"), ("users",)) | {
            "users": [users.get(user_id, {"id": user_id}) for user_id in state["assigned_user_ids"]]
        }
    return body


def same_value(one: Any, other: Any) -> bool:
    return one == other or (isinstance(one, str) and isinstance(other, str) and same_text(one, other))


def in_words(value: Any) -> str:
    """A value in a sentence."""
    text = value if isinstance(value, str) else "nothing" if value is None else json.dumps(value)
    return printable(text, limit=200)


def _is_stated(order: ProposedInsertionOrder, name: str) -> bool:
    return name in order.raw and (order.raw[name] in (None, "") or getattr(order, name) is not None)


def _budget(budget: models.Budget | None) -> dict[str, Any] | None:
    """The budget in the arguments' form; None unless it can be sent back or is EVERGREEN."""
    if budget is None or budget.budget_model is None:
        return None
    if budget.budget_model == "EVERGREEN":
        return EVERGREEN
    goal = GOALS.get(budget.budget_model)
    amount = getattr(budget, goal) if goal else None
    custom = budget.over_delivery_type != "DEFAULT" and budget.over_delivery is not None
    if goal is None or amount is None or (budget.over_delivery_type == "CUSTOM" and not custom):
        return None
    over = {"over_delivery": budget.over_delivery} if custom else {}
    kind = "CUSTOM" if custom else "DEFAULT"
    return {"budget_model": budget.budget_model, goal: amount, **over, "over_delivery_type": kind}


def _caps(delivery: models.Delivery | None) -> list[dict[str, Any]] | None:
    """The frequency caps in the arguments' form; None unless every one can be sent back."""
    if delivery is None or delivery.frequency_caps is None:
        return None
    caps = [_cap(cap) for cap in delivery.frequency_caps]
    can_be_sent = all(len(cap) == (4 if cap.get("scope") == "TIME" else 3) for cap in caps)
    return sorted(caps, key=json.dumps) if can_be_sent else None


def _cap(cap: models.FrequencyCap) -> dict[str, Any]:
    return cap.model_dump(exclude_none=True, exclude=set() if cap.scope == "TIME" else {"period"})


def _raw_caps(order: ProposedInsertionOrder) -> list[dict[str, Any]]:
    caps = (order.delivery and order.delivery.frequency_caps) or []
    raw = _list_in(order.raw.get("delivery"), "frequency_caps")
    whole = [_undocumented_fields(came, _CAP) | _cap(cap) for came, cap in zip(raw, caps, strict=True)]

    def by_fields(cap: dict[str, Any]) -> str:
        return json.dumps({name: cap[name] for name in _CAP if name in cap})

    return sorted(whole, key=by_fields)


def _raw_users(order: ProposedInsertionOrder) -> list[dict[str, Any]]:
    users = (order.assignments and order.assignments.users) or []
    raw = _list_in(order.raw.get("assignments"), "users")
    return [{"id": user.id, **_undocumented_fields(came, _USER)} for came, user in zip(raw, users, strict=True)]


def _list_in(raw: Any, name: str) -> list[Any]:
    inner = cast("dict[str, Any]", raw).get(name) if isinstance(raw, dict) else None
    return cast("list[Any]", inner) if isinstance(inner, list) else []


def _undocumented_fields(raw: Any, known: tuple[str, ...]) -> dict[str, Any]:
    """The fields of an object beside its documented ones."""
    if not isinstance(raw, dict):
        return {}
    return {
        name: value for name, value in cast("dict[str, Any]", raw).items() if name not in known and value is not None
    }
