"""The vocabulary of targeting, and the trees that an agent writes in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from server.sandbox.freewheel.package_bodies import ItemType, SspItemType, SspTargetingType, TargetingType
from server.sandbox.freewheel.seed.attributes import KINDS, KINDS_OF, SERIES
from tests.tools.freewheel.packages import Tree, apps, genres, item_set
from tools.freewheel.targeting import (
    ITEM_TYPES,
    NETWORK_ITEMS,
    TARGETING_TYPES,
    TYPE_OF_KIND,
    SspTargeting,
    Targeting,
    closest_first,
    tree_of,
    vocabulary,
)


class Given(BaseModel):
    targeting: Targeting | None = None
    ssp_targeting: SspTargeting | None = None


def words(literal: Any) -> tuple[str, ...]:
    return literal.__args__


def refusal(**given: Any) -> str:
    """Why these arguments are refused: where, and in what words."""
    with pytest.raises(ValidationError) as told:
        Given.model_validate_json(json.dumps(given))
    (issue,) = told.value.errors()
    return f"{'.'.join(str(step) for step in issue['loc'])}: {issue['msg'].removeprefix('Value error, ')}"


def including(*item_sets: Tree, **more: Any) -> Tree:
    return {"include": {"relationship": "AND", "item_sets": list(item_sets)}, **more}


def test_the_words_are_those_that_the_sandbox_reads_in_the_same_document() -> None:
    assert {"targeting": words(TargetingType), "ssp_targeting": words(SspTargetingType)} == TARGETING_TYPES
    assert {"targeting": words(ItemType), "ssp_targeting": words(SspItemType)} == ITEM_TYPES
    assert [len(types) for types in ITEM_TYPES.values()] == [31, 6]


def test_every_kind_of_standard_attribute_has_its_item_type_but_for_app_bundles() -> None:
    kinds = {kind.plural for kind in (*KINDS, SERIES)}
    assert kinds - set(TYPE_OF_KIND) == {"app_bundles"}
    assert {(TYPE_OF_KIND[kind], kind) for kind in kinds if kind in TYPE_OF_KIND} == {
        (item_type, kind) for item_type, its_kinds in KINDS_OF.items() for kind in its_kinds
    }


def test_what_no_list_gives_is_what_is_no_standard_attribute() -> None:
    everything = {item_type for types in ITEM_TYPES.values() for item_type in types}
    assert everything - set(TYPE_OF_KIND.values()) == set(NETWORK_ITEMS)
    assert not any(item_type.startswith("STANDARD_") for item_type in NETWORK_ITEMS)


def test_the_vocabulary_is_plain_data_for_both_trees() -> None:
    served = json.loads(json.dumps(vocabulary()))
    assert served["targeting"]["targeting_types"] == ["CONTENT", "PLATFORM", "GEO", "VIDEO", "SITE"]
    assert served["ssp_targeting"] == {
        "targeting_types": ["CONTENT", "PLATFORM", "GEO", "SSP"],
        "item_types": [
            {"type": "STANDARD_SSP_CHANNEL", "standard_attribute": True, "kinds": ["ssp_channels"]},
            {"type": "STANDARD_PUBLISHER", "standard_attribute": True, "kinds": ["ssp_publishers"]},
            {"type": "STANDARD_IAB_CATEGORY", "standard_attribute": True, "kinds": ["ssp_iab_categories"]},
            {"type": "STANDARD_SSP_ENDPOINT", "standard_attribute": True, "kinds": ["ssp_endpoints"]},
            {"type": "STANDARD_APP", "standard_attribute": True, "kinds": ["apps"]},
            {"type": "STANDARD_SITE_DOMAIN", "standard_attribute": True, "kinds": ["domains"]},
        ],
    }
    by_type = {entry["type"]: entry for entry in served["targeting"]["item_types"]}
    assert by_type["DMA"] == {"type": "DMA", "standard_attribute": False, "kinds": []}
    assert by_type["STANDARD_CONTENT_SERIES"]["kinds"] == ["series"]
    assert by_type["STANDARD_CONTENT_FORM"]["kinds"] == ["content_durations", "content_forms"]


@pytest.mark.parametrize(
    ("item_type", "tree"),
    [("STANDARD_GENRE", "targeting"), ("STANDARD_APP", "ssp_targeting"), ("GEO", "targeting"), ("genre", None)],
)
def test_an_item_type_belongs_to_one_tree(item_type: str, tree: str | None) -> None:
    assert tree_of(item_type) == tree


@pytest.mark.parametrize(
    ("given", "first"),
    [
        ("STANDARD_GENRES", "STANDARD_GENRE, "),
        ("standard_device", "STANDARD_DEVICE, "),
        ("GENRE", "STANDARD_GENRE, "),
        ("language", "STANDARD_CONTENT_LANGUAGE, "),
        ("DMAS", "DMA, "),
        ("x" * 1_000_000, "STANDARD_CONTENT_PROGRAMMER, STANDARD_CONTENT_BRAND, "),
    ],
    ids=["plural", "case", "end", "word", "short", "huge"],
)
def test_the_words_that_look_alike_come_first_and_all_come(given: str, first: str) -> None:
    told = closest_first(given, ITEM_TYPES["targeting"])
    assert told.startswith(first)
    assert sorted(told.split(", ")) == sorted(ITEM_TYPES["targeting"])


@pytest.mark.parametrize(
    "tree",
    [
        genres("1004"),
        including(item_set("CONTENT", "STREAM_MODE", "61")),
        including(item_set("PLATFORM", "ENDPOINT", "33020")),
        including(item_set("GEO", "DMA", "501"), item_set("CONTENT", "STANDARD_GENRE", "1004")),
        including(item_set("VIDEO", "STANDARD_GENRE", "1004"), item_set("SITE", "STANDARD_OS", "110")),
        including(item_set("CONTENT", "STANDARD_GENRE", "1004"), exclude={"item_sets": [item_set("GEO", "GEO", "5")]}),
        {
            "include": {"relationship": "OR"},
            "exclude": {"item_sets": [item_set("CONTENT", "STANDARD_GENRE", "1004")]},
        },
    ],
)
def test_a_tree_goes_to_freewheel_as_it_was_written(tree: Tree) -> None:
    read = Given.model_validate_json(json.dumps({"targeting": tree}))
    assert read.model_dump(mode="json", exclude_none=True) == {"targeting": tree}


def test_ids_are_sent_as_strings_also_when_they_were_given_as_numbers() -> None:
    read = Given.model_validate({"targeting": genres(1004, "1008"), "ssp_targeting": apps(70215)})
    assert read.model_dump(exclude_none=True) == {
        "targeting": genres("1004", "1008"),
        "ssp_targeting": apps("70215"),
    }


INCLUDE = "include.item_sets.0"
GENRE = item_set("CONTENT", "STANDARD_GENRE", "5")
EXCLUDED = {"item_sets": [GENRE]}


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({}, "targeting.include: Field required"),
        ({"exclude": EXCLUDED}, "targeting.include: Field required"),
        ({"include": {}}, "targeting: include needs relationship, AND or OR"),
        ({"include": {"relationship": "AND"}}, "targeting: must include at least 1 standard attribute"),
        ({"include": {"relationship": "and"}}, "targeting.include.relationship: Input should be 'AND' or 'OR'"),
        ({"include": {"relationship": "AND", "item_sets": []}}, "targeting.include.item_sets: give at least one"),
        (
            {"include": {"relationship": "AND", "sets": [item_set("CONTENT", "STANDARD_GENRE", "5")]}},
            "targeting.include.sets: Extra inputs are not permitted",
        ),
        (
            {**genres("5"), "exclude": {"relationship": "OR", **EXCLUDED}},
            "targeting: exclude takes no relationship",
        ),
        ({**genres("5"), "exclude": {}}, "targeting: exclude needs item_sets"),
        ({**genres("5"), "exclude": {"item_sets": []}}, "targeting.exclude.item_sets: give at least one"),
        (
            including({"targeting_type": "CONTENT", "relationship": "AND", "item_lists": []}),
            f"targeting.{INCLUDE}.item_lists: give at least one",
        ),
        (
            including({key: value for key, value in GENRE.items() if key != "relationship"}),
            f"targeting.{INCLUDE}.relationship: Field required",
        ),
        (genres(), f"targeting.{INCLUDE}.item_lists.0.items: give at least one"),
        (genres(""), f"targeting.{INCLUDE}.item_lists.0.items.0.id: an id is not blank"),
        (genres("10\n04"), f"targeting.{INCLUDE}.item_lists.0.items.0.id: an id is not blank"),
        (genres("1" * 256), f"targeting.{INCLUDE}.item_lists.0.items.0.id: an id is not blank"),
        (genres(True), f"targeting.{INCLUDE}.item_lists.0.items.0.id: Input should be a valid string"),
        (genres(1.5), f"targeting.{INCLUDE}.item_lists.0.items.0.id: Input should be a valid string"),
        (
            including(item_set("SSP", "STANDARD_GENRE", "5")),
            f"targeting: {INCLUDE}.targeting_type SSP is none of targeting's but of ssp_targeting's; valid: CONTENT, "
            "PLATFORM, GEO, VIDEO, SITE",
        ),
        (
            {**genres("5"), "exclude": {"item_sets": [item_set("CONTENTS", "STANDARD_GENRE", "5")]}},
            "targeting: exclude.item_sets.0.targeting_type CONTENTS is none of targeting's; valid: CONTENT, PLATFORM",
        ),
        (
            including(item_set("CONTENT", "STANDARD_GENRES", "5")),
            f"targeting: {INCLUDE}.item_lists.0.items.0.type STANDARD_GENRES is none of targeting's; valid: "
            "STANDARD_GENRE, ",
        ),
        (
            including(item_set("CONTENT", "STANDARD_APP", "5")),
            f"targeting: {INCLUDE}.item_lists.0.items.0.type STANDARD_APP is none of targeting's but of "
            "ssp_targeting's; valid: ",
        ),
        (
            including(item_set("GEO", "DMA", "501"), item_set("VIDEO", "ASSET", "5")),
            "targeting: must include at least 1 standard attribute, such as a STANDARD_GENRE: find one with "
            "find_targeting_items",
        ),
    ],
)
def test_a_tree_that_breaks_a_rule_is_refused_with_its_place(tree: Tree, told: str) -> None:
    assert refusal(targeting=tree).startswith(told)


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        (
            {"include": {"relationship": "AND", "item_sets": [item_set("VIDEO", "STANDARD_APP", "5")]}},
            f"ssp_targeting: {INCLUDE}.targeting_type VIDEO is none of ssp_targeting's but of targeting's; valid: "
            "CONTENT, PLATFORM, GEO, SSP",
        ),
        (
            genres("1004"),
            f"ssp_targeting: {INCLUDE}.item_lists.0.items.0.type STANDARD_GENRE is none of ssp_targeting's but of "
            "targeting's; valid: ",
        ),
    ],
)
def test_the_two_trees_have_different_words(tree: Tree, told: str) -> None:
    assert refusal(ssp_targeting=tree).startswith(told)


def test_every_item_type_may_stand_under_every_targeting_type_of_its_tree() -> None:
    for targeting_type in TARGETING_TYPES["targeting"]:
        sets = [item_set(targeting_type, item_type, "5") for item_type in ITEM_TYPES["targeting"]]
        assert Given.model_validate({"targeting": including(*sets)}).targeting is not None
