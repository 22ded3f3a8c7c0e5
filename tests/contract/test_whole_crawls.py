"""Crawls of small graphs through the real stand-in, held against the rules of the contract (§7) written out plainly."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.pace import DatabasePace
from refnet.adapters.database.store import Store
from refnet.adapters.semantic_scholar import SemanticScholar
from refnet.demo.graph import Corpus
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from refnet.domain.crawl import Limits, wanted
from refnet.domain.crawls import crawl_key
from refnet.domain.papers import Direction
from refnet.domain.seeds import Identifier, IdentifierKind, Seed
from refnet.pipeline.patience import Patience
from refnet.pipeline.runner import Runner
from refnet.pipeline.seeds import SeedResolver
from tests.pipeline.scripted import Quiet

#: The service's limits made so small that a graph of a few papers meets them: a request holds 6 citations and gives
#: 7 at the most, a paper with more than 5 is a hub, of which the 4 newest are taken by pages of 2.
TIGHT = Limits(citations=6, hub=5, page=2, newest=4)
TIGHT_SERVICE = {"max_citations": 7}


@dataclass(frozen=True)
class Case:
    """A graph, what the service does with it, and a crawl."""

    years: tuple[int | None, ...]
    counts: tuple[int | None, ...]
    edges: tuple[tuple[int, int], ...]
    seeds: tuple[int, ...]
    depth: int
    limit: int
    direction: Direction
    missing: frozenset[int] = frozenset()
    elided: frozenset[int] = frozenset()
    tight: bool = False
    interruptions: tuple[int, ...] = field(default=(), compare=False)

    @property
    def corpus(self) -> Corpus:
        rows = [
            {"paperId": name(n), "title": f"Paper {n}", "year": year}
            | ({} if count is None else {"citationCount": count})
            for n, (year, count) in enumerate(zip(self.years, self.counts, strict=True))
        ]
        return Corpus(rows, [{"citing": name(citing), "cited": name(cited)} for citing, cited in self.edges])

    @property
    def switches(self) -> Switches:
        return Switches(
            missing=frozenset(map(name, self.missing)),
            elided=frozenset(map(name, self.elided)),
            recorded_counts=not self.tight,
            **(TIGHT_SERVICE if self.tight else {}),  # type: ignore[arg-type]
        )

    def limits(self, ids: int) -> Limits:
        base = TIGHT if self.tight else Limits()
        return Limits(ids, base.citations, base.size, base.hub, base.page, base.newest)


def name(number: int) -> str:
    return f"{number:040x}"


@st.composite
def cases(draw: st.DrawFn, *, tight: bool) -> Case:
    """Hypothesis left to itself draws graphs with hardly an edge; so it draws the largest size, and a seed."""
    dice = Random(draw(st.integers(0, 2**32)))
    size = dice.randint(2, draw(st.integers(8, 18)))
    papers = range(size)
    edges = {(dice.choice(papers), dice.choice(papers)) for _ in range(dice.randint(size, 4 * size))}
    if tight:
        # Some papers that many cite.
        edges |= {(citing, cited) for cited in dice.sample(papers, 2) for citing in papers if dice.random() < 0.5}
    return Case(
        years=tuple(dice.choice([None, 1999, 2015, 2020]) for _ in papers),
        counts=tuple(dice.choice([None, None, 0, 11, 101, 1_001]) for _ in papers),
        edges=tuple(sorted(edge for edge in edges if edge[0] != edge[1])),
        seeds=tuple(sorted(dice.sample(papers, dice.randint(1, min(3, size))))),
        depth=dice.choice([0, 1, 2, 2, 3]),
        limit=dice.randint(2, size + 1),
        direction=dice.choice(list(Direction)),
        missing=frozenset(dice.sample(papers, dice.randint(0, 2))),
        elided=frozenset(dice.sample(papers, dice.randint(0, 2))),
        tight=tight,
        interruptions=tuple(dice.randint(0, 6) for _ in range(2)),
    )


# The rules


def expected(case: Case) -> set[str]:
    """§7.1, §7.2 and §7.3 on the graph itself."""
    corpus = case.corpus
    seeds = [n for n in case.seeds if n not in case.missing]
    taken: dict[int, int] = dict.fromkeys(seeds, 0)
    for depth in range(1, case.depth + 1):
        links: dict[int, set[int]] = {}
        for near in [n for n, at in taken.items() if at < depth]:
            for other in followed(case, corpus, near):
                links.setdefault(other, set()).add(near)
        for other in sorted(links, key=lambda n: order(case, corpus, n, len(links[n]))):
            if len(taken) < case.limit and other not in taken and other not in case.missing:
                taken[other] = depth
    return {name(n) for n in taken}


def followed(case: Case, corpus: Corpus, paper: int) -> set[int]:
    found: set[int] = set()
    if case.direction is not Direction.CITATIONS and paper not in case.elided:
        found |= set(corpus.references(paper))
    if case.direction is not Direction.REFERENCES:
        citing = list(corpus.citations(paper))
        is_hub = case.tight and len(citing) > TIGHT.hub
        found |= set(citing[: TIGHT.newest] if is_hub else citing)
    return found


def order(case: Case, corpus: Corpus, paper: int, links: int) -> tuple[int, int, int, int, str]:
    count = case.counts[paper] if not case.tight else None
    count = len(corpus.citations(paper)) if count is None else count
    year = case.years[paper]
    priority = 5 + (3 if count > 1000 else 2 if count > 100 else 1 if count > 10 else 0)
    priority += 0 if year is None else 2 if year >= 2020 else 1 if year >= 2015 else 0
    return -links, -priority, -count, -(year or 0), name(paper)


# The crawl


@contextmanager
def serving(case: Case) -> Iterator[StandIn]:
    with StandIn(case.corpus, case.switches) as stand_in:
        yield stand_in


def collected(case: Case, stand_in: StandIn, template: Path, ids: int, interruptions: Sequence[int] = ()) -> set[str]:
    """What a crawl collects into a new database.

    At each of `interruptions`, counted in requests, the process dies with a request under way: another one takes over.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "refnet.db"
        shutil.copyfile(template, path)
        engine = open_engine(database_url(f"sqlite:///{path}"))
        try:
            return set(_crawl(case, stand_in, Store(engine), ids, interruptions))
        finally:
            engine.dispose()


