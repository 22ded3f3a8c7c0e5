from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, select

from refnet.adapters.database.engine import reading
from refnet.adapters.database.schema import citations, lists, merged, unmatched
from refnet.adapters.database.store import Store
from refnet.domain.crawl import Ask, Limits
from refnet.domain.crawls import CrawlSeed, crawl_key
from refnet.domain.jobs import JobState
from refnet.domain.papers import Author, Direction, Listing, Page, Paper, Stub
from tests.contract.conftest import Clock
from tests.contract.making import (
    FULL,
    LEAF,
    LIMITS,
    REFERENCES,
    answer,
    claimed,
    enqueue,
    job_of,
    listing,
    open_crawl,
    rows,
    stubs,
    work_off,
)

EVERYTHING = Paper(
    paper_id="p",
    title="Über “quotes” — 論文 𝔘nicode",
    authors=(Author("Ada Lovelace", "17"), Author("李 明", None)),
    year=2020,
    venue="NeurIPS",
    abstract="One.\n\nTwo.",
    tldr="Short.",
    external_ids={"DOI": "10.1/X", "ArXiv": "2005.11401", "CorpusId": "218869575"},
    citation_count=2**31 - 1,
    reference_count=0,
    publication_date="2020-05-22",
    pdf_url="https://arxiv.org/pdf/2005.11401",
    url="https://www.semanticscholar.org/paper/p",
)


def record(store: Store, *answers: Any, ask: Ask = FULL, limits: Limits = LIMITS) -> None:
    """Store answers as those of one request."""
    enqueue(store, dict.fromkeys((one.paper_id for one in answers), ask))
    wave = claimed(store, limits)
    by_id = {one.paper_id: one for one in answers}
    store.record_wave(wave, [by_id[paper_id] for paper_id in wave.paper_ids], limits)


def edges(engine: Engine) -> dict[tuple[str, str], int]:
    with reading(engine) as connection:
        return {(row.citing, row.cited): row.seen for row in connection.execute(select(citations))}


def states(engine: Engine) -> dict[tuple[str, str], tuple[str, int, int | None]]:
    with reading(engine) as connection:
        return {(row.paper_id, row.list): (row.state, row.have, row.of) for row in connection.execute(select(lists))}


# Details


def test_details_come_back_as_they_were_stored(store: Store) -> None:
    record(store, replace(answer("p"), paper=EVERYTHING))
    assert store.papers(["p"]) == [EVERYTHING]


def test_newer_details_replace_older_ones_whole(store: Store) -> None:
    record(store, replace(answer("p"), paper=EVERYTHING))
    bare = Paper("p", "Another title")
    record(store, replace(answer("p"), paper=bare))
    assert store.papers(["p"]) == [bare]


def test_a_row_of_a_list_is_a_stub_and_no_collected_paper(store: Store) -> None:
    record(store, answer("p", ["x"]))
    assert store.papers(["x"]) == []
    assert store.titles(["x"]) == {"x": "Title of x"}


def test_a_row_of_a_list_never_overwrites_details(store: Store) -> None:
    record(store, answer("x", title="The paper's own title", year=1999, venue="V"))
    before = store.papers(["x"])
    record(store, answer("p", [Stub("x", "A title in a list", 2021, 5, 5)]))
    assert store.papers(["x"]) == before


def test_details_replace_what_a_list_said(store: Store) -> None:
    record(store, answer("p", [Stub("x", "A title in a list", 2021, 5, 5)]))
    record(store, answer("x", title="The paper's own title", year=1999))
    assert [(paper.title, paper.year) for paper in store.papers(["x"])] == [("The paper's own title", 1999)]


def test_a_later_list_completes_what_an_earlier_one_left_open(store: Store) -> None:
    record(store, answer("p", [Stub("x", None, 2020)]))
    record(store, answer("q", [Stub("x", "Title", 1999, 7, 8)]))
    (found,) = store.seed_neighbours(["p"], Direction.REFERENCES)
    assert (found.year, found.citation_count) == (2020, 7)
    assert store.titles(["x"]) == {"x": "Title"}


# Edges


def test_an_edge_is_one_row_that_tells_in_whose_list_it_was_seen(store: Store, engine: Engine) -> None:
    record(store, answer("p", ["x"], ["y"]))
    assert edges(engine) == {("p", "x"): 1, ("y", "p"): 2}
    record(store, answer("x", [], ["p"]))
    assert edges(engine) == {("p", "x"): 3, ("y", "p"): 2}
    record(store, answer("p", ["x"], ["y"]))
    assert edges(engine) == {("p", "x"): 3, ("y", "p"): 2}


