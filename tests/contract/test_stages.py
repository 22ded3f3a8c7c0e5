"""Crawls that workers do, from stage to stage, and papers that somebody asks for by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import Engine, select, update

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.crawls import LEAF_DEPTH
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import crawl_papers, crawls, vaults
from refnet.domain.crawl import Ask, Limits
from refnet.domain.crawls import CrawlSeed, CrawlStage, CrawlState, NotesDue, crawl_key
from refnet.domain.jobs import JobFate, JobState, Stage, Wave
from refnet.domain.notes import Baseline, WrittenNote
from refnet.domain.papers import Answer, Direction
from refnet.domain.summaries import Summary
from tests.contract.conftest import Clock
from tests.contract.making import FULL, LEAF, LIMITS, answer, as_asked, open_crawl, rows, work_off

T = TypeVar("T")
VAULT = "/home/ada/vault"
LEASE = 45.0
#: `s` cites `a`, which has an abstract, and `b`, which has none.
SOURCE: dict[str, Answer | None] = {
    "s": answer("s", ["a", "b"], abstract="About s."),
    "a": answer("a", ["b"], abstract="About a."),
    "b": answer("b", []),
    "t": answer("t", ["a"], abstract="About t."),
}
SUMMARY = Summary("It is about it.", "abstract")


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


def hand_over(
    store: ClusterStore,
    *seeds: str,
    depth: int = 1,
    limit: int = 200,
    vault: str = VAULT,
    lang: str = "en",
    refresh_days: float | None = None,
) -> int:
    direction = Direction.REFERENCES
    named = [CrawlSeed(seed, seed, "") for seed in seeds]
    return store.hand_over(
        crawl_key(seeds, direction),
        direction,
        depth,
        limit,
        named,
        refresh_days,
        vault=vault,
        lang=lang,
        limits=LIMITS,
    )


def claim(store: ClusterStore, stage: Stage) -> Wave | None:
    if stage is Stage.CRAWL:
        return store.claim("me", LIMITS, lease=LEASE)
    return store.claim_some(stage, "me", 100, lease=LEASE)


def claim_one(store: ClusterStore, stage: Stage) -> Wave | None:
    return store.claim_some(stage, "me", 1, lease=LEASE)


def record(store: ClusterStore, stage: Stage, wave: Wave, source: Mapping[str, Answer | None] = SOURCE) -> None:
    if stage is Stage.CRAWL:
        assert wave.page is None
        store.record_wave(wave, [as_asked(source.get(one), wave.ask) for one in wave.paper_ids], LIMITS)
    elif stage is Stage.SUMMARIZE:
        store.record_summaries(wave, dict.fromkeys(wave.paper_ids, SUMMARY))
    else:
        written = dict.fromkeys(wave.paper_ids, WrittenNote())
        store.record_notes(wave, VAULT, written, store.written_revision(VAULT))


def work(store: ClusterStore, stage: Stage, source: Mapping[str, Answer | None] = SOURCE) -> list[str]:
    """Do all that is due at a stage; the papers in the order in which they were done."""
    done: list[str] = []
    while (wave := claim(store, stage)) is not None:
        record(store, stage, wave, source)
        done += wave.paper_ids
    return done


def collect(store: ClusterStore, source: Mapping[str, Answer | None] = SOURCE) -> None:
    """Until no crawl is left to be collected."""
    for _ in range(100):
        if not work(store, Stage.CRAWL, source) and CrawlStage.CRAWL not in store.go_on(LIMITS):
            return
    raise AssertionError("the crawl does not end")


def begin(store: ClusterStore, crawl_id: int, papers: list[str], revision: str = "r1", vault: str = VAULT) -> None:
    store.add_to_vault(vault, crawl_id)
    store.begin_writing([crawl_id], vault, papers, revision, [])


def to_the_notes(store: ClusterStore, *seeds: str, vault: str = VAULT, depth: int = 1) -> int:
    """A crawl whose notes are to be begun."""
    crawl_id = hand_over(store, *seeds, vault=vault, depth=depth)
    collect(store)
    work(store, Stage.SUMMARIZE)
    store.go_on(LIMITS)
    assert store.stage(crawl_id) is CrawlStage.NAME
    return crawl_id


def queued(store: ClusterStore, stage: Stage) -> list[str]:
    return sorted(one for one, row in rows(store._engine, stage).items() if row.state == JobState.QUEUED)


def together(threads: int, work: Callable[[int], T]) -> list[T]:
    """Run `work` in threads that begin at the same moment."""
    start = threading.Barrier(threads)

    def run(index: int) -> T:
        start.wait(60)
        return work(index)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


# From stage to stage


def test_a_crawl_that_is_handed_over_has_its_first_jobs_at_once(store: ClusterStore) -> None:
    crawl_id = hand_over(store, "s", "t")
    assert queued(store, Stage.CRAWL) == ["s", "t"]
    assert (store.stage(crawl_id), store.crawl(crawl_id).state) == (CrawlStage.CRAWL, CrawlState.RUNNING)


def test_a_crawl_goes_through_all_its_stages(store: ClusterStore) -> None:
    crawl_id = hand_over(store, "s")
    assert work(store, Stage.CRAWL) == ["s"]
    assert store.go_on(LIMITS) == [CrawlStage.CRAWL]
    assert queued(store, Stage.CRAWL) == ["a", "b"]
    assert queued(store, Stage.SUMMARIZE) == []

    work(store, Stage.CRAWL)
    assert store.go_on(LIMITS) == [CrawlStage.SUMMARIZE]
    assert queued(store, Stage.SUMMARIZE) == ["a", "s"], "b has nothing to go by"
    assert store.notes_due() == []

    work(store, Stage.SUMMARIZE)
    assert store.go_on(LIMITS) == [CrawlStage.NAME]
    assert store.notes_due() == [NotesDue(crawl_id, CrawlStage.NAME, VAULT)]
    assert store.go_on(LIMITS) == [], "naming is for who has the vault"

    begin(store, crawl_id, ["a", "b", "s"])
    assert store.stage(crawl_id) is CrawlStage.WRITE
    assert (store.notes_due(), store.go_on(LIMITS)) == ([], [])
    assert sorted(work(store, Stage.GENERATE)) == ["a", "b", "s"]
    assert store.notes_due() == [NotesDue(crawl_id, CrawlStage.WRITE, VAULT)]

    assert store.end_writing(VAULT, store.written_revision(VAULT)) == [crawl_id]
    assert (store.stage(crawl_id), store.crawl(crawl_id).state) == (None, CrawlState.FINISHED)
    assert (store.notes_due(), store.go_on(LIMITS), store.end_writing(VAULT, store.written_revision(VAULT))) == (
        [],
        [],
        [],
    )


def test_a_crawl_waits_for_work_that_is_due_running_or_tried_again_later(store: ClusterStore, clock: Clock) -> None:
    crawl_id = hand_over(store, "s", depth=0)
    assert store.go_on(LIMITS) == []
    wave = claim(store, Stage.CRAWL)
    assert wave is not None
    assert store.go_on(LIMITS) == []
    store.release(wave, due_in=60.0)
    assert store.go_on(LIMITS) == []
    clock.move(60)
    work(store, Stage.CRAWL)
    assert store.go_on(LIMITS) == [CrawlStage.SUMMARIZE]
    wave = claim(store, Stage.SUMMARIZE)
    assert wave is not None
    assert store.go_on(LIMITS) == []
    store.release(wave, due_in=60.0)
    assert store.go_on(LIMITS) == []
    clock.move(60)
    work(store, Stage.SUMMARIZE)
    assert store.go_on(LIMITS) == [CrawlStage.NAME]
    assert store.stage(crawl_id) is CrawlStage.NAME


def test_a_crawl_with_nothing_to_summarise_goes_straight_to_its_notes(store: ClusterStore) -> None:
    crawl_id = hand_over(store, "b", depth=0)
    work(store, Stage.CRAWL)
    assert store.go_on(LIMITS) == [CrawlStage.NAME]
    assert store.stage(crawl_id) is CrawlStage.NAME


def test_a_crawl_whose_seed_nobody_knows_still_comes_to_its_end(store: ClusterStore) -> None:
    crawl_id = hand_over(store, "unknown")
    work(store, Stage.CRAWL)
    assert store.go_on(LIMITS) == [CrawlStage.NAME]
    assert (store.missing(crawl_id), store.collected(crawl_id)) == (["unknown"], [])
    begin(store, crawl_id, [])
    assert store.end_writing(VAULT, store.written_revision(VAULT)) == [crawl_id]


@pytest.mark.parametrize("stage", list(Stage))
def test_a_dead_job_holds_up_no_stage(store: ClusterStore, stage: Stage) -> None:
    crawl_id = hand_over(store, "s", "t", depth=0)
    for one in Stage:
        if one is Stage.GENERATE:
            begin(store, crawl_id, ["s", "t"])
        if one is stage:
            wave = store.claim("me", Limits(ids=1), lease=LEASE) if one is Stage.CRAWL else claim_one(store, one)
            assert wave is not None
            store.bury(wave, "it will not do")
        work(store, one)
        store.go_on(LIMITS)
    assert [due.stage for due in store.notes_due()] == [CrawlStage.WRITE]
    assert store.end_writing(VAULT, store.written_revision(VAULT)) == [crawl_id]
    assert (store.crawl(crawl_id).dead, store.crawl(crawl_id).state) == (1, CrawlState.FINISHED)


def test_what_other_crawls_have_to_do_holds_up_none_but_shared_papers_do(store: ClusterStore) -> None:
    first = hand_over(store, "s", depth=0)
    hand_over(store, "t", depth=0)
    wave = store.claim("me", LIMITS, crawl_id=first, lease=LEASE)
    assert wave is not None
    assert wave.paper_ids == ["s"]
    record(store, Stage.CRAWL, wave)
    assert store.go_on(LIMITS) == [CrawlStage.SUMMARIZE]
    assert store.stage(first) is CrawlStage.SUMMARIZE
    third = hand_over(store, "s", "t", depth=0)
    assert store.go_on(LIMITS) == []
    work(store, Stage.CRAWL)
    store.go_on(LIMITS)
    assert store.stage(third) is CrawlStage.SUMMARIZE


def test_a_crawl_handed_over_again_asks_for_nothing_twice_and_is_extended(store: ClusterStore) -> None:
    first = to_the_notes(store, "s", depth=0)
    begin(store, first, ["s"])
    work(store, Stage.GENERATE)
    store.end_writing(VAULT, store.written_revision(VAULT))

    assert hand_over(store, "s", depth=0) == first
    assert queued(store, Stage.CRAWL) == []
    assert (store.stage(first), store.go_on(LIMITS)) == (CrawlStage.NAME, [])
    assert queued(store, Stage.SUMMARIZE) == []

    assert hand_over(store, "s", depth=1) == first
    assert (queued(store, Stage.CRAWL), store.stage(first)) == (["a", "b"], CrawlStage.CRAWL)
    collect(store)
    assert store.collected(first) == ["a", "b", "s"]
    assert queued(store, Stage.SUMMARIZE) == ["a"]


def test_a_refresh_goes_over_old_papers_and_their_summaries_again(store: ClusterStore, clock: Clock) -> None:
    crawl_id = to_the_notes(store, "s", depth=0)
    clock.move(31 * 86_400)
    assert hand_over(store, "s", depth=0, refresh_days=30) == crawl_id
    assert work(store, Stage.CRAWL) == ["s"]
    assert store.go_on(LIMITS) == [CrawlStage.SUMMARIZE]
    assert queued(store, Stage.SUMMARIZE) == ["s"]


def test_notes_alone_are_brought_up_to_date_without_collecting(store: ClusterStore) -> None:
    crawl_id = to_the_notes(store, "s", depth=0)
    begin(store, crawl_id, ["s"])
    work(store, Stage.GENERATE)
    store.end_writing(VAULT, store.written_revision(VAULT))
    store.rewrite(crawl_id, "/another")
    assert store.go_on(LIMITS) == [CrawlStage.NAME]
    assert store.notes_due() == [NotesDue(crawl_id, CrawlStage.NAME, "/another")]
    assert queued(store, Stage.CRAWL) == []


def test_a_stopped_crawl_goes_nowhere(store: ClusterStore, engine: Engine) -> None:
    crawl_id = to_the_notes(store, "s", depth=0)
    other = hand_over(store, "t", depth=0)
    with writing(engine) as connection:
        connection.execute(update(crawls).values(state=CrawlState.CANCELLED))
    work(store, Stage.CRAWL)
    assert (store.notes_due(), store.go_on(LIMITS), store.end_writing(VAULT, store.written_revision(VAULT))) == (
        [],
        [],
        [],
    )
    assert {store.crawl(one).state for one in (crawl_id, other)} == {CrawlState.CANCELLED}


def test_workers_leave_alone_what_one_process_does(store: ClusterStore) -> None:
    crawl_id = open_crawl(store, "s", depth=0)
    store.advance(crawl_id, LIMITS)
    work(store, Stage.CRAWL)
    assert (store.go_on(LIMITS), store.stage(crawl_id)) == ([], None)
    assert not store.advance(crawl_id, LIMITS)
    assert store.crawl(crawl_id).state is CrawlState.RUNNING, "its notes are to be written"
    store.finish_crawl(crawl_id)
    assert store.crawl(crawl_id).state is CrawlState.FINISHED
    assert store.notes_due() == []


def test_the_progress_of_a_stage_is_that_of_the_crawls_own_papers(store: ClusterStore) -> None:
    crawl_id = hand_over(store, "s")
    hand_over(store, "t")
    assert store.stage_counts(crawl_id, Stage.CRAWL) == (0, 1)
    wave = store.claim("me", LIMITS, crawl_id=crawl_id, lease=LEASE)
    assert wave is not None
    record(store, Stage.CRAWL, wave)
    assert store.stage_counts(crawl_id, Stage.CRAWL) == (1, 1)
    collect(store)
    wave = store.claim_some(Stage.SUMMARIZE, "me", 1, lead="a", lease=LEASE)
    assert wave is not None
    store.bury(wave, "no")
    assert store.stage_counts(crawl_id, Stage.SUMMARIZE) == (1, 2), "what is given up is over"
    assert store.stage_counts(crawl_id, Stage.GENERATE) == (0, 0)


def test_many_who_go_on_at_once_begin_each_stage_once(store: ClusterStore) -> None:
    ids = [hand_over(store, seed, depth=0) for seed in ("s", "a", "t")]
    work(store, Stage.CRAWL)
    reached = [stage for stages in together(6, lambda _: store.go_on(LIMITS)) for stage in stages]
    assert set(reached) == {CrawlStage.SUMMARIZE}
    assert {store.stage(one) for one in ids} == {CrawlStage.SUMMARIZE}
    assert queued(store, Stage.SUMMARIZE) == ["a", "s", "t"]


# Notes of a vault


def test_notes_are_over_when_all_of_the_vault_are_written_whichever_crawl_they_are_of(store: ClusterStore) -> None:
    first, second = to_the_notes(store, "s", depth=0), to_the_notes(store, "t", depth=0)
    begin(store, first, ["s"])
    work(store, Stage.GENERATE)
    begin(store, second, ["s", "t"])
    assert store.notes_due() == [], "the note of s is being written anew"
    work(store, Stage.GENERATE)
    assert [due.crawl_id for due in store.notes_due()] == [first, second]
    assert store.end_writing(VAULT, store.written_revision(VAULT)) == [first, second]


def test_two_vaults_have_nothing_to_do_with_each_other(store: ClusterStore) -> None:
    first, second = to_the_notes(store, "s", depth=0), to_the_notes(store, "t", depth=0, vault="/another")
    begin(store, first, ["s"])
    begin(store, second, ["t"], vault="/another")
    wave = store.claim_some(Stage.GENERATE, "me", 1, lead="t", lease=LEASE)
    assert wave is not None
    assert wave.paper_ids == ["t"]
    store.record_notes(wave, "/another", {"t": WrittenNote()}, store.written_revision("/another"))
    assert [due.vault for due in store.notes_due()] == ["/another"]
    assert store.end_writing(VAULT, store.written_revision(VAULT)) == [first], "the caller knows that they are written"
    assert store.crawl(second).state is CrawlState.RUNNING


def test_ending_one_crawl_that_had_nothing_to_write_leaves_the_others(store: ClusterStore) -> None:
    first, second = to_the_notes(store, "s", depth=0), to_the_notes(store, "t", depth=0)
    begin(store, first, ["s"], "r7")
    assert store.end_unchanged(VAULT, [second]) == [second]
    assert store.stage(first) is CrawlStage.WRITE
    assert store.written_revision(VAULT) != "r7"


def test_a_vault_whose_notes_are_being_written_is_never_taken_for_one_that_is_whole(store: ClusterStore) -> None:
    crawl_id = to_the_notes(store, "s", depth=0)
    begin(store, crawl_id, ["s"], "r7")
    assert store.written_revision(VAULT) not in ("r7", store.revision(VAULT))
    work(store, Stage.GENERATE)
    assert store.written_revision(VAULT) != "r7"
    store.end_writing(VAULT, store.written_revision(VAULT))
    assert store.written_revision(VAULT) == "r7"


@pytest.mark.parametrize("where", ["before", "note", "index"])
def test_a_vault_with_a_problem_is_looked_at_again_the_next_time_and_the_problem_is_told(
    store: ClusterStore, where: str
) -> None:
    crawl_id = to_the_notes(store, "s", depth=0)
    store.add_to_vault(VAULT, crawl_id)
    store.begin_writing([crawl_id], VAULT, ["s"], "r7", ["before"] if where == "before" else [])
    wave = claim(store, Stage.GENERATE)
    assert wave is not None
    problem, conflicts = ("note", ("property:title", "section:summary")) if where == "note" else (None, ())
    store.record_notes(wave, VAULT, {"s": WrittenNote(problem, conflicts)}, store.written_revision(VAULT))
    store.end_writing(VAULT, store.written_revision(VAULT), ["index"] if where == "index" else [])
    assert store.written_revision(VAULT) == ""
    assert store.note_problems(VAULT) == [where]
    assert store.note_conflicts(VAULT) == [("s", part) for part in conflicts]
    assert (store.note_problems("/another"), store.note_conflicts("/another")) == ([], [])

    store.begin_writing([crawl_id], VAULT, ["s"], "r8", [])
    work(store, Stage.GENERATE)
    store.end_writing(VAULT, store.written_revision(VAULT))
    assert (store.written_revision(VAULT), store.note_problems(VAULT), store.note_conflicts(VAULT)) == ("r8", [], [])


def test_workers_are_told_once_that_a_vault_is_to_be_seen_to_by_a_paper_of_the_crawl(
    store: ClusterStore, clock: Clock
) -> None:
    assert store.take_vaults_due(20) == []
    to_the_notes(store, "s")
    to_the_notes(store, "t", depth=0)
    assert store.take_vaults_due(20) == ["a", "t"]
    assert store.take_vaults_due(20) == []
    clock.move(20.1)
    assert store.take_vaults_due(20) == ["a", "t"]
    store.untell_vaults()
    assert store.take_vaults_due(20) == ["a", "t"]
    clock.move(-86_400)
    assert store.take_vaults_due(20) == ["a", "t"], "the hints of a day to come were given before the clock was set"


def test_workers_are_told_of_each_of_the_two_moments_at_which_a_vault_is_to_be_seen_to(store: ClusterStore) -> None:
    crawl_id = to_the_notes(store, "s", depth=0)
    assert store.take_vaults_due(20) == ["s"]
    begin(store, crawl_id, ["s"])
    assert store.take_vaults_due(20) == []
    work(store, Stage.GENERATE)
    assert store.take_vaults_due(20) == ["s"]
    store.end_writing(VAULT, store.written_revision(VAULT))
    hand_over(store, "s", depth=0)
    store.go_on(LIMITS)
    assert store.take_vaults_due(20) == ["s"], "the crawl has begun anew since"


def test_a_crawl_without_a_paper_is_told_of_all_the_same(store: ClusterStore, engine: Engine) -> None:
    crawl_id = hand_over(store, "s", depth=0)
    with writing(engine) as connection:
        connection.execute(crawl_papers.delete())
    store.go_on(LIMITS)
    assert (store.stage(crawl_id), store.take_vaults_due(20)) == (CrawlStage.NAME, [""])


def test_notes_that_were_read_before_the_vault_was_begun_anew_are_written_once_more(store: ClusterStore) -> None:
    """Their lists may lack the papers of the crawl that came in between."""
    first, second = to_the_notes(store, "s", depth=0), to_the_notes(store, "t", depth=0)
    begin(store, first, ["s"])
    wave, begun = claim(store, Stage.GENERATE), store.written_revision(VAULT)
    assert wave is not None
    begin(store, second, ["s", "t"])
    store.record_notes(wave, VAULT, {"s": WrittenNote()}, begun)
    assert queued(store, Stage.GENERATE) == ["s", "t"]
    assert store.notes_due() == []
    assert sorted(work(store, Stage.GENERATE)) == ["s", "t"]
    assert store.end_writing(VAULT, store.written_revision(VAULT)) == [first, second]


def test_a_vault_begun_anew_with_the_same_contents_is_still_begun_anew(store: ClusterStore) -> None:
    """The reader may have renamed a note, of which contents do not tell."""
    crawl_id = to_the_notes(store, "s", depth=0)
    begin(store, crawl_id, ["s"], "r1")
    wave, begun = claim(store, Stage.GENERATE), store.written_revision(VAULT)
    assert wave is not None
    begin(store, crawl_id, ["s"], "r1")
    store.record_notes(wave, VAULT, {"s": WrittenNote()}, begun)
    assert queued(store, Stage.GENERATE) == ["s"]


def test_notes_deleted_by_the_reader_are_known_by_vault(store: ClusterStore, engine: Engine) -> None:
    store.save_baselines(VAULT, {"a": Baseline({}, deleted=True), "b": Baseline({})})
    assert (store.deleted_notes(VAULT), store.deleted_notes("/another")) == ({"a"}, set())


def test_who_lost_the_turn_ends_nothing_that_another_has_begun_since(store: ClusterStore) -> None:
    first, second = to_the_notes(store, "s", depth=0), to_the_notes(store, "t", depth=0)
    begin(store, first, ["s"])
    work(store, Stage.GENERATE)
    before = store.written_revision(VAULT)
    begin(store, second, ["s", "t"], "r2")

    assert store.end_writing(VAULT, before) == []

    assert {store.stage(one) for one in (first, second)} == {CrawlStage.WRITE}
    assert store.written_revision(VAULT) != "r2"
    work(store, Stage.GENERATE)
    assert store.end_writing(VAULT, store.written_revision(VAULT)) == [first, second]
    assert store.written_revision(VAULT) == "r2"


def test_ending_a_vault_that_nobody_began_ends_nothing(store: ClusterStore, engine: Engine) -> None:
    assert store.end_writing("/never seen", None, ["problem"]) == []
    with reading(engine) as connection:
        assert connection.execute(select(vaults)).all() == []


# By hand


def by_hand(store: ClusterStore, *papers: str, depth: int | None = None, most: int = 1) -> int:
    return store.add_by_hand(papers, depth, most, VAULT)


def place_of(engine: Engine, paper: str) -> int:
    with reading(engine) as connection:
        query = select(crawl_papers.c.depth).where(crawl_papers.c.paper_id == paper)
        return int(connection.execute(query).scalar_one())


@pytest.mark.parametrize(
    ("most", "depth", "place"),
    [
        *((0, depth, LEAF_DEPTH) for depth in (None, 0, 1, 2)),
        *((1, depth, LEAF_DEPTH) for depth in (None, 1, 2)),
        (1, 0, 0),
        (2, None, LEAF_DEPTH),
        (2, 0, 0),
        (2, 1, 1),
        (2, 2, LEAF_DEPTH),
        (2, 1_000, LEAF_DEPTH),
    ],
)
def test_a_paper_by_hand_is_expanded_where_its_depth_is_less_than_the_greatest(
    store: ClusterStore, engine: Engine, most: int, depth: int | None, place: int
) -> None:
    by_hand(store, "s", depth=depth, most=most)
    assert place_of(engine, "s") == place
    assert rows(engine)["s"].ask == (LEAF if place == LEAF_DEPTH else FULL)


@pytest.mark.parametrize(("most", "found"), [(0, ["s"]), (1, ["a", "b", "s"]), (2, ["a", "b", "c", "s"])])
def test_a_paper_by_hand_brings_its_neighbours_to_the_greatest_depth(
    store: ClusterStore, most: int, found: list[str]
) -> None:
    source = {**SOURCE, "b": answer("b", ["c"]), "c": answer("c", ["d"]), "d": answer("d", [])}
    crawl_id = by_hand(store, "s", depth=0, most=most)
    collect(store, source)
    assert store.collected(crawl_id) == found


def test_papers_by_hand_without_a_depth_are_collected_alone_however_deep_others_go(store: ClusterStore) -> None:
    crawl_id = by_hand(store, "s", "t", most=2)
    collect(store)
    assert store.collected(crawl_id) == ["s", "t"]


def test_a_paper_by_hand_asked_for_twice_is_one_job_of_one_crawl(store: ClusterStore, engine: Engine) -> None:
    assert by_hand(store, "s", "s") == by_hand(store, "s")
    assert len(rows(engine)) == 1
    assert store.tally(by_hand(store, "s")) == (1, 0)


@pytest.mark.parametrize("depths", [(None, 0), (0, None)])
def test_of_two_depths_by_hand_the_lesser_holds(
    store: ClusterStore, engine: Engine, depths: tuple[int | None, ...]
) -> None:
    for depth in depths:
        by_hand(store, "s", depth=depth)
    assert place_of(engine, "s") == 0
    assert rows(engine)["s"].ask == FULL


def test_a_stored_paper_by_hand_is_not_asked_for_again_but_for_what_was_never_asked(
    store: ClusterStore, engine: Engine
) -> None:
    crawl_id = hand_over(store, "s", depth=0)
    collect(store)
    before = rows(engine)
    manual = by_hand(store, "s")
    assert rows(engine) == before
    store.go_on(LIMITS)
    assert queued(store, Stage.CRAWL) == []
    assert (store.collected(manual), store.collected(crawl_id)) == (["s"], ["s"])

    by_hand(store, "s", depth=0)
    store.go_on(LIMITS)
    assert rows(engine)["s"].ask == Ask.CITATIONS | Ask.EXPAND


def test_a_paper_by_hand_that_the_source_does_not_know_is_missing_until_it_is_asked_for_again(
    store: ClusterStore,
) -> None:
    crawl_id = by_hand(store, "unknown")
    assert not store.is_missing("unknown")
    work(store, Stage.CRAWL)
    assert (store.is_missing("unknown"), store.missing(crawl_id)) == (True, ["unknown"])
    by_hand(store, "unknown")
    assert not store.is_missing("unknown")
    work(store, Stage.CRAWL, {"unknown": answer("unknown", [])})
    assert (store.is_missing("unknown"), store.collected(crawl_id)) == (False, ["unknown"])


def test_missing_is_what_was_asked_for_by_hand_only(store: ClusterStore) -> None:
    hand_over(store, "unknown", depth=0)
    work(store, Stage.CRAWL)
    assert not store.is_missing("unknown")


def test_many_by_hand_at_once_make_one_crawl(store: ClusterStore, engine: Engine) -> None:
    papers = [f"p{number}" for number in range(12)]
    found = together(6, lambda index: by_hand(store, *papers[index:], *papers[:index], depth=index % 2))
    assert len(set(found)) == 1
    assert sorted(rows(engine)) == sorted(papers)
    with reading(engine) as connection:
        assert len(connection.execute(select(crawls)).all()) == 1
        assert {row.depth for row in connection.execute(select(crawl_papers))} == {0}


def test_papers_by_hand_become_notes_as_those_of_any_crawl_do(store: ClusterStore) -> None:
    crawl_id = by_hand(store, "s", depth=0)
    collect(store)
    assert queued(store, Stage.SUMMARIZE) == ["a", "s"]
    work(store, Stage.SUMMARIZE)
    store.go_on(LIMITS)
    assert store.notes_due() == [NotesDue(crawl_id, CrawlStage.NAME, VAULT)]
    begin(store, crawl_id, ["a", "b", "s"])
    by_hand(store, "t")
    work(store, Stage.GENERATE)
    assert (store.end_writing(VAULT, store.written_revision(VAULT)), store.stage(crawl_id)) == ([], CrawlStage.CRAWL), (
        "it has begun anew"
    )
    collect(store)
    assert store.collected(crawl_id) == ["a", "b", "s", "t"]


def test_papers_by_hand_are_no_crawl_of_one_process(store: ClusterStore) -> None:
    crawl_id = open_crawl(store, "s", depth=0)
    work_off(store, crawl_id, SOURCE)
    assert by_hand(store, "s") != crawl_id


# How it stands with a job, and what nobody can do


def test_how_it_stands_with_a_job_is_told_at_each_moment(store: ClusterStore, clock: Clock) -> None:
    assert store.fate(Stage.SUMMARIZE, "a") is None
    store.enqueue(Stage.SUMMARIZE, ["a"])
    assert store.fate(Stage.SUMMARIZE, "a") == JobFate(JobState.QUEUED, 0.0)
    assert store.fate(Stage.CRAWL, "a") is None
    wave = claim(store, Stage.SUMMARIZE)
    assert wave is not None
    assert store.fate(Stage.SUMMARIZE, "a") == JobFate(JobState.RUNNING, 0.0)
    store.release(wave, due_in=60.0, reason="full")
    clock.move(20)
    assert store.fate(Stage.SUMMARIZE, "a") == JobFate(JobState.QUEUED, 40.0, "full")
    clock.move(100)
    assert store.fate(Stage.SUMMARIZE, "a") == JobFate(JobState.QUEUED, 0.0, "full")
    work(store, Stage.SUMMARIZE)
    assert store.fate(Stage.SUMMARIZE, "a") == JobFate(JobState.DONE, 0.0)


def test_what_nobody_can_do_by_hand_is_a_dead_letter_with_its_reason(store: ClusterStore, clock: Clock) -> None:
    store.bury_by_hand(Stage.GENERATE, "paper123", "no such paper")
    (letter,) = store.dead_letters()
    assert (letter.stage, letter.paper_id, letter.reason, letter.attempts, letter.at) == (
        "generate",
        "paper123",
        "no such paper",
        1,
        clock.now,
    )
    store.bury_by_hand(Stage.GENERATE, "paper123", "still none")
    (letter,) = store.dead_letters()
    assert letter.reason == "still none"


def test_a_burial_by_hand_takes_what_is_queued_or_done_and_never_what_somebody_is_at(store: ClusterStore) -> None:
    for state in ("queued", "done", "running"):
        store.enqueue(Stage.SUMMARIZE, [state])
    for state in ("done", "running"):
        wave = store.claim_some(Stage.SUMMARIZE, "me", 1, lead=state, lease=LEASE)
        assert wave is not None
        if state == "done":
            store.record_summaries(wave, {})
    held = rows(store._engine, Stage.SUMMARIZE)["running"]
    for state in ("queued", "done", "running"):
        store.bury_by_hand(Stage.SUMMARIZE, state, "no")
    assert [letter.paper_id for letter in store.dead_letters()] == ["queued", "done"]
    assert rows(store._engine, Stage.SUMMARIZE)["running"] == held


def test_a_job_somebody_is_at_is_settled_by_its_owner_though_it_was_to_be_buried_by_hand(store: ClusterStore) -> None:
    store.enqueue(Stage.SUMMARIZE, ["a"])
    wave = claim(store, Stage.SUMMARIZE)
    assert wave is not None
    store.bury_by_hand(Stage.SUMMARIZE, "a", "no")
    store.record_summaries(wave, {"a": SUMMARY})
    assert store.fate(Stage.SUMMARIZE, "a") == JobFate(JobState.DONE, 0.0)


def test_a_burial_by_hand_that_came_too_early_keeps_no_crawl_from_the_paper(store: ClusterStore) -> None:
    """Who asks for a note of what is not collected is refused; the crawl that collects it later still writes it."""
    for stage in (Stage.SUMMARIZE, Stage.GENERATE):
        store.bury_by_hand(stage, "s", "s is not collected yet")
    crawl_id = hand_over(store, "s", depth=0)
    collect(store)
    assert work(store, Stage.SUMMARIZE) == ["s"]
    store.go_on(LIMITS)
    begin(store, crawl_id, ["s"])
    assert store.fate(Stage.GENERATE, "s") == JobFate(JobState.QUEUED, 0.0)
    assert work(store, Stage.GENERATE) == ["s"]
    assert store.dead_letters() == []


def test_a_job_that_was_given_up_by_a_worker_stays_dead_until_somebody_asks_for_it_by_hand(store: ClusterStore) -> None:
    store.enqueue(Stage.SUMMARIZE, ["a", "b"])
    wave = claim(store, Stage.SUMMARIZE)
    assert wave is not None
    store.bury(wave, "it will not do")
    store.enqueue(Stage.SUMMARIZE, ["a", "b"])
    assert store.fate(Stage.SUMMARIZE, "a") == JobFate(JobState.DEAD, 0.0, "it will not do")
    store.revive(Stage.SUMMARIZE, "a")
    store.revive(Stage.SUMMARIZE, "unknown")
    store.revive(Stage.CRAWL, "b")
    assert store.fate(Stage.SUMMARIZE, "a") == JobFate(JobState.QUEUED, 0.0)
    assert [letter.paper_id for letter in store.dead_letters()] == ["b"]


def test_a_dead_letter_of_what_was_only_asked_for_by_hand_can_be_retried(store: ClusterStore) -> None:
    store.bury_by_hand(Stage.CRAWL, "s", "unknown")
    store.retry_dead(None)
    assert work(store, Stage.CRAWL) == ["s"]
    assert [paper.paper_id for paper in store.papers(["s"])] == ["s"]
