"""From what users name to papers that the source knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from refnet.domain.crawl import Ask
from refnet.domain.crawls import CrawlSeed
from refnet.domain.errors import (
    CredentialsRejected,
    NothingMatched,
    PermanentError,
    RefnetError,
    RequestTooLarge,
    SourceUnavailable,
    TransientError,
)
from refnet.domain.identifiers import shown
from refnet.domain.jobs import MOST_UNKNOWN
from refnet.domain.matching import plain_title, why_not_same
from refnet.domain.papers import Answer
from refnet.domain.seeds import KNOWN, Seed, Unresolved
from refnet.pipeline.patience import Patience
from refnet.ports import CrawlStore, PaperSource, Progress

T = TypeVar("T")

#: A request for one seed that failed so often, each time while the source answered another, is given up. Each may take
#: most of a minute, and a worker's task has five.
MOST_FAULTS = 5
#: One that can be made smaller is made so as soon as it is known whose fault it is.
FAULTS_TO_DIVIDE = 2


@dataclass(slots=True)
class Resolution:
    """Seeds whose papers are known, each paper once, and the rest with the reasons.

    `inputs` lists every resolved input.
    """

    seeds: list[CrawlSeed] = field(default_factory=list)
    inputs: list[tuple[str, str]] = field(default_factory=list)
    unresolved: list[Unresolved] = field(default_factory=list)


class SeedResolver:
    def __init__(self, source: PaperSource, store: CrawlStore, patience: Patience, progress: Progress) -> None:
        self._source = source
        self._store = store
        self._patience = patience
        self._progress = progress

    def resolve(self, seeds: Sequence[Seed], ask: Ask) -> Resolution:
        """Find the paper of each seed: by what is stored, then by its identifiers, then by its title.

        `ask` is what a seed is asked for, so that a crawl needs no second request for it.
        """
        found: dict[int, str] = {}
        reasons: dict[int, str] = {}
        keys = {index: [*map(str, seed.identifiers), *_title_keys(seed)] for index, seed in enumerate(seeds)}
        known = self._store.known(key for group in keys.values() for key in group)
        for index, group in keys.items():
            paper_id = next((known[key] for key in group if key in known), None)
            if paper_id is not None:
                found[index] = paper_id
        failed = self._by_identifier(seeds, found, reasons, ask)
        self._by_title(seeds, found, reasons)
        for index, why in failed.items():
            # What came of its title is not the whole of it: its paper may well be known by its identifier.
            if why != reasons[index]:
                reasons[index] = f"{why} Besides: {reasons[index]}"
        return self._result(seeds, found, reasons)

    def _by_identifier(
        self, seeds: Sequence[Seed], found: dict[int, str], reasons: dict[int, str], ask: Ask
    ) -> dict[int, str]:
        """Returns of the seeds with an identifier that was given up the reason."""
        failed: dict[int, str] = {}
        rounds = max((len(seed.identifiers) for seed in seeds), default=0)
        for turn in range(rounds):
            waiting = {
                index: str(seed.identifiers[turn])
                for index, seed in enumerate(seeds)
                if index not in found and turn < len(seed.identifiers)
            }
            texts = sorted(set(waiting.values()))
            # The lists of many papers at once could overflow the source's cap unseen: their counts are learnt first.
            shape = ask if len(texts) <= MOST_UNKNOWN else ask & ~Ask.CITATIONS
            answers: dict[str, Answer | None] = {}
            faults: dict[str, str] = {}
            for start in range(0, len(texts), self._source.limits.ids):
                self._progress.show("resolving seeds", requests=self._source.requests)
                answers.update(self._fetch(texts[start : start + self._source.limits.ids], shape, faults))
            for index, text in waiting.items():
                answer = answers.get(text)
                why = None if answer is None or turn == 0 else _why_doubtful(seeds[index], answer)
                if text in faults:
                    failed[index] = reasons[index] = faults[text]
                elif answer is None:
                    reasons.setdefault(index, f"{_SOURCE} knows no paper {text}")
                elif why is not None:
                    reasons[index] = f"{_SOURCE} knows no paper {seeds[index].identifiers[0]}, and {text} {why}"
                else:
                    found[index] = answer.paper_id
        return failed

    def _fetch(self, texts: list[str], ask: Ask, faults: dict[str, str]) -> dict[str, Answer | None]:
        """The answers, None for what is not known; of what was given up `faults` tells why."""
        answers: dict[str, Answer | None] = dict.fromkeys(texts)
        found = self._fetch_once(texts, ask, faults)
        answers |= found or {}
        # One bad identifier spoils a request. Two halves tell whether that is so, and where it is; or none is known.
        while found is None and len(texts) > 1:
            middle = len(texts) // 2
            spoilt = []
            for part in (texts[:middle], texts[middle:]):
                found = self._fetch_once(part, ask, faults)
                answers |= found or {}
                if found is None:
                    spoilt.append(part)
            if len(spoilt) != 1:
                break
            found, texts = None, spoilt[0]
        return answers

    def _fetch_once(self, texts: list[str], ask: Ask, faults: dict[str, str]) -> dict[str, Answer | None] | None:
        """The answers, which are stored, too; None when the source says that it knows none of them."""
        well = partial(self._source.fetch, [str(KNOWN.identifiers[0])], Ask.DETAILS)
        while True:
            most = FAULTS_TO_DIVIDE if len(texts) > 1 or Ask.REFERENCES in ask else MOST_FAULTS
            try:
                request = partial(self._source.fetch, texts, ask)
                rows = self._call(request, well, 1 if Ask.CITATIONS in ask else most)
            except NothingMatched:
                return None
            except (SourceUnavailable, PermanentError) as error:
                # A paper with a great many citations makes the request itself fail. Ask without them: their count
                # decides what is next.
                if Ask.CITATIONS in ask:
                    ask &= ~Ask.CITATIONS
                elif not isinstance(error, RequestTooLarge | SourceUnavailable):
                    return None
                elif len(texts) > 1:
                    middle = len(texts) // 2
                    return self._fetch(texts[:middle], ask, faults) | self._fetch(texts[middle:], ask, faults)
                elif Ask.REFERENCES in ask:
                    ask &= ~Ask.REFERENCES
                else:
                    faults[texts[0]] = _given_up(error)
                    return None
            else:
                answers = dict(zip(texts, rows, strict=True))
                found = {text: answer for text, answer in answers.items() if answer is not None}
                self._store.record_seeds(found, ask, self._source.limits)
                return answers

    def _by_title(self, seeds: Sequence[Seed], found: dict[int, str], reasons: dict[int, str]) -> None:
        for index, seed in enumerate(seeds):
            if index in found or not seed.title:
                continue
            title = seed.title
            self._progress.show("resolving seeds", requests=self._source.requests)
            try:
                match = self._call(
                    partial(self._source.match, title), partial(self._source.match, KNOWN.title or ""), MOST_FAULTS
                )
            except (SourceUnavailable, PermanentError) as error:
                reasons[index] = _given_up(error)
                continue
            if match is None:
                reasons[index] = f"{_SOURCE} finds no paper of this title"
                continue
            family = match.authors[0].name if match.authors else None
            why = why_not_same(seed, match.title, match.year, match.authors)
            if why is not None:
                reasons[index] = (
                    f"the nearest title found is {shown(plain_title(match.title))} "
                    f"({match.year or 'no year'}, {family or 'no author'}): {why}"
                )
                continue
            found[index] = match.paper_id
            self._store.remember(dict.fromkeys(_title_keys(seed), match.paper_id))

    def _call(self, request: Callable[[], T], well: Callable[[], object], most_faults: int) -> T:
        """Make a request until it is answered. `well` is one of its kind that is known to be well.

        Raises what is the request's own fault: PermanentError, or SourceUnavailable at the last of `most_faults`, after
        each other of which `well` was answered. Raises OutageTooLong and ConfigurationError.
        """
        faults = 0
        while True:
            try:
                answer = request()
            except CredentialsRejected as error:
                self._patience.refused(error)
            except TransientError as error:
                if not (isinstance(error, SourceUnavailable) and error.own_fault_possible):
                    self._patience.failed(error)
                elif faults + 1 == most_faults:
                    raise
                elif self._is_answered(well):
                    faults += 1
            else:
                self._patience.succeeded()
                return answer

    def _is_answered(self, well: Callable[[], object]) -> bool:
        """Whether the source answers this. Where it does not, it is away. Raises as `_call`."""
        try:
            well()
        except CredentialsRejected as error:
            self._patience.refused(error)
            return False
        except TransientError as error:
            self._patience.failed(error)
            return False
        except PermanentError:
            pass  # that it says so is an answer
        self._patience.succeeded()
        return True

    def _result(self, seeds: Sequence[Seed], found: dict[int, str], reasons: dict[int, str]) -> Resolution:
        result = Resolution()
        titles = self._store.titles(found.values())
        named: list[CrawlSeed] = []
        for index, seed in enumerate(seeds):
            paper_id = found.get(index)
            if paper_id is None:
                result.unresolved.append(
                    Unresolved(seed.input, reasons.get(index, "it gives neither an identifier nor a title"))
                )
                continue
            result.inputs.append((seed.input, paper_id))
            named.append(CrawlSeed(paper_id, seed.input, titles.get(paper_id, seed.title or ""), seed.citekey))
        result.seeds = each_once(named)
        return result


def each_once(seeds: Iterable[CrawlSeed]) -> list[CrawlSeed]:
    """Each paper as it was first named, with the first citation key that it has."""
    kept: dict[str, CrawlSeed] = {}
    for seed in seeds:
        first = kept.setdefault(seed.paper_id, seed)
        if first.citekey is None and seed.citekey is not None:
            kept[seed.paper_id] = replace(first, citekey=seed.citekey)
    return list(kept.values())


_SOURCE = "Semantic Scholar"


def _given_up(error: RefnetError) -> str:
    if isinstance(error, PermanentError):
        return str(error)
    return f"{error} It failed {MOST_FAULTS} times while other requests succeeded."


def _title_keys(seed: Seed) -> Iterable[str]:
    if not seed.title:
        return ()
    words = re.sub(r"\W+", " ", seed.title.casefold()).strip()
    return (f"title:{words}|{seed.year or ''}|{(seed.family or '').casefold()}",)


def _why_doubtful(seed: Seed, answer: Answer) -> str | None:
    """Why the paper of a further identifier may be another one: libraries hold wrong ids beside right ones."""
    if not seed.title or answer.paper is None:
        return None
    found = answer.paper
    why = why_not_same(seed, found.title, found.year, found.authors)
    return None if why is None else f"is {shown(plain_title(found.title))}: {why}"
