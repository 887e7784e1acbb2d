"""Request bodies of the Inventory Package API v4: "Request Body Attributes" and the targeting tables below it.

The page leaves some things open. The sandbox reads it like this:
- "Must include at least 1 standard attribute" means that `include` has an item whose type starts with STANDARD_. Items
  that are standard attributes in FreeWheel's own list but not by the name of their type, such as endpoints and stream
  modes, do not count. Nor do excluded items.
- `sets` beside `item_sets` is ignored. Any item type may be under any targeting type of its tree.
- The ids of the network's own items (ASSET, DMA, SITE, ...) are not checked.
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

_TargetingType = TypeVar("_TargetingType", bound=str)
_ItemType = TypeVar("_ItemType", bound=str)


class Item(Body, Generic[_ItemType]):
    """Item Lists Object Attributes. `id` is a string, unlike every other FW_ID."""

    id: Text
    type: _ItemType


class ItemList(Body, Generic[_ItemType]):
    relationship: Relationship
    items: Annotated[list[Item[_ItemType]], Field(min_length=1)]


class ItemSet(Body, Generic[_TargetingType, _ItemType]):
    targeting_type: _TargetingType
    relationship: Relationship
    item_lists: Annotated[list[ItemList[_ItemType]], Field(min_length=1)]


class Include(Body, Generic[_TargetingType, _ItemType]):
    relationship: Relationship
    item_sets: list[ItemSet[_TargetingType, _ItemType]] = Field(
        default_factory=list[ItemSet[_TargetingType, _ItemType]]
    )


class Exclude(Body, Generic[_TargetingType, _ItemType]):
    item_sets: Annotated[list[ItemSet[_TargetingType, _ItemType]], Field(min_length=1)]


class Tree(Body, Generic[_TargetingType, _ItemType]):
    """Targeting Attributes, of `targeting` or `ssp_targeting`."""

    include: Include[_TargetingType, _ItemType]
    exclude: Exclude[_TargetingType, _ItemType] | None = None

    def faults(self) -> Iterator[str]:
        """The faults that no single field shows: no standard attribute in the tree, and unknown ids."""
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
    """The fields of a PUT, which replaces the package. `status` counts only if it was sent."""

    status: Literal["ACTIVE", "INACTIVE"] = "ACTIVE"


def read_new_package(body: dict[str, object]) -> NewPackage:
    """The body of a create: 422 if it is not valid, or sets a field that the network assigns."""
    faults = set_on_create(body, "id", "status", "created_at", "updated_at")
    return _check_items(validated(NewPackage, body, faults + _missing_targeting(body)))


def read_whole_package(body: dict[str, object]) -> WholePackage:
    """The body of a PUT: 422 if it is not valid. Its id, created_at and updated_at are ignored."""
    return _check_items(validated(WholePackage, body, _missing_targeting(body)))


_Package = TypeVar("_Package", bound=NewPackage)


def _missing_targeting(body: dict[str, object]) -> list[str]:
    is_missing = body.get("targeting") is None and body.get("ssp_targeting") is None
    return ["targeting: required, if ssp_targeting is not configured"] if is_missing else []


def _check_items(package: _Package) -> _Package:
    messages = [f"targeting.{fault}" for fault in package.targeting.faults()] if package.targeting else []
    if package.ssp_targeting:
        messages += [f"ssp_targeting.{fault}" for fault in package.ssp_targeting.faults()]
    if messages:
        refuse(422, *messages)
    return package


def _items(item_sets: list[ItemSet[_TargetingType, _ItemType]]) -> Iterator[tuple[str, Item[_ItemType]]]:
    """Every item with its path inside `include` or `exclude`."""
    for s, item_set in enumerate(item_sets):
        for n, item_list in enumerate(item_set.item_lists):
            for i, item in enumerate(item_list.items):
                yield f"item_sets.{s}.item_lists.{n}.items.{i}", item
