"""S13: which queue a worker of several takes first."""

from __future__ import annotations

import pytest

from refnet.domain.workers import WORKERS
from tests.cluster.lab import Lab, until
from tests.cluster.one_lab import FETCH, GENERATE, SUMMARIZE

pytestmark = pytest.mark.slow

PAPERS = ("arXiv:1706.03762", "arXiv:1810.04805", "arXiv:2005.14165")


def test_s13_the_table_gives_the_crawler_precedence_over_the_summarizer_over_the_generator() -> None:
    assert [(kind.queue, kind.priority) for kind in WORKERS] == [("crawler", 10), ("summarizer", 5), ("generator", 3)]


@pytest.mark.parametrize("served", ["crawler,summarizer,generator", "generator,summarizer,crawler"])
def test_s13_a_worker_of_all_queues_takes_crawler_before_summarizer_before_generator(lab: Lab, served: str) -> None:
    # Against the order in two ways: what is to come last was sent first, and is the most urgent of its queue.
    with lab.app() as app:
        sent = [
            app.send_task(task, (paper,), priority=priority).id
            for task, priority in ((GENERATE, 3), (SUMMARIZE, 5), (FETCH, 0))
            for paper in PAPERS
        ]

    lab.worker(served, "-c1", name="all")

    until(lambda: len(ours := [row for row in lab.results() if row.task_id in sent]) == 9 and ours, what="all nine")
    order = [row.name for row in lab.results() if row.task_id in sent]
    assert order == [FETCH] * 3 + [SUMMARIZE] * 3 + [GENERATE] * 3
    # Only what is collected can be summarised, and have a note.
    assert {row.status for row in lab.results() if row.task_id in sent} == {"SUCCESS"}
