"""Titles found by their words, as loosely as the service does it: the best match may be another paper."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable

_WORD = re.compile(r"\w+")
_SIMILAR = 0.5
"""Least share of the query's words, by weight, that a title has to hold."""


class TitleIndex:
    """An inverted index over titles, in the order in which they are given."""

    def __init__(self, titles: Iterable[str]) -> None:
        self._holders: dict[str, array[int]] = {}
        self._lengths = array("I")
        for index, title in enumerate(titles):
            words = _words(title)
            self._lengths.append(len(words))
            for word in words:
                self._holders.setdefault(word, array("I")).append(index)

    def find(self, query: str) -> list[tuple[float, int]]:
        """(score, index) of each similar title, best first.

        Rare words weigh more; among titles that hold the same words of the query the shortest comes first.
        """
        words = _words(query)
        weights = {word: self._weight(word) for word in words}
        total = sum(weights.values())
        if not total:
            return []
        scores: dict[int, float] = {}
        for word in words:
            for index in self._holders.get(word, ()):
                scores[index] = scores.get(index, 0.0) + weights[word]
        found = [
            (round(score * 20 / (1 + 0.02 * self._lengths[index]), 5), index)
            for index, score in scores.items()
            if score >= _SIMILAR * total
        ]
        return sorted(found, key=lambda pair: (-pair[0], pair[1]))

    def _weight(self, word: str) -> float:
        return math.log(1 + (len(self._lengths) + 1) / (1 + len(self._holders.get(word, ()))))


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))
