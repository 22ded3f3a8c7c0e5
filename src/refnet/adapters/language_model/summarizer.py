"""Summaries by a language model: the port `DocumentSummarizer`.

What a model says is believed as far as the paper bears it out; where it cannot be had, the summary is the fallback's, and
says why.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from refnet.adapters.language_model.answers import ModelAnswer
from refnet.adapters.language_model.asking import GaveUp, TooLong
from refnet.adapters.language_model.ladder import Ladder, Patience, Purse, answer_key
from refnet.adapters.language_model.packing import CAP, MOST_PARTS, Packing, pack
from refnet.adapters.language_model.prompt import PROMPT, prompt
from refnet.adapters.language_model.providers import LanguageModel
from refnet.domain import inert
from refnet.domain.documents import Document, FoundPdf
from refnet.domain.errors import RateLimited, SourceUnavailable, TransientError
from refnet.domain.faults import UNREAD, WRONG_NUMBERS
from refnet.domain.paper_text import PaperText
from refnet.domain.papers import Paper
from refnet.domain.sentences import join_sentences
from refnet.domain.summaries import FULL_TEXT, Finding, Provenance, Summary
from refnet.domain.verification import Verified, verify
from refnet.ports import DocumentSummarizer

#: Keywords of a summary at the most; the authors' own stand first.
KEYWORDS = 10
#: A model that takes less than CAP is given this part of it, best sections first, in one request.
_SHORTER = 3
#: Seconds for which a model that gave no answer is left alone, where nobody waits for it.
_AWAY = 60.0
_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


class ModelSummarizer:
    """Summarises with `model`, within what `purse` lets it spend.

    `waits`: where a model that is away is worth coming back for, as it is for workers, RateLimited or SourceUnavailable is
    raised. Otherwise the fallback makes the summary at once, and the model is left alone for a minute.
    """

    def __init__(
        self,
        model: LanguageModel,
        purse: Purse,
        fallback: DocumentSummarizer,
        *,
        waits: bool = True,
        cap_tokens: int = CAP,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model.client.model
        self._address = model.client.address
        self._ladder = Ladder(model.client, model.price, purse)
        self._fallback = fallback
        self._waits = waits
        self._cap = cap_tokens
        self._sleep = sleep
        self._clock = clock
        self._away_until = 0.0
        self._away = ""

    def summarize(
        self, paper: Paper, document: Document, found: FoundPdf, lang: str, *, last_try: bool = False
    ) -> Summary:
        """With `last_try` nobody comes again, so that a model that is away is not worth an error.

        Raises ConfigurationError for a model, key or address that is wrong (a key is tried once); where it `waits`, RateLimited and
        SourceUnavailable; and what the store raises.
        """
        waits = self._waits and not last_try
        try:
            if not waits and self._clock() < self._away_until:
                raise GaveUp(self._away)
            try:
                return self._summarize(paper, document, found, lang, Patience(waits, self._sleep))
            except TransientError as error:
                if waits or not _is_the_models(error):
                    raise
                self._away = f"the model gave no answer: {str(error).rstrip('.')}"
                self._away_until = self._clock() + max(_AWAY, error.retry_after or 0.0)
                raise GaveUp(self._away) from error
        except GaveUp as error:
            return self._offline(paper, document, found, lang, error)

    def _summarize(self, paper: Paper, document: Document, found: FoundPdf, lang: str, patience: Patience) -> Summary:
        text = PaperText.of(document)
        dropped: Counter[str] = Counter()
        packing = pack(document, self._cap, MOST_PARTS)
        if not packing.parts:
            raise GaveUp("the paper has no text that a model could be given")
        try:
            answer, key = self._answer(paper, packing, found, lang, text, patience, dropped)
        except TooLong as error:
            packing = pack(document, self._cap // _SHORTER, 1)
            dropped.clear()
            try:
                answer, key = self._answer(paper, packing, found, lang, text, patience, dropped)
            except TooLong:
                raise GaveUp(str(error)) from error
        verified = _verified(answer, text, dropped)
        sentences = [one for one in answer.sentences if text.states_numbers_of(one)]
        if not (verified.findings and sentences):
            self._ladder.forget(key)
        if not verified.findings:
            number, why = dropped.total(), _told(dropped)
            raise GaveUp(
                f"the one finding that the model named does not stand in the paper ({why})"
                if number == 1
                else f"none of the {number} findings that the model named stands in the paper ({why})",
                dropped=number,
            )
        if wrong := len(answer.sentences) - len(sentences):
            dropped[WRONG_NUMBERS] += wrong
        if not sentences:
            raise GaveUp(
                f"every sentence of the model's summary has a number that is not in the paper ({_told(dropped)})",
                dropped=dropped.total(),
            )
        said = join_sentences(sentences)
        return Summary(
            said,
            FULL_TEXT,
            verified.findings,
            _keywords(document, answer, text),
            lang="ja" if len(_JAPANESE.findall(said)) * 5 > len(said) else "en",
            provenance=Provenance(
                found.url,
                found.sha256,
                document.pages,
                document.pages_read,
                model=self._model,
                prompt=PROMPT,
                dropped=dropped.total(),
                dropped_why=_told(dropped),
                hidden=document.hidden.characters,
                left_out=packing.left_out,
                damaged_pages=len(document.damaged_pages),
                picture_pages=len(document.picture_pages),
            ),
        )

    def _answer(
        self,
        paper: Paper,
        packing: Packing,
        found: FoundPdf,
        lang: str,
        text: PaperText,
        patience: Patience,
        dropped: Counter[str],
    ) -> tuple[ModelAnswer, str]:
        """The answer to the whole paper, and what it is kept under; of a long one, made of the answers to its parts, what is
        `dropped` of which is counted by the reason.
        """
        title = f"Title: {inert.clean(paper.title)[:500]}\n"
        if len(packing.parts) == 1:
            return self._asked(title + packing.parts[0].text, found, lang, "whole", patience)
        reports: list[str] = []
        keywords: tuple[str, ...] = ()
        for number, part in enumerate(packing.parts, 1):
            role = f"part {number}/{len(packing.parts)}"
            answer, _ = self._asked(title + part.text, found, lang, role, patience)
            # What is false in a part is not handed on.
            verified = _verified(answer, text, dropped)
            keywords += answer.keywords
            reports.append(_report(number, answer.sentences, verified.findings))
        whole, key = self._asked(title + "\n".join(reports), found, lang, "reduce", patience)
        return replace(whole, keywords=(*whole.keywords, *keywords)), key

    def _asked(self, packed: str, found: FoundPdf, lang: str, role: str, patience: Patience) -> tuple[ModelAnswer, str]:
        key = answer_key(found.sha256, self._model, self._address, lang, role, packed)
        return self._ladder.answer(key, prompt(packed, lang, role), patience), key

    def _offline(self, paper: Paper, document: Document, found: FoundPdf, lang: str, why: GaveUp) -> Summary:
        summary = self._fallback.summarize(paper, document, found, lang)
        made = summary.provenance or Provenance(
            found.url,
            found.sha256,
            document.pages,
            document.pages_read,
            hidden=document.hidden.characters,
            damaged_pages=len(document.damaged_pages),
            picture_pages=len(document.picture_pages),
        )
        return replace(summary, provenance=replace(made, fallback=str(why), dropped=made.dropped + why.dropped))


def _verified(answer: ModelAnswer, text: PaperText, dropped: Counter[str]) -> Verified:
    """What of an answer stands up to the paper; what does not is added to `dropped`, by the reason."""
    verified = verify(answer.findings, text)
    dropped.update(verified.reasons)
    if answer.dropped:
        dropped[UNREAD] += answer.dropped
    return verified


def _told(dropped: Counter[str]) -> str:
    return ", ".join(f"{number:,} {why}" for why, number in dropped.most_common())


def _is_the_models(error: TransientError) -> bool:
    """And not the database's."""
    return isinstance(error, (RateLimited, SourceUnavailable))


def _report(number: int, sentences: tuple[str, ...], findings: tuple[Finding, ...]) -> str:
    lines = [f"## Part {number}", *sentences]
    lines += [f'- {one.claim} Quote: "{one.quote}" [p. {one.page}]' for one in findings]
    return "\n".join(lines)


def _keywords(document: Document, answer: ModelAnswer, text: PaperText) -> tuple[str, ...]:
    kept: dict[str, str] = {}
    for one in (*document.keywords, *(word for word in answer.keywords if text.holds(word))):
        kept.setdefault(one.casefold(), one)
    return tuple(kept.values())[:KEYWORDS]
