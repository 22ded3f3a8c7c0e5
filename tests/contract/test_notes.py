from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.note_lists import MOST_PLAIN
from refnet.adapters.database.store import Store
from refnet.domain.crawl import Ask
from refnet.domain.crawls import CrawlSeed
from refnet.domain.notes import Baseline, NoteContent, NoteList
from refnet.domain.papers import Answer, Direction, Listing, ListName, ListState, Page, Stub
from refnet.domain.summaries import Summary
from tests.contract.conftest import Clock
from tests.contract.making import LEAF, LIMITS, answer, claimed, enqueue, open_crawl, work_off

VAULT = "/home/ada/vault"
SOURCE: dict[str, Answer | None] = {
    "s": answer("s", ["a", "b", Stub("plain", "Plain")], [Stub("citer", "Citer", 2022, 1)]),
    "a": answer("a", ["b"], []),
    "b": answer("b", [], []),
}
NAMES = {"s": "Seed", "a": "zeta", "b": "Alpha"}


@pytest.fixture
def crawl_id(store: Store) -> int:
    """A crawl of `s`, `a` and `b` that is in the vault, every paper named."""
    crawl_id = open_crawl(store, "s", direction=Direction.REFERENCES, limit=3)
    work_off(store, crawl_id, SOURCE)
    assert SOURCE["s"] is not None
    store.record_seeds({"s": SOURCE["s"]}, LEAF, LIMITS)
    store.add_to_vault(VAULT, crawl_id)
    store.give_names(NAMES)
    assert store.collected(crawl_id) == ["a", "b", "s"]
    return crawl_id


def standing(store: Store) -> dict[str, str]:
    """The notes that can be linked to: those with a name that the reader did not delete."""
    gone = {paper_id for paper_id, baseline in store.baselines(VAULT).items() if baseline.deleted}
    return {paper_id: name for paper_id, name in store.note_names(VAULT).items() if paper_id not in gone}


def content(store: Store, paper_id: str) -> NoteContent:
    (found,) = store.note_contents(VAULT, [paper_id], standing(store))
    return found


def entries(listed: NoteList) -> list[tuple[str | None, str | None]]:
    return [(row.paper_id, row.note) for row in listed.rows]


# Which papers


def test_a_vault_holds_the_union_of_its_crawls(store: Store, crawl_id: int) -> None:
    other = open_crawl(store, "t", "a", depth=0)
    work_off(store, other, {"t": answer("t"), "a": SOURCE["a"]})
    assert store.vault_papers(VAULT) == ["a", "b", "s"]
    store.add_to_vault(VAULT, other)
    store.add_to_vault(VAULT, other)
    assert store.vault_papers(VAULT) == ["a", "b", "s", "t"]
    assert store.vault_crawls(VAULT) == [crawl_id, other]
    assert store.vault_papers("/another") == []


def test_papers_without_a_name_come_in_the_order_of_their_ids(store: Store, crawl_id: int) -> None:
    other = open_crawl(store, "z", "c", depth=0)
    work_off(store, other, {"z": answer("z", year=1999), "c": answer("c")})
    store.add_to_vault(VAULT, other)
    unnamed = list(store.unnamed(VAULT))
    assert [(paper.paper_id, paper.year, paper.authors[0].name) for paper in unnamed] == [
        ("c", None, "Ada Lovelace"),
        ("z", 1999, "Ada Lovelace"),
    ]
    assert store.note_names(VAULT) == NAMES
    assert sorted(store.taken_names()) == sorted(NAMES.values())


def test_a_paper_keeps_its_name_and_one_whose_name_went_to_another_stays_without(store: Store, crawl_id: int) -> None:
    """Two vaults may be named at the same time, each without knowing what the other gives."""
    store.give_names({"s": "Another seed", "x": "New", "y": "ALPHA"})
    assert store.note_names(VAULT) == NAMES
    assert sorted(store.taken_names()) == sorted([*NAMES.values(), "New"]), "ALPHA and Alpha are one file to some"


def test_a_reader_s_name_takes_the_place_of_ours_unless_another_paper_has_it(store: Store, crawl_id: int) -> None:
    store.rename_notes({"s": "Mine", "a": "Alpha"})
    assert store.note_names(VAULT) == NAMES | {"s": "Mine"}


# What notes say


def test_links_lead_to_notes_of_this_vault_first_and_by_name(store: Store, crawl_id: int) -> None:
    assert entries(content(store, "s").references) == [("b", "Alpha"), ("a", "zeta"), ("plain", None)]
    assert entries(content(store, "b").citations) == [("s", "Seed"), ("a", "zeta")]


