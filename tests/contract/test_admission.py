from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.store import Store
from refnet.domain.crawl import Ask, Candidate
from refnet.domain.crawls import CrawlState
from refnet.domain.papers import Answer, Direction, Listing, ListState, Page, Stub
from tests.contract.conftest import Clock
from tests.contract.making import CITATIONS, LIMITS, REFERENCES, answer, claimed, open_crawl, stubs, work_off


def found(store: Store, direction: Direction, *papers: str) -> dict[str, int]:
    """Candidates next to papers, with their links."""
    return {one.paper_id: one.links for one in store.seed_neighbours(papers, direction)}


def world(edges: str, **details: Mapping[str, object]) -> dict[str, Answer | None]:
    """A source that knows the papers of edges written `a>b`, a citing b, separated by spaces."""
    pairs = [tuple(edge.split(">")) for edge in edges.split()]
    names = sorted({name for pair in pairs for name in pair})
    return {
        name: answer(
            name,
            [row(cited, details) for citing, cited in pairs if citing == name],
            [row(citing, details) for citing, cited in pairs if cited == name],
        )
        for name in names
    }


def row(name: str, details: Mapping[str, Mapping[str, object]]) -> Stub:
    known = details.get(name, {})
    return Stub(name, f"Title of {name}", known.get("year"), known.get("citation_count"), 0)  # type: ignore[arg-type]


# Candidates


def test_candidates_are_what_the_lists_of_the_direction_name(store: Store) -> None:
    store.record_seeds({"s": answer("s", ["r", "m"], ["c", "m"])}, Ask.DETAILS | Ask.REFERENCES | Ask.CITATIONS, LIMITS)
    assert found(store, Direction.BOTH, "s") == {"r": 1, "c": 1, "m": 1}
    assert found(store, Direction.REFERENCES, "s") == {"r": 1, "m": 1}
    assert found(store, Direction.CITATIONS, "s") == {"c": 1, "m": 1}


def test_two_papers_that_cite_each_other_are_joined_by_one_link(store: Store) -> None:
    ask = Ask.DETAILS | Ask.REFERENCES | Ask.CITATIONS
    store.record_seeds({"s": answer("s", ["m"], ["m"]), "t": answer("t", ["m"], [])}, ask, LIMITS)
    assert found(store, Direction.BOTH, "s", "t") == {"m": 2}


def test_an_edge_seen_only_in_the_list_of_the_far_end_does_not_count(store: Store) -> None:
    """What another crawl has looked at must not change which papers this one takes."""
    ask = Ask.DETAILS | Ask.REFERENCES | Ask.CITATIONS
    store.record_seeds({"s": answer("s", [], []), "far": answer("far", ["s"], ["s"])}, ask, LIMITS)
    assert found(store, Direction.BOTH, "s") == {}


def test_candidates_carry_what_the_list_said_of_them(store: Store) -> None:
    store.record_seeds({"s": answer("s", [Stub("r", "R", 1999, 12, 3)])}, Ask.DETAILS | Ask.REFERENCES, LIMITS)
    assert store.seed_neighbours(["s"], Direction.REFERENCES) == [Candidate("r", 1, 12, 1999)]


# Crawls


def test_the_last_depth_is_asked_for_references_and_never_for_citations(store: Store) -> None:
    source = world("s>a a>b c>s")
    crawl_id = open_crawl(store, "s", depth=1)
    waves = work_off(store, crawl_id, source)
    assert [(wave.paper_ids, wave.ask) for wave in waves] == [
        (["s"], Ask.DETAILS | Ask.REFERENCES | Ask.CITATIONS),
        (["a", "c"], Ask.DETAILS | Ask.REFERENCES),
    ]
    assert store.collected(crawl_id) == ["a", "c", "s"]
    assert store.edges(crawl_id) == [("c", "s"), ("s", "a")]
    crawl = store.crawl(crawl_id)
    assert (crawl.state, crawl.members, crawl.collected, crawl.citations) == (CrawlState.FINISHED, 3, 3, 2)
    assert store.tally(crawl_id) == (3, 3)


