"""S16: one tree of errors, and what each answer of the source ends as when a task meets it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from refnet.adapters.abstracts import AbstractSummarizer
from refnet.demo.bundled import SEED, bundled_corpus
from refnet.demo.switches import FAULT_KINDS
from refnet.domain import errors
from refnet.domain.errors import RateLimited, RefnetError, SourceUnavailable, TransientError
from refnet.domain.jobs import MOST_ATTEMPTS, JobState, Stage
from refnet.domain.papers import Paper
from refnet.domain.summaries import Summary
from refnet.pipeline.cluster import ClusterWorker, summarize_wave
from refnet.pipeline.offline import OfflineRunner
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.cluster.one_lab import BATCH, FETCH, SUMMARIZE, OneLab, switch
from tests.pipeline.reading import texts_of

if TYPE_CHECKING:
    from refnet.adapters.semantic_scholar import SemanticScholar

UNKNOWN = "f" * 40


@pytest.fixture(scope="module")
def opened(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneLab]:
    with OneLab(postgres_url, tmp_path_factory.mktemp("errors")) as one:
        yield one


@pytest.fixture
def one(opened: OneLab) -> Iterator[OneLab]:
    """A lab with no worker: the tests do themselves what a worker's process does. The source is well again after it."""
    lab = opened.lab()
    yield opened
    switch(lab.stand_in)


@pytest.fixture
def worker(one: OneLab) -> Iterator[ClusterWorker]:
    """What a worker's process does its work with."""
    made = one.cluster.worker(())
    with closing(cast("SemanticScholar", made.crawler._source)):
        yield made


def job(lab: Lab, paper_id: str, stage: str = "crawl") -> tuple[str, int, str | None, str | None]:
    [row] = lab.query(
        "SELECT state, attempts, reason, traceback FROM jobs WHERE stage = :stage AND paper_id = :id",
        stage=stage,
        id=paper_id,
    )
    return row.state, row.attempts, row.reason, row.traceback


# ---------------------------------------------------------------- the tree


def test_s16_every_error_stands_in_the_one_tree_where_its_picture_shows_it() -> None:
    picture = (errors.__doc__ or "").split("\n\n")[1]
    above: list[str] = []
    pictured: dict[str, str] = {}
    for line in picture.splitlines():
        found = re.match(r"(?P<indent>[│├└─\s]*)(?P<name>\w+)", line)
        assert found
        depth = len(found["indent"]) // 4
        above[depth:] = [found["name"]]
        if depth:
            pictured[found["name"]] = above[depth - 1]
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert {kind.__name__: kind.__bases__[0].__name__ for kind in kinds if kind is not RefnetError} == pictured


def test_s16_an_error_is_worth_another_try_or_final_but_never_both() -> None:
    for kind in vars(errors).values():
        if isinstance(kind, type):
            assert not (issubclass(kind, TransientError) and issubclass(kind, errors.PermanentError)), kind


# ---------------------------------------------------------------- what passes

PASSING = {kind: RateLimited if kind.startswith("429") else SourceUnavailable for kind in FAULT_KINDS}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "place"), [(kind, place) for place, kind in enumerate(FAULT_KINDS)])
def test_s16_an_outage_of_any_kind_costs_a_paper_no_attempt_and_buries_nothing(
    one: OneLab, worker: ClusterWorker, kind: str, place: int
) -> None:
    lab = one.lab()
    paper = str(bundled_corpus().row(place)["paperId"])
    one.cluster.store.add_by_hand([paper], None, 1, str(lab.vault))
    switch(lab.stand_in, faults=1.0, kinds=(kind,), hang_seconds=0.2, retry_after=0.3 if "retry" in kind else None)

    for _ in range(4):
        [fate] = until(lambda: worker.work(Stage.CRAWL, paper), what="the job to be due again")
        assert isinstance(fate.error, PASSING[kind])
        assert not fate.buried
        assert not fate.charged
    assert job(lab, paper)[:2] == (JobState.QUEUED, 0)

    switch(lab.stand_in)
    until(lambda: worker.work(Stage.CRAWL, paper) and job(lab, paper)[0] == JobState.DONE, what="the paper")


