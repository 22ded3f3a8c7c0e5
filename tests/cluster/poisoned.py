"""Jobs whose task harms its process, among others that do not: T11 of reliability.md, in any size."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from refnet.domain.jobs import DeadLetter, JobState, Stage
from tests.cluster.lab import Lab, Worker, until

APP = "tests.cluster.poison_tasks"
QUEUES = {Stage.CRAWL: "crawler", Stage.SUMMARIZE: "summarizer"}
_ALONE = "while this job ran alone. That makes 3 times."
#: What the dead letter of each kind says; S is the hard time limit.
REASONS = {
    "segfault": f"Its process was killed by signal 11 (SIGSEGV) {_ALONE}",
    "exit": f"Its process ended with exit code 1 {_ALONE}",
    "sys.exit": "SystemExit: 7",
    "memory": "MemoryError: ",
    "used memory": "MemoryError: ",
    "loop": f"Its process took longer than S s (the hard time limit) and was killed {_ALONE}",
    "forks": f"Its process took longer than S s (the hard time limit) and was killed {_ALONE}",
}
#: How often each kind is tried alone: what an exception ends is a dead letter at once.
ATTEMPTS = {kind: 3 if _ALONE in reason else 1 for kind, reason in REASONS.items()}


@dataclass
class Poisoned:
    """A worker for one stage, and the papers that harm it. Nothing is poison before `spread`.

    `limits` are the time limits of what has no end, soft and hard, in seconds from when it begins. The fork bomb comes
    to `bomb` processes.
    """

    lab: Lab
    stage: Stage
    concurrency: int = 4
    limits: tuple[float, float] = (1.0, 2.0)
    bomb: int = 60
    poison: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._file = self.lab.refnet.folder / "poison.json"
        self._log = self.lab.refnet.folder / "poison.log"
        self._write({})
        self.lab = self.lab.with_(
            POISON=str(self._file),
            POISON_LOG=str(self._log),
            POISON_LIMITS=",".join(map(str, self.limits)),
            POISON_BOMB=str(self.bomb),
        )

    def _write(self, poison: dict[str, str]) -> None:
        self._file.write_text(json.dumps({self.stage: poison}))

    def start(self) -> Worker:
        self.worker = self.lab.worker(QUEUES[self.stage], f"-c{self.concurrency}", app=APP)
        return self.worker

    def spread(self, poison: dict[str, str]) -> None:
        self.poison = poison
        self._write(poison)

    def clean(self) -> None:
        self._write({})

    def queue(self, paper_ids: list[str]) -> None:
        if self.stage is Stage.CRAWL:
            self.lab.store.add_by_hand(paper_ids, None, 1, f"{self.lab.vault}-elsewhere")
        else:
            self.lab.store.enqueue(self.stage, paper_ids)

    def states(self, paper_ids: list[str]) -> Counter[str]:
        rows = self.lab.query(
            "SELECT state FROM jobs WHERE stage = :stage AND paper_id = ANY(:ids)", stage=self.stage, ids=paper_ids
        )
        return Counter(row.state for row in rows)

    def over(self, paper_ids: list[str]) -> bool:
        found = self.states(paper_ids)
        return found[JobState.DONE] + found[JobState.DEAD] == len(paper_ids)

    def acts(self) -> list[tuple[str, str]]:
        """Kind and paper of each act, in order."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [(line.split("\t")[0], line.split("\t")[1]) for line in lines]

    def letters(self) -> dict[str, DeadLetter]:
        return {letter.paper_id: letter for letter in self.lab.store.dead_letters()}

    def check_letters(self) -> None:
        """Each poison is dead, with the reason and the attempts of its kind, and nothing else is."""
        letters = self.letters()
        assert letters.keys() == self.poison.keys()
        found = {kind: (letters[paper].reason, letters[paper].attempts) for paper, kind in self.poison.items()}
        limit = f"{self.limits[1]:g} s"
        assert found == {kind: (REASONS[kind].replace("S s", limit), ATTEMPTS[kind]) for kind in found}

    def all_work(self, papers: list[str]) -> None:
        """Let each process of the pool work on one of the papers: only then has a new one what it needs for that."""
        folder = Path(mkdtemp(dir=self.lab.refnet.folder))
        queue = QUEUES[self.stage]
        with self.lab.app() as app:
            orders = [[self.stage, paper_id, str(folder), self.concurrency] for paper_id in papers]
            for sent in [app.send_task("poison.work_together", order, queue=queue) for order in orders]:
                sent.get(timeout=60)
        assert len(list(folder.iterdir())) == self.concurrency

    def survive(self, paper_ids: list[str], timeout: float) -> tuple[float, int]:
        """Queue the papers and wait until each is done or dead; the seconds from the first act on, and the most
        processes that there were.
        """
        most = 0
        began: list[float] = []

        def look() -> bool:
            nonlocal most
            most = max(most, len(self.processes()))
            if not began and self.acts():
                began.append(time.monotonic())
            return self.over(paper_ids)

        self.queue(paper_ids)
        until(look, timeout, f"all papers, of which there are {self.states(paper_ids)}")
        return time.monotonic() - began[0], most

    def processes(self) -> list[int]:
        """All that came of the worker: a group of its own does not take a process out of its session."""
        found: list[int] = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                words = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(words[3]) == self.worker.pid and words[0] not in ("Z", "X"):
                found.append(int(stat.parent.name))
        return found

    def resident(self) -> int:
        """Kilobytes of memory that the worker's processes have to themselves, and their share of the rest."""
        found = 0
        for pid in self.processes():
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            found += int(text.split("\nPss:")[1].split()[0])
        return found

    def retry(self) -> str:
        return self.lab.refnet.done("dead", "retry", "--all").out


def collected(lab: Lab, paper_ids: list[str]) -> None:
    """Let a healthy worker collect papers."""
    lab.store.add_by_hand(paper_ids, None, 1, f"{lab.vault}-elsewhere")
    worker = lab.worker("crawler", name="healthy")
    asked = "SELECT count(*) FROM jobs WHERE stage = 'crawl' AND state = 'done'"
    until(lambda: lab.query(asked)[0][0] >= len(paper_ids), 120, "the papers to be collected")
    worker.stop()
