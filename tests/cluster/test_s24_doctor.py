"""S24: the doctor, on set-ups that are really broken, names each fault of the design's section 13.1 and its cure."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname

import pytest
from kombu import Connection
from redis.exceptions import RedisError

from refnet.adapters.database.engine import database_url, writing
from refnet.domain.jobs import Stage
from refnet.domain.troubles import BEAT_FORGOTTEN_AFTER, BEAT_GONE_AFTER, HELD_UP_AFTER, MOST_MESSAGES
from refnet.domain.workers import UNHEALTHY_AFTER, VAULT_FAULT, WorkerReport
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.cluster.poisoned import Poisoned
from tests.cluster.test_rabbitmq_refusals import in_alarm
from tests.rabbitmq_server import running_rabbitmq
from tests.redis_server import RedisServer, running_redis
from tests.servers import free_port

pytestmark = pytest.mark.slow

#: What the doctor looks at on a cluster, in its order; `redis` only where that is the broker.
CHECKS = ["settings", "database", "broker", "redis", "queues", "backlog", "timeouts", "memory", "crashes", "beat"]
CHECKS += ["workers", "signatures", "semantic scholar", "model", "pdfs"]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One that a test may break."""
    with running_redis() as server:
        yield server


def faults(lab: Lab, *but: str) -> dict[str, str]:
    """What the doctor finds bad, without the checks named: by name, in words."""
    found = lab.refnet("doctor", "--json").json["checks"]
    return {check["name"]: check["found"] for check in found if not check["ok"] and check["name"] not in but}


def only(lab: Lab, check: str) -> str:
    """What the doctor says of one check, which is to be bad."""
    ended = lab.refnet("doctor", "--only", check)
    assert ended.code == 1, ended.out + ended.err
    said = ended.out.strip()
    assert said.startswith(f"BAD  {check}: ")
    return said


def well(lab: Lab, check: str) -> bool:
    return lab.refnet("doctor", "--only", check).code == 0


def older(lab: Lab, table: str, column: str, seconds: float) -> None:
    """Let what a table's rows tell have happened so long before: nobody can wait for it here."""
    with writing(lab.engine) as connection:
        connection.exec_driver_sql(f"UPDATE {table} SET {column} = {column} - {seconds}")  # noqa: S608 - names of ours


def test_s24_a_cluster_that_is_well_has_no_fault_and_every_check_is_told(lab: Lab) -> None:
    lab.worker("crawler,summarizer,generator")
    lab.beat()
    until(lambda: lab.store.workers() and lab.query("SELECT 1 FROM periodic"), what="a worker's report, and beat's")

    ended = lab.refnet("doctor", "--json")

    assert ended.code == 0, ended.out
    found = {check["name"]: check["found"] for check in ended.json["checks"]}
    assert list(found) == CHECKS
    # The summarizers may be elsewhere, with other settings.
    for check in ("model", "pdfs"):
        assert found[check].startswith(f"on this machine ({gethostname()}): "), found[check]


def test_s24_a_check_that_there_is_not_is_refused_with_those_that_there_are(lab: Lab) -> None:
    ended = lab.refnet("doctor", "--only", "moon")

    assert ended.code == 2
    assert "database, broker, redis, queues, backlog, timeouts, memory, crashes, beat" in ended.error


# ---------------------------------------------------------------- connections: "Cannot connect to redis"


@contextmanager
def stopped(redis: RedisServer) -> Iterator[None]:
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(redis.pid, signal.SIGCONT)


def test_s24_a_broker_that_cannot_be_reached_is_named_with_the_cure_that_fits(lab: Lab, rabbitmq_url: str) -> None:
    nobody, nowhere = free_port(), "broker.invalid"
    amqp = rabbitmq_url.rpartition("@")[2]
    wrong = {
        f"redis://127.0.0.1:{nobody}/0": "Nothing listens there: start Redis or RabbitMQ",
        f"amqp://127.0.0.1:{nobody}//": "Nothing listens there: start Redis or RabbitMQ",
        f"redis://{nowhere}:6379/0": "Its name is not known: check the host",
        f"amqp://nobody:wrong@{amqp}": "It refuses who asks: check user, password and virtual host",
    }
    for url, cure in wrong.items():
        said = only(lab.with_(CELERY_BROKER_URL=url), "broker")
        assert "The broker does not answer (" in said, (url, said)
        assert cure in said, (url, said)
    assert well(lab, "broker")


