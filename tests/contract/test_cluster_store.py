"""What the store promises to workers beside stages and hints: leads, fences, turns, and what workers say of themselves."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, event, select, text

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.lock import one_on_server
from refnet.adapters.database.pace import DatabasePace
from refnet.adapters.database.schema import metadata, summaries
from refnet.adapters.database.worker_rows import FORGOTTEN
from refnet.domain.crawl import Ask, Limits
from refnet.domain.errors import Busy, LeaseLost, StoreUnavailable
from refnet.domain.jobs import MOST_LOSSES, JobFate, JobState, Stage, Wave
from refnet.domain.notes import Baseline, WrittenNote
from refnet.domain.summaries import Summary
from refnet.domain.workers import UNHEALTHY_AFTER, WorkerReport
from tests.contract.conftest import Clock
from tests.contract.making import LEAF, LIMITS, answer, claimed, enqueue, rows

T = TypeVar("T")
VAULT = "/home/ada/vault"
LEASE = 45.0
OFFLINE = [Stage.SUMMARIZE, Stage.GENERATE]


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


@pytest.fixture
def postgres(shared_postgres: Engine) -> Engine:
    """An empty database on a server: what SQLite has no word for."""
    with writing(shared_postgres) as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    return shared_postgres


@pytest.fixture
def cluster_store(postgres: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(postgres, clock=clock)


def together(threads: int, work: Callable[[int], T]) -> list[T]:
    """Run `work` in threads that begin at the same moment."""
    start = threading.Barrier(threads)

    def run(index: int) -> T:
        start.wait(60)
        return work(index)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def some(store: ClusterStore, stage: Stage, most: int = 100, **more: str) -> Wave:
    wave = store.claim_some(stage, "me", most, lease=LEASE, **more)
    assert wave is not None
    return wave


# Claims


@pytest.mark.parametrize("stage", OFFLINE)
def test_as_many_jobs_go_together_as_may_and_the_rest_is_for_others(store: ClusterStore, stage: Stage) -> None:
    store.enqueue(stage, [f"p{number}" for number in range(5)])
    assert [len(some(store, stage, 3).jobs), len(some(store, stage, 3).jobs)] == [3, 2]
    assert store.claim_some(stage, "me", 3, lease=LEASE) is None


def test_the_paper_that_leads_is_claimed_first(store: ClusterStore) -> None:
    store.enqueue(Stage.SUMMARIZE, ["a", "b", "c"])
    enqueue(store, {"a": LEAF, "b": LEAF, "c": LEAF})
    assert some(store, Stage.SUMMARIZE, 1, lead="c").paper_ids == ["c"]
    wave = store.claim("me", Limits(ids=1), lease=LEASE, lead="c")
    assert wave is not None
    assert wave.paper_ids == ["c"]


def test_a_lead_that_is_not_due_lets_the_others_go(store: ClusterStore) -> None:
    store.enqueue(Stage.SUMMARIZE, ["a", "b"])
    store.release(some(store, Stage.SUMMARIZE, 1, lead="b"), due_in=60)
    assert some(store, Stage.SUMMARIZE, lead="b").paper_ids == ["a"]
    assert store.claim_some(Stage.SUMMARIZE, "me", 1, lead="b", lease=LEASE) is None


def test_a_lead_is_found_behind_more_due_jobs_than_are_looked_at(store: ClusterStore) -> None:
    store.enqueue(Stage.GENERATE, [f"p{number:02}" for number in range(30)])
    wave = some(store, Stage.GENERATE, 10, lead="p29")
    assert (wave.paper_ids[0], len(wave.jobs)) == ("p29", 10)


def test_what_failed_in_company_is_found_behind_more_due_jobs_than_are_looked_at(
    store: ClusterStore, clock: Clock
) -> None:
    store.enqueue(Stage.GENERATE, ["halved"])
    store.release(some(store, Stage.GENERATE), share=1, due_in=10)
    clock.move(-5)
    store.enqueue(Stage.GENERATE, [f"p{number:02}" for number in range(30)])
    clock.move(20)
    assert some(store, Stage.GENERATE, 10).paper_ids == ["halved"]


def test_a_job_is_counted_when_it_is_claimed_alone(store: ClusterStore, engine: Engine) -> None:
    store.enqueue(Stage.SUMMARIZE, ["a", "b"])
    assert {job.attempts for job in some(store, Stage.SUMMARIZE).jobs} == {0}
    store.free_all()
    wave = some(store, Stage.SUMMARIZE)
    assert ([job.attempts for job in wave.jobs], rows(engine, Stage.SUMMARIZE)[wave.paper_ids[0]].attempts) == ([1], 1)


def test_a_finished_job_is_queued_afresh_and_a_queued_one_stays_as_it_is(store: ClusterStore, engine: Engine) -> None:
    store.enqueue(Stage.SUMMARIZE, ["a", "b"])
    store.record_summaries(some(store, Stage.SUMMARIZE, 1, lead="a"), {})
    before = rows(engine, Stage.SUMMARIZE)["b"]
    store.enqueue(Stage.SUMMARIZE, ["a", "b", "a"])
    assert store.fate(Stage.SUMMARIZE, "a") == JobFate(JobState.QUEUED, 0.0)
    assert rows(engine, Stage.SUMMARIZE)["b"] == before


@pytest.mark.parametrize("stage", list(Stage))
def test_of_many_who_claim_at_the_same_moment_nobody_finds_nothing_while_work_is_due(
    store: ClusterStore, stage: Stage
) -> None:
    """Two who looked at the same jobs would each skip what the other has locked, and one would find nothing and go."""

    def claim(_: int) -> Wave | None:
        if stage is Stage.CRAWL:
            return store.claim("one of six", Limits(ids=2), lease=LEASE)
        return store.claim_some(stage, "one of six", 2, lease=LEASE)

    papers = [f"p{number:02}" for number in range(12)]
    for _ in range(10):
        enqueue(store, dict.fromkeys(papers, LEAF), stage)
        waves = [wave for wave in together(6, claim) if wave is not None]
        assert sorted(paper for wave in waves for paper in wave.paper_ids) == papers
        assert [len(wave.jobs) for wave in waves] == [2] * 6
        for wave in waves:
            store.release(wave)


# What dead processes held


def test_what_dead_processes_held_is_free_at_once_and_nobody_elses(store: ClusterStore, engine: Engine) -> None:
    store.enqueue(Stage.SUMMARIZE, ["a", "b", "c"])
    for owner in ("host:1", "host:2", "host:3"):
        assert store.claim_some(Stage.SUMMARIZE, owner, 1, lease=LEASE)
    assert store.owners() == ["host:1", "host:2", "host:3"]
    assert store.free_owners(["host:1", "host:3", "host:9"]) == 2
    assert store.owners() == ["host:2"]
    assert sorted(row.state for row in rows(engine, Stage.SUMMARIZE).values()) == ["queued", "queued", "running"]
    assert store.free_owners([]) == 0


def test_a_wave_of_a_dead_process_comes_back_in_halves(store: ClusterStore) -> None:
    store.enqueue(Stage.GENERATE, [f"p{number}" for number in range(8)])
    sizes = []
    for _ in range(4):
        sizes.append(len(some(store, Stage.GENERATE).jobs))
        store.free_owners(["me"])
    assert sizes == [8, 4, 2, 1]


def test_a_note_that_kills_its_process_alone_is_dead_at_the_third_time(store: ClusterStore, clock: Clock) -> None:
    store.enqueue(Stage.GENERATE, ["poison"])
    for _ in range(MOST_LOSSES):
        some(store, Stage.GENERATE)
        clock.move(LEASE + 1)
        store.free_expired()
    assert store.claim_some(Stage.GENERATE, "me", 1, lease=LEASE) is None
    (letter,) = store.dead_letters()
    assert (letter.paper_id, letter.attempts) == ("poison", MOST_LOSSES)


def test_leases_that_hold_are_not_freed(store: ClusterStore, clock: Clock) -> None:
    store.enqueue(Stage.GENERATE, ["a"])
    wave = some(store, Stage.GENERATE)
    clock.move(LEASE)
    assert store.free_expired() == 0
    store.renew(wave, LEASE)
    clock.move(LEASE)
    assert store.free_expired() == 0
    clock.move(0.1)
    assert store.free_expired() == 1


# What an owner brings, and what a late one brings


def texts(engine: Engine) -> dict[str, str]:
    with reading(engine) as connection:
        return {row.paper_id: row.text for row in connection.execute(select(summaries))}


def lost(store: ClusterStore, stage: Stage, papers: list[str], again: list[str]) -> tuple[Wave, Wave | None]:
    """A wave whose lease was lost, and that of the new owner of some of its papers."""
    store.enqueue(stage, papers)
    late = some(store, stage)
    store.free_owners(["me"])
    new = None
    for paper in again:
        store.release(some(store, stage, lead=paper), share=1)
        new = store.claim_some(stage, "you", 1, lead=paper, lease=LEASE)
    return late, new


def test_summaries_are_kept_and_their_jobs_done_even_where_there_is_nothing_to_say(
    store: ClusterStore, engine: Engine
) -> None:
    store.enqueue(Stage.SUMMARIZE, ["a", "b"])
    store.record_summaries(some(store, Stage.SUMMARIZE), {"a": Summary("Of a.", "tldr")})
    assert texts(engine) == {"a": "Of a."}
    assert {row.state for row in rows(engine, Stage.SUMMARIZE).values()} == {JobState.DONE}


def test_summaries_of_a_late_owner_are_dropped(store: ClusterStore, engine: Engine) -> None:
    late, new = lost(store, Stage.SUMMARIZE, ["a"], ["a"])
    assert new is not None
    store.record_summaries(new, {"a": Summary("In time.", "tldr")})
    before = rows(engine, Stage.SUMMARIZE)
    store.record_summaries(late, {"a": Summary("Too late.", "tldr")})
    assert (texts(engine), rows(engine, Stage.SUMMARIZE)) == ({"a": "In time."}, before)


def test_summaries_are_kept_for_papers_that_are_still_to_be_read(store: ClusterStore, engine: Engine) -> None:
    store.enqueue(Stage.SUMMARIZE, ["a"])
    wave = some(store, Stage.SUMMARIZE)
    before = rows(engine, Stage.SUMMARIZE)
    store.save_own_summaries({"a": Summary("Of a.", "tldr")}, wave)
    assert (texts(engine), rows(engine, Stage.SUMMARIZE)) == ({"a": "Of a."}, before)


@pytest.mark.parametrize("again", [[], ["a"]])
def test_summaries_of_papers_that_a_late_owner_was_to_read_are_refused(
    store: ClusterStore, engine: Engine, again: list[str]
) -> None:
    late, new = lost(store, Stage.SUMMARIZE, ["a"], again)
    if new is not None:
        store.record_summaries(new, {"a": Summary("Read in full.", "full_text")})
    with pytest.raises(LeaseLost):
        store.save_own_summaries({"a": Summary("Too late.", "tldr")}, late)
    assert texts(engine) == ({} if new is None else {"a": "Read in full."})


def test_notes_of_a_late_owner_change_nothing(store: ClusterStore, engine: Engine) -> None:
    late, new = lost(store, Stage.GENERATE, ["a"], ["a"])
    before = rows(engine, Stage.GENERATE)
    store.record_notes(late, VAULT, {"a": WrittenNote("late", ("property:title",))}, None)
    assert rows(engine, Stage.GENERATE) == before
    assert (store.note_problems(VAULT), store.note_conflicts(VAULT)) == ([], [])
    assert new is not None
    store.record_notes(new, VAULT, {"a": WrittenNote("in time")}, None)
    assert store.note_problems(VAULT) == ["in time"]


def test_baselines_are_kept_while_the_notes_are_ones_own(store: ClusterStore) -> None:
    store.enqueue(Stage.GENERATE, ["a", "b"])
    wave = some(store, Stage.GENERATE)
    store.save_own_baselines(VAULT, {"a": Baseline({"lead": ("1",)})}, wave)
    assert store.baselines(VAULT) == {"a": Baseline({"lead": ("1",)})}
    store.record_notes(wave, VAULT, {"a": WrittenNote(), "b": WrittenNote("left alone")}, None)
    assert store.baselines(VAULT) == {"a": Baseline({"lead": ("1",)}), "b": Baseline({})}


@pytest.mark.parametrize("again", [[], ["a"]])
def test_baselines_of_a_late_owner_are_refused(store: ClusterStore, again: list[str]) -> None:
    late, _ = lost(store, Stage.GENERATE, ["a"], again)
    with pytest.raises(LeaseLost):
        store.save_own_baselines(VAULT, {"a": Baseline({"lead": ("late",)})}, late)
    assert store.baselines(VAULT) == {}


def test_baselines_are_refused_where_the_wave_no_longer_has_all_of_them(store: ClusterStore, engine: Engine) -> None:
    store.enqueue(Stage.GENERATE, ["a", "b"])
    wave = some(store, Stage.GENERATE)
    part = replace(wave, jobs=tuple(job for job in wave.jobs if job.paper_id == "a"))
    store.save_own_baselines(VAULT, {"a": Baseline({"lead": ("1",)})}, part)
    with pytest.raises(LeaseLost):
        store.save_own_baselines(VAULT, {"a": Baseline({"lead": ("2",)}), "c": Baseline({})}, wave)
    assert store.baselines(VAULT) == {"a": Baseline({"lead": ("1",)})}


def test_what_is_given_back_charged_or_buried_by_a_late_owner_is_not(store: ClusterStore, engine: Engine) -> None:
    late, _ = lost(store, Stage.SUMMARIZE, ["a"], ["a"])
    before = rows(engine, Stage.SUMMARIZE)
    store.release(late, share=1, charged=True, reason="late", due_in=60, hinted=True)
    store.bury(late, "late")
    with pytest.raises(LeaseLost):
        store.renew(late, LEASE)
    assert rows(engine, Stage.SUMMARIZE) == before


# Turns


@pytest.fixture(params=["vault", "sweep"])
def turn(request: pytest.FixtureRequest, cluster_store: ClusterStore) -> Callable[[], object]:
    """A turn that one process at a time can have."""
    return cluster_store.sweeping if request.param == "sweep" else lambda: cluster_store.vault_turn(VAULT)


def test_one_at_a_time_has_the_turn_and_the_next_gets_it_afterwards(turn: Callable) -> None:  # type: ignore[type-arg]
    with turn() as mine:
        assert mine
        with turn() as also:
            assert not also
        with turn() as still:
            assert not still, "who did not get it has not given it back either"
    with turn() as mine:
        assert mine


def test_a_turn_is_given_back_when_work_fails(turn: Callable) -> None:  # type: ignore[type-arg]
    with pytest.raises(ZeroDivisionError), turn():
        1 / 0  # noqa: B018 - work that fails
    with turn() as mine:
        assert mine


def test_of_many_at_once_one_has_the_turn(turn: Callable) -> None:  # type: ignore[type-arg]
    over = threading.Barrier(5)

    def have(_: int) -> bool:
        with turn() as mine:
            over.wait(60)
            return bool(mine)

    assert sorted(together(5, have)) == [False] * 4 + [True]


def test_a_turn_is_free_when_the_connection_of_who_had_it_is_gone(
    turn: Callable,  # type: ignore[type-arg]
    postgres: Engine,
) -> None:
    """As when a worker is killed: the server sees its connection close."""
    with turn() as mine:
        assert mine
        end_holders_of_locks(postgres)
        with turn() as next_one:
            assert next_one
    with turn() as mine:
        assert mine


def test_turns_at_different_vaults_and_the_sweep_are_apart(cluster_store: ClusterStore) -> None:
    with (
        cluster_store.vault_turn(VAULT) as first,
        cluster_store.vault_turn("/another") as second,
        cluster_store.sweeping() as third,
        cluster_store.vault_turn("sweep") as fourth,
    ):
        assert (first, second, third, fourth) == (True,) * 4


def end_holders_of_locks(engine: Engine) -> None:
    """Close the server's end of every other connection that holds an advisory lock, and wait until they are gone."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        holders = "SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        found = list(connection.execute(text(holders)).scalars())
        assert found
        for pid in found:
            assert connection.execute(text("SELECT pg_terminate_backend(:pid, 60000)"), {"pid": pid}).scalar()


