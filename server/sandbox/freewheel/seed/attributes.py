"""The standard attributes that Northlight Television sees in the FreeWheel Marketplace, and its series.

All names and ids are made up. Most kinds come from FreeWheel's page "Standard Attributes API V4" (programmers to
content_durations with their parents, apps, app_bundles, domains, ssp_channels, ssp_publishers, ssp_iab_categories)
and from public clients (content_dayparts, stream_types, device_types, oss, environments, subscription_models,
content_territories). The spellings content_forms, content_credential_statuses, endpoints, endpoint_owners,
ip_enabled_audiences, inventory_sources and ssp_endpoints, and every singular, are made up to match the item types of
the Inventory Package API v4 and the list on that page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Attribute(NamedTuple):
    id: int
    name: str
    parent_id: int | None = None


class Kind(NamedTuple):
    """A kind of attribute. `parent` is the field that has the parent's id, and `label` the field that has the name."""

    plural: str
    singular: str
    entries: tuple[Attribute, ...]
    parent: str | None = None
    label: str = "name"

    def id_of(self, name: str) -> int:
        """The id of the entry with this name. Raises KeyError if there is none."""
        for entry in self.entries:
            if entry.name == name:
                return entry.id
        raise KeyError(f"{self.plural}: {name}")


def _entries(first: int, step: int, names: str, parents: Kind | None = None) -> tuple[Attribute, ...]:
    """The entries of a kind. `names` is separated by "; ".

    "child < parent" also names the parent, which is an entry of `parents`, or an earlier entry of this kind.
    """

    def made() -> Iterator[Attribute]:
        before: dict[str, int] = {}
        for number, text in enumerate(names.split("; ")):
            name, _, parent = text.partition(" < ")
            parent_id = (parents.id_of(parent) if parents else before[parent]) if parent else None
            before[name] = first + step * number
            yield Attribute(before[name], name, parent_id)

    return tuple(made())


_PROGRAMMERS = Kind(
    "programmers",
    "programmer",
    _entries(
        312,
        7,
        "Northlight Television; Harbor Street Studios; Cascadia Sports Rights; Meridian Children's Media;"
        " Bluewater Latino; Old Mill Library",
    ),
)
_BRANDS = Kind(
    "brands",
    "brand",
    _entries(
        680,
        3,
        "Northlight+ < Northlight Television; Northlight Sports < Northlight Television;"
        " Northlight News < Northlight Television; Northlight Kids < Northlight Television;"
        " Northlight Classics < Northlight Television; Northlight Free < Northlight Television;"
        " Harbor Street Originals < Harbor Street Studios; Cascadia Live < Cascadia Sports Rights;"
        " Paper Boat < Meridian Children's Media; Bluewater Entretenimiento < Bluewater Latino;"
        " Bluewater Deportes < Bluewater Latino; Old Mill Westerns < Old Mill Library",
        _PROGRAMMERS,
    ),
    parent="parent_programmer_id",
)
_CHANNELS = Kind(
    "channels",
    "channel",
    _entries(
        5_140,
        9,
        "Northlight Network HD < Northlight+; Northlight Sports One < Northlight Sports;"
        " Northlight Sports Two < Northlight Sports; Cascadia Conference Network < Cascadia Live;"
        " Northlight News Live < Northlight News; Northlight News Now < Northlight Free;"
        " Northlight Kids Network < Northlight Kids; Paper Boat Preschool < Paper Boat;"
        " Northlight Classics Channel < Northlight Classics; Westerns 24/7 < Old Mill Westerns;"
        " Mystery Theater Channel < Northlight Free; Home & Garden Channel < Northlight Free;"
        " Food Trail Channel < Northlight Free; Retro Game Shows < Northlight Classics;"
        " Outdoor Pursuits Channel < Northlight Free; Crime Files Channel < Northlight Free;"
        " Nick of Time Sci-Fi < Northlight Free; Spanish Entertainment Channel < Bluewater Entretenimiento",
        _BRANDS,
    ),
    parent="parent_brand_id",
)
_APPS = Kind(
    "apps",
    "app",
    _entries(
        70_215,
        11,
        "Northlight+; Northlight Sports; Northlight News; Northlight Kids; Couchside Free TV; Marquee Movies;"
        " Daybreak Weather; Pocket Trivia Live; Trailhead Maps; Hearth Recipes; Scoreline; Little Lantern",
    ),
)