# ---------------------------------------------------------------- what does not


@pytest.mark.slow
def test_s16_a_paper_that_alone_fails_while_others_come_is_buried_after_its_attempts(
    make_lab: MakeLab, redis_url: str
) -> None:
    papers = [str(bundled_corpus().row(place)["paperId"]) for place in range(10)]
    lab = make_lab(redis_url, fail_ids=frozenset(papers[4:5]), fail_status=504)
    worker = lab.worker("crawler", "-c2")

    with lab.app() as app:
        app.send_task(BATCH, (papers,))
        until(lambda: lab.refnet.done("dead", "list", "--json").json, what="the end of it")

    state, attempts, reason, _ = job(lab, papers[4])
    assert (state, attempts) == (JobState.DEAD, MOST_ATTEMPTS)
    assert "(504:" in (reason or "")
    assert (reason or "").endswith(f"It failed {MOST_ATTEMPTS} times while other requests succeeded.")
    others = [paper for paper in papers if paper != papers[4]]
    until(lambda: {job(lab, other)[0] for other in others} == {JobState.DONE}, what="the others")
    until(lambda: "FAILURE" in [row.status for row in lab.results(FETCH)], what="the task's end")
    assert not worker.is_over


class Careless(AbstractSummarizer):
    """A summarizer that nobody would ship: one paper brings it down."""

    def __init__(self, victim: str) -> None:
        self.victim = victim

    def summarize(self, paper: Paper) -> Summary | None:
        if paper.paper_id == self.victim:
            raise ZeroDivisionError("a bug that nobody foresaw")
        return super().summarize(paper)


@pytest.mark.slow
def test_s16_a_bug_ends_as_one_dead_letter_with_its_traceback_and_spares_the_others(
    one: OneLab, worker: ClusterWorker
) -> None:
    lab, store = one.lab(), one.cluster.store
    papers = [str(bundled_corpus().row(place)["paperId"]) for place in range(50, 60)]
    store.add_by_hand(papers, None, 1, str(lab.vault))
    until(lambda: worker.crawler.step() is None, what="the papers")
    careless = replace(texts_of(), record=Careless(papers[3]))
    runner = OfflineRunner(
        store,
        Stage.SUMMARIZE,
        lambda wave, lease: summarize_wave(store, careless, wave, lease),
        owner="somewhere:1",
        most=200,
        passing=(),
    )
    store.enqueue(Stage.SUMMARIZE, papers)

    until(lambda: runner.step() is None, what="the summaries")

    state, _, reason, trace = job(lab, papers[3], "summarize")
    assert (state, reason) == (JobState.DEAD, "ZeroDivisionError: a bug that nobody foresaw")
    assert "Traceback (most recent call last)" in (trace or "")
    assert {job(lab, paper, "summarize")[0] for paper in papers if paper != papers[3]} == {JobState.DONE}
    [letter] = [one for one in lab.refnet.done("dead", "list", "--json").json if one["paper_id"] == papers[3]]
    assert "raise ZeroDivisionError" in lab.refnet.done("dead", "show", str(letter["id"])).out


# ---------------------------------------------------------------- as tasks show it


@pytest.mark.slow
def test_s16_a_task_that_meets_an_outage_is_retried_uncounted_until_it_succeeds(lab: Lab) -> None:
    switch(lab.stand_in, faults=1.0, kinds=("503",))
    lab.worker("crawler", "-c1")
    with lab.app() as app:
        sent = app.send_task(FETCH, (SEED, 1))
        until(lambda: [row.status for row in lab.results() if row.task_id == sent.id] == ["RETRY"], what="a RETRY")

        switch(lab.stand_in)

        assert sent.get(timeout=60)["status"] == "success"
    [row] = [row for row in lab.results() if row.task_id == sent.id]
    assert row.retries == 0
    assert lab.refnet.done("dead", "list", "--json").json == []