def _crawl(case: Case, stand_in: StandIn, store: Store, ids: int, interruptions: Sequence[int]) -> list[str]:
    pace = DatabasePace(store._engine, "stand-in", 1e6)
    source = SemanticScholar(stand_in.url, api_key=None, pace=pace, limits=case.limits(ids))
    patience = Patience()
    try:
        resolver = SeedResolver(source, store, patience, Quiet())
        wishes = [Seed(name(n), (Identifier(IdentifierKind.PAPER_ID, name(n)),)) for n in case.seeds]
        found = resolver.resolve(wishes, wanted(0, case.depth, case.direction))
        assert sorted(seed.paper_id for seed in found.seeds) == [name(n) for n in case.seeds if n not in case.missing]
        if not found.seeds:
            return []
        key = crawl_key((seed.paper_id for seed in found.seeds), case.direction)
        crawl_id = store.open_crawl(key, case.direction, case.depth, case.limit, found.seeds)
        runner = Runner(store, source, pace, patience, owner="me")
        for step in range(500):
            if step in interruptions:
                store.claim("dying", source.limits, crawl_id=crawl_id)
                store = Store(store._engine)
                store.free_all()
                runner = Runner(store, source, pace, patience, owner="me")
            if not runner.step(crawl_id) and not store.advance(crawl_id, source.limits):
                assert store.dead_letters() == []
                return store.collected(crawl_id)
        raise AssertionError("the crawl does not end")
    finally:
        source.close()


few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.slow
@few
@given(cases(tight=False))
def test_a_crawl_collects_what_the_rules_say_whatever_the_batches_and_interruptions(
    sqlite_template: Path, case: Case
) -> None:
    hold_against_rules(case, sqlite_template)


@pytest.mark.slow
@few
@given(cases(tight=True))
def test_so_does_one_that_meets_every_limit_of_the_service(sqlite_template: Path, case: Case) -> None:
    hold_against_rules(case, sqlite_template)


def hold_against_rules(case: Case, template: Path) -> None:
    right = expected(case)
    with serving(case) as stand_in:
        for ids in (500, 3, 1):
            assert collected(case, stand_in, template, ids) == right, f"{ids} ids a request"
        assert collected(case, stand_in, template, 3, case.interruptions) == right, "interrupted"


def test_the_rules_take_what_they_should_in_a_case_done_by_hand(sqlite_template: Path) -> None:
    """0 is cited by 1 to 6 and refers to 7; 7 refers to 8. The newest four citing papers of a hub are 3, 4, 5, 6."""
    case = Case(
        years=(2020, 2001, 2002, 2003, 2004, 2005, 2006, 1990, 1980),
        counts=(None,) * 9,
        edges=(*((n, 0) for n in range(1, 7)), (0, 7), (7, 8)),
        seeds=(0,),
        depth=2,
        limit=7,
        direction=Direction.BOTH,
        missing=frozenset({6}),
        tight=True,
    )
    assert expected(case) == {name(n) for n in (0, 3, 4, 5, 7, 8)}
    hold_against_rules(case, sqlite_template)


@pytest.mark.parametrize("killed", range(4))
def test_a_kill_costs_one_request_more_at_the_most(sqlite_template: Path, killed: int) -> None:
    case = Case((None,) * 9, (None,) * 9, tuple((0, n) for n in range(1, 9)), (0,), 1, 9, Direction.REFERENCES)
    with serving(case) as stand_in:
        collected(case, stand_in, sqlite_template, 500)
        plain = len(stand_in.log)
        stand_in.reset()
        assert collected(case, stand_in, sqlite_template, 500, [killed]) == expected(case)
        assert len(stand_in.log) <= plain + 1


def test_citations_that_the_service_cuts_without_a_word_are_noticed(sqlite_template: Path) -> None:
    """Two seeds with four and five citations are asked for together; the service gives seven in all."""
    cited = (*((n, 0) for n in range(2, 6)), *((n, 1) for n in range(6, 11)))
    case = Case((None,) * 11, (None,) * 11, cited, (0, 1), 1, 99, Direction.CITATIONS, tight=True)
    assert len(expected(case)) == 11
    hold_against_rules(case, sqlite_template)


def test_the_more_urgent_paper_is_taken_before_the_more_cited_one(sqlite_template: Path) -> None:
    """Eleven citations in 2020 make 8, a hundred and one in 1999 make 7."""
    case = Case((None, 1999, 2020), (None, 101, 11), ((0, 1), (0, 2)), (0,), 1, 2, Direction.REFERENCES)
    assert expected(case) == {name(0), name(2)}
    hold_against_rules(case, sqlite_template)
