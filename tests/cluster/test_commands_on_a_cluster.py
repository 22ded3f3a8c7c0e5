"""The commands of a user whose work is done by workers: what they say, how they end, and what they survive."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from refnet.demo.bundled import SEED, bundled_corpus
from tests.acceptance.command import Ended, Refnet, clean_environment
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.cluster.one_lab import OneLab, switch
from tests.redis_server import RedisServer, running_redis
from tests.servers import free_port

pytestmark = pytest.mark.slow

BROKER_PASSWORD = "the-broker-s-secret"
NEVER = "redis://:the-broker-s-secret@127.0.0.1:1/0"


@pytest.fixture(scope="module")
def opened(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneLab]:
    with OneLab(postgres_url, tmp_path_factory.mktemp("commands"), BROKER_PASSWORD) as one:
        yield one


@pytest.fixture
def lab(opened: OneLab) -> Iterator[Lab]:
    """One that has a worker of all queues, on a broker with a password."""
    if not opened.is_open:
        opened.lab().worker(name="all")
        until(opened.lab().store.workers, what="the worker's first report")
    yield opened.lab()
    switch(opened.lab().stand_in)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One that a test may stop."""
    with running_redis() as server:
        yield server


def around(seed: str, depth: int) -> int:
    """Papers within so many steps of a seed."""
    return sum(len(level) for level in bundled_corpus().breadth_first(seed, depth))


def refused(ended: Ended, *says: str, code: int = 2) -> None:
    """It ended as bad input does: one or two sentences on stderr, nothing on stdout, no traceback and no password."""
    assert ended.code == code, ended.err
    assert ended.out == ""
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith("refnet: ")
    for part in says:
        assert part in ended.err
    assert "secret" not in ended.err


def alone(folder: Path, **environment: str) -> Refnet:
    folder.mkdir(exist_ok=True)
    return Refnet(folder, clean_environment(folder / "data", **environment))


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize("words", [("map", SEED), ("worker", "crawler")], ids=" ".join)
def test_a_broker_beside_an_sqlite_file_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    refnet = alone(tmp_path / "lab", CELERY_BROKER_URL=NEVER)

    refused(refnet(*words), "the database is an SQLite file", "Set DATABASE_URL to PostgreSQL, or unset")


@pytest.mark.parametrize(
    "url",
    ["sqs://key:secret@", "memory://", "localhost:6379", "redis//:secret@host"],
)
def test_a_broker_of_a_kind_that_is_not_used_is_refused_without_its_password(
    tmp_path: Path, postgres_database: str, url: str
) -> None:
    refnet = alone(tmp_path / "lab", CELERY_BROKER_URL=url, DATABASE_URL=postgres_database)

    refused(refnet("map", SEED), "CELERY_BROKER_URL is not the address of a broker", "redis://:password@host:6379/0")