@pytest.mark.slow
def test_s16_a_permanent_error_ends_the_task_as_failure_with_the_reason_and_a_dead_letter(lab: Lab) -> None:
    lab.worker("crawler", "-c1")
    with lab.app() as app:
        sent = app.send_task(FETCH, (UNKNOWN,))

        assert str(sent.get(timeout=60, propagate=False)) == f"Semantic Scholar knows no paper {UNKNOWN}."

        assert sent.status == "FAILURE"
    [letter] = lab.refnet.done("dead", "list", "--json").json
    assert (letter["stage"], letter["paper_id"]) == ("crawl", UNKNOWN)
    assert letter["reason"] == f"Semantic Scholar knows no paper {UNKNOWN}."


@pytest.mark.slow
def test_s16_a_bug_in_a_worker_ends_its_task_as_failure_and_buries_that_paper_alone(lab: Lab) -> None:
    papers = [str(bundled_corpus().row(place)["paperId"]) for place in range(4)]
    lab.worker("crawler", "-c1")
    with lab.app() as app:
        app.send_task(BATCH, (papers,)).get(timeout=60)
    queued = "SELECT paper_id FROM jobs WHERE stage = 'summarize' AND state = 'queued'"
    until(lambda: len(lab.query(queued)) == 4, what="the papers")
    # What no code of refnet's ever writes, so that none reckons with it.
    with lab.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE papers SET authors = '7' WHERE paper_id = '{papers[2]}'")  # noqa: S608

    worker = lab.worker("summarizer", "-c1")

    until(lambda: job(lab, papers[2], "summarize")[0] == JobState.DEAD, what="the dead letter")
    until(
        lambda: [job(lab, paper, "summarize")[0] for paper in papers] == ["done", "done", "dead", "done"],
        what="the others",
    )
    until(lambda: "FAILURE" in [row.status for row in lab.results(SUMMARIZE)], what="the task's end")
    [letter] = lab.refnet.done("dead", "list", "--json").json
    assert letter["reason"].startswith("TypeError: ")
    assert "Traceback (most recent call last)" in lab.refnet.done("dead", "show", str(letter["id"])).out
    assert not worker.is_over


@pytest.mark.slow
def test_s16_a_refused_key_stops_the_asking_but_neither_a_worker_nor_a_paper(lab: Lab) -> None:
    switch(lab.stand_in, keys=frozenset({"another"}))
    lab = lab.with_(SEMANTIC_SCHOLAR_API_KEY="refused")
    worker = lab.worker("crawler", "-c2")
    papers = [str(bundled_corpus().row(place)["paperId"]) for place in range(3)]
    with lab.app() as app:
        sent = [app.send_task(FETCH, (paper, 1)) for paper in papers]

        until(lambda: [one.status for one in sent] == ["RETRY"] * 3, what="all three to be put off")
        # One that found another worker at its paper is tried again soon, and hears of the key then.
        until(
            lambda: any(said in str(one.result) for one in sent for said in ("refuses the key (403)", "is left alone")),
            what="the reason",
        )
    [rate] = until(
        lambda: [rate for rate in lab.refnet.done("status", "--json").json["rate"] if rate["blocked_seconds"] > 60],
        what="the source to be left alone",
    )
    assert rate["blocked_seconds"] <= 600
    asked = len(lab.stand_in.log)
    assert asked <= 6, "two refusals are enough for each process"
    assert {job(lab, paper)[:2] for paper in papers} == {(JobState.QUEUED, 0)}
    assert lab.refnet.done("dead", "list", "--json").json == []
    assert not worker.is_over
    with lab.app() as app:
        assert app.send_task("health_check").get(timeout=60)["status"] == "healthy"
    assert len(lab.stand_in.log) == asked
