from __future__ import annotations

import pytest

from refnet.domain.crawls import crawl_key, why_incomplete
from refnet.domain.papers import Direction, ListState


def test_the_same_seeds_in_any_order_and_number_are_the_same_crawl() -> None:
    assert crawl_key(["b", "a", "b"], Direction.BOTH) == crawl_key(["a", "b"], Direction.BOTH)


def test_another_seed_or_direction_is_another_crawl() -> None:
    keys = {crawl_key(seeds, direction) for seeds in (["a"], ["a", "b"], ["ab"], []) for direction in Direction}
    assert len(keys) == 4 * 3


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (ListState.WITHHELD, "hidden by the publisher"),
        (
            ListState.NEWEST,
            "only the 1,000 newest of 20,000 are taken: they are the newest, not the weightiest",
        ),
        (
            ListState.PARTIAL,
            "Semantic Scholar gave 1,000 of 20,000 at once; this paper lies at the last depth, where a list is not followed",
        ),
        (ListState.SHORT, "Semantic Scholar gives 1,000 of 20,000, by pages, too"),
    ],
)
def test_the_reader_is_told_why_a_list_is_incomplete(state: ListState, why: str) -> None:
    assert why_incomplete(state, 1_000, 20_000) == why


@pytest.mark.parametrize("state", list(ListState))
def test_a_reason_never_names_a_count_that_is_not_known(state: ListState) -> None:
    assert "None" not in why_incomplete(state, 3, None)