def test_s24_a_redis_that_wants_another_password_is_named(lab: Lab) -> None:
    with running_redis(password="right") as redis:
        for url in (redis.url.replace("right", "wrong"), redis.url.replace(":right@", "")):
            assert "It refuses who asks" in only(lab.with_(CELERY_BROKER_URL=url), "broker")


def test_s24_a_redis_that_hangs_is_named_within_seconds(make_lab: MakeLab, redis: RedisServer) -> None:
    lab = make_lab(redis.url)
    with stopped(redis):
        ended = lab.refnet("doctor", "--only", "broker")

    assert "It is there and says nothing" in ended.out
    assert ended.seconds < 30


def test_s24_a_rabbitmq_that_takes_no_messages_is_named(make_lab: MakeLab) -> None:
    with running_rabbitmq() as server:
        lab = make_lab(server.url)
        with in_alarm(server):
            said = only(lab, "broker")
        until(lambda: well(lab, "broker"), 60.0, "the broker to be well again")

    assert "It is there and says nothing" in said
    assert "rabbitmqctl status" in said


def test_s24_a_database_that_cannot_be_reached_is_named_once_and_what_needs_it_is_left_out(lab: Lab) -> None:
    away = lab.with_(DATABASE_URL=f"postgresql://me:hidden@127.0.0.1:{free_port()}/refnet")

    ended = away.refnet("doctor", "--json")

    found = {check["name"]: check["found"] for check in ended.json["checks"]}
    assert ended.code == 1
    assert list(found) == ["settings", "database", "broker", "redis", "queues", "pdfs"]
    assert "does not answer" in found["database"]
    assert "Nothing listens there: start PostgreSQL, and check host and port" in found["database"]
    assert "hidden" not in ended.out


def test_s24_a_database_that_there_is_not_and_a_user_who_is_not_let_in_are_named_with_the_cure(lab: Lab) -> None:
    url = database_url(lab.environment["DATABASE_URL"])
    there_is_not = url.set(database="no such one").render_as_string(hide_password=False)
    nobody = url.set(username="nobody_of_this_name").render_as_string(hide_password=False)

    missing = only(lab.with_(DATABASE_URL=there_is_not), "database")
    refused = only(lab.with_(DATABASE_URL=nobody), "database")

    assert 'database "no such one" does not exist. Create it on that server' in missing
    assert missing.endswith("createdb 'no such one'; or correct its name in DATABASE_URL")
    assert "createdb" not in refused
    assert refused.endswith("Check user and password in DATABASE_URL, and whom the server lets in")


# ---------------------------------------------------------------- workers


def test_s24_all_queues_without_a_worker_and_all_workers_not_heard_of_are_named_at_once(lab: Lab) -> None:
    two = "the queues crawler, summarizer is running. Start one of each with: refnet worker crawler; refnet worker "
    all_three = "refnet worker crawler; refnet worker summarizer; refnet worker generator"
    assert only(lab, "workers").endswith(f"is running. Start one of each with: {all_three}")

    before = time.monotonic()
    lab.store.report(WorkerReport("writer@here", 1, ("generator",), str(lab.vault), 4, 0))
    assert only(lab, "workers") == f"BAD  workers: No worker of {two}summarizer"

    older(lab, "workers", "seen_at", UNHEALTHY_AFTER + 19)
    said = only(lab, "workers")

    told = re.search(r"writer@here has not been heard of for (\d+) s: .* Start it again;", said)
    assert told is not None, said
    # The commands in between may have taken long.
    assert UNHEALTHY_AFTER + 19 <= int(told[1]) <= UNHEALTHY_AFTER + 20 + time.monotonic() - before
    assert "No other worker of the queue generator is heard of." in said
    assert said.endswith(f"No worker of {two}summarizer")


