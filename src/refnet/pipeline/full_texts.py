"""Summaries from whole papers: find the PDF, read it, summarise it; or say why not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from shlex import join, quote

from refnet.domain.about import about
from refnet.domain.documents import Document, FoundPdf, NoFullText
from refnet.domain.errors import (
    Cancelled,
    ConfigurationError,
    CredentialsRejected,
    RateLimited,
    SourceUnavailable,
    TransientError,
)
from refnet.domain.papers import Paper
from refnet.domain.summaries import NOTHING, Summary, is_worse
from refnet.ports import DocumentSummarizer, PdfFinder, PdfReader, Progress, Summarizer, SummaryStore

#: Seconds that a host or a model may ask for before it is asked again for a paper's sake; else it is done without.
LONGEST_WAIT = 300.0
#: Papers that a command is shown with by name; more are meant by `--all`.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class FullTexts:
    """From a paper to its summary. `summarizer` is the one asked for, `offline` the one that always answers, `record` is
    for a paper that cannot be read.
    """

    finder: PdfFinder
    reader: PdfReader
    summarizer: DocumentSummarizer
    offline: DocumentSummarizer
    record: Summarizer

    def summarize(self, paper: Paper, lang: str, *, last: bool = False) -> Summary:
        """The summary of a paper from its full text, or from less with the reason. `last` means that nobody tries again:
        what cannot be reached is given up, and the model that does not answer is done without. So is one that is set up
        wrongly: its cure is the operator's, and the notes need not wait for it.

        Raises TransientError where another try may do better, unless it is the last; and StorageFull.
        """
        try:
            read = self._read(paper)
        except (RateLimited, SourceUnavailable) as error:
            if not (last or _is_too_long(error)):
                raise
            read = NoFullText.NOT_REACHED
        if isinstance(read, NoFullText):
            return self.without(paper, read)
        found, document = read
        try:
            return self.summarizer.summarize(paper, document, found, lang)
        except (RateLimited, SourceUnavailable, CredentialsRejected, ConfigurationError) as error:
            if isinstance(error, TransientError) and not (last or _is_too_long(error)):
                raise
            made = self.offline.summarize(paper, document, found, lang)
            if made.provenance is None:
                return made
            return replace(made, provenance=replace(made.provenance, fallback=str(error)))

    def _read(self, paper: Paper) -> tuple[FoundPdf, Document] | NoFullText:
        """What is found, and what it says. Raises as the finder does."""
        for _ in range(2):
            found = self.finder.find(paper)
            if isinstance(found, NoFullText):
                return found
            try:
                document = self.reader.read(found.path)
            except FileNotFoundError:
                continue  # somebody emptied the cache just now
            return document if isinstance(document, NoFullText) else (found, document)
        raise SourceUnavailable(f"The PDF of {paper.paper_id} is removed again and again while it is to be read.")

    def without(self, paper: Paper, why: NoFullText) -> Summary:
        """The summary of a paper whose full text is not to be had."""
        made = self.record.summarize(paper)
        return Summary("", NOTHING, why=why) if made is None else replace(made, why=why)


def _is_too_long(error: TransientError) -> bool:
    """Whether nobody should wait for another try: a crawl's notes would wait with it."""
    return error.retry_after is not None and error.retry_after > LONGEST_WAIT


def read_papers(
    paper_ids: Sequence[str],
    lang: str,
    store: SummaryStore,
    texts: FullTexts,
    progress: Progress,
    check: Callable[[], None] = lambda: None,
    options: Sequence[str] = (),
) -> None:
    """Summarise papers from their full text, in this order; each summary is kept as soon as it is made. `options` are those of
    `refnet summarize` by which the same is asked for again.

    What no place or model answered for is tried once more at the end. Where it is stopped, by an interrupt or an error, it is
    told what is kept. Raises StorageFull, and what `check` raises.
    """
    done = 0
    left: list[str] = []
    fell_back: defaultdict[str, list[str]] = defaultdict(list)
    replaced: Counter[str] = Counter()
    kept = 0
    try:
        for last, ids in ((False, paper_ids), (True, left)):
            for paper_id in ids:
                check()
                progress.show("reading papers", notes=done, of=len(paper_ids))
                for paper in store.papers([paper_id]):
                    try:
                        with about(paper=paper_id):
                            made = texts.summarize(paper, lang, last=last)
                    except (RateLimited, SourceUnavailable):
                        left.append(paper_id)
                        continue
                    if made.provenance is not None and made.provenance.fallback is not None:
                        fell_back[made.provenance.fallback].append(paper_id)
                    old = store.stored_summaries([paper_id]).get(paper_id)
                    if is_worse(made, old):
                        kept += 1
                    else:
                        store.save_summaries({paper_id: made})
                        replaced.update(_given_up(old, made))
                    done += 1
                    progress.show("reading papers", notes=done, of=len(paper_ids))
    except Cancelled:
        raise
    except BaseException:
        progress.say(f"Papers read: {done:,} of {len(paper_ids):,}. What came of them is kept.")
        raise
    finally:
        _tell_replaced(replaced, progress)
    for reason, those in sorted(fell_back.items(), key=lambda one: -len(one[1])):
        which = those if len(those) <= _NAMED else ["--all"]
        progress.say(
            f"The language model did not make {len(those):,} of the summaries: {reason.rstrip('.')}. "
            f"Make {'it' if len(those) == 1 else 'them'} again with: {join(['refnet', 'summarize', *which, *options])}"
        )
    if kept == 1:
        progress.say("1 summary stays as it was: what it rests on could not be had this time.")
    elif kept:
        progress.say(f"{kept:,} summaries stay as they were: what they rest on could not be had this time.")


def _given_up(old: Summary | None, made: Summary) -> list[str]:
    """The model whose summary gave way to one that no model made."""
    if old is None or old.provenance is None or made.provenance is None or made.provenance.model is not None:
        return []
    return [old.provenance.model] if old.provenance.model is not None else []


def _tell_replaced(replaced: Counter[str], progress: Progress) -> None:
    for model, number in sorted(replaced.items()):
        progress.say(
            f"{number:,} {'summary' if number == 1 else 'summaries'} by {model} gave way to the offline summariser's; "
            f"its answers are kept, and used again in the same language with: --model {quote(model)}"
        )
