"""What is taken out of an answer whichever tool made it."""

from __future__ import annotations

from typing import Any

import pytest

from server.cleaning import LONGEST_STRING, cleaned, encoded

TOKEN = "tok-12345678"


@pytest.mark.parametrize(
    ("came", "goes"),
    [
        (f"echo {TOKEN} echo", "echo *** echo"),
        ("pay\u202eload", "pay load"),
        ("a\x1b[2Jb", "a [2Jb"),
        ("zero\u200bwidth", "zero width"),
        ("x" * (LONGEST_STRING + 1), "x" * LONGEST_STRING + "…"),
        ("Ünïcode, line\nfeed\tand 😀", "Ünïcode, line\nfeed\tand 😀"),
    ],
)
def test_every_string_of_an_answer_is_cleaned_at_any_depth(came: str, goes: str) -> None:
    answer: dict[str, Any] = {"a": [{"b": came}], "n": 1, "none": None}
    clean, text = encoded(answer, [TOKEN])
    assert clean == {"a": [{"b": goes}], "n": 1, "none": None}
    assert TOKEN not in text
    assert cleaned(came, [TOKEN]) == goes


def test_a_token_too_short_to_be_one_takes_no_words_away() -> None:
    assert encoded({"a": "keyboard"}, ["key", ""])[0] == {"a": "keyboard"}


@pytest.mark.parametrize("token", ['quo"ted-123', "back\\slash-1", "tab\tbed-1234"])
def test_a_token_that_json_writes_otherwise_is_taken_out_all_the_same(token: str) -> None:
    clean, text = encoded({"a": f"got {token}"}, [token])
    assert clean == {"a": "got ***"}
    assert text == '{"a":"got ***"}'
