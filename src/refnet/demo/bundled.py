"""The corpus that comes with refnet, and the invented papers that `refnet demo` adds to it.

The papers of the corpus are real. None of their text is ours to give away, and text of our own would pass for theirs; so
the papers that have a PDF here are invented, and say so in their titles, on each page and wherever else they are shown.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from refnet.demo.downloads import Downloads
from refnet.demo.graph import Corpus

FOLDER = Path(__file__).parent / "corpus"
#: Invented papers: they cite papers of the corpus, and no paper of the corpus cites them.
INVENTED = FOLDER / "invented"
PDFS = FOLDER / "pdfs"
#: Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks (2020).
SEED = "arXiv:2005.11401"


@cache
def bundled_corpus() -> Corpus:
    """The real papers alone."""
    return Corpus.load(FOLDER)


@cache
def demo_corpus() -> Corpus:
    """The real papers and the invented ones."""
    return Corpus.load_all((FOLDER, INVENTED))


def invented_papers() -> dict[str, Path | None]:
    """Ids of the papers that have a PDF here, with its file, or a place that refuses it, with None."""
    found: dict[str, Path | None] = {}
    for line in (INVENTED / "papers.jsonl").read_text(encoding="utf-8").splitlines():
        paper = json.loads(line)
        address = (paper.get("openAccessPdf") or {}).get("url", "")
        name = address.rpartition("/")[2].removesuffix(".pdf") or paper["externalIds"]["ArXiv"]
        file = PDFS / f"{name}.pdf"
        found[paper["paperId"]] = file if file.is_file() else None
    return found


def demo_downloads() -> Downloads:
    """The PDFs of the invented papers."""
    return Downloads(PDFS)


def digest() -> str:
    """Names the edition of the corpus, invented papers and PDFs included."""
    content = hashlib.sha256()
    for file in sorted([*FOLDER.glob("*.jsonl"), *INVENTED.glob("*.jsonl"), *PDFS.glob("*.pdf")]):
        content.update(file.read_bytes())
    return content.hexdigest()[:12]
