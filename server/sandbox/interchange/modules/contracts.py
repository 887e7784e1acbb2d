"""The contracts of the modules of Northlight's modular sources: their stages, inputs and work for people.

The shapes are InventorySourceModuleContractSummary, InventorySourceLifecycleProjection and
InventorySourceContractField of the storefront API. The contents are made up.
"""

from __future__ import annotations

from dataclasses import dataclass

STAGES = (
    "LIST_ACCOUNTS",
    "INGEST_AVAILS",
    "SYNC_INVENTORY",
    "GET_PRODUCTS",
    "GET_MEDIA_BUYS",
    "GET_ACCOUNT_RESOURCES",
    "RESERVE_AVAILS",
    "FINALIZE_BOOKING",
    "RELEASE_BOOKING",
    "RECONCILE_DELIVERY",
    "SYNC_CREATIVES",
    "TRAFFIC_CAMPAIGN",
    "UPDATE_CAMPAIGN",
    "SYNC_STATUS",
    "IMPORT_REPORTING",
)

REQUIRED_RESULTS: dict[str, tuple[str, ...]] = {
    "CONFIRM_AVAILS": ("confirmedImpressions",),
    "EXECUTE_UPSTREAM_BOOKING": ("upstreamBookingRef",),
    "MAP_CREATIVE_REF": ("clientCopyMasterRef",),
    "TRAFFIC_TO_CADENT": ("cadentCampaignId",),
    "UPLOAD_FINAL_REPORT": ("reportRef",),
}
"""The fields that the result of a completed work item must have, by kind of work item."""


@dataclass(frozen=True)
class Field:
    label: str
    description: str
    source: str
    value_type: str
    maps_to: str


@dataclass(frozen=True)
class Stage:
    """A lifecycle stage. `inputs` are keys of FIELDS. `kinds` are its work items, none if no person is needed."""

    stage: str
    description: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    action: str = ""


@dataclass(frozen=True)
class Module:
    kind: str
    name: str
    provider: str
    contract_id: str
    version: str
    module_type: str
    description: str
    constraints: tuple[str, ...]
    stages: tuple[Stage, ...]


FIELDS: dict[str, Field] = {
    "avails_feed_url": Field(
        "Avails feed URL", "Where the nightly avails file is collected.", "MODULE_CONFIG", "STRING", "feed.url"
    ),
    "feed_timezone": Field(
        "Feed time zone", "IANA time zone of flight dates in the feed.", "MODULE_CONFIG", "STRING", "feed.timezone"
    ),
    "avail_id": Field("Avail ID", "Stable id of the avail.", "INVENTORY_FEED", "STRING", "avail.availId"),
    "impressions_capacity": Field(
        "Capacity", "Impressions the avail can deliver in its flight.", "INVENTORY_FEED", "NUMBER", "avail.capacity"
    ),
    "flight": Field("Flight", "Start and end of the avail.", "INVENTORY_FEED", "OBJECT", "avail.flight"),
    "format_options": Field(
        "Format options", "Spot lengths that are sold.", "PRODUCT_METADATA", "ARRAY", "product.formatOptions"
    ),
    "media_buy_id": Field("Media buy", "Storefront media buy id.", "MEDIA_BUY_INPUT", "STRING", "mediaBuyId"),
    "buyer_customer_id": Field("Buyer", "Customer id of the buyer.", "MEDIA_BUY_INPUT", "NUMBER", "buyerCustomerId"),
    "requested_impressions": Field(
        "Impressions", "Impressions to hold.", "MEDIA_BUY_INPUT", "NUMBER", "requestedImpressions"
    ),
    "campaign_name": Field(
        "Campaign name", "Name of the campaign in the upstream system.", "MEDIA_BUY_INPUT", "STRING", "campaignName"
    ),
    "advertiser_name": Field(
        "Advertiser", "Advertiser of the campaign.", "MEDIA_BUY_INPUT", "STRING", "advertiserName"
    ),
    "client_copy_master_ref": Field(
        "Client copy master reference",
        "Reference of the spot in the copy system.",
        "CREATIVE_INPUT",
        "STRING",
        "creative.clientCopyMasterRef",
    ),
    "creative_duration": Field("Duration", "Length of the spot.", "CREATIVE_INPUT", "DURATION", "creative.duration"),
    "freewheel_network_id": Field(
        "FreeWheel network ID", "The publisher's FreeWheel network.", "MODULE_CONFIG", "STRING", "freewheel.networkId"
    ),
    "freewheel_advertiser_id": Field(
        "FreeWheel advertiser ID",
        "Advertiser that booked insertion orders are filed under in FreeWheel.",
        "MODULE_CONFIG",
        "STRING",
        "freewheel.advertiserId",
    ),
    "cadent_sender_id": Field(
        "Cadent sender ID", "Identifies the publisher to Cadent.", "MODULE_CONFIG", "STRING", "cadent.senderId"
    ),
    "cadent_network_group": Field(
        "Cadent network group",
        "Network group that lines are sent to.",
        "MODULE_CONFIG",
        "STRING",
        "cadent.networkGroup",
    ),
    "upstream_booking_ref": Field(
        "Upstream booking reference", "Id of the booking upstream.", "MODULE_RESULT", "STRING", "result.bookingRef"
    ),
    "report_contact": Field(
        "Report contact", "Who sends the delivery reports.", "MODULE_CONFIG", "STRING", "reporting.contact"
    ),
    "report_file": Field("Report file", "Delivery by day and line.", "REPORTING_UPLOAD", "OBJECT", "reporting.file"),
}

