"""What RabbitMQ refuses, told once and in plain words."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kombu import Connection, Exchange, Queue

from refnet.demo.bundled import SEED
from refnet.domain.errors import BrokerUnavailable
from refnet.domain.jobs import DueJob, Stage
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import until
from tests.rabbitmq_server import RabbitServer

pytestmark = pytest.mark.slow

#: Seconds for which a publisher may be held up: the time-out of a read, and a little more on a loaded machine.
HELD_UP = 20.0


def test_a_queue_that_was_made_otherwise_is_named_with_the_cure(make_lab: MakeLab, rabbitmq_url: str) -> None:
    lab = make_lab(rabbitmq_url)
    with Connection(rabbitmq_url) as connection:
        Queue("crawler", Exchange("crawler"), routing_key="crawler")(connection.default_channel).declare()

    worker = lab.worker("crawler", wait=False)
    worker.process.wait(60)
    doctor = lab.refnet("doctor")
    mapping = lab.refnet("map", SEED, "--depth", "1")

    assert worker.process.returncode == 2
    assert doctor.code == 1
    assert mapping.code == 2
    for told in (worker.text, doctor.out, mapping.err):
        assert told.count("RabbitMQ has a queue crawler that was made with another x-") == 1, told
        assert "rabbitmqctl delete_queue -p" in told
        assert "Traceback" not in told
    with Connection(rabbitmq_url) as connection:
        Queue("crawler")(connection.default_channel).delete()
    lab.worker("crawler", name="again")
    assert "BAD  broker" not in lab.refnet("doctor").out


@contextmanager
def in_alarm(server: RabbitServer) -> Iterator[None]:
    """It takes no messages, as if it had no memory left."""
    alarm = "{resource_limit, memory, node()}"
    # The first only asks for it; who asks for the alarms is answered once it is so.
    server.call(f"begin rabbit_alarm:set_alarm({{{alarm}, []}}), {{ok, rabbit_alarm:get_alarms()}} end")
    try:
        yield
    finally:
        server.call(f"rabbit_alarm:clear_alarm({alarm})")


def test_a_publisher_is_not_held_up_by_a_rabbitmq_that_takes_no_messages(
    make_lab: MakeLab, rabbitmq_url: str, rabbitmq_server: RabbitServer
) -> None:
    lab = make_lab(rabbitmq_url)
    with lab.cluster() as cluster:
        announcer, hint = cluster.announcer, [DueJob(1, SEED, 5)]
        announcer.send(Stage.CRAWL, hint)
        with in_alarm(rabbitmq_server):
            asked = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                announcer.send(Stage.CRAWL, hint)
            took = time.monotonic() - asked
        print(f"a publisher was held up for {took:.1f} s")

        def sent() -> bool:
            try:
                announcer.send(Stage.CRAWL, hint)
            except BrokerUnavailable:
                return False  # a loaded server may need a moment, which the sweep would give it
            return True

        until(sent, 30, "the broker to take messages again")
    assert took <= HELD_UP


def nested(depth: int) -> bytes:
    """A table of AMQP in a table in a table …, which py-amqp's own writer would not write."""
    table = b""
    for _ in range(depth):
        table = b"\x01aF" + struct.pack(">I", len(table)) + table
    return table


#: Tables that a client may send, and that py-amqp cannot read: too deep, of a year that Python does not know.
UNREADABLE = {"deep": nested(2_000), "late": b"\x04when" + b"T" + struct.pack(">Q", 2**62)}


def test_a_message_whose_headers_cannot_be_read_is_a_dead_letter_and_the_worker_goes_on(
    make_lab: MakeLab, rabbitmq_url: str
) -> None:
    lab = make_lab(rabbitmq_url)
    worker = lab.worker("crawler", "-c1")
    with Connection(rabbitmq_url) as connection, connection.channel() as channel:
        for table in UNREADABLE.values():
            message = channel.prepare_message(b"[[], {}, {}]", headers={})
            content = struct.pack(">HI", 1 << 13, len(table)) + table  # the flag of `headers`, and nothing else
            message._serialize_properties = lambda content=content: content
            channel.basic_publish(message, exchange="", routing_key="crawler")

    with lab.cluster() as cluster:
        until(lambda: cluster.depths()["dlq"] == len(UNREADABLE) or worker.is_over, what="the dead letters")
        assert not worker.is_over, worker.text[-3000:]
        assert cluster.celery.send_task("health_check").get(timeout=60)["status"] == "healthy"
    assert "Trying to re-establish" not in worker.text
    assert lab.query("SELECT 1 FROM dead_messages")
