"""What else the API reads and keeps: papers page by page, and the sessions of browsers."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from sqlalchemy import Engine, insert, select

from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import papers, web_sessions
from refnet.adapters.database.store import Store
from refnet.domain.crawl import Ask
from refnet.domain.identifiers import parse_seed
from refnet.domain.permissions import Scope
from refnet.domain.summaries import Summary
from tests.contract.conftest import Clock
from tests.contract.making import LEAF, LIMITS, answer, claimed, enqueue


@pytest.fixture
def collected(store: Store) -> Store:
    """Four papers, of which one is only seen in a list."""
    answers = [
        answer("a", ["stub"], title="Attention, 100 % of it", year=2017),
        answer("b", [], title="attention_again", year=2018),
        answer("c", [], title="Other things", year=2018),
    ]
    store.record_seeds({one.paper_id: one for one in answers}, Ask.DETAILS | Ask.REFERENCES, LIMITS)
    return store


def page(store: Store, words: str = "", year: int | None = None, after: str = "", most: int = 10) -> list[str]:
    return [paper.paper_id for paper in store.paper_page(words, year, after, most)]


def test_only_collected_papers_are_listed_in_the_order_of_their_ids(collected: Store) -> None:
    assert page(collected) == ["a", "b", "c"]
    assert page(collected, most=2) == ["a", "b"]
    assert page(collected, after="b") == ["c"]


def test_words_are_looked_for_as_they_are_whatever_their_case(collected: Store) -> None:
    assert page(collected, "ATTENTION") == ["a", "b"]
    assert page(collected, "%") == ["a"]
    assert page(collected, "_") == ["b"]
    assert page(collected, year=2018) == ["b", "c"]
    assert page(collected, "attention", 2018) == ["b"]


def test_a_paper_is_found_with_its_summary(collected: Store) -> None:
    collected.save_summaries({"a": Summary("It is all.", "abstract")})

    found = collected.stored_paper("a")

    assert found is not None
    assert (found.paper.title, found.summary) == ("Attention, 100 % of it", Summary("It is all.", "abstract"))
    assert collected.stored_paper("stub") is None


def test_a_question_of_one_statement_leaves_a_connection_whose_transactions_can_fail_as_a_whole(engine: Engine) -> None:
    with reading(engine) as connection:
        connection.execute(select(papers.c.paper_id))

    with suppress(ZeroDivisionError), writing(engine) as connection:
        connection.execute(insert(papers).values(paper_id="a"))
        raise ZeroDivisionError

    with reading(engine) as connection:
        assert connection.execute(select(papers.c.paper_id)).all() == []


def test_a_session_is_its_keys_until_it_ends_or_the_key_is_revoked(store: Store, clock: Clock, engine: Engine) -> None:
    key, _ = store.make_key(Scope.WRITE, "laptop")
    first, second, third = (store.open_session(key.id, 100) for _ in range(3))
    assert store.key_of_session(first) == key
    with reading(engine) as connection:
        kept = set(connection.execute(select(web_sessions.c.digest)).scalars())
    assert not {first, second, third} & kept, "what a cookie holds is kept nowhere"

    store.close_session(first)
    assert store.key_of_session(first) is None
    store.revoke_key(key.id)
    assert store.key_of_session(second) is None
    other, _ = store.make_key(Scope.READ)
    session = store.open_session(other.id, 100)
    clock.move(101)
    assert store.key_of_session(session) is None


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("École d'été", "ÉCOLE D'ÉTÉ"),
        ("STRASSE und Straße", "straße UND strasse"),
        ("深層学習のサーベイ", "学習"),
        ("ﾃﾞｨｰﾌﾟﾗｰﾆﾝｸﾞ", "ディープ"),
        ("Ｆｕｌｌ width", "full WIDTH"),
        ("E\u0301tude", "étude"),
        ("100 % of_it", "% OF_"),
    ],
)
def test_words_are_found_whatever_their_case_and_width(store: Store, title: str, words: str) -> None:
    found = {"p": answer("p", title=title), "q": answer("q", title="something else")}
    store.record_seeds(found, Ask.DETAILS, LIMITS)

    assert [paper.title for paper in store.paper_page(words, None, "", 10)] == [title]


def test_a_title_of_any_length_is_kept_and_found_by_its_beginning(store: Store) -> None:
    letters = random.Random(1)
    title = "Needle " + "".join(chr(letters.randrange(0x4E00, 0x9FA0)) for _ in range(1_900))
    store.record_seeds({"p": answer("p", title=title)}, Ask.DETAILS, LIMITS)

    assert [paper.title for paper in store.paper_page("needle", None, "", 10)] == [title]


@pytest.mark.parametrize(
    "text",
    [
        "GloVe: Global Vectors for Word-Level Models",
        "glove: global vectors for word-level models",
        "GloVe: Global Vectors for Word-Level Models.",
        "GloVe Global Vectors for Word Level Models",
        "title: The GloVe – Global vectors for wordlevel models",
        "GloVe: Global Vecttors for Word-Level Models",
    ],
)
def test_a_collected_paper_is_found_by_its_title_as_a_seed_would_be(store: Store, text: str) -> None:
    titles = {"p": "GloVe: Global Vectors for Word-Level Models", "q": "GloVe: Global Vectors", "r": None}
    found = {one: answer(one, ["stub"], title=title) for one, title in titles.items()}
    store.record_seeds(found, Ask.DETAILS | Ask.REFERENCES, LIMITS)

    assert store.titled(parse_seed(text)) == ["p"]
    assert store.titled(parse_seed("title: stub")) == store.titled(parse_seed("Title of stub")) == []


def test_all_collected_papers_of_a_title_are_told_but_no_old_id_of_one(store: Store) -> None:
    def collect(title: str, *ids: str) -> None:
        store.record_seeds({one: answer(one, title=title) for one in ids}, Ask.DETAILS, LIMITS)

    collect("Moths, and Lamps", "c", "a", "old")
    collect("Moths and Lamps", "b")
    enqueue(store, {"old": LEAF})
    store.record_wave(claimed(store), [answer("a", [], [], title="Moths, and Lamps")], LIMITS)

    assert store.titled(parse_seed("moths, and lamps")) == ["a", "c"]
    assert store.titled(parse_seed("Moths and Lamps")) == ["b"]
    assert store.titled(parse_seed("Moths and lamps.")) == ["a", "b", "c"]
