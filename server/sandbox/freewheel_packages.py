"""Northlight Television's 120 inventory packages in the sandbox's FreeWheel."""

from __future__ import annotations

from datetime import datetime, timedelta

from server.sandbox.store import timestamp

_PACKAGES = (
    (
        "Northlight+",
        "Subscription streaming, 15 and 30 second spots on the big screen",
        (
            "Premium CTV Run of Service",
            "Prestige Drama Mid-Roll",
            "Comedy Originals",
            "True Crime Collection",
            "Reality & Competition",
            "Weekend Movie Block",
            "Pause Ads",
            "Binge Reward Sponsorship",
            "New Episode First 24 Hours",
            "Adults 25-54 Household Reach",
            "Spanish-Language Library",
            "Documentary Hours",
        ),
    ),
    (
        "Northlight Sports",
        "Live and shoulder programming, in-game pods sold by tentpole",
        (
            "Live Pro Football In-Game",
            "College Football Saturday",
            "College Hoops Conference Play",
            "Pro Basketball Weeknights",
            "Soccer Sunday Doubleheader",
            "Golf Championship Weekends",
            "Women's Sports Showcase",
            "Motorsports Live",
            "Pregame & Postgame Shows",
            "Highlights & Clips Pre-Roll",
            "Sports Talk Daily",
            "Upfront Tentpole Bundle",
        ),
    ),
    (
        "Northlight News",
        "Live news stream and clips, brand-safety controls on",
        (
            "Live Stream All Day",
            "Morning Edition",
            "Primetime Analysis",
            "Election Night Special Coverage",
            "Business & Markets",
            "Weather Center",
            "Local Affiliates Top 25 DMA",
            "Clips Pre-Roll Short Form",
            "Brand-Safe Headlines",
            "Weekend Interviews",
            "Health & Science Desk",
            "Political Advertisers Excluded",
        ),
    ),
    (
        "Northlight Kids",
        "COPPA-compliant, contextual only, no audience data",
        (
            "Preschool Mornings",
            "After School 6-11",
            "Family Movie Night",
            "Saturday Cartoons",
            "Learning & Discovery",
            "Back to School Sponsorship",
            "Holiday Specials",
            "Co-Viewing Parents 25-44",
            "Toy Season Q4",
            "Music & Sing-Along",
            "Animated Library VOD",
            "Tablet & Mobile App",
        ),
    ),
    (
        "FAST",
        "Free ad-supported channels, eight minutes of ad time an hour",
        (
            "Northlight Classics Channel",
            "Westerns 24/7",
            "Mystery Theater Channel",
            "Home & Garden Channel",
            "Food Trail Channel",
            "Retro Game Shows",
            "Outdoor Pursuits Channel",
            "Crime Files Channel",
            "Nick of Time Sci-Fi",
            "Spanish Entertainment Channel",
            "Northlight News Now",
            "All Channels Run of Network",
        ),
    ),
    (
        "STB VOD",
        "Set-top-box video on demand over MVPD partners",
        (
            "Full Footprint C3 Window",
            "C7 Catch-Up Primetime",
            "Free On Demand Movies",
            "Top 10 DMA",
            "Kids Free On Demand",
            "Sports Replays",
            "Lifestyle Long Tail",
            "Late Night Catch-Up",
            "Dynamic Ad Insertion D4+",
            "News Magazine Replays",
            "Holiday Movie Marathon",
            "Canoe-Enabled Operators",
        ),
    ),
    (
        "Northlight Linear STB",
        "Addressable linear, two minutes of local avails an hour",
        (
            "Addressable Primetime",
            "Addressable Daytime",
            "Addressable Overnight",
            "Auto Intenders",
            "Insurance Shoppers",
            "Households With Children",
            "New Movers",
            "Frequent Travelers",
            "Light TV Viewers",
            "Pet Owners",
            "Heavy Streamers Suppressed",
            "Northeast Corridor",
        ),
    ),
    (
        "Northlight Mobile",
        "In-app and mobile web, skippable after six seconds where marked",
        (
            "iOS App Full Episodes",
            "Android App Full Episodes",
            "Sports App Live Scores",
            "News App Push Sponsorship",
            "Mobile Web Clips",
            "6s Bumper Run of App",
            "Vertical Shorts Pre-Roll",
            "Tablet Full Episodes",
            "Companion 300x250",
            "Commuter Dayparts",
            "Geo-Fenced Retail",
            "Rewarded Video 100%_Viewable",
        ),
    ),
    (
        "Programmatic",
        "Sold through private marketplace and programmatic guaranteed deals",
        (
            "PG Premium CTV",
            "PG Live Sports Overflow",
            "PMP Run of Network CTV",
            "PMP FAST Channels",
            "PMP News Brand-Safe",
            "PMP Spanish-Language",
            "Always-On Auction Floor $18",
            "Curated Sustainability Marketplace",
            "Healthcare HCP Audience Match",
            "CPG Purchase-Based Audiences",
            "Auto In-Market Audiences",
            "Diverse-Owned Media Collective",
        ),
    ),
    (
        "Partner Carriage",
        "Our share of inventory on distribution partners' devices",
        (
            "Roku Carriage Share",
            "Fire TV Carriage Share",
            "Samsung TV Plus Carriage Share",
            "LG Channels Carriage Share",
            "Vizio WatchFree+ Carriage Share",
            "Google TV Freeplay Share",
            "vMVPD Live Avails",
            "Hotel & Hospitality Screens",
            "Airline Seatback",
            "Gas Station TV",
            "College Campus Network",
            "Fitness Club Screens",
        ),
    ),
)


def package_rows(now: datetime) -> list[tuple[object, ...]]:
    """Rows of `freewheel_inventory_package`, updated in the 727 days before `now`, in another order than the ids'."""
    rows: list[tuple[object, ...]] = []
    for family, (product, about, names) in enumerate(_PACKAGES):
        for place, name in enumerate(names):
            number = family * len(names) + place
            updated = now - timedelta(days=number * 389 % 727, seconds=300 + number * 7919 % 86_400)
            created = updated - timedelta(days=1 + number * 61 % 400)
            description: str | None = (
                f"{about}. About {0.4 + (138 + number * 17) % 290 / 10:.1f}M impressions a month,"
                f" rate card ${18 + (20 + number * 11) % 48} CPM."
            )
            if number % 5 == 3:
                description = None
            elif number % 9 == 4:
                description = ""
            status = "INACTIVE" if number % 7 == 5 else "ACTIVE"
            rows.append(
                (
                    270_118 + 37 * number,
                    f"{product} {name}",
                    description,
                    status,
                    timestamp(created),
                    timestamp(updated),
                )
            )
    return rows
