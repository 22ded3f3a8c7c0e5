"""The main job on PostgreSQL, as somebody does who sets DATABASE_URL."""

from __future__ import annotations

import pytest

from refnet.demo.bundled import SEED
from tests.acceptance.command import Refnet, asked_twice, has_arrived, stamps, tree
from tests.acceptance.conftest import Serve, User

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
    working = slow.start("map", *words)
    assert working.until(has_arrived(stand_in, 4))
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
