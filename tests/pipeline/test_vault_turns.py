"""One vault written by many workers, held against the same vault written by one process."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from refnet.adapters.abstracts import AbstractSummarizer
from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import database_url, open_engine, writing
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.schema import metadata, papers
from refnet.adapters.database.store import Store
from refnet.adapters.vault import FolderVault
from refnet.demo.bundled import bundled_corpus
from refnet.demo.graph import Corpus
from refnet.domain.crawls import MOST_LOST_TURNS, CrawlSeed, CrawlStage, CrawlState, crawl_key
from refnet.domain.errors import ConfigurationError, HeldElsewhere, LeaseLost, StorageFull, StoreUnavailable
from refnet.domain.jobs import MOST_LOSSES, Stage
from refnet.domain.notes import NoteContent
from refnet.domain.papers import Answer, Author, Direction, Stub
from refnet.domain.summaries import Summary
from refnet.domain.workers import WorkerReport
from refnet.pipeline.check_vault import check
from refnet.pipeline.cluster import AWAY_FOR_GOOD, ClusterWorker, summarize_wave
from refnet.pipeline.generate import INDEX, write_vault
from refnet.pipeline.lease import LEASE, Lease
from refnet.pipeline.offline import OfflineRunner
from refnet.pipeline.summarize import summarize
from refnet.pipeline.turns import Turns
from refnet.pipeline.vault_turns import VaultWorker
from tests.contract.making import LIMITS, answer, as_asked, work_off
from tests.pipeline.conftest import Clock
from tests.pipeline.reading import texts_of
from tests.pipeline.scripted import Quiet
from tests.pipeline.test_announce import Queues
from tests.servers import fresh_database, ticks

Source = Mapping[str, Answer | None]
STYLE = "author-year-title"
#: `s` and `t` are seeds; both cite `a`, and `b` and `c` have the same title.
SOURCE: dict[str, Answer | None] = {
    "s": answer("s", ["a", "b"], abstract="About s. It is long.", title="Seed", year=2001),
    "t": answer("t", ["a", "c", "s"], abstract="About t.", title="Turn", year=2002),
    "a": answer("a", ["b", "plain"], abstract="About a.", title="Alpha", year=1999),
    "b": answer("b", [], title="Beta", year=1998),
    "c": answer("c", ["b"], title="Beta", year=1998),
}


class TooLong(Exception):
    """What a worker's time limit raises in the middle of the work."""


