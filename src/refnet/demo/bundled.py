"""The corpus that comes with refnet."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from refnet.demo.graph import Corpus

FOLDER = Path(__file__).parent / "corpus"
#: Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks (2020).
SEED = "arXiv:2005.11401"


@cache
def bundled_corpus() -> Corpus:
    return Corpus.load(FOLDER)


def digest() -> str:
    """Names the edition of the corpus."""
    content = hashlib.sha256()
    for file in sorted(FOLDER.glob("*.jsonl")):
        content.update(file.read_bytes())
    return content.hexdigest()[:12]
