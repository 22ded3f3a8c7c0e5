"""The `publicationDateOrYear` parameter: `2019`, `2019-03`, `2016-03-05:2020-06`, `2015:`, `:2015`."""

from __future__ import annotations


def within(day: object, span: str) -> bool:
    """Whether a date `YYYY-MM-DD` lies in the span, ends included; what is not a date lies in none."""
    if not isinstance(day, str) or len(day) != 10:
        return False
    start, colon, end = span.partition(":")
    if not colon:
        end = start
    # A shorter end stands for everything that begins with it.
    return start <= day and (not end or day[: len(end)] <= end)
