"""Names of notes: readable, legal everywhere, one for each paper."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.naming import LONGEST, NoteNames, assign, collision_key, is_file_name, is_linkable, plain_name
from refnet.domain.papers import Author, Paper


def paper(title: str, author: str = "", year: int | None = None, paper_id: str = "ab12cd34ef") -> Paper:
    return Paper(paper_id, title, (Author(author),) if author else (), year)


@pytest.mark.parametrize(
    ("made_of", "name"),
    [
        (paper("Attention Is All You Need", "Ashish Vaswani", 2017), "Vaswani 2017 Attention Is All You Need"),
        (paper("Attention", "", 2017), "2017 Attention"),
        (paper("Attention", "Ashish Vaswani"), "Vaswani Attention"),
        (paper("", "Ashish Vaswani", 2017), "Vaswani 2017"),
        (paper(""), "ab12cd34ef"),
        (paper("???"), "ab12cd34ef"),
        (paper("BERT: Pre-training of Deep Things"), "BERT Pre-training of Deep Things"),
        (paper('L1/L2 | TCP\\IP [Re] "what" 50% A* <b> C# x^2?'), "L1-L2 - TCPIP (Re) what 50 A b C x2"),
        (paper("Learning $\\alpha$-Models with {{Braces}}"), "Learning alpha-Models with Braces"),
        (paper("日本語の題名：実験", "山田太郎", 2001), "山田太郎 2001 日本語の題名：実験"),
        (paper("<i>E. coli</i> R&amp;D"), "E. coli R&D"),
        (paper("...leading and trailing. ."), "leading and trailing"),
        (paper("con"), "_con"),
        (paper("NUL.txt"), "_NUL.txt"),
        (paper("a\u202eb\u200bc\x00d\n e"), "abcd e"),
        (paper("e\u0301tude"), "\u00e9tude"),
        (paper("../../etc/passwd"), "etc-passwd"),
    ],
)
def test_a_name_is_family_year_title(made_of: Paper, name: str) -> None:
    assert plain_name(made_of) == name


def test_the_other_style_is_the_id() -> None:
    assert plain_name(paper("Attention", "A B", 2017), NoteNames.PAPER_ID) == "ab12cd34ef"
    assert plain_name(paper("x", paper_id="../.obsidian/x"), NoteNames.PAPER_ID) == "obsidian-x"


def test_long_names_are_cut_at_a_word() -> None:
    name = plain_name(paper("word " * 100, "Ashish Vaswani", 2017))
    assert name.endswith("word")
    assert LONGEST - 5 <= len(name) <= LONGEST


def test_a_letter_and_its_marks_are_not_parted() -> None:
    title = "x" * (LONGEST - 1) + "q\u0323\u0307" + "y" * 50
    assert plain_name(paper(title)) == "x" * (LONGEST - 1)


texts = st.text(max_size=120) | st.text(
    alphabet='<>:"/\\|?*#^[]%. -_=~`${}&!\u202e\u200b\x00\ud800\u0301\u00e9AaßſKKiİ日', max_size=80
)
papers = st.builds(
    paper,
    texts,
    texts,
    st.none() | st.integers(1500, 2100),
    texts,
)


@given(papers, st.sampled_from(NoteNames))
def test_every_name_is_legal_on_every_system_and_in_a_link(made_of: Paper, style: NoteNames) -> None:
    name = plain_name(made_of, style)
    assert 0 < len(name.encode()) <= LONGEST
    assert not set(name) & set('*"\\/<>:|?#^[]%`$')
    assert not any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for sign in name)
    assert name == unicodedata.normalize("NFC", name)
    assert name[0] not in ". "
    assert name[-1] not in ". "
    assert "  " not in name
    assert name.partition(".")[0].strip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
    assert is_file_name(name)
    assert is_linkable(name)


def test_the_first_keeps_the_plain_name_and_the_next_get_the_start_of_their_id() -> None:
    same = [paper("Same Title", paper_id=f"{at}a0b1c2d3e4") for at in range(3)]
    assert list(assign(same, ()).values()) == ["Same Title", "Same Title (1a0b1c)", "Same Title (2a0b1c)"]


def test_more_of_the_id_is_taken_where_six_letters_are_not_enough() -> None:
    same = [paper("Same", paper_id=f"abcdef{at}") for at in range(3)]
    assert list(assign(same, ()).values()) == ["Same", "Same (abcdef)", "Same (abcdef2)"]


def test_ids_that_differ_in_nothing_a_file_can_show_are_numbered() -> None:
    same = [paper("Same", paper_id="a" + "?" * at) for at in range(4)]
    assert len({collision_key(name) for name in assign(same, ()).values()}) == 4


@pytest.mark.parametrize("twin", ["Étude", "étude", "E\u0301tude", "ÉTUDE"])
def test_case_and_composition_do_not_tell_two_names_apart(twin: str) -> None:
    assert assign([paper(twin, paper_id="abcdefg")], ["étude"])["abcdefg"].endswith("(abcdef)")


def test_a_long_name_leaves_room_for_the_id() -> None:
    first, second = paper("w" * 300, paper_id="1111111"), paper("w" * 300, paper_id="2222222")
    names = assign([first, second], ())
    assert names["2222222"] == "w" * (LONGEST - 9) + " (222222)"


@given(st.lists(papers, max_size=12, unique_by=lambda one: one.paper_id), st.lists(texts, max_size=4))
def test_names_never_collide_and_never_depend_on_chance(some: list[Paper], taken: list[str]) -> None:
    names = assign(some, taken)
    keys = [collision_key(name) for name in names.values()]
    assert len(set(keys)) == len(some)
    assert not set(keys) & {collision_key(name) for name in taken}
    assert all(len(name.encode()) <= LONGEST for name in names.values())
    assert assign(some, taken) == names


@pytest.mark.parametrize("name", ["", ".", "..", ".obsidian", "a/b", "a\\b", "a\x00", "a\nb", "x" * 256])
def test_what_is_no_file_of_the_folder_is_refused(name: str) -> None:
    assert not is_file_name(name)


@pytest.mark.parametrize("name", ["a|b", "a#b", "a^b", "a[b]", "a%%b", "{{a}}", "a`b", "a\u202eb", "a::b"])
def test_a_readers_name_that_breaks_links_is_known(name: str) -> None:
    assert not is_linkable(name)


def test_real_titles_give_names_that_differ_no_more_than_they_must(shared: Path) -> None:
    lines = (shared / "corpus" / "papers.jsonl").read_text(encoding="utf-8").splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["paperId"])
    some = [
        Paper(
            row["paperId"],
            row["title"] or "",
            tuple(Author(author["name"]) for author in row.get("authors") or () if author.get("name")),
            row.get("year"),
        )
        for row in rows
    ]
    names = assign(some, ())
    assert len({collision_key(name) for name in names.values()}) == len(some)
    assert all(is_linkable(name) and len(name.encode()) <= LONGEST for name in names.values())