def test_an_edge_in_both_lists_of_one_request_is_seen_in_both(store: Store, engine: Engine) -> None:
    record(store, answer("p", ["x"], []), answer("x", [], ["p"]))
    assert edges(engine) == {("p", "x"): 3}


def test_no_paper_cites_itself(store: Store, engine: Engine) -> None:
    record(store, answer("p", ["p", "x"], ["p"]))
    assert edges(engine) == {("p", "x"): 1}


def test_a_paper_named_twice_in_a_list_is_one_edge(store: Store, engine: Engine) -> None:
    record(store, answer("p", ["x", "x"]))
    assert edges(engine) == {("p", "x"): 1}


def test_references_without_an_id_are_kept_once_by_their_titles(store: Store, engine: Engine) -> None:
    twice = [
        Stub(None, "On Computable Numbers", 1936),
        Stub(None, "On computable numbers.", None),
        Stub(None, None, 1950),
        Stub(None, "…", 1950),
        Stub(None, "x" * 5_000),
    ]
    record(store, answer("p", twice))
    record(store, answer("p", twice), answer("q", twice[:1]))
    with reading(engine) as connection:
        kept = connection.execute(select(unmatched).order_by(unmatched.c.paper_id, unmatched.c.key)).all()
    assert [(row.paper_id, (row.title or "")[:12], row.year) for row in kept] == [
        ("p", "On Computabl", 1936),
        ("p", "", 1950),
        ("p", "xxxxxxxxxxxx", None),
        ("q", "On Computabl", 1936),
    ]


# States of lists


def test_how_much_is_held_of_each_list_is_kept(store: Store, engine: Engine) -> None:
    record(
        store,
        answer("whole", stubs(10), stubs(3)),
        answer("short", stubs(10), stubs(3), references_of=40),
        replace(answer("hidden", None, []), references=Listing(withheld=True), reference_count=87),
        ask=LEAF | Ask.CITATIONS,
    )
    assert states(engine) == {
        ("whole", "references"): ("complete", 10, 10),
        ("whole", "citations"): ("complete", 3, 3),
        ("short", "references"): ("partial", 10, 40),
        ("short", "citations"): ("complete", 3, 3),
        ("hidden", "references"): ("withheld", 0, 87),
        ("hidden", "citations"): ("complete", 0, 0),
    }


def test_a_list_never_asked_for_has_no_state(store: Store, engine: Engine) -> None:
    record(store, answer("p", ["x"]), ask=LEAF)
    assert states(engine) == {("p", "references"): ("complete", 1, 1)}


def test_a_short_list_is_paged_and_short_for_good_if_pages_are_short_too(store: Store, engine: Engine) -> None:
    record(store, answer("p", stubs(10), [], references_of=40))
    wave = claimed(store)
    assert (wave.page, job_of(wave).offset) == (REFERENCES, 0)
    store.record_page(wave, Page(listing(stubs(20)) or Listing(), 20), LIMITS)
    assert states(engine)["p", "references"][0] == "partial"
    wave = claimed(store)
    assert (wave.page, job_of(wave).offset) == (REFERENCES, 20)
    store.record_page(wave, Page(listing(stubs(5, "y")) or Listing()), LIMITS)
    assert states(engine)["p", "references"] == ("short", 25, 40)
    assert rows(engine)["p"].state == JobState.DONE


def test_unmatched_entries_count_as_held(store: Store, engine: Engine) -> None:
    record(store, answer("p", [], [], references_of=6))
    entries = [*stubs(3), *(Stub(None, f"Unmatched {number}") for number in range(3))]
    store.record_page(claimed(store), Page(Listing(tuple(entries))), LIMITS)
    assert states(engine)["p", "references"] == ("complete", 6, 6)


def test_of_a_hub_one_page_is_taken(store: Store, engine: Engine) -> None:
    record(store, answer("hub", [], None, citations_of=20_000), ask=LEAF | Ask.EXPAND)
    enqueue(store, {"hub": Ask.PAGE_CITATIONS | Ask.EXPAND})
    store.record_page(claimed(store), Page(listing(stubs(1_000)) or Listing(), 1_000), LIMITS)
    assert states(engine)["hub", "citations"] == ("newest", 1_000, 20_000)
    assert rows(engine)["hub"].state == JobState.DONE


def test_a_paper_gone_when_its_page_is_asked_for_leaves_a_short_list(store: Store, engine: Engine) -> None:
    record(store, answer("p", stubs(10), [], references_of=40))
    store.record_page(claimed(store), None, LIMITS)
    assert states(engine)["p", "references"] == ("short", 10, 40)
    assert rows(engine)["p"].state == JobState.DONE


