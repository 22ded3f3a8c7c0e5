"""S05: `fetch_paper_metadata` by hand: the paper, its neighbours to MAX_DEPTH, and back-off that everybody can see."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from celery.exceptions import TimeoutError as NotYet

from refnet.demo.bundled import SEED
from refnet.demo.faults import Faults
from refnet.entrypoints.celery.tasks import TRIES
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.cluster.live_events import live_events

pytestmark = pytest.mark.slow

FETCH = "crawler.tasks.fetch_paper_metadata"
PAPER = "7eda0c4e99c68e4f3cb00a14b4513a1d74fdabb2"
ACTING = "tests.cluster.acting_tasks"
FAULTS = ("429", "500", "503")


def collected(lab: Lab) -> set[str]:
    return {row.paper_id for row in lab.query("SELECT paper_id FROM papers WHERE fetched_at IS NOT NULL")}


def is_idle(lab: Lab) -> bool:
    return not lab.query("SELECT 1 FROM jobs WHERE stage = 'crawl' AND state IN ('queued', 'running')")


def from_now_on(lab: Lab, **switches: Any) -> None:
    """Let the source behave otherwise."""
    lab.stand_in.switches = replace(lab.stand_in.switches, **switches)
    lab.stand_in._faults = Faults(lab.stand_in.switches)


# ---------------------------------------------------------------- depth


def test_s05_references_and_citations_are_collected_to_the_greatest_depth(lab: Lab) -> None:
    lab.worker("crawler")  # MAX_DEPTH is 1

    with lab.app() as app:
        at_the_end = app.send_task(FETCH, [SEED, 1])
        assert at_the_end.get(timeout=90) == {"status": "success", "paper_id": PAPER}
        assert until(lambda: is_idle(lab))
        assert collected(lab) == {PAPER}

        at_the_start = app.send_task(FETCH, [SEED, 0])
        assert at_the_start.get(timeout=90) == {"status": "success", "paper_id": PAPER}
        wanted = set[str]().union(*lab.stand_in.truth(SEED, 1))
        until(lambda: collected(lab) >= wanted and is_idle(lab), 90, "its neighbours")

    assert collected(lab) == wanted
    citing = {row.citing for row in lab.query("SELECT citing FROM citations WHERE cited = :id", id=PAPER)}
    cited = {row.cited for row in lab.query("SELECT cited FROM citations WHERE citing = :id", id=PAPER)}
    assert (len(cited), len(citing)) == (34, 22)
    assert citing | cited == wanted - {PAPER}
    [(crawl, key)] = lab.query("SELECT id, key FROM crawls")
    assert key == "manual"
    assert set(lab.refnet.exported("--crawl", str(crawl))[0]) == wanted
    assert not lab.refnet.done("dead", "list", "--json").json


def test_s05_nothing_is_expanded_where_the_greatest_depth_is_zero(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url, environment={"MAX_DEPTH": "0"})
    lab.worker("crawler")

    with lab.app() as app:
        assert app.send_task(FETCH, [SEED]).get(timeout=90) == {"status": "success", "paper_id": PAPER}

    until(lambda: is_idle(lab))
    assert collected(lab) == {PAPER}
    assert lab.query("SELECT key FROM crawls") == [("manual",)]


# ---------------------------------------------------------------- back-off


def test_s05_an_outage_shows_as_retry_with_growing_waits_and_loses_no_paper(make_lab: MakeLab, redis_url: str) -> None:
    slowly = {"MAX_DEPTH": "0", "SEMANTIC_SCHOLAR_RPS": "10"}
    lab = make_lab(redis_url, environment=slowly, faults=1.0, kinds=FAULTS)
    lab.worker("crawler")

    with lab.app() as app, live_events(app) as events:
        task_id = app.send_task(FETCH, [SEED]).id
        until(lambda: events.kinds(task_id).count("retried") >= 4, 120, "four retries")
        waits = until(lambda: len(found := events.waits(task_id)) >= 4 and found, 60)
        assert [row.status for row in lab.results(FETCH) if row.task_id == task_id] == ["RETRY"]
        assert app.AsyncResult(task_id).state == "RETRY"
        # An outage is nobody's fault. Just now another try may be at it.
        job = "SELECT state, attempts FROM jobs WHERE stage = 'crawl'"
        until(lambda: lab.query(job) == [("queued", 0)], what="the job to wait for its next try")

        from_now_on(lab, faults=0.0)
        assert app.AsyncResult(task_id).get(timeout=120) == {"status": "success", "paper_id": PAPER}

    # The source's pause doubles with each failure, jittered by up to a half: no wait is shorter than half a second, and
    # after four failures it is longer than that. How long the first is says little: another child may have failed, too.
    assert all(most >= 0.5 for _, most in waits)
    assert max(least for least, _ in waits) > max(0.8, waits[0][0])
    assert len({entry.status for entry in lab.stand_in.log} & {429, 500, 503}) >= 2
    assert collected(lab) == {PAPER}
    assert not lab.refnet.done("dead", "list", "--json").json


def test_s05_where_one_request_in_three_fails_every_paper_is_collected(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url, environment={"REFNET_BATCH_IDS": "4"}, faults=0.33, kinds=FAULTS)
    lab.worker("crawler")

    with lab.app() as app:
        assert app.send_task(FETCH, [SEED]).get(timeout=120) == {"status": "success", "paper_id": PAPER}
    wanted = set[str]().union(*lab.stand_in.truth(SEED, 1))
    until(lambda: collected(lab) >= wanted and is_idle(lab), 120, "its neighbours")

    assert collected(lab) == wanted
    assert sum(entry.fault is not None for entry in lab.stand_in.log) >= 3
    assert not lab.refnet.done("dead", "list", "--json").json
    assert not lab.query("SELECT 1 FROM celery_taskmeta WHERE status = 'FAILURE'")


def test_s05_nobody_waits_inside_a_task(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url, faults=1.0, kinds=("429-retry-after",), retry_after=300.0)
    lab.worker("crawler", "-c1")

    with lab.app() as app, live_events(app) as events:
        sent = app.send_task(FETCH, [SEED])
        events.until("task-retried", sent.id)
        [(least, most)] = until(lambda: events.waits(sent.id), 60)
        # Another paper is not even asked for: the source is to be left alone.
        other = app.send_task(FETCH, ["arXiv:1706.03762"]).id
        events.until("task-retried", other, 30)
        # The one process there is has other work meanwhile.
        assert app.send_task("health_check").get(timeout=60)["status"] == "healthy"
        with pytest.raises(NotYet):
            app.AsyncResult(sent.id).get(timeout=0.5)

    assert 295 < most <= 340  # what the source asked for, lengthened by up to a tenth
    assert most - least < 30  # the task's own time
    assert len(lab.stand_in.log) == 1


def test_s05_waits_are_capped_at_ten_minutes_and_jittered(lab: Lab) -> None:
    lab.worker("crawler", "-c1", app=ACTING)
    number = 12

    with lab.app() as app, live_events(app) as events:

        def waits(tries: int, due_in: float = 0.0) -> Sequence[tuple[float, float]]:
            sent = {"queue": "crawler", "headers": {TRIES: tries}}
            ids = [app.send_task("acting.back_off", [due_in], **sent).id for _ in range(number)]
            until(lambda: all(events.waits(one) for one in ids), 90, "their retries")
            return [events.waits(one)[0] for one in ids]

        capped, asked, first, ninth, late = waits(0, 5_000.0), waits(0, 100.0), waits(0), waits(8), waits(40)

    assert all(least <= 600.0 <= most for least, most in capped)
    # A wait that somebody asked for is never shortened, and lengthened by up to a tenth.
    assert all(most >= 100.0 and least <= 110.0 for least, most in asked)
    assert max(least for least, _ in asked) - min(least for least, _ in asked) > 1.0
    # Else exponential, anything up to the doubled time as likely.
    for found, longest in ((first, 2.0), (ninth, 512.0), (late, 600.0)):
        assert all(least <= min(longest * 1.1, 600.0) for least, _ in found)
        assert max(most for _, most in found) > longest / 8
    assert max(least for least, _ in ninth) > 60.0


# ---------------------------------------------------------------- for good


def test_s05_a_paper_that_nobody_knows_ends_as_failure_with_the_reason_and_a_dead_letter(lab: Lab) -> None:
    unknown = "0" * 39 + "1"
    lab.worker("crawler")

    with lab.app() as app, live_events(app) as events:
        result = app.send_task(FETCH, [unknown])
        with pytest.raises(Exception, match=f"knows no paper {unknown}") as raised:
            result.get(timeout=90)
        events.until("task-failed", result.id)
        assert "retried" not in events.kinds(result.id)

    assert type(raised.value).__name__ == "PaperNotFound"
    [row] = [row for row in lab.results(FETCH) if row.task_id == result.id]
    assert row.status == "FAILURE"
    assert unknown in json.loads(row.result)["exc_message"][0]
    [letter] = lab.refnet.done("dead", "list", "--json").json
    assert (letter["stage"], letter["paper_id"]) == ("crawl", unknown)
    assert unknown in letter["reason"]
    assert len(lab.stand_in.log) <= 2  # once more, for it happens by mistake; but not three or ten times
