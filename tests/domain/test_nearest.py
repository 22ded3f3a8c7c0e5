"""The part of a text that is most like a pattern."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.nearest import nearest, nearest_within, size, windows


def distance_to_a_part(wanted: str, text: str) -> int:
    """The textbook's way, cell by cell."""
    row = [0] * (len(text) + 1)
    for at, sign in enumerate(wanted, 1):
        last, row = row, [at] + [0] * len(text)
        for to in range(1, len(text) + 1):
            row[to] = min(last[to] + 1, row[to - 1] + 1, last[to - 1] + (sign != text[to - 1]))
    return min(row)


@given(st.text("abc", min_size=1, max_size=12), st.text("abc", max_size=30))
def test_the_nearest_part_is_as_near_as_the_textbooks_way_finds_it(wanted: str, text: str) -> None:
    least = distance_to_a_part(wanted, text)

    assert least == 0 or nearest(wanted, text, least - 1) is None
    span = nearest(wanted, text, least)
    assert span is not None
    part = text[slice(*span)]
    assert distance_to_a_part(wanted, part) == least


@given(st.text("abcde", min_size=20, max_size=60), st.text("abcde", max_size=200), st.randoms(use_true_random=False))
def test_what_is_found_where_it_may_be_is_what_is_found_everywhere(
    wanted: str, around: str, choice: random.Random
) -> None:
    changed = list(wanted)
    for _ in range(choice.randint(0, 6)):
        at = choice.randrange(len(changed))
        changed[at] = choice.choice(["", "x", changed[at] + "y"])
    text = around + "".join(changed) + around[::-1]
    for most in (1, 2, 4, 6):
        everywhere = nearest_within([(0, len(text))], wanted, text, most)
        assert nearest(wanted, text, most) == everywhere


def test_of_a_long_text_little_is_looked_at() -> None:
    choice = random.Random(1)
    text = "".join(choice.choices("abcdefghijklmnopqrstuvwxyz", k=200_000))
    wanted = text[70_000:70_100] + "0123456789" + text[70_110:70_300]

    spans = windows(wanted, text, 29)

    assert nearest_within(spans, wanted, text, 29) == (70_000, 70_300)
    assert size(spans) < 1_000


@pytest.mark.parametrize("text", ["ab" * 1_500_000, "a" * 3_000_000])
def test_a_text_that_repeats_itself_does_not_take_long_to_choose_from(text: str) -> None:
    begun = time.process_time()
    assert size(windows("ab" * 125 + "c" * 30, text, 28)) <= len(text)
    assert time.process_time() - begun < 5.0
