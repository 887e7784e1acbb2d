"""List what can be sold (Interchange: `GET .../modular/products`)."""

from __future__ import annotations

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.fields import Listing, Moment, SourceId, empty_page_note, paginate, wire_time
from tools.interchange import models
from tools.interchange.sources import UnreadSource, unread_sources
from tools.schema import Arguments, Result
from tools.tool import READ, Tool


class ListAvails(Arguments):
    source_id: SourceId | None = Field(
        default=None, description="Only this source. Left out: all active modular sources."
    )
    text: str | None = Field(
        default=None,
        max_length=255,
        pattern=r"\S",
        description="Words that all occur in name, description, channel or collection, in any case.",
    )
    min_available: int | None = Field(default=None, ge=1, description="Least available impressions.")
    flight_start: Moment | None = Field(
        default=None, description="Campaign start, ISO 8601 with offset: without avails that end before."
    )
    flight_end: Moment | None = Field(
        default=None, description="Campaign end, same format: without avails that start after."
    )
    page: int = Field(default=1, ge=1, description="Page number, from 1.")
    per_page: int = Field(default=10, ge=1, le=50, description="Avails per page.")

    @model_validator(mode="after")
    def _flight_runs_forward(self) -> ListAvails:
        if self.flight_start and self.flight_end and self.flight_start > self.flight_end:
            raise ValueError("flight_start is after flight_end")
        return self


class Avail(Result):
    source_id: str
    avail_id: str = Field(description="What reserve_avail takes.")
    name: str
    channel: str | None = None
    collection: str | None = None
    flight_start: str = Field(description="UTC.")
    flight_end: str = Field(description="UTC.")
    available_impressions: int = Field(description="What can still be held.")
    held_impressions: int = Field(description="Reserved, not yet booked.")
    booked_impressions: int
    cpm: float | None = Field(default=None, description="Price per thousand impressions; absent when not stated.")
    currency: str | None = None


class Avails(Listing[Avail]):
    not_read: list[UnreadSource] | None = Field(
        default=None, description="Sources that could not be read: their avails are missing here."
    )


async def list_avails(arguments: ListAvails, backends: Backends) -> Avails:
    """List the avails for sale in Interchange: impressions available, held and booked, flight and CPM of each.

    Use it first, to find avail_id and source_id for reserve_avail, and later to see how much is held or booked.
    Give source_id once it is known: without it every source is read, for each page. For
    FreeWheel's targeting bundles, use list_inventory_packages.
    """
    if arguments.source_id is None:
        sources, unread = await backends.interchange.list_all_avails()
    else:
        sources, unread = [(arguments.source_id, await backends.interchange.list_avails(arguments.source_id))], {}
    everything = [(source_id, avail) for source_id, avails in sources for avail in avails]
    found = [(source_id, avail) for source_id, avail in everything if _matches(arguments, avail)]
    shown, following = paginate(found, arguments, page=arguments.page, per_page=arguments.per_page)
    return Avails(
        items=[_avail(source_id, avail) for source_id, avail in shown],
        total=None if unread else len(found),
        next=following,
        not_read=unread_sources(unread),
        note=None if shown else _why_empty(arguments, everything, found, some_unread=bool(unread)),
    )


_SourceAvails = list[tuple[str, models.Avail]]
"""Avails with the ids of their sources."""


def _matches(arguments: ListAvails, avail: models.Avail) -> bool:
    words = (arguments.text or "").casefold().split()
    described = " ".join(filter(None, (avail.name, avail.description, avail.channel, avail.collection_name))).casefold()
    return (
        all(word in described for word in words)
        and (arguments.min_available is None or avail.available_impressions >= arguments.min_available)
        and (arguments.flight_start is None or avail.end_time >= arguments.flight_start)
        and (arguments.flight_end is None or avail.start_time <= arguments.flight_end)
    )


def _why_empty(arguments: ListAvails, everything: _SourceAvails, found: _SourceAvails, *, some_unread: bool) -> str:
    if found:
        return empty_page_note(arguments.page)
    if not everything:
        if some_unread:
            return "The sources that were read list no avails; what the others have is not known (see not_read)."
        return (
            "No source lists avails: list_inventory_sources shows which modular sources are ACTIVE, "
            "get_inventory_source what is in the way of one."
        )
    most = max(avail.available_impressions for _, avail in everything)
    advice = [
        "drop words of `text`" if arguments.text else "",
        "widen the flight" if arguments.flight_start or arguments.flight_end else "",
        f"lower min_available (the most that one avail has is {most:,})" if arguments.min_available else "",
    ]
    read = " that were read (see not_read)" if some_unread else ""
    return f"None of {len(everything)} avails{read} matches: {', or '.join(filter(None, advice))}."


def _avail(source_id: str, avail: models.Avail) -> Avail:
    return Avail(
        source_id=source_id,
        avail_id=avail.avail_id,
        name=avail.name,
        channel=avail.channel,
        collection=avail.collection_name,
        flight_start=wire_time(avail.start_time),
        flight_end=wire_time(avail.end_time),
        available_impressions=avail.available_impressions,
        held_impressions=avail.held_impressions,
        booked_impressions=avail.booked_impressions,
        cpm=avail.cpm,
        currency=avail.currency,
    )


TOOL = Tool(
    name="list_avails",
    title="List avails",
    arguments=ListAvails,
    result=Avails,
    effect=READ,
    handler=list_avails,
)
