from __future__ import annotations

import gzip
import json
import select
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from refnet.demo.graph import Corpus, breadth_first
from refnet.demo.matching import TitleIndex
from refnet.domain.errors import ConfigurationError
from tests.demo.asking import corpus, sha


def write(folder: Path, papers: list[object], edges: list[object], zipped: bool = False) -> Path:
    for stem, rows in (("papers", papers), ("edges", edges)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        if zipped:
            (folder / f"{stem}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / f"{stem}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_is_read_plain_or_zipped(tmp_path: Path, zipped: bool) -> None:
    edge = {"citing": sha("a"), "cited": sha("b")}
    folder = write(tmp_path, [{"paperId": sha("a")}, {"paperId": sha("b")}], [edge], zipped)
    suffix = ".jsonl.gz" if zipped else ".jsonl"
    for read in (Corpus.load(folder), Corpus.load(folder / f"papers{suffix}", folder / f"edges{suffix}")):
        assert len(read) == 2
        assert read.breadth_first(sha("a"), 1) == [{sha("a")}, {sha("b")}]


@pytest.mark.parametrize(
    ("papers", "edges"),
    [
        ([{"title": "no id"}], []),
        ([{"paperId": sha("a")}, {"paperId": sha("a")}], []),
        ([{"paperId": sha("a")}], [{"citing": sha("a"), "cited": sha("b")}]),
        ([{"paperId": sha("a"), "aliases": [sha("b")]}], [{"citing": sha("a"), "cited": sha("b")}]),
        (["not an object"], []),
    ],
)
def test_a_corpus_that_makes_no_sense_is_refused(tmp_path: Path, papers: list[object], edges: list[object]) -> None:
    with pytest.raises(ConfigurationError):
        Corpus.load(write(tmp_path, papers, edges))


def test_a_corpus_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds neither"):
        Corpus.load(tmp_path)
    (tmp_path / "papers.jsonl").write_text("{")
    (tmp_path / "edges.jsonl.gz").write_bytes(b"not zipped")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Corpus.load(tmp_path)


def test_an_own_id_is_never_taken_by_another_papers_alias() -> None:
    papers = corpus([], a={"aliases": [sha("b"), "f" * 40]}, b={})
    assert papers.resolve(sha("b")) == 1
    assert papers.resolve("f" * 40) == 0


def test_breadth_first_follows_the_direction_and_passes_over_what_is_hidden() -> None:
    papers = corpus([("a", "b"), ("b", "c"), ("d", "a"), ("a", "a"), ("a", None), ("c", "a")])
    names = {sha(name): name for name in "abcd"}

    def levels(**more: object) -> list[str]:
        found = breadth_first(papers, sha("a"), 2, **more)  # type: ignore[arg-type]
        return ["".join(sorted(names[paper] for paper in level)) for level in found]

    assert levels() == ["a", "bcd", ""]
    assert levels(direction="references") == ["a", "b", "c"]
    assert levels(direction="citations") == ["a", "cd", "b"]
    assert levels(withheld=lambda index: index == 0) == ["a", "cd", "b"]
    assert levels(absent=lambda index: index == papers.resolve(sha("b"))) == ["a", "cd", ""]
    with pytest.raises(KeyError):
        breadth_first(papers, "unknown", 1)


def test_the_best_title_holds_most_words_and_the_rarest_and_little_else() -> None:
    titles = ["Attention is all you need", "Attention is all you need in speech", "A survey of attention"]
    index = TitleIndex(titles)
    assert [found for _, found in index.find("ATTENTION is all, you need!")] == [0, 1]
    assert index.find("attention")[0][1] == 2
    assert index.find("quantum chromodynamics") == []
    assert index.find("?!") == []


def test_the_stand_in_runs_as_a_process_that_says_where_it_is(tmp_path: Path) -> None:
    write(tmp_path, [{"paperId": sha("a"), "title": "Alone"}], [])
    command = [sys.executable, "-W", "error", "-m", "refnet.demo", "--corpus", str(tmp_path)]
    with subprocess.Popen([*command, "--rps", "0.01"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert select.select([process.stdout], [], [], 20)[0], "no URL within 20 s"
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            assert url.endswith("/graph/v1")
            connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
            connection.request("GET", f"/graph/v1/paper/{sha('a')}?fields=title")
            assert json.load(connection.getresponse())["title"] == "Alone"
            connection.close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("wrong", [["--corpus", "nowhere"], ["--kinds", "nonsense"]])
def test_the_process_refuses_bad_arguments_in_a_sentence(wrong: list[str]) -> None:
    command = [sys.executable, "-m", "refnet.demo", *wrong]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert "Traceback" not in ended.stderr
