from __future__ import annotations

import pytest

from refnet.domain.priority import calculate_priority

COUNTS = [
    (None, 0),
    (0, 0),
    (10, 0),
    (11, 1),
    (100, 1),
    (101, 2),
    (1_000, 2),
    (1_001, 3),
    (2**31 - 1, 3),
]
YEARS = [(None, 0), (0, 0), (1950, 0), (2014, 0), (2015, 1), (2019, 1), (2020, 2), (2026, 2), (9999, 2)]


@pytest.mark.parametrize(("year", "for_year"), YEARS)
@pytest.mark.parametrize(("count", "for_count"), COUNTS)
def test_priority_is_five_and_what_count_and_year_add(
    count: int | None, for_count: int, year: int | None, for_year: int
) -> None:
    assert calculate_priority(count, year) == 5 + for_count + for_year


def test_the_most_urgent_paper_has_priority_ten() -> None:
    assert max(calculate_priority(count, year) for count, _ in COUNTS for year, _ in YEARS) == 10