def test_workers_work_together_and_nobody_alone_beside_them(cluster_store: ClusterStore, postgres: Engine) -> None:
    with cluster_store.among_workers() as first, cluster_store.among_workers() as second:
        first()
        second()
        with pytest.raises(Busy, match="its workers count"), one_on_server(postgres):
            pass
    with one_on_server(postgres):
        pass


def test_who_works_alone_lets_no_worker_in(cluster_store: ClusterStore, postgres: Engine) -> None:
    with one_on_server(postgres):
        with pytest.raises(Busy, match="works alone"), cluster_store.among_workers():
            pass
        with pytest.raises(Busy), one_on_server(postgres):
            pass
    with cluster_store.among_workers() as still_among:
        still_among()


def test_a_worker_finds_out_that_the_server_has_taken_its_place_back(
    cluster_store: ClusterStore, postgres: Engine
) -> None:
    with cluster_store.among_workers() as still_among:
        still_among()
        end_holders_of_locks(postgres)
        with pytest.raises(StoreUnavailable):
            still_among()
        with one_on_server(postgres):
            pass
    with cluster_store.among_workers() as still_among:
        still_among()


# Workers


REPORT = WorkerReport("crawler@host", 17, ("crawler", "dlq"), None, 4, 1)


def test_what_a_worker_says_of_itself_is_what_others_read(store: ClusterStore) -> None:
    writer = replace(REPORT, name="all@host", queues=("generator",), output_dir="/vault", slots=2, running=2)
    store.report(REPORT)
    store.report(writer)
    assert store.workers() == [writer, REPORT]
    assert [worker.fault for worker in store.workers()] == [None, None]


