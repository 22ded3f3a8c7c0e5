"""The papers of the demonstration that are invented, and the PDFs made for them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pypdfium2  # type: ignore[import-untyped, unused-ignore]
import pytest

from refnet.demo import bundled
from refnet.demo.bundled import FOLDER, INVENTED, PDFS, SEED, bundled_corpus, demo_corpus

REAL = [json.loads(line) for line in (FOLDER / "papers.jsonl").read_text("utf-8").splitlines()]
PAPERS: list[dict[str, Any]] = [
    json.loads(line) for line in (INVENTED / "papers.jsonl").read_text("utf-8").splitlines()
]
EDGES: list[dict[str, str]] = [json.loads(line) for line in (INVENTED / "edges.jsonl").read_text("utf-8").splitlines()]
BY_ID = {paper["paperId"]: paper for paper in [*REAL, *PAPERS]}
FILES = sorted(PDFS.glob("*.pdf"))

#: Family names that nobody could take for a person's.
NOBODY = {"Example", "Placeholder", "Sample", "Specimen", "例", "見本"}
INVENTED_WORDS = ("invented", "架空")
SECTIONS = {
    "en": ("Abstract", "Introduction", "Methods?|Materials and Methods", "Results", "Conclusions?", "References"),
    "ja": ("概要", "はじめに", "手法", "結果", "おわりに", "参考文献"),
}


def pages(file: Path) -> list[str]:
    with pypdfium2.PdfDocument(file) as document:
        return [page.get_textpage().get_text_range() for page in document]


def folded(text: str) -> str:
    return re.sub(r"\s+", "", text)


def file_of(paper: dict[str, Any]) -> Path | None:
    """The PDF of a paper, by its arXiv id or by where its record leads."""
    link = (paper["openAccessPdf"] or {}).get("url", "")
    name = paper["externalIds"].get("ArXiv") or Path(link).stem
    file = PDFS / f"{name}.pdf"
    return file if file.is_file() else None


def test_six_invented_papers_have_a_pdf_that_is_found_in_three_ways_and_one_is_refused() -> None:
    ways: Counter[tuple[str, bool]] = Counter()
    for paper in PAPERS:
        link = (paper["openAccessPdf"] or {}).get("url")
        way = "arXiv" if link is None else link.split("/")[1]
        assert ("ArXiv" in paper["externalIds"]) != (link is not None), paper["title"]
        ways[way, file_of(paper) is not None] += 1
    assert ways == {("arXiv", True): 3, ("files", True): 2, ("landing", True): 1, ("closed", False): 1}
    assert sorted(filter(None, map(file_of, PAPERS))) == FILES


def test_an_invented_paper_says_so_wherever_it_is_shown() -> None:
    for paper in PAPERS:
        for shown in (paper["title"], paper["abstract"]):
            assert any(word in shown.casefold() for word in INVENTED_WORDS), paper["title"]
        assert paper["venue"] == "Invented for the demonstration of refnet", paper["title"]
        for author in paper["authors"]:
            assert NOBODY & set(author["name"].split()), author["name"]


def test_every_page_of_an_invented_paper_says_so() -> None:
    for file in FILES:
        for page in pages(file):
            assert any(word in page.splitlines()[0].casefold() for word in INVENTED_WORDS), file.name


def test_an_invented_preprint_has_a_number_that_arxiv_never_gave() -> None:
    # No month has come near 90,000 papers, and these months are over.
    for paper in PAPERS:
        number = paper["externalIds"].get("ArXiv", "2402.99901")
        assert re.fullmatch(r"240[1-9]\.9\d{4}", number), paper["title"]
        assert "DOI" not in paper["externalIds"], paper["title"]


def test_nothing_that_names_an_invented_paper_names_another() -> None:
    everything = [*REAL, *PAPERS]
    for value in (
        lambda paper: paper["paperId"],
        lambda paper: paper["corpusId"],
        lambda paper: paper["title"].casefold(),
        lambda paper: paper["externalIds"].get("ArXiv", paper["paperId"]),
    ):
        assert len(set(map(value, everything))) == len(everything)
    for paper in PAPERS:
        name = paper["externalIds"].get("ArXiv") or paper["title"]
        digest = hashlib.sha1(f"refnet-demo:{name}".encode(), usedforsecurity=False)
        assert paper["paperId"] == digest.hexdigest(), paper["title"]


def test_invented_papers_cite_and_no_real_paper_cites_them() -> None:
    real = {paper["paperId"] for paper in REAL}
    assert {edge["citing"] for edge in EDGES} == {paper["paperId"] for paper in PAPERS}
    for edge in EDGES:
        citing, cited = BY_ID[edge["citing"]], BY_ID[edge["cited"]]
        assert citing["paperId"] not in real
        assert (cited.get("publicationDate") or str(cited["year"])) < citing["publicationDate"], citing["title"]


def test_the_citations_of_an_invented_paper_are_the_references_that_its_pdf_prints() -> None:
    for paper in PAPERS:
        file = file_of(paper)
        if file is None:
            continue
        heading = "参考文献" if "架空" in paper["title"] else "References"
        printed = folded("\n".join(pages(file))).rpartition(heading)[2]
        cited = [BY_ID[edge["cited"]] for edge in EDGES if edge["citing"] == paper["paperId"]]
        assert len(re.findall(r"\[\d\]", printed)) == len(cited), paper["title"]
        for one in cited:
            assert f"{folded(one['title'])}.{one['year']}." in printed, (paper["title"], one["title"])


def test_the_demonstration_has_the_real_papers_and_the_invented_ones_and_finds_them_all_in_two_steps() -> None:
    real, both = bundled_corpus(), demo_corpus()
    assert (len(real), len(both)) == (len(REAL), len(REAL) + len(PAPERS))
    found = set().union(*both.breadth_first(SEED, 2))
    assert found == set().union(*real.breadth_first(SEED, 2)) | {paper["paperId"] for paper in PAPERS}


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_pdf_is_short_and_has_the_sections_of_a_paper(file: Path) -> None:
    texts = pages(file)
    lines = "\n".join(texts).splitlines()
    sections = SECTIONS["ja" if "概要" in lines else "en"]

    at = [next(n for n, line in enumerate(lines) if re.fullmatch(rf"(\d )?({name})", line)) for name in sections]

    assert at == sorted(at)
    assert any(line.startswith(("Keywords: ", "キーワード：")) for line in lines[at[0] : at[1]])
    results = "\n".join(lines[at[3] : at[4]])
    assert len(re.findall(r"\d+(?:\.\d+)?\s?(?:%|GB|milliseconds|seconds|秒|ポイント)", results)) >= 8
    assert 2 <= len(texts) <= 3
    assert file.stat().st_size < 20_000


def test_what_was_written_is_what_is_read(root: Path) -> None:
    for text in sorted((root / "tests" / "tools" / "demo_papers").glob("*.txt")):
        read = pages(PDFS / f"{text.stem}.pdf")
        # Head and number of each page stand first in its text.
        joined = folded("".join("\n".join(page.splitlines()[2:]) for page in read))
        head, _, body = text.read_text(encoding="utf-8").partition("\n\n")
        title = head.splitlines()[0].removeprefix("title: ")
        for paragraph in [title, *(line.removeprefix("# ") for line in body.splitlines() if line)]:
            assert folded(paragraph) in joined, (text.name, paragraph[:60])


def test_the_tool_makes_the_pdfs_of_the_package_byte_for_byte(root: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, root / "tests" / "tools" / "make_demo_pdfs.py", tmp_path],
        stdout=subprocess.DEVNULL,
        check=True,
    )

    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    assert made == {file.name: file.read_bytes() for file in FILES}
    assert len(made) == 6


@pytest.mark.parametrize("changed", ["papers.jsonl", "invented/edges.jsonl", "pdfs/index-cost.pdf"])
def test_another_edition_of_the_corpus_has_another_name(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bundled.digest()
    copy = tmp_path / "corpus"
    shutil.copytree(FOLDER, copy)
    for name, folder in (("FOLDER", copy), ("INVENTED", copy / "invented"), ("PDFS", copy / "pdfs")):
        monkeypatch.setattr(bundled, name, folder)
    assert bundled.digest() == before

    with (copy / changed).open("ab") as file:
        file.write(b"\n")

    assert bundled.digest() != before