@pytest.mark.parametrize("kind", ["crawler", "all"])
def test_a_worker_without_a_broker_is_refused(tmp_path: Path, kind: str) -> None:
    refused(alone(tmp_path / "lab")("worker", kind), "CELERY_BROKER_URL is not set", "redis://:password@host:6379/0")


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (("inspect", "ping"), {}, "CELERY_BROKER_URL is not set"),
        (("worker",), {}, "CELERY_BROKER_URL is not set"),
        (("beat",), {"CELERY_BROKER_URL": "sqs://:the-secret@"}, "CELERY_BROKER_URL is not the address"),
        (("call", "health_check"), {"CELERY_BROKER_URL": NEVER}, "CELERY_BROKER_URL is set, but the database is an SQ"),
        (("report",), {"CELERY_BROKER_URL": NEVER, "MAX_DEPTH": "many"}, "MAX_DEPTH cannot be used"),
    ],
)
def test_celerys_own_commands_end_with_one_sentence_where_the_settings_are_wrong(
    tmp_path: Path, words: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "refnet", *words],
        cwd=tmp_path,
        env=clean_environment(tmp_path / "data", **environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    told = done.stdout + done.stderr
    assert f"Error: {says}" in told
    assert "Traceback" not in told
    assert "secret" not in told


def test_a_database_without_its_tables_is_refused_with_the_cure(tmp_path: Path, postgres_database: str) -> None:
    refnet = alone(tmp_path / "lab", CELERY_BROKER_URL=NEVER, DATABASE_URL=postgres_database)

    for words in (("map", SEED), ("status",), ("vault", "write")):
        refused(refnet(*words), "refnet db upgrade")
    # It is made, whether or not there is a broker to reach.
    assert refnet("db", "upgrade").code == 0
    assert refnet("status").code == 0


def test_a_worker_of_a_database_without_its_tables_ends_with_the_cure(
    make_lab: MakeLab, redis_url: str, postgres_database: str
) -> None:
    lab = make_lab(redis_url)
    with lab.engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")

    worker = lab.refnet_worker("crawler", wait=False)

    until(lambda: worker.is_over, what="the worker to end")
    assert worker.process.returncode == 2
    assert "refnet db upgrade" in worker.text
    assert "Traceback" not in worker.text


# ---------------------------------------------------------------- one at work


def test_a_vault_that_is_another_folder_than_the_workers_write_is_refused(lab: Lab, tmp_path: Path) -> None:
    before = lab.query("SELECT count(*) FROM crawls")

    refused(lab.refnet("map", SEED, "--vault", tmp_path / "elsewhere"), str(lab.vault), str(tmp_path / "elsewhere"))

    assert lab.query("SELECT count(*) FROM crawls") == before
    assert not (tmp_path / "elsewhere").exists()
    # The same folder by another name is the same folder.
    crooked = lab.vault.parent / "." / "vault"
    assert lab.refnet("map", "arXiv:1301.3781", "--vault", crooked, "--limit", "1").code == 0


def test_where_workers_are_at_work_nobody_works_alone(lab: Lab) -> None:
    refused(lab.refnet("db", "upgrade"), "Another refnet is at work on", "(its workers count, too)")
    refused(lab.refnet.without("CELERY_BROKER_URL")("map", SEED), "Another refnet is at work on")
    # What only reads, reads.
    assert lab.refnet.without("CELERY_BROKER_URL")("status").code == 0


def test_two_maps_of_one_crawl_at_once_both_end_with_the_whole(lab: Lab) -> None:
    words = ("map", "arXiv:2212.14024", "--depth", "2", "--json")
    both = [lab.refnet.start(*words) for _ in range(2)]

    documents = [running.wait().json for running in both]

    assert {document["papers"] for document in documents} == {around("arXiv:2212.14024", 2)}
    assert {document["notes"] for document in documents} == {len(list((lab.vault / "papers").iterdir()))}
    assert len({document["crawl"] for document in documents}) == 1


def test_after_ctrl_c_the_workers_go_on_and_the_same_command_follows_them(lab: Lab) -> None:
    seed = "arXiv:2401.18059"
    switch(lab.stand_in, latency=4.0)  # longer than a busy machine takes to end a command
    running = lab.refnet.start("map", seed, "--depth", "2")
    running.until(lambda: len(lab.stand_in.log) > 1)

    ended = running.interrupt()

    assert ended.code == 130
    assert "The workers go on with it; the same command follows them again." in ended.err
    assert "Traceback" not in ended.err
    switch(lab.stand_in, latency=0.0)  # which begins its log anew
    document = lab.refnet.map(seed, "--depth", "2")
    assert document["papers"] == around(seed, 2)
    assert lab.stand_in.log
    state = "SELECT state FROM crawls WHERE id = :id"
    assert lab.query(state, id=document["crawl"])[0][0] == "finished"


# ---------------------------------------------------------------- outages


def test_without_a_worker_map_says_which_to_start_and_goes_on_when_it_comes(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url)
    running = lab.refnet.start("map", SEED, "--json")
    told: list[str] = []
    for queue in ("crawler", "summarizer", "generator"):
        line = f"No worker of the queue {queue} is running. Start one with: refnet worker {queue}"
        while line not in "".join(told):
            told.append(running.line())
            assert told[-1], "".join(told)

        lab.refnet_worker(queue)

    ended = running.wait()
    assert ended.code == 0, ended.err
    assert ended.json["papers"] == ended.json["notes"] == around(SEED, 1)


def test_map_gives_up_when_nothing_moves_for_too_long_and_keeps_what_is_queued(
    make_lab: MakeLab, redis_url: str
) -> None:
    lab = make_lab(redis_url)

    ended = lab.refnet.with_(REFNET_OUTAGE_SECONDS="3")("map", SEED)

    assert ended.code == 3
    assert "No worker of the queue crawler is running. Start one with: refnet worker crawler" in ended.error
    assert ended.error.endswith("run the same command later and it follows them.")
    assert 3 <= ended.seconds < 60
    assert lab.query("SELECT state FROM crawls")[0][0] == "running"
    lab.worker()
    assert lab.refnet.map(SEED)["papers"] == around(SEED, 1)


def test_map_lives_through_a_broker_that_is_away_and_comes_back_empty(make_lab: MakeLab, redis: RedisServer) -> None:
    lab = make_lab(redis.url, latency=0.5)
    lab.worker()
    running = lab.refnet.start("map", SEED, "--depth", "2", "--json")
    running.until(lambda: len(lab.stand_in.log) > 1)

    redis.stop()
    said = ""
    while "The broker does not answer" not in said:
        said = running.line()
        assert said
    redis.start()

    ended = running.wait()
    assert ended.code == 0, ended.err
    assert ended.json["papers"] == ended.json["notes"] == around(SEED, 2)
    assert ended.json["dead"] == 0


def test_map_says_that_the_source_is_away_and_goes_on_when_it_is_back(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url, latency=0.5)
    lab.worker()
    running = lab.refnet.start("map", SEED, "--depth", "2", "--json")
    running.until(lambda: len(lab.stand_in.log) > 1)

    switch(lab.stand_in, faults=1.0, kinds=("503",))
    said = ""
    while "fail. The workers try again; their logs say why." not in said:
        said = running.line()
        assert said
    switch(lab.stand_in)

    ended = running.wait()
    assert ended.code == 0, ended.err
    assert "Requests to 127.0.0.1:" in said
    assert ended.json["papers"] == ended.json["notes"] == around(SEED, 2)


def test_map_without_a_broker_queues_the_work_and_gives_up_in_time(make_lab: MakeLab) -> None:
    lab = make_lab(f"redis://:{BROKER_PASSWORD}@127.0.0.1:{free_port()}/0")

    ended = lab.refnet.with_(REFNET_OUTAGE_SECONDS="4")("map", SEED)

    assert ended.code == 3
    assert "The broker does not answer (" in ended.error
    assert "The work is queued and will be announced." in ended.error
    assert "secret" not in ended.err
    assert lab.query("SELECT count(*) FROM jobs WHERE state = 'queued'")[0][0] > 0


# ---------------------------------------------------------------- secrets


def test_no_password_is_ever_printed(lab: Lab) -> None:
    secret = urlsplit(lab.environment["DATABASE_URL"]).password
    assert secret
    wrong = {
        "well": lab.refnet,
        "broker refuses the password": lab.refnet.with_(
            CELERY_BROKER_URL=lab.environment["CELERY_BROKER_URL"].replace("secret", "other-secret")
        ),
        "no broker": lab.refnet.with_(CELERY_BROKER_URL=f"redis://:{BROKER_PASSWORD}@127.0.0.1:{free_port()}/0"),
        "no such host": lab.refnet.with_(CELERY_BROKER_URL=f"amqp://us:{BROKER_PASSWORD}@broker.invalid//"),
        "no database": lab.refnet.with_(
            DATABASE_URL=f"postgresql://refnet:{secret}@127.0.0.1:{free_port()}/x", REFNET_OUTAGE_SECONDS="1"
        ),
        "database refuses the password": lab.refnet.with_(
            DATABASE_URL=lab.environment["DATABASE_URL"].replace(secret, f"x{secret}")
        ),
    }
    for name, refnet in wrong.items():
        for words in (("doctor",), ("status", "--debug"))[: 2 if "database" in name else 1]:
            ended = refnet(*words)
            told = ended.out + ended.err
            assert secret not in told, (name, words)
            assert "secret" not in told, (name, words)
            if "--debug" not in words:
                assert "Traceback" not in told, (name, words)
    assert BROKER_PASSWORD not in lab.workers[0].text
    assert secret not in lab.workers[0].text