_MEDIA_BUY_INPUTS = ("media_buy_id", "buyer_customer_id")

_FEED = Module(
    "INVENTORY_FEED",
    "Northlight avails feed",
    "northlight",
    "static-avails",
    "3.1.0",
    "STATIC_AVAILS_FEED",
    "Collects the publisher's avails file every night and normalizes it to avails.",
    ("One flight per avail", "Capacity is an upper bound: the feed never raises it during a flight"),
    (
        Stage(
            "INGEST_AVAILS",
            "Collects and normalizes the avails file.",
            ("avails_feed_url", "feed_timezone", "avail_id", "impressions_capacity", "flight"),
            ("avails",),
        ),
        Stage("SYNC_INVENTORY", "Publishes new and changed avails to the storefront.", ("avail_id",), ("syncRunId",)),
        Stage("GET_PRODUCTS", "Projects avails as products.", ("format_options",), ("products",)),
    ),
)
_LEDGER = Module(
    "BOOKING_LEDGER",
    "Interchange booking ledger",
    "scope3",
    "interchange-booking-ledger",
    "1.8.2",
    "BOOKING_LEDGER",
    "Holds, books and releases capacity without overbooking.",
    ("A hold that is not finalized ends by itself", "The ledger stays HELD until upstream booking work succeeds"),
    (
        Stage(
            "RESERVE_AVAILS",
            "Holds capacity for a media buy.",
            (*_MEDIA_BUY_INPUTS, "requested_impressions"),
            ("bookingId", "status"),
        ),
        Stage("RELEASE_BOOKING", "Returns held or booked capacity to the avail.", _MEDIA_BUY_INPUTS, ("status",)),
        Stage("GET_MEDIA_BUYS", "Reads the bookings of a media buy.", ("media_buy_id",), ("bookings",)),
    ),
)

CADENT = (
    _FEED,
    _LEDGER,
    Module(
        "TRAFFICKING",
        "Cadent trafficking",
        "cadent",
        "cadent-trafficking",
        "2.4.0",
        "CADENT_TRAFFICKING",
        "Renders the campaign request that a trafficker gives to Cadent.",
        ("Request XML is rendered, not sent", "Addressable lines need 10 business days"),
        (
            Stage(
                "FINALIZE_BOOKING",
                "Renders the Cadent campaign of a held reservation.",
                (*_MEDIA_BUY_INPUTS, "campaign_name", "advertiser_name"),
                ("cadentCampaign", "cadentRequestXml"),
            ),
            Stage(
                "TRAFFIC_CAMPAIGN",
                "A trafficker gives the request to Cadent and records the campaign id.",
                ("cadent_sender_id", "cadent_network_group", "client_copy_master_ref", "creative_duration"),
                ("cadentCampaignId",),
                ("TRAFFIC_TO_CADENT", "RESOLVE_TRAFFICKING_ERROR"),
                "Submit the request XML in Cadent and record the campaign id.",
            ),
        ),
    ),
    Module(
        "STATUS_SYNC",
        "Cadent status",
        "cadent",
        "cadent-status",
        "1.1.3",
        "CADENT_STATUS",
        "Reads campaign status from Cadent twice a day.",
        ("Status is up to 12 hours old",),
        (
            Stage(
                "SYNC_STATUS",
                "Reads line status by campaign id.",
                ("cadent_sender_id", "upstream_booking_ref"),
                ("lineStatus",),
                ("RESOLVE_SOURCE_HEALTH",),
                "Restore the source's connection.",
            ),
        ),
    ),
    Module(
        "REPORTING_IMPORT",
        "Cadent delivery reports",
        "cadent",
        "cadent-reporting",
        "1.3.0",
        "CADENT_REPORTING",
        "Imports delivery files.",
        ("Final numbers arrive 5 days after the flight",),
        (
            Stage(
                "IMPORT_REPORTING",
                "An operator uploads the final delivery file.",
                ("report_contact", "report_file"),
                ("delivery",),
                ("UPLOAD_FINAL_REPORT",),
                "Upload the final delivery file.",
            ),
        ),
    ),
)

