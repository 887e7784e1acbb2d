"""Northlight Television's 120 inventory packages in the sandbox's FreeWheel.

A family has the description and the targeting that its packages share. A package adds its name and its own targeting,
in the notation of `server.sandbox.freewheel.seed.targeting`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from server.sandbox.freewheel.seed.targeting import targeting_json
from server.sandbox.store import timestamp

_PACKAGES = (
    (
        "Northlight+",
        "Subscription streaming, 15 and 30 second spots on the big screen",
        "brands=Northlight+; device_types=Connected TV|Streaming Device",
        (
            ("Premium CTV Run of Service", ""),
            ("Prestige Drama Mid-Roll", "genres=Drama|Crime Drama; content_durations=Long Form; -tv_ratings=Not Rated"),
            ("Comedy Originals", "genres=Comedy|Sitcom; programmers=Northlight Television"),
            ("True Crime Collection", "genres=True Crime; -tv_ratings=TV-MA"),
            ("Reality & Competition", "genres=Reality|Competition"),
            ("Weekend Movie Block", "content_forms=Movie; content_dayparts=Weekend|Primetime"),
            ("Pause Ads", "stream_types=VOD; ASSET_GROUP=8801"),
            ("Binge Reward Sponsorship", "series=Nightharbor|Tidewater|Seven Bridges; content_forms=Episode"),
            ("New Episode First 24 Hours", "stream_types=VOD C3 Window; content_forms=Episode; -genres=News"),
            ("Adults 25-54 Household Reach", "ip_enabled_audiences=IP Enabled; COUNTRY=US"),
            ("Spanish-Language Library", "languages=Spanish"),
            ("Documentary Hours", "genres=Documentary|Nature; content_durations=Long Form|Mid Form"),
        ),
    ),
    (
        "Northlight Sports",
        "Live and shoulder programming, in-game pods sold by tentpole",
        "brands=Northlight Sports|Cascadia Live",
        (
            (
                "Live Pro Football In-Game",
                "series=Pro Football Sunday; stream_types=Live Event; -endpoints=Gas Station Screens",
            ),
            ("College Football Saturday", "series=College Football Saturday; stream_types=Live Event|Live"),
            ("College Hoops Conference Play", "series=Hoops Conference Night; channels=Cascadia Conference Network"),
            ("Pro Basketball Weeknights", "series=Pro Basketball Weeknight; content_dayparts=Primetime"),
            ("Soccer Sunday Doubleheader", "series=Soccer Sunday; languages=English|Spanish"),
            ("Golf Championship Weekends", "genres=Golf; content_dayparts=Weekend"),
            ("Women's Sports Showcase", "series=First Whistle|Full-Court Press"),
            ("Motorsports Live", "genres=Motorsports; stream_types=Live|Live Event"),
            ("Pregame & Postgame Shows", "series=The Postgame; -stream_types=Live Event"),
            ("Highlights & Clips Pre-Roll", "content_forms=Clip; content_durations=Short Form; SECTION_GROUP=5120"),
            ("Sports Talk Daily", "genres=Sports Talk; content_dayparts=Daytime|Early Fringe"),
            ("Upfront Tentpole Bundle", "series=Pro Football Sunday|Championship Golf; stream_types=Live Event"),
        ),
    ),
    (
        "Northlight News",
        "Live news stream and clips, brand-safety controls on",
        "brands=Northlight News",
        (
            ("Live Stream All Day", "channels=Northlight News Live; stream_types=Live"),
            ("Morning Edition", "series=Morning Edition; content_dayparts=Early Morning"),
            ("Primetime Analysis", "series=Primetime Analysis; content_dayparts=Primetime; -genres=Politics"),
            ("Election Night Special Coverage", "series=Decision Night; stream_types=Live Event"),
            ("Business & Markets", "genres=Business News; series=Markets at the Bell"),
            ("Weather Center", "genres=Weather; apps=Daybreak Weather; domains=daybreakweather.example"),
            ("Local Affiliates Top 25 DMA", "stream_types=Live; DMA=501|803|602|504|618|623|511|506|807|524"),
            ("Clips Pre-Roll Short Form", "content_forms=Clip; content_durations=Short Form; SECTION=77014|77019"),
            ("Brand-Safe Headlines", "genres=News|Weather|Health; -genres=Politics|True Crime; -ASSET_GROUP=9120"),
            ("Weekend Interviews", "series=Weekend Interviews; content_dayparts=Weekend"),
            ("Health & Science Desk", "genres=Health; series=Health & Science Desk"),
            ("Political Advertisers Excluded", "genres=News|Business News; -genres=Politics; -series=Decision Night"),
        ),
    ),
    (
        "Northlight Kids",
        "COPPA-compliant, contextual only, no audience data",
        "brands=Northlight Kids|Paper Boat; tv_ratings=TV-Y|TV-Y7|TV-G",
        (
            (
                "Preschool Mornings",
                "genres=Preschool; content_dayparts=Early Morning|Daytime; channels=Paper Boat Preschool",
            ),
            ("After School 6-11", "content_dayparts=Early Fringe; -tv_ratings=TV-Y"),
            ("Family Movie Night", "genres=Family Movies; content_forms=Movie; content_dayparts=Primetime"),
            ("Saturday Cartoons", "genres=Animation; content_dayparts=Weekend"),
            ("Learning & Discovery", "series=Number Garden|Otter & Finch"),
            ("Back to School Sponsorship", "series=The Tree House Six|Paper Boat Pals; stream_types=VOD"),
            ("Holiday Specials", "genres=Holiday Movies; content_forms=Movie|Episode"),
            ("Co-Viewing Parents 25-44", "content_dayparts=Primetime|Weekend; device_types=Connected TV"),
            ("Toy Season Q4", "genres=Kids|Animation; -genres=Preschool"),
            ("Music & Sing-Along", "series=Sing Along, Sparrow; genres=Music"),
            ("Animated Library VOD", "genres=Animation; stream_types=VOD; -subscription_models=FAST"),
            ("Tablet & Mobile App", "endpoints=Northlight Kids App; device_types=Tablet|Smartphone; -environments=Web"),
        ),
    ),
    (
        "FAST",
        "Free ad-supported channels, eight minutes of ad time an hour",
        "subscription_models=FAST; content_credential_statuses=Not Required",
        (
            ("Northlight Classics Channel", "channels=Northlight Classics Channel"),
            ("Westerns 24/7", "channels=Westerns 24/7; -tv_ratings=TV-MA"),
            ("Mystery Theater Channel", "channels=Mystery Theater Channel"),
            (
                "Home & Garden Channel",
                "channels=Home & Garden Channel; ssp_channels=Greenhouse Living;"
                " ssp_iab_categories=IAB10 Home & Garden",
            ),
            (
                "Food Trail Channel",
                "channels=Food Trail Channel; ssp_channels=Hearthside Kitchen TV; ssp_iab_categories=IAB8 Food & Drink",
            ),
            ("Retro Game Shows", "channels=Retro Game Shows; content_dayparts=Daytime|Early Fringe"),
            ("Outdoor Pursuits Channel", "channels=Outdoor Pursuits Channel; genres=Outdoors"),
            ("Crime Files Channel", "channels=Crime Files Channel; -content_dayparts=Early Morning|Daytime"),
            ("Nick of Time Sci-Fi", "channels=Nick of Time Sci-Fi; series=Nick of Time"),
            (
                "Spanish Entertainment Channel",
                "channels=Spanish Entertainment Channel; languages=Spanish; ssp_channels=Telenovela Siempre",
            ),
            ("Northlight News Now", "channels=Northlight News Now; -genres=Politics"),
            (
                "All Channels Run of Network",
                "brands=Northlight Free|Northlight Classics|Old Mill Westerns; -brands=Northlight Kids|Paper Boat",
            ),
        ),
    ),
    (
        "STB VOD",
        "Set-top-box video on demand over MVPD partners",
        "device_types=Set-Top Box; endpoints=MVPD Set-Top Box VOD",
        (
            ("Full Footprint C3 Window", "stream_types=VOD C3 Window"),
            ("C7 Catch-Up Primetime", "stream_types=VOD C7 Window; content_dayparts=Primetime"),
            ("Free On Demand Movies", "content_forms=Movie; -subscription_models=Transactional"),
            ("Top 10 DMA", "stream_types=VOD; DMA=501|803|602|504|618|623|511|506|807|753"),
            ("Kids Free On Demand", "brands=Northlight Kids|Paper Boat; -tv_ratings=TV-14|TV-MA|Not Rated"),
            ("Sports Replays", "genres=Sports; stream_types=VOD"),
            ("Lifestyle Long Tail", "genres=Lifestyle|Home & Garden|Food|Travel"),
            ("Late Night Catch-Up", "content_dayparts=Latenight; -tv_ratings=TV-Y|TV-Y7"),
            ("Dynamic Ad Insertion D4+", "stream_types=VOD|Digital DAI; -stream_types=VOD C3 Window"),
            ("News Magazine Replays", "brands=Northlight News; content_forms=Episode"),
            ("Holiday Movie Marathon", "genres=Holiday Movies"),
            ("Canoe-Enabled Operators", "endpoint_owners=Tri-County Cable|Summit Fiber TV|Lakeland Communications"),
        ),
    ),
    (
        "Northlight Linear STB",
        "Addressable linear, two minutes of local avails an hour",
        "stream_types=Linear Addressable; device_types=Set-Top Box",
        (
            ("Addressable Primetime", "content_dayparts=Primetime"),
            ("Addressable Daytime", "content_dayparts=Daytime"),
            ("Addressable Overnight", "content_dayparts=Overnight|Latenight; -tv_ratings=TV-MA"),
            ("Auto Intenders", "ip_enabled_audiences=IP Enabled; genres=Sports|Motorsports|News"),
            ("Insurance Shoppers", "ip_enabled_audiences=IP Enabled; -genres=Kids"),
            ("Households With Children", "brands=Northlight Kids|Northlight+"),
            ("New Movers", "ip_enabled_audiences=IP Enabled; POSTAL_CODE=30309|75201|85004|28202"),
            ("Frequent Travelers", "genres=Travel|Business News"),
            ("Light TV Viewers", "content_dayparts=Primetime|Weekend; -genres=Sports"),
            ("Pet Owners", "genres=Lifestyle|Nature"),
            ("Heavy Streamers Suppressed", "-endpoint_owners=Roku|Amazon"),
            ("Northeast Corridor", "DMA=501|504|506|511|533|512; -DMA=514"),
        ),
    ),
    (
        "Northlight Mobile",
        "In-app and mobile web, skippable after six seconds where marked",
        "device_types=Smartphone|Tablet",
        (
            ("iOS App Full Episodes", "oss=iOS; endpoints=Northlight+ iOS App; content_forms=Episode"),
            ("Android App Full Episodes", "oss=Android; endpoints=Northlight+ Android App; content_forms=Episode"),
            ("Sports App Live Scores", "endpoints=Northlight Sports App; apps=Northlight Sports|Scoreline"),
            ("News App Push Sponsorship", "endpoints=Northlight News App"),
            (
                "Mobile Web Clips",
                "environments=Web; content_forms=Clip; SITE=4410; domains=northlight.example|news.northlight.example",
            ),
            ("6s Bumper Run of App", "environments=App; -brands=Northlight Kids|Paper Boat"),
            ("Vertical Shorts Pre-Roll", "content_durations=Short Form; content_forms=Clip; -SECTION=77031"),
            ("Tablet Full Episodes", "content_forms=Episode; -device_types=Smartphone"),
            ("Companion 300x250", "environments=App|Web; SECTION_GROUP=5133"),
            ("Commuter Dayparts", "content_dayparts=Early Morning|Early Fringe"),
            ("Geo-Fenced Retail", "environments=App; POSTAL_CODE=10001|60611|90015; STATE=TX"),
            (
                "Rewarded Video 100%_Viewable",
                "apps=Pocket Trivia Live|Little Lantern; ssp_endpoints=Mobile App|Tablet App",
            ),
        ),
    ),
    (
        "Programmatic",
        "Sold through private marketplace and programmatic guaranteed deals",
        "",
        (
            ("PG Premium CTV", "brands=Northlight+; device_types=Connected TV; inventory_sources=Owned and Operated"),
            (
                "PG Live Sports Overflow",
                "brands=Northlight Sports; stream_types=Live Event; -channels=Cascadia Conference Network",
            ),
            (
                "PMP Run of Network CTV",
                "programmers=Northlight Television|Harbor Street Studios; device_types=Connected TV;"
                " ssp_endpoints=CTV App; ssp_publishers=Northlight Television",
            ),
            (
                "PMP FAST Channels",
                "subscription_models=FAST; ssp_endpoints=CTV App; ssp_publishers=Northlight Television|Open Range TV",
            ),
            (
                "PMP News Brand-Safe",
                "ssp_iab_categories=IAB12 News; ssp_publishers=Northlight Television|Clearwater Local Stations;"
                " -ssp_channels=Metro Newsroom",
            ),
            (
                "PMP Spanish-Language",
                "languages=Spanish; ssp_publishers=Sol Naciente Medios; ssp_channels=Telenovela Siempre",
            ),
            (
                "Always-On Auction Floor $18",
                "any; ssp_endpoints=CTV App|Mobile App|Desktop Web; ssp_publishers=Northlight Television;"
                " -domains=couchside.example",
            ),
            (
                "Curated Sustainability Marketplace",
                "ssp_publishers=Pinecrest Streaming|Alder & Rowe Publishing;"
                " -ssp_iab_categories=IAB2 Automotive|IAB20 Travel",
            ),
            (
                "Healthcare HCP Audience Match",
                "ssp_iab_categories=IAB7 Health & Fitness; apps=Northlight News|Daybreak Weather",
            ),
            (
                "CPG Purchase-Based Audiences",
                "ssp_iab_categories=IAB8 Food & Drink|IAB6 Family & Parenting; apps=Hearth Recipes;"
                " domains=hearthrecipes.example",
            ),
            ("Auto In-Market Audiences", "ssp_channels=Backroad Garage; ssp_iab_categories=IAB2 Automotive"),
            ("Diverse-Owned Media Collective", "ssp_publishers=Ujima Media Collective|Sol Naciente Medios"),
        ),
    ),
    (
        "Partner Carriage",
        "Our share of inventory on distribution partners' devices",
        "inventory_sources=Carriage Partner",
        (
            ("Roku Carriage Share", "oss=Roku OS; endpoint_owners=Roku"),
            ("Fire TV Carriage Share", "oss=Fire OS; endpoint_owners=Amazon"),
            ("Samsung TV Plus Carriage Share", "oss=Tizen; endpoints=Samsung TV Plus"),
            ("LG Channels Carriage Share", "oss=webOS; endpoints=LG Channels"),
            ("Vizio WatchFree+ Carriage Share", "oss=SmartCast; endpoints=Vizio WatchFree+"),
            ("Google TV Freeplay Share", "oss=Android TV; endpoints=Google TV Freeplay"),
            (
                "vMVPD Live Avails",
                "stream_types=Live|Digital DAI; endpoints=vMVPD Live; content_credential_statuses=Authenticated",
            ),
            (
                "Hotel & Hospitality Screens",
                "device_types=Public Screen; endpoints=Hospitality Screens; -tv_ratings=TV-MA",
            ),
            (
                "Airline Seatback",
                "device_types=Public Screen; endpoints=Airline Seatback;"
                " content_territories=United States|Canada|Mexico",
            ),
            (
                "Gas Station TV",
                "device_types=Public Screen; endpoints=Gas Station Screens; content_durations=Short Form;"
                " ssp_endpoints=Digital Out-of-Home",
            ),
            ("College Campus Network", "device_types=Public Screen; endpoints=Campus Screens; GEO=8125"),
            ("Fitness Club Screens", "device_types=Public Screen; endpoints=Fitness Club Screens; -genres=Food"),
        ),
    ),
)


def package_rows(now: datetime) -> list[tuple[object, ...]]:
    """The rows of `freewheel_inventory_package`. They were updated in the 727 days before `now`."""
    rows: list[tuple[object, ...]] = []
    for family, (product, about, common, packages) in enumerate(_PACKAGES):
        for position, (name, own) in enumerate(packages):
            number = family * len(packages) + position
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
                    *targeting_json(f"{common}; {own}"),
                    timestamp(created),
                    timestamp(updated),
                )
            )
    return rows
