from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.crawl import Ask, Limits
from refnet.domain.jobs import MOST_NAMED, MOST_UNKNOWN, Job, Wave, choose, choose_some
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


# A paper that somebody asks for leads


def led(queued: list[Job], lead: str, limits: Limits = LIMITS) -> Wave:
    wave = choose(queued, limits, lead)
    assert wave is not None
    return wave


def test_the_paper_that_leads_is_in_the_request_whatever_would_be_next() -> None:
    first = jobs(2, share=2, faults=1)
    queued = [*first, *jobs(3, FULL, start=10), *jobs(3, LEAF, start=20)]
    assert choose(queued, LIMITS) == Wave(tuple(first), LEAF)
    assert led(queued, "paper 0021", Limits(ids=2)).paper_ids == ["paper 0021", "paper 0020"]
    assert led(queued, "paper 0011").ask == FULL.batch


def test_the_leading_paper_takes_along_only_what_asks_for_the_same_and_stands_the_same() -> None:
    like = job(1)
    others = [job(2, FULL), job(3, share=2), job(4, faults=1), job(5, Ask.REFERENCES)]
    assert led([*others, job(0), like], "paper 0000").paper_ids == ["paper 0000", "paper 0001"]


def test_a_leading_paper_that_failed_in_company_keeps_to_its_share() -> None:
    queued = [*jobs(4, share=2), *jobs(3, start=10)]
    assert led(queued, "paper 0003").paper_ids == ["paper 0003", "paper 0000"]
    assert led(jobs(4, share=1), "paper 0002").alone


def test_a_leading_paper_whose_list_comes_by_pages_goes_alone() -> None:
    wave = led([*jobs(3), job(7, Ask.PAGE_CITATIONS | Ask.EXPAND)], "paper 0007")
    assert (wave.paper_ids, wave.page) == (["paper 0007"], ListName.CITATIONS)


def test_a_leading_paper_that_is_packed_out_goes_alone() -> None:
    heavy = job(0, FULL, citation_count=9_000)
    queued = [heavy, *jobs(3, FULL, start=1, citation_count=9_400)]
    for lead in [one.paper_id for one in queued]:
        assert lead in led(queued, lead).paper_ids


def test_a_leading_paper_that_is_not_due_changes_nothing() -> None:
    queued = [*jobs(3), *jobs(2, FULL, start=10)]
    assert choose(queued, LIMITS, "paper 0099") == choose(queued, LIMITS)
    assert choose([], LIMITS, "paper 0000") is None


@given(queues(), st.integers(1, 30), st.integers(0, 59))
def test_whatever_is_due_the_leading_paper_is_in_a_request_that_keeps_the_caps(
    queued: list[Job], ids: int, place: int
) -> None:
    lead = queued[place % len(queued)]
    wave = led(queued, lead.paper_id, Limits(ids=ids))
    assert lead in wave.jobs
    assert 1 <= len(wave.jobs) <= ids
    assert len(set(wave.paper_ids)) == len(wave.jobs)
    assert all(len(wave.jobs) <= one.share for one in wave.jobs if one.share is not None)
    assert all(wave.ask & one.ask == wave.ask for one in wave.jobs)
    assert wave.ask or wave.page
    if len(wave.jobs) > 1 and Ask.CITATIONS in wave.ask:
        assert sum(one.citation_count or 0 for one in wave.jobs) <= Limits().citations


# Stages that ask nobody


def some(queued: list[Job], most: int, lead: str | None = None) -> list[str]:
    wave = choose_some(queued, most, lead)
    assert wave is not None
    assert (wave.ask, wave.page) == (Ask.NOTHING, None)
    return wave.paper_ids


def test_of_a_stage_that_asks_nobody_as_many_go_together_as_may() -> None:
    assert choose_some([], 5) is None
    assert choose_some([], 5, "paper 0000") is None
    assert some(jobs(7), 5) == [f"paper {number:04}" for number in range(5)]
    assert some(jobs(3), 5) == [f"paper {number:04}" for number in range(3)]


def test_of_a_stage_that_asks_nobody_what_failed_in_company_goes_first_by_its_smaller_share() -> None:
    queued = [*jobs(5), *jobs(3, start=10, share=3), *jobs(2, start=20, share=1)]
    assert some(queued, 50) == ["paper 0020"]
    assert some(queued[:8], 50) == ["paper 0010", "paper 0011", "paper 0012"]


def test_of_a_stage_that_asks_nobody_a_share_is_not_filled_up_with_others() -> None:
    assert some([*jobs(5), job(10, share=4)], 50) == ["paper 0010"]


def test_of_a_stage_that_asks_nobody_the_leading_paper_is_there_once_and_brings_its_like() -> None:
    queued = [*jobs(4), *jobs(4, start=10, share=2)]
    assert some(queued, 3, "paper 0003") == ["paper 0003", "paper 0000", "paper 0001"]
    assert some(queued, 3, "paper 0012") == ["paper 0012", "paper 0010"]
    assert some(queued, 3, "paper 0099") == ["paper 0010", "paper 0011"]


@given(queues(), st.integers(1, 9), st.none() | st.integers(0, 59))
def test_of_a_stage_that_asks_nobody_every_job_comes_once_and_no_share_is_passed(
    queued: list[Job], most: int, place: int | None
) -> None:
    rest = {one.paper_id: one for one in queued}
    while rest:
        lead = None if place is None else list(rest)[place % len(rest)]
        wave = choose_some(list(rest.values()), most, lead)
        assert wave is not None
        assert lead is None or lead in wave.paper_ids
        assert 1 <= len(wave.jobs) <= max(most, *(one.share or 0 for one in wave.jobs))
        assert len({one.share for one in wave.jobs}) == 1
        assert all(len(wave.jobs) <= one.share for one in wave.jobs if one.share is not None)
        for one in wave.jobs:
            del rest[one.paper_id]


# What lines of the log call it


def test_a_job_that_is_worked_on_alone_is_named_with_its_paper() -> None:
    assert Wave((job(17),), LEAF, claim="c").named == {"claim": "c", "job": "17", "paper": "paper 0017"}


def test_of_many_jobs_the_first_are_named_and_how_many_there_are() -> None:
    assert Wave(tuple(jobs(2)), LEAF, claim="c").named == {"claim": "c", "job": "0,1", "jobs": "2"}
    named = Wave(tuple(jobs(500)), LEAF, claim="c").named
    assert (named["job"].count(",") + 1, named["jobs"]) == (MOST_NAMED, "500")
