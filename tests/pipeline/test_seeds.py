from __future__ import annotations

import pytest

from refnet.adapters.database.store import Store
from refnet.domain.crawl import Ask, Limits
from refnet.domain.errors import (
    ConfigurationError,
    CredentialsRejected,
    NothingMatched,
    OutageTooLong,
    RateLimited,
    RequestRefused,
    RequestTooLarge,
    SourceUnavailable,
)
from refnet.domain.papers import Answer, Author
from refnet.domain.seeds import Identifier, IdentifierKind, Seed
from refnet.pipeline.patience import Patience
from refnet.pipeline.seeds import MOST_FAULTS, Resolution, SeedResolver
from refnet.ports import TitleMatch
from tests.contract.making import FULL, LIMITS, answer, open_crawl, stubs, work_off
from tests.pipeline.conftest import Clock
from tests.pipeline.scripted import Quiet, Request, Script, Scripted, all_well, failing, one_after_another

ASK = FULL
TIMED_OUT = SourceUnavailable("504.", own_fault_possible=True)


def doi(value: str) -> Identifier:
    return Identifier(IdentifierKind.DOI, value)


def seed(*identifiers: str, title: str | None = None, citekey: str | None = None, **more: object) -> Seed:
    text = more.pop("input", None) or " ".join(identifiers) or title or ""
    return Seed(str(text), tuple(map(doi, identifiers)), title, citekey=citekey, **more)  # type: ignore[arg-type]


KNOWN: dict[str, Answer | None] = {f"DOI:{n}": answer(f"p{n}", ["r"], ["c"]) for n in range(600)}


class Rig:
    def __init__(self, store: Store, clock: Clock, script: Script = all_well, **more: object) -> None:
        self.store = store
        self.source = Scripted(KNOWN, script, **more)  # type: ignore[arg-type]
        self.clock = clock

    def resolve(self, *seeds: Seed) -> Resolution:
        patience = Patience(clock=self.clock.monotonic)
        return SeedResolver(self.source, self.store, patience, Quiet()).resolve(seeds, ASK)

    @property
    def asked(self) -> list[tuple[tuple[str, ...], Ask]]:
        return [(request.ids, request.ask) for request in self.source.asked]


@pytest.fixture
def rig(store: Store, clock: Clock) -> Rig:
    return Rig(store, clock)


def papers(result: Resolution) -> list[str]:
    return [one.paper_id for one in result.seeds]


def reasons(result: Resolution) -> list[tuple[str, str]]:
    return [(one.input, one.why) for one in result.unresolved]


# By identifier


def test_seeds_are_resolved_in_one_request_that_asks_for_all_that_the_crawl_wants(rig: Rig) -> None:
    result = rig.resolve(seed("1"), seed("2"))
    assert papers(result) == ["p1", "p2"]
    assert [(one.input, one.title) for one in result.seeds] == [("1", "Title of p1"), ("2", "Title of p2")]
    assert result.inputs == [("1", "p1"), ("2", "p2")]
    assert rig.asked == [(("DOI:1", "DOI:2"), ASK.batch | Ask.EXPAND)]
    crawl_id = open_crawl(rig.store, "p1", "p2", depth=0)
    assert work_off(rig.store, crawl_id, {}) == []


def test_what_is_stored_needs_no_request(rig: Rig) -> None:
    rig.resolve(seed("1"))
    result = rig.resolve(seed("1"), Seed("p1", (Identifier(IdentifierKind.PAPER_ID, "p1"),)))
    assert (papers(result), result.inputs) == (["p1"], [("1", "p1"), ("p1", "p1")])
    assert len(rig.asked) == 1


def test_identifiers_are_tried_in_their_order_until_one_is_known(rig: Rig) -> None:
    result = rig.resolve(seed("unknown", "7", "8"), seed("2"))
    assert papers(result) == ["p7", "p2"]
    assert [ids for ids, _ in rig.asked] == [("DOI:2", "DOI:unknown"), ("DOI:7",)]


def test_a_seed_that_nobody_knows_is_told_and_the_rest_goes_on(rig: Rig) -> None:
    result = rig.resolve(seed("unknown"), seed("2"), Seed("nothing"))
    assert papers(result) == ["p2"]
    assert reasons(result) == [
        ("unknown", "Semantic Scholar knows no paper DOI:unknown"),
        ("nothing", "it gives neither an identifier nor a title"),
    ]


