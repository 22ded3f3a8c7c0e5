from __future__ import annotations

import pytest

from refnet.domain.crawl import Ask, Limits
from refnet.domain.outcome import of_answer, of_page, overflowed
from refnet.domain.papers import Answer, Listing, ListName, ListState, Page, Paper, Stub

LIMITS = Limits()
LEAF = Ask.DETAILS | Ask.REFERENCES
FULL = LEAF | Ask.CITATIONS | Ask.EXPAND
REFERENCES, CITATIONS = ListName.REFERENCES, ListName.CITATIONS


def rows(count: int) -> Listing:
    return Listing(tuple(Stub(f"row {n}") for n in range(count)))


def answer(
    references: Listing | None = None,
    citations: Listing | None = None,
    *,
    references_of: int | None = None,
    citations_of: int | None = None,
) -> Answer:
    return Answer("p", Paper("p", "T"), references, citations, citations_of, references_of)


# Batch answers


def test_full_lists_are_complete_and_leave_nothing_to_ask() -> None:
    result = of_answer(
        answer(rows(40), rows(7), references_of=40, citations_of=7), FULL, FULL.batch, capped=False, limits=LIMITS
    )
    assert result.states == {REFERENCES: ListState.COMPLETE, CITATIONS: ListState.COMPLETE}
    assert result.remaining is Ask.NOTHING


def test_a_short_list_is_left_to_pages_where_it_expands() -> None:
    short = answer(rows(30), rows(7), references_of=40, citations_of=7)
    result = of_answer(short, FULL, FULL.batch, capped=False, limits=LIMITS)
    assert result.states[REFERENCES] is ListState.PARTIAL
    assert result.remaining == Ask.PAGE_REFERENCES | Ask.EXPAND


def test_a_short_list_at_the_last_depth_stays_partial() -> None:
    result = of_answer(answer(rows(30), references_of=40), LEAF, LEAF, capped=False, limits=LIMITS)
    assert result.states == {REFERENCES: ListState.PARTIAL}
    assert result.remaining is Ask.NOTHING


def test_a_withheld_list_is_not_asked_for_again() -> None:
    result = of_answer(
        answer(Listing(withheld=True), rows(1), references_of=87, citations_of=1),
        FULL,
        FULL.batch,
        capped=False,
        limits=LIMITS,
    )
    assert result.states[REFERENCES] is ListState.WITHHELD
    assert result.remaining is Ask.NOTHING


def test_citations_left_out_of_a_request_remain_to_be_asked() -> None:
    result = of_answer(answer(rows(0), references_of=0, citations_of=300), FULL, LEAF, capped=False, limits=LIMITS)
    assert result.remaining == Ask.CITATIONS | Ask.EXPAND


def test_a_paper_that_turns_out_to_be_a_hub_is_paged() -> None:
    result = of_answer(answer(rows(0), references_of=0, citations_of=9_501), FULL, LEAF, capped=False, limits=LIMITS)
    assert result.remaining == Ask.PAGE_CITATIONS | Ask.EXPAND


def test_the_citations_of_a_hub_that_was_not_known_for_one_are_dropped_and_paged() -> None:
    """Else it would hang on the order of requests whether 1,000 or 9,999 of them are followed."""
    result = of_answer(
        answer(rows(0), rows(9_999), references_of=0, citations_of=20_000),
        FULL,
        FULL.batch,
        capped=False,
        limits=LIMITS,
    )
    assert CITATIONS not in result.states
    assert result.remaining == Ask.PAGE_CITATIONS | Ask.EXPAND


def test_pages_that_were_due_before_still_are() -> None:
    job = FULL | Ask.PAGE_CITATIONS
    result = of_answer(answer(rows(3), references_of=3), job & ~Ask.CITATIONS, LEAF, capped=False, limits=LIMITS)
    assert result.remaining == Ask.PAGE_CITATIONS | Ask.EXPAND


def test_a_request_is_capped_when_several_papers_together_reach_the_cap() -> None:
    many = [answer(citations=rows(5_000)), None, answer(citations=rows(4_501))]
    assert overflowed(many, LIMITS)
    assert not overflowed([*many[:2], answer(citations=rows(4_500))], LIMITS)
    assert not overflowed([answer(citations=rows(9_600))], LIMITS)


def test_citations_short_in_a_capped_request_are_asked_for_once_more() -> None:
    cut = answer(rows(0), rows(100), references_of=0, citations_of=400)
    first = of_answer(cut, FULL, FULL.batch, capped=True, limits=LIMITS)
    assert CITATIONS not in first.states
    assert first.remaining == Ask.CITATIONS | Ask.ASKED_AGAIN | Ask.EXPAND
    second = of_answer(cut, first.remaining, Ask.CITATIONS, capped=True, limits=LIMITS)
    assert second.states[CITATIONS] is ListState.PARTIAL
    assert second.remaining == Ask.PAGE_CITATIONS | Ask.EXPAND


