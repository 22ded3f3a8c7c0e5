"""Summaries of the papers of a crawl."""

from __future__ import annotations

from refnet.domain.summaries import Summary
from refnet.ports import Progress, Summarizer, SummaryStore

#: Papers held in memory at a time.
CHUNK = 500


def summarize(crawl_id: int, store: SummaryStore, summarizer: Summarizer, progress: Progress) -> None:
    """Summarise what has no summary yet, from what the source says of it.

    A paper with nothing to go by has none.
    """
    waiting = store.unsummarized(crawl_id)
    for start in range(0, len(waiting), CHUNK):
        progress.show("summarising", notes=start, of=len(waiting))
        made: dict[str, Summary] = {}
        for paper in store.papers(waiting[start : start + CHUNK]):
            summary = summarizer.summarize(paper)
            if summary is not None:
                made[paper.paper_id] = summary
        store.save_summaries(made)
