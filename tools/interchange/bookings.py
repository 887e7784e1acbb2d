"""What reserving, finalising and releasing share: the booking as an agent sees it, and how to look for a lost one."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field

from tools.interchange import models
from tools.replies import printable
from tools.schema import Result


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


def booking(source_id: str, answer: models.Booking) -> Booking:
    return Booking(
        booking_id=answer.booking_id,
        source_id=source_id,
        avail_id=answer.avail_id,
        media_buy_id=answer.media_buy_id,
        package_id=answer.package_id,
        requested_impressions=answer.requested_impressions,
        status=answer.status,
    )


def state(answer: models.Booking) -> str:
    """The ledger's state in a clause: `it is HELD`."""
    return f"it is {printable(answer.status, limit=40)}" if answer.status else "Interchange did not state its status"


def differences(asked: Mapping[str, object], answer: BaseModel) -> str:
    """What the answer says otherwise than was asked, in a sentence; empty when nothing.

    asked: by the answer's field names; what was not asked for, or not answered, is no difference.
    """
    told = [
        f"{name} {printable(str(getattr(answer, name)), limit=80)} instead of {printable(str(value), limit=80)}"
        for name, value in asked.items()
        if value is not None and getattr(answer, name) is not None and getattr(answer, name) != value
    ]
    return f"The answer is not what was asked for: {', '.join(told)}." if told else ""


STOP = "Do nothing more with it: show the person this difference, and have it looked at at the vendor."