def test_two_seeds_that_are_one_paper_are_one_seed(rig: Rig) -> None:
    rig.source.answers = {"DOI:1": KNOWN["DOI:1"], "DOI:also 1": KNOWN["DOI:1"]}
    result = rig.resolve(seed("1"), seed("also 1", citekey="lewis2020"), seed("1", citekey="other"))
    assert [(one.paper_id, one.input, one.citekey) for one in result.seeds] == [("p1", "1", "lewis2020")]
    assert result.inputs == [("1", "p1"), ("also 1", "p1"), ("1", "p1")]


def test_an_identifier_named_twice_is_asked_for_once(rig: Rig) -> None:
    rig.resolve(seed("1"), seed("1"))
    assert [ids for ids, _ in rig.asked] == [("DOI:1",)]


def test_the_citations_of_many_seeds_are_asked_for_only_when_their_counts_are_known(rig: Rig) -> None:
    rig.resolve(*(seed(str(n)) for n in range(20)))
    rig.resolve(*(seed(str(n)) for n in range(100, 121)))
    assert [(len(ids), Ask.CITATIONS in ask) for ids, ask in rig.asked] == [(20, True), (21, False)]
    crawl_id = open_crawl(rig.store, *(f"p{n}" for n in range(100, 121)))
    rig.store.advance(crawl_id, LIMITS)
    wave = rig.store.claim("me", LIMITS)
    assert wave is not None
    assert (len(wave.jobs), wave.ask) == (21, Ask.CITATIONS)


def test_a_long_file_is_resolved_in_as_many_requests_as_it_takes(rig: Rig) -> None:
    result = rig.resolve(*(seed(str(n)) for n in range(600)))
    assert len(result.seeds) == 600
    assert [len(ids) for ids, _ in rig.asked] == [500, 100]


# When the source says no


def test_of_seeds_of_which_none_is_known_two_halves_are_tried(rig: Rig) -> None:
    rig.source.script = one_after_another([NothingMatched("none.")] * 100)
    result = rig.resolve(*(seed(str(n)) for n in range(8)))
    assert (len(result.unresolved), len(rig.asked)) == (8, 3)


def test_one_identifier_that_spoils_requests_costs_no_other_seed(rig: Rig) -> None:
    rig.source.script = failing(NothingMatched("none."), "DOI:3")
    result = rig.resolve(*(seed(str(n)) for n in range(8)))
    assert papers(result) == ["p0", "p1", "p2", "p4", "p5", "p6", "p7"]
    assert reasons(result) == [("3", "Semantic Scholar knows no paper DOI:3")]
    assert len(rig.asked) <= 7


def test_a_request_that_passes_at_the_second_try_loses_nothing(rig: Rig) -> None:
    rig.source.script = one_after_another([NothingMatched("none.")])
    assert len(rig.resolve(*(seed(str(n)) for n in range(8))).seeds) == 8


def test_an_identifier_that_is_refused_is_unresolved_and_the_rest_goes_on(rig: Rig) -> None:
    rig.source.script = failing(RequestRefused("400."), "DOI:3")
    result = rig.resolve(*(seed(str(n)) for n in range(8)))
    assert len(result.seeds) == 7
    assert [input_ for input_, _ in reasons(result)] == ["3"]


@pytest.mark.parametrize("error", [TIMED_OUT, RequestTooLarge("too large.")])
def test_a_giant_seed_is_asked_for_without_its_citations(rig: Rig, error: SourceUnavailable) -> None:
    def script(request: Request, number: int) -> BaseException | None:
        return error if Ask.CITATIONS in request.ask else None

    rig.source.script = script
    assert papers(rig.resolve(seed("1"))) == ["p1"]
    assert [Ask.CITATIONS in ask for _, ask in rig.asked] == [True, False]
    # What was not asked for is not taken for held.
    rig.store.advance(open_crawl(rig.store, "p1"), LIMITS)
    wave = rig.store.claim("me", LIMITS)
    assert wave is not None
    assert wave.ask == Ask.CITATIONS


def test_many_seeds_whose_answer_is_too_large_are_asked_for_in_halves(rig: Rig) -> None:
    rig.source.script = lambda request, number: RequestTooLarge("too large.") if len(request.ids) > 20 else None
    result = rig.resolve(*(seed(str(n)) for n in range(50)))
    assert len(result.seeds) == 50
    assert max(len(ids) for ids, _ in rig.asked) == 50


def test_one_seed_whose_references_are_too_many_is_asked_for_without(rig: Rig) -> None:
    rig.source.script = lambda request, number: RequestTooLarge("too large.") if Ask.REFERENCES in request.ask else None
    assert papers(rig.resolve(seed("1"))) == ["p1"]


