"""Sums of money in words: small ones are told truly."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.spending import CapReached, Spent, dollars


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0.0, "$0"),
        (0.0096, "$0.0096"),
        (0.00961, "$0.0096"),
        (0.000004, "$0.000004"),
        (0.05, "$0.05"),
        (0.0999, "$0.10"),
        (0.1, "$0.10"),
        (0.745, "$0.74"),
        (1.5, "$1.50"),
        (1234.0, "$1234.00"),
    ],
)
def test_a_sum_has_whole_cents_and_a_small_one_the_digits_that_count(usd: float, text: str) -> None:
    assert dollars(usd) == text


def test_a_small_cap_is_told_with_the_digits_that_make_sense_of_it() -> None:
    assert str(CapReached(0.005, 0.0021, 0.0044)) == (
        "the day's spending cap of $0.005 is reached ($0.0021 is spent or set aside, and the call may cost $0.0044)"
    )
    assert "($0 is spent or set aside, and the call may cost $0.0096)" in str(CapReached(0.005, 0.0, 0.0096))
    assert "($4.9999 is spent or set aside, and the call may cost $0.0031)" in str(CapReached(5.0, 4.9999, 0.0031))


def test_more_digits_are_told_where_rounded_sums_would_fit_the_cap() -> None:
    # Read as 0.10 and 0.20 they would be no more than the cap, which binary fractions do not tell.
    assert "($0.1004 is spent or set aside, and the call may cost $0.20)" in str(CapReached(0.3, 0.1004, 0.2))
    assert "($0.504 is spent or set aside, and the call may cost $0.50)" in str(CapReached(1.0, 0.504, 0.5))


@given(st.integers(1, 10**7), st.integers(0, 10**7), st.integers(1, 10**7))
def test_what_is_told_of_a_cap_always_adds_up_to_more_than_it(cap: int, spent: int, more: int) -> None:
    limit, sums = cap / 1e6, (min(spent, cap) / 1e6, (max(0, cap - spent) + more) / 1e6)
    told = re.findall(r"\$(\d+\.?\d*)", str(CapReached(limit, *sums)).partition("(")[2])
    assert sum(map(Decimal, told)) > Decimal(str(limit))


def test_what_came_on_top_has_no_tail_of_digits_and_is_never_negative() -> None:
    assert Spent(3, 0.3).since(Spent(1, 0.1)) == Spent(2, 0.2)
    assert Spent(1, 0.1).since(Spent(1, 0.4)).is_nothing