def test_s24_a_lone_worker_that_was_killed_is_said_not_to_be_heard_of(lab: Lab) -> None:
    worker = lab.worker()
    [report] = until(lab.store.workers, what="the worker's report")
    worker.kill()
    older(lab, "workers", "seen_at", UNHEALTHY_AFTER + 1)

    said = only(lab, "workers")

    assert f"{report.name} has not been heard of for" in said
    assert "No other worker of the queues crawler, summarizer, generator is heard of." in said
    assert "is running" not in said


# ---------------------------------------------------------------- keys


def test_s24_a_signing_key_that_cannot_be_used_ends_a_worker_in_one_line_and_is_named(lab: Lab) -> None:
    data = Path(lab.environment["REFNET_DATA_DIR"])
    data.mkdir(exist_ok=True)
    (data / "signing.key").write_text("short\n")
    said = f"{data / 'signing.key'} holds no key. Remove the file; a new one is made."

    worker = lab.refnet_worker("crawler", wait=False)
    until(lambda: worker.is_over, what="the worker's end")

    assert worker.process.returncode == 2
    assert worker.text.count(said) == 1
    assert "Traceback" not in worker.text
    assert "Unrecoverable" not in worker.text
    assert only(lab, "signatures") == f"BAD  signatures: {said}"


def test_s24_a_signing_key_that_is_too_short_lets_no_command_of_celery_begin(lab: Lab) -> None:
    short = lab.with_(REFNET_SIGNING_KEYS="short")
    said = "REFNET_SIGNING_KEYS holds a key of less than 16 characters. Make one with: refnet keys signing"

    for words in (["worker", "-Q", "crawler"], ["beat", "--pidfile="], ["call", "health_check"]):
        ended = short.celery(*words)
        assert ended.code == 2, (words, ended.err)
        assert ended.err.count(said) == 1
        assert "Traceback" not in ended.err


# ---------------------------------------------------------------- a Redis that answers, and loses messages or will soon


def test_s24_a_redis_that_evicts_tasks_is_named(make_lab: MakeLab, redis: RedisServer) -> None:
    lab = make_lab(redis.url)
    assert well(lab, "redis")
    with redis.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        said = only(lab, "redis")
        client.config_set("maxmemory-policy", "noeviction")

    assert "throws queued tasks away when it is full (maxmemory-policy allkeys-lru)" in said
    assert "config set maxmemory-policy noeviction" in said
    assert well(lab, "redis")