def test_citations_lost_to_the_cap_of_a_request_are_asked_for_once_more(store: Store, engine: Engine) -> None:
    limits = Limits(citations=20)
    record(
        store,
        answer("a", [], stubs(18), citations_of=18),
        answer("b", [], stubs(3), citations_of=9),
        limits=limits,
    )
    assert ("b", "citations") not in states(engine)
    again = claimed(store, limits)
    assert (again.paper_ids, again.ask) == (["b"], Ask.CITATIONS)
    store.record_wave(again, [answer("b", None, stubs(9))], limits)
    assert states(engine)["b", "citations"] == ("complete", 9, 9)
    assert store.claim("me", limits) is None


# Merged papers


def merge_in_a_crawl(store: Store, *members: str) -> int:
    """A crawl whose seed cites `members`; `old` is then answered for as `new`."""
    crawl_id = open_crawl(store, "seed")
    store.advance(crawl_id, LIMITS)
    store.record_wave(claimed(store), [answer("seed", members, ["old"])], LIMITS)
    store.advance(crawl_id, LIMITS)
    wave = claimed(store)
    known = {one: answer(one, ["seed"] if one == "new" else ["r"]) for one in [*members, "new"]}
    given = [known["new"] if one == "old" else known[one] for one in wave.paper_ids]
    store.record_wave(wave, given, LIMITS)
    return crawl_id


def test_a_merged_paper_takes_its_present_id_everywhere(store: Store, engine: Engine) -> None:
    crawl_id = merge_in_a_crawl(store, "old", "other")
    assert store.collected(crawl_id) == ["new", "other", "seed"]
    assert store.missing(crawl_id) == []
    assert edges(engine) == {("seed", "new"): 1, ("new", "seed"): 3, ("seed", "other"): 1, ("other", "r"): 1}
    assert store.known(["old", "new"]) == {"old": "new", "new": "new"}
    assert store.titles(["old"]) == {}
    assert not store.advance(crawl_id, LIMITS)


def test_of_two_members_that_are_one_paper_one_is_kept(store: Store) -> None:
    crawl_id = merge_in_a_crawl(store, "old", "new")
    assert (store.collected(crawl_id), store.missing(crawl_id)) == (["new", "seed"], ["old"])
    assert store.crawl(crawl_id).members == 2


def test_an_old_id_in_a_later_list_means_the_paper_of_today(store: Store, engine: Engine) -> None:
    merge_in_a_crawl(store, "old")
    record(store, answer("later", ["old"]))
    assert edges(engine)["later", "new"] == 1
    assert store.titles(["old"]) == {}


def test_a_paper_merged_twice_is_found_by_both_its_old_ids(store: Store, engine: Engine) -> None:
    merge_in_a_crawl(store, "old")
    enqueue(store, {"new": LEAF})
    store.record_wave(claimed(store), [answer("newest", ["seed"])], LIMITS)
    assert store.known(["old", "new"]) == {"old": "newest", "new": "newest"}
    with reading(engine) as connection:
        assert {row.old_id: row.paper_id for row in connection.execute(select(merged))} == {
            "old": "newest",
            "new": "newest",
        }


def test_papers_that_cite_each_other_and_become_one_leave_no_edge(store: Store, engine: Engine) -> None:
    record(store, answer("new", ["old"], ["old"]))
    enqueue(store, {"old": LEAF})
    store.record_wave(claimed(store), [answer("new", ["old"])], LIMITS)
    assert edges(engine) == {}


def test_what_is_left_to_ask_of_a_merged_paper_is_asked_under_its_present_id(store: Store, engine: Engine) -> None:
    crawl_id = open_crawl(store, "old", depth=1)
    store.advance(crawl_id, LIMITS)
    store.record_wave(claimed(store), [answer("new", stubs(10), [], references_of=40)], LIMITS)
    assert rows(engine)["old"].state == JobState.DONE
    assert store.advance(crawl_id, LIMITS)
    wave = claimed(store)
    assert (wave.paper_ids, wave.page) == (["new"], REFERENCES)


def test_a_merged_paper_keeps_its_name_its_note_and_its_seed(store: Store) -> None:
    seeds = [CrawlSeed("old", "doi:10.1/x", "", "lewis2020")]
    crawl_id = store.open_crawl(crawl_key(["old"], Direction.BOTH), Direction.BOTH, 0, 10, seeds)
    work_off(store, crawl_id, {"old": answer("old", [])})
    store.add_to_vault("/v", crawl_id)
    store.give_names({"old": "Lovelace 2020 Title"})
    enqueue(store, {"old": LEAF})
    store.record_wave(claimed(store), [answer("new", [])], LIMITS)
    assert store.collected(crawl_id) == ["new"]
    assert store.note_names("/v") == {"new": "Lovelace 2020 Title"}
    assert [(seed.paper_id, seed.citekey) for seed in store.seeds(crawl_id)] == [("new", "lewis2020")]
    assert [content.citekey for content in store.note_contents("/v", ["new"], store.note_names("/v"))] == ["lewis2020"]


