"""Which sentences of a paper say most of what it says: where they stand, times how central they are.

Sentences are vectors of tf·idf, and central is what resembles much that is central: PageRank (Brin and Page, 1998) over
their cosines, as LexRank does it (Erkan and Radev, JAIR 22, 2004). From the ranks those are taken that say something new:
maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998). All sums run in the order of the text, so that the
same text gives the same ranks to the last bit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

#: Sentences that the graph is built of; of a book those that stand best and hold most of its vocabulary.
LARGEST_GRAPH = 400
#: Pairs less alike than this are not joined.
THRESHOLD = 0.05
DAMPING = 0.85
ROUNDS = 30
#: How much being new counts against being central.
NOVELTY = 0.4
#: Sentences out of one section, as long as there are others.
MOST_OF_GROUP = 4

Vector = Mapping[str, float]


def vectors(texts: Sequence[Sequence[str]]) -> list[Vector]:
    """The terms of each sentence weighed by tf·idf, of length 1; idf over these sentences."""
    having = Counter(term for one in texts for term in dict.fromkeys(one))
    rarity = {term: math.log((1 + len(texts)) / (1 + count)) + 1 for term, count in having.items()}
    found: list[Vector] = []
    for one in texts:
        weights = {term: count * rarity[term] for term, count in Counter(one).items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values()))
        found.append({term: weight / length for term, weight in weights.items()} if length else {})
    return found


def cosine(one: Vector, other: Vector) -> float:
    """Of vectors of length 1."""
    if len(other) < len(one):
        one, other = other, one
    return sum(weight * other[term] for term, weight in one.items() if term in other)


def largest(scores: Sequence[float], count: int) -> list[int]:
    """The positions of the best scores, in order of position; of equals the first."""
    return sorted(sorted(range(len(scores)), key=lambda at: (-scores[at], at))[:count])


def near_the_middle(sentences: Sequence[Vector], priors: Sequence[float]) -> list[float]:
    """The cosine of each sentence with the sum of all, times its prior: a rank for one look at each sentence."""
    whole: dict[str, float] = {}
    for one in sentences:
        for term, weight in one.items():
            whole[term] = whole.get(term, 0.0) + weight
    return [
        prior * sum(weight * whole[term] for term, weight in one.items())
        for one, prior in zip(sentences, priors, strict=True)
    ]


def central(sentences: Sequence[Vector], priors: Sequence[float]) -> list[float]:
    """The PageRank of each sentence times their number, so that 1 is the mean; jumps go where the prior is high.

    The work grows with the square of the number of sentences: take no more than `LARGEST_GRAPH`.
    """
    count, whole = len(sentences), sum(priors)
    if not count or not whole:
        return [0.0] * count
    jumps = [prior / whole for prior in priors]
    links = _links(sentences)
    strength = [sum(weight for _, weight in ends) for ends in links]
    ranks = jumps
    for _ in range(ROUNDS):
        loose = sum(rank for rank, strong in zip(ranks, strength, strict=True) if not strong)
        gained = [(1 - DAMPING + DAMPING * loose) * jump for jump in jumps]
        for at, ends in enumerate(links):
            if ends:
                share = DAMPING * ranks[at] / strength[at]
                for other, weight in ends:
                    gained[other] += share * weight
        ranks = gained
    return [rank * count for rank in ranks]


def choose(
    scores: Sequence[float],
    sentences: Sequence[Vector],
    enough: Callable[[Sequence[int]], bool],
    groups: Sequence[int] | None = None,
) -> list[int]:
    """Positions in the order in which they are taken, until there are `enough`, or nothing with a score is left.

    What belongs to one of `groups` of which `MOST_OF_GROUP` are taken waits for all others.
    """
    best = max(scores, default=0.0)
    left = [at for at, score in enumerate(scores) if score > 0]
    nearest = dict.fromkeys(left, 0.0)
    held: Counter[int] = Counter()

    def worth(at: int) -> tuple[bool, float, int]:
        waits = groups is not None and held[groups[at]] >= MOST_OF_GROUP
        return not waits, (1 - NOVELTY) * scores[at] / best - NOVELTY * nearest[at], -at

    taken: list[int] = []
    while left and not enough(taken):
        chosen = max(left, key=worth)
        taken.append(chosen)
        left.remove(chosen)
        if groups is not None:
            held[groups[chosen]] += 1
        for at in left:
            nearest[at] = max(nearest[at], cosine(sentences[chosen], sentences[at]))
    return taken


def _links(sentences: Sequence[Vector]) -> list[list[tuple[int, float]]]:
    holders: dict[str, list[int]] = {}
    for at, one in enumerate(sentences):
        for term in one:
            holders.setdefault(term, []).append(at)
    links: list[list[tuple[int, float]]] = [[] for _ in sentences]
    for at, one in enumerate(sentences):
        alike: dict[int, float] = {}
        for term, weight in one.items():
            for other in holders[term]:
                if other < at:
                    alike[other] = alike.get(other, 0.0) + weight * sentences[other][term]
        for other in sorted(alike):
            if alike[other] >= THRESHOLD:
                links[at].append((other, alike[other]))
                links[other].append((at, alike[other]))
    return links
