"""Targeting of inventory packages: its vocabulary as data, and its two trees as arguments.

Source: Inventory Package API v4, "Targeting Attributes" and the tables below it. It is not documented which item type
fits which targeting type, so no combination is refused here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tools.schema import Arguments
from tools.vendor_http.replies import printable

TreeName = Literal["targeting", "ssp_targeting"]

TREES: tuple[TreeName, ...] = ("targeting", "ssp_targeting")

TARGETING_TYPES: dict[TreeName, tuple[str, ...]] = {
    "targeting": ("CONTENT", "PLATFORM", "GEO", "VIDEO", "SITE"),
    "ssp_targeting": ("CONTENT", "PLATFORM", "GEO", "SSP"),
}

ITEM_TYPES: dict[TreeName, tuple[str, ...]] = {
    "targeting": (
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
    ),
    "ssp_targeting": (
        "STANDARD_SSP_CHANNEL",
        "STANDARD_PUBLISHER",
        "STANDARD_IAB_CATEGORY",
        "STANDARD_SSP_ENDPOINT",
        "STANDARD_APP",
        "STANDARD_SITE_DOMAIN",
    ),
}

NETWORK_ITEMS = (
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
)
"""Geography and the network's own items. No documented list gives their ids.

All other types count as standard attributes: those named STANDARD_, those that the page "Standard Attributes API V4"
lists (stream types, endpoints and their owners), and INVENTORY_SOURCE and IP_ENABLED_AUDIENCE, which no page explains,
so that FreeWheel decides.
"""

SERIES = "STANDARD_CONTENT_SERIES"
"""The one standard attribute that is searched by name, because it does not come with the others."""

TYPE_OF_KIND = {
    "programmers": "STANDARD_CONTENT_PROGRAMMER",
    "brands": "STANDARD_CONTENT_BRAND",
    "channels": "STANDARD_CONTENT_CHANNEL",
    "inventory_sources": "INVENTORY_SOURCE",
    "genres": "STANDARD_GENRE",
    "languages": "STANDARD_CONTENT_LANGUAGE",
    "tv_ratings": "STANDARD_CONTENT_RATING",
    "content_durations": "STANDARD_CONTENT_FORM",
    "content_forms": "STANDARD_CONTENT_FORM",
    "stream_types": "STREAM_MODE",
    "content_dayparts": "STANDARD_CONTENT_DAYPART",
    "subscription_models": "STANDARD_SUBSCRIPTION_MODEL",
    "content_credential_statuses": "STANDARD_CONTENT_CREDENTIAL_STATUS",
    "content_territories": "STANDARD_CONTENT_TERRITORY",
    "series": SERIES,
    "endpoints": "ENDPOINT",
    "endpoint_names": "ENDPOINT",
    "endpoint_owners": "ENDPOINT_OWNER",
    "device_types": "STANDARD_DEVICE",
    "environments": "STANDARD_ENVIRONMENT",
    "oss": "STANDARD_OS",
    "operating_systems": "STANDARD_OS",
    "ip_enabled_audiences": "IP_ENABLED_AUDIENCE",
    "ssp_channels": "STANDARD_SSP_CHANNEL",
    "ssp_publishers": "STANDARD_PUBLISHER",
    "ssp_iab_categories": "STANDARD_IAB_CATEGORY",
    "ssp_endpoints": "STANDARD_SSP_ENDPOINT",
    "apps": "STANDARD_APP",
    "domains": "STANDARD_SITE_DOMAIN",
}
"""The item type that takes the ids of each kind of `GET /services/v4/standard_attributes`.

No page relates the two; the names do. The values of content_durations are Short, Mid and Long Form. A kind that is not
here, such as app_bundles, has no known item type.
"""


def tree_of(item_type: str) -> TreeName | None:
    """The tree that an item type belongs to, or None when it is no item type."""
    return next((tree for tree in TREES if item_type in ITEM_TYPES[tree]), None)


def closest_first(given: str, valid: tuple[str, ...]) -> str:
    """The valid values in one text, with those that resemble the given one first."""
    wanted = given[:100].upper()
    holding = [word for word in valid if wanted in word]
    return ", ".join(dict.fromkeys([*holding, *difflib.get_close_matches(wanted, valid), *valid]))


def vocabulary() -> dict[str, Any]:
    """For each tree, its targeting types, and its item types with the kinds that hold their ids.

    kinds: the lists of FreeWheel that find_targeting_items searches; empty where a person has to give the ids.
    """
    return {
        tree: {
            "targeting_types": list(TARGETING_TYPES[tree]),
            "item_types": [
                {
                    "type": item_type,
                    "standard_attribute": item_type not in NETWORK_ITEMS,
                    "kinds": [kind for kind, taking in TYPE_OF_KIND.items() if taking == item_type],
                }
                for item_type in ITEM_TYPES[tree]
            ],
        }
        for tree in TREES
    }


Relationship = Literal["AND", "OR"]


def _item_id(value: Any) -> Any:
    """FreeWheel documents this id alone as a string. A number is accepted too, because its ids come as both."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and not (value.strip() and value.isprintable() and len(value) <= 255):
        raise ValueError("an id is not blank, holds no control characters and has at most 255 characters")
    return value