def test_an_outage_is_waited_for(rig: Rig) -> None:
    rig.source.script = one_after_another([RateLimited("429."), SourceUnavailable("502."), RateLimited("429.")])
    assert papers(rig.resolve(seed("1"))) == ["p1"]
    assert {ask for _, ask in rig.asked} == {ASK}


def test_an_outage_that_lasts_is_not_waited_for(rig: Rig) -> None:
    def outage(request: Request, number: int) -> BaseException:
        rig.clock.move(100)
        return SourceUnavailable("502.")

    rig.source.script = outage
    with pytest.raises(OutageTooLong):
        rig.resolve(seed("1"))


def test_a_wrong_key_is_a_wrong_setting(rig: Rig) -> None:
    rig.source.script = one_after_another([CredentialsRejected("403.")] * 2)
    with pytest.raises(ConfigurationError):
        rig.resolve(seed("1"))


# When a request is never answered well


def test_an_identifier_that_fails_each_time_costs_no_other_seed_and_is_told(rig: Rig) -> None:
    rig.source.script = failing(TIMED_OUT, "DOI:3")
    result = rig.resolve(*(seed(str(n)) for n in range(8)))
    assert papers(result) == ["p0", "p1", "p2", "p4", "p5", "p6", "p7"]
    assert reasons(result) == [("3", f"504. It failed {MOST_FAULTS} times while other requests succeeded.")]
    assert len(rig.asked) < 50


def test_a_seed_whose_references_fail_each_time_is_found_without_them(rig: Rig) -> None:
    rig.source.script = lambda request, number: TIMED_OUT if Ask.REFERENCES in request.ask else None
    assert papers(rig.resolve(seed("1"), seed("2"))) == ["p1", "p2"]


def test_what_failed_by_identifier_is_told_beside_what_came_of_the_title(store: Store, clock: Clock) -> None:
    rig = Rig(store, clock, failing(TIMED_OUT, "DOI:3"))
    ((_, why),) = reasons(rig.resolve(seed("3", title=TITLE)))
    assert f"504. It failed {MOST_FAULTS} times" in why
    assert "finds no paper of this title" in why


def test_a_title_that_fails_each_time_is_unresolved_and_the_rest_goes_on(store: Store, clock: Clock) -> None:
    rig = Rig(store, clock, titles={TITLE: MATCH})
    rig.source.script = lambda request, number: TIMED_OUT if request.title == "Spoilt" else None
    result = rig.resolve(seed(title="Spoilt"), seed(title=TITLE))
    assert papers(result) == ["p1"]
    assert reasons(result) == [("Spoilt", f"504. It failed {MOST_FAULTS} times while other requests succeeded.")]
    assert [request.title for request in rig.source.asked].count("Spoilt") == MOST_FAULTS


def test_a_title_that_fails_alone_is_told_by_a_request_that_is_known_to_be_well(store: Store, clock: Clock) -> None:
    rig = Rig(store, clock)
    rig.source.script = lambda request, number: TIMED_OUT if request.title == "Spoilt" else None
    assert [input_ for input_, _ in reasons(rig.resolve(seed(title="Spoilt")))] == ["Spoilt"]


def test_a_source_that_does_not_know_what_it_is_asked_for_then_has_answered_all_the_same(
    store: Store, clock: Clock
) -> None:
    def script(request: Request, number: int) -> BaseException | None:
        assert number < 100
        if request.ids == ("ARXIV:1706.03762",):
            return NothingMatched("none.")
        return TIMED_OUT if request.ids else None

    assert [input_ for input_, _ in reasons(Rig(store, clock, script).resolve(seed("1")))] == ["1"]


def test_a_title_that_fails_now_and_then_is_found(store: Store, clock: Clock) -> None:
    rig = Rig(store, clock, titles={TITLE: MATCH})
    rest = iter([TIMED_OUT] * (MOST_FAULTS - 1))
    rig.source.script = lambda request, number: next(rest, None) if request.title == TITLE else None
    assert papers(rig.resolve(seed(title=TITLE))) == ["p1"]


@pytest.mark.parametrize("wanted", [seed("1"), seed("1", "2"), seed(title="Any")], ids=["one", "two", "title"])
def test_where_nothing_else_is_answered_either_it_is_an_outage_and_no_seed_is_given_up(rig: Rig, wanted: Seed) -> None:
    def outage(request: Request, number: int) -> BaseException:
        rig.clock.move(10)
        return TIMED_OUT

    rig.source.script = outage
    with pytest.raises(OutageTooLong):
        rig.resolve(wanted)


