"""A vault from what is stored, beside a reader who edits it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import yaml

from refnet.adapters.vault import FolderVault
from refnet.domain.errors import StorageFull
from refnet.domain.papers import Author, Paper
from refnet.domain.summaries import Summary
from refnet.pipeline.check_vault import check
from refnet.pipeline.generate import VaultReport, write_vault
from refnet.pipeline.standing import moved_notes
from tests.pipeline.memory_notes import MemoryNotes


def paper(paper_id: str, title: str, year: int = 2000) -> Paper:
    return Paper(paper_id, title, (Author("Ada Byron"),), year, abstract=f"About {title}.", citation_count=3)


@pytest.fixture
def store() -> MemoryNotes:
    made = MemoryNotes()
    made.add(paper("a1", "Alpha"), paper("b2", "Beta", 2001), paper("c3", "Gamma", 2002))
    made.cite("b2", "a1", "z9")
    made.cite("c3", "a1", "b2")
    return made


@pytest.fixture
def vault(tmp_path: Path) -> FolderVault:
    return FolderVault(tmp_path / "vault")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of change of every file."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {name: held for name, (held, _) in snapshot(folder).items()}


def note(vault: FolderVault, name: str) -> Path:
    return vault.path / "papers" / f"{name}.md"


ALPHA, BETA, GAMMA = "Byron 2000 Alpha", "Byron 2001 Beta", "Byron 2002 Gamma"


def test_every_paper_has_a_note_and_an_index_holds_them(store: MemoryNotes, vault: FolderVault) -> None:
    seen: list[tuple[int, int]] = []
    report = write_vault(store, vault, progress=lambda done, of: seen.append((done, of)))
    assert report == VaultReport(notes=3, written=3)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert sorted(contents(vault.path)) == [
        f"papers/{ALPHA}.md",
        f"papers/{BETA}.md",
        f"papers/{GAMMA}.md",
        "refnet/refnet index.md",
    ]
    text = note(vault, BETA).read_text()
    assert f"## References\n\n- [[{ALPHA}]]\n- Stub z9\n" in text
    assert f"## Cited by\n\n1 met so far, of 3 that Semantic Scholar counts.\n\n- [[{GAMMA}]]\n" in text
    assert check(store, vault) == []


def test_a_second_run_looks_at_no_note_and_changes_none(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    before, store.rendered = snapshot(vault.path), 0
    assert write_vault(store, vault) == VaultReport(notes=3, unchanged=3)
    assert snapshot(vault.path) == before
    assert store.rendered == 0


def test_what_did_not_change_is_not_touched(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    before = snapshot(vault.path)
    store.change("c3", abstract="Other.")
    assert write_vault(store, vault) == VaultReport(notes=3, written=1, unchanged=2)
    after = snapshot(vault.path)
    assert {name for name in before if after[name] != before[name]} == {f"papers/{GAMMA}.md"}


def test_another_language_is_a_change(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    before = contents(vault.path)
    assert write_vault(store, vault, lang="ja").written == 3
    assert "## 参考文献\n" in note(vault, BETA).read_text()
    assert write_vault(store, vault, lang="en").written == 3
    assert contents(vault.path) == before


def test_names_are_given_once_in_the_order_of_ids(store: MemoryNotes, vault: FolderVault) -> None:
    store.add(paper("a0", "Alpha"), paper("d4d4d4d4", "alpha"))
    write_vault(store, vault)
    assert store.names["a0"] == ALPHA
    assert store.names["a1"] == f"{ALPHA} (a1)"
    assert store.names["d4d4d4d4"] == "Byron 2000 alpha (d4d4d4)"
    store.change("a0", title="Another Title")
    store.add(paper("00", "Alpha"))
    write_vault(store, vault)
    assert store.names["a0"] == ALPHA
    assert store.names["00"] == f"{ALPHA} (00)"
    assert "**Another Title**" in note(vault, ALPHA).read_text()


def test_the_style_of_names_can_be_the_id(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault, style="paper_id")
    assert vault.notes() == {"a1", "b2", "c3"}


def test_a_readers_file_is_never_taken_for_a_note(store: MemoryNotes, vault: FolderVault) -> None:
    vault.prepare()
    vault.write(ALPHA.lower(), "mine")
    write_vault(store, vault)
    assert vault.read(ALPHA.lower()) == "mine"
    assert store.names["a1"] == f"{ALPHA} (a1)"
    (found,) = check(store, vault)
    assert (found.kind, found.where, found.fault) == ("not ours", f"papers/{ALPHA.lower()}.md", False)


def test_a_readers_edits_survive_every_update(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    mine = note(vault, BETA)
    text = (
        mine.read_text()
        .replace("year: 2001\n", "year: 1901\nrating: 5\n")
        .replace("## Links", "## Mine\n\nx\n\n## Links")
    )
    mine.write_text(text)
    before = mine.stat().st_mtime_ns
    assert write_vault(store, vault).unchanged == 3
    assert (mine.read_text(), mine.stat().st_mtime_ns) == (text, before)
    store.change("b2", abstract="Changed.", year=2011)
    report = write_vault(store, vault)
    assert report.conflicts == (("b2", "property:year"),)
    assert mine.read_text() == text.replace("About Beta.", "Changed.").replace("2001\n\n## Abs", "2011\n\n## Abs")
    assert [found.what for found in check(store, vault)] == ["property year is not as refnet wrote it, and is kept so"]


def test_edits_made_before_a_run_with_nothing_to_do_are_kept_later(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    mine = note(vault, BETA)
    mine.write_text(mine.read_text().replace("About Beta.", "My words."))
    write_vault(store, vault)
    store.change("b2", venue="X")
    write_vault(store, vault)
    assert "My words." in mine.read_text()
    assert 'venue: "X"' in mine.read_text()


def test_a_deleted_note_stays_deleted_and_links_to_it_are_text(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    note(vault, ALPHA).unlink()
    assert {found.kind for found in check(store, vault)} == {"missing note", "broken link"}
    report = write_vault(store, vault)
    assert (report.notes, report.deleted, report.written) == (2, ("a1",), 2)
    assert not note(vault, ALPHA).exists()
    assert "- Alpha (2000)\n" in note(vault, BETA).read_text()
    assert f"[[{ALPHA}]]" not in "".join(path.read_text() for path in vault.path.rglob("*.md"))
    assert check(store, vault) == []
    before = snapshot(vault.path)
    assert write_vault(store, vault) == VaultReport(notes=2, unchanged=2, deleted=("a1",))
    store.change("a1", abstract="News.")
    write_vault(store, vault)
    assert snapshot(vault.path) == before


def test_a_note_taken_back_from_the_bin_is_a_note_again(store: MemoryNotes, vault: FolderVault, tmp_path: Path) -> None:
    write_vault(store, vault)
    before = contents(vault.path)
    note(vault, ALPHA).rename(tmp_path / "bin.md")
    write_vault(store, vault)
    (tmp_path / "bin.md").rename(note(vault, ALPHA))
    assert write_vault(store, vault).deleted == ()
    assert contents(vault.path) == before


@pytest.mark.parametrize("left", ["", "nothing", "mine"])
def test_a_vault_that_was_emptied_is_written_anew(store: MemoryNotes, vault: FolderVault, left: str) -> None:
    write_vault(store, vault)
    before = contents(vault.path)
    note(vault, GAMMA).unlink()
    write_vault(store, vault)
    shutil.rmtree(vault.path / "papers" if left else vault.path)
    if left == "mine":
        vault.prepare()
        vault.write("My note", "mine")
    report = write_vault(store, vault)
    assert (report.notes, report.written, report.deleted) == (3, 3, ())
    after = contents(vault.path)
    after.pop("papers/My note.md", None)
    assert after == before


def move(vault: FolderVault, name: str, folder: str = "papers/read") -> Path:
    """As the reader does; where the note is then."""
    there = vault.path / folder / f"{name}.md"
    there.parent.mkdir(parents=True, exist_ok=True)
    return note(vault, name).rename(there)


MOVED = "was moved out of papers/ and is no longer brought up to date; move it back to have that again"


@pytest.mark.parametrize("folder", ["papers/read", "topics/deep/er"])
def test_a_note_moved_into_another_folder_stays_linked_and_is_told_in_each_run(
    store: MemoryNotes, vault: FolderVault, folder: str
) -> None:
    write_vault(store, vault)
    move(vault, ALPHA, folder)
    before = snapshot(vault.path)
    found = [(found.kind, found.where, found.what, found.fault) for found in check(store, vault)]
    assert found == [("moved note", f"{folder}/{ALPHA}.md", MOVED, False)]
    for _ in range(2):
        report = write_vault(store, vault)
        assert (report.notes, report.written, report.deleted) == (3, 0, ())
        assert report.problems == (f"{folder}/{ALPHA}.md: the note {MOVED}.",)
        assert snapshot(vault.path) == before


def test_a_moved_note_that_is_back_is_brought_up_to_date(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    there = move(vault, ALPHA)
    store.change("a1", abstract="News.")
    write_vault(store, vault)
    assert "News." not in there.read_text()
    there.rename(note(vault, ALPHA))
    assert write_vault(store, vault).problems == ()
    assert "News." in note(vault, ALPHA).read_text()


def test_several_moved_notes_are_told_in_one_sentence_and_not_written_a_second_time(
    store: MemoryNotes, vault: FolderVault
) -> None:
    write_vault(store, vault)
    for name in (ALPHA, BETA):
        move(vault, name, f"topics/{name[-3:]}")
    before = snapshot(vault.path)
    report = write_vault(store, vault)
    assert (report.written, report.deleted) == (0, ())
    assert report.problems == (
        (
            f"topics/eta/{BETA}.md and 1 more: these notes were moved out of papers/ and are no longer brought up to date; "
            "move them back to have that again."
        ),
    )
    assert snapshot(vault.path) == before
    assert not any(found.fault for found in check(store, vault))


def test_where_papers_holds_none_of_our_notes_all_are_written_anew_and_those_elsewhere_are_told(
    store: MemoryNotes, vault: FolderVault
) -> None:
    write_vault(store, vault)
    for name in (ALPHA, BETA):
        move(vault, name)
    note(vault, GAMMA).unlink()
    report = write_vault(store, vault)
    assert (report.written, report.deleted) == (3, ())
    assert report.problems == (
        (
            f"papers/read/{ALPHA}.md and 1 more: papers/ held none of the notes, so these notes were written there again. "
            "Remove one of the two."
        ),
    )
    assert {found.kind for found in check(store, vault)} == {"duplicate id"}


def test_a_note_taken_from_the_bin_into_another_folder_is_linked_again(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    before = note(vault, BETA).read_text()
    there = move(vault, ALPHA, ".trash")
    write_vault(store, vault)
    assert note(vault, BETA).read_text() != before
    there.rename(vault.path / there.name)
    assert write_vault(store, vault).deleted == ()
    assert note(vault, BETA).read_text() == before


@pytest.mark.parametrize("folder", [".trash", ".obsidian/x"])
def test_a_note_in_the_bin_is_deleted(store: MemoryNotes, vault: FolderVault, folder: str) -> None:
    write_vault(store, vault)
    move(vault, ALPHA, folder)
    assert write_vault(store, vault).deleted == ("a1",)


@pytest.mark.parametrize("planted", ["symlink", "folder", "pipe", "other paper", "broken"])
def test_what_only_has_the_name_of_a_deleted_note_does_not_stand_for_it(
    store: MemoryNotes, vault: FolderVault, tmp_path: Path, planted: str, request: pytest.FixtureRequest
) -> None:
    write_vault(store, vault)
    outside = note(vault, ALPHA).rename(tmp_path / "outside.md")
    there = vault.path / "read" / f"{ALPHA}.md"
    there.parent.mkdir()
    if planted == "symlink":
        there.symlink_to(outside)
    elif planted == "folder":
        there.mkdir()
    elif planted == "pipe":
        os.mkfifo(there)
        request.addfinalizer(partial(os.close, os.open(there, os.O_RDWR)))
    elif planted == "other paper":
        there.write_text(note(vault, BETA).read_text())
    else:
        there.write_text("---\n[: {\n")
    assert write_vault(store, vault).deleted == ("a1",)


def test_notes_of_another_vault_below_this_one_stand_for_none_of_its_notes(
    store: MemoryNotes, vault: FolderVault
) -> None:
    below = FolderVault(vault.path / "another")
    write_vault(store, below)
    first = write_vault(store, vault)
    assert (first.written, first.problems) == (3, ())
    assert check(store, vault) == []
    note(vault, ALPHA).unlink()
    report = write_vault(store, vault)
    assert (report.deleted, report.problems) == (("a1",), ())


def test_a_note_is_found_and_told_in_a_folder_whose_name_is_no_text(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    move(vault, ALPHA, os.fsdecode(b"caf\xe9"))
    (told,) = write_vault(store, vault).problems
    assert told.encode().decode().startswith(f"caf\ufffd/{ALPHA}.md: ")


def test_however_deep_the_readers_folders_are_the_vault_is_written_and_checked(
    store: MemoryNotes, vault: FolderVault
) -> None:
    write_vault(store, vault)
    note(vault, ALPHA).unlink()
    with contextlib.chdir(vault.path):
        for _ in range(1_300):
            Path("d").mkdir()
            os.chdir("d")
    try:
        assert write_vault(store, vault).deleted == ("a1",)
        assert check(store, vault) == []
    finally:  # Python's own way of removing a tree goes no deeper than os.walk
        subprocess.run(["rm", "-rf", vault.path / "d"], check=True)


def test_a_copy_of_a_note_that_was_never_written_is_no_moved_note(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    text = note(vault, ALPHA).read_text()
    other = FolderVault(vault.path.parent / "other")
    (other.path / "kept").mkdir(parents=True)
    (other.path / "kept" / f"{ALPHA}.md").write_text(text)
    assert write_vault(store, other).written == 3


def test_a_moved_note_is_known_by_a_name_that_obsidian_takes_for_the_same(vault: FolderVault) -> None:
    store = MemoryNotes()
    store.add(paper("a1", "Über"), paper("b2", "Beta", 2001))
    write_vault(store, vault)
    there = move(vault, "Byron 2000 Über")
    there.rename(there.with_name(unicodedata.normalize("NFD", "byron 2000 über.md")))
    report = write_vault(store, vault)
    assert (report.deleted, len(report.problems)) == ((), 1)


def test_a_moved_note_that_still_has_the_id_from_before_a_merger_is_known(vault: FolderVault) -> None:
    store = MemoryNotes()
    store.add(paper("old", "Alpha"))
    write_vault(store, vault)
    move(vault, ALPHA)
    (baseline,) = store.baselines(str(vault.path)).values()
    assert moved_notes(vault, {"new": ALPHA}, {"new": baseline}) == {"new": f"papers/read/{ALPHA}.md"}
    assert moved_notes(vault, {"new": ALPHA}, {}) == {}


def test_a_copy_under_the_old_name_does_not_keep_a_renamed_note_from_its_updates(
    store: MemoryNotes, vault: FolderVault
) -> None:
    write_vault(store, vault)
    shutil.copy(move(vault, ALPHA), note(vault, "My Alpha"))
    store.change("a1", abstract="News.")
    assert write_vault(store, vault).problems == ()
    assert "News." in note(vault, "My Alpha").read_text()


def test_the_vault_is_walked_only_where_a_note_is_missing(store: MemoryNotes, tmp_path: Path) -> None:
    class Walked(FolderVault):
        walks = 0

        def elsewhere(self, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
            self.walks += 1
            return super().elsewhere(names)

    vault = Walked(tmp_path / "vault")
    write_vault(store, vault)
    store.change("a1", abstract="News.")
    write_vault(store, vault)
    assert vault.walks == 0
    move(vault, ALPHA)
    write_vault(store, vault)
    assert vault.walks == 1


def test_the_check_finds_a_second_note_of_a_paper_in_another_folder(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    there = vault.path / "topics" / f"{ALPHA}.md"
    there.parent.mkdir()
    shutil.copy(note(vault, ALPHA), there)
    found = [(found.kind, found.where, found.what) for found in check(store, vault)]
    assert found == [("duplicate id", f"topics/{ALPHA}.md", f"has the paper_id of papers/{ALPHA}.md")]


def test_a_renamed_note_works_on_under_its_new_name(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    note(vault, ALPHA).rename(note(vault, "My Alpha"))
    report = write_vault(store, vault)
    assert report.deleted == ()
    assert report.conflicts == ()
    assert store.names["a1"] == "My Alpha"
    assert not note(vault, ALPHA).exists()
    assert "- [[My Alpha]]\n" in note(vault, BETA).read_text()
    store.change("a1", abstract="News.")
    write_vault(store, vault)
    assert "News." in note(vault, "My Alpha").read_text()
    assert check(store, vault) == []


def test_links_that_obsidian_changed_with_the_name_are_no_edits(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    note(vault, ALPHA).rename(note(vault, "Zeta"))
    for name in (BETA, GAMMA):
        note(vault, name).write_text(note(vault, name).read_text().replace(f"[[{ALPHA}]]", "[[Zeta]]"))
    store.cite("c3", "y8")
    report = write_vault(store, vault)
    assert report.conflicts == ()
    assert f"- [[{BETA}]]\n- [[Zeta]]\n- Stub y8\n" in note(vault, GAMMA).read_text()


def test_a_renaming_cut_short_goes_on(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    note(vault, ALPHA).rename(note(vault, "Zeta"))
    note(vault, GAMMA).write_text(note(vault, GAMMA).read_text().replace(f"[[{ALPHA}]]", "[[Zeta]]"))
    store.before_save = killed_at(2)
    with pytest.raises(KeyboardInterrupt):
        write_vault(store, vault)
    store.before_save = None
    store.cite("c3", "y8")
    assert write_vault(store, vault).conflicts == ()
    assert "- [[Zeta]]\n" in note(vault, BETA).read_text()
    assert "- Stub y8\n" in note(vault, GAMMA).read_text()


def test_a_renaming_cut_short_is_not_taken_for_finished(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    note(vault, ALPHA).rename(note(vault, "Zeta"))
    with pytest.raises(KeyboardInterrupt):
        write_vault(store, Dying(vault.path))
    write_vault(store, vault)
    assert "- [[Zeta]]\n" in note(vault, BETA).read_text()


def test_a_new_name_that_a_paper_of_another_vault_has_is_told(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    store.names["x"] = "Taken"
    note(vault, ALPHA).rename(note(vault, "Taken"))
    assert write_vault(store, vault).problems == ("Taken: the note of another paper has this name.",)
    assert store.names["x"] == "Taken"


def test_an_index_that_was_deleted_is_written_again(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    index = vault.path / "refnet" / "refnet index.md"
    before = index.read_text()
    index.unlink()
    write_vault(store, vault)
    assert index.read_text() == before


def test_a_copy_of_a_note_is_found_and_not_written(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    shutil.copy(note(vault, ALPHA), note(vault, f"{ALPHA} 1"))
    store.change("a1", abstract="News.")
    write_vault(store, vault)
    assert "News." not in note(vault, f"{ALPHA} 1").read_text()
    assert [(found.kind, found.where) for found in check(store, vault)] == [("duplicate id", f"papers/{ALPHA} 1.md")]


def test_a_lost_database_finds_its_notes_again(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    note(vault, ALPHA).rename(note(vault, "Zeta"))
    before = contents(vault.path)
    anew = MemoryNotes(store.papers, store.cites)
    report = write_vault(anew, vault)
    assert anew.names["a1"] == "Zeta"
    assert (report.notes, report.deleted) == (3, ())
    assert set(contents(vault.path)) == set(before)
    anew.change("b2", abstract="News.")
    assert write_vault(anew, vault).written == 1


def test_a_note_that_cannot_be_merged_is_left_alone_and_told_each_time(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    broken = note(vault, BETA).read_text().replace("year: 2001", "year: [2001")
    note(vault, BETA).write_text(broken)
    store.change("b2", abstract="News.")
    for _ in range(2):
        report = write_vault(store, vault)
        assert report.problems == (f"{BETA}: the brackets of the property year do not close.",)
        assert note(vault, BETA).read_text() == broken
    assert [(found.kind, found.fault) for found in check(store, vault)] == [("unreadable", True)]
    note(vault, BETA).write_text(broken.replace("[2001", "2001"))
    assert write_vault(store, vault).problems == ()
    assert "News." in note(vault, BETA).read_text()


def test_a_note_that_is_a_link_is_told_and_the_rest_is_written(
    store: MemoryNotes, vault: FolderVault, tmp_path: Path
) -> None:
    write_vault(store, vault)
    (tmp_path / "outside.md").write_text("secret")
    note(vault, BETA).unlink()
    note(vault, BETA).symlink_to(tmp_path / "outside.md")
    store.change("b2", abstract="News.")
    store.change("c3", abstract="More news.")
    report = write_vault(store, vault)
    assert len(report.problems) == 1
    assert "symbolic link" in report.problems[0]
    assert (tmp_path / "outside.md").read_text() == "secret"
    assert "More news." in note(vault, GAMMA).read_text()


def test_two_notes_whose_files_were_swapped_are_told(store: MemoryNotes, vault: FolderVault, tmp_path: Path) -> None:
    write_vault(store, vault)
    note(vault, ALPHA).rename(tmp_path / "x")
    note(vault, BETA).rename(note(vault, ALPHA))
    (tmp_path / "x").rename(note(vault, BETA))
    before = contents(vault.path / "papers")
    store.change("a1", abstract="News.")
    report = write_vault(store, vault)
    assert f"{ALPHA}: the file holds the note of another paper, b2." in report.problems
    assert contents(vault.path / "papers")[f"{BETA}.md"] == before[f"{BETA}.md"]


def test_a_dry_run_tells_and_changes_nothing(store: MemoryNotes, vault: FolderVault) -> None:
    assert write_vault(store, vault, dry_run=True) == VaultReport(notes=3, written=3)
    assert not vault.path.exists()
    assert (store.names, store.saved, store.written) == ({}, {}, {})
    write_vault(store, vault)
    store.change("b2", abstract="News.")
    note(vault, ALPHA).unlink()
    before = snapshot(vault.path)
    report = write_vault(store, vault, dry_run=True)
    assert (report.notes, report.written, report.deleted) == (2, 2, ("a1",))
    assert snapshot(vault.path) == before
    assert store.saved[str(vault.path)]["a1"].deleted is False


# ---------------------------------------------------------------- interruptions


def killed_at(save: int) -> Iterator[None]:
    """Ends the process, as far as the store can tell, at the n-th save."""
    for _ in range(save):
        yield
    raise KeyboardInterrupt


class Dying(FolderVault):
    """Ends the process after some writes."""

    left = 0

    def write(self, name: str, text: str) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        super().write(name, text)


#: The saves and writes at which a run is killed: all that it makes.
DEATHS = [("first", "save", 3), ("first", "write", 3), ("update", "save", 2), ("update", "write", 3)]


@pytest.mark.parametrize(
    ("stage", "kind", "point"), [(stage, kind, point) for stage, kind, points in DEATHS for point in range(points)]
)
def test_a_run_killed_anywhere_resumes_to_the_same_vault(
    store: MemoryNotes, tmp_path: Path, stage: str, kind: str, point: int
) -> None:
    def change(notes: MemoryNotes) -> None:
        notes.change("a1", abstract=None, venue="X")
        notes.change("b2", abstract="News.", year=None)
        notes.cite("a1", "c3")
        notes.summaries["c3"] = Summary("Short.", "tldr")

    faultless = MemoryNotes(dict(store.papers), set(store.cites))
    expected = FolderVault(tmp_path / "expected")
    whole = FolderVault(tmp_path / "vault")
    write_vault(faultless, expected)
    if stage == "update":
        write_vault(store, whole)
        change(store)
        change(faultless)
        write_vault(faultless, expected)
    dying = Dying(tmp_path / "vault")
    dying.left = point if kind == "write" else 100
    store.before_save = killed_at(point) if kind == "save" else None
    with pytest.raises(KeyboardInterrupt):
        write_vault(store, dying)
    store.before_save = None
    report = write_vault(store, whole)
    assert (report.conflicts, report.deleted, report.problems) == ((), (), ())
    assert contents(whole.path) == contents(expected.path)
    # What a crash left half said must not count for the reader's later.
    store.change("b2", abstract="Last words.")
    faultless.change("b2", abstract="Last words.")
    write_vault(store, whole)
    write_vault(faultless, expected)
    assert contents(whole.path) == contents(expected.path)


class Full(FolderVault):
    """A disk with room for some files."""

    room = 1

    def write(self, name: str, text: str) -> None:
        if not self.room:
            raise StorageFull("No room left.")
        self.room -= 1
        super().write(name, text)


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(store: MemoryNotes, tmp_path: Path) -> None:
    full = Full(tmp_path / "vault")
    with pytest.raises(StorageFull):
        write_vault(store, full)
    assert len(full.notes()) == 1
    report = write_vault(store, FolderVault(tmp_path / "vault"))
    assert (report.notes, report.deleted) == (3, ())


def test_a_note_saved_while_refnet_works_is_merged_as_it_is_then(store: MemoryNotes, tmp_path: Path) -> None:
    class Edited(FolderVault):
        """A reader saves a note between the look at it and its turn to be written."""

        reads = 0

        def read(self, name: str) -> str | None:
            text = super().read(name)
            if name == BETA and text is not None:
                self.reads += 1
                if self.reads == 1:
                    note(self, BETA).write_text(text + "\nMy words.\n")
            return text

    vault = FolderVault(tmp_path / "vault")
    write_vault(store, vault)
    store.change("b2", abstract="News.")
    write_vault(store, Edited(tmp_path / "vault"))
    text = note(vault, BETA).read_text()
    assert "News." in text
    assert text.endswith("My words.\n")


# ---------------------------------------------------------------- what the check finds


def test_the_check_finds_links_that_lead_nowhere(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    (vault.path / "My note.md").write_text("x")
    links = (
        "[[My note]] [[My note#Part|shown]] [[papers/" + ALPHA + "]] [[refnet index]] `[[code]]`\n```\n[[code]]\n```\n"
    )
    note(vault, BETA).write_text(
        note(vault, BETA).read_text() + links + "[[Nowhere|x]] [[Nowhere]]\n\\[\\[text\\]\\]\n"
    )
    findings = [(found.kind, found.where, found.what) for found in check(store, vault)]
    assert findings == [("broken link", f"papers/{BETA}.md", "links to Nowhere, which is not there")]


def test_the_check_foretells_that_a_vault_without_any_of_its_notes_is_written_anew(
    store: MemoryNotes, vault: FolderVault
) -> None:
    first = write_vault(store, vault)
    shutil.rmtree(vault.path / "papers")

    missing = [(found.where, found.what) for found in check(store, vault) if found.kind == "missing note"]

    assert missing == [("papers", "holds none of the notes that were written; the next write writes all anew")]
    again = write_vault(store, vault)
    assert (again.written, again.deleted) == (first.written, ())


def test_the_check_of_a_vault_that_is_not_there_finds_nothing_but_that(store: MemoryNotes, vault: FolderVault) -> None:
    assert check(store, vault) == []
    assert not vault.path.exists()


def test_every_note_of_a_hostile_library_is_sound(vault: FolderVault) -> None:
    store = MemoryNotes()
    hostile = [
        "../../x",
        "CON",
        "a" * 300,
        "<% x %>",
        "[[x]]",
        "{{x}}",
        "#tag",
        "%%",
        "a\u202eb",
        "---",
        "",
        "é",
        "e\u0301",
        "É",
    ]
    for at, title in enumerate(hostile):
        store.add(Paper(f"{at:06}ff", title, (Author(title),), abstract=title, venue=title, pdf_url=title))
    for citing in store.papers:
        store.cite(citing, *store.papers)
    report = write_vault(store, vault)
    assert (report.notes, report.problems) == (len(hostile), ())
    assert check(store, vault) == []
    assert {path.parent for path in vault.path.rglob("*.md")} == {vault.path / "papers", vault.path / "refnet"}
    for path in (vault.path / "papers").iterdir():
        head = path.read_text().split("---\n")[1]
        assert yaml.safe_load(head)["refnet"] == 1
        assert not re.search(r"<%|\{\{|%%", path.read_text())
    assert write_vault(store, vault).written == 0


def test_a_readers_own_file_under_the_name_of_a_named_paper_is_left_alone(
    store: MemoryNotes, vault: FolderVault
) -> None:
    store.give_names({"a1": "Mine", "b2": "Beta", "c3": "Gamma"})
    vault.prepare()
    note(vault, "Mine").write_text("my own words\n", encoding="utf-8")

    report = write_vault(store, vault)

    assert report.problems == ("Mine: the file is not one of refnet's notes.",)
    assert note(vault, "Mine").read_text(encoding="utf-8") == "my own words\n"


def test_a_paper_whose_name_went_to_one_of_another_vault_meanwhile_gets_another_name(
    store: MemoryNotes, vault: FolderVault
) -> None:
    class Contended(MemoryNotes):
        def give_names(self, names: Mapping[str, str]) -> None:
            if "elsewhere" not in self.names:
                self.names["elsewhere"] = BETA
            super().give_names({one: name for one, name in names.items() if name not in self.names.values()})

    contended = Contended(store.papers, store.cites)
    assert write_vault(contended, vault).problems == ()

    assert contended.names == {"elsewhere": BETA, "a1": ALPHA, "b2": f"{BETA} (b2)", "c3": GAMMA}
    assert note(vault, f"{BETA} (b2)").exists()


def test_a_readers_name_that_went_to_a_paper_of_another_vault_meanwhile_is_told(
    store: MemoryNotes, vault: FolderVault
) -> None:
    class Contended(MemoryNotes):
        def rename_notes(self, names: Mapping[str, str]) -> None:
            self.names["elsewhere"] = names["a1"]

    contended = Contended(store.papers, store.cites)
    write_vault(contended, vault)
    note(vault, ALPHA).rename(note(vault, "Mine"))

    assert write_vault(contended, vault).problems == ("Mine: the note of another paper has this name.",)
    assert note(vault, "Mine").exists()


def test_the_note_of_a_merged_paper_takes_its_present_id(store: MemoryNotes, vault: FolderVault) -> None:
    write_vault(store, vault)
    key, name = str(vault.path), store.names.pop("b2")
    store.add(paper("b9", "Beta"))
    del store.papers["b2"]
    store.names["b9"] = name
    store.saved[key]["b9"] = store.saved[key].pop("b2")

    assert write_vault(store, vault).problems == ()
    assert '\npaper_id: "b9"\n' in note(vault, name).read_text(encoding="utf-8")