T = TypeVar("T")


def _not_empty(values: list[T]) -> list[T]:
    if not values:
        raise ValueError("give at least one")
    return values


NonEmpty = Annotated[list[T], AfterValidator(_not_empty)]
"""A list with at least one item. The schema, which every agent reads, leaves that out; the error says it."""


class Item(Arguments):
    id: Annotated[str, BeforeValidator(_item_id)] = Field(description="As find_targeting_items gives it.")
    type: str = Field(description="Likewise, such as STANDARD_GENRE.")


class ItemList(Arguments):
    relationship: Relationship = Field(description="How the items are joined.")
    items: NonEmpty[Item] = Field(description="What is targeted.")


class ItemSet(Arguments):
    targeting_type: str = Field(
        description="CONTENT, PLATFORM, GEO; for targeting also VIDEO, SITE, for ssp_targeting SSP."
    )
    relationship: Relationship = Field(description="How the lists are joined.")
    item_lists: NonEmpty[ItemList] = Field(description="Lists of items.")


class Part(Arguments):
    relationship: Relationship | None = Field(default=None, description="How the sets are joined; in include only.")
    item_sets: NonEmpty[ItemSet] | None = Field(default=None, description="One set a targeting type.")


class Tree(Arguments):
    include: Part = Field(description="Targeted.")
    exclude: Part | None = Field(default=None, description="Left out.")

    @model_validator(mode="after")
    def _only_include_is_joined(self) -> Tree:
        if self.include.relationship is None:
            raise ValueError("include needs relationship, AND or OR")
        if self.exclude and self.exclude.relationship is not None:
            raise ValueError("exclude takes no relationship")
        if self.exclude and self.exclude.item_sets is None:
            raise ValueError("exclude needs item_sets")
        return self

    def sets(self) -> Iterator[tuple[str, ItemSet]]:
        """Every item set with its path."""
        for name, part in (("include", self.include), ("exclude", self.exclude)):
            for index, item_set in enumerate(part.item_sets or [] if part else []):
                yield f"{name}.item_sets.{index}", item_set

    def items(self) -> Iterator[tuple[str, Item]]:
        """Every item with its path."""
        for path, item_set in self.sets():
            for n, item_list in enumerate(item_set.item_lists):
                for i, item in enumerate(item_list.items):
                    yield f"{path}.item_lists.{n}.items.{i}", item


def _check_types(name: TreeName, tree: Tree) -> Tree:
    for path, item_set in tree.sets():
        if item_set.targeting_type not in TARGETING_TYPES[name]:
            raise ValueError(
                _wrong_type(f"{path}.targeting_type", item_set.targeting_type, name, TARGETING_TYPES[name])
            )
    for path, item in tree.items():
        if item.type not in ITEM_TYPES[name]:
            raise ValueError(_wrong_type(f"{path}.type", item.type, name, ITEM_TYPES[name]))
    if all(item.type in NETWORK_ITEMS for _, item in tree.items()):
        raise ValueError(
            "must include at least 1 standard attribute, such as a STANDARD_GENRE: find one with find_targeting_items"
        )
    return tree


def _wrong_type(path: str, word: str, name: TreeName, valid: tuple[str, ...]) -> str:
    other: TreeName = "targeting" if name == "ssp_targeting" else "ssp_targeting"
    elsewhere = f" but of {other}'s" if word in (*TARGETING_TYPES[other], *ITEM_TYPES[other]) else ""
    return f"{path} {printable(word, limit=80)} is none of {name}'s{elsewhere}; valid: {closest_first(word, valid)}"


Targeting = Annotated[Tree, AfterValidator(partial(_check_types, "targeting"))]
SspTargeting = Annotated[Tree, AfterValidator(partial(_check_types, "ssp_targeting"))]
