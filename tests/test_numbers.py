"""Numbers are the same in all digits and groupings."""

from __future__ import annotations

import pytest

from loc.numbers import numbers
from stages.dub import faults


@pytest.mark.parametrize(
    "text",
    [
        "1000000",
        "1,000,000",
        "1.000.000",
        "1'000'000",
        "1’000’000",
        "1\u202f000\u00a0000",
        "１，０００，０００",
    ],
)
def test_a_number_is_one_however_it_is_grouped(text: str) -> None:
    assert [digits for digits, _ in numbers(f"It is {text}.")] == ["1000000"]
    assert faults.unsaid(text) == faults.unsaid("1000000"), "of a million the 1 alone is said"


def test_what_stands_apart_is_two() -> None:
    assert numbers("12 30\u00a0kg, ४५万") == [
        ("12", " 30\u00a0kg, 45万"),
        ("30", "\u00a0kg, 45万"),
        ("45", "万"),
    ]
