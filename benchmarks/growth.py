"""How a synthetic citation graph grows: a copy model in generations, each a fiftieth of what is there.

A new paper takes each reference either from a recent paper's list (copying), or from a small set of famous papers,
or afresh among the recent ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indexes = NDArray[np.int32]
Offsets = NDArray[np.int64]

_FOUNDERS = 200  # papers without references


@dataclass(frozen=True)
class Model:
    """How a graph grows. Shares are of references; what is neither famous nor copied is fresh."""

    copied: float
    famous: float
    """Before copying, which spreads famous papers further."""
    stars: int
    """Number of famous papers; the k-th is chosen with a weight of (k + flat) ** -steep."""
    steep: float
    flat: float
    recent: float = 0.1
    """Mean age of a fresh reference, as a share of all papers so far."""


MODELS = {
    "moderate": Model(copied=0.5, famous=0.029, stars=4_000, steep=0.85, flat=8.0),
    "hub-heavy": Model(copied=0.5, famous=0.071, stars=120, steep=1.4, flat=9.0),
}


def grow(model: Model, papers: int, seed: int) -> tuple[Offsets, Indexes]:
    """Reference lists, oldest paper first: paper i cites `cited[offsets[i] : offsets[i + 1]]`."""
    dice = np.random.default_rng(seed)
    wanted = np.clip(dice.lognormal(np.log(35 * 1.11) - 0.18, 0.6, papers), 3, 180).astype(np.int64)
    wanted[:_FOUNDERS] = 0
    offsets: Offsets = np.zeros(papers + 1, np.int64)
    cited: Indexes = np.empty(int(wanted.sum()), np.int32)
    stars = _choose_stars(dice, model, papers)
    for first, last in _generations(papers):
        own = np.repeat(np.arange(first, last), wanted[first:last])
        picks = _recent(dice, model, first, len(own))
        _copy(dice, model, first, last, own, picks, offsets, cited)
        _star_gaze(dice, model, stars[stars < first], picks)
        # A paper cites another once, so a few picks are lost.
        edges = np.unique(own * np.int64(papers) + picks)
        start = offsets[first]
        cited[start : start + len(edges)] = edges % papers
        per_paper = np.bincount(edges // papers - first, minlength=last - first)
        offsets[first + 1 : last + 1] = start + np.cumsum(per_paper)
    return offsets, cited[: offsets[-1]]


def _generations(papers: int) -> Iterator[tuple[int, int]]:
    """Papers that appear together, and so do not cite one another."""
    first = _FOUNDERS
    while first < papers:
        last = min(papers, first + max(50, first // 50))
        yield first, last
        first = last


def _choose_stars(dice: np.random.Generator, model: Model, papers: int) -> Offsets:
    eligible = np.arange(_FOUNDERS // 2, max(papers // 15, _FOUNDERS))
    return np.sort(dice.choice(eligible, min(model.stars, len(eligible)), replace=False))


def _recent(dice: np.random.Generator, model: Model, first: int, number: int) -> Offsets:
    ages = dice.exponential(model.recent * first, number) % first
    picked: Offsets = first - 1 - ages.astype(np.int64)
    return picked


def _copy(
    dice: np.random.Generator,
    model: Model,
    first: int,
    last: int,
    own: Offsets,
    picks: Offsets,
    offsets: Offsets,
    cited: Indexes,
) -> None:
    """Replace a share of the picks by references of three recent papers that each new one has read."""
    read = _recent(dice, model, first, 3 * (last - first)).reshape(-1, 3)
    model_paper = read[own - first, dice.integers(0, 3, len(own))]
    lengths = offsets[model_paper + 1] - offsets[model_paper]
    places = offsets[model_paper] + (dice.random(len(own)) * lengths).astype(np.int64)
    copied = (dice.random(len(own)) < model.copied) & (lengths > 0)
    picks[copied] = cited[places[copied]]


def _star_gaze(dice: np.random.Generator, model: Model, stars: Offsets, picks: Offsets) -> None:
    """Replace a share of the picks by famous papers."""
    if not len(stars):
        return
    weights = np.cumsum((np.arange(len(stars)) + model.flat) ** -model.steep)
    gazing = dice.random(len(picks)) < model.famous
    places = np.searchsorted(weights, dice.random(int(gazing.sum())) * weights[-1], side="right")
    picks[gazing] = stars[places]