FREEWHEEL = (
    _FEED,
    _LEDGER,
    Module(
        "TRAFFICKING",
        "FreeWheel trafficking desk",
        "freewheel",
        "freewheel-hitl",
        "1.6.0",
        "FREEWHEEL_HITL_TRAFFICKING",
        "Hands a held reservation to the publisher's FreeWheel operators.",
        ("Booked by people in FreeWheel MRM", "One insertion order per media buy package"),
        (
            Stage(
                "FINALIZE_BOOKING",
                "Creates the work items of a held reservation; large ones have their avails confirmed.",
                (*_MEDIA_BUY_INPUTS, "campaign_name", "advertiser_name"),
                ("workItems", "confirmedImpressions"),
                ("CONFIRM_AVAILS", "APPROVE_RATE_EXCEPTION"),
                "Confirm the forecast in FreeWheel.",
            ),
            Stage(
                "SYNC_CREATIVES",
                "An operator maps the buyer's spot to the copy system.",
                ("client_copy_master_ref", "creative_duration"),
                ("clientCopyMasterRef",),
                ("MAP_CREATIVE_REF", "SYNC_UPSTREAM_CREATIVE", "REVIEW_CREATIVE"),
                "Find or register the spot and record its client copy master reference.",
            ),
            Stage(
                "TRAFFIC_CAMPAIGN",
                "An operator books the insertion order and placement in FreeWheel.",
                ("freewheel_network_id", "freewheel_advertiser_id", "campaign_name"),
                ("upstreamBookingRef",),
                ("EXECUTE_UPSTREAM_BOOKING", "RESOLVE_TRAFFICKING_ERROR"),
                "Book the insertion order in FreeWheel and record its id.",
            ),
        ),
    ),
    Module(
        "STATUS_SYNC",
        "FreeWheel source health",
        "freewheel",
        "freewheel-status",
        "1.0.4",
        "FREEWHEEL_STATUS",
        "Watches the module configuration and the publisher's FreeWheel network.",
        ("Checked every 30 minutes",),
        (
            Stage(
                "SYNC_STATUS",
                "Reads insertion order status by booking reference.",
                ("freewheel_network_id", "upstream_booking_ref"),
                ("orderStatus",),
                ("RESOLVE_SOURCE_HEALTH",),
                "Complete the module configuration.",
            ),
        ),
    ),
    Module(
        "REPORTING_IMPORT",
        "FreeWheel delivery reports",
        "freewheel",
        "freewheel-reporting",
        "1.2.1",
        "FREEWHEEL_REPORTING",
        "Imports delivery files exported from FreeWheel.",
        ("Final numbers arrive 3 days after the flight",),
        (
            Stage(
                "IMPORT_REPORTING",
                "An operator uploads the final delivery file.",
                ("report_contact", "report_file"),
                ("delivery",),
                ("UPLOAD_FINAL_REPORT",),
                "Upload the final delivery file.",
            ),
        ),
    ),
)

MODULES: dict[str, tuple[Module, ...]] = {"cadent": CADENT, "freewheel": FREEWHEEL}


def module_row_id(source_row_id: str, executor: str, kind: str) -> str | None:
    """The row id of the module whose stage creates work items of this kind, or None."""
    for position, module in enumerate(MODULES[executor]):
        if any(kind in stage.kinds for stage in module.stages):
            return row_id(source_row_id, position)
    return None


def row_id(source_row_id: str, position: int) -> str:
    return f"{source_row_id}{position + 1:02d}"
