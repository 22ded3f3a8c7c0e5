from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from kombu import Connection

from tests.rabbitmq_server import RabbitServer, fresh_vhost, rabbitmq_program, running_rabbitmq
from tests.redis_server import RedisServer, running_redis
from tests.servers import free_port, listens, missing, ticks

STANDARD = {4369, 5432, 5672, 6379, 25672}


def at_work_in(folder: Path) -> list[int]:
    """Processes that work in that folder, or were told of it in their environment; on Linux, else none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = os.fsencode(folder) in (process / "environ").read_bytes()
            works = (process / "cwd").readlink() == folder
        except OSError:  # it has ended meanwhile, or is another user's
            continue
        if told or works:
            found.append(int(process.name))
    return found


def is_gone(folder: Path, *ports: int) -> bool:
    """The folder at once, the ports and processes soon: what a killed process had started ends by itself."""
    if folder.exists():
        return False
    return any(not (any(map(listens, ports)) or at_work_in(folder)) for _ in ticks(30))


def put(url: str, body: str) -> None:
    with Connection(url, transport_options={"confirm_publish": True}) as connection:
        queue = connection.SimpleQueue("queue")
        queue.put(body)
        queue.close()


def get(url: str) -> object:
    with Connection(url) as connection:
        queue = connection.SimpleQueue("queue")
        message = queue.get(timeout=10)
        message.ack()
        queue.close()
        return message.payload


def test_a_free_port_is_no_standard_one_and_none_that_the_system_gives_to_connections() -> None:
    ports = {free_port() for _ in range(50)}

    assert not ports & STANDARD
    assert all(20_000 <= port < 32_000 for port in ports)


def test_processes_that_share_the_tests_have_ports_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    ports = []
    for name in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", name)
        ports.append({free_port() for _ in range(50)})

    assert [{port % 2 for port in mine} for mine in ports] == [{0}, {1}]


def test_a_redis_has_one_port_saves_nothing_unasked_and_is_gone_at_the_end(each_redis: Path) -> None:
    with running_redis(each_redis) as server:
        port = server.port
        with server.client() as redis:
            redis.set("key", "value")
            assert redis.config_get("bind") == {"bind": "127.0.0.1"}

        server.restart()

        assert server.port == port
        with server.client() as redis:
            assert redis.dbsize() == 0
        if sys.platform == "linux":
            assert at_work_in(server.folder) == [server.pid]

    assert is_gone(server.folder, port)


def test_a_persistent_redis_keeps_through_a_kill_what_it_has_acknowledged(each_redis: Path) -> None:
    with running_redis(each_redis, persistent=True, password="secret") as server:
        with server.client() as redis:
            for number in range(1000):
                redis.rpush("queue", number)

        server.kill()
        assert not listens(server.port)
        server.start()

        with server.client() as redis:
            assert redis.llen("queue") == 1000


def test_a_redis_that_cannot_start_gives_its_reason(each_redis: Path) -> None:
    with pytest.raises(RuntimeError, match="'nonsense 1'"), running_redis(each_redis, nonsense=1):
        pass


@pytest.mark.parametrize("turn", ["first", "second"])
def test_each_test_finds_the_redis_of_the_run_empty(turn: str, redis_server: RedisServer, redis_url: str) -> None:
    assert redis_url == redis_server.url
    with redis_server.client() as redis:
        assert redis.dbsize() == 0
        redis.set("left behind by", turn)


@pytest.mark.slow
def test_a_rabbitmq_keeps_what_is_durable_through_a_restart_and_a_kill_and_is_gone_at_the_end() -> None:
    if rabbitmq_program() is None:
        missing("no RabbitMQ on this machine")
    with running_rabbitmq() as server:
        ports = set(server.ports)
        put(server.url, "through a restart and a kill")
        server.restart()
        put(server.url, "through a kill")
        server.kill()
        assert not listens(server.port)
        server.start()

        assert [get(server.url), get(server.url)] == ["through a restart and a kill", "through a kill"]
        assert set(server.ports) == ports
        assert all(map(listens, ports))
        assert not ports & STANDARD

    assert is_gone(server.folder, *ports)


@pytest.mark.slow
def test_a_virtual_host_is_empty_at_first_and_gone_at_the_end(rabbitmq_server: RabbitServer, rabbitmq_url: str) -> None:
    put(rabbitmq_url, "here")

    with fresh_vhost(rabbitmq_server) as other:
        put(other, "there")
        assert get(other) == "there"
    assert get(rabbitmq_url) == "here"
    with pytest.raises(Exception, match="not found"):
        put(other, "nowhere")