def test_a_name_given_to_the_present_id_is_not_taken_away(store: Store) -> None:
    crawl_id = open_crawl(store, "old", "new", depth=0)
    work_off(store, crawl_id, {"old": answer("old", []), "new": answer("new", [])})
    store.add_to_vault("/v", crawl_id)
    store.give_names({"old": "One", "new": "Two"})
    enqueue(store, {"old": LEAF})
    store.record_wave(claimed(store), [answer("new", [])], LIMITS)
    assert store.note_names("/v") == {"new": "Two"}


# Papers that the source does not know


def test_a_paper_that_the_source_does_not_know_is_missing_in_every_crawl(store: Store) -> None:
    first, second = open_crawl(store, "a", depth=0), open_crawl(store, "a", "b", depth=0)
    work_off(store, first, {"a": None})
    assert (store.missing(first), store.missing(second)) == (["a"], ["a"])
    assert store.crawl(first).members == 0


def test_a_collected_paper_stays_collected_when_the_source_does_not_know_it_any_more(
    store: Store, engine: Engine, clock: Clock
) -> None:
    """It has its note; only what another crawl would have liked to know of it is not to be had."""
    first = open_crawl(store, "a", depth=0)
    work_off(store, first, {"a": answer("a", ["x"], citations_of=50)})
    second = open_crawl(store, "a", depth=1, direction=Direction.CITATIONS)
    work_off(store, second, {"a": None})
    assert (store.collected(first), store.collected(second)) == (["a"], ["a"])
    assert states(engine)["a", "citations"] == ("short", 0, 50)
    clock.move(86_400)
    again = open_crawl(store, "a", depth=0, refresh_days=0)
    assert len(work_off(store, again, {"a": None})) == 1
    assert store.collected(first) == ["a"]
    assert states(engine)["a", "references"] == ("complete", 1, 1)


# Seeds


def test_an_identifier_once_answered_needs_no_second_request(store: Store) -> None:
    store.record_seeds({"DOI:10.1/x": answer("p", ["x"], ["y"]), "ARXIV:1": answer("p", ["x"], ["y"])}, FULL, LIMITS)
    assert store.known(["DOI:10.1/x", "ARXIV:1", "p", "DOI:10.1/unknown", "x"]) == {
        "DOI:10.1/x": "p",
        "ARXIV:1": "p",
        "p": "p",
    }
    assert work_off(store, open_crawl(store, "p", depth=0), {}) == []


def test_a_seed_named_by_an_old_id_is_merged_at_once(store: Store, engine: Engine) -> None:
    store.record_seeds({"q": answer("q", ["old"])}, LEAF, LIMITS)
    store.record_seeds({"old": answer("new", [])}, LEAF, LIMITS)
    assert edges(engine) == {("q", "new"): 1}
    assert store.known(["old"]) == {"old": "new"}


def test_what_a_title_named_is_remembered_but_known_only_once_collected(store: Store) -> None:
    store.remember({"title:x||": "p"})
    assert store.known(["title:x||"]) == {}
    record(store, answer("p"))
    assert store.known(["title:x||"]) == {"title:x||": "p"}


def test_a_seed_whose_citations_fell_to_the_cap_is_asked_for_them_again(store: Store, engine: Engine) -> None:
    limits = Limits(citations=20)
    store.record_seeds({"a": answer("a", [], stubs(20)), "b": answer("b", [], stubs(1), citations_of=9)}, FULL, limits)
    assert states(engine).keys() == {("a", "references"), ("a", "citations"), ("b", "references")}


# Hostile text: the source cleans it; where it comes through all the same, nothing is half written


@pytest.mark.parametrize("bad", ["lone \ud800 surrogate", "NUL \x00 within"])
def test_text_that_no_database_takes_leaves_the_record_as_it_was(store: Store, engine: Engine, bad: str) -> None:
    enqueue(store, {"good": LEAF, "poison": LEAF})
    wave = claimed(store)
    before = rows(engine)
    answers = [answer(one, ["x"], title=bad if one == "poison" else "Good") for one in wave.paper_ids]
    if "\x00" in bad and engine.dialect.name == "sqlite":
        store.record_wave(wave, answers, LIMITS)  # SQLite keeps a NUL
        assert store.titles(["poison"]) == {"poison": bad}
        return
    with pytest.raises(Exception, match=r"surrogates not allowed|NUL"):
        store.record_wave(wave, answers, LIMITS)
    assert rows(engine) == before
    assert store.titles(["good", "poison", "x"]) == {}
    assert edges(engine) == {}
