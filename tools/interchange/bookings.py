"""What reserving, finalising and releasing share: the request's body, and a booking as agents see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from tools.interchange import models
from tools.schema import Result
from tools.vendor_http.replies import printable


class Booking(Result):
    booking_id: str
    source_id: str
    avail_id: str
    media_buy_id: str
    package_id: str | None = None
    requested_impressions: int | None = None
    status: str | None = Field(
        default=None,
        description="HELD, BOOKED, RELEASED or CANCELLED, as Interchange states it; absent when it did not.",
    )


def booking_result(source_id: str, answer: models.Booking) -> Booking:
    return Booking(
        booking_id=answer.booking_id,
        source_id=source_id,
        avail_id=answer.avail_id,
        media_buy_id=answer.media_buy_id,
        package_id=answer.package_id,
        requested_impressions=answer.requested_impressions,
        status=answer.status,
    )


def without_none(body: Mapping[str, Any]) -> dict[str, Any]:
    """A request's body without the fields that were not given."""
    return {name: value for name, value in body.items() if value is not None}


def status_clause(answer: models.Booking) -> str:
    """The booking's status in a clause, such as `it is HELD`."""
    return f"it is {printable(answer.status, limit=40)}" if answer.status else "Interchange did not state its status"


def other_media_buy_note(media_buy_id: str, answer: models.Booking) -> str:
    """A sentence when the answer names another media buy than the request, else empty.

    Interchange does not document in which form it returns the id, so a different id may be the same buy.
    """
    if answer.media_buy_id == media_buy_id:
        return ""
    answered = printable(answer.media_buy_id, limit=80)
    return (
        f"It names media buy {answered} and not {printable(media_buy_id, limit=80)}: check that both are the same buy."
    )
