"""What Interchange says about the media buy that a hold or a handoff is for."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.backends import Backends
from tools.errors import AdOpsError
from tools.interchange import models
from tools.interchange.holds import BookingIds
from tools.vendor_http.replies import printable

PER_PAGE = 50
MAX_PAGES = 10

_STATUSES_WITHOUT_HOLDS = ("pending_approval", "rejected", "canceled", "completed")
"""The statuses in which Interchange refuses holds, as far as is known."""


@dataclass
class MediaBuyFindings:
    """Parts of a `tools.effects.Preview`."""

    current_state: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    not_checked: list[str] = field(default_factory=list[str])


async def check_media_buy(ids: BookingIds, buyer_customer_id: int, backends: Backends) -> MediaBuyFindings:
    """Whether the buyer has such a media buy, and in which status it is."""
    findings, name = MediaBuyFindings(), printable(ids.media_buy_id, limit=80)
    try:
        media_buy, is_whole = await _find(ids.media_buy_id.strip(), buyer_customer_id, backends)
    except AdOpsError as error:
        findings.not_checked.append(f"The media buy: {error.message}")
        return findings
    if media_buy is not None:
        status = printable(media_buy.status or "in a status that is not stated", limit=40)
        reason = f" ({printable(media_buy.pending_reason, limit=200)})" if media_buy.pending_reason else ""
        buyer = f" of {printable(media_buy.buyer.name, limit=80)}" if media_buy.buyer and media_buy.buyer.name else ""
        sentence = f"Media buy {name}{buyer} is {status}{reason}."
        (findings.problems if media_buy.status in _STATUSES_WITHOUT_HOLDS else findings.current_state).append(sentence)
    elif is_whole:
        findings.problems.append(f"Interchange lists no media buy {name} of buyer {buyer_customer_id}.")
    else:
        findings.not_checked.append(f"Whether buyer {buyer_customer_id} has media buy {name}: too many to read.")
    return findings


async def _find(media_buy_id: str, buyer: int, backends: Backends) -> tuple[models.MediaBuy | None, bool]:
    """The media buy, if it was found, and whether all were read."""
    read = 0
    for _ in range(MAX_PAGES):
        answer = await backends.interchange.media_buys({"buyerCustomerId": buyer, "take": PER_PAGE, "skip": read})
        for item in answer.items:
            if item.media_buy_id == media_buy_id:
                return item, True
        read += len(answer.items)
        if not answer.items or read >= answer.total:
            return None, read >= answer.total and not answer.warnings
    return None, False