def test_s24_a_redis_that_is_nearly_full_is_named_and_a_full_one_too(make_lab: MakeLab, redis: RedisServer) -> None:
    lab = make_lab(redis.url)
    with redis.client() as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used * 105 // 100)
        nearly = only(lab, "redis")
        client.config_set("maxmemory", used // 2)
        full = only(lab, "broker")

    assert "Redis is nearly full" in nearly
    assert "Raise maxmemory" in nearly
    assert "Redis is full: raise its maxmemory" in full


def test_s24_while_the_broker_takes_nothing_nobody_is_told_to_restart_workers(
    make_lab: MakeLab, redis: RedisServer
) -> None:
    lab = make_lab(redis.url)
    queues = ("crawler", "summarizer", "generator")
    lab.store.report(WorkerReport("idle@here", 1, queues, str(lab.vault), 4, 0, 61.0, "its own canary waits"))
    lab.store.report(WorkerReport("ill@here", 2, ("generator",), str(lab.vault), 4, 0, 0.0, f"{VAULT_FAULT}no room"))
    with redis.client() as client:
        client.config_set("maxmemory", "1mb")
        full = only(lab, "workers")
        client.config_set("maxmemory", "0")

    assert "restart" not in full
    assert "ill@here cannot write notes: no room" in full
    assert "Nothing comes to idle@here: mend the broker first (refnet doctor --only broker)." in full
    assert "idle@here does not consume" in only(lab, "workers")


def test_s24_a_redis_that_cannot_save_is_named(make_lab: MakeLab, redis: RedisServer) -> None:
    lab = make_lab(redis.url)
    shutil.rmtree(redis.folder)
    with redis.client() as client:
        client.config_set("save", "900 1")
        client.set("x", "y")

        def fails() -> bool:
            try:
                client.bgsave()
            except RedisError:
                return False  # the last one is not over yet
            return bool(client.info("persistence")["rdb_last_bgsave_status"] == "err")

        until(fails, what="a save that fails")
        broker_said = only(lab, "broker")
        client.config_set("stop-writes-on-bgsave-error", "no")
        redis_said = only(lab, "redis")
        client.config_set("save", "")

    assert "cannot save its data to its disk" in redis_said
    assert "Redis takes no writes: make room on its disk" in broker_said


def test_s24_another_application_in_the_same_redis_is_named(make_lab: MakeLab, redis: RedisServer) -> None:
    lab = make_lab(redis.url)
    stock = "import sys; from celery import Celery; Celery(broker=sys.argv[1]).send_task('theirs')"
    subprocess.run([sys.executable, "-c", stock, redis.url], check=True, env=lab.environment)

    said = only(lab, "redis")

    assert "Another Celery application uses this database of Redis" in said
    assert "Give refnet a database of its own" in said


# ---------------------------------------------------------------- "Task timed out", and jobs that harm their process


def test_s24_jobs_that_take_too_long_want_too_much_memory_or_crash_are_named_apart(lab: Lab) -> None:
    papers = sorted(lab.stand_in.truth("arXiv:2005.11401", 1)[1])[:6]
    poison = dict(zip(papers, ("loop", "memory", "segfault"), strict=False))
    poisoned = Poisoned(lab, Stage.CRAWL, concurrency=2, limits=(8.0, 10.0))
    poisoned.start()
    poisoned.spread(poison)
    poisoned.queue(papers)
    until(lambda: poisoned.over(papers), 180.0, "the poison to be given up")

    found = faults(lab, "workers")

    assert sorted(found) == ["crashes", "memory", "timeouts"]
    for check, paper, what in (
        ("timeouts", papers[0], "took longer than a worker allows"),
        ("memory", papers[1], "took more memory than there is"),
        ("crashes", papers[2], "ended the process that ran them"),
    ):
        assert found[check].startswith(f"1 jobs {what}, such as crawl of {paper}. 1 of them are given up"), found[check]
        assert "refnet dead retry" in found[check]
    poisoned.clean()
    lab.refnet.done("dead", "retry", "--all")
    until(lambda: not faults(lab, "workers"), 60.0, "all to be well again")


# ---------------------------------------------------------------- a worker's memory grows


def test_s24_a_worker_that_grows_is_named_as_long_as_it_does(lab: Lab, tmp_path: Path) -> None:
    lab.worker("crawler,summarizer,generator", "-c2", "--include", "tests.cluster.hoarding_tasks", name="grown")
    until(lab.store.workers, what="a report")
    assert well(lab, "memory")
    with lab.app() as app:
        app.send_task("probe.hoard", (450, str(tmp_path / "flag")), queue="crawler")

    until(lambda: not well(lab, "memory"), 60.0, "the worker to be named")
    said = only(lab, "memory")
    (tmp_path / "flag").touch()

    assert re.search(r"grown@\S+ grows: a task's process takes [45]\d\d MB", said), said
    assert "--max-tasks-per-child" in said
    assert "memray" in said
    until(lambda: well(lab, "memory"), 60.0, "the process to be replaced")


# ---------------------------------------------------------------- a queue grows


def test_s24_work_that_is_held_up_is_named_with_what_would_help(lab: Lab, tmp_path: Path) -> None:
    papers = sorted(lab.stand_in.truth("arXiv:2005.11401", 1)[1])[:4]
    lab.store.enqueue(Stage.SUMMARIZE, papers)
    assert well(lab, "backlog")
    older(lab, "jobs", "due_at", HELD_UP_AFTER + 60)

    without = only(lab, "backlog")
    lab.worker("hold,summarizer", "-c1", "--include", "tests.cluster.probe_tasks", wait=False)
    with lab.app() as app:
        app.send_task("probe.hold", (str(tmp_path / "go"),), queue="hold")
    until(lambda: [worker for worker in lab.store.workers() if worker.running], what="the only slot to be taken")
    older(lab, "jobs", "due_at", 0)
    busy = lab.refnet("doctor", "--only", "backlog")

    assert "4 jobs of summarize are due, the oldest for 11 min; 0 were done in the last 10 min, 0 of 0" in without
    assert without.endswith("Start a worker: refnet worker summarizer")
    if busy.code:  # else it was quicker than the other task
        assert "1 of 1 slots are at work. Start more workers: refnet worker summarizer" in busy.out
    (tmp_path / "go").touch()
    until(lambda: well(lab, "backlog"), 60.0, "the work to be done")


def test_s24_a_crawl_that_only_waits_for_its_rate_limit_is_not_held_up(lab: Lab) -> None:
    papers = sorted(lab.stand_in.truth("arXiv:2005.11401", 1)[1])[:4]
    lab.store.add_by_hand(papers, None, 1, str(lab.vault))
    older(lab, "jobs", "due_at", HELD_UP_AFTER + 60)
    assert "jobs of crawl are due" in only(lab, "backlog")

    with writing(lab.engine) as connection:
        connection.exec_driver_sql(
            "UPDATE jobs SET state = 'done' WHERE id = (SELECT min(id) FROM jobs WHERE stage = 'crawl')"
        )

    assert well(lab, "backlog")


def test_s24_a_queue_that_grows_is_named(lab: Lab) -> None:
    with Connection(lab.environment["CELERY_BROKER_URL"]) as connection:
        client = connection.default_channel.client
        client.rpush("generator", *(b"{}" for _ in range(MOST_MESSAGES + 1)))

    said = only(lab, "queues")

    assert f"More messages wait than workers take: generator ({MOST_MESSAGES + 1:,})" in said
    assert "celery -A refnet purge -Q" in said


# ---------------------------------------------------------------- one worker


def test_s24_a_worker_is_that_of_this_machine_unless_its_whole_name_is_given(lab: Lab) -> None:
    lab.store.report(WorkerReport("crawler@elsewhere", 1, ("crawler",), None, 4, 0, 61.0, "its own canary waits"))
    here = f"crawler@{gethostname()}"

    assert f"No worker {here} has said anything" in lab.refnet("doctor", "--worker", "crawler").out
    lab.store.report(WorkerReport(here, 2, ("crawler",), None, 4, 0))
    assert lab.refnet.done("doctor", "--worker", "crawler").out.startswith(
        f"ok   worker crawler: {here} (0 of 4 at work)"
    )
    elsewhere = lab.refnet("doctor", "--worker", "crawler@elsewhere")
    assert elsewhere.code == 1
    assert "its own canary waits" in elsewhere.out


# ---------------------------------------------------------------- beat


def of_beat(lab: Lab) -> dict[str, object]:
    """What the doctor says of beat among all that it looks at."""
    (found,) = (check for check in lab.refnet("doctor", "--json").json["checks"] if check["name"] == "beat")
    return dict(found)


def test_s24_a_beat_that_has_ended_is_named_for_a_day_and_to_its_health_check_for_ever(lab: Lab) -> None:
    assert of_beat(lab) == {"name": "beat", "ok": True, "found": "was never run; no crawl needs it"}
    assert "Beat has never sent a health check. Start it: celery -A refnet beat." in only(lab, "beat")
    beat = lab.beat()
    until(lambda: lab.query("SELECT 1 FROM periodic"), what="beat's first look")
    assert well(lab, "beat")
    beat.kill()

    older(lab, "periodic", "updated_at", BEAT_GONE_AFTER + 30)
    said = only(lab, "beat")
    older(lab, "periodic", "updated_at", BEAT_FORGOTTEN_AFTER)

    assert re.search(r"Beat has sent no health check for [56] min\. Start it again: celery -A refnet beat\.", said)
    assert of_beat(lab)["ok"]
    assert not well(lab, "beat")
