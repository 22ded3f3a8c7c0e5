"""The published default rule for how urgent a paper is, 0 to 10, 10 most urgent."""

from __future__ import annotations

HIGHEST = 10


def calculate_priority(citation_count: int | None, year: int | None) -> int:
    """Base 5; +3, +2, +1 above 1000, 100, 10 citations; +2, +1 from 2020, from 2015; at most 10.

    The count and the year are those of the paper to be fetched. Source: the design document, section 7.1.
    """
    priority = 5
    count = citation_count or 0
    if count > 1000:
        priority += 3
    elif count > 100:
        priority += 2
    elif count > 10:
        priority += 1
    if year is not None and year >= 2020:
        priority += 2
    elif year is not None and year >= 2015:
        priority += 1
    return min(priority, HIGHEST)
