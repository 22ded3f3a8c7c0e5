from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.crawl import Ask, Limits
from refnet.domain.jobs import MOST_UNKNOWN, Job, Wave, choose
from refnet.domain.papers import ListName

LIMITS = Limits()
LEAF = Ask.DETAILS | Ask.REFERENCES
FULL = LEAF | Ask.CITATIONS | Ask.EXPAND


def job(number: int, ask: Ask = LEAF, **more: int | None) -> Job:
    plain = Job(number, f"paper {number:04}", ask, citation_count=5, reference_count=30)
    return replace(plain, **more)  # type: ignore[arg-type]


def jobs(count: int, ask: Ask = LEAF, start: int = 0, **more: int | None) -> list[Job]:
    return [job(number, ask, **more) for number in range(start, start + count)]


def chosen(queued: list[Job], limits: Limits = LIMITS) -> Wave:
    wave = choose(queued, limits)
    assert wave is not None
    return wave


def test_nothing_due_makes_no_request() -> None:
    assert choose([], LIMITS) is None


def test_a_request_takes_as_many_papers_as_the_source_does() -> None:
    assert len(chosen(jobs(700)).jobs) == 500
    assert len(chosen(jobs(700), Limits(ids=20)).jobs) == 20


def test_leaves_are_taken_in_the_order_given() -> None:
    queued = list(reversed(jobs(30)))
    assert chosen(queued, Limits(ids=4)).paper_ids == [job.paper_id for job in queued[:4]]


def test_papers_with_citations_go_before_those_without_and_pages_come_last() -> None:
    paged = jobs(1, Ask.PAGE_CITATIONS | Ask.EXPAND, start=10)
    queued = [*paged, *jobs(2), *jobs(2, FULL, start=20)]
    assert chosen(queued).ask == FULL.batch
    assert chosen(queued[:3]).ask == LEAF
    assert chosen(paged).page is ListName.CITATIONS


def test_papers_that_ask_for_different_things_do_not_share_a_request() -> None:
    queued = [*jobs(3), *jobs(3, Ask.REFERENCES, start=10)]
    assert chosen(queued).paper_ids == [job.paper_id for job in queued[:3]]


def test_papers_that_expand_may_share_a_request_with_papers_that_do_not() -> None:
    assert len(chosen([*jobs(3), *jobs(3, LEAF | Ask.EXPAND, start=10)]).jobs) == 6


def test_a_page_is_of_one_paper_and_references_come_before_citations() -> None:
    wave = chosen(jobs(3, Ask.PAGE_REFERENCES | Ask.PAGE_CITATIONS))
    assert (len(wave.jobs), wave.page, wave.alone) == (1, ListName.REFERENCES, True)


def test_what_failed_in_company_goes_first_the_smallest_company_before_all() -> None:
    queued = [*jobs(5), *jobs(4, start=10, share=4), *jobs(4, start=20, share=2)]
    wave = chosen(queued)
    assert wave.paper_ids == ["paper 0020", "paper 0021"]
    assert chosen(queued[:9]).paper_ids == [f"paper {n:04}" for n in range(10, 14)]


def test_a_share_of_one_is_a_request_alone() -> None:
    assert chosen(jobs(5, FULL, share=1)).alone


def test_of_what_failed_in_company_the_papers_that_failed_less_often_are_tried_first() -> None:
    """Else a bad paper in the first half would keep the second from being tried for ever."""
    queued = [*jobs(2, share=2, faults=3), *jobs(2, start=10, share=2, faults=2)]
    assert chosen(queued).paper_ids == ["paper 0010", "paper 0011"]
    # The smaller half is not filled up with papers of the half that failed.
    assert chosen([*queued[:2], queued[3]]).paper_ids == ["paper 0011"]


def test_the_citations_of_many_papers_of_unknown_weight_are_asked_for_later() -> None:
    unknown = jobs(MOST_UNKNOWN + 1, FULL, citation_count=None)
    wave = chosen(unknown)
    assert (wave.ask, len(wave.jobs)) == (LEAF, MOST_UNKNOWN + 1)
    assert chosen(unknown[:-1]).ask == FULL.batch


def test_counts_that_the_source_never_tells_do_not_hold_up_the_citations() -> None:
    """Their details were asked for already; so they are asked for their citations a few at a time."""
    unknown = jobs(50, Ask.CITATIONS | Ask.EXPAND, citation_count=None)
    wave = chosen(unknown)
    assert (wave.ask, len(wave.jobs)) == (Ask.CITATIONS, MOST_UNKNOWN)


def test_papers_of_known_weight_are_packed_beside_those_of_unknown() -> None:
    unknown = jobs(50, Ask.CITATIONS | Ask.EXPAND, citation_count=None)
    known = jobs(40, Ask.CITATIONS | Ask.EXPAND, start=100)
    wave = chosen([*unknown, *known])
    assert sum(job.citation_count is None for job in wave.jobs) <= MOST_UNKNOWN
    assert len(wave.jobs) > MOST_UNKNOWN


def test_a_paper_of_unknown_length_is_taken_for_a_usual_one() -> None:
    assert job(1, reference_count=None).load().size == job(1, reference_count=45).load().size


def test_citations_weigh_only_where_they_are_asked_for() -> None:
    assert job(1, LEAF, citation_count=900).load().citations == 0
    assert job(1, FULL, citation_count=900).load().citations == 900


@pytest.mark.parametrize("ask", [LEAF, FULL])
def test_a_request_keeps_within_the_bytes_of_an_answer(ask: Ask) -> None:
    wave = chosen(jobs(500, ask, reference_count=1_000))
    assert 45 <= len(wave.jobs) <= 9_000_000 // (3_500 + 1_000 * 180)


def test_a_paper_of_too_many_bytes_is_asked_for_alone() -> None:
    assert chosen([job(1, reference_count=100_000), job(2)]).paper_ids == ["paper 0001"]


@st.composite
def queues(draw: st.DrawFn) -> list[Job]:
    asks = [LEAF, FULL, LEAF | Ask.EXPAND, Ask.CITATIONS, Ask.REFERENCES, Ask.PAGE_CITATIONS, Ask.PAGE_REFERENCES]
    some = st.tuples(
        st.sampled_from(asks),
        st.none() | st.integers(1, 5),
        st.none() | st.integers(0, 6_000),
        st.integers(0, 2),
    )
    drawn = draw(st.lists(some, min_size=1, max_size=60))
    return [
        job(number, ask, share=share, citation_count=count, faults=faults)
        for number, (ask, share, count, faults) in enumerate(drawn)
    ]


@given(queues(), st.integers(1, 30))
def test_every_request_keeps_the_caps_and_asks_each_paper_only_what_it_needs(queued: list[Job], ids: int) -> None:
    limits = Limits(ids=ids)
    rest = {one.paper_id: one for one in queued}
    while rest:
        wave = chosen(list(rest.values()), limits)
        assert 1 <= len(wave.jobs) <= ids
        assert all(len(wave.jobs) <= one.share for one in wave.jobs if one.share is not None)
        assert len(set(wave.paper_ids)) == len(wave.jobs)
        assert wave.ask or wave.page
        if len(wave.jobs) > 1 and Ask.CITATIONS in wave.ask:
            assert sum(one.citation_count or 0 for one in wave.jobs) <= limits.citations
            assert sum(one.citation_count is None for one in wave.jobs) <= MOST_UNKNOWN
        for one in wave.jobs:
            assert wave.ask & one.ask == wave.ask
            del rest[one.paper_id]
