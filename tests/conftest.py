from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_settings_from_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ADOPS_ variable of whoever runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith("ADOPS_") and not name.startswith("ADOPS_TEST_"):
            monkeypatch.delenv(name)
