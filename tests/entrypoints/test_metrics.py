"""What `/metrics` says of one process without a broker, in labels that nobody else chooses, and never late."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import event

from refnet.adapters.database.counts import RequestCounts, TaskCounts
from refnet.adapters.database.engine import writing
from refnet.adapters.database.figures import Figures
from refnet.adapters.database.migrate import open_at_head
from refnet.adapters.database.schema import pace
from refnet.adapters.database.spending import Spending
from refnet.bootstrap import Application, build
from refnet.domain.counts import COUNTED, STATUSES, Tally, TaskState, status_of
from refnet.domain.errors import StoreUnavailable
from refnet.domain.spending import Reservation, Use
from refnet.entrypoints import exposition
from refnet.entrypoints.web.metrics import PATIENCE, Asked, Watched
from refnet.settings import load_settings

#: The most series that one endpoint may have.
MOST_SERIES = 500


@pytest.fixture
def application() -> Iterator[Application]:
    found = build(load_settings())
    open_at_head(found.engine)
    yield found
    found.engine.dispose()


def series(application: Application) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Values by labels, by name."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(Watched(application).text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def fill(application: Application) -> None:
    """Everything that can be counted, and what strangers would have us count."""
    tally = Tally()
    for task in [f"stranger-{number}" for number in range(300)]:
        for state in TaskState:
            for seconds in (0.001, 0.2, 3.0, 1_000.0):
                tally.add(task, state, seconds)
    for task in COUNTED:
        for state in TaskState:
            for seconds in (0.001, 0.03, 0.2, 0.7, 3.0, 8.0, 20.0, 50.0, 90.0, 200.0, 400.0, 1_000.0):
                tally.add(task, state, seconds)
    TaskCounts(application.engine, "writer").add(*tally.next_batch())
    requests = RequestCounts(application.engine, "semantic_scholar")
    for status in range(100, 1_000):
        requests.answered(status_of(status), 0.1)
    purse = Spending(application.engine, 1.0)
    held = purse.reserve(0.5)
    assert isinstance(held, Reservation)
    purse.settle(held, Use("a-model", 1_000, 100, 0.25))
    with writing(application.engine) as connection:
        for host in ["api.semanticscholar.org", *(f"mirror-{number}" for number in range(600))]:
            connection.execute(
                pace.insert().values(
                    host=host, next_at=0, blocked_until=time.time() + 60, failures=2, successes=0, stretch=1
                )
            )


def test_there_is_a_bounded_number_of_series_whatever_is_counted(application: Application) -> None:
    fill(application)

    found = series(application)

    assert sum(map(len, found.values())) <= MOST_SERIES
    assert len(found["refnet_requests_total"]) == len(STATUSES) + 1
    assert list(found["refnet_source_failures"]) == [(("source", "semantic_scholar"),)]
    tasks = {dict(labels)["task"] for labels in found["celery_tasks_total"]}
    assert "other" in tasks
    assert not any("stranger" in task for task in tasks)


def test_buckets_hold_all_that_took_no_longer(application: Application) -> None:
    tally = Tally()
    for seconds in (0.02, 0.02, 7.0, 5_000.0):
        tally.add("health_check", TaskState.SUCCESS, seconds)
    tally.add("health_check", TaskState.REVOKED, None)
    TaskCounts(application.engine, "writer").add(*tally.next_batch())

    found = series(application)

    buckets = {dict(labels)["le"]: value for labels, value in found["celery_task_duration_seconds_bucket"].items()}
    assert [buckets[le] for le in ("0.01", "0.05", "5.0", "10.0", "600.0", "+Inf")] == [0, 2, 2, 3, 3, 4]
    (count,), (sum_,) = (found[f"celery_task_duration_seconds_{what}"].values() for what in ("count", "sum"))
    assert count == 4
    assert sum_ == pytest.approx(5_007.04)
    assert found["celery_tasks_total"][("state", "revoked"), ("task", "health_check")] == 1


def test_one_process_without_a_broker_has_no_broker_to_tell_of(application: Application) -> None:
    found = series(application)

    assert found["refnet_database_up"] == {(): 1}
    assert "refnet_broker_up" not in found
    assert not {"refnet_workers", "refnet_worker_slots"} & found.keys(), "there are none, and nobody misses them"
    assert found["refnet_jobs"][("stage", "crawl"), ("state", "queued")] == 0


def test_a_database_that_does_not_answer_is_said(application: Application) -> None:
    @event.listens_for(application.engine, "do_connect")
    def refuse(*_: object) -> None:
        raise StoreUnavailable("away")

    application.engine.dispose()

    assert series(application) == {"refnet_database_up": {(): 0}}


def test_who_asks_what_hangs_waits_a_bounded_time_and_all_wait_for_the_same() -> None:
    asked, free = [], threading.Event()

    def hang() -> str:
        asked.append(1)
        free.wait(60)
        return "it"

    one = Asked(hang)
    began = time.monotonic()
    assert [one.start().answer(time.monotonic() + 0.05) for _ in range(3)] == [None, None, None]
    assert time.monotonic() - began < 5
    assert len(asked) == 1
    free.set()
    assert Asked(lambda: "it").start().answer(time.monotonic() + 60) == "it"


def test_the_broker_is_asked_while_the_database_is(application: Application) -> None:
    settings = application.settings.model_copy(update={"broker_url": SecretStr("redis://localhost")})
    watched, asked, meanwhile = Watched(replace(application, settings=settings)), threading.Event(), []

    def answer() -> tuple[dict[str, int], bool]:
        asked.set()
        return {"crawler": 3}, True

    def hang() -> Figures:
        meanwhile.append(asked.wait(PATIENCE / 2))
        raise StoreUnavailable("away")

    watched._broker, watched._figures = Asked(answer), Asked(hang)
    found = watched.text().decode()

    assert meanwhile == [True]
    assert "refnet_database_up 0.0" in found
    assert "refnet_broker_up 1.0" in found
    assert 'refnet_queue_messages{queue="crawler"} 3.0' in found


def test_what_hung_once_is_asked_anew_after_it_came_to_its_end() -> None:
    away = iter([True, False])

    def ask() -> str:
        if next(away):
            raise StoreUnavailable("away")
        return "it"

    one = Asked(ask)
    assert [one.start().answer(time.monotonic() + 60) for _ in range(2)] == [None, "it"]


def test_every_metric_is_in_the_reference_with_its_labels_and_no_other(application: Application, root: Path) -> None:
    fill(application)
    found = series(application)
    answer = [*text_string_to_metric_families(Watched(application).text().decode())]
    answer += [*exposition.queue_families({"crawler": 0}), exposition.up("broker", "broker", value=True)]
    answer += exposition.worker_families([])
    counters = {f"{family.name}_total" for family in answer if family.type == "counter"}
    names = counters | {family.name for family in answer if family.type != "counter"}
    assert found.keys() <= names | {f"celery_task_duration_seconds_{end}" for end in ("bucket", "sum", "count")}
    labels = {
        name: sorted({label for one in family.samples for label in one.labels} - {"le"})
        for family in answer
        for name in ({f"{family.name}_total", family.name} & names)
    }

    page = (root / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*)\|", page, re.MULTILINE)
    assert {name: sorted(re.findall(r"`(\w+)`", told)) for name, told in rows} == labels
