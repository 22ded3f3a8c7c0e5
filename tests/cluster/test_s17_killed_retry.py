"""S17: a `refnet dead retry` that is killed at any moment leaves the dead letter, the message, or both; never neither."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import update

from refnet.adapters.database.dead_messages import SETTLING
from refnet.adapters.database.engine import writing
from refnet.adapters.database.schema import dead_messages
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import ROOT, until

pytestmark = pytest.mark.slow

#: `refnet`, ended before or after it gives the message to the broker. What RabbitMQ is given it has to confirm.
KILLED = """
import os, sys
from amqp.channel import Channel as Amqp
from refnet.adapters.celery_queue.transport import Channel
from refnet.entrypoints.cli.main import main

point = sys.argv.pop(1)

def end_at(kind, name):
    act = getattr(kind, name)
    def end(*args, **options):
        if point == "after":
            act(*args, **options)
        os._exit(9)
    setattr(kind, name, end)

end_at(Channel, "send_again")
end_at(Amqp, "basic_publish_confirm")
main()
"""


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_retry_that_is_killed_as_it_sends_loses_nothing(
    make_lab: MakeLab, broker_url: str, tmp_path: Path, point: str
) -> None:
    lab = make_lab(broker_url)
    ready, words = tmp_path / "ready", ("crawler", "-c1")
    with lab.app() as app:
        worker = lab.worker(*words, app="tests.cluster.acting_tasks")
        failed = app.send_task("acting.fail_unless", [str(ready)], queue="crawler")
        (letter,) = until(lab.store.dead_messages, what="a dead letter")
        worker.stop()

        retry = ("dead", "retry", str(letter.id))
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, point, *retry], cwd=ROOT, env=lab.environment, check=False, timeout=60
        )
        assert killed.returncode == 9
        assert [one.id for one in lab.store.dead_messages()] == [letter.id]
        with lab.cluster() as cluster:
            assert cluster.depths()["crawler"] == (point == "after")

        ready.touch()
        with writing(lab.engine) as connection:
            connection.execute(update(dead_messages).values(at=dead_messages.c.at - SETTLING))
        lab.worker(*words, name="next", app="tests.cluster.acting_tasks")
        if point == "after":
            until(lambda: failed.state == "SUCCESS", what="what was sent to run")
        assert "1 message sent again" in lab.refnet.done(*retry).out
        until(lambda: failed.state == "SUCCESS", what="what was sent to run")
        assert not lab.store.dead_messages()
        with lab.cluster() as cluster:
            until(lambda: cluster.depths()["crawler"] == 0, what="nothing to wait")