def test_in_a_capped_request_even_one_row_missing_is_not_drift() -> None:
    cut = answer(rows(0), rows(399), references_of=0, citations_of=400)
    assert Ask.CITATIONS in of_answer(cut, FULL, FULL.batch, capped=True, limits=LIMITS).remaining
    assert not of_answer(cut, FULL, FULL.batch, capped=False, limits=LIMITS).remaining


def test_lists_that_are_whole_are_believed_in_a_capped_request_too() -> None:
    whole = answer(rows(30), rows(400), references_of=40, citations_of=400)
    result = of_answer(whole, FULL, FULL.batch, capped=True, limits=LIMITS)
    assert result.states == {REFERENCES: ListState.PARTIAL, CITATIONS: ListState.COMPLETE}


# Pages


def test_pages_go_on_until_the_list_ends() -> None:
    job = Ask.PAGE_REFERENCES | Ask.EXPAND
    state, remaining, offset = of_page(
        Page(rows(1_000), 1_000), REFERENCES, job, have=1_000, count=1_500, limits=LIMITS
    )
    assert (state, remaining, offset) == (None, job, 1_000)
    state, remaining, _ = of_page(Page(rows(500)), REFERENCES, job, have=1_500, count=1_500, limits=LIMITS)
    assert (state, remaining) == (ListState.COMPLETE, Ask.NOTHING)


def test_a_list_short_by_pages_too_is_short_for_good() -> None:
    state, remaining, _ = of_page(
        Page(rows(30)), REFERENCES, Ask.PAGE_REFERENCES | Ask.EXPAND, have=30, count=40, limits=LIMITS
    )
    assert (state, remaining) == (ListState.SHORT, Ask.NOTHING)


def test_the_other_list_remains_after_the_pages_of_one() -> None:
    job = Ask.PAGE_REFERENCES | Ask.PAGE_CITATIONS | Ask.EXPAND
    _, remaining, offset = of_page(Page(rows(3)), REFERENCES, job, have=3, count=3, limits=LIMITS)
    assert (remaining, offset) == (Ask.PAGE_CITATIONS | Ask.EXPAND, 0)


def test_a_list_withheld_by_pages_is_withheld() -> None:
    state, remaining, _ = of_page(
        Page(Listing(withheld=True)), REFERENCES, Ask.PAGE_REFERENCES, have=0, count=87, limits=LIMITS
    )
    assert (state, remaining) == (ListState.WITHHELD, Ask.NOTHING)


@pytest.mark.parametrize("have", [998, 1_000, 4_000])
def test_one_page_is_enough_of_a_hub_whatever_is_held(have: int) -> None:
    """A row without use, or rows from an earlier time, change nothing."""
    state, remaining, _ = of_page(
        Page(rows(1_000), 1_000), CITATIONS, Ask.PAGE_CITATIONS | Ask.EXPAND, have=have, count=20_000, limits=LIMITS
    )
    assert (state, remaining) == (ListState.NEWEST, Ask.NOTHING)


def test_the_references_of_a_hub_are_taken_whole() -> None:
    state, _, offset = of_page(
        Page(rows(1_000), 1_000), REFERENCES, Ask.PAGE_REFERENCES, have=1_000, count=20_000, limits=LIMITS
    )
    assert (state, offset) == (None, 1_000)


def test_smaller_pages_of_a_hub_are_read_until_the_newest_are_there() -> None:
    limits = Limits(page=500, newest=1_000)
    job = Ask.PAGE_CITATIONS
    first = of_page(Page(rows(500), 500), CITATIONS, job, have=4_000, count=20_000, limits=limits)
    assert first == (None, job, 500)
    second = of_page(Page(rows(500), 1_000), CITATIONS, job, have=4_500, count=20_000, limits=limits)
    assert second[0] is ListState.NEWEST


def test_a_page_of_one_list_does_not_begin_the_other_in_the_middle() -> None:
    """References that came to be wanted while citations were being paged are read first, from their start."""
    job = Ask.PAGE_REFERENCES | Ask.PAGE_CITATIONS | Ask.EXPAND
    state, remaining, offset = of_page(Page(rows(1_000), 1_000), CITATIONS, job, have=1_000, count=5_000, limits=LIMITS)
    assert (state, remaining, offset) == (None, job, 0)
