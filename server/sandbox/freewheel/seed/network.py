"""Northlight Television's FreeWheel network: the tables, and data that depends only on the day of creation."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timedelta
from typing import NamedTuple

from server.sandbox.freewheel.seed.packages import package_rows
from server.sandbox.freewheel.seed.placements import placement_rows, planned_orders
from server.sandbox.store import timestamp

_TABLES = """
CREATE TABLE freewheel_token (
    token TEXT PRIMARY KEY, user_id INTEGER, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
);
CREATE TABLE freewheel_inventory_package (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, description TEXT, status TEXT NOT NULL,
    targeting TEXT, ssp_targeting TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE TABLE freewheel_brand (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, advertiser_id INTEGER NOT NULL, advertiser TEXT NOT NULL
);
CREATE TABLE freewheel_user (id INTEGER PRIMARY KEY, full_name TEXT NOT NULL, login TEXT NOT NULL);
CREATE TABLE freewheel_campaign (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, brand_id INTEGER NOT NULL REFERENCES freewheel_brand (id)
);
CREATE TABLE freewheel_proposed_insertion_order (
    id INTEGER PRIMARY KEY AUTOINCREMENT, campaign_id INTEGER REFERENCES freewheel_campaign (id),
    external_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT,
    start_time TEXT, end_time TEXT, time_zone TEXT NOT NULL,
    delivery TEXT NOT NULL, budget TEXT NOT NULL, user_ids TEXT NOT NULL,
    brand_id INTEGER REFERENCES freewheel_brand (id), created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    probability_of_close INTEGER, proposed_io_status TEXT NOT NULL
);
CREATE TABLE freewheel_proposed_placement (
    id INTEGER PRIMARY KEY,
    insertion_order_id INTEGER NOT NULL REFERENCES freewheel_proposed_insertion_order (id),
    name TEXT NOT NULL, description TEXT, enable_canoe INTEGER NOT NULL, placement_type TEXT NOT NULL,
    external_id TEXT, start_time TEXT NOT NULL, end_time TEXT NOT NULL, time_zone TEXT NOT NULL,
    price_model TEXT NOT NULL, price REAL NOT NULL, budget TEXT NOT NULL
);
CREATE INDEX freewheel_placement_by_order ON freewheel_proposed_placement (insertion_order_id);
"""


class Brand(NamedTuple):
    id: int
    name: str
    advertiser_id: int
    advertiser: str


class User(NamedTuple):
    id: int
    full_name: str
    login: str


class Campaign(NamedTuple):
    id: int
    name: str
    brand_id: int


_ADVERTISERS = (
    ("Halden Motor Company", ("Halden Trucks", "Halden Aria EV", "Halden Certified Pre-Owned")),
    ("Brightwater Beverages", ("Brightwater Sparkling", "Kettle Cove Iced Tea", "Volt Energy")),
    ("Sunmere Health", ("Sunmere Allergy Relief", "Dayline Vitamins", "Novacor Rx")),
    ("Carrow & Finch Insurance", ("Carrow Auto", "Carrow Home")),
    ("Piedmont Mutual Bank", ("Piedmont Rewards Card", "Piedmont Small Business")),
    ("Larkspur Retail Group", ("Larkspur Home", "Oak & Ember", "Tiny Trail Kids")),
    ("Stellarworks Pictures", ("Stellarworks Theatrical", "Stellarworks Home Entertainment")),
    ("Quill Wireless", ("Quill Unlimited", "Quill Fiber")),
    ("Tavola Restaurants", ("Tavola Grill", "Red Lantern Express")),
    ("Wrenfield Travel", ("Wrenfield Cruises", "Staywell Hotels", "FareHound")),
    ("Beacon Consumer Products", ("Cloudsoft Tissue", "Gleam Dish", "PurePaw Pet Food")),
    ("Civic Voices Network", ("Vote Ready Coalition",)),
    ("Ironpeak Outfitters", ("Ironpeak Footwear",)),
)
BRANDS = tuple(
    Brand(810_200 + 17 * number, name, 55_100 + 9 * index, advertiser)
    for number, (index, advertiser, name) in enumerate(
        (index, advertiser, name) for index, (advertiser, names) in enumerate(_ADVERTISERS) for name in names
    )
)
"""The 30 brands with their advertisers. `Brand.id` is a valid `brand_id`."""

USERS = tuple(
    User(6_092_301 + 13 * number, full_name, f"{login}@northlight.example")
    for number, (full_name, login) in enumerate(
        (
            ("Northlight Trafficking", "trafficking"),
            ("Dana Whitfield", "dana.whitfield"),
            ("Marcus Oyelaran", "marcus.oyelaran"),
            ("Priya Raman", "priya.raman"),
            ("Tom Sandoval", "tom.sandoval"),
            ("Elise Bergstrom", "elise.bergstrom"),
            ("Kenji Watanabe", "kenji.watanabe"),
            ("Rosa Delgado", "rosa.delgado"),
        )
    )
)
"""The 8 users. `User.id` may be assigned to an order. The first user owns the password credentials."""

CAMPAIGNS = tuple(
    Campaign(3_310_450 + 29 * number, name, BRANDS[brand].id)
    for number, (name, brand) in enumerate(
        (
            ("Halden Trucks - Fall Football Sponsorship", 0),
            ("Halden Aria EV - National Launch", 1),
            ("Brightwater Sparkling - Summer Refresh", 3),
            ("Volt Energy - College Hoops", 5),
            ("Sunmere Allergy Relief - Pollen Season", 6),
            ("Carrow Auto - Always On CTV", 9),
            ("Piedmont Rewards Card - Holiday Spend", 11),
            ("Larkspur Home - Spring Refresh", 13),
            ("Stellarworks Theatrical - Nightharbor Opening Weekend", 16),
            ("Quill Unlimited - Switcher Offer", 18),
            ("Wrenfield Cruises - Wave Season", 22),
            ("PurePaw Pet Food - New Recipe", 27),
        )
    )
)
"""The 12 campaigns. `Campaign.id` may have proposed insertion orders."""


class _Cap(NamedTuple):
    """A frequency cap. `period` is in minutes."""

    value: int
    scope: str
    period: int | None = None
    type: str = "IMPRESSION"


_A_DAY, _A_WEEK = 1_440, 10_080


class _Order(NamedTuple):
    """An order. `brand`, `campaign` and `users` are indexes of BRANDS, CAMPAIGNS and USERS."""

    name: str
    brand: int
    campaign: int | None
    probability_of_close: int | None
    """In percent. 100 makes the order COMPLETED, 0 makes it LOST."""
    goal: float | None
    """Impressions if it is an int, dollars if a float, None if nothing is agreed yet."""
    caps: tuple[_Cap, ...]
    users: tuple[int, ...]


_STATUS: dict[int | None, str] = {100: "COMPLETED", 0: "LOST"}
_WITHOUT_PLACEMENTS = (15, 19, 23)
"""Indexes of _ORDERS. Nothing is planned for these orders yet, so they have no schedule."""
_ORDERS = (
    _Order("Halden Trucks - Pro Football In-Game", 0, 0, 80, 18_400_000, (_Cap(2, "STREAM"),), (1, 3)),
    _Order("Halden Trucks - College Football Saturday", 0, 0, 100, 9_250_000, (_Cap(3, "TIME", _A_DAY),), (1,)),
    _Order(
        "Halden Aria EV - Launch Roadblock",
        1,
        1,
        65,
        1_250_000.0,
        (_Cap(1, "STREAM"), _Cap(4, "TIME", _A_WEEK)),
        (1, 2),
    ),
    _Order("Halden Aria EV - Drama Mid-Roll Sustain", 1, 1, 40, 12_000_000, (), (2,)),
    _Order("Halden Certified Pre-Owned - Auto Intenders", 2, None, 0, 6_800_000, (), (1,)),
    _Order("Brightwater Sparkling - Summer Pause Ads", 3, 2, 100, 420_000.0, (_Cap(1, "TIME", 240),), (4,)),
    _Order("Kettle Cove Iced Tea - FAST Food Trail", 4, 2, 55, 7_400_000, (), (4, 5)),
    _Order(
        "Volt Energy - Hoops Conference Play",
        5,
        3,
        75,
        685_000.0,
        (_Cap(2, "TIME", _A_DAY, type="PACKAGE"),),
        (3,),
    ),
    _Order("Volt Energy - Highlights Pre-Roll", 5, 3, 0, 3_100_000, (), (3,)),
    _Order("Sunmere Allergy Relief - Morning Edition", 6, 4, 60, 5_600_000, (_Cap(2, "TIME", _A_DAY),), (5,)),
    _Order("Dayline Vitamins - Health Desk Sponsorship", 7, 4, 100, 240_000.0, (), (5, 6)),
    _Order("Novacor Rx - HCP Audience Match", 8, None, 30, 875_000, (_Cap(5, "CAMPAIGN"),), (6,)),
    _Order("Carrow Auto - Always On Q1", 9, 5, 90, 24_000_000, (_Cap(3, "TIME", _A_DAY),), (2, 7)),
    _Order("Carrow Home - New Movers Addressable", 10, 5, 50, 4_300_000, (), (7,)),
    _Order("Piedmont Rewards Card - Holiday Roadblock", 11, 6, 100, 960_000.0, (_Cap(1, "STREAM"),), (4,)),
    _Order("Piedmont Small Business - Markets Block", 12, None, None, None, (), ()),
    _Order("Larkspur Home - Spring Home & Garden FAST", 13, 7, 45, 11_200_000, (), (5,)),
    _Order("Tiny Trail Kids - Back to School", 15, 7, 0, 2_900_000, (_Cap(2, "ASSET"),), (5,)),
    _Order(
        "Nightharbor - Opening Weekend Takeover",
        16,
        8,
        85,
        1_800_000.0,
        (_Cap(1, "SITE_SECTION", type="PACKAGE"),),
        (1, 4),
    ),
    _Order("Nightharbor - Home Release Teasers", 17, 8, 20, 5_000_000, (), (4,)),
    _Order("Quill Unlimited - Switcher CTV Reach", 18, 9, 70, 32_500_000, (_Cap(4, "TIME", _A_WEEK),), (2,)),
    _Order("Quill Fiber - Northeast Corridor", 19, 9, 35, 310_000.0, (), (2, 6)),
    _Order(
        "Wrenfield Cruises - Wave Season Premium CTV",
        22,
        10,
        100,
        14_750_000,
        (_Cap(3, "TIME", _A_DAY),),
        (7,),
    ),
    _Order("FareHound - Frequent Travelers Addressable", 24, None, 25, 1_900_000, (), (7,)),
    _Order("PurePaw - New Recipe Family Movie Night", 27, 11, 60, 8_050_000, (_Cap(2, "TIME", _A_DAY),), (3, 5)),
)


def create(connection: sqlite3.Connection, now: datetime) -> None:
    """Make and fill FreeWheel's tables. It is called once, inside a transaction."""
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.executemany("INSERT INTO freewheel_brand VALUES (?, ?, ?, ?)", BRANDS)
    connection.executemany("INSERT INTO freewheel_user VALUES (?, ?, ?)", USERS)
    connection.executemany("INSERT INTO freewheel_campaign VALUES (?, ?, ?)", CAMPAIGNS)
    connection.executemany("INSERT INTO freewheel_inventory_package VALUES (?, ?, ?, ?, ?, ?, ?, ?)", package_rows(now))
    connection.executemany(
        "INSERT INTO freewheel_proposed_insertion_order (id, campaign_id, external_id, name, description,"
        " start_time, end_time, time_zone, delivery, budget, user_ids, brand_id, created_at, updated_at,"
        " probability_of_close, proposed_io_status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        _orders(now),
    )
    connection.executemany(
        "INSERT INTO freewheel_proposed_placement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        placement_rows(planned_orders(connection)),
    )


def _orders(now: datetime) -> list[tuple[object, ...]]:
    midnight_new_york = now.replace(hour=5, minute=0, second=0, microsecond=0)
    rows: list[tuple[object, ...]] = []
    for number, order in enumerate(_ORDERS):
        campaign, probability = order.campaign, order.probability_of_close
        created = now - timedelta(days=150 - 6 * number, seconds=number * 7919 % 86_400)
        start = midnight_new_york + timedelta(days=7 * (number - 8))
        scheduled = number not in _WITHOUT_PLACEMENTS
        rows.append(
            (
                418_250 + 7 * number,
                CAMPAIGNS[campaign].id if campaign is not None else None,
                f"NL-OPP-{10_420 + 11 * number}",
                order.name,
                f"{BRANDS[order.brand].advertiser}, {'scatter' if number % 3 else 'upfront'} order.",
                timestamp(start) if scheduled else None,
                timestamp(start + timedelta(days=28 + number % 4 * 7, seconds=-1)) if scheduled else None,
                "(GMT-05:00) America - New York",
                json.dumps({"frequency_caps": [_cap(cap) for cap in order.caps]}),
                json.dumps(_budget(order.goal, number)),
                json.dumps([USERS[user].id for user in order.users]),
                BRANDS[order.brand].id,
                timestamp(created),
                timestamp(created + timedelta(days=number % 5, hours=3)),
                probability,
                _STATUS.get(probability, "PROPOSED"),
            )
        )
    return rows


def _cap(cap: _Cap) -> dict[str, object]:
    return {field: value for field, value in cap._asdict().items() if value is not None}


def _budget(goal: float | None, number: int) -> dict[str, object]:
    if goal is None:
        return {"budget_model": "EVERGREEN"}
    custom = number % 4 == 1
    over_delivery = {
        "over_delivery": 10.0 if custom else 5.0,
        "over_delivery_type": "CUSTOM" if custom else "DEFAULT",
    }
    if isinstance(goal, int):
        return {"budget_model": "IMPRESSION_TARGET", "impression": goal, **over_delivery}
    return {"budget_model": "CURRENCY_TARGET", "currency": goal, **over_delivery}
