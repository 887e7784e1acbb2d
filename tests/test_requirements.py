"""The map of the mission: rows, tools, fields and tests lead to one another, and no row of the documents is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.documents import folder, rows_by_table
from tests.requirements import Link, Requirement, Served, links, load, problems
from tools.catalogue import CATALOGUE
from tools.schema import arguments_schema, result_schema

REQUIREMENTS = load()
TOOLS = {entry.name: entry.tool for entry in CATALOGUE}
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


INSIDE_A_ROW = {f"Response, example of {name}" for name in ("inventorySource", "contract", "taskContract", "adServer")}
"""The objects of an example that the row of their parent stands for: the projection's tree, and the configuration."""

NOT_AS_WRITTEN = {
    "proposed_io.attribute.id": "update_proposed_io names the order by it, and does not change it",
    "inventory_package.attribute.id": "the page calls it creatable; FreeWheel gives it, and an update names it",
    "inventory_package.include.sets": "another name of item_sets: read as such, never sent",
}
"""Rows whose tools differ from what their columns "Creatable?" and "Updatable?" say, and why."""


def _document(title: str) -> str:
    for file in sorted(folder().glob("*.txt")):
        text = file.read_text("utf-8")
        if title in text.splitlines():
            return text
    pytest.skip("the vendors' documents are not here (ADOPS_TEST_SEEDS)")


def test_every_document_is_mapped() -> None:
    texts = [file.read_text("utf-8").splitlines() for file in sorted(folder().glob("*.txt"))]
    if not texts:
        pytest.skip("the vendors' documents are not here (ADOPS_TEST_SEEDS)")
    assert sorted(title for lines in texts for title in DOCUMENTS if title in lines) == DOCUMENTS
    assert len(texts) == len(DOCUMENTS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_rows_are_those_of_the_document(document: str) -> None:
    found = rows_by_table(_document(document))
    mapped: dict[str, list[str]] = {}
    for requirement in REQUIREMENTS:
        if requirement.document == document:
            mapped.setdefault(requirement.table, []).append(requirement.row)
    assert {table: rows for table, rows in found.items() if table not in INSIDE_A_ROW} == mapped


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_can_be_created_updated_and_read_is_served_by_a_tool_that_does_so(document: str) -> None:
    text = _document(document)
    written = _written(text, {table: rows for table, rows in rows_by_table(text).items() if "Attributes" in table})
    mapped = {(each.table, each.row): each for each in REQUIREMENTS if each.document == document}
    differing = {mapped[place].id for place, columns in written.items() if _served(mapped[place]) != columns}
    assert differing == {mapped[place].id for place in written} & NOT_AS_WRITTEN.keys()
    assert all(any(served.field for served in mapped[place].served) for place in written)


def _served(requirement: Requirement) -> tuple[bool, bool]:
    given = [served.tool for served in requirement.served if served.argument]
    return any(tool.startswith("create_") for tool in given), any(tool.startswith("update_") for tool in given)


def _written(text: str, tables: dict[str, list[str]]) -> dict[tuple[str, str], tuple[bool, bool]]:
    """Whether each row is creatable and updatable. These columns are the last two after "Mandatory?", else the first
    two; a row without them, or a table, is only read."""
    found: dict[tuple[str, str], tuple[bool, bool]] = {}
    for table, rows in tables.items():
        body = re.split(r"\n[A-Z][\w -]*Attributes\b", text.partition(f"\n{table}\n")[2])[0]
        for number, row in enumerate(rows):
            body = body[body.index(f"\n{row}") + 1 :]
            end = body.index(f"\n{rows[number + 1]}") if number + 1 < len(rows) else len(body)
            columns = re.search(r"(?:Required|Yes|No){2,3}", body[:end])
            answers = re.findall(r"Required|Yes|No", columns[0]) if columns else ["No", "No"]
            create, update = answers[-2:] if "Mandatory?" in text else answers[:2]
            found[table, row] = create != "No", update != "No"
    return found


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


def test_the_columns_of_a_pasted_table_say_what_can_be_created_and_updated() -> None:
    head = "\nThing Attributes\n\nNameTypeDescription"
    rows = {"Thing Attributes": ["id", "status", "name"]}
    page = "Creatable?Updatable?Notes\nidFW_IDNoNoNote it\nstatusEnum\n  • ON\nNoYesYes\nnameStringRequiredNo"
    assert [*_written(f"{head}{page}\nOther Attributes\nYesYes", rows).values()] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    page = "Mandatory?Creatable?Updatable?\nidFW_IDYes\nstatusEnumYesNoYes\nnameStringYes, if it has one.YesNo"
    assert [*_written(f"{head}{page}", rows).values()] == [(False, False), (False, True), (True, False)]


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
