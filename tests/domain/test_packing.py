from __future__ import annotations

import random
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.crawl import Limits
from refnet.domain.packing import Load, pack

LIMITS = Limits()
CAP = 9_999


def packed(loads: list[Load], limits: Limits) -> list[list[Load]]:
    """Requests until nothing is left."""
    rest = {load.paper_id: load for load in loads}
    requests = []
    while rest:
        chosen = pack(rest.values(), limits)
        assert chosen, "no progress"
        for load in chosen:
            del rest[load.paper_id]  # KeyError where one is chosen twice
        requests.append(chosen)
    return requests


def keep_caps(requests: list[list[Load]], limits: Limits) -> None:
    for request in requests:
        assert len(request) <= limits.ids
        if len(request) > 1:
            assert sum(load.citations for load in request) <= limits.citations
            assert sum(load.size for load in request) <= limits.size


def bound(loads: list[Load], limits: Limits) -> int:
    """No packing of papers that fit can do with fewer; the caps are the service's own."""
    return max(
        ceil(len(loads) / limits.ids),
        ceil(sum(load.citations for load in loads) / (limits.citations * CAP / 9_500)),
        ceil(sum(load.size for load in loads) / (limits.size * 10 / 9)),
    )


def moderate(seed: int, count: int, heaviest: int) -> list[Load]:
    """Citation counts as a field has them: most small, few large."""
    draw = random.Random(seed)
    counts = [min(heaviest, int(draw.paretovariate(0.9) * 5)) for _ in range(count)]
    return [Load(f"{n:05}", citations, 11_600 + 220 * citations) for n, citations in enumerate(counts)]


@st.composite
def many_loads(draw: st.DrawFn) -> list[Load]:
    """More than one request, of papers that each take a tenth of one at the most."""
    return moderate(draw(st.integers(0, 10**6)), draw(st.integers(20, 2_500)), draw(st.integers(5, 950)))


@st.composite
def any_loads(draw: st.DrawFn) -> list[Load]:
    weights = draw(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), min_size=1, max_size=25))
    return [Load(f"{n:02}", citations, size) for n, (citations, size) in enumerate(weights)]


@given(any_loads(), st.integers(1, 6))
def test_caps_are_kept_and_nothing_is_lost(loads: list[Load], ids: int) -> None:
    limits = Limits(ids=ids, citations=10, size=10)
    requests = packed(loads, limits)
    keep_caps(requests, limits)
    assert sorted(load.paper_id for request in requests for load in request) == [load.paper_id for load in loads]


@given(any_loads(), st.randoms(use_true_random=False))
def test_the_choice_does_not_hang_on_the_order_given(loads: list[Load], draw: random.Random) -> None:
    limits = Limits(ids=5, citations=10, size=10)
    shuffled = draw.sample(loads, len(loads))
    assert pack(shuffled, limits) == pack(loads, limits)


@given(many_loads())
def test_moderate_papers_need_few_requests(loads: list[Load]) -> None:
    requests = packed(loads, LIMITS)
    keep_caps(requests, LIMITS)
    assert len(requests) <= 1.25 * bound(loads, LIMITS) + 1


@pytest.mark.parametrize("seed", range(5))
def test_a_large_field_stays_within_a_quarter_of_the_bound(seed: int) -> None:
    loads = moderate(seed, 5_000, 2_000)
    requests = packed(loads, LIMITS)
    assert len(requests) <= 1.25 * bound(loads, LIMITS)


def test_light_papers_fill_a_request() -> None:
    loads = [Load(f"{n:04}", 3, 5_000) for n in range(1_000)]
    assert [len(request) for request in packed(loads, LIMITS)] == [500, 500]


def test_a_paper_too_heavy_for_any_request_goes_alone_and_lets_the_others_be() -> None:
    light = [Load(f"{n:03}", 1, 5_000) for n in range(100)]
    requests = packed([*light, Load("heavy", 50_000, 5_000)], LIMITS)
    assert [len(request) for request in requests] == [100, 1]


@pytest.mark.parametrize("citations", [0, 900])
def test_a_paper_of_too_many_bytes_goes_alone_and_lets_the_others_be(citations: int) -> None:
    light = [Load(f"{n:03}", 1, 5_000) for n in range(100)]
    requests = packed([*light, Load("long", citations, 80_000_000)], LIMITS)
    assert [len(request) for request in requests] == [100, 1]


def test_one_long_paper_that_does_not_fit_does_not_end_the_request() -> None:
    light = [Load(f"{n:03}", 1, 50_000) for n in range(40)]
    long = [Load(f"long {n}", 900, 6_000_000) for n in range(2)]
    assert len(packed([*light, *long], LIMITS)) == 2


def test_no_papers_make_no_request() -> None:
    assert pack([], LIMITS) == []