def test_a_paper_named_for_another_vault_is_plain_text_here(store: Store, crawl_id: int) -> None:
    other = open_crawl(store, "plain", depth=0)
    work_off(store, other, {"plain": answer("plain", [])})
    store.add_to_vault("/another", other)
    store.give_names({"plain": "Named elsewhere"})
    assert entries(content(store, "s").references)[-1] == ("plain", None)
    store.add_to_vault(VAULT, other)
    assert ("plain", "Named elsewhere") in entries(content(store, "s").references)


def test_links_to_a_note_that_the_reader_deleted_become_plain_text(store: Store, crawl_id: int) -> None:
    store.save_baselines(VAULT, {"a": Baseline({}, deleted=True), "b": Baseline({})})
    assert entries(content(store, "s").references) == [("b", "Alpha"), ("a", None), ("plain", None)] or entries(
        content(store, "s").references
    ) == [("b", "Alpha"), ("plain", None), ("a", None)]


def test_plain_entries_come_newest_first_then_weightiest_and_unmatched_ones_last(store: Store) -> None:
    listed = [
        Stub(None, "Unmatched", 1900),
        Stub("no year", "T", None, 900),
        Stub("old", "T", 1950, 900),
        Stub("light", "T", 2020, 1),
        Stub("heavy", "T", 2020, 9),
    ]
    references = show(store, answer("s", listed)).references
    assert [row.paper_id for row in references.rows] == ["heavy", "light", "old", "no year", None]
    assert references.rows[-1].title == "Unmatched"


@pytest.mark.parametrize("name", list(ListName))
def test_a_long_list_is_cut_and_says_how_much_is_left_out(store: Store, name: ListName) -> None:
    most = MOST_PLAIN[name]
    long = [*(Stub(f"x{n:04}", "T", 2000) for n in range(most)), *(Stub(None, f"Unmatched {n}") for n in range(7))]
    shown = show(store, answer("s", long, long))
    listed = shown.references if name is ListName.REFERENCES else shown.citations
    assert (len(listed.rows), listed.left_out) == (most, 7)
    assert all(row.paper_id for row in listed.rows)


def test_a_long_list_of_known_papers_counts_those_left_out(store: Store) -> None:
    shown = show(store, answer("s", [], [Stub(f"x{n:04}", "T", 1000 + n) for n in range(80)]))
    assert (len(shown.citations.rows), shown.citations.left_out) == (50, 30)
    assert shown.citations.rows[0].year == 1079


def test_links_are_never_left_out(store: Store) -> None:
    citers = [Stub(f"x{n:04}", "T") for n in range(80)]
    crawl_id = open_crawl(store, "s", depth=1)
    source: dict[str, Answer | None] = {stub.paper_id or "": answer(stub.paper_id or "", ["s"]) for stub in citers}
    work_off(store, crawl_id, {**source, "s": answer("s", [], citers)})
    store.add_to_vault(VAULT, crawl_id)
    store.give_names({one: f"Note {one}" for one in store.collected(crawl_id)})
    citations = content(store, "s").citations
    assert (len(citations.rows), citations.left_out) == (80, 0)


def test_a_list_says_its_state_and_its_length_by_the_source(store: Store) -> None:
    hidden = Answer("s", answer("s").paper, Listing(withheld=True), None, 12, 87)
    shown = show(store, hidden)
    assert (shown.references.state, shown.references.of) == (ListState.WITHHELD, 87)
    assert (shown.citations.state, shown.citations.of) == (None, None)


def test_a_list_never_asked_for_says_the_length_that_the_paper_states(store: Store) -> None:
    shown = show(store, answer("s", [], citations_of=12))
    assert (shown.citations.state, shown.citations.of) == (None, 12)


def show(store: Store, given: Answer) -> NoteContent:
    """The note of `s`, alone in its vault."""
    crawl_id = open_crawl(store, "s", depth=0)
    store.record_seeds({"s": given}, LEAF if given.citations is None else LEAF | Ask.CITATIONS, LIMITS)
    work_off(store, crawl_id, {})
    store.add_to_vault(VAULT, crawl_id)
    store.give_names({"s": "Seed"})
    return content(store, "s")


def test_a_note_has_its_summary_and_citation_key(store: Store) -> None:
    seed = CrawlSeed("s", "refs.bib: lewis2020", "", "lewis2020")
    crawl_id = store.open_crawl("key", Direction.BOTH, 0, 5, [seed])
    work_off(store, crawl_id, {"s": answer("s", abstract="About.")})
    store.add_to_vault(VAULT, crawl_id)
    store.give_names({"s": "Seed"})
    assert store.unsummarized(crawl_id) == ["s"]
    store.save_summaries({"s": Summary("Short.", "tldr")})
    assert (store.unsummarized(crawl_id), store.summary_count(crawl_id)) == ([], 1)
    shown = content(store, "s")
    assert (shown.citekey, shown.summary) == ("lewis2020", Summary("Short.", "tldr"))


