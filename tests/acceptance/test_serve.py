"""`refnet serve` without a broker: it does the crawls itself, and is what a laptop user meets."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from refnet.adapters.processes import process_lives
from refnet.demo.bundled import SEED
from refnet.demo.server import StandIn
from tests.acceptance.command import Refnet, _ticks, has_arrived, hold_from, let_go, tree
from tests.acceptance.conftest import Serve, User
from tests.acceptance.serving import Server, ask, events, serving, to_its_end

pytestmark = pytest.mark.slow


def engine_of(server: Server) -> int:
    """The process that does the crawls."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(server.running.process.pid)], capture_output=True, text=True, check=True
    )
    (pid,) = found.stdout.split()
    return int(pid)


@contextmanager
def crawler_killed(server: Server, refnet: Refnet) -> Iterator[None]:
    """Its crawler is killed, and as long as this lasts no other comes to work: else one might, before anybody has looked."""
    engine = engine_of(server)
    with server.running.held():
        os.kill(engine, signal.SIGKILL)
        lock = os.open(f"{refnet.database}.lock", os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


def nice(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def drained(server: Server) -> None:
    ended = server.running.interrupt(signal.SIGTERM)
    assert ended.code == 0, ended.err


def test_a_crawl_asked_for_is_followed_to_its_end_and_its_vault_is_that_of_map(
    stand_in: StandIn, user: User, refnet: Refnet
) -> None:
    server = serving(refnet)
    with server.client() as client:
        place = ask(client, seeds=[SEED], depth=2, limit=40)
        told = to_its_end(client, place)
        crawl = client.get(place).json()
    drained(server)

    assert [told[0].name, told[-1].name] == ["snapshot", "end"]
    assert {event.name for event in told[1:-1]} <= {"progress"}
    assert told[-1].data["state"] == crawl["state"] == "finished"
    mapped = user(stand_in, "another")
    document = mapped.map(SEED, "--depth", "2", "--limit", "40")
    assert (crawl["papers"], crawl["citations"]) == (document["papers"], document["citations"]) == (40, 226)
    assert tree(refnet.folder / "vault") == tree(mapped.folder / "vault")


def test_a_map_beside_it_hands_its_crawl_over_and_tells_the_same(stand_in: StandIn, user: User, refnet: Refnet) -> None:
    server = serving(refnet)
    words = ("map", SEED, "title:No such paper at all", "--limit", "20", "--vault", "mine", "--json")
    document = refnet(*words).json
    with server.client() as client:
        (crawl,) = client.get("/api/v1/crawls").json()["items"]
        unresolved = client.get("/api/v1/crawls/1").json()["unresolved"]
    drained(server)
    ended = user(stand_in, "another")(*words)
    alone = ended.json

    assert (crawl["id"], crawl["state"]) == (document["crawl"], "finished")
    assert unresolved == document["unresolved"] == alone["unresolved"]
    assert document["vault"] == str(refnet.folder / "mine")
    assert {**document, "vault": ""} == {**alone, "vault": ""}
    assert ended.code == 1, "a seed was not resolved"


def test_a_map_beside_it_whose_seeds_name_nothing_changes_nothing(refnet: Refnet) -> None:
    server = serving(refnet)
    ended = refnet("map", "title:No such paper at all")
    drained(server)

    assert ended.code == 2
    assert "No seed names a paper" in ended.error


def test_a_map_that_was_killed_is_taken_up_by_the_server_and_written_where_it_should_be(
    serve: Serve, stand_in: StandIn, user: User
) -> None:
    slow = serve(rps=5)
    hold_from(slow, 4)
    refnet = user(slow, SEMANTIC_SCHOLAR_RPS="5", REFNET_BATCH_IDS="3")
    words = ("map", SEED, "--depth", "2", "--limit", "40", "--vault", "mine")
    running = refnet.start(*words)
    assert running.until(has_arrived(slow, 4))
    running.kill()
    let_go(slow)
    # Of the server it might be too late to ask: it goes on with it before it listens.
    (left,) = refnet.done("status", "--json").json["crawls"]

    server = serving(refnet)
    with server.client() as client:
        server.until(client, "/api/v1/crawls/1", lambda answer: answer.json()["state"] == "finished")
    drained(server)

    assert left["state"] in ("queued", "running")
    mapped = user(stand_in, "another")
    mapped.done(*words)
    assert tree(refnet.folder / "mine") == tree(mapped.folder / "mine")


def test_one_that_is_asked_to_end_before_it_listens_ends_well(refnet: Refnet) -> None:
    running = refnet.start("serve", "--port", "0")
    assert running.until(lambda: refnet.database.with_name("refnet.db.lock").exists())

    assert running.interrupt(signal.SIGTERM).code == 0


def test_short_writes_go_on_beside_it(refnet: Refnet) -> None:
    server = serving(refnet)
    assert refnet("status").code == 0
    assert refnet("dead", "list").code == 0
    ended = refnet("vault", "write")
    drained(server)

    assert ended.code == 2, "that is work"
    assert "at work" in ended.error


def test_a_killed_crawler_is_started_again_and_goes_on(serve: Serve, user: User) -> None:
    refnet = user(serve(rps=5), SEMANTIC_SCHOLAR_RPS="5", REFNET_BATCH_IDS="3")
    server = serving(refnet)
    with server.client() as client:
        place = ask(client, seeds=[SEED], depth=2, limit=40)
        for event in events(client, place):
            if event.data.get("collected", 0) >= 5:
                break
        with crawler_killed(server, refnet):
            server.until_ready(client, 503)
        told = to_its_end(client, place)
        server.until_ready(client)
    drained(server)

    assert told[-1].data == {"id": 1, "state": "finished", "found": 40, "collected": 40}


def test_the_crawler_goes_before_its_server_and_one_that_is_started_again_does_too(refnet: Refnet) -> None:
    server = serving(refnet)
    with server.client() as client:
        before = [nice(engine_of(server)), nice(server.running.process.pid)]
        with crawler_killed(server, refnet):
            server.until_ready(client, 503)
        server.until_ready(client)
        after = nice(engine_of(server))
    drained(server)

    ours = nice(os.getpid())
    assert before == [ours, min(ours + 10, 19)]
    # Only Linux knows threads that are nicer than others of their process.
    assert after == (ours if sys.platform == "linux" else before[1])


def test_a_killed_server_leaves_no_crawler_and_the_next_one_goes_on(serve: Serve, user: User) -> None:
    slow = serve(rps=5)
    hold_from(slow, 6)
    refnet = user(slow, SEMANTIC_SCHOLAR_RPS="5", REFNET_BATCH_IDS="3")
    server = serving(refnet)
    with server.client() as client:
        place = ask(client, seeds=[SEED], depth=2, limit=40)
        last = next(event for event in events(client, place) if event.data.get("collected", 0) >= 5)
    engine = engine_of(server)
    assert server.running.until(has_arrived(slow, 6))
    server.running.kill()
    assert any(not process_lives(engine) for _ in _ticks(10.0))
    let_go(slow)

    server = serving(refnet)
    with server.client() as client:
        told = list(events(client, place, last.id))
    drained(server)

    assert "snapshot" not in [event.name for event in told], "it goes on where the stream broke off"
    assert told[-1].data["state"] == "finished"


def test_asked_to_end_it_gives_back_its_papers_and_ends_streams_within_ten_seconds(serve: Serve, user: User) -> None:
    refnet = user(serve(rps=1), SEMANTIC_SCHOLAR_RPS="1", REFNET_BATCH_IDS="3")
    server = serving(refnet)
    with server.client() as client:
        place = ask(client, seeds=[SEED], depth=2, limit=100)
        stream = events(client, place)
        assert next(stream).name == "snapshot"
        engine = engine_of(server)
        server.running.process.send_signal(signal.SIGTERM)
        assert [event.name for event in stream if event.name == "end"] == []
    ended = server.running.wait(10.0)

    assert ended.code == 0, ended.err
    assert not process_lives(engine)
    assert "Traceback" not in ended.err
    jobs = {(job["stage"], job["state"]) for job in refnet.done("status", "--json").json["jobs"]}
    assert ("crawl", "running") not in jobs


def test_answers_on_their_way_are_finished_and_new_ones_refused(refnet: Refnet) -> None:
    server = serving(refnet)
    host, port = server.url.removeprefix("http://").split(":")
    body = b'{"seeds": ["arXiv:2005.11401"]}'
    head = (
        f"POST /api/v1/crawls HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as begun:
        begun.sendall(head.encode() + body[:10])
        begun.settimeout(10)
        with server.client() as client:
            client.get("/health")
        server.running.process.send_signal(signal.SIGTERM)
        assert server.running.until(lambda: not answers(host, int(port)))
        begun.sendall(body[10:])
        answer = begun.recv(1_000)

    assert b"202 Accepted" in answer
    assert server.running.wait(10.0).code == 0


def answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


# ---- who may come in


def test_the_laptop_user_is_told_that_nobody_is_asked_for_a_key(refnet: Refnet) -> None:
    server = serving(refnet)
    line = server.running.line()
    with server.client(Host="evil.example") as client:
        refused = client.get("/health")
    drained(server)

    assert "No key is made" in line
    assert refused.status_code == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - which must be refused
def test_any_other_address_needs_keys(refnet: Refnet, host: str) -> None:
    ended = refnet("serve", "--port", "0", "--host", host)

    assert ended.code == 2
    assert "refnet keys create" in ended.error


def test_with_a_key_it_may_be_reached_from_elsewhere(refnet: Refnet) -> None:
    key = refnet.done("keys", "create", "--scope", "write", "--json").json["key"]
    everywhere = "0.0.0.0"  # noqa: S104
    server = serving(refnet, "--host", everywhere)
    server = Server(server.running, server.url.replace(everywhere, "127.0.0.1"), server.said)
    with server.client() as client:
        assert client.get("/api/v1/crawls").status_code == 401
        assert client.get("/health").status_code == 200
    with server.client(key) as client:
        assert client.get("/api/v1/crawls").status_code == 200
        assert to_its_end(client, ask(client, seeds=[SEED], depth=0))[-1].data["state"] == "finished"
    drained(server)
    assert key not in server.said


@pytest.mark.parametrize("word", ["no.such.host.invalid", "203.0.113.7"])
def test_an_address_that_is_none_of_this_machines_is_refused(refnet: Refnet, word: str) -> None:
    refnet.done("keys", "create", "--scope", "read", "--json")
    ended = refnet("serve", "--host", word)

    assert ended.code == 2
    assert "Choose another" in ended.error


def test_a_port_that_is_taken_is_refused(refnet: Refnet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = refnet("serve", "--port", str(taken.getsockname()[1]))

    assert ended.code == 2
    assert "port" in ended.error


def test_one_works_on_a_database_at_a_time(refnet: Refnet) -> None:
    server = serving(refnet)
    ended = refnet("serve", "--port", "0")
    drained(server)

    assert ended.code == 2
    assert "at work" in ended.error


def test_without_the_extra_it_says_which(refnet: Refnet, tmp_path: Path) -> None:
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    (hiding / "fastapi.py").write_text("raise ModuleNotFoundError('hidden', name='fastapi')\n")
    path = f"{hiding}{os.pathsep}{refnet.environment.get('PYTHONPATH', '')}"
    ended = refnet.with_(PYTHONPATH=path)("serve")

    assert ended.code == 2
    assert "refnet[web]" in ended.error
    assert "fastapi" in ended.error


def test_many_slow_clients_keep_nobody_waiting(refnet: Refnet) -> None:
    server = serving(refnet)
    host, port = server.url.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(200)]
    try:
        for one in slow:
            one.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        with httpx2.Client(base_url=server.url, timeout=2.0) as client:
            assert {client.get("/api/v1/jobs").status_code for _ in range(20)} == {200}
    finally:
        for one in slow:
            one.close()
    drained(server)
