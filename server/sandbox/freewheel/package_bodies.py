"""Bodies of the Inventory Package API v4: "Request Body Attributes" and the targeting tables below it.

Readings of what the page leaves open:
- "Must include at least 1 standard attribute": an item whose type starts with STANDARD_ stands in `include`. Endpoints,
  stream modes and other items that are standard attributes by FreeWheel's own list, but not by the name of their type,
  do not count; nor does what is only excluded.
- `sets` beside `item_sets` is ignored. Any item type may stand under any targeting type of its tree.
- The ids of the network's own items (ASSET, DMA, SITE, ...) are not looked up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from server.sandbox.freewheel.attributes import is_unknown
from server.sandbox.freewheel.wire import Body, Text, refuse, set_on_create, validated

Relationship = Literal["AND", "OR"]
TargetingType = Literal["CONTENT", "PLATFORM", "GEO", "VIDEO", "SITE"]
SspTargetingType = Literal["CONTENT", "PLATFORM", "GEO", "SSP"]
ItemType = Literal[
    "STANDARD_CONTENT_PROGRAMMER",
    "STANDARD_CONTENT_BRAND",
    "STANDARD_CONTENT_CHANNEL",
    "INVENTORY_SOURCE",
    "STANDARD_GENRE",
    "STANDARD_CONTENT_LANGUAGE",
    "STANDARD_CONTENT_RATING",
    "STANDARD_CONTENT_FORM",
    "STREAM_MODE",
    "STANDARD_CONTENT_DAYPART",
    "STANDARD_SUBSCRIPTION_MODEL",
    "STANDARD_CONTENT_CREDENTIAL_STATUS",
    "STANDARD_CONTENT_TERRITORY",
    "STANDARD_CONTENT_SERIES",
    "ENDPOINT",
    "ENDPOINT_OWNER",
    "STANDARD_DEVICE",
    "STANDARD_ENVIRONMENT",
    "STANDARD_OS",
    "IP_ENABLED_AUDIENCE",
    "GEO",
    "STATE",
    "DMA",
    "POSTAL_CODE",
    "COUNTRY",
    "ASSET",
    "ASSET_GROUP",
    "SERIES",
    "SECTION",
    "SECTION_GROUP",
    "SITE",
]
SspItemType = Literal[
    "STANDARD_SSP_CHANNEL",
    "STANDARD_PUBLISHER",
    "STANDARD_IAB_CATEGORY",
    "STANDARD_SSP_ENDPOINT",
    "STANDARD_APP",
    "STANDARD_SITE_DOMAIN",
]

_Where = TypeVar("_Where", bound=str)
_What = TypeVar("_What", bound=str)


class Item(Body, Generic[_What]):
    """Item Lists Object Attributes: `id` is a string, unlike every other FW_ID."""

    id: Text
    type: _What


class ItemList(Body, Generic[_What]):
    relationship: Relationship
    items: Annotated[list[Item[_What]], Field(min_length=1)]


class ItemSet(Body, Generic[_Where, _What]):
    targeting_type: _Where
    relationship: Relationship
    item_lists: Annotated[list[ItemList[_What]], Field(min_length=1)]


class Include(Body, Generic[_Where, _What]):
    relationship: Relationship
    item_sets: list[ItemSet[_Where, _What]] = Field(default_factory=list[ItemSet[_Where, _What]])


class Exclude(Body, Generic[_Where, _What]):
    item_sets: Annotated[list[ItemSet[_Where, _What]], Field(min_length=1)]


class Tree(Body, Generic[_Where, _What]):
    """Targeting Attributes, of either tree."""

    include: Include[_Where, _What]
    exclude: Exclude[_Where, _What] | None = None

    def faults(self) -> Iterator[str]:
        """What no single field can tell: a tree without a standard attribute, and ids that are not known."""
        if not any(item.type.startswith("STANDARD_") for _, item in _items(self.include.item_sets)):
            yield "include: must include at least 1 standard attribute"
        excluded = self.exclude.item_sets if self.exclude else []
        for part, item_sets in (("include", self.include.item_sets), ("exclude", excluded)):
            for path, item in _items(item_sets):
                if is_unknown(item.type, item.id):
                    yield f"{part}.{path}.id: {item.type} {item.id} does not exist"

    def stored(self) -> str:
        return self.model_dump_json(exclude_none=True)


Targeting = Tree[TargetingType, ItemType]
SspTargeting = Tree[SspTargetingType, SspItemType]


class NewPackage(Body):
    name: Text
    description: str | None = None
    targeting: Targeting | None = None
    ssp_targeting: SspTargeting | None = None


class WholePackage(NewPackage):
    """What a PUT replaces a package by; `status` counts only when it was sent."""

    status: Literal["ACTIVE", "INACTIVE"] = "ACTIVE"


def new_package(body: dict[str, object]) -> NewPackage:
    """422 for a body that cannot become a package; what the network assigns cannot be set on create."""
    faults = set_on_create(body, "id", "status", "created_at", "updated_at")
    return _with_known_items(validated(NewPackage, body, faults + _untargeted(body)))


def whole_package(body: dict[str, object]) -> WholePackage:
    """422 for a body that a package cannot be replaced by; id, created_at and updated_at in it are ignored."""
    return _with_known_items(validated(WholePackage, body, _untargeted(body)))


_Package = TypeVar("_Package", bound=NewPackage)


def _untargeted(body: dict[str, object]) -> list[str]:
    untargeted = body.get("targeting") is None and body.get("ssp_targeting") is None
    return ["targeting: required, if ssp_targeting is not configured"] if untargeted else []


def _with_known_items(package: _Package) -> _Package:
    messages = [f"targeting.{fault}" for fault in package.targeting.faults()] if package.targeting else []
    if package.ssp_targeting:
        messages += [f"ssp_targeting.{fault}" for fault in package.ssp_targeting.faults()]
    if messages:
        refuse(422, *messages)
    return package


def _items(item_sets: list[ItemSet[_Where, _What]]) -> Iterator[tuple[str, Item[_What]]]:
    """Every item with its path inside `include` or `exclude`."""
    for s, item_set in enumerate(item_sets):
        for n, item_list in enumerate(item_set.item_lists):
            for i, item in enumerate(item_list.items):
                yield f"item_sets.{s}.item_lists.{n}.items.{i}", item