def test_no_depth_collects_the_seeds_alone(store: Store) -> None:
    crawl_id = open_crawl(store, "s", "t", depth=0)
    work_off(store, crawl_id, world("s>a t>a"))
    assert store.collected(crawl_id) == ["s", "t"]


def test_the_most_linked_are_collected_first_then_the_most_urgent(store: Store) -> None:
    source = world(
        "s>linked t>linked s>cited s>new s>plain",
        cited={"citation_count": 5_000},
        new={"citation_count": 50, "year": 2021},
    )
    for limit, last in ((3, "linked"), (4, "cited"), (5, "new"), (6, "plain")):
        crawl_id = open_crawl(store, "s", "t", limit=limit)
        before = set(store.collected(crawl_id))
        work_off(store, crawl_id, source)
        assert last in set(store.collected(crawl_id)) - before
        assert len(store.collected(crawl_id)) == limit


def test_seeds_are_collected_even_beyond_the_limit(store: Store) -> None:
    crawl_id = open_crawl(store, "s", "t", "u", limit=2)
    work_off(store, crawl_id, world("s>a t>a u>a"))
    assert store.collected(crawl_id) == ["s", "t", "u"]


def test_a_paper_that_the_source_does_not_know_gives_its_place_to_the_next(store: Store) -> None:
    source = world("s>a s>b s>c s>d")
    crawl_id = open_crawl(store, "s", limit=3)
    work_off(store, crawl_id, {**source, "a": None, "b": None})
    assert store.collected(crawl_id) == ["c", "d", "s"]
    assert (store.missing(crawl_id), store.crawl(crawl_id).missing) == (["a", "b"], 2)


def test_a_depth_is_finished_before_the_next_is_begun(store: Store) -> None:
    source = world("s>a s>b a>x b>x a>y")
    crawl_id = open_crawl(store, "s", depth=2, limit=4)
    work_off(store, crawl_id, source)
    assert store.collected(crawl_id) == ["a", "b", "s", "x"]  # x has two links, which only both of a and b tell


CORPUS = [(draw.randrange(60), draw.randrange(60)) for draw in [random.Random(5)] for _ in range(200)]
GRAPH = " ".join(f"p{citing:02}>p{cited:02}" for citing, cited in CORPUS if citing != cited)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize(
    "steps",
    [
        [(1, 5), (1, 12), (2, 12), (2, 30), (3, 55)],
        [(0, 1), (1, 200), (2, 20), (3, 40)],
        [(3, 2), (3, 3), (3, 4), (3, 55)],
    ],
)
def test_a_larger_limit_or_depth_only_adds_and_ends_where_a_direct_crawl_does(
    store: Store, direction: Direction, steps: list[tuple[int, int]]
) -> None:
    source = world(GRAPH)
    before: set[str] = set()
    for depth, limit in steps:
        crawl_id = open_crawl(store, "p00", "p01", depth=depth, limit=limit, direction=direction)
        work_off(store, crawl_id, source)
        after = set(store.collected(crawl_id))
        assert before <= after
        before = after
    depth, limit = max(depth for depth, _ in steps), max(limit for _, limit in steps)
    assert before == direct(store, direction, depth, limit)


def direct(store: Store, direction: Direction, depth: int, limit: int) -> set[str]:
    """The same crawl in one go, under names of its own in the same database."""
    renamed = GRAPH.replace("p", "q")
    crawl_id = open_crawl(store, "q00", "q01", depth=depth, limit=limit, direction=direction)
    work_off(store, crawl_id, world(renamed))
    return {paper_id.replace("q", "p") for paper_id in store.collected(crawl_id)}


def test_a_smaller_depth_or_limit_takes_nothing_away(store: Store) -> None:
    source = world("s>a s>b a>x")
    crawl_id = open_crawl(store, "s", depth=2, limit=10)
    work_off(store, crawl_id, source)
    assert open_crawl(store, "s", depth=0, limit=1) == crawl_id
    assert work_off(store, crawl_id, source) == []
    assert store.collected(crawl_id) == ["a", "b", "s", "x"]
    assert (store.crawl(crawl_id).depth, store.crawl(crawl_id).limit) == (2, 10)