KINDS = (
    _PROGRAMMERS,
    _BRANDS,
    _CHANNELS,
    Kind("tv_ratings", "tv_rating", _entries(21, 1, "TV-Y; TV-Y7; TV-G; TV-PG; TV-14; TV-MA; Not Rated")),
    Kind(
        "genres",
        "genre",
        _entries(
            1_004,
            4,
            "Drama; Crime Drama < Drama; Medical Drama < Drama; Comedy; Sitcom < Comedy; Stand-Up < Comedy; Reality;"
            " Competition < Reality; Documentary; True Crime < Documentary; Nature < Documentary; Movies;"
            " Family Movies < Movies; Holiday Movies < Movies; Kids; Preschool < Kids; Animation < Kids; Music; Sports;"
            " Football < Sports; Basketball < Sports; Soccer < Sports; Golf < Sports; Motorsports < Sports;"
            " Sports Talk < Sports; News; Business News < News; Politics < News; Weather < News; Health < News;"
            " Lifestyle; Home & Garden < Lifestyle; Food < Lifestyle; Outdoors < Lifestyle; Travel < Lifestyle;"
            " Game Show; Western; Mystery; Science Fiction; Talk",
        ),
        parent="parent_genre_id",
    ),
    Kind("languages", "language", _entries(41, 2, "English; Spanish; French; Portuguese")),
    Kind("content_durations", "content_duration", _entries(3, 1, "Short Form; Mid Form; Long Form")),
    Kind("content_forms", "content_form", _entries(31, 1, "Episode; Movie; Clip; Live Event; Trailer")),
    Kind(
        "content_dayparts",
        "content_daypart",
        _entries(51, 1, "Early Morning; Daytime; Early Fringe; Primetime; Latenight; Overnight; Weekend"),
    ),
    Kind(
        "stream_types",
        "stream_type",
        _entries(61, 1, "Live; Live Event; Linear Addressable; Digital DAI; VOD; VOD C3 Window; VOD C7 Window"),
    ),
    Kind(
        "subscription_models",
        "subscription_model",
        _entries(71, 1, "FAST; Full Ad Load; Light Ad Load; Authenticated MVPD; Transactional"),
    ),
    Kind(
        "content_credential_statuses",
        "content_credential_status",
        _entries(81, 1, "Authenticated; Not Authenticated; Not Required"),
    ),
    Kind(
        "content_territories",
        "content_territory",
        _entries(840, 5, "United States; Canada; Mexico; Puerto Rico; United Kingdom"),
        label="country_name",
    ),
    Kind(
        "device_types",
        "device_type",
        _entries(
            2_010,
            3,
            "Connected TV; Streaming Device; Set-Top Box; Game Console; Smartphone; Tablet; Desktop; Public Screen",
        ),
    ),
    Kind("environments", "environment", _entries(91, 1, "App; Web")),
    Kind(
        "oss",
        "os",
        _entries(110, 2, "Roku OS; Fire OS; tvOS; Android TV; Tizen; webOS; SmartCast; iOS; Android; Windows; macOS"),
    ),
    Kind(
        "endpoints",
        "endpoint",
        _entries(
            33_020,
            13,
            "Northlight+ on Roku; Northlight+ on Fire TV; Northlight+ on Apple TV; Northlight+ on Google TV;"
            " Northlight+ on Samsung TV; Northlight+ iOS App; Northlight+ Android App; Northlight Sports App;"
            " Northlight News App; Northlight Kids App; northlight.example; Samsung TV Plus; LG Channels;"
            " Vizio WatchFree+; Google TV Freeplay; MVPD Set-Top Box VOD; MVPD Linear Addressable; vMVPD Live;"
            " Hospitality Screens; Airline Seatback; Gas Station Screens; Campus Screens; Fitness Club Screens",
        ),
    ),
    Kind(
        "endpoint_owners",
        "endpoint_owner",
        _entries(
            460,
            6,
            "Northlight Television; Roku; Amazon; Samsung; LG; Vizio; Google; Apple; Tri-County Cable;"
            " Summit Fiber TV; Lakeland Communications; Transit Media Partners",
        ),
    ),
    Kind(
        "ip_enabled_audiences",
        "ip_enabled_audience",
        _entries(101, 1, "IP Enabled; IP Not Enabled"),
    ),
    Kind(
        "inventory_sources",
        "inventory_source",
        _entries(11, 1, "Owned and Operated; Carriage Partner; MVPD Partner; SSP"),
    ),
    Kind(
        "ssp_channels",
        "ssp_channel",
        _entries(
            61_030,
            8,
            "Cinewave Action; Hearthside Kitchen TV; Backroad Garage; Campfire Westerns; Metro Newsroom;"
            " Gridiron Replay; Telenovela Siempre; Greenhouse Living",
        ),
    ),
    Kind(
        "ssp_publishers",
        "ssp_publisher",
        _entries(
            62_500,
            10,
            "Lumen Street Media; Pinecrest Streaming; Alder & Rowe Publishing; Sol Naciente Medios;"
            " Ujima Media Collective; Clearwater Local Stations; Open Range TV; Northlight Television",
        ),
    ),
    Kind(
        "ssp_iab_categories",
        "ssp_iab_category",
        _entries(
            63_001,
            1,
            "IAB1 Arts & Entertainment; IAB1-5 Movies; IAB1-7 Television; IAB2 Automotive; IAB3 Business;"
            " IAB6 Family & Parenting; IAB7 Health & Fitness; IAB8 Food & Drink; IAB10 Home & Garden; IAB12 News;"
            " IAB13 Personal Finance; IAB17 Sports; IAB18 Style & Fashion; IAB20 Travel",
        ),
    ),
    Kind(
        "ssp_endpoints",
        "ssp_endpoint",
        _entries(64_010, 5, "CTV App; Mobile App; Tablet App; Desktop Web; Mobile Web; Digital Out-of-Home"),
    ),
    _APPS,
    Kind(
        "app_bundles",
        "app_bundle",
        _entries(
            71_400,
            4,
            "example.northlight.plus < Northlight+; example.northlight.plus.tv < Northlight+;"
            " example.northlight.sports < Northlight Sports; example.northlight.news < Northlight News;"
            " example.northlight.kids < Northlight Kids; example.couchside.tv < Couchside Free TV;"
            " example.marquee < Marquee Movies; example.daybreak < Daybreak Weather;"
            " example.scoreline < Scoreline; example.littlelantern < Little Lantern",
            _APPS,
        ),
        parent="parent_app_id",
    ),
    Kind(
        "domains",
        "domain",
        _entries(
            72_800,
            6,
            "northlight.example; news.northlight.example; sports.northlight.example; kids.northlight.example;"
            " couchside.example; daybreakweather.example; hearthrecipes.example; scoreline.example",
        ),
    ),
)