def test_the_last_report_counts(store: ClusterStore) -> None:
    store.report(REPORT)
    changed = replace(REPORT, pid=18, queues=("crawler",), running=4, output_dir="/vault")
    store.report(changed)
    assert store.workers() == [changed]


def test_a_worker_that_is_silent_counts_as_gone_and_is_forgotten_later(store: ClusterStore, clock: Clock) -> None:
    store.report(REPORT)
    clock.move(UNHEALTHY_AFTER)
    assert store.workers()[0].lives
    clock.move(1)
    (silent,) = store.workers()
    assert (silent.lives, silent.unseen_for) == (False, UNHEALTHY_AFTER + 1)
    assert "has not been heard of for 41 s" in (silent.fault or "")
    clock.move(FORGOTTEN - UNHEALTHY_AFTER - 1)
    store.forget_old_workers()
    assert len(store.workers()) == 1
    clock.move(0.1)
    store.forget_old_workers()
    assert store.workers() == []


def test_what_a_process_held_that_was_asked_to_end_goes_back_whole_and_uncharged(store: ClusterStore) -> None:
    store.enqueue(Stage.GENERATE, ["a", "b", "c"])
    together = store.claim_some(Stage.GENERATE, "host:1", 2, lease=LEASE)
    alone = store.claim_some(Stage.GENERATE, "host:2", 1, lease=LEASE)
    assert together is not None
    assert alone is not None
    assert store.give_back(["host:1", "host:2", "host:9"]) == 3

    again = store.claim_some(Stage.GENERATE, "host:3", 3, lease=LEASE)
    assert again is not None
    assert [(job.attempts, job.losses) for job in again.jobs] == [(1, 0)], "one alone is asked for alone again"
    both = store.claim_some(Stage.GENERATE, "host:3", 3, lease=LEASE)
    assert both is not None
    assert [(job.attempts, job.losses) for job in both.jobs] == [(0, 0), (0, 0)]
    assert store.give_back([]) == 0
    with pytest.raises(LeaseLost):
        store.renew(together, LEASE)


