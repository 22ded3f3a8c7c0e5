"""S15 of reliability.md: a secret in every setting, everything run and failed at DEBUG, and none is found anywhere."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from kombu import pools

from refnet.demo.bundled import SEED
from refnet.settings import SECRETS
from tests.acceptance.serving import PATIENCE, ask, to_its_end
from tests.cluster.canaries import Canary, Places, secret_variables
from tests.cluster.canary_scene import FOR_REDIS, WAYS, Scene, stop
from tests.cluster.lab import until
from tests.cluster.one_lab import FETCH
from tests.redis_server import running_redis
from tests.soak.postgres import running_server

#: Other papers of the bundled corpus.
OTHERS = ("arXiv:1706.03762", "f0048f6c85fbda17324cde39e5a99a1c38cc25e4", "545066ce7b6a921822f3860df31b91acb2c8d1c2")
FLOWERS = (
    *("/", "/workers", "/tasks", "/broker", "/metrics", "/healthcheck", "/api/tasks", "/api/workers?refresh=1"),
    *("/api/queues/length", "/api/task/types"),
)
#: A worker of each.
KINDS = ("crawler", "summarizer", "generator")
INSPECTIONS = ("conf", "stats", "report")
#: The same, asked by a program.
QUESTIONS = ("ping", "active", "reserved", "scheduled", "registered", "active_queues", "revoked", "conf", "stats")


#: How servers refuse a password.
WRONG = {"DATABASE_URL": "authentication failed", "CELERY_BROKER_URL": "invalid username-password pair"}
#: Where secrets are looked for, and what stands there in any case.
MARKS = {
    "output": "worker_prefetch_multiplier",
    "errors": "Traceback",
    "inspect": "max-concurrency",
    "file logs": "DEBUG",
    "file 0-crawler.log": "Traceback",
    "file serve.log": "Serving at",
    "file flower.log": "Visit me at",
    "file beat.log": "beat",
    "file DATABASE_URL-worker.log": WRONG["DATABASE_URL"],
    "file DATABASE_URL-serve.log": WRONG["DATABASE_URL"],
    "file CELERY_BROKER_URL-worker.log": WRONG["CELERY_BROKER_URL"],
    "file vault": "Retrieval",
    "table papers": "Retrieval",
    "table dead_messages": "crawler",
    "table api_keys": "admin",
    "redis ": "_kombu",
    "monitor": "crawler",
    "Redis' log": "Ready to accept connections",
    "PostgreSQL's log": "FATAL",
    "answer GET /metrics": "refnet_jobs",
    "answer POST /login": "That is no valid key.",
    "flower /worker": "redis",
    "ps": "celery",
    "cmdline": "refnet",
}


@pytest.fixture(params=[False, True], ids=["variables, text", "files, JSON"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    broker = Canary("the broker's password", before=FOR_REDIS)
    with running_server() as postgres, running_redis(password=broker.value) as redis:
        made = Scene(tmp_path, postgres, redis, broker, files=request.param)
        try:
            with made.source:
                yield made
        finally:
            made.lab.end()


@pytest.mark.slow
def test_s15_no_secret_is_found_anywhere_whatever_is_run_and_whatever_fails(scene: Scene) -> None:
    refnet = scene.lab.refnet
    made = [refnet.done("keys", "create", "--scope", scope, "--json").json for scope in ("admin", "read", "read")]
    refnet.done("keys", "revoke", str(made[2]["id"]))
    keys = [scene.known(f"API key {one['id']}", one["key"].removeprefix("refnet_")) and one["key"] for one in made]
    with scene.monitored():
        for queue in KINDS:
            scene.lab.worker(queue, "--loglevel", "debug")
        scene.program("beat", "celery", "-A", "refnet", "beat", "--loglevel", "debug", "--pidfile=")
        flower, url = scene.flower(), scene.serve()

        it_works(scene, url, flower, keys)
        the_source_tells_the_key(scene, url, keys[0])
        somebody_has_the_wrong_secret(scene)
        a_server_is_away(scene, url, keys[0])
        watchers_look(scene, flower)
        commands_tell(scene)
        scene.look()
    scene.end()

    places = scene.places
    assert places.seen(scene.canaries) == []
    for place, mark in MARKS.items():
        assert places.hold(place, mark), f"void: there is no {mark!r} in {place}"
    assert {entry.key for entry in scene.source.log} == {scene.api_key.value}, "void: the source was not asked with it"
    assert scene.source.told > len(WAYS), "void: the source told nothing"


def it_works(scene: Scene, url: str, flower: str, keys: list[str]) -> None:
    refnet = scene.lab.refnet
    assert scene.heard(refnet("map", SEED, "--depth", "1", "--debug")).code == 0
    admin, _, revoked = keys
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {admin}"}, timeout=PATIENCE) as client:
        place = ask(client, seeds=[OTHERS[0]], depth=1, limit=10)
        scene.places.add("events", repr(to_its_end(client, place)))
        for path in ("/crawls", "/jobs", "/dead", "/papers?limit=200", f"/papers/{SEED}", "/crawls/1/graph"):
            assert scene.answered(client.get(f"/api/v1{path}")).status_code == 200
        for path in ("/openapi.json", "/metrics", "/ready", "/health", "/login"):
            assert scene.answered(client.get(path)).status_code == 200
        scene.answered(client.post("/api/v1/crawls", json={"seeds": [SEED], "limit": 2**63}))
        scene.answered(client.post("/api/v1/crawls", content=admin, headers={"Content-Type": "application/json"}))
        scene.answered(client.get("/api/v1/dead", params={"cursor": "x", "key": admin}))
    with scene.lab.app() as app:
        app.send_task(FETCH, ("0" * 40,)).get(timeout=60, propagate=False)
    anybody = scene.canary("a key with a slip of the pen")
    for wrong in (quote(anybody.value), revoked):
        with httpx2.Client(base_url=url, timeout=PATIENCE) as client:
            for headers in (
                {"Authorization": f"Bearer {wrong}"},
                {"Authorization": f"Basic {base64.b64encode(f'you:{wrong}'.encode()).decode()}"},
                {"Cookie": f"refnet_session={wrong}"},
            ):
                scene.answered(client.get("/api/v1/jobs", headers=headers))
            scene.answered(client.post("/login", data={"key": wrong}))
    with httpx2.Client(base_url=url, timeout=PATIENCE) as browser:
        assert scene.answered(browser.post("/login", data={"key": admin})).status_code == 303
        session = scene.known("a session", browser.cookies["refnet_session"])
        assert scene.answered(browser.get("/api/v1/jobs")).status_code == 200
        assert scene.answered(browser.post("/api/v1/crawls/1/cancel")).status_code == 403, "without its token"
        assert session in str(browser.cookies)
    watchers_look(scene, flower)


def watchers_look(scene: Scene, flower: str) -> None:
    pools.reset()  # of this process: Redis may have closed them
    with scene.lab.app() as app:
        sent = app.send_task("health_check")
        sent.get(timeout=60)
        for question in QUESTIONS:
            # No longer than until all have answered.
            inspect = app.control.inspect(timeout=10, limit=len(KINDS))
            scene.places.add("inspect", repr(getattr(inspect, question)()))
    names = [f"{queue}@{os.uname().nodename}" for queue in ("crawler", "generator")]
    for path in (*FLOWERS, *(f"/worker/{name}" for name in names), f"/task/{sent.id}", f"/api/task/info/{sent.id}"):
        until(lambda path=path: scene.flower_says(flower, path) == 200, what=f"Flower's {path}")  # type: ignore[misc]
    assert scene.flower_says(flower, "/tasks", scene.canary("a wrong word").value) == 401
    scene.look()


def commands_tell(scene: Scene) -> None:
    with ThreadPoolExecutor() as threads:
        asked = [*(["inspect", what] for what in INSPECTIONS), ["report"]]
        for ended in threads.map(lambda words: scene.lab.celery(*words, app="refnet"), asked):
            scene.heard(ended)
    refnet = scene.lab.refnet
    scene.hear(
        refnet,
        *("status --json", "doctor", "doctor --json", "keys list", "export json", "map nonsense --debug"),
        *("dead list --json", "dead show 1"),
    )
    scene.hear(refnet, "dead retry --all", "dead show 99 --debug")


def the_source_tells_the_key(scene: Scene, url: str, key: str) -> None:
    """Each way in one process, and those that a cluster writes down."""
    servers = [f"{name}{end}" for name in ("CELERY_BROKER_URL", "DATABASE_URL") for end in ("", "_FILE")]
    alone = [
        scene.impatient.without(*servers).with_(
            SEMANTIC_SCHOLAR_URL=scene.source.at(number),
            REFNET_DATA_DIR=str(scene.folder / f"alone-{number}"),
            OUTPUT_DIR=str(scene.folder / f"vault-{number}"),
        )
        for number in range(len(WAYS))
    ]
    for way, running in zip(WAYS, [one.start("map", SEED, "--depth", "1", "--debug") for one in alone], strict=True):
        assert scene.heard(running.wait()).code in (2, 3), way
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE) as client:
        for number, scene.source.way in enumerate(("400", "500"), 1):
            before = scene.source.told
            with scene.lab.app() as app:
                app.send_task(FETCH, (OTHERS[number],))
            ask(client, seeds=[OTHERS[0]], depth=2, limit=20 + number)
            until(lambda before=before: scene.source.told > before, what="the source to be asked")  # type: ignore[misc]
            for path in ("/api/v1/crawls", "/api/v1/dead", "/api/v1/jobs", "/metrics"):
                scene.answered(client.get(path))
    scene.source.way = None


def somebody_has_the_wrong_secret(scene: Scene) -> None:
    database = scene.database_url(scene.canary("a wrong password of the database"))
    broker = scene.broker_url(scene.canary("a wrong password of the broker", before=FOR_REDIS))
    for name, value in (("DATABASE_URL", database), ("CELERY_BROKER_URL", broker)):
        settings = scene.setting(name, value)
        tried = [
            scene.program(f"{name}-{kind}", *words, **settings)
            for kind, words in (
                ("worker", ("celery", "-A", "refnet", "worker", "-Q", "crawler", "-n", "wrong@%h", "-l", "debug")),
                ("beat", ("celery", "-A", "refnet", "beat", "--pidfile=", "-l", "debug")),
                ("serve", ("refnet", "serve", "--port", "0")),
                ("flower", ("celery", "-A", "refnet", "flower", "--port=0")),
            )
        ]
        scene.hear(scene.impatient.with_(**settings), "doctor", f"map {SEED} --debug")
        for one in tried:
            # The others need neither at first, or end at once.
            words = WRONG[name] if one.name.endswith("worker") else ""
            until(lambda one=one, words=words: one.is_over or (words in one.text and one.text), what=one.name)  # type: ignore[misc]
        stop(tried)
    signing = scene.setting("REFNET_SIGNING_KEYS", scene.canary("a stranger's signing key").value)
    with scene.lab.with_(**signing).app() as app:
        app.send_task(FETCH, (SEED,))
    until(lambda: "cannot run" in scene.lab.workers[0].text, what="the forged message to be refused")
    # A process of the pool dies, and what held its task tells so.
    os.kill(scene.lab.workers[0].children()[0], signal.SIGKILL)


def a_server_is_away(scene: Scene, url: str, key: str) -> None:
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE) as client:

        def tried() -> None:
            scene.hear(scene.impatient, "doctor", f"map {SEED} --debug")
            for path in ("/ready", "/metrics", "/api/v1/crawls", "/api/v1/jobs"):
                scene.answered(client.get(path))
            scene.answered(client.post("/api/v1/crawls", json={"seeds": [OTHERS[2]]}))
            scene.heard(scene.lab.celery("inspect", "ping", app="refnet"))

        scene.redis.stop()
        tried()
        scene.redis.start()
        scene.postgres.stop_at_once()
        try:
            tried()
        finally:
            scene.postgres.start()
    scene.back()


def test_s15_a_canary_is_found_in_whatever_way_it_is_written() -> None:
    canary = Canary("it")
    value = canary.value
    ways: dict[str, Any] = {
        "plain": value,
        "quoted": quote(quote(value, safe=""), safe=""),
        "repr": repr(repr({"key": value})),
        "JSON": json.dumps(json.dumps({"key": value})),
        **{f"base64 {n}": base64.b64encode(b"x" * n + value.encode() + b"y" * n).decode() for n in range(5)},
        "hex": value.encode().hex(),
        "bytes": b"\x80" + value.encode(),
    }
    for way, text in ways.items():
        places = Places()
        places.add(way, text)
        assert places.seen([canary]), way
        assert not places.seen([Canary("another")])


def test_s15_every_secret_may_stand_in_a_file() -> None:
    assert sorted(SECRETS) == sorted(secret_variables())
