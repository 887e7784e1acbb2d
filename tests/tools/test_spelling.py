"""Which names a vendor may state for one that it was given, and which are surely another."""

from __future__ import annotations

import pytest

from tools.spelling import may_be_same_name


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ("CRM &amp; Co-7", "CRM & Co-7"),
        ("CRM-2026-NORTHLIGHT-", "CRM-2026-NORTHLIGHT-CASCADIA-SPRING-0001"),
        ("CRM-2026-CASCADIA-100", "CRM-2026-CASCADIA-1000001"),
        ("FW-CRM-7007", "CRM-7007"),
        ("777", "000777"),
        ("CRM-?\u00f3d?-7", "CRM-\u0141\u00f3d\u017a-7"),
        ("", "CRM-7"),
        ("\u65e5\u672c", "\u65e5\u672c \u8a9e"),
    ],
)
def test_a_vendor_may_state_a_name_cut_escaped_or_with_letters_lost(stated: str, wanted: str) -> None:
    assert may_be_same_name(stated, wanted)


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ("Chaos 123.", "Chaos 12."),
        ("CRM-1", "CRM-12"),
        ("IO-1001", "IO-100"),
        ("2026-001", "2026-0012"),
        ("Spring 3", "Summer 3"),
        ("CRM-7", "CRM-8"),
    ],
)
def test_names_that_differ_in_a_number_or_a_word_are_not_the_same(stated: str, wanted: str) -> None:
    assert not may_be_same_name(stated, wanted)