def test_a_worker_that_ends_in_order_is_forgotten_at_once(store: ClusterStore) -> None:
    store.report(REPORT)
    store.report(replace(REPORT, name="other@host"))
    store.forget_worker(REPORT.name)
    store.forget_worker("nobody")
    assert [worker.name for worker in store.workers()] == ["other@host"]


def test_how_long_a_worker_leaves_work_goes_on_until_it_takes_some(store: ClusterStore, clock: Clock) -> None:
    store.report(replace(REPORT, idle_for=50.0, reason="work that is due has been waiting"))
    clock.move(10)
    (idle,) = store.workers()
    assert (idle.idle_for, idle.reason) == (60.0, "work that is due has been waiting")
    assert "does not consume" in (idle.fault or "")
    store.report(REPORT)
    assert store.workers() == [REPORT]


# Figures


def test_requests_ever_started_to_a_host_are_known(cluster_store: ClusterStore, postgres: Engine) -> None:
    assert cluster_store.starts("example.org") == 0
    pace = DatabasePace(postgres, "example.org", 1e6)
    for _ in range(3):
        pace.start()
    assert (cluster_store.starts("example.org"), cluster_store.starts("example.com")) == (3, 0)


def test_a_late_page_of_work_is_never_recorded_under_a_claim_that_is_not_ones_own(
    store: ClusterStore, engine: Engine
) -> None:
    """The fence is the claim, not the owner: the same process may have claimed the paper again."""
    enqueue(store, {"a": LEAF})
    late = store.claim("me", LIMITS, lease=LEASE)
    store.free_owners(["me"])
    new = store.claim("me", LIMITS, lease=LEASE)
    assert late is not None
    assert new is not None
    store.record_wave(late, [answer("a", [], title="Too late")], LIMITS)
    assert store.titles(["a"]) == {}
    assert rows(engine)["a"].claim == new.claim


