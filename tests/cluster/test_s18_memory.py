"""S18: what a worker's processes hold in memory."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from refnet.domain.workers import MOST_KILOBYTES
from tests.acceptance.test_documented_commands import commands
from tests.cluster.lab import ROOT, Lab, until
from tests.cluster.one_lab import FETCH, GENERATE, SUMMARIZE

pytestmark = pytest.mark.slow

#: Packages that cost from 15 to 134 MB, in each process that imports them; what tests alone need is no better.
HEAVY = {"anthropic", "fitz", "hypothesis", "lxml", "networkx", "numpy", "openai", "pymupdf", "pypdf", "pytest"}
#: The document's own limit, in kilobytes, leaves this much to the work.
MOST_AT_REST = 130_000


def test_s18_the_limit_is_the_documents_in_kilobytes() -> None:
    assert MOST_KILOBYTES == 200_000


def test_s18_a_worker_loads_nothing_heavy_and_is_frozen_before_its_children_are_born(lab: Lab) -> None:
    lab.worker("crawler,summarizer,generator", "-c1", "--include", "tests.cluster.probe_tasks")
    with lab.app() as app:
        found = app.send_task("probe.look").get(timeout=60)
    # A child has all that its parent had.
    assert {"refnet", "celery", "psycopg"} <= set(found["packages"])
    assert not HEAVY & set(found["packages"])
    assert found["frozen"] > 10_000
    assert found["resident"] < MOST_AT_REST


def test_s18_a_child_well_under_the_limit_is_kept_from_task_to_task(lab: Lab) -> None:
    worker = lab.worker("crawler,summarizer,generator", "-c1", "--include", "tests.cluster.probe_tasks")
    [child] = worker.children()
    with lab.app() as app:
        paper = app.send_task(FETCH, ("arXiv:2005.11401",)).get(timeout=60)["paper_id"]
        app.send_task(SUMMARIZE, (paper,)).get(timeout=60)
        app.send_task(GENERATE, (paper,)).get(timeout=60)
        looks = [task.get(timeout=60) for task in [app.send_task("probe.look") for _ in range(20)]]
    assert {look["pid"] for look in looks} == {child}
    assert max(look["resident"] for look in looks) < MOST_AT_REST
    assert worker.children() == [child]


def test_s18_a_child_over_the_limit_is_replaced_after_its_task(lab: Lab) -> None:
    worker = lab.worker("crawler", "-c1", "--max-memory-per-child", "1000", "--include", "tests.cluster.probe_tasks")
    [first] = worker.children()
    with lab.app() as app:
        pids = [app.send_task("probe.look").get(timeout=60)["pid"] for _ in range(2)]
    assert pids[0] == first
    assert len(set(pids)) == 2
    until(lambda: len(worker.children()) == 1 and worker.children()[0] not in pids, what="the third child")


def test_s18_the_documented_command_shows_where_the_memory_of_a_task_goes(lab: Lab, tmp_path: Path) -> None:
    page = ROOT / "docs" / "reference" / "celery-settings.md"
    shown = list(commands(page, "python -m memray"))
    run, look = ([word.replace("worker.bin", str(tmp_path / "worker.bin")) for word in words[1:]] for words in shown)

    worker = lab._start(run, "profiled", wait=True)
    with lab.app() as app:
        assert app.send_task(FETCH, ("arXiv:2005.11401",)).get(timeout=60)["status"] == "success"
    worker.process.send_signal(signal.SIGINT)
    worker.process.wait(60)
    subprocess.run([sys.executable, *look], check=True, cwd=tmp_path, capture_output=True)

    (drawn,) = tmp_path.glob("*.html")
    text = drawn.read_text(encoding="utf-8")
    assert "fetch_paper_metadata" in text
    assert "semantic_scholar" in text
