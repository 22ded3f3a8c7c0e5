"""Users and workers that get in each other's way."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path

import pytest

from refnet.demo.bundled import SEED, bundled_corpus
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from refnet.domain.crawls import CrawlStage
from refnet.domain.jobs import JobState, Stage
from tests.acceptance.command import Refnet, clean_environment, tree
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.servers import free_port

pytestmark = pytest.mark.slow

#: Another paper of the bundled corpus, with neighbours of its own: "Attention Is All You Need".
OTHER = "arXiv:1706.03762"


def some_papers(count: int) -> list[str]:
    """Ids of papers that the stand-in knows."""
    lines = (resources.files("refnet.demo") / "corpus" / "papers.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["paperId"] for line in lines[:count]]


def test_two_crawls_at_a_time_leave_the_vault_that_one_after_the_other_leaves(lab: Lab, tmp_path: Path) -> None:
    lab.worker("crawler,summarizer,generator", "-c3")

    running = [lab.refnet.start("map", seed, "--depth", "1", "--json") for seed in (SEED, OTHER)]
    assert [one.wait().code for one in running] == [0, 0]

    folder = tmp_path / "alone"
    folder.mkdir()
    settings = {"SEMANTIC_SCHOLAR_URL": lab.stand_in.url, "SEMANTIC_SCHOLAR_RPS": "1000"}
    alone = Refnet(folder, clean_environment(folder / "data", **settings))
    for seed in (SEED, OTHER):
        alone.map(seed, "--depth", "1")
    # Names go by which crawl was complete first; there are no two alike here.
    assert tree(lab.vault) == tree(folder / "vault")
    assert lab.refnet.map(SEED, "--depth", "1")["conflicts"] == []


def test_generators_that_write_to_different_folders_write_nothing_and_say_so(lab: Lab, tmp_path: Path) -> None:
    lab.worker("crawler,summarizer")
    lab.worker("generator")
    lab.with_(OUTPUT_DIR=str(tmp_path / "elsewhere")).worker("generator", name="other")
    until(lambda: len({worker.output_dir for worker in lab.store.workers()} - {None}) == 2, what="both to report")

    ended = lab.refnet("map", SEED)

    assert ended.code == 2
    assert "write notes to different folders" in ended.error
    doctor = lab.refnet("doctor")
    assert doctor.code == 1
    assert "write notes to different folders" in doctor.out.replace("\n", " ")
    assert not list(lab.vault.rglob("*.md"))
    assert not list((tmp_path / "elsewhere").rglob("*.md"))


def test_the_vault_written_anew_during_a_crawl_does_not_cut_the_crawl_short(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url, environment={"REFNET_BATCH_IDS": "5"}, latency=0.1)
    lab.worker()
    running = lab.refnet.start("map", SEED, "--depth", "2", "--json")
    until(lambda: lab.query("SELECT 1 FROM papers WHERE fetched_at IS NOT NULL OFFSET 5 LIMIT 1"), what="some papers")

    written = lab.refnet("vault", "write")

    ended = running.wait()
    assert (written.code, ended.code) == (0, 0), written.err + ended.err
    assert ended.json["papers"] == 106
    assert ended.json["notes"] == 106


def test_a_source_that_stays_away_ends_the_map_and_not_the_work(make_lab: MakeLab, redis_url: str) -> None:
    port = free_port()  # one that nobody is given while the source is away
    first = StandIn(bundled_corpus(), Switches(latency=0.1), port=port)
    settings = {"REFNET_OUTAGE_SECONDS": "12", "REFNET_BATCH_IDS": "5", "SEMANTIC_SCHOLAR_URL": first.url}
    lab = make_lab(redis_url, environment=settings)
    lab.worker()
    with first:
        running = lab.refnet.start("map", SEED, "--depth", "2")
        until(lambda: lab.query("SELECT 1 FROM papers WHERE fetched_at IS NOT NULL OFFSET 5 LIMIT 1"), what="papers")

    ended = running.wait()

    assert ended.code == 3, ended.err
    assert "fail. The workers try again" in ended.error
    with StandIn(bundled_corpus(), port=port):
        assert lab.with_(REFNET_OUTAGE_SECONDS="200").refnet.map(SEED, "--depth", "2")["papers"] == 106


def test_a_vault_that_cannot_be_written_is_told_where_the_user_looks(make_lab: MakeLab, redis_url: str) -> None:
    # A vault that cannot be written is looked at again after 20 s, and the sweep comes every 5 s.
    lab = make_lab(redis_url, environment={"REFNET_OUTAGE_SECONDS": "120"})
    lab.vault.write_text("not a folder")
    lab.worker()
    running = lab.refnet.start("map", SEED, "--depth", "0")
    until(lambda: any(worker.fault for worker in lab.store.workers()), what="the worker to say so")

    doctor = lab.refnet("doctor")
    lab.vault.unlink()

    assert doctor.code == 1
    assert "cannot write notes" in doctor.out.replace("\n", " ")
    assert running.wait().code == 0
    assert list(lab.vault.rglob("*.md"))


def test_more_ids_than_a_statement_takes_are_queued_all_the_same(lab: Lab) -> None:
    ids = [hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest() for number in range(70_000)]
    with lab.cluster() as cluster:
        assert cluster.worker(()).fetch_all(ids, None) == (70_000, [])
    assert lab.store.job_counts()[Stage.CRAWL, JobState.QUEUED] == 70_000


def test_a_note_asked_for_too_early_can_be_asked_for_again(lab: Lab) -> None:
    paper_id = some_papers(1)[0]
    with lab.cluster() as cluster:
        worker = cluster.worker(())
        with pytest.raises(Exception, match="not collected yet"):
            worker.generate(paper_id)
        worker.fetch(paper_id, 0)

        assert worker.generate(paper_id)[0] == paper_id
        assert lab.store.dead_letters() == []


def test_papers_that_come_by_hand_while_notes_are_written_get_theirs_in_the_next_round(lab: Lab) -> None:
    first, second = some_papers(2)
    with lab.cluster() as cluster:
        worker = cluster.worker(())
        worker.fetch(first, 5)
        until(lambda: not worker.work(Stage.SUMMARIZE))
        assert lab.store.stage(1) is CrawlStage.NAME
        worker.fetch(second, 5)
        assert lab.store.stage(1) is CrawlStage.NAME, "steady work by hand would keep all notes waiting"

        for _ in range(6):
            for stage in Stage:
                worker.work(stage)

    assert lab.store.stage(1) is None
    assert len(list((lab.vault / "papers").glob("*.md"))) == 2