def test_a_claim_ends_with_what_it_was_for(store: ClusterStore, engine: Engine) -> None:
    store.enqueue(Stage.SUMMARIZE, ["a"])
    wave = some(store, Stage.SUMMARIZE)
    store.record_summaries(wave, {})
    store.enqueue(Stage.SUMMARIZE, ["a"])
    store.record_summaries(wave, {"a": Summary("Twice.", "tldr")})
    assert texts(engine) == {}
    assert (rows(engine, Stage.SUMMARIZE)["a"].state, rows(engine, Stage.SUMMARIZE)["a"].ask) == ("queued", Ask.DETAILS)


def test_a_paper_is_found_by_the_other_ids_that_its_source_tells(store: ClusterStore) -> None:
    store.add_by_hand(["s", "t"], None, 1)
    ids = {"s": {"DOI": "10.1/aB", "ArXiv": "1706.03762", "CorpusId": "13756489", "PubMed": "17"}, "t": {}}
    while (wave := store.claim("me", LIMITS, lease=LEASE)) is not None:
        store.record_wave(wave, [answer(one, [], [], external_ids=ids[one]) for one in wave.paper_ids], LIMITS)
    for identifier in ("DOI:10.1/Ab", "ARXIV:1706.03762", "CorpusId:13756489", "PMID:17"):
        assert store.with_external_id(identifier) == "s", identifier
    for identifier in ("DOI:10.1/ab2", "PMID:13756489", "URL:https://example.org", "s", "DOI:"):
        assert store.with_external_id(identifier) is None, identifier


