"""The main job over the large corpus: what it finds, at what cost, and what it leaves alone the second time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from refnet.demo.graph import Corpus, Graph
from refnet.demo.server import StandIn
from tests.acceptance.command import Refnet, stamps, tree
from tests.acceptance.conftest import Serve, User

SEED = "649def34f8be52c8b66281af98ae884c09aef38b"
WORDS = (SEED, "--depth", "2", "--limit", "5000", "--direction", "both", "--no-summaries", "--vault", "vault")
#: Runs a command and writes the peak memory of it, in bytes, to the file named first.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
open(sys.argv[1], "w").write(str(peak if sys.platform == "darwin" else peak * 1024))
sys.exit(code)
"""


@pytest.mark.slow
def test_the_whole_neighbourhood_is_found_at_the_published_pace(
    serve: Serve, user: User, literature: Corpus, tmp_path: Path
) -> None:
    stand_in = serve(literature, rps=1)
    refnet = user(stand_in, SEMANTIC_SCHOLAR_RPS="1")
    peak = tmp_path / "peak"

    ended = refnet.start("map", *WORDS, "--json", before=[sys.executable, "-c", MEASURE, str(peak)]).wait()

    truth = literature.breadth_first(SEED, 2)
    assert [len(level) for level in truth] == [1, 310, 3_934]
    found = set().union(*truth)
    assert ended.code == 0, ended.err
    assert len(stand_in.log) <= 12
    assert not any(entry.breach for entry in stand_in.log)
    # Starts are a little more than a second apart; the first waits, too.
    assert ended.seconds <= 15 + 1.05 * (len(stand_in.log) + 1)
    assert int(peak.read_text()) <= 250_000_000
    document = ended.json
    assert document["papers"] == document["notes"] == len(found)
    assert document["requests"] == {"semantic_scholar": len(stand_in.log)}
    assert document["vault"] == str(refnet.folder / "vault")
    papers, edges = refnet.exported()
    assert set(papers) == found
    assert len(papers) == len(found)
    assert document["citations"] == len(edges)
    assert set(edges) == edges_among(literature, found)
    notes = list((refnet.folder / "vault" / "papers").glob("*.md"))
    assert len(notes) == len(found)
    assert ids_in(notes) == found
    refnet.done("vault", "check", "--vault", "vault")


@pytest.mark.slow
def test_a_second_run_asks_nothing_and_touches_nothing(serve: Serve, user: User, literature: Corpus) -> None:
    stand_in = serve(literature)
    refnet = user(stand_in)
    first = refnet.map(*WORDS)
    stand_in.reset()
    before = stamps(refnet.folder / "vault")

    second = refnet.map(*WORDS)

    assert stand_in.log == []
    assert stamps(refnet.folder / "vault") == before
    assert second == first | {"requests": {"semantic_scholar": 0}}


@pytest.mark.slow
def test_a_crawl_made_larger_in_steps_is_the_same_as_one_made_at_once(
    serve: Serve, user: User, literature: Corpus
) -> None:
    # Of papers whose names are alike the first one named keeps the plain name, so the order of naming would show.
    stepwise, at_once = (user(serve(literature), name, REFNET_NOTE_NAMES="paper_id") for name in ("steps", "once"))
    seen: set[str] = set()
    steps = [("1", "50"), ("1", "200"), ("2", "200"), ("2", "1000")]
    crawls = set()
    for depth, limit in steps:
        document = stepwise.map(SEED, "--depth", depth, "--limit", limit)
        papers = set(stepwise.exported()[0])
        assert seen <= papers
        assert len(papers) == int(limit)
        seen = papers
        crawls.add(document["crawl"])

    at_once.map(SEED, "--depth", "2", "--limit", "1000")

    assert len(crawls) == 1
    assert stepwise.exported() == at_once.exported()
    assert tree(stepwise.folder / "vault") == tree(at_once.folder / "vault")


@pytest.mark.parametrize(
    ("direction", "depth"), [("both", 0), ("both", 1), ("both", 2), ("references", 2), ("citations", 2)]
)
def test_a_crawl_finds_what_lies_within_its_depth_in_its_direction(
    refnet: Refnet, stand_in: StandIn, direction: str, depth: int
) -> None:
    document = refnet.map("arXiv:2005.11401", "--depth", str(depth), "--direction", direction, "--limit", "1000")

    truth = set().union(*stand_in.truth("arXiv:2005.11401", depth, direction))
    papers, edges = refnet.exported()
    assert set(papers) == truth
    assert set(edges) == edges_among(stand_in.corpus, truth)
    assert document["papers"] == document["notes"] == len(truth)


def edges_among(corpus: Graph, papers: set[str]) -> set[tuple[str, str]]:
    edges = set()
    for paper in papers:
        index = corpus.resolve(paper)
        assert index is not None
        for other in corpus.references(index):
            if other >= 0 and other != index and corpus.paper_id(other) in papers:
                edges.add((paper, corpus.paper_id(other)))
    return edges


def ids_in(notes: list[Path]) -> set[str]:
    return {
        line.removeprefix("paper_id:").strip().strip("\"'")
        for note in notes
        for line in note.read_text(encoding="utf-8").splitlines()
        if line.startswith("paper_id:")
    }
