"""The main job on PostgreSQL, as somebody does who sets DATABASE_URL."""

from __future__ import annotations

import psycopg
import pytest

from refnet.adapters.database.engine import database_url
from refnet.demo.bundled import SEED
from tests.acceptance.command import Refnet, asked_twice, stamps, stopped_at, tree
from tests.acceptance.conftest import Serve, User
from tests.acceptance.serving import serving
from tests.soak.postgres import running_server

pytestmark = pytest.mark.slow


def test_the_main_job_is_the_same_as_on_sqlite(serve: Serve, user: User, postgres_database: str) -> None:
    stand_in = serve(latency=0.05)
    words = (SEED, "--depth", "2", "--limit", "500")
    on_sqlite, server = user(serve(), "file"), user(stand_in, "server", DATABASE_URL=postgres_database)
    refused = server("map", *words)
    assert refused.code == 2
    assert "Run: refnet db upgrade" in refused.error
    assert "is at schema" in server.done("db", "upgrade").out

    slow = server.with_(REFNET_BATCH_IDS="5")
    working = stopped_at(stand_in, 4, slow, "map", *words)
    with working.held():
        second = server("map", *words)
        assert server.done("status", "--json").json["crawls"][0]["state"] == "running"
    working.kill()
    expected, document = on_sqlite.map(*words), resumed(server, *words)

    assert second.code == 2
    assert "Another refnet is at work" in second.error
    assert server.exported() == on_sqlite.exported()
    assert tree(server.folder / "vault") == tree(on_sqlite.folder / "vault")
    assert {key: document[key] for key in ("papers", "citations", "summaries", "notes")} == {
        key: expected[key] for key in ("papers", "citations", "summaries", "notes")
    }
    assert len({question[-1] for question in asked_twice(stand_in.log)}) <= 5
    before, asked = stamps(server.folder / "vault"), len(stand_in.log)
    server.map(*words)
    assert stamps(server.folder / "vault") == before
    assert len(stand_in.log) == asked
    server.done("vault", "check")
    server.done("doctor")
    password = postgres_database.split(":")[2].split("@", maxsplit=1)[0]
    assert password not in server.done("status").out


def resumed(server: Refnet, *words: str) -> dict[str, object]:
    """The server may take a moment to notice that the killed one is gone, and hold its lock until then."""
    ended = server("map", *words, "--json")
    for _ in range(20):
        if ended.code != 2:
            break
        ended = server("map", *words, "--json")
    assert ended.code == 0, ended.err
    document: dict[str, object] = ended.json
    return document


def test_a_server_that_is_only_now_being_started_is_waited_for_and_the_user_is_told(serve: Serve, user: User) -> None:
    with running_server() as server:
        refnet = user(serve(), DATABASE_URL=server.url)
        server.stop_at_once()
        upgrading = refnet.start("db", "upgrade")
        told = upgrading.line()
        server.start()
        ended = upgrading.wait()

    assert "does not answer: " in told
    assert told.endswith(" Waiting for it for up to 20 s.\n")
    assert ended.code == 0, ended.err
    assert "is at schema" in ended.out


def take_writes(postgres_database: str, *, on: bool) -> None:
    """As after a fail-over, or where a provider has it so; sessions that there are end."""
    url = database_url(postgres_database)
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as admin:
        admin.execute("SET default_transaction_read_only = off")
        admin.commit()
        admin.autocommit = True
        admin.execute(f'ALTER DATABASE "{url.database}" SET default_transaction_read_only = {"off" if on else "on"}')
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_database_that_takes_no_writes_any_more_is_read_and_all_else_is_told_so(
    serve: Serve, user: User, postgres_database: str
) -> None:
    refnet = user(serve(), DATABASE_URL=postgres_database)
    refnet.done("db", "upgrade")
    key = refnet.done("keys", "create", "--scope", "admin", "--json").json["key"]
    server = serving(refnet)
    with server.client(key) as client:
        assert client.get("/ready").status_code == 200
        take_writes(postgres_database, on=False)
        parts = server.until_ready(client, 503).json()["parts"]

        read = [client.get(path).status_code for path in ("/api/v1/papers", "/api/v1/jobs", "/metrics", "/health")]
        asked = client.post("/api/v1/crawls", json={"seeds": [SEED]})
        signed_in = client.post("/login", data={"key": key})
        doctor = refnet("doctor")
        mapping = refnet("keys", "create", "--scope", "read")
        take_writes(postgres_database, on=True)
        server.until_ready(client)
        assert client.post("/api/v1/crawls", json={"seeds": [SEED], "limit": 1}).status_code == 202

    assert {"name": "database", "ok": False} in parts
    assert read == [200, 200, 200, 200]
    assert (asked.status_code, asked.headers.get("Retry-After") is not None) == (503, True)
    assert signed_in.status_code == 503
    assert doctor.code == 1
    assert "BAD  database: The database postgresql+psycopg://" in doctor.out
    assert "takes no writes: it is set to read only. It lets refnet read alone" in doctor.out
    assert mapping.code == 3
    assert "takes no writes" in mapping.error
