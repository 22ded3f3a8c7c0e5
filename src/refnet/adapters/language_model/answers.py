"""What a model wrote, read as data: of the right form, of bounded length, plain text, and nothing of the prompt in it.

Whether it is true is for `domain.verification`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import Any

from refnet.adapters.language_model.addresses import names_a_place
from refnet.adapters.language_model.prompt import own_words
from refnet.domain import inert
from refnet.domain.paper_text import folded
from refnet.domain.sentences import split_sentences
from refnet.domain.summaries import Finding

#: More, or longer, is no answer. Characters but for the numbers of things.
MOST_SENTENCES, MOST_FINDINGS, MOST_KEYWORDS = 12, 15, 20
LONGEST_SENTENCE, LONGEST_CLAIM, LONGEST_QUOTE, LONGEST_KEYWORD = 900, 600, 1_500, 60
_WITHIN_WORDS = re.compile(r"(?<=[A-Za-z0-9-])[．｡。](?=[a-z])")
#: Letters and digits in a row that an answer may share with the prompt.
_SHARED = 32


class NotUsable(ValueError):
    """An answer that is not what was asked for; the message says why, for the model to read."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """Sentences, findings that nobody has verified yet, and keywords. `dropped` are the sentences and findings that did not
    come this far.
    """

    sentences: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    keywords: tuple[str, ...] = ()
    dropped: int = 0

    def document(self) -> dict[str, Any]:
        """As JSON, to be kept."""
        return {
            "sentences": list(self.sentences),
            "findings": [[one.claim, one.quote, one.page] for one in self.findings],
            "keywords": list(self.keywords),
            "dropped": self.dropped,
        }

    @classmethod
    def from_document(cls, kept: Any) -> ModelAnswer:
        return cls(
            tuple(kept["sentences"]),
            tuple(Finding(*one) for one in kept["findings"]),
            tuple(kept["keywords"]),
            kept["dropped"],
        )


def read_answer(text: str, mark: str) -> ModelAnswer:
    """`mark` is the prompt's own. Sentences and findings with addresses or with words of the prompt are dropped.

    Raises NotUsable.
    """
    body = _object(text)
    plain = _Plain(mark)
    said = body.get("summary")
    if isinstance(said, str):
        said = [said]
    given = [one for text in _texts(said, "summary") for one in split_sentences(_with_dots(inert.clean(text)))]
    if len(given) > MOST_SENTENCES or any(len(one) > LONGEST_SENTENCE for one in given):
        raise NotUsable("the summary is too long")
    sentences = plain.of(given)
    found = body.get("findings")
    if not isinstance(found, list) or not found:
        raise NotUsable("there are no findings")
    if len(found) > MOST_FINDINGS:
        raise NotUsable("there are too many findings")
    findings = [finding for one in found if (finding := _finding(one, plain)) is not None]
    if not sentences:
        raise NotUsable("there is no summary")
    keywords = [inert.clean(one) for one in _texts(body.get("keywords", []), "keywords")[:MOST_KEYWORDS]]
    return ModelAnswer(
        sentences,
        tuple(findings),
        tuple(one for one in keywords if one and len(one) <= LONGEST_KEYWORD and plain.allows(one)),
        len(given) - len(sentences) + len(found) - len(findings),
    )


def _with_dots(text: str) -> str:
    """Between Latin letters the full stops of Japanese end no sentence, but may be in an address."""
    return _WITHIN_WORDS.sub(".", text)


@lru_cache(maxsize=1)
def _prompt_pieces() -> frozenset[str]:
    return frozenset(
        plain[at : at + _SHARED]
        for words in own_words()
        for plain in [folded(words)]
        for at in range(len(plain) - _SHARED + 1)
    )


@dataclass(frozen=True, slots=True)
class _Plain:
    """Tells text that may be kept."""

    mark: str
    shared: frozenset[str] = field(default_factory=_prompt_pieces, repr=False)

    def of(self, sentences: list[str]) -> tuple[str, ...]:
        """Those that may be kept; words of the prompt may go over several sentences."""
        words = [folded(one) for one in sentences]
        ends = list(accumulate(map(len, words)))
        leaks = self._leaks("".join(words))
        return tuple(
            one
            for one, length, end in zip(sentences, map(len, words), ends, strict=True)
            if not self._points_elsewhere(one) and not any(at < end and at + _SHARED > end - length for at in leaks)
        )

    def allows(self, text: str) -> bool:
        return bool(self.of([text]))

    def _points_elsewhere(self, text: str) -> bool:
        return names_a_place(text) or self.mark in text

    def _leaks(self, words: str) -> list[int]:
        """Where words of the prompt begin."""
        return [at for at in range(len(words) - _SHARED + 1) if words[at : at + _SHARED] in self.shared]


def _finding(one: object, plain: _Plain) -> Finding | None:
    if not isinstance(one, Mapping):
        return None
    claim, quote = one.get("claim"), one.get("quote")
    if not isinstance(claim, str) or not isinstance(quote, str):
        return None
    claim, quote = inert.clean(claim), inert.clean(quote)
    if not claim or not quote or len(claim) > LONGEST_CLAIM or len(quote) > LONGEST_QUOTE or not plain.allows(claim):
        return None
    return Finding(claim, quote, _page(one.get("page")))


def _page(page: object) -> int:
    """0, which is no page, for what is no number: where the quote stands is looked up anyway."""
    if isinstance(page, str) and page.isascii() and page.isdigit() and len(page) < 7:
        return int(page)
    return page if isinstance(page, int) and 0 < page < 1_000_000 else 0


def _texts(value: object, name: str) -> list[str]:
    if not isinstance(value, list):
        raise NotUsable(f"there is no {name}, or it is not a list of texts")
    return [one for one in value if isinstance(one, str)]


def _object(text: str) -> Mapping[str, Any]:
    """The JSON object, alone or with words or a fence around it."""
    start, end = text.find("{"), text.rfind("}")
    try:
        body = json.loads(text[start : end + 1]) if 0 <= start < end else None
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, Mapping):
        raise NotUsable("it is not a JSON object")
    return body
