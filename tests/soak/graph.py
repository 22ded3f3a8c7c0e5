"""The literature of the soaks: 2,000 made-up papers, the same in every run, all within two steps of the first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from random import Random
from typing import Any

PAPERS = 2_000
#: Neighbours of the seed; all others are neighbours of these.
NEAR = 80

_TEXT = (
    "adaptive bayesian cells citation dynamic energy field graph inference kinetic language memory network optimal "
    "protein quantum recall sparse transport uncertainty vision wave"
)
_WORDS = _TEXT.split()
_NAMES = ("Abe", "Bauer", "Çelik", "Diaz", "Eriksen", "Фёдоров", "García", "Huang")


def paper_id(number: int) -> str:
    """The id of a paper by its place, the seed's at 0."""
    return sha1(f"soak {number}".encode(), usedforsecurity=False).hexdigest()


SEED = paper_id(0)


def write_corpus(folder: Path, papers: int = PAPERS, near: int = NEAR) -> Path:
    """Write a corpus for the stand-in into that folder; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "papers.jsonl", (_paper(number) for number in range(papers)))
    _write(folder / "edges.jsonl", _edges(papers, near))
    return folder


def _paper(number: int) -> dict[str, Any]:
    random = Random(number)
    # Few names and titles, so that notes would have the same name and must be told apart.
    title = " ".join(random.choices(_WORDS, k=2)).capitalize()
    row: dict[str, Any] = {
        "paperId": paper_id(number),
        "corpusId": number + 1,
        "externalIds": {"CorpusId": number + 1, "DOI": f"10.5555/soak.{number}"},
        "title": title,
        "year": 1990 + number % 30,
        "venue": "Journal of Made-up Results",
        "authors": [{"authorId": str(number), "name": f"A. {random.choice(_NAMES)}"}],
        "abstract": None if number % 5 == 0 else " ".join(random.choices(_WORDS, k=80)).capitalize() + ".",
    }
    if number % 3 == 0:
        row["tldr"] = {"model": "soak", "text": " ".join(random.choices(_WORDS, k=12)).capitalize() + "."}
    return row


def _edges(papers: int, near: int) -> Iterator[dict[str, str]]:
    random = Random(papers)
    seen: set[tuple[int, int]] = set()

    def edge(citing: int, cited: int) -> Iterator[dict[str, str]]:
        if citing != cited and (citing, cited) not in seen:
            seen.add((citing, cited))
            yield {"citing": paper_id(citing), "cited": paper_id(cited)}

    for number in range(1, near + 1):
        yield from edge(number, 0) if number % 2 else edge(0, number)
    for number in range(near + 1, papers):
        by = random.randint(1, near)
        yield from edge(number, by) if random.random() < 0.7 else edge(by, number)
        for _ in range(random.randrange(4)):
            yield from edge(number, random.randrange(1, papers))


def _write(file: Path, rows: Iterator[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