class Killed(BaseException):
    """The process ends here, and nothing of it runs any more."""


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        engine = open_engine(database_url(url))
        upgrade(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def postgres(server: Engine) -> Engine:
    with writing(server) as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    return server


class Alone:
    """One process with a file for a database: what the others are held against."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.vault = FolderVault(folder)

    def map(self, source: Source, *seeds: str, depth: int = 1, lang: str = "en") -> tuple[object, ...]:
        """Map these seeds; conflicts, deleted papers and problems."""
        named = [CrawlSeed(seed, seed, "") for seed in seeds]
        direction = Direction.REFERENCES
        place = str(self.vault.path)
        key, most = crawl_key(seeds, direction), len(source)
        crawl_id = self.store.open_crawl(key, direction, depth, most, named, vault=place, lang=lang)
        work_off(self.store, crawl_id, source)
        summarize(crawl_id, self.store, AbstractSummarizer(), Quiet())
        self.store.add_to_vault(place, crawl_id)
        report = write_vault(self.store, self.vault, lang=lang)
        return report.conflicts, report.deleted, report.problems


class Worker:
    """One process of a generator worker."""

    def __init__(
        self,
        store: ClusterStore,
        folder: Path,
        owner: str = "me",
        most: int = 2,
        kind: Callable[[Path], FolderVault] = FolderVault,
    ) -> None:
        self.store = store
        self.ending = False
        turns = Turns(store, owner, (TooLong,), lambda: self.ending)
        self.vault = VaultWorker(store, kind(folder), STYLE, turns)
        self.runner = OfflineRunner(store, Stage.GENERATE, self.vault.write, owner=owner, most=most)

    def work(self) -> bool:
        """What a hint makes it do; whether there was anything."""
        seen = self.vault.see_to_vault()
        fate = self.runner.step()
        if fate is not None:
            assert fate.error is None, fate.error
            self.vault.see_to_vault()
        return seen or fate is not None

    def run(self) -> None:
        for _ in range(500):
            if not self.work():
                return
        raise AssertionError("the notes do not end")


class Together:
    """A cluster's database, and a vault that its workers write."""

    def __init__(self, engine: Engine, folder: Path, clock: Clock, kind: type[ClusterStore] = ClusterStore) -> None:
        self.store = kind(engine, clock=clock)
        self.folder = folder
        self.key = str(FolderVault(folder).path)

    def worker(self, owner: str = "me", most: int = 2, kind: Callable[[Path], FolderVault] = FolderVault) -> Worker:
        return Worker(self.store, self.folder, owner, most, kind)

    def to_the_notes(self, source: Source, *seeds: str, depth: int = 1, lang: str = "en") -> int:
        """Collect and summarise; the crawl then waits for who sees to the vault."""
        named = [CrawlSeed(seed, seed, "") for seed in seeds]
        direction = Direction.REFERENCES
        crawl_id = self.store.hand_over(
            crawl_key(seeds, direction),
            direction,
            depth,
            len(source),
            named,
            None,
            vault=self.key,
            lang=lang,
            limits=LIMITS,
        )
        self.collect(crawl_id, source)
        return crawl_id

    def collect(self, crawl_id: int, source: Source, given_up: str | None = None) -> None:
        """Collect and summarise, but for the job of a paper that is given up."""
        texts = texts_of()

        def work(wave: Any, lease: Lease) -> None:
            summarize_wave(self.store, texts, wave, lease)

        summaries = OfflineRunner(self.store, Stage.SUMMARIZE, work, owner="me", most=100)
        limits = LIMITS if given_up is None else replace(LIMITS, ids=1)
        for _ in range(100):
            while (wave := self.store.claim("me", limits, lease=LEASE)) is not None:
                if given_up in wave.paper_ids:
                    self.store.bury(wave, "it will not do")
                    continue
                found = [as_asked(source.get(one), wave.ask) for one in wave.paper_ids]
                self.store.record_wave(wave, found, LIMITS)
            while summaries.step() is not None:
                pass
            self.store.go_on(LIMITS)
            if self.store.stage(crawl_id) is CrawlStage.NAME:
                return
        raise AssertionError("the crawl does not end")

    def map(self, source: Source, *seeds: str, depth: int = 1, lang: str = "en") -> tuple[object, ...]:
        crawl_id = self.to_the_notes(source, *seeds, depth=depth, lang=lang)
        self.worker().run()
        assert self.state(crawl_id) is CrawlState.FINISHED
        return self.told()

    def state(self, crawl_id: int) -> CrawlState:
        return self.store.crawl(crawl_id).state

    def told(self) -> tuple[object, ...]:
        """Conflicts, deleted papers and problems, as the report tells them."""
        return (
            tuple(self.store.note_conflicts(self.key)),
            tuple(sorted(self.store.deleted_notes(self.key))),
            tuple(self.store.note_problems(self.key)),
        )


@pytest.fixture
def alone(store: Store, tmp_path: Path) -> Alone:
    return Alone(store, tmp_path / "alone")


@pytest.fixture
def together(postgres: Engine, tmp_path: Path, clock: Clock) -> Together:
    return Together(postgres, tmp_path / "together", clock)


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def same(alone: Alone, together: Together) -> None:
    """Byte for byte, and each vault as a reader's tools want it."""
    assert contents(together.folder) == contents(alone.vault.path)
    assert len(contents(together.folder)) > 1
    assert together.store.written_revision(together.key) == alone.store.written_revision(str(alone.vault.path))


# The same vault


def from_corpus(corpus: Corpus) -> dict[str, Answer | None]:
    """The corpus as a source would tell it."""
    rows = [corpus.row(index) for index in range(len(corpus))]
    found: dict[str, Answer | None] = {}
    for index, row in enumerate(rows):
        cited = [Stub(rows[other]["paperId"], rows[other]["title"]) for other in corpus.references(index) if other >= 0]
        found[row["paperId"]] = answer(
            row["paperId"],
            cited,
            title=row["title"],
            year=row.get("year"),
            venue=row.get("venue"),
            abstract=row.get("abstract"),
            authors=tuple(Author(author["name"]) for author in row["authors"]),
        )
    return found


def test_workers_write_the_bundled_corpus_byte_for_byte_as_one_process_does(alone: Alone, together: Together) -> None:
    source = from_corpus(bundled_corpus())
    alone.map(source, *source)
    crawl_id = together.to_the_notes(source, *source)
    work_at_once(together, crawl_id, workers=3, most=5)
    assert len(contents(together.folder)) == len(source) + 1
    same(alone, together)
    assert check(together.store, FolderVault(together.folder)) == []


def work_at_once(together: Together, crawl_id: int, workers: int, most: int) -> None:
    """Workers that begin at the same moment and work until the crawl has ended."""
    start = threading.Barrier(workers)

    def run(number: int) -> int:
        worker = together.worker(f"worker:{number}", most)
        start.wait(60)
        waves = 0
        for _ in ticks(120):
            waves += worker.work()
            if together.state(crawl_id) is CrawlState.FINISHED:
                return waves
        raise AssertionError("the crawl does not end")

    with ThreadPoolExecutor(workers) as pool:
        assert sum(pool.map(run, range(workers))) > 1


def test_papers_of_the_same_name_get_the_names_that_one_process_gives(alone: Alone, together: Together) -> None:
    alone.map(SOURCE, "s", "t")
    together.map(SOURCE, "s", "t")
    same(alone, together)
    assert "papers/Lovelace 1998 Beta (c).md" in contents(together.folder)


def test_a_second_time_nothing_is_touched(together: Together) -> None:
    together.map(SOURCE, "s")
    before = times(together.folder)
    crawl_id = together.to_the_notes(SOURCE, "s")
    assert together.worker().vault.see_to_vault()
    assert together.state(crawl_id) is CrawlState.FINISHED, "there is nothing to be written"
    assert together.store.due_count(Stage.GENERATE) == 0
    assert times(together.folder) == before


def test_a_second_crawl_changes_only_what_it_says_anew(alone: Alone, together: Together) -> None:
    for side in (alone, together):
        side.map(SOURCE, "s")
    before = times(together.folder)
    for side in (alone, together):
        side.map(SOURCE, "t")
    same(alone, together)
    after = times(together.folder)
    assert after["Lovelace 1998 Beta.md"] != before["Lovelace 1998 Beta.md"], "c cites it"
    assert set(before) < set(after)


def test_another_language_is_written_everywhere(alone: Alone, together: Together) -> None:
    for side in (alone, together):
        side.map(SOURCE, "s")
        side.map(SOURCE, "t", lang="ja")
    same(alone, together)
    assert "参考文献" in (together.folder / "papers" / "Lovelace 2001 Seed.md").read_text()


# The reader


def edit_property(folder: Path) -> None:
    note = folder / "papers" / "Lovelace 1999 Alpha.md"
    note.write_text(note.read_text().replace("venue:", "venue: mine #").replace("title: ", "title: My "))


def add_a_section(folder: Path) -> None:
    note = folder / "papers" / "Lovelace 1998 Beta.md"
    note.write_text(note.read_text() + "\n## Mine\n\nI like [[Lovelace 1999 Alpha]].\n")


def edit_a_list(folder: Path) -> None:
    note = folder / "papers" / "Lovelace 1999 Alpha.md"
    note.write_text(note.read_text().replace("- [[Lovelace 2001 Seed]]", "- [[Lovelace 2001 Seed]] (read it)"))


def delete_a_note(folder: Path) -> None:
    (folder / "papers" / "Lovelace 1999 Alpha.md").unlink()


def rename_a_note(folder: Path) -> None:
    (folder / "papers" / "Lovelace 1999 Alpha.md").rename(folder / "papers" / "My Alpha.md")


def delete_all_notes(folder: Path) -> None:
    shutil.rmtree(folder / "papers")


def put_a_folder_in_the_way(folder: Path) -> None:
    delete_a_note(folder)
    (folder / "papers" / "Lovelace 1999 Alpha.md").mkdir()


def put_a_file_in_the_way(folder: Path) -> None:
    (folder / "papers" / "Lovelace 2002 Turn.md").write_text("My own thoughts.\n")


def break_a_note(folder: Path) -> None:
    note = folder / "papers" / "Lovelace 1999 Alpha.md"
    note.write_text(note.read_text().replace("---\n", "---\n: [\n", 1))


def put_a_folder_in_the_way_of_the_index(folder: Path) -> None:
    (folder / "refnet" / "refnet index.md").unlink()
    (folder / "refnet" / "refnet index.md").mkdir()


EDITS = [
    edit_property,
    add_a_section,
    edit_a_list,
    delete_a_note,
    rename_a_note,
    delete_all_notes,
    put_a_folder_in_the_way,
    put_a_file_in_the_way,
    break_a_note,
    put_a_folder_in_the_way_of_the_index,
]


@pytest.mark.parametrize("edit", EDITS)
def test_what_the_reader_did_is_treated_as_one_process_treats_it(
    alone: Alone, together: Together, edit: Callable[[Path], None]
) -> None:
    """Conflicts and problems are kept for the report of whoever handed the crawl over."""
    told = []
    for side in (alone, together):
        side.map(SOURCE, "s")
        edit(side.vault.path if isinstance(side, Alone) else side.folder)
        told.append(side.map(SOURCE, "t"))
        told.append(side.map(SOURCE, "t"))
    first, again, shared, shared_again = [at_home(one, alone, together) for one in told]
    same(alone, together)
    assert shared == first
    # A note that needs no writing is told of all the same: what stands against it has not gone.
    assert shared_again[1:] == again[1:]


def at_home(told: tuple[object, ...], alone: Alone, together: Together) -> tuple[object, ...]:
    """The same words wherever the vault is, in any order."""
    conflicts, deleted, problems = told
    assert isinstance(problems, tuple)
    places = (str(alone.vault.path), together.key)
    plain = sorted(line.replace(places[0], "").replace(places[1], "") for line in problems)
    return sorted(conflicts), deleted, plain  # type: ignore[call-overload]


def test_a_problem_that_is_mended_is_told_no_more(together: Together) -> None:
    together.map(SOURCE, "s")
    put_a_folder_in_the_way(together.folder)
    assert together.map(SOURCE, "t")[2]
    assert together.store.written_revision(together.key) == ""
    (together.folder / "papers" / "Lovelace 1999 Alpha.md").rmdir()
    together.map(SOURCE, "t")
    assert together.told() == ((), ("a",), ()), "it counts as deleted by the reader"
    assert together.store.written_revision(together.key)


def test_a_conflict_in_a_note_that_the_reader_deleted_is_told_no_more(together: Together) -> None:
    together.map(SOURCE, "s")
    edit_a_list(together.folder)
    assert together.map(SOURCE, "t")[0]
    delete_a_note(together.folder)
    assert together.map(SOURCE, "c") == ((), ("a",), ())


def move_notes(folder: Path, pattern: str) -> None:
    """Into a folder of the reader's own."""
    (folder / "read").mkdir()
    for path in (folder / "papers").glob(pattern):
        path.rename(folder / "read" / path.name)


@pytest.mark.parametrize("pattern", ["Lovelace 1999 Alpha.md", "*.md"], ids=["one", "all"])
def test_notes_moved_out_of_papers_are_dealt_with_as_one_process_does(
    alone: Alone, together: Together, pattern: str
) -> None:
    told = []
    for side, folder in ((alone, alone.vault.path), (together, together.folder)):
        side.map(SOURCE, "s")
        move_notes(folder, pattern)
        told.append(side.map(SOURCE, "t"))
    assert told[0] == told[1]
    conflicts, deleted, problems = told[0]
    assert (conflicts, deleted) == ((), ())
    assert isinstance(problems, tuple)
    assert len(problems) == 1
    same(alone, together)
    # Where none is left they are all written anew.
    assert (together.folder / "papers" / "Lovelace 1999 Alpha.md").exists() == (pattern == "*.md")
    assert "[[Lovelace 1999 Alpha]]" in (together.folder / "papers" / "Lovelace 2002 Turn.md").read_text()


def test_a_note_moved_after_the_vault_was_begun_is_not_written_a_second_time(together: Together) -> None:
    together.map(SOURCE, "s")
    together.to_the_notes(SOURCE, "t")
    worker = together.worker()
    worker.vault.see_to_vault()
    move_notes(together.folder, "Lovelace 1999 Alpha.md")
    worker.run()
    assert not (together.folder / "papers" / "Lovelace 1999 Alpha.md").exists()
    assert together.store.deleted_notes(together.key) == set()


def test_no_wave_walks_through_the_vault_for_notes_that_are_known_to_be_moved(together: Together) -> None:
    class Unwalked(FolderVault):
        def elsewhere(self, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
            raise AssertionError("a wave walked through the vault")

    together.map(SOURCE, "s")
    move_notes(together.folder, "Lovelace 1999 Alpha.md")
    together.to_the_notes(SOURCE, "t")
    assert together.worker().vault.see_to_vault()
    waves = 0
    while (fate := together.worker(kind=Unwalked).runner.step()) is not None:
        assert fate.error is None, fate.error
        waves += 1
    assert waves > 1
    together.worker().run()
    assert len(together.store.note_problems(together.key)) == 1


def test_a_note_deleted_after_the_vault_was_begun_stays_deleted(together: Together) -> None:
    together.map(SOURCE, "s")
    together.to_the_notes(SOURCE, "t")
    worker = together.worker()
    worker.vault.see_to_vault()
    delete_a_note(together.folder)
    worker.run()
    assert not (together.folder / "papers" / "Lovelace 1999 Alpha.md").exists()
    assert together.store.deleted_notes(together.key) == {"a"}


def test_a_note_that_the_reader_deleted_is_not_written_because_its_summary_was_made_again(together: Together) -> None:
    together.map(SOURCE, "s")
    delete_a_note(together.folder)
    together.store.enqueue(Stage.GENERATE, ["a", "s"])
    together.worker().run()
    assert not (together.folder / "papers" / "Lovelace 1999 Alpha.md").exists()


def test_a_note_is_written_anew_where_none_of_ours_is_left(together: Together) -> None:
    together.map(SOURCE, "s")
    delete_all_notes(together.folder)
    together.store.enqueue(Stage.GENERATE, ["a"])
    together.worker().run()
    assert (together.folder / "papers" / "Lovelace 1999 Alpha.md").exists()


# Asked for while it is written


class Overtaken(ClusterStore):
    """A store in which something happens once, when the contents of notes are next read."""

    meanwhile: Callable[[], None] | None = None

    def note_contents(self, *given: Any) -> list[NoteContent]:
        found = super().note_contents(*given)
        if (happens := self.meanwhile) is not None:
            self.meanwhile = None
            happens()
        return found


def test_a_summary_made_again_while_the_note_is_written_stands_in_it_when_the_crawl_ends(
    postgres: Engine, tmp_path: Path, clock: Clock
) -> None:
    """As `refnet summarize` makes it on another machine, after a generator has read what the note says."""
    together = Together(postgres, tmp_path / "together", clock, Overtaken)
    store = together.store
    assert isinstance(store, Overtaken)
    crawl_id = together.to_the_notes(SOURCE, "s")

    def summarize_again() -> None:
        clock.move(1)
        store.save_summaries({"a": Summary("It is new.", "abstract")})
        store.enqueue(Stage.GENERATE, ["a"])

    worker = together.worker(most=100)
    assert worker.vault.see_to_vault()
    store.meanwhile = summarize_again
    worker.run()

    assert store.meanwhile is None
    assert together.state(crawl_id) is CrawlState.FINISHED
    assert "It is new." in (together.folder / "papers" / "Lovelace 1999 Alpha.md").read_text()


# Tried again


def test_a_paper_that_was_given_up_and_is_tried_again_gets_its_note(alone: Alone, together: Together) -> None:
    alone.map(SOURCE, "s")
    named, direction = [CrawlSeed("s", "s", "")], Direction.REFERENCES
    key = crawl_key(["s"], direction)
    crawl_id = together.store.hand_over(
        key, direction, 1, len(SOURCE), named, None, vault=together.key, lang="en", limits=LIMITS
    )
    together.collect(crawl_id, SOURCE, given_up="a")
    together.worker().run()
    assert together.state(crawl_id) is CrawlState.FINISHED
    note = together.folder / "papers" / "Lovelace 1999 Alpha.md"
    assert not note.exists()

    together.store.retry_dead(None)
    together.collect(crawl_id, SOURCE)
    together.worker().run()

    assert together.state(crawl_id) is CrawlState.FINISHED
    assert note.exists()
    same(alone, together)


# The workers write to another folder now


def whole(together: Together, folder: Path, clock: Callable[[], float] = time.monotonic) -> ClusterWorker:
    """A process of a generator worker that has said that it writes to this folder."""
    place = str(FolderVault(folder).path)
    together.store.report(WorkerReport(f"generator@{folder.name}", 1, ("generator",), place, 4, 0))
    worker = Worker(together.store, folder, most=100)
    unused: Any = None
    return ClusterWorker(
        store=together.store,
        crawler=unused,
        summarizer=unused,
        generator=worker.runner,
        vault=worker.vault,
        requests=unused,
        announcer=Queues(),
        limits=LIMITS,
        max_depth=1,
        clock=clock,
    )


def work_out(worker: ClusterWorker) -> None:
    for _ in range(20):
        if not worker.work(Stage.GENERATE):
            return
    raise AssertionError("the notes do not end")


@pytest.mark.parametrize("begun", [False, True], ids=["to be named", "being written"])
def test_notes_land_in_the_folder_that_the_workers_were_given_meanwhile_and_the_log_names_both(
    alone: Alone, together: Together, tmp_path: Path, caplog: pytest.LogCaptureFixture, begun: bool
) -> None:
    alone.map(SOURCE, "s")
    crawl_id = together.to_the_notes(SOURCE, "s")
    if begun:
        assert together.worker().vault.see_to_vault()
        assert together.store.stage(crawl_id) is CrawlStage.WRITE
    new = tmp_path / "new"

    work_out(whole(together, new))

    assert (together.state(crawl_id), together.store.vault_of(crawl_id)) == (CrawlState.FINISHED, str(new))
    assert contents(new) == contents(alone.vault.path)
    assert (together.store.job_counts(), together.store.notes_due()) == (
        {("crawl", "done"): 3, ("summarize", "done"): 2, ("generate", "done"): 3},
        [],
    )
    assert f"No generator worker writes to {together.key}" in caplog.text
    assert f"They go to {new}" in caplog.text


def test_workers_of_two_folders_leave_the_notes_of_both_alone(together: Together, tmp_path: Path) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    whole(together, together.folder)
    other = whole(together, tmp_path / "another")
    with pytest.raises(ConfigurationError, match="different folders"):
        other.work(Stage.GENERATE)
    assert (together.store.stage(crawl_id), together.store.vault_of(crawl_id)) == (CrawlStage.NAME, together.key)


def test_workers_of_another_folder_that_are_started_again_find_their_notes_where_they_were(
    together: Together, tmp_path: Path
) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    whole(together, together.folder)
    now = 0.0
    other = whole(together, tmp_path / "another", lambda: now)
    with pytest.raises(ConfigurationError, match="different folders"):
        other.work(Stage.GENERATE)
    together.store.forget_worker(f"generator@{together.folder.name}")
    now = AWAY_FOR_GOOD - 1
    other.work(Stage.GENERATE)
    assert (together.store.stage(crawl_id), together.store.vault_of(crawl_id)) == (CrawlStage.NAME, together.key)
    now = AWAY_FOR_GOOD
    work_out(other)
    assert together.store.vault_of(crawl_id) == str(tmp_path / "another")


def test_notes_stay_where_they_belong_as_long_as_nobody_has_said_where_it_writes(
    together: Together, tmp_path: Path
) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    worker = whole(together, tmp_path / "another")
    together.store.forget_worker("generator@another")
    worker.work(Stage.GENERATE)
    assert (together.store.stage(crawl_id), together.store.vault_of(crawl_id)) == (CrawlStage.NAME, together.key)


def test_a_note_of_another_vault_is_no_job_done_but_a_dead_letter_that_names_both_folders_and_the_cure(
    alone: Alone, together: Together, tmp_path: Path
) -> None:
    """Its crawl is over, so that nothing else would bring the note to where the workers write."""
    alone.map(SOURCE, "s")
    together.map(SOURCE, "s")
    new = tmp_path / "new"
    together.store.enqueue(Stage.GENERATE, ["a", "s"])

    worker = whole(together, new)
    work_out(worker)

    assert [(letter.stage, letter.paper_id) for letter in together.store.dead_letters()] == [
        ("generate", "a"),
        ("generate", "s"),
    ]
    reason = together.store.dead_letters()[0].reason
    assert all(said in reason for said in (together.key, str(new), "retry this job", "OUTPUT_DIR"))

    together.store.retry_dead(None)
    work_out(worker)

    assert together.store.dead_letters() == []
    assert contents(new) == contents(alone.vault.path)


# Many at once


def test_many_workers_write_one_vault_as_one_process_does(alone: Alone, together: Together) -> None:
    source = {f"p{number:02}": answer(f"p{number:02}", [f"p{(number * 7 + 3) % 30:02}"]) for number in range(30)}
    source["s"] = answer("s", sorted(source))
    alone.map(source, "s")
    crawl_id = together.to_the_notes(source, "s")
    work_at_once(together, crawl_id, workers=4, most=3)
    same(alone, together)


def test_while_one_sees_to_the_vault_another_leaves_it_alone(together: Together) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    worker = together.worker()
    with together.store.vault_turn(together.key) as mine:
        assert mine
        assert not worker.vault.see_to_vault()
        with pytest.raises(HeldElsewhere):
            worker.vault.name(crawl_id)
        assert together.store.note_names(together.key) == {}
    assert worker.vault.see_to_vault()
    assert sorted(together.store.note_names(together.key)) == ["a", "b", "s"]


def test_a_worker_of_another_folder_leaves_the_vault_alone(together: Together, tmp_path: Path) -> None:
    together.to_the_notes(SOURCE, "s")
    other = Worker(together.store, tmp_path / "another")
    assert not other.work()
    assert not (tmp_path / "another").exists()


def test_a_crawl_that_begins_does_not_end_with_another_whose_notes_are_written(together: Together) -> None:
    first = together.to_the_notes(SOURCE, "s")
    worker = together.worker(most=100)
    second = together.to_the_notes(SOURCE, "t", depth=0)
    # The second has its notes written, and nobody has seen to its end.
    together.store.add_to_vault(together.key, second)
    together.store.give_names({"t": "Lovelace 2002 Turn"})
    together.store.begin_writing([second], together.key, ["t"], "r", [])
    assert worker.runner.step() is not None
    assert worker.vault.see_to_vault()
    assert together.state(first) is CrawlState.RUNNING
    worker.run()
    assert {together.state(first), together.state(second)} == {CrawlState.FINISHED}
    assert len(list((together.folder / "papers").iterdir())) == 4


def test_notes_that_were_read_before_another_crawl_was_named_get_its_links(alone: Alone, together: Together) -> None:
    """Of the two crawls in one vault the second begins while a worker writes notes of the first."""

    class Interrupted(FolderVault):
        """At its first write another worker begins the second crawl."""

        begun = False

        def write(self, name: str, text: str) -> None:
            if not self.begun:
                self.begun = True
                assert together.worker("other").vault.see_to_vault()
            super().write(name, text)

    for seed in ("s", "t"):
        alone.map(SOURCE, seed)
    # Collected before either is named, so that only the names are news to who writes.
    first = together.to_the_notes(SOURCE, "s")
    worker = together.worker(most=100, kind=Interrupted)
    assert worker.vault.see_to_vault()
    second = together.to_the_notes(SOURCE, "t")
    assert worker.runner.step() is not None
    together.worker().run()
    assert {together.state(first), together.state(second)} == {CrawlState.FINISHED}
    same(alone, together)


# Lost leases


def test_who_lost_its_lease_before_it_wrote_writes_nothing(together: Together) -> None:
    together.to_the_notes(SOURCE, "s")
    late, new = together.worker("late", 100), together.worker("new", 100)
    late.vault.see_to_vault()
    wave = together.store.claim_some(Stage.GENERATE, "late", 100, lease=LEASE)
    assert wave is not None
    together.store.free_owners(["late"])
    with pytest.raises(LeaseLost):
        late.vault.write(wave, Lease(together.store.renew, wave))
    assert list((together.folder / "papers").iterdir()) == []
    new.run()
    assert len(list((together.folder / "papers").iterdir())) == 3


def test_a_process_that_was_stopped_while_it_wrote_writes_no_further_note(together: Together, clock: Clock) -> None:
    """Its own clock has jumped when it goes on, whatever the database would say."""

    class Stopped(FolderVault):
        def write(self, name: str, text: str) -> None:
            super().write(name, text)
            clock.move(LEASE + 1)

    together.to_the_notes(SOURCE, "s")
    late = together.worker("late", 100, Stopped)
    late.vault.see_to_vault()
    wave = together.store.claim_some(Stage.GENERATE, "late", 100, lease=LEASE)
    assert wave is not None
    with pytest.raises(LeaseLost):
        late.vault.write(wave, Lease(together.store.renew, wave, clock=clock.monotonic))
    assert len(list((together.folder / "papers").iterdir())) == 1
    assert together.told() == ((), (), ())


# A vault that cannot be written


def test_a_vault_that_cannot_be_written_ends_no_crawl_and_goes_on_when_it_can(alone: Alone, together: Together) -> None:
    alone.map(SOURCE, "s")
    crawl_id = together.to_the_notes(SOURCE, "s")
    together.folder.write_text("in the way")
    worker = together.worker()
    with pytest.raises(ConfigurationError):
        worker.work()
    assert together.store.stage(crawl_id) is CrawlStage.NAME
    together.folder.unlink()
    worker.run()
    assert together.state(crawl_id) is CrawlState.FINISHED
    same(alone, together)


# A process that dies between any two steps


def test_who_lost_the_turn_leaves_index_and_crawls_to_who_has_begun_the_vault_anew(
    postgres: Engine, tmp_path: Path, clock: Clock
) -> None:
    together = Together(postgres, tmp_path / "together", clock, Overtaken)
    store = together.store
    assert isinstance(store, Overtaken)
    first = together.to_the_notes(SOURCE, "s")
    worker = together.worker(most=100)
    assert worker.vault.see_to_vault()
    assert worker.runner.step() is not None  # the notes are written, and the vault is to be ended
    second = together.to_the_notes(SOURCE, "t", depth=0)
    store.add_to_vault(together.key, second)
    store.give_names({"t": "Lovelace 2002 Turn"})
    # As if the server took the turn back while the index is prepared, and another process took it.
    store.meanwhile = lambda: store.begin_writing([second], together.key, ["t"], "r", [])
    due = [one.crawl_id for one in store.notes_due() if one.stage is CrawlStage.WRITE]
    assert due == [first]

    worker.vault._end(due, store.written_revision(together.key))

    assert store.meanwhile is None
    assert not (together.folder / "refnet" / INDEX).exists()
    assert {together.state(first), together.state(second)} == {CrawlState.RUNNING}
    worker.run()
    assert {together.state(first), together.state(second)} == {CrawlState.FINISHED}
    assert "Lovelace 2002 Turn" in (together.folder / "refnet" / INDEX).read_text()


class Mortal(ClusterStore):
    """Dies before or after the commit of one kind of change, the so-manyth time it is made."""

    death: tuple[str, bool, int] | None = None

    def _step(self, name: str, change: Callable[[], Any]) -> Any:
        if self.death is None or self.death[0] != name:
            return change()
        _, before, left = self.death
        self.death = (name, before, left - 1)
        if left > 1:
            return change()
        self.death = None
        if not before:
            change()
        raise Killed

    def add_to_vault(self, *given: Any) -> None:
        self._step("add_to_vault", lambda: super(Mortal, self).add_to_vault(*given))

    def give_names(self, *given: Any) -> None:
        self._step("give_names", lambda: super(Mortal, self).give_names(*given))

    def rename_notes(self, *given: Any) -> None:
        self._step("rename_notes", lambda: super(Mortal, self).rename_notes(*given))

    def mark_written(self, *given: Any) -> None:
        self._step("mark_written", lambda: super(Mortal, self).mark_written(*given))

    def save_baselines(self, *given: Any) -> None:
        self._step("save_baselines", lambda: super(Mortal, self).save_baselines(*given))

    def begin_writing(self, *given: Any) -> None:
        self._step("begin_writing", lambda: super(Mortal, self).begin_writing(*given))

    def save_own_baselines(self, *given: Any) -> None:
        self._step("save_own_baselines", lambda: super(Mortal, self).save_own_baselines(*given))

    def record_notes(self, *given: Any) -> None:
        self._step("record_notes", lambda: super(Mortal, self).record_notes(*given))

    def end_writing(self, *given: Any, **more: Any) -> list[int]:
        ended: list[int] = self._step("end_writing", lambda: super(Mortal, self).end_writing(*given, **more))
        return ended


STEPS = [
    ("add_to_vault", 1),
    ("mark_written", 1),
    ("give_names", 1),
    ("save_baselines", 1),
    ("begin_writing", 1),
    ("save_own_baselines", 1),
    ("save_own_baselines", 2),
    ("save_own_baselines", 3),
    ("record_notes", 1),
    ("record_notes", 2),
    ("end_writing", 1),
]


@pytest.mark.slow
@pytest.mark.parametrize(("step", "times"), STEPS)
@pytest.mark.parametrize(
    ("before", "again"),
    [(True, False), (False, False), (True, True)],
    ids=["before, new vault", "after, new vault", "before, old vault"],
)
def test_a_process_that_dies_at_any_step_costs_nothing_but_time(
    alone: Alone, postgres: Engine, tmp_path: Path, clock: Clock, step: str, times: int, before: bool, again: bool
) -> None:
    """In a new vault, and in one that the reader has edited and a second crawl is added to."""
    together = Together(postgres, tmp_path / "together", clock, Mortal)
    store = together.store
    assert isinstance(store, Mortal)
    if again:
        for side in (alone, together):
            side.map(SOURCE, "s")
            add_a_section(side.vault.path if isinstance(side, Alone) else side.folder)
            delete_a_note(side.vault.path if isinstance(side, Alone) else side.folder)
    seed = "t" if again else "s"
    alone.map(SOURCE, seed)
    crawl_id = together.to_the_notes(SOURCE, seed)
    store.death = (step, before, times)
    with pytest.raises(Killed):
        together.worker("dying").run()
    store.free_owners(["dying"])
    together.worker("next").run()
    assert together.state(crawl_id) is CrawlState.FINISHED
    assert contents(together.folder) == contents(alone.vault.path)
    assert store.deleted_notes(together.key) == ({"a"} if again else set())


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_process_that_dies_while_it_writes_files_costs_nothing_but_time(
    alone: Alone, together: Together, times: int, before: bool
) -> None:
    class Dying(FolderVault):
        written = 0

        def write(self, name: str, text: str) -> None:
            self.written += 1
            if self.written == times and before:
                raise Killed
            super().write(name, text)
            if self.written == times:
                raise Killed

    alone.map(SOURCE, "s")
    crawl_id = together.to_the_notes(SOURCE, "s")
    with pytest.raises(Killed):
        together.worker("dying", kind=Dying).run()
    together.store.free_owners(["dying"])
    together.worker("next").run()
    assert together.state(crawl_id) is CrawlState.FINISHED
    same(alone, together)


# Turns that fail


def authors(engine: Engine, paper_id: str, value: object) -> None:
    with writing(engine) as connection:
        connection.execute(update(papers).where(papers.c.paper_id == paper_id).values(authors=value))


def spoil(engine: Engine, paper_id: str = "a") -> None:
    """Authors of a form that no release ever wrote, so that naming ends in a bug."""
    authors(engine, paper_id, [3])


def mend(engine: Engine, paper_id: str = "a") -> None:
    authors(engine, paper_id, [["Ada Lovelace", None]])


def ended(how: BaseException) -> Callable[[Path], FolderVault]:
    """Vaults in which the work ends in this way as soon as somebody sees to them."""

    class Ending(FolderVault):
        def prepare(self, *, tidy: bool = True) -> None:
            raise how

    return Ending


def test_a_bug_while_a_vault_is_named_fails_the_crawl_and_the_next_hand_over_takes_it_up(
    together: Together, postgres: Engine, alone: Alone
) -> None:
    alone.map(SOURCE, "s")
    crawl_id = together.to_the_notes(SOURCE, "s")
    spoil(postgres)
    with pytest.raises(TypeError):
        together.worker().work()
    crawl = together.store.crawl(crawl_id)
    assert crawl.state is CrawlState.FAILED
    assert crawl.reason is not None
    assert crawl.reason.startswith("TypeError: ")
    assert crawl.traceback is not None
    assert "Traceback" in crawl.traceback
    assert not together.worker().work(), "nobody is at it any more"
    mend(postgres)
    together.map(SOURCE, "s")
    crawl = together.store.crawl(crawl_id)
    assert (crawl.state, crawl.reason, crawl.traceback) == (CrawlState.FINISHED, None, None)
    same(alone, together)


def test_a_bug_while_the_index_is_written_fails_the_crawl(together: Together, postgres: Engine) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    worker = together.worker(most=100)
    assert worker.vault.see_to_vault()
    assert worker.runner.step() is not None
    assert together.store.stage(crawl_id) is CrawlStage.WRITE
    spoil(postgres)
    with pytest.raises(TypeError):
        worker.vault.see_to_vault()
    assert together.state(crawl_id) is CrawlState.FAILED


def test_notes_alone_brought_up_to_date_take_a_failed_crawl_up_again(together: Together, postgres: Engine) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    spoil(postgres)
    with pytest.raises(TypeError):
        together.worker().work()
    mend(postgres)
    together.store.rewrite(crawl_id, together.key)
    together.store.go_on(LIMITS)
    together.worker().run()
    crawl = together.store.crawl(crawl_id)
    assert (crawl.state, crawl.reason) == (CrawlState.FINISHED, None)


def test_a_crawl_that_was_extended_while_its_vault_was_named_does_not_fail_by_that(
    together: Together, postgres: Engine
) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    spoil(postgres)

    class Extended(FolderVault):
        def prepare(self, *, tidy: bool = True) -> None:
            together.store.hand_over(
                crawl_key(["s"], Direction.REFERENCES),
                Direction.REFERENCES,
                2,
                len(SOURCE),
                [CrawlSeed("s", "s", "")],
                None,
                vault=together.key,
                lang="en",
                limits=LIMITS,
            )
            super().prepare(tidy=tidy)

    with pytest.raises(TypeError):
        together.worker(kind=Extended).work()
    assert together.state(crawl_id) is CrawlState.RUNNING
    assert together.store.crawl(crawl_id).reason is None


def test_processes_that_die_over_a_vault_are_counted_and_the_crawl_fails_at_the_tenth(together: Together) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    for number in range(MOST_LOST_TURNS):
        assert together.state(crawl_id) is CrawlState.RUNNING
        with pytest.raises(Killed):
            together.worker(f"host:{number}", kind=ended(Killed())).work()
    together.worker().run()
    crawl = together.store.crawl(crawl_id)
    assert crawl.state is CrawlState.FAILED
    assert crawl.reason == f"The process that saw to its vault died {MOST_LOST_TURNS} times."
    assert together.store.note_names(together.key) == {}


def test_deaths_over_a_vault_are_forgotten_once_it_is_named(together: Together) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    for begun in range(2):
        for _ in range(MOST_LOST_TURNS - 1):
            with pytest.raises(Killed):
                together.worker(kind=ended(Killed())).work()
        worker = together.worker(most=100)
        assert worker.vault.see_to_vault()
        if not begun:
            assert worker.runner.step() is not None
    assert together.state(crawl_id) is CrawlState.FINISHED


def test_a_vault_that_comes_to_a_time_limit_fails_its_crawl_at_the_third(together: Together) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    for _ in range(MOST_LOSSES):
        assert together.state(crawl_id) is CrawlState.RUNNING
        with pytest.raises(TooLong):
            together.worker(kind=ended(TooLong())).work()
    crawl = together.store.crawl(crawl_id)
    assert crawl.state is CrawlState.FAILED
    assert crawl.reason is not None
    assert "took longer than its worker allows" in crawl.reason
    assert crawl.traceback is None


def test_a_time_limit_is_charged_also_where_its_process_is_asked_to_end_afterwards(together: Together) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    for _ in range(MOST_LOSSES):
        with pytest.raises(TooLong):
            together.worker("host:7", kind=ended(TooLong())).work()
        together.store.give_back(["host:7"])
    assert together.state(crawl_id) is CrawlState.FAILED


@pytest.mark.parametrize(
    "how",
    [StoreUnavailable("away"), StorageFull("full"), ConfigurationError("a file in its place"), KeyboardInterrupt()],
    ids=["database away", "disk full", "vault refused", "asked to end"],
)
def test_what_is_not_the_vaults_fault_is_charged_nothing(together: Together, how: BaseException) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    for _ in range(MOST_LOST_TURNS + 1):
        with pytest.raises(type(how)):
            together.worker(kind=ended(how)).work()
    together.worker().run()
    assert together.state(crawl_id) is CrawlState.FINISHED


def test_an_end_that_nobody_asked_for_is_a_bug_and_one_asked_for_is_none(together: Together) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    for asked, state in ((True, CrawlState.RUNNING), (False, CrawlState.FAILED)):
        worker = together.worker(kind=ended(SystemExit(1)))
        worker.ending = asked
        with pytest.raises(SystemExit):
            worker.work()
        assert together.state(crawl_id) is state


def test_a_process_that_is_killed_at_the_end_of_draining_is_charged_nothing(together: Together) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    for _ in range(MOST_LOST_TURNS + 1):
        with pytest.raises(Killed):
            together.worker("host:7", kind=ended(Killed())).work()
        together.store.give_back(["host:7"])
    together.worker().run()
    assert together.state(crawl_id) is CrawlState.FINISHED


def test_a_reason_that_no_database_takes_as_it_is_is_told_all_the_same(together: Together) -> None:
    crawl_id = together.to_the_notes(SOURCE, "s")
    with pytest.raises(ValueError, match="hostile"):
        together.worker(kind=ended(ValueError("hostile \0 and \ud800"))).work()
    assert together.store.crawl(crawl_id).reason == "ValueError: hostile � and ?"
