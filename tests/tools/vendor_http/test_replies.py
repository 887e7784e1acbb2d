"""What is read from a vendor's answer, and what of it may be shown."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tools.errors import InDoubt
from tools.vendor_http.replies import EXCERPT, MOST_VALUES, Answer, Kind, NotJson, Reply, TooManyValues, printable


def reply(body: Any = b"", *, status: int = 400, headers: dict[str, str] | None = None) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, httpx.Headers(headers), content)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"data": None, "error": {"code": "NOT_FOUND", "message": "No such avail"}}, "NOT_FOUND", "No such avail"),
        (
            {
                "error": {
                    "code": "VALIDATION_ERROR",
                    "message": "Invalid",
                    "details": {
                        "issues": [{"path": ["creative", 0], "message": "bad"}, {"path": "x", "message": "worse"}]
                    },
                }
            },
            "VALIDATION_ERROR",
            "Invalid; creative.0: bad; x: worse",
        ),
        ({"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}, "PERMISSION_DENIED", "no"),
        ({"error": {"code": "E", "message": ""}}, "E", None),
        ({"error": "Bad Gateway", "message": "upstream is away"}, "Bad Gateway", "upstream is away"),
        ({"error": "invalid_grant", "error_description": "wrong password"}, "invalid_grant", "wrong password"),
        ({"error": "only this"}, None, "only this"),
        ({"errors": [{"message": "a"}, {"message": "b"}, "c", {"other": 1}]}, None, "a; b; c"),
        ({"errors": [{"message": str(n)} for n in range(9)]}, None, "0; 1; 2; 3; 4"),
        ({"Message": "User is not authorized"}, None, "User is not authorized"),
        ([{"error": {"code": 404, "message": "gone", "status": "NOT_FOUND"}}], "NOT_FOUND", "gone"),
        ({"error": None, "message": None}, None, None),
        ({"error": {"message": 5, "code": 5, "details": {"issues": "x"}}}, None, None),
        ({"errors": {"name": ["is blank"]}}, None, None),
        ([], None, None),
        ("text", None, None),
        (b"Invalid credentials", None, "Invalid credentials"),
        (b"  \n", None, None),
        (b"\xff\xfe wrong", None, "\ufffd\ufffd wrong"),
        (b"<html><body>502 https://x.example</body></html>", None, None),
        (b"<Error><Message>no</Message></Error>", None, None),
        (b'{"error": {"message": "cut', None, None),
        (b"[" * 100_000, None, None),
    ],
)
def test_a_vendors_own_words_are_found_in_every_known_shape(body: Any, code: str | None, words: str | None) -> None:
    assert reply(body).vendor_error() == (code, words)


def test_the_field_that_a_vendor_names_is_told() -> None:
    _, words = reply({"error": {"code": "E", "message": "is not valid", "field": "packageId"}}).vendor_error()
    assert words is not None
    assert "packageId" in words


def test_an_empty_list_of_errors_does_not_hide_the_message_beside_it() -> None:
    assert reply({"errors": [], "message": "no"}).vendor_error() == (None, "no")


@pytest.mark.parametrize(
    "body",
    [
        {"message": "<html><body><h1>502 Bad Gateway</h1></body></html>"},
        b"Error: <html><body><h1>502 Bad Gateway</h1></body></html>",
    ],
)
def test_html_within_a_vendors_words_is_not_quoted(body: Any) -> None:
    _, words = reply(body).vendor_error()
    assert "<h1>" not in (words or "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("as it is", "as it is"),
        ("two\r\n lines\tand   gaps ", "two lines and gaps"),
        ("a\x00b\x1b[31mc\x7fd", "a b [31mc d"),
        ("a\u202eb\u2066c\u200bd\u2028e\x85f", "a b c d e f"),
        ("see https://api.example/x?key=1, or HTTP://b.example/", "see [link] or [link]"),
        ("see (url=ftp://a.example) now", "see [link] now"),
        ("my-secret and my-secret", "*** and ***"),
        ("https://user:my-secret@a.example", "[link]"),
        ("", ""),
    ],
)
def test_words_are_shown_on_one_line_without_links_control_characters_and_secrets(text: str, shown: str) -> None:
    assert printable(text, secrets=["my-secret", ""]) == shown


@pytest.mark.parametrize(
    "mark", ["\x9b", "\x90", "\u061c", "\ufeff", "\u00ad", "\U000e0041"], ids=lambda mark: f"{ord(mark):x}"
)
def test_no_invisible_character_is_shown(mark: str) -> None:
    assert printable(f"a{mark}b") in ("a b", "ab")


@pytest.mark.parametrize("before", ["1", "_", "é", "中"])
def test_a_link_is_not_shown_whatever_stands_before_it(before: str) -> None:
    assert "://" not in printable(f"{before}https://evil.example/x")


def test_long_words_are_cut_to_an_excerpt() -> None:
    assert printable("x" * EXCERPT) == "x" * EXCERPT
    assert printable("x" * (EXCERPT + 1)) == "x" * (EXCERPT - 1) + "…"
    assert printable("word " * 200, limit=11) == "word word…"


def test_plain_text_is_cut_shorter_than_a_message_and_a_code_shorter_still() -> None:
    _, text = reply(b"x" * 9999).vendor_error()
    code, message = reply({"error": {"code": "c" * 999, "message": "m" * 999}}).vendor_error()
    assert [len(words or "") for words in (code, text, message)] == [80, 120, 300]


def test_a_code_is_cleaned_as_words_are() -> None:
    code, _ = reply({"error": {"code": "k my-secret\n http://x.example", "message": "m"}}).vendor_error(["my-secret"])
    assert code == "k *** [link]"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        (" 30 ", 30.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_seconds_only(value: str, seconds: float | None) -> None:
    assert reply(headers={"retry-after": value}).retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"x-request-id": "r-1", "x-correlation-id": "c-1"}, "r-1"),
        ({"x-goog-correlation-id": "g-1"}, "g-1"),
        ({"x-amzn-requestid": "a-1"}, "a-1"),
        ({"x-correlation-id": "c\t1 http://x.example"}, "c 1 [link]"),
        ({"x-request-id": "r" * 500}, "r" * 99 + "…"),
        ({"x-request-id": "", "x-correlation-id": "c-1"}, "c-1"),
        ({}, None),
    ],
)
def test_the_request_id_is_found_under_each_vendors_name(headers: dict[str, str], request_id: str | None) -> None:
    assert reply(headers=headers).request_id == request_id


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b" \n", "an empty body"),
        (b"  <!DOCTYPE HTML><p>", "an HTML page"),
        (b"<HTML lang=en>", "an HTML page"),
        (b"<?xml version='1.0'?><e/>", "XML"),
        (b"Service Unavailable", "text"),
        (b'{"a": 1}', "JSON of another shape"),
    ],
)
def test_a_body_is_named_by_its_kind(body: bytes, name: str) -> None:
    assert reply(body).looks_like() == name


@pytest.mark.parametrize("body", [b"", b"text", b'{"a":', b"[" * 100_000, b"1" * 5000, b"\xff"])
def test_what_is_not_json_is_said_to_be_so_and_nothing_else_is_raised(body: bytes) -> None:
    with pytest.raises(NotJson):
        reply(body).json()


@pytest.mark.parametrize("value", [b"0", b"[]", b"{}", b'{"a":1}', b'"\\ud800"', b'""'])
def test_no_more_values_are_read_than_anything_else_can_wait_for(value: bytes) -> None:
    def count(times: int) -> bytes:
        return b"[" + b",".join([value] * times) + b"]"

    assert len(reply(count(MOST_VALUES // 3)).json()) == MOST_VALUES // 3
    with pytest.raises(TooManyValues):
        reply(count(MOST_VALUES + 1)).json()
    answer = Answer("Acme", Kind.WRITE, "", reply(count(MOST_VALUES + 1), status=201))
    with pytest.raises(InDoubt, match="answered with JSON of more than 500,000 values"):
        answer.json()


@pytest.mark.parametrize("status", [199, 200, 204, 299, 300, 304, 400, 500])
def test_only_2xx_is_a_success(status: int) -> None:
    assert reply(status=status).is_success is (200 <= status <= 299)


@pytest.mark.parametrize("body", [b"NaN", b'{"cpm": 1e999}', b"[-Infinity]", b"-1e999"])
def test_a_number_without_an_end_is_no_json(body: bytes) -> None:
    with pytest.raises(NotJson):
        reply(body).json()
