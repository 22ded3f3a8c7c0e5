from __future__ import annotations

import itertools
import random

import pytest

from refnet.domain.crawl import Ask, Candidate, best_first, needs, wanted
from refnet.domain.papers import Direction, ListState

LEAF = Ask.DETAILS | Ask.REFERENCES
FULL = LEAF | Ask.CITATIONS | Ask.EXPAND


# Order (contract §7.2)


def test_papers_come_by_links_then_priority_then_citations_then_year_then_id() -> None:
    in_order = [
        Candidate("links before all", 3, 0, None),
        Candidate("priority before citations", 2, 101, 2020),  # 9
        Candidate("more citations but less urgent", 2, 1_000, 2014),  # 7
        Candidate("citations before year", 2, 60, 2016),  # 7
        Candidate("newer", 1, 5, 2013),
        Candidate("older", 1, 5, 1999),
        Candidate("a without a year", 1, 5, None),
        Candidate("b without a year", 1, 5, None),
    ]
    shuffled = random.Random(4).sample(in_order, len(in_order))
    assert sorted(shuffled, key=best_first) == in_order


def test_a_paper_without_a_count_comes_as_one_without_citations() -> None:
    assert best_first(Candidate("p", 1, None, 2000)) == best_first(Candidate("p", 1, 0, 2000))


def test_no_two_papers_share_a_place_in_the_order() -> None:
    papers = [Candidate(str(n), 1, None, None) for n in range(5)]
    assert len({best_first(paper) for paper in papers}) == 5


# What is asked (contract §7.3)


@pytest.mark.parametrize("direction", list(Direction))
def test_a_paper_at_the_last_depth_is_never_asked_for_citations(direction: Direction) -> None:
    assert wanted(2, 2, direction) == LEAF


def test_a_paper_that_expands_is_asked_for_the_lists_that_are_followed_and_its_references_always() -> None:
    assert wanted(1, 2, Direction.BOTH) == FULL
    assert wanted(1, 2, Direction.CITATIONS) == FULL
    assert wanted(1, 2, Direction.REFERENCES) == LEAF | Ask.EXPAND


def test_what_was_never_asked_for_is_asked_for() -> None:
    assert ask_of(FULL) == FULL
    assert ask_of(FULL, fetched=True) == FULL & ~Ask.DETAILS
    assert ask_of(FULL, fetched=True, references=ListState.COMPLETE) == Ask.CITATIONS | Ask.EXPAND


def test_what_is_held_is_not_asked_for_again() -> None:
    finished = [ListState.COMPLETE, ListState.SHORT, ListState.NEWEST, ListState.WITHHELD]
    for references, citations in itertools.product(finished, finished):
        assert ask_of(FULL, fetched=True, references=references, citations=citations) is Ask.NOTHING


def test_the_citations_of_a_hub_are_fetched_by_pages() -> None:
    assert ask_of(FULL, count=9_500) == FULL
    assert ask_of(FULL, count=9_501) == LEAF | Ask.PAGE_CITATIONS | Ask.EXPAND


def test_a_short_list_is_fetched_by_pages_only_where_it_will_be_followed() -> None:
    short = ListState.PARTIAL
    followed = ask_of(FULL, fetched=True, references=short, citations=short)
    assert followed == Ask.PAGE_REFERENCES | Ask.PAGE_CITATIONS | Ask.EXPAND
    assert ask_of(LEAF, fetched=True, references=short, citations=short) is Ask.NOTHING


def test_a_list_that_is_not_wanted_is_not_paged_either() -> None:
    want = LEAF | Ask.EXPAND
    assert ask_of(want, fetched=True, references=ListState.COMPLETE, citations=ListState.PARTIAL) is Ask.NOTHING


def test_only_details_and_lists_are_left_to_request() -> None:
    assert (Ask.EXPAND | Ask.ASKED_AGAIN).open is Ask.NOTHING
    assert (FULL | Ask.PAGE_CITATIONS).open == LEAF | Ask.CITATIONS | Ask.PAGE_CITATIONS
    assert (FULL | Ask.PAGE_CITATIONS).batch == LEAF | Ask.CITATIONS


def ask_of(
    want: Ask,
    *,
    fetched: bool = False,
    references: ListState | None = None,
    citations: ListState | None = None,
    count: int | None = 10,
) -> Ask:
    return needs(want, fetched=fetched, references=references, citations=citations, citation_count=count, hub=9_500)
