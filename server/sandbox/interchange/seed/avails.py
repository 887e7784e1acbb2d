"""The avails feed of the sandbox: what Northlight Television sells through its modular sources."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Avail:
    """One line of the feed. The flight is in weeks from this week's Monday, the CPM in USD, sold shares in percent."""

    source_id: str
    slug: str
    collection: str
    name: str
    start_week: int
    weeks: int
    impressions: int
    cpm: float | None
    booked_percent: int = 0
    held_percent: int = 0

    @property
    def avail_id(self) -> str:
        return f"avl_{self.slug}"

    @property
    def product_id(self) -> str:
        return f"prd_{self.slug}"

    def product(self, publisher_domain: str) -> dict[str, object]:
        """The fields of ModularInventoryProduct that do not change."""
        property_tag, channel, durations, audience, daypart = _COLLECTIONS[self.collection]
        cadent = self.source_id == "northlight-cadent"
        return {
            "collectionId": f"col_{property_tag}",
            "collectionName": self.collection,
            "name": self.name,
            "description": f"{self.name}: {self.collection}, {audience}, {daypart}, {durations[0]}s and shorter spots.",
            "channel": channel,
            "formatOptions": [
                {"format_kind": "video_hosted", "params": {"duration_seconds": seconds, "aspect_ratio": "16:9"}}
                for seconds in durations
            ],
            "publisherProperties": [
                {"publisher_domain": publisher_domain, "selection_type": "by_tag", "property_tags": [property_tag]}
            ],
            "currency": "USD" if self.cpm is not None else None,
            "targeting": {"geo": {"countries": ["US"]}, "daypart": daypart, "audience": audience},
            "sourceMetadata": {
                "feed": "northlight-avails-v3",
                "feedRow": self.slug.upper().replace("_", "-"),
                "rateCard": "2026-upfront" if self.cpm is not None else "on-request",
            },
            "cadent": {
                "campaignDeliveryType": "guaranteed",
                "lineDeliveryType": "even",
                "adType": "video",
                "adClass": "addressable",
                "targets": [
                    {"condition": "include", "targetType": "network", "values": [self.collection]},
                    {"condition": "include", "targetType": "daypart", "values": [daypart]},
                    {"condition": "exclude", "targetType": "content_rating", "values": ["TV-MA"]},
                ],
            }
            if cadent
            else None,
        }


# property tag, channel, spot lengths in seconds, audience, daypart
_COLLECTIONS: dict[str, tuple[str, str, tuple[int, ...], str, str]] = {
    "Northlight Network": ("northlight_network", "linear_tv", (30, 15), "adults 25-54", "prime time"),
    "Northlight On Demand": ("northlight_vod", "linear_tv", (30, 15), "adults 18-49", "all day"),
    "Northlight News": ("northlight_news", "linear_tv", (30, 15), "adults 35-64", "early and late news"),
    "Northlight+ Originals": ("northlight_plus", "ctv", (30, 15, 6), "adults 18-49", "all day"),
    "Northlight+ Movies": ("northlight_plus_movies", "ctv", (30, 15), "adults 25-54", "evenings"),
    "Northlight Kids": ("northlight_kids", "ctv", (30, 15), "co-viewing families", "mornings and after school"),
    "Northlight FAST": ("northlight_fast", "ctv", (30, 15), "adults 25-54", "all day"),
    "Northlight Sports": ("northlight_sports", "ctv", (30, 15), "adults 18-49", "live events"),
    "Northlight Sports Studio": ("northlight_sports_studio", "ctv", (30, 15), "adults 25-54", "pre and post game"),
    "Northlight Radio": ("northlight_radio", "streaming_audio", (30,), "commuters", "drive time"),
}

_NETWORK, _VOD, _NEWS = "Northlight Network", "Northlight On Demand", "Northlight News"
_PLUS, _MOVIES, _KIDS, _FAST = "Northlight+ Originals", "Northlight+ Movies", "Northlight Kids", "Northlight FAST"
_SPORTS, _STUDIO = "Northlight Sports", "Northlight Sports Studio"

_CADENT, _CTV, _LIVE = "northlight-cadent", "northlight-ctv", "northlight-live-sports"

