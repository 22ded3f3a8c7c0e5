"""A worker is asked to end while its tasks take long: what becomes of the work, and how soon."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from kombu import Connection

from refnet.demo.bundled import SEED
from refnet.domain.jobs import Stage
from refnet.domain.workers import BY_QUEUE
from tests.acceptance.command import Ended, Running
from tests.cluster.faults import holders, pauses
from tests.cluster.lab import Lab, Worker, until
from tests.rabbitmq_server import RabbitServer

#: Seconds that each task takes, and between two signals.
LONG, BETWEEN = 60.0, 0.2
TERM, QUIT, INT, HUP = signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP
#: The ways in which a process is asked to end: signals, one after another.
WAYS: dict[str, tuple[signal.Signals, ...]] = {
    "TERM": (TERM,),
    "TERM-5-times": (TERM,) * 5,
    "TERM-QUIT": (TERM, QUIT),
    "INT": (INT,),
    "INT-INT": (INT, INT),
    "QUIT": (QUIT,),
    "HUP": (HUP,),
    "HUP-HUP": (HUP, HUP),
}
HOOK = Path(__file__).parent / "slow_work"


def ask_to_end(who: Worker | Running, way: Sequence[signal.Signals], timeout: float = 60.0) -> float:
    """Send the signals to the main process alone; seconds from the first of them to its end."""
    asked = time.monotonic()
    for number, one in enumerate(way):
        if number:
            pauses(BETWEEN, lambda: False)
        if not who.is_over:
            who.process.send_signal(one)
    who.process.wait(timeout)
    return time.monotonic() - asked


def until_listens(pid: int, number: signal.Signals) -> None:
    """Wait until a process that is just starting has a handler for a signal."""

    def listens() -> bool:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
        return bool(caught >> (number - 1) & 1)

    until(listens, what=f"process {pid} to have started")


def end_beat(lab: Lab, way: Sequence[signal.Signals]) -> float:
    """Start a beat, and ask it to end once it listens; seconds that this took."""
    beat = lab.beat()
    until_listens(beat.pid, HUP)  # the last that it takes
    took = ask_to_end(beat, way)
    assert beat.process.returncode == 0, (way, beat.text)
    assert "Traceback" not in beat.text
    return took


def end_map(lab: Lab, way: Sequence[signal.Signals], *, following: bool) -> float:
    """Ask `refnet map` to end, as it follows a crawl that nobody is at or while it collects papers by itself; seconds
    that this took. It gives back what it is at.
    """
    refnet = lab.refnet if following else lab.refnet.without("CELERY_BROKER_URL").with_(REFNET_BATCH_IDS="5")
    slow_source(lab, 0.0 if following else 3.0)
    mapping = refnet.start("map", SEED, "--depth", "1", "--vault", lab.vault)
    until_listens(mapping.process.pid, QUIT)
    if following:
        assert mapping.line()  # what it says first
        until(lambda: jobs(lab, Stage.CRAWL), what="the crawl to be handed over")
    else:
        until(lambda: lab.query("SELECT 1 FROM jobs WHERE state = 'running'"), what="papers to be asked for")
    took = ask_to_end(mapping, way)
    ended = mapping.wait()
    assert ended.code == 130, (way, ended.err)
    assert "Traceback" not in ended.err
    found = {row[:4] for row in jobs(lab, Stage.CRAWL)}
    assert found == {("queued", None, 0, 0)}, (found, ended.err)
    # Those claimed at that moment may go together once more, as they did; nothing is halved.
    assert {row.share for row in lab.query("SELECT DISTINCT share FROM jobs")} <= {None, 5}
    return took


def slow_worker(lab: Lab, kind: str, start: str) -> Worker:
    """A worker of one queue whose tasks take LONG, started by `celery` or by `refnet`.

    The crawler's are slow by the source, which has to be made so beforehand.
    """
    path = os.pathsep.join(filter(None, (str(HOOK), lab.environment.get("PYTHONPATH"))))
    slow = lab.with_(PYTHONPATH=path, SLOW_SUMMARIES=str(LONG), SLOW_NOTES=str(LONG / 6))
    return slow.refnet_worker(kind) if start == "refnet" else slow.worker(kind, name=f"slow-{kind}")


def slow_source(lab: Lab, seconds: float) -> None:
    """From now on an answer takes so long; those on their way are not changed."""
    lab.stand_in.switches = replace(lab.stand_in.switches, latency=seconds, timeout=2 * LONG)


def jobs(lab: Lab, stage: Stage) -> list[tuple[object, ...]]:
    """State, owner, attempts, losses and whether it is due, of each job of a stage that is not done; each once."""
    rows = lab.query(
        "SELECT DISTINCT state, owner, attempts, losses, due_at <= extract(epoch FROM clock_timestamp()) AS due"
        " FROM jobs WHERE stage = :stage AND state <> 'done'",
        stage=stage.value,
    )
    return [tuple(row) for row in rows]


def unacknowledged(lab: Lab, rabbit: RabbitServer | None = None) -> int:
    """Messages that some worker took and neither did nor gave back. RabbitMQ says it to who runs it: `rabbit`."""
    url = lab.environment["CELERY_BROKER_URL"]
    if rabbit is not None:
        vhost, item = urlsplit(url).path[1:], "messages_unacknowledged"
        rows = f'rabbit_amqqueue:info_all(<<"{vhost}">>, [{item}])'
        answer = rabbit.call(f"{{ok, lists:sum([N || [{{{item}, N}}] <- {rows}])}}")
        return int(answer.rpartition(",")[2].strip(" }"))
    with Connection(url) as connection:
        client = connection.default_channel.client
        return int(client.hlen("unacked")) + int(client.zcard("unacked_index"))


def is_unacknowledged(lab: Lab, task_id: str) -> bool:
    """Whether some worker took a task's message and neither did it nor gave it back, on Redis.

    Other messages do not count: a worker's own sign of life may be lost with the connection on which it came.
    """
    with Connection(lab.environment["CELERY_BROKER_URL"]) as connection:
        return any(task_id.encode() in record for record in connection.default_channel.client.hvals("unacked"))


def waiting(lab: Lab, queue: str) -> int:
    with lab.cluster() as cluster:
        return cluster.depths()[queue]


@dataclass
class Drained:
    """`took` are the seconds until the process was over, `resumed` those from another worker's start until the work
    was in hand again.
    """

    code: int
    took: float
    resumed: float
    mapped: Ended


def drain(lab: Lab, kind: str, start: str, way: str, rabbit: RabbitServer | None = None) -> Drained:
    """Let a crawl come to the stage of `kind`, end the one worker of that stage in the middle, and start another.

    `rabbit` is the lab's broker, where that is not Redis.
    """
    stage = BY_QUEUE[kind].stage
    if others := [queue for queue in BY_QUEUE if queue != kind]:
        lab.worker(",".join(others), name="others")
    mapping = lab.refnet.start("map", SEED, "--depth", "1", "--json")
    if kind == "crawler":
        # It looks the seed up itself, and hands the crawl over then.
        until(lambda: jobs(lab, stage), what="the crawl to be handed over")
        lab.stand_in.reset()
        slow_source(lab, LONG)
    slow = slow_worker(lab, kind, start)
    children = slow.children()
    until(lambda: set(holders(lab)) & set(children), what=f"the {kind} to be at work")
    if kind == "crawler":
        until(lambda: lab.stand_in.log, what="a request")
    if kind == "generator":
        until(lambda: list((lab.vault / "papers").glob("*.md")), what="a note")

    took = ask_to_end(slow, WAYS[way])

    code = slow.process.returncode
    slow_source(lab, 0.0)
    assert jobs(lab, stage) == [("queued", None, 0, 0, True)], slow.text[-3000:]
    until(lambda: unacknowledged(lab, rabbit) == 0, 5.0, "nothing to be unacknowledged")
    until(lambda: waiting(lab, kind), 5.0, "the message to be back in its queue")
    assert not list(lab.vault.rglob("*.tmp"))
    began = time.monotonic()
    lab.worker(kind, name=f"fast-{kind}", wait=False)
    until(lambda: not jobs(lab, stage) or holders(lab), what="the work to be in hand again")
    resumed = time.monotonic() - began
    mapped = mapping.wait(120)
    return Drained(code, took, resumed, mapped)
