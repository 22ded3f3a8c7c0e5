"""A vault that its reader works in, between two runs."""

from __future__ import annotations

import shutil

import pytest

from refnet.demo.bundled import SEED
from tests.acceptance.command import Refnet, stamps, tree


@pytest.fixture
def mapped(refnet: Refnet) -> Refnet:
    refnet.map(SEED, "--limit", "10")
    return refnet


@pytest.mark.slow
def test_what_the_reader_wrote_survives_a_larger_crawl(mapped: Refnet) -> None:
    papers = mapped.folder / "vault" / "papers"
    (note,) = papers.glob("Lewis 2020*.md")
    text = note.read_text(encoding="utf-8")
    note.write_text(
        text.replace("\n---\n", "\nrating: 5\n---\n", 1) + "\n## My thoughts\n\nRead this twice.\n", encoding="utf-8"
    )

    document = mapped.map(SEED, "--limit", "40")

    after = note.read_text(encoding="utf-8")
    assert document["papers"] == document["notes"] == 40
    assert document["conflicts"] == []
    assert "rating: 5" in after
    assert "## My thoughts\n\nRead this twice.\n" in after
    assert after.count("[[") > text.count("[[")
    mapped.done("vault", "check")


@pytest.mark.slow
def test_a_note_that_the_reader_deleted_stays_deleted_and_the_report_says_so(mapped: Refnet) -> None:
    papers = mapped.folder / "vault" / "papers"
    gone = min(papers.iterdir())
    gone.unlink()

    ended = mapped.done("map", SEED, "--limit", "12")

    assert not gone.exists()
    assert "1 note that you deleted stays deleted." in ended.out
    assert all(f"[[{gone.stem}" not in note.read_text(encoding="utf-8") for note in papers.iterdir())
    document = mapped.map(SEED, "--limit", "12")
    assert (document["papers"], document["notes"]) == (12, 11)
    mapped.done("vault", "check")


@pytest.mark.slow
def test_a_note_that_the_reader_sorted_away_stays_linked_and_the_report_says_so(mapped: Refnet) -> None:
    vault = mapped.folder / "vault"
    moved = min((vault / "papers").glob("Vaswani 2017*.md"))
    (vault / "papers" / "read").mkdir()
    moved.rename(vault / "papers" / "read" / moved.name)
    before = tree(vault)

    ended = mapped.done("map", SEED, "--limit", "10")

    assert "deleted" not in ended.out
    assert ended.out.count("moved out of papers/") == 1
    assert tree(vault) == before
    mapped.done("vault", "check")


@pytest.mark.slow
def test_a_vault_that_is_gone_is_written_anew_without_a_request(mapped: Refnet) -> None:
    before = tree(mapped.folder / "vault")
    shutil.rmtree(mapped.folder / "vault")

    document = mapped.map(SEED, "--limit", "10")

    assert document["requests"] == {"semantic_scholar": 0}
    assert tree(mapped.folder / "vault") == before


@pytest.mark.slow
def test_an_edit_of_refnets_own_words_is_kept_and_named(mapped: Refnet) -> None:
    (note,) = (mapped.folder / "vault" / "papers").glob("Lewis 2020*.md")
    text = note.read_text(encoding="utf-8")
    assert "\nyear: 2020\n" in text
    note.write_text(text.replace("\nyear: 2020\n", "\nyear: 2021\n"), encoding="utf-8")
    before = stamps(mapped.folder / "vault")

    checked = mapped("vault", "check", "--json")
    again = mapped.map(SEED, "--limit", "10")

    assert checked.code == 1
    assert [finding["kind"] for finding in checked.json["findings"]] == ["foreign edit"]
    assert again["conflicts"] == []
    assert stamps(mapped.folder / "vault") == before


def test_without_settings_the_data_are_in_the_users_own_place(refnet: Refnet) -> None:
    home = refnet.folder / "home"
    home.mkdir()

    refnet.without("REFNET_DATA_DIR").with_(HOME=str(home)).map(SEED, "--depth", "0")

    assert len(list(home.rglob("refnet.db"))) == 1
    assert not refnet.data.exists()
