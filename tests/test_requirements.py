"""The map of the mission: rows, tools, fields and tests lead to one another, and no row of the documents is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.documents import folder, rows_by_table
from tests.requirements import Link, Requirement, Served, links, load, problems
from tools.catalogue import CATALOGUE
from tools.schema import arguments_schema, result_schema

REQUIREMENTS = load()
TOOLS = {tool.name: tool for tool in CATALOGUE}
DOCUMENTS = sorted({requirement.document for requirement in REQUIREMENTS})


def test_every_row_is_proved_for_each_of_its_tools_and_every_test_names_a_row() -> None:
    assert problems(REQUIREMENTS, links()) == []


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.id)
def test_every_row_is_served_by_fields_that_there_are(requirement: Requirement) -> None:
    assert requirement.served
    for served in requirement.served:
        tool = TOOLS[served.tool]
        if served.argument:
            assert served.argument.split(".")[-1] in _at(arguments_schema(tool.arguments), served.argument), served
        if served.field:
            assert served.field.split(".")[-1] in _at(result_schema(tool.result), served.field), served


def _at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """The properties among which the last name of a path stands."""
    properties: dict[str, Any] = schema["properties"]
    for name in path.split(".")[:-1]:
        node = properties[name]
        while "$ref" in node or "items" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node["items"]
        properties = node["properties"]
    return properties


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_rows_are_those_of_the_document(document: str) -> None:
    files = [file for file in sorted(folder().glob("*.txt")) if document in file.read_text("utf-8").splitlines()]
    if not files:
        pytest.skip("the vendors' documents are not here (ADOPS_TEST_SEEDS)")
    found = rows_by_table(files[0].read_text("utf-8"))
    mapped: dict[str, list[str]] = {}
    for requirement in REQUIREMENTS:
        if requirement.document == document:
            mapped.setdefault(requirement.table, []).append(requirement.row)
    examples = {table for table in found if table.startswith("Response, example of ") and table not in mapped}
    assert {table: rows for table, rows in found.items() if table not in examples} == mapped


# the machinery itself

ROW = Requirement(
    "orders.name", "D", "T", "name", (Served("make_order", "name", None), Served("get_order", None, "name"))
)


def test_a_row_without_a_test_of_one_of_its_tools_is_a_problem() -> None:
    linked = [Link("orders.name", "test_make_order", "a"), Link("orders.name", "test_get_order_answers", "b")]
    assert problems([ROW], linked) == []
    assert problems([ROW], linked[:1]) == ["orders.name: no test in test_get_order*.py proves it for get_order"]


def test_a_test_that_names_no_row_or_one_of_another_tool_is_a_problem() -> None:
    linked = [
        Link("orders.name", "test_make_order", "a"),
        Link("orders.name", "test_get_order", "b"),
        Link("orders.nam", "test_get_order", "c"),
        Link("orders.name", "test_list_orders", "d"),
    ]
    assert problems([ROW], linked) == [
        "test_get_order: c names orders.nam, which is no row of requirements.toml",
        "test_list_orders: d names orders.name, which its tool does not serve",
    ]


def test_the_file_is_read_with_every_way_in_which_a_row_is_served(tmp_path: Path) -> None:
    file = tmp_path / "requirements.toml"
    rows = 'name = ["make", "make(order.name)", "get -> order.name"]\n"Do it" = ["make"]\n'
    file.write_text(f'[orders.attribute]\ndocument = "D"\ntable = "T"\n[orders.attribute.rows]\n{rows}', "utf-8")
    first, second = load(file)
    assert first.id == "orders.attribute.name"
    assert first.served == (
        Served("make", None, None),
        Served("make", "order.name", None),
        Served("get", None, "order.name"),
    )
    assert [str(served) for served in first.served] == ["make", "make(order.name)", "get -> order.name"]
    assert second.id == "orders.attribute.Do it"


def test_the_marks_of_tests_are_found_without_running_them(tmp_path: Path) -> None:
    source = (
        "import pytest\n\n"
        "@pytest.mark.requirement('a.b', 'a.c')\n"
        "@pytest.mark.parametrize('x', [1])\n"
        "async def test_one(x): raise RuntimeError\n\n"
        "def test_two(): ...\n"
    )
    (tmp_path / "test_make.py").write_text(source, "utf-8")
    assert links(tmp_path) == [Link("a.b", "test_make", "test_one"), Link("a.c", "test_make", "test_one")]


def test_the_rows_of_a_pasted_table_are_its_names() -> None:
    page = (
        "Things API\n\nOverview\n\n  • Make things. Soon\n\nQuery Parameters\n\nParameterTypeDescription\n"
        "namestringPart of it.\n\nValid values:\n  • ACTIVE\nper_pageint32How many\nThing Attributes\n\n"
        "NameTypeDescription\nidFW_IDIts id\nsizeInteger [0, 100]Its size\n"
    )
    assert rows_by_table(page) == {
        "Overview": ["Make things"],
        "Query Parameters": ["name", "per_page"],
        "Thing Attributes": ["id", "size"],
    }


def test_the_fields_of_a_pasted_reference_are_its_names_with_the_objects_of_its_example() -> None:
    page = (
        'PUT\n{\n  "thing": {\n    "id": 1,\n    "on": true\n  }\n}\n\nAuthorizations\n\nPath Parameters\n\nthingId\n'
        "string\nrequired\n\nBody\n\nname\nstring\nrequired\n\nResponse\n\nthing\nobject\n"
        "at\nstring<date-time> | null\n"
    )
    assert rows_by_table(page) == {
        "Path Parameters": ["thingId"],
        "Body": ["name"],
        "Response": ["thing", "at"],
        "Response, example of thing": ["id", "on"],
    }