AVAILS = (
    Avail(_CADENT, "prime_drama_now", _NETWORK, "Prime Drama Block - Current Weeks", 0, 4, 6_400_000, 31.0, 55, 10),
    Avail(
        _CADENT, "prime_drama_next_quarter", _NETWORK, "Prime Drama Block - Next Quarter", 8, 12, 21_000_000, 29.5, 20
    ),
    Avail(_CADENT, "prime_comedy_wed", _NETWORK, "Wednesday Comedy Night", 1, 8, 4_800_000, 28.0, 35),
    Avail(_CADENT, "prime_reality_finale", _NETWORK, "The Long Portage - Season Finale", 5, 1, 2_250_000, 44.0, 100),
    Avail(
        _CADENT, "prime_addressable_auto", _NETWORK, "Addressable Prime - Auto Intenders", 2, 10, 3_600_000, 42.5, 0, 15
    ),
    Avail(_CADENT, "holiday_specials", _NETWORK, "Holiday Specials Sponsorship", 3, 3, 5_500_000, 38.0, 40, 20),
    Avail(_CADENT, "vod_full_library", _VOD, "On Demand Full Library ROS", 0, 12, 14_000_000, 22.0, 25),
    Avail(_CADENT, "vod_new_episodes_c3", _VOD, "On Demand New Episodes C3", 1, 6, 3_900_000, 27.5, 10, 10),
    Avail(_CADENT, "vod_addressable_moms", _VOD, "On Demand Addressable - Parents 25-44", 4, 9, 2_700_000, 36.0),
    Avail(_CADENT, "news_evening", _NEWS, "Evening News Rotation", 0, 6, 7_200_000, 19.5, 45),
    Avail(_CADENT, "news_morning_weekday", _NEWS, "Weekday Morning News", 2, 12, 9_600_000, 18.0, 15, 5),
    Avail(_CADENT, "news_state_of_the_union", _NEWS, "State of the Union Live Special", 9, 1, 1_800_000, None),
    Avail(_CTV, "originals_pause_ads", _PLUS, "Northlight+ Originals - First Pod", 0, 4, 5_200_000, 46.0, 30, 10),
    Avail(_CTV, "originals_harbor_lights_s3", _PLUS, "Harbor Lights Season 3 Premiere", 2, 4, 3_400_000, 58.0, 45),
    Avail(
        _CTV,
        "originals_ros_next_quarter",
        _PLUS,
        "Northlight+ Originals ROS - Next Quarter",
        7,
        13,
        28_000_000,
        39.0,
        10,
    ),
    Avail(
        _CTV,
        "originals_ros_two_quarters",
        _PLUS,
        "Northlight+ Originals ROS - Following Quarter",
        20,
        13,
        32_000_000,
        38.0,
    ),
    Avail(
        _CTV, "originals_binge_sponsor", _PLUS, "Binge Sponsor - Ad-Free Next Episode", 1, 8, 1_600_000, 62.0, 50, 25
    ),
    Avail(_CTV, "movies_friday_premiere", _MOVIES, "Friday Premiere Movie", 0, 8, 4_400_000, 41.0, 25),
    Avail(_CTV, "movies_classics", _MOVIES, "Movie Classics Marathon", 3, 6, 2_900_000, 33.0),
    Avail(_CTV, "movies_holiday", _MOVIES, "Holiday Movie Countdown", 2, 4, 8_300_000, 43.5, 60, 12),
    Avail(_CTV, "kids_after_school", _KIDS, "Kids After School Block (COPPA)", 0, 12, 6_100_000, 26.0, 20),
    Avail(_CTV, "kids_saturday_morning", _KIDS, "Saturday Morning Cartoons (COPPA)", 1, 12, 3_300_000, 29.0, 0, 8),
    Avail(_CTV, "kids_summer", _KIDS, "Kids Summer Break Rotation (COPPA)", 24, 8, 9_900_000, 25.0),
    Avail(_CTV, "fast_true_north_crime", _FAST, "True North Crime Channel", 0, 12, 11_500_000, 20.5, 35),
    Avail(_CTV, "fast_cabin_life", _FAST, "Cabin Life Channel", 1, 12, 7_700_000, 18.5, 5),
    Avail(_CTV, "fast_weather_now", _FAST, "Weather Now Channel", 0, 26, 15_800_000, 18.0, 15, 5),
    Avail(_CTV, "fast_ros_next_quarter", _FAST, "FAST Channels ROS - Next Quarter", 8, 13, 41_000_000, 19.0),
    Avail(_CTV, "ctv_first_impression", _PLUS, "First Impression of the Day Takeover", 1, 1, 900_000, 65.0, 0, 40),
    Avail(_LIVE, "hockey_regular_season", _SPORTS, "Pro Hockey Regular Season - Live", 0, 14, 12_600_000, 48.0, 40, 5),
    Avail(_LIVE, "hockey_outdoor_classic", _SPORTS, "Outdoor Classic - New Year's Live", 6, 1, 2_100_000, 61.0, 70, 20),
    Avail(_LIVE, "basketball_weeknight", _SPORTS, "Weeknight Basketball - Live", 0, 16, 18_400_000, 52.0, 30),
    Avail(_LIVE, "basketball_all_star", _SPORTS, "All-Star Weekend - Live", 12, 1, 3_000_000, 64.0, 50),
    Avail(
        _LIVE, "college_hoops_tournament", _SPORTS, "College Hoops Tournament - Live", 16, 3, 24_500_000, 59.0, 25, 10
    ),
    Avail(_LIVE, "soccer_sunday", _SPORTS, "Sunday Soccer Double-Header", 1, 10, 5_700_000, 44.0),
    Avail(_LIVE, "skiing_world_tour", _SPORTS, "Alpine World Tour - Live Weekends", 2, 12, 3_850_000, 37.0, 15),
    Avail(_LIVE, "curling_championship", _SPORTS, "National Curling Championship", 11, 2, 750_000, 24.0),
    Avail(_LIVE, "baseball_opening_week", _SPORTS, "Baseball Opening Week - Live", 18, 2, 6_900_000, 50.0, 5),
    Avail(_LIVE, "studio_pregame", _STUDIO, "Pre-Game Countdown Sponsorship", 0, 12, 2_450_000, 40.0, 35, 15),
    Avail(_LIVE, "studio_postgame", _STUDIO, "Post-Game Wrap Sponsorship", 0, 12, 2_150_000, 36.5, 10),
    Avail(_LIVE, "studio_fantasy_show", _STUDIO, "Fantasy Live Studio Show", 3, 10, 1_250_000, 34.0),
    Avail("northlight-radio", "radio_drive_time", "Northlight Radio", "Drive Time Rotation", 0, 12, 4_000_000, 18.0),
)
