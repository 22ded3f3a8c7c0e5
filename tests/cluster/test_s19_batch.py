"""S19: ten thousand papers by one call."""

from __future__ import annotations

import time

import pytest

from refnet.demo.graph import Corpus
from refnet.pipeline.announce import MOST_WAITING
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.cluster.one_lab import BATCH

pytestmark = pytest.mark.slow

MANY = 10_000
#: Seconds for ten thousand, on a machine that has other things to do. Alone it takes two.
SECONDS = 30.0
#: Two processes that tell of work at the same time may both find room.
A_FEW = 10
REFUSED = ["paper123", "", "Attention Is All You Need"]


def ids_of(corpus: Corpus) -> list[str]:
    return [corpus.paper_id(index) for index in range(MANY)]


def ledger(lab: Lab) -> list[tuple[int, int, int]]:
    """Rows of the ledger, papers in them, and members of crawls."""
    return [
        tuple(row)
        for row in lab.query(
            "SELECT count(*), count(DISTINCT paper_id), (SELECT count(*) FROM crawl_papers) FROM jobs"
            " WHERE stage = 'crawl'"
        )
    ]


def test_s19_ten_thousand_papers_are_queued_within_seconds_once_each_by_few_messages(
    make_lab: MakeLab, broker_url: str, literature: Corpus
) -> None:
    # The source answers so late that all that is queued stays so.
    lab = make_lab(broker_url, literature, latency=600.0, timeout=900.0)
    papers = ids_of(literature)
    with lab.app() as app:
        first = app.send_task(BATCH, ([*papers, *REFUSED, *papers[:100]],), priority=10)
        again = app.send_task(BATCH, (papers,), priority=10)
        lab.worker("crawler", "-c1")
        began = time.monotonic()

        assert first.get(timeout=120, interval=0.05) == {"status": "success", "papers": MANY, "refused": REFUSED}
        seconds = time.monotonic() - began
        queued = ledger(lab)
        assert again.get(timeout=120, interval=0.05) == {"status": "success", "papers": MANY, "refused": []}

    assert seconds < SECONDS
    assert queued == ledger(lab) == [(MANY, MANY, MANY)]
    assert 0 < waiting(lab) <= MOST_WAITING + A_FEW


def waiting(lab: Lab) -> int:
    number: int = lab.refnet.done("status", "--json").json["queues"]["crawler"]
    return number


def test_s19_what_a_batch_names_is_collected_in_few_requests_and_nothing_beside_it(
    make_lab: MakeLab, redis_url: str, literature: Corpus
) -> None:
    lab = make_lab(redis_url, literature)
    papers = ids_of(literature)
    lab.worker("crawler", "-c2")
    with lab.app() as app:
        app.send_task(BATCH, (papers,)).get(timeout=120)

    open_jobs = "SELECT 1 FROM jobs WHERE stage = 'crawl' AND state <> 'done' LIMIT 1"
    until(lambda: not lab.query(open_jobs), 240.0, "all the papers")

    fetched = {row.paper_id for row in lab.query("SELECT paper_id FROM papers WHERE fetched_at IS NOT NULL")}
    assert fetched == set(papers)
    assert ledger(lab) == [(MANY, MANY, MANY)]
    assert MANY // 500 <= len(lab.stand_in.log) <= MANY // 500 + 10
    asked = [paper for entry in lab.stand_in.log for paper in entry.asked]
    assert len(asked) == len(set(asked)) == MANY
