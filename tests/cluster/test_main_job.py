"""The main job on three workers, on each broker: the same papers and the same vault as in one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from refnet.demo.bundled import SEED
from refnet.demo.graph import Corpus
from tests.acceptance.command import Refnet, clean_environment, stamps, tree
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab

pytestmark = pytest.mark.slow


def alone(lab: Lab, folder: Path) -> Refnet:
    """A user of the same source who works in one process."""
    folder.mkdir()
    settings = {"SEMANTIC_SCHOLAR_URL": lab.stand_in.url, "SEMANTIC_SCHOLAR_RPS": "1000"}
    return Refnet(folder, clean_environment(folder / "data", **settings))


def test_three_workers_collect_and_write_what_one_process_does(
    make_lab: MakeLab, broker_url: str, literature: Corpus, tmp_path: Path
) -> None:
    lab = make_lab(broker_url, literature)
    words = ("649def34f8be52c8b66281af98ae884c09aef38b", "--depth", "2", "--limit", "5000", "--no-summaries")
    for queue in ("crawler", "summarizer", "generator"):
        lab.worker(queue)

    document = lab.refnet.map(*words)

    other = alone(lab, tmp_path / "alone")
    expected = other.map(*words)
    assert document["papers"] == 1 + 310 + 3_934
    assert lab.refnet.exported() == other.exported()
    assert tree(lab.vault) == tree(other.folder / "vault")
    same = ("papers", "citations", "summaries", "notes", "dead", "unresolved", "conflicts", "incomplete")
    assert {key: document[key] for key in same} == {key: expected[key] for key in same}
    assert document["requests"]["semantic_scholar"] <= 2 * expected["requests"]["semantic_scholar"]
    assert not lab.query("SELECT 1 FROM celery_taskmeta WHERE status <> 'SUCCESS'")


def test_a_second_run_asks_nothing_and_changes_no_file(make_lab: MakeLab, broker_url: str) -> None:
    lab = make_lab(broker_url)
    lab.worker()
    lab.refnet.map(SEED, "--depth", "2")
    before, asked = stamps(lab.vault), len(lab.stand_in.log)

    document = lab.refnet.map(SEED, "--depth", "2")

    assert stamps(lab.vault) == before
    assert len(lab.stand_in.log) == asked
    assert document["requests"] == {"semantic_scholar": 0}
