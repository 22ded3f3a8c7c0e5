"""S04: three queues; each task lands on its own, and the most urgent comes first, on both brokers alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until

pytestmark = pytest.mark.slow

ACTING = "tests.cluster.acting_tasks"
ID = "0" * 40
TASKS: dict[str, list[Any]] = {
    "crawler.tasks.fetch_paper_metadata": [ID],
    "crawler.tasks.batch_process_papers": [[ID]],
    "summarizer.tasks.summarize_pdf": [ID],
    "generator.tasks.generate_markdown": [ID],
    "health_check": [],
    "process_failed_tasks": [],
}


def test_s04_each_task_lands_on_its_queue(make_lab: MakeLab, broker_url: str) -> None:
    lab = make_lab(broker_url)

    with lab.app() as app:
        for name, arguments in TASKS.items():
            app.send_task(name, arguments)
        found: dict[str, list[str]] = {}
        with app.connection_for_read() as connection, connection.channel() as channel:
            for queue in ("crawler", "summarizer", "generator"):
                while (message := channel.basic_get(queue)) is not None:
                    found.setdefault(queue, []).append(message.headers["task"])
                    channel.basic_ack(message.delivery_tag)

    assert found == {
        "crawler": [
            "crawler.tasks.fetch_paper_metadata",
            "crawler.tasks.batch_process_papers",
            "health_check",
            "process_failed_tasks",
        ],
        "summarizer": ["summarizer.tasks.summarize_pdf"],
        "generator": ["generator.tasks.generate_markdown"],
    }


def send(lab: Lab, queue: str, sent: Sequence[tuple[int, str]], file: Path, *, again: int = 0) -> None:
    """Send tasks that write their names into the file, each with its priority."""
    with lab.app() as app:
        for priority, name in sent:
            app.send_task("acting.note", [str(file), name], {"again": again}, queue=queue, priority=priority)


def served(lab: Lab, number: int, *files: tuple[str, Path]) -> list[list[str]]:
    """For each queue with its file, what one process wrote into it, when all of so many are done."""

    def lines(file: Path) -> list[str]:
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    workers = [lab.worker(queue, "-c1", app=ACTING, wait=False) for queue, _ in files]
    until(lambda: all(len(lines(file)) >= number for _, file in files), 90, "all of them")
    for worker in workers:
        worker.kill()
    return [lines(file) for _, file in files]


#: Twice each, not in order.
PRIORITIES = [9, 0, 10, 3, 5, 1, 8, 10, 6, 2, 7, 4, 0, 9, 5, 3, 8, 1, 7, 2, 6, 4]


def test_s04_the_most_urgent_comes_first_up_to_the_highest_of_its_queue_and_of_equals_the_oldest(
    make_lab: MakeLab, broker_url: str, tmp_path: Path
) -> None:
    lab = make_lab(broker_url)
    highest = {"crawler": 10, "summarizer": 5, "generator": 3}
    files = [(queue, tmp_path / queue) for queue in highest]
    # Names say what a priority above the highest counts as, and the order of sending.
    sent = {
        queue: [(one, f"{min(one, most)}-{number:02}") for number, one in enumerate(PRIORITIES)]
        for queue, most in highest.items()
    }
    for queue, file in files:
        send(lab, queue, sent[queue], file)

    found = served(lab, len(PRIORITIES), *files)

    for (queue, most), names in zip(highest.items(), found, strict=True):
        assert names == [name for _, name in sorted(sent[queue], key=lambda task: (-min(task[0], most), task[1]))]


def test_s04_a_task_keeps_its_place_through_its_retries(make_lab: MakeLab, broker_url: str, tmp_path: Path) -> None:
    lab = make_lab(broker_url)
    sent = [(priority, str(priority)) for priority in (1, 8, 10, 5, 9)]

    send(lab, "crawler", sent, tmp_path / "order", again=2)

    [found] = served(lab, 3 * len(sent), ("crawler", tmp_path / "order"))

    # Each runs three times before a less urgent one does: turned round at a retry, 8 would come back behind 5.
    assert found == ["10"] * 3 + ["9"] * 3 + ["8"] * 3 + ["5"] * 3 + ["1"] * 3


def test_s04_the_queues_have_the_maxima_of_the_design_on_rabbitmq(make_lab: MakeLab, rabbitmq_url: str) -> None:
    lab = make_lab(rabbitmq_url)

    with lab.app() as app:
        # RabbitMQ refuses to declare a queue that is there otherwise (406).
        app.send_task("health_check")
        app.send_task("summarizer.tasks.summarize_pdf", [ID])
        app.send_task("generator.tasks.generate_markdown", [ID])
        with app.connection_for_read() as connection:
            for queue, highest in {"crawler": 10, "summarizer": 5, "generator": 3}.items():
                arguments = dict(app.amqp.queues[queue].queue_arguments)
                assert arguments["x-max-priority"] == highest
                with connection.channel() as channel:
                    channel.queue_declare(queue=queue, durable=True, auto_delete=False, arguments=arguments)
                changed = arguments | {"x-max-priority": highest + 1}
                with connection.channel() as channel, pytest.raises(connection.channel_errors, match="x-max-priority"):
                    channel.queue_declare(queue=queue, durable=True, auto_delete=False, arguments=changed)