def test_a_fault_counts_only_where_another_request_succeeded_since(store: Store, clock: Clock) -> None:
    rig = Rig(store, clock, one_after_another([TIMED_OUT] * 20), titles={TITLE: MATCH})
    assert papers(rig.resolve(seed(title=TITLE))) == ["p1"]


def test_what_was_found_before_a_stop_is_kept(rig: Rig) -> None:
    rig.source.script = lambda request, number: KeyboardInterrupt() if number == 1 else None
    with pytest.raises(KeyboardInterrupt):
        rig.resolve(*(seed(str(n)) for n in range(600)))
    assert rig.store.known(["DOI:1"]) == {"DOI:1": "p1"}


# By title

TITLE = "A Title That Is Long Enough"
MATCH = TitleMatch("p1", TITLE, 2020, (Author("Ada Lovelace"),))


def test_a_title_is_looked_up_when_no_identifier_is_known(store: Store, clock: Clock) -> None:
    rig = Rig(store, clock, titles={TITLE: MATCH})
    result = rig.resolve(seed("unknown", title=TITLE, year=2020, family="Lovelace"), seed("2", title="Another"))
    assert papers(result) == ["p1", "p2"]
    assert [request.title for request in rig.source.asked if request.title] == [TITLE]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "finds no paper of this title"),
        (TitleMatch("p1", "Something Else Altogether", 2020, ()), "Something Else Altogether"),
        (TitleMatch("p1", TITLE, 1999, (Author("Ada Lovelace"),)), "1999"),
        (TitleMatch("p1", TITLE, 2020, (Author("Charles Babbage"),)), "Babbage"),
    ],
)
def test_a_match_that_is_not_the_paper_is_refused_and_named(
    store: Store, clock: Clock, found: TitleMatch | None, why: str
) -> None:
    rig = Rig(store, clock, titles={} if found is None else {TITLE: found})
    result = rig.resolve(seed(title=TITLE, year=2020, family="Lovelace"), seed("2"))
    assert papers(result) == ["p2"]
    ((input_, told),) = reasons(result)
    assert input_ == TITLE
    assert why in told


def test_a_title_once_found_is_not_looked_up_again(store: Store, clock: Clock) -> None:
    rig = Rig(store, clock, titles={TITLE: MATCH})
    wanted = seed(title=TITLE, year=2020, family="Lovelace")
    crawl_id = open_crawl(store, *papers(rig.resolve(wanted)), depth=0)
    work_off(store, crawl_id, {"p1": answer("p1", [])})
    assert papers(rig.resolve(seed(title=TITLE.upper() + ".", year=2020, family="lovelace"))) == ["p1"]
    assert rig.source.requests == 1
    # The same title by somebody else, or of another year, is another question.
    rig.resolve(seed(title=TITLE, year=2021, family="Lovelace"))
    rig.resolve(seed(title=TITLE, year=2020, family="Babbage"))
    assert rig.source.requests == 3


def test_a_title_that_the_source_refuses_to_look_up_is_unresolved_and_the_rest_goes_on(
    store: Store, clock: Clock
) -> None:
    rig = Rig(store, clock, titles={TITLE: MATCH})
    rig.source.script = lambda request, number: RequestRefused("bad query.") if request.title == "-" else None
    result = rig.resolve(seed(title="-"), seed(title=TITLE))
    assert papers(result) == ["p1"]
    assert reasons(result) == [("-", "bad query.")]


def test_an_identifier_and_a_title_of_one_paper_are_one_seed(store: Store, clock: Clock) -> None:
    rig = Rig(store, clock, titles={TITLE: MATCH})
    assert papers(rig.resolve(seed("1"), seed(title=TITLE))) == ["p1"]


def test_a_seed_beyond_the_cap_of_a_request_does_not_lose_its_citations(store: Store, clock: Clock) -> None:
    limits = Limits(citations=20)
    rig = Rig(store, clock, limits=limits)
    rig.source.answers = {
        "DOI:1": answer("p1", [], stubs(20)),
        "DOI:2": answer("p2", [], stubs(1), citations_of=9),
    }
    rig.resolve(seed("1"), seed("2"))
    store.advance(open_crawl(store, "p1", "p2"), limits)
    wave = store.claim("me", limits)
    assert wave is not None
    assert (wave.paper_ids, wave.ask) == (["p2"], Ask.CITATIONS)
