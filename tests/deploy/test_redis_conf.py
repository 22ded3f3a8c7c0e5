from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kombu import Connection, Queue
from kombu.exceptions import OperationalError
from redis.exceptions import AuthenticationError, OutOfMemoryError

from tests.redis_server import RedisServer, running_redis

PASSWORD = "made up, with spaces: and a colon"
SETTINGS = {
    "appendfsync": "everysec",
    "appendonly": "yes",
    "maxmemory": str(2 * 1024**3),
    "maxmemory-policy": "noeviction",
    "protected-mode": "yes",
    "requirepass": PASSWORD,
    "save": "900 1 300 10 60 10000",
    "tcp-keepalive": "300",
    "timeout": "0",
}

Deploy = Callable[..., RedisServer]


@pytest.fixture
def config(root: Path) -> Path:
    return root / "deploy" / "redis.conf"


@pytest.fixture
def deploy(each_redis: Path, config: Path) -> Iterator[Deploy]:
    """Starts a server of each version there is here with that file, and with more settings."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            running_redis(each_redis, config=config, password=PASSWORD, **options)
        )


def test_s10_a_real_server_takes_the_file_and_has_those_settings(deploy: Deploy) -> None:
    with deploy().client(decode_responses=True) as redis:
        assert {name: redis.config_get(name)[name] for name in SETTINGS} == SETTINGS


def test_s10_only_loopback_is_listened_on_and_no_password_stands_in_the_file(config: Path) -> None:
    words = [line.split() for line in config.read_text().splitlines() if line and not line.startswith("#")]

    assert [rest for name, *rest in words if name == "bind"] == [["127.0.0.1", "-::1"]]
    assert not {"requirepass", "masterauth", "user", "include"} & {name for name, *_ in words}


def test_s10_who_gives_no_password_is_refused(deploy: Deploy) -> None:
    server = deploy()
    server.password = None

    with server.client() as redis, pytest.raises(AuthenticationError):
        redis.ping()


def test_s10_what_is_queued_survives_a_kill(deploy: Deploy) -> None:
    server = deploy()
    with server.client() as redis:
        redis.rpush("crawler", *range(1000))

    server.kill()
    server.start()

    with server.client() as redis:
        assert redis.llen("crawler") == 1000


def test_s10_a_full_redis_refuses_a_task_and_keeps_all_that_are_queued(deploy: Deploy) -> None:
    server = deploy(maxmemory="4mb")
    with server.client() as redis, Connection(server.url) as connection:
        producer = connection.Producer(routing_key="crawler")
        producer.maybe_declare(Queue("crawler", channel=producer.channel))
        told, sent = None, 0
        while told is None and sent < 10_000:
            try:
                producer.publish({"abstract": "x" * 1000}, retry=True, retry_policy={"max_retries": 1})
                sent += 1
            except OperationalError as error:
                told = str(error)
        with pytest.raises(OutOfMemoryError):
            redis.set("another", "x" * 1000)

        assert "maxmemory" in str(told)
        assert redis.llen("crawler") == sent > 100
        assert redis.info("stats")["evicted_keys"] == 0
        assert redis.lpop("crawler") is not None
