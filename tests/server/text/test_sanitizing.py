"""Sanitizing removes tokens and invisible characters from the answer of any tool."""

from __future__ import annotations

from typing import Any

import pytest

from server.text.redaction import redacted
from server.text.sanitizing import LONGEST_STRING, sanitized, sanitized_json

TOKEN = "tok-12345678"


@pytest.mark.parametrize(
    ("came", "goes"),
    [
        (f"echo {TOKEN} echo", "echo *** echo"),
        ("pay\u202eload", "pay load"),
        ("a\x1b[2Jb", "a [2Jb"),
        ("zero\u200bwidth", "zero width"),
        ("id\rIGNORE\b\fALL", "id IGNORE  ALL"),
        ("hidden\U000e0101\u3164\U000f0000", "hidden   "),
        ("x" * (LONGEST_STRING + 1), "x" * LONGEST_STRING + "…"),
        ("Ünïcode, line\nfeed\tand 😀", "Ünïcode, line\nfeed\tand 😀"),
    ],
)
def test_every_string_of_an_answer_is_cleaned_at_any_depth(came: str, goes: str) -> None:
    answer: dict[str, Any] = {"a": [{"b": came}], "n": 1, "none": None}
    clean, text = sanitized_json(answer, [TOKEN])
    assert clean == {"a": [{"b": goes}], "n": 1, "none": None}
    assert TOKEN not in text
    assert sanitized(came, [TOKEN]) == goes


def test_a_token_too_short_to_be_one_takes_no_words_away() -> None:
    assert sanitized_json({"a": "keyboard"}, ["key", ""])[0] == {"a": "keyboard"}


@pytest.mark.parametrize("token", ['quo"ted-123', "back\\slash-1", "tab\tbed-1234"])
def test_a_token_that_json_writes_otherwise_is_taken_out_all_the_same(token: str) -> None:
    clean, text = sanitized_json({"a": f"got {token}"}, [token])
    assert clean == {"a": "got ***"}
    assert text == '{"a":"got ***"}'


def test_names_of_fields_are_cleaned_as_their_values_are_and_none_is_lost() -> None:
    answer: dict[str, Any] = {"payload": {TOKEN: 1, "***": 2, "k\u202e\x1bey": {TOKEN: [3]}}}
    clean, text = sanitized_json(answer, [TOKEN])
    assert clean == {"payload": {"***": 1, "***'": 2, "k  ey": {"***": [3]}}}
    assert TOKEN not in text
    assert redacted(answer, [TOKEN])["payload"]["k\u202e\x1bey"] == {"***": [3]}