SERIES = Kind(
    "series",
    "series",
    _entries(
        90_100,
        7,
        "Nightharbor; Nightharbor: The Lighthouse Years; Nightharbor (Harbor Street Production); The Quiet Ward;"
        " Tidewater; Tidewater (Harbor Street Production); Salt Flats; Seven Bridges; The Understudy; Glass Orchard;"
        " Common Room; Two Doors Down; Mostly Weekends; Greta Versus Everyone; The Spare Key; Last Call, Larry;"
        " Cold Docket; Cold Docket: Cascadia; The Missing Hours; Evidence Room; Without a Trail; Bake Street;"
        " Forged in Frost; Lot by Lot; The Long Weekend Race; House of Seconds; Wild Latitudes; The Ice Year;"
        " River Keepers; Inside the Tower; Pro Football Sunday; College Football Saturday; Hoops Conference Night;"
        " Pro Basketball Weeknight; Soccer Sunday; Championship Golf; Grid to Flag; First Whistle; The Postgame;"
        " Full-Court Press; Morning Edition; Primetime Analysis; Markets at the Bell; The Weather Desk;"
        " Weekend Interviews; Health & Science Desk; Decision Night; Paper Boat Pals; Otter & Finch; Number Garden;"
        " The Tree House Six; Captain Kettle; Sing Along, Sparrow; Dust and Spurs; The Marshal of Bitter Creek;"
        " Marshals; Spin to Win '78; Parlor Mysteries; Nick of Time; Corazón de Puerto; La Casa de Enfrente;"
        " Trail Kitchen",
    ),
)
"""The series, which have a search of their own. Some names contain another one, as real names do."""

BY_PLURAL = {kind.plural: kind for kind in (*KINDS, SERIES)}

KINDS_OF = {
    "STANDARD_CONTENT_PROGRAMMER": ("programmers",),
    "STANDARD_CONTENT_BRAND": ("brands",),
    "STANDARD_CONTENT_CHANNEL": ("channels",),
    "INVENTORY_SOURCE": ("inventory_sources",),
    "STANDARD_GENRE": ("genres",),
    "STANDARD_CONTENT_LANGUAGE": ("languages",),
    "STANDARD_CONTENT_RATING": ("tv_ratings",),
    "STANDARD_CONTENT_FORM": ("content_forms", "content_durations"),
    "STREAM_MODE": ("stream_types",),
    "STANDARD_CONTENT_DAYPART": ("content_dayparts",),
    "STANDARD_SUBSCRIPTION_MODEL": ("subscription_models",),
    "STANDARD_CONTENT_CREDENTIAL_STATUS": ("content_credential_statuses",),
    "STANDARD_CONTENT_TERRITORY": ("content_territories",),
    "STANDARD_CONTENT_SERIES": ("series",),
    "ENDPOINT": ("endpoints",),
    "ENDPOINT_OWNER": ("endpoint_owners",),
    "STANDARD_DEVICE": ("device_types",),
    "STANDARD_ENVIRONMENT": ("environments",),
    "STANDARD_OS": ("oss",),
    "IP_ENABLED_AUDIENCE": ("ip_enabled_audiences",),
    "STANDARD_SSP_CHANNEL": ("ssp_channels",),
    "STANDARD_PUBLISHER": ("ssp_publishers",),
    "STANDARD_IAB_CATEGORY": ("ssp_iab_categories",),
    "STANDARD_SSP_ENDPOINT": ("ssp_endpoints",),
    "STANDARD_APP": ("apps",),
    "STANDARD_SITE_DOMAIN": ("domains",),
}
"""The kinds whose ids an item type takes. Other item types take the network's own items, which are not stored."""


def attribute_id(kind: str, name: str) -> int:
    """The id of the standard attribute with this kind (plural) and name. Raises KeyError if there is none."""
    return BY_PLURAL[kind].id_of(name)