def test_a_paper_fetched_again_is_summarised_again(store: Store, clock: Clock) -> None:
    crawl_id = open_crawl(store, "s", depth=0)
    source: dict[str, Answer | None] = {"s": answer("s", [], abstract="About.")}
    work_off(store, crawl_id, source)
    store.save_summaries({"s": Summary("Short.", "abstract")})
    clock.move(86_400)
    open_crawl(store, "s", depth=0, refresh_days=0)
    work_off(store, crawl_id, source)
    assert store.unsummarized(crawl_id) == ["s"]


def test_contents_come_in_the_order_asked(store: Store, crawl_id: int) -> None:
    assert [one.name for one in store.note_contents(VAULT, ["s", "b", "a"], standing(store))] == [
        "Seed",
        "Alpha",
        "zeta",
    ]


def test_baselines_come_back_as_they_were_saved(store: Store, crawl_id: int) -> None:
    saved = {"a": Baseline({"section:references": ("x", "y"), "property:year": ("z",)}), "b": Baseline({}, True)}
    store.save_baselines(VAULT, saved)
    assert (store.baselines(VAULT), store.baselines("/another")) == (saved, {})
    store.save_baselines(VAULT, {"b": Baseline({})})
    assert store.baselines(VAULT)["b"] == Baseline({})


# The revision


def seen_from_elsewhere(store: Store) -> None:
    """Another crawl finds a paper that cites one of this vault."""
    other = open_crawl(store, "t", depth=0)
    work_off(store, other, {"t": answer("t", ["a"])})


def gone(store: Store) -> None:
    store.save_baselines(VAULT, {"a": Baseline({}, deleted=True)})


def half_a_list(store: Store) -> None:
    """A page of a list that is not finished."""
    enqueue(store, {"a": Ask.PAGE_CITATIONS})
    store.record_page(claimed(store), Page(Listing((Stub("new", "New"),)), 1_000), LIMITS)


def fetched_again(store: Store) -> None:
    enqueue(store, {"a": LEAF})
    store.record_wave(claimed(store), [answer("a", ["b"], title="Renamed")], LIMITS)


def more_collected(store: Store) -> None:
    crawl_id = open_crawl(store, "s", direction=Direction.REFERENCES, limit=4)
    work_off(store, crawl_id, {**SOURCE, "plain": answer("plain", [])})


def another_crawl(store: Store) -> None:
    other = open_crawl(store, "t", depth=0)
    work_off(store, other, {"t": answer("t", [])})
    store.add_to_vault(VAULT, other)


def another_language(store: Store) -> None:
    assert store.set_vault_language(VAULT, "ja")


def a_summary(store: Store) -> None:
    store.save_summaries({"a": Summary("Short.", "tldr")})


def a_newer_summary(store: Store) -> None:
    store.save_summaries({"b": Summary("Other words.", "tldr")})


def a_citation_key(store: Store) -> None:
    store.open_crawl("another", Direction.BOTH, 0, 5, [CrawlSeed("a", "a", "", "key")])


CHANGES = [
    seen_from_elsewhere,
    gone,
    half_a_list,
    fetched_again,
    more_collected,
    another_crawl,
    another_language,
    a_summary,
    a_newer_summary,
    a_citation_key,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_revision_changes_with_what_notes_say(
    store: Store, engine: Engine, clock: Clock, crawl_id: int, change: Callable[[Store], None]
) -> None:
    store.save_summaries({"b": Summary("Short.", "tldr")})
    store.save_baselines(VAULT, dict.fromkeys(NAMES, Baseline({})))
    before = store.revision(VAULT)
    clock.move(0.002)
    change(store)
    assert store.revision(VAULT) != before


def test_the_revision_stays_while_nothing_is_said_anew(store: Store, clock: Clock, crawl_id: int) -> None:
    store.save_baselines(VAULT, dict.fromkeys(NAMES, Baseline({})))
    before = store.revision(VAULT)
    clock.move(86_400)
    open_crawl(store, "s", direction=Direction.REFERENCES, limit=3)
    assert work_off(store, crawl_id, SOURCE) == []
    store.free_all()
    store.tidy()
    store.give_names(NAMES)
    store.add_to_vault(VAULT, crawl_id)
    store.add_to_vault("/another", crawl_id)
    assert store.set_vault_language("/another", "ja")
    store.save_baselines(VAULT, dict.fromkeys(NAMES, Baseline({"section:abstract": ("x",)})))
    assert store.revision(VAULT) == before


def test_the_revision_last_written_is_kept_by_vault(store: Store, crawl_id: int) -> None:
    assert store.written_revision(VAULT) is None
    store.mark_written(VAULT, "17")
    assert (store.written_revision(VAULT), store.written_revision("/another")) == ("17", None)
    store.add_to_vault(VAULT, crawl_id)
    assert store.written_revision(VAULT) == "17"