def test_another_direction_is_another_crawl(store: Store) -> None:
    assert open_crawl(store, "s") != open_crawl(store, "s", direction=Direction.REFERENCES)


def test_a_finished_crawl_asked_for_again_makes_no_request(store: Store) -> None:
    source = world(GRAPH)
    crawl_id = open_crawl(store, "p00", depth=2)
    assert work_off(store, crawl_id, source)
    open_crawl(store, "p00", depth=2)
    assert work_off(store, crawl_id, source) == []


def test_a_crawl_asks_nothing_that_another_has_asked(store: Store) -> None:
    source = world("s>a t>a a>x")
    first = open_crawl(store, "s", depth=1)
    work_off(store, first, source)
    second = open_crawl(store, "t", depth=1)
    assert [wave.paper_ids for wave in work_off(store, second, source)] == [["t"]]
    assert store.collected(second) == ["a", "t"]
    third = open_crawl(store, "a", depth=1)
    # What was never asked for is not asked for again: the citations of `a`.
    waves = work_off(store, third, source)
    assert [(wave.paper_ids, wave.ask) for wave in waves] == [
        (["a"], Ask.CITATIONS),
        (["x"], Ask.DETAILS | Ask.REFERENCES),
    ]


def test_what_other_crawls_have_seen_does_not_change_which_papers_are_taken(store: Store) -> None:
    source = world("s>a s>b b>s t>b t>s x>b y>b")
    alone = open_crawl(store, "s", limit=2, direction=Direction.REFERENCES)
    work_off(store, alone, source)
    work_off(store, open_crawl(store, "b", depth=2), source)
    work_off(store, open_crawl(store, "t", depth=2), source)
    again = open_crawl(store, "s", "t", limit=4, direction=Direction.REFERENCES)
    work_off(store, again, source)
    assert store.collected(alone) == ["a", "s"]
    assert store.collected(again) == ["a", "b", "s", "t"]


def test_a_dead_paper_does_not_hold_up_the_crawl(store: Store) -> None:
    source = world("s>a s>b a>x b>y")
    crawl_id = open_crawl(store, "s", depth=2)
    store.advance(crawl_id, LIMITS)
    store.record_wave(claimed(store), [source["s"]], LIMITS)
    store.advance(crawl_id, LIMITS)
    store.release(claimed(store), share=1)
    dead = claimed(store)
    store.bury(dead, "it will not do")
    work_off(store, crawl_id, source)
    assert store.crawl(crawl_id).state is CrawlState.FINISHED
    assert store.collected(crawl_id) == (["b", "s", "y"] if dead.paper_ids == ["a"] else ["a", "s", "x"])


# Refresh (contract §7.4)


def test_a_refresh_asks_again_for_what_is_older(store: Store, clock: Clock) -> None:
    source = world("s>a s>b")
    crawl_id = open_crawl(store, "s")
    work_off(store, crawl_id, source)
    clock.move(31 * 86_400)
    open_crawl(store, "s", refresh_days=32)
    assert work_off(store, crawl_id, source) == []
    open_crawl(store, "s", refresh_days=30)
    waves = work_off(store, crawl_id, source)
    assert sorted(one for wave in waves for one in wave.paper_ids) == ["a", "b", "s"]
    open_crawl(store, "s", refresh_days=30)
    assert work_off(store, crawl_id, source) == []


def test_without_a_refresh_nothing_is_too_old(store: Store, clock: Clock) -> None:
    source = world("s>a s>b")
    crawl_id = open_crawl(store, "s")
    work_off(store, crawl_id, source)
    clock.move(10 * 365 * 86_400)
    open_crawl(store, "s")
    assert work_off(store, crawl_id, source) == []


