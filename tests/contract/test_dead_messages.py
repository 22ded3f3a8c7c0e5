"""Messages that workers refused, as dead letters in the database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, insert, select

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.dead_messages import SETTLING
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import celery_taskmeta
from refnet.domain.dead_messages import MOST_KEPT, RefusedMessage, storable
from refnet.domain.errors import ConfigurationError
from refnet.domain.jobs import Stage
from tests.contract.conftest import Clock
from tests.contract.making import LIMITS, answer


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


def refused(digest: str = "one", reason: str = "forged", **more: object) -> RefusedMessage:
    return RefusedMessage.of(digest, "crawler", reason, message=b"{}", **more)  # type: ignore[arg-type]


def test_a_refused_message_is_listed_with_all_that_is_known_of_it(store: ClusterStore, clock: Clock) -> None:
    number = store.record_dead_message(refused(task="t", task_id="i", traceback="line 1\nline 2"))
    [listed] = store.dead_messages()
    assert (listed.id, listed.queue, listed.task, listed.task_id, listed.reason) == (
        *(number, "crawler", "t"),
        *("i", "forged"),
    )
    assert (listed.times, listed.at, listed.message, listed.traceback) == (1, clock.now, None, None)
    found = store.dead_message(number)
    assert found is not None
    assert (found.message, found.traceback) == (b"{}", "line 1\nline 2")
    assert store.dead_message(number + 1) is None
    assert store.dead_message_count() == 1


def test_the_same_message_again_is_the_same_dead_letter_counted(store: ClusterStore, clock: Clock) -> None:
    number = store.record_dead_message(refused())
    clock.move(60)
    assert store.record_dead_message(refused(reason="still forged")) == number
    other = store.record_dead_message(refused("two"))
    first, second = store.dead_messages()
    assert (first.times, first.reason, first.at) == (2, "still forged", clock.now)
    assert (second.id, second.times) == (other, 1)


def test_a_message_refused_first_that_fails_later_may_run_again_when_it_is_retried(
    store: ClusterStore, engine: Engine
) -> None:
    number = store.record_dead_message(refused())
    with writing(engine) as connection:
        connection.execute(insert(celery_taskmeta).values(task_id="i", status="FAILURE"))
    store.record_dead_message(refused(task_id="i", failed=True))
    store.record_dead_message(refused())
    with store.taking_dead_message(number) as message:
        assert message is not None
        assert (message.task_id, message.failed) == ("i", True)
    with reading(engine) as connection:
        assert connection.execute(select(celery_taskmeta.c.task_id)).all() == []


def test_the_oldest_refused_messages_are_forgotten_where_there_are_too_many_and_no_failed_task(
    store: ClusterStore,
) -> None:
    failed = store.record_dead_message(refused("failed", failed=True))
    numbers = [store.record_dead_message(refused(str(place), traceback="x" * 10)) for place in range(5)]
    assert store.trim_dead_messages(5, 10_000) == 0
    assert store.trim_dead_messages(4, 10_000) == 1
    assert [letter.id for letter in store.dead_messages()] == [failed, *numbers[1:]]
    assert store.trim_dead_messages(4, 3 * 12) == 1
    assert [letter.id for letter in store.dead_messages()] == [failed, *numbers[2:]]
    assert store.trim_dead_messages(1, 10_000) == 2
    assert [letter.id for letter in store.dead_messages()] == [failed, numbers[-1]]


def test_messages_of_some_reasons_are_counted(store: ClusterStore) -> None:
    assert store.messages_refused_for(["forged"]) == (0, "")
    for place in range(3):
        store.record_dead_message(refused(str(place), reason="other" if place == 1 else "forged"))
    assert store.messages_refused_for(["forged", "none"]) == (2, "crawler")


def test_a_list_of_messages_says_which_of_them_are_kept(store: ClusterStore) -> None:
    store.record_dead_message(refused())
    store.record_dead_message(RefusedMessage.of("long", "crawler", "forged", message=b"x" * (MOST_KEPT + 1)))
    assert [(letter.message, letter.is_kept) for letter in store.dead_messages()] == [(None, True), (None, False)]


def test_workers_that_meet_the_same_message_at_once_count_each_meeting(store: ClusterStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = set(pool.map(lambda _: store.record_dead_message(refused()), range(16)))
    [letter] = store.dead_messages()
    assert numbers == {letter.id}
    assert letter.times == 16


def test_one_id_names_one_dead_letter_be_it_a_job_or_a_message(store: ClusterStore) -> None:
    store.bury_by_hand(Stage.CRAWL, "a", "no")
    message = store.record_dead_message(refused())
    store.bury_by_hand(Stage.SUMMARIZE, "a", "no")
    again = store.record_dead_message(refused("two"))
    jobs = [letter.id for letter in store.dead_letters()]
    if store._engine.dialect.name == "postgresql":
        assert len({*jobs, message, again}) == 4
    assert message not in jobs[:1]


def test_what_strangers_wrote_is_kept_harmless_and_bounded(store: ClusterStore) -> None:
    hostile = "\x1b[2J\0\ud800\u202e\nsecond line"
    number = store.record_dead_message(
        RefusedMessage.of(
            "d",
            hostile,
            hostile * 2_000,
            task=hostile,
            task_id=["i"],
            traceback=hostile,
            message=b"x" * (MOST_KEPT + 1),
        )
    )
    found = store.dead_message(number)
    assert found is not None
    assert found.task == found.queue == "\\x1b[2J\\x00\\ud800\\u202e second line"
    assert found.traceback == "\\x1b[2J\\x00\\ud800\\u202e\nsecond line"
    assert (found.task_id, found.message) == (None, None)
    assert len(found.reason) < 2_100
    assert found.reason.endswith("(It is longer than 64 kB and was not kept here.)")


def test_purged_messages_are_gone_and_told_of(store: ClusterStore) -> None:
    first, second = (store.record_dead_message(refused(digest)) for digest in ("one", "two"))
    assert [gone.digest for gone in store.purge_dead_messages([first, 999])] == ["one"]
    assert [left.id for left in store.dead_messages()] == [second]


def test_a_message_that_is_sent_again_is_no_dead_letter_and_its_failure_is_forgotten(
    store: ClusterStore, engine: Engine
) -> None:
    with writing(engine) as connection:
        for task_id, status in (("failed", "FAILURE"), ("done", "SUCCESS"), ("refused", "FAILURE")):
            connection.execute(insert(celery_taskmeta).values(task_id=task_id, status=status))
    numbers = [
        store.record_dead_message(refused(task_id, task_id=task_id, failed=task_id != "refused"))
        for task_id in ("failed", "done", "refused")
    ]
    for number in numbers:
        with store.taking_dead_message(number) as message:
            assert message is not None
            assert message.id == number
    assert store.dead_messages() == []
    with reading(engine) as connection:
        left = set(connection.execute(select(celery_taskmeta.c.task_id)).scalars())
    # A forged message must not bring somebody else's task to run again.
    assert left == {"done", "refused"}


def test_a_message_that_could_not_be_sent_stays_a_dead_letter(store: ClusterStore, engine: Engine) -> None:
    number = store.record_dead_message(refused(task_id="i", failed=True))
    with writing(engine) as connection:
        connection.execute(insert(celery_taskmeta).values(task_id="i", status="FAILURE", worker="w"))
    for _ in range(2):
        with pytest.raises(OSError, match="away"), store.taking_dead_message(number):
            raise OSError("away")
    assert [message.id for message in store.dead_messages()] == [number]
    with reading(engine) as connection:
        known = connection.execute(
            select(celery_taskmeta.c.task_id, celery_taskmeta.c.status, celery_taskmeta.c.worker)
        )
        assert known.all() == [("i", "FAILURE", "w")], "its sender is told as before"


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # SQLite has one writer
def test_a_message_that_could_not_be_sent_and_has_run_meanwhile_keeps_what_came_of_it(
    store: ClusterStore, engine: Engine
) -> None:
    number = store.record_dead_message(refused(task_id="i", failed=True))
    with writing(engine) as connection:
        connection.execute(insert(celery_taskmeta).values(task_id="i", status="FAILURE"))

    def ran_and_broke_off() -> None:
        with store.taking_dead_message(number):
            with writing(engine) as connection:
                connection.execute(insert(celery_taskmeta).values(task_id="i", status="SUCCESS"))
            raise OSError("cut off")

    with pytest.raises(OSError, match="cut off"):
        ran_and_broke_off()
    with reading(engine) as connection:
        assert connection.execute(select(celery_taskmeta.c.status)).scalars().all() == ["SUCCESS"]


@pytest.mark.parametrize("stored", [None, "STARTED", "RETRY"])
def test_a_failed_task_is_not_sent_again_before_its_failure_is_stored_which_would_keep_it_from_running(
    store: ClusterStore, engine: Engine, stored: str | None, clock: Clock
) -> None:
    """The worker records the dead letter first."""
    if stored is not None:
        with writing(engine) as connection:
            connection.execute(insert(celery_taskmeta).values(task_id="i", status=stored))
    number = store.record_dead_message(refused(task_id="i", failed=True))
    clock.move(SETTLING - 1)
    with pytest.raises(ConfigurationError, match="Try again in a minute"), store.taking_dead_message(number):
        pytest.fail("it must not be sent")
    assert [message.id for message in store.dead_messages()] == [number]
    clock.move(1)  # there may be none any more: results are not kept for ever
    with store.taking_dead_message(number) as message:
        assert message is not None
    assert store.dead_messages() == []


# Dead letters of what was asked for by hand


def test_names_that_no_database_takes_are_asked_for_and_buried_in_another_form(store: ClusterStore) -> None:
    name = storable("half \ud800 of a surrogate and \0")
    assert name == "half ? of a surrogate and �"
    assert store.fate(Stage.CRAWL, name) is None
    store.bury_by_hand(Stage.CRAWL, name, name)
    assert store.fate(Stage.CRAWL, name) is not None


def ask_by_hand_in_vain(store: ClusterStore, paper_id: str) -> None:
    store.add_by_hand([paper_id], None, 1)
    wave = store.claim("me", LIMITS, lease=45.0)
    assert wave is not None
    store.record_wave(wave, [None] * len(wave.jobs), LIMITS)


@pytest.mark.parametrize("member", [True, False])
def test_what_nobody_knows_is_dead_again_when_it_is_retried(store: ClusterStore, member: bool) -> None:
    if member:
        ask_by_hand_in_vain(store, "unknown")
    store.bury_by_hand(Stage.CRAWL, "unknown", "Semantic Scholar knows no paper unknown.")
    [letter] = store.dead_letters()
    assert store.retry_dead(None) == [letter.id]
    assert store.dead_letters() == []

    wave = store.claim("me", LIMITS, lease=45.0)
    assert wave is not None
    store.record_wave(wave, [None], LIMITS)
    [again] = store.dead_letters()
    assert (again.id, again.reason) == (letter.id, "Semantic Scholar knows no paper unknown.")


def test_a_retried_paper_that_is_known_now_is_done(store: ClusterStore) -> None:
    store.bury_by_hand(Stage.CRAWL, "s", "unknown")
    store.retry_dead(None)
    wave = store.claim("me", LIMITS, lease=45.0)
    assert wave is not None
    store.record_wave(wave, [answer("s", [])], LIMITS)
    assert store.dead_letters() == []
    assert store.known(["s"]) == {"s": "s"}


@pytest.mark.parametrize("stage", [Stage.SUMMARIZE, Stage.GENERATE])
def test_a_summary_or_note_of_a_paper_not_collected_stays_dead_until_it_is(store: ClusterStore, stage: Stage) -> None:
    store.bury_by_hand(stage, "s", "s is not collected yet")
    [letter] = store.dead_letters()
    assert store.retry_dead(None) == []
    assert store.dead_letters() == [letter]

    store.add_by_hand(["s"], None, 1)
    wave = store.claim("me", LIMITS, lease=45.0)
    assert wave is not None
    store.record_wave(wave, [answer("s", [])], LIMITS)
    assert store.retry_dead(None) == [letter.id]