def test_a_paper_is_found_by_the_ids_of_one_that_was_merged_into_it(store: ClusterStore, engine: Engine) -> None:
    def tell(**ids: str) -> None:
        enqueue(store, {"old": LEAF})
        store.record_wave(claimed(store), [answer("old", [], [], external_ids=ids)], LIMITS)

    tell(DOI="10.1/wrong", MAG="5")
    tell(DOI="10.1/old", MAG="5")
    assert store.with_external_id("DOI:10.1/wrong") is None
    enqueue(store, {"old": LEAF})
    store.record_wave(claimed(store), [answer("new", [], [], external_ids={"DOI": "10.1/new"})], LIMITS)
    assert [store.with_external_id(f"DOI:10.1/{one}") for one in ("old", "new")] == ["new", "new"]


def test_to_look_for_an_external_id_or_an_owner_reads_neither_all_papers_nor_all_jobs(
    store: ClusterStore, engine: Engine
) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _u: object, statement: str, parameters: Any, _x: object, _m: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    store.with_external_id("DOI:10.1/x")
    store.owners()
    event.remove(engine, "before_cursor_execute", note)
    with engine.begin() as connection:
        postgres = engine.dialect.name == "postgresql"
        if postgres:
            # The tables are empty; what is asked is whether there is another way.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, parameters in asked:
            explain = "EXPLAIN " if postgres else "EXPLAIN QUERY PLAN "
            plan = " ".join(str(row) for row in connection.exec_driver_sql(explain + statement, parameters))
            assert "Seq Scan" not in plan, plan
            assert "paper_identifiers" in plan or "jobs_owner" in plan, plan
            assert not re.search(r"SCAN (papers|paper_identifiers|jobs)\b(?! USING .*INDEX jobs_owner)", plan), plan
    assert len(asked) == 2