def test_an_interrupted_refresh_goes_on_with_its_own_date(store: Store, clock: Clock) -> None:
    source = world("s>a s>b")
    crawl_id = open_crawl(store, "s")
    work_off(store, crawl_id, source)
    clock.move(40 * 86_400)
    open_crawl(store, "s", refresh_days=0)
    store.advance(crawl_id, LIMITS)
    store.record_wave(claimed(store), [source["s"]], LIMITS)
    clock.move(3_600)
    # Begun again an hour later, with another date or none, it does not ask for `s` a second time.
    for days in (0, None):
        open_crawl(store, "s", refresh_days=days)
    assert [wave.paper_ids for wave in work_off(store, crawl_id, source)] == [["a", "b"]]


def test_a_refresh_finds_what_is_new(store: Store, clock: Clock) -> None:
    crawl_id = open_crawl(store, "s")
    work_off(store, crawl_id, world("s>a"))
    clock.move(40 * 86_400)
    open_crawl(store, "s", refresh_days=30)
    work_off(store, crawl_id, world("s>a c>s"))
    assert store.collected(crawl_id) == ["a", "c", "s"]


# What the user is told


def test_lists_that_came_short_are_incomplete_and_lists_never_asked_for_are_not(store: Store, engine: Engine) -> None:
    crawl_id = open_crawl(store, "s", depth=1)
    source: dict[str, Answer | None] = {
        "s": answer("s", ["a"], stubs(10), citations_of=10),
        "a": answer("a", stubs(5, "y"), references_of=50, citations_of=999),
    }
    source |= {stub.paper_id: answer(stub.paper_id, []) for stub in stubs(10) if stub.paper_id}
    work_off(store, crawl_id, source)
    (short,) = store.incomplete(crawl_id)
    assert (short.paper_id, short.list, short.have, short.of) == ("a", REFERENCES, 5, 50)


def test_a_list_that_only_another_crawl_asked_for_is_no_concern_of_this_one(store: Store) -> None:
    source = world("s>a x>a")
    source["a"] = answer("a", [], stubs(3), citations_of=90)
    first = open_crawl(store, "s", depth=1, direction=Direction.REFERENCES)
    work_off(store, first, source)
    second = open_crawl(store, "a", depth=1)
    source |= {stub.paper_id: answer(stub.paper_id, []) for stub in stubs(3) if stub.paper_id}
    work_off(store, second, source)
    assert store.incomplete(first) == []
    assert [(short.list, short.have, short.of) for short in store.incomplete(second)] == [(CITATIONS, 3, 90)]


def test_a_hub_is_told_of(store: Store) -> None:
    crawl_id = open_crawl(store, "hub", depth=1, limit=5)
    store.record_seeds({"hub": answer("hub", [], None, citations_of=20_000)}, Ask.DETAILS | Ask.REFERENCES, LIMITS)
    store.advance(crawl_id, LIMITS)
    wave = claimed(store)
    assert wave.page is CITATIONS
    store.record_page(wave, Page(Listing(tuple(stubs(1_000))), 1_000), LIMITS)
    (short,) = store.incomplete(crawl_id)
    assert short.why == "only the 1,000 newest of 20,000 are taken: they are the newest, not the weightiest"


@pytest.mark.parametrize("state", [ListState.WITHHELD])
def test_a_withheld_list_is_told_of(store: Store, state: ListState) -> None:
    crawl_id = open_crawl(store, "s", depth=0)
    hidden = Answer("s", answer("s").paper, Listing(withheld=True), None, 0, 87)
    store.advance(crawl_id, LIMITS)
    store.record_wave(claimed(store), [hidden], LIMITS)
    assert not store.advance(crawl_id, LIMITS)
    assert [(short.have, short.of, short.why) for short in store.incomplete(crawl_id)] == [
        (0, 87, "hidden by the publisher")
    ]


def test_a_seed_that_was_unknown_is_asked_for_again_when_it_is_named_again(store: Store) -> None:
    crawl_id = open_crawl(store, "s", depth=0)
    work_off(store, crawl_id, {"s": None})
    assert store.missing(crawl_id) == ["s"]

    assert open_crawl(store, "s", depth=0) == crawl_id
    work_off(store, crawl_id, {"s": answer("s", [])})

    assert (store.missing(crawl_id), store.collected(crawl_id)) == ([], ["s"])
