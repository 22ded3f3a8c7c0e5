"""What the pages on clusters show can be typed, one command after another, on real servers, and does what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.acceptance.command import Ended
from tests.acceptance.test_documented_commands import BLOCK, PAGES, ROOT, commands
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, Worker, until
from tests.servers import free_port

#: In this order; the last stops the workers.
SET_UP, TASKS, SETTINGS, DEAD, SIGN, RUN = SHOWN = [
    ROOT / "docs" / f"{name}.md"
    for name in (
        "how-to/grow-to-a-cluster",
        "reference/celery",
        "reference/celery-settings",
        "how-to/dead-letters",
        "how-to/sign-tasks",
        "how-to/run-a-cluster",
    )
]
#: Of no paper, and a task that no worker has: two tasks that become dead letters, and would again.
BAD_TASKS = (("crawler.tasks.fetch_paper_metadata", ("0" * 40,)), ("somebody.elses.task", ()))
PROGRAMS = "refnet|celery|python -m memray"
#: Go on until they are ended, and what they say when they have begun.
LASTING = {"beat": "beat: Starting", "events": "starting capture", "flower": "Visit me at"}
TASK_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class User:
    """Somebody who types what a page shows, and keeps what was printed."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab.with_(FLOWER_PORT=str(free_port()), FLOWER_BASIC_AUTH="you:secret-of-the-test")
        self._workers: dict[tuple[str, ...], Worker] = {}
        self._task_id = ""
        self.printed: list[str] = []

    def types(self, words: list[str]) -> None:
        if words[:3] == ["python", "-m", "memray"]:
            pass  # which tests/cluster/test_s18_memory.py types
        elif words[:2] == ["refnet", "worker"]:
            self._starts(tuple(words[2:]))
        elif words == ["refnet", "db", "upgrade"]:
            self._upgrades()
        elif words[:2] == ["refnet", "dead"]:
            self._sees_to_the_dead(words[1:])
        elif words[0] == "refnet":
            self._keeps(self._lab.refnet.done(*words[1:]))
        elif lasting := next((LASTING[word] for word in words if word in LASTING), None):
            self._runs_for_a_while(words, lasting)
        else:
            self._asks_celery(words)

    def _starts(self, words: tuple[str, ...]) -> None:
        if words not in self._workers:
            self._workers[words] = self._lab.refnet_worker(*words)

    def _upgrades(self) -> None:
        """Refused while workers run, which are then stopped for it."""
        if self._workers:
            assert "its workers count, too" in self._lab.refnet("db", "upgrade").error
        for worker in self._workers.values():
            worker.stop()
        self._workers.clear()
        self._keeps(self._lab.refnet.done("db", "upgrade"))

    def _sees_to_the_dead(self, words: list[str]) -> None:
        """The ids of a page stand for those of what is dead here."""
        shown = list(dict.fromkeys(word for word in words if word.isdigit()))
        found = dict(zip(shown, self._dead(len(shown)), strict=False)) if shown else {}
        self._keeps(self._lab.refnet.done(*(found.get(word, word) for word in words)))

    def _dead(self, number: int) -> list[str]:
        """The ids of so many dead letters at least, which are made where there are fewer."""

        def ids() -> list[str]:
            return [str(letter["id"]) for letter in self._lab.refnet.done("dead", "list", "--json").json]

        if len(ids()) < number:
            with self._lab.app() as app:
                for task, arguments in BAD_TASKS:
                    app.send_task(task, arguments, queue="crawler")
        found: list[str] = until(lambda: known if len(known := ids()) >= number else None, what="dead letters")
        return found

    def _runs_for_a_while(self, words: list[str], begun: str) -> None:
        more = [] if "flower" in words else ["--loglevel", "info"]
        process = self._lab._start(["-m", *words, *more], "-".join(words[3:5]), wait=False)
        process.until_logs(begun)
        if "worker" in words:
            process.stop()
        else:
            process.kill()  # how soon they end when asked to is Celery's and Flower's affair

    def _asks_celery(self, words: list[str]) -> None:
        ended = self._lab.celery(*(TASK_ID.sub(self._task_id, word) for word in words[3:]), app=words[2])
        assert ended.code == 0, f"{shlex.join(words)} ended with {ended.code}:\n{ended.err}"
        if "call" in words:
            self._task_id = ended.out.strip()
            assert TASK_ID.fullmatch(self._task_id)
        self._keeps(ended)

    def _keeps(self, ended: Ended) -> None:
        self.printed += ended.out.splitlines()


def answers(page: Path) -> list[str]:
    """The lines that a page shows as printed, but those that differ from run to run."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    lines = [line for block in blocks if block.startswith("$ ") for line in block.splitlines()]
    return [line for line in lines if not line.startswith("$ ") and "…" not in line and not TASK_ID.fullmatch(line)]


def test_every_command_of_celery_that_the_documentation_shows_is_on_a_page_that_is_tried() -> None:
    elsewhere = [page for page in PAGES if page not in SHOWN and list(commands(page, "celery|refnet worker"))]

    assert elsewhere == []
    assert len([words for page in SHOWN for words in commands(page, PROGRAMS)]) >= 20


def try_all(user: User, pages: list[Path]) -> None:
    for page in pages:
        for words in commands(page, PROGRAMS):
            user.types(words)

    shown = [line for page in pages for line in answers(page)]
    assert len(shown) >= 5
    assert [line for line in shown if line not in user.printed] == []


@pytest.mark.slow
def test_the_commands_of_the_cluster_do_what_they_say_one_after_another(lab: Lab) -> None:
    try_all(User(lab), SHOWN)


@pytest.mark.slow
def test_they_do_so_on_rabbitmq(make_lab: MakeLab, rabbitmq_url: str) -> None:
    try_all(User(make_lab(rabbitmq_url)), [SET_UP, TASKS, DEAD])
