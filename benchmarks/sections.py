"""Section headings found in 15 papers, beside those that a person labelled by eye.

    python benchmarks/sections.py [--each]

A labelled heading is found where the reader has a heading of the same words on the same page. What the reader takes for a
heading at the top level, and neither is labelled nor one of the smaller headings that the labels name, is wrong. Kinds count
where the labels allow them. Keywords are the authors' own, compared one by one. The labels were made without the reader, and
the reader without the labels; see `section_labels.py`.
"""

from __future__ import annotations

import argparse
import os
import re
import unicodedata
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

from measuring import ROOT, table
from section_labels import PAPERS, Labelled

from refnet.adapters.pdf.outline import Heading
from refnet.adapters.pdf.reading import found_headings, read_document
from refnet.domain.documents import Document

#: The recorded papers, beside the repository or where REFNET_SHARED says.
SHARED = Path(os.environ.get("REFNET_SHARED") or ROOT.parent / "shared" / "data")
#: How alike two titles are that differ by a sign that was lost.
_ALIKE = 0.9
_LABEL_OF_OWN = re.compile(r"\W+")


@dataclass(slots=True)
class Score:
    labelled: int = 0
    found: int = 0
    kinds: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    keywords: int = 0
    keywords_found: int = 0
    keywords_wrong: int = 0


def folded(text: str) -> str:
    return _LABEL_OF_OWN.sub("", unicodedata.normalize("NFKC", text).casefold())


def alike(one: str, other: str) -> bool:
    a, b = folded(one), folded(other)
    return a == b or SequenceMatcher(None, a, b, autojunk=False).ratio() >= _ALIKE


def compare(labelled: Labelled, found: list[tuple[Heading, int]], document: Document) -> Score:
    """`found` are headings with their pages."""
    score = Score(labelled=len(labelled.headings))
    left = [(heading, page) for heading, page in found if heading.title]
    for wanted in labelled.headings:
        met = next((one for one in left if one[1] == wanted.page and alike(one[0].title, wanted.title)), None)
        if met is None:
            score.missed.append(f"p. {wanted.page} {wanted.number} {wanted.title}".strip())
            continue
        left.remove(met)
        score.found += 1
        score.kinds += met[0].kind in wanted.kinds
    for heading, page in left:
        if heading.level == 1 and not any(alike(heading.title, other) for other in labelled.others):
            score.wrong.append(f"p. {page} {heading.title}")
    own = {folded(word) for word in document.keywords}
    wanted_words = {folded(word) for word in labelled.keywords}
    score.keywords, score.keywords_found = len(wanted_words), len(own & wanted_words)
    score.keywords_wrong = len(own - wanted_words)
    return score


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--each", action="store_true", help="name what was missed and what is wrong")
    parser.add_argument(
        "--papers", type=Path, default=ROOT.parent / "shared" / "data" / "pdf", help="the folder of PDFs"
    )
    given = parser.parse_args()
    scores: dict[str, Score] = {}
    for name, labelled in PAPERS.items():
        path = next(given.papers.glob(f"{name.removesuffix('.pdf')}.pdf"))
        content = path.read_bytes()
        document = read_document(bytearray(content), 60.0)
        assert isinstance(document, Document)
        scores[name] = compare(labelled, found_headings(bytearray(content)), document)
    rows = [
        (name, one.labelled, one.found, len(one.missed), len(one.wrong), one.kinds, one.keywords, one.keywords_found)
        for name, one in scores.items()
    ]
    rows.append(("all", *(sum(row[at] for row in rows) for at in range(1, 8))))  # type: ignore[misc]
    head = ("paper", "headings", "found", "missed", "wrong", "of the right kind", "keywords", "of them found")
    print(table(head, rows))
    print(f"\nKeywords that are none: {sum(one.keywords_wrong for one in scores.values())}.")
    if given.each:
        for name, one in scores.items():
            for kind, titles in (("missed", one.missed), ("wrong", one.wrong)):
                print(*(f"{name}: {kind}: {title}" for title in titles), sep="\n", end="\n" if titles else "")


if __name__ == "__main__":
    main()
