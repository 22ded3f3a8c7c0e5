"""The rig of the soaks, as far as it can be tried in a moment."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import cast

import pytest

from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.migrate import upgrade
from refnet.demo.graph import Corpus
from refnet.demo.server import StandIn
from refnet.domain.jobs import MOST_LOSSES, Stage
from tests.acceptance.command import Refnet
from tests.cluster.beside import Beside
from tests.cluster.faults import Killer, Supervisor, at_the_last, holders, lives, pauses
from tests.cluster.lab import Lab, until
from tests.soak.graph import NEAR, PAPERS, SEED, write_corpus
from tests.soak.history import Step, forged
from tests.soak.killing import SLACK, Sleeper
from tests.soak.report import Row, table
from tests.soak.rig import Watch
from tests.soak.void import void


def step(old: str | None, new: str, old_claim: str | None = None, new_claim: str | None = None, ask: int = 1) -> Step:
    return Step("crawl", "a", old, new, old_claim, new_claim, ask)


def test_the_soaks_are_left_out_unless_they_are_named(request: pytest.FixtureRequest) -> None:
    named = any("soak" in word for word in request.config.args)
    assert named or not [item.nodeid for item in request.session.items if "soak" in item.path.parent.parts]


def test_a_void_soak_fails_and_says_so() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"^void: nobody was killed$"):
        void("nobody was killed")


def test_the_table_has_a_row_for_each_soak_and_seed() -> None:
    made = table([Row("t01", "1", {"kills": 30, "papers lost": 0}, 78.4, "passed"), Row("t02", "–", {}, 1, "void")])
    assert made.splitlines() == [
        "| test | seed | kills | seconds | verdict | figures |",
        "|------|------|-------|---------|---------|---------|",
        "| t01  | 1    | 30    | 78      | passed  | papers lost 0 |",
        "| t02  | –    | –     | 1       | void    |  |",
    ]


def test_a_jobs_usual_life_is_not_taken_for_forged() -> None:
    life = [
        step(None, "queued"),
        step("queued", "running", None, "x"),
        step("running", "running", "x", "x"),
        step("running", "queued", "x"),
        step("queued", "running", None, "y"),
        step("running", "done", "y", ask=0),
        step("done", "queued"),
        step("queued", "running", None, "z"),
        step("running", "dead", "z"),
        step("dead", "queued"),
    ]
    assert forged(life) == []


@pytest.mark.parametrize(
    "wrong",
    [
        step("done", "done", ask=0),
        step("queued", "done", ask=0),
        step("dead", "done", ask=0),
        step("done", "running", None, "x"),
        step("running", "running", "x", "y"),
        step("done", "queued", ask=0),
    ],
    ids=["ended twice", "ended unclaimed", "ended dead", "claimed done", "claimed while held", "given back done"],
)
def test_a_change_by_who_does_not_hold_the_job_is_forged(wrong: Step) -> None:
    assert forged([step(None, "queued"), wrong]) == [wrong]


def test_what_goes_on_beside_a_test_fails_it_and_not_in_silence() -> None:
    class Broken(Beside):
        every = 0.0

        def turn(self) -> None:
            raise LookupError("nothing was looked at")

    with pytest.raises(LookupError, match="nothing was looked at"), Broken() as broken:
        until(lambda: not broken.is_at_it, 10, "the thread to end")


def test_all_papers_of_the_soaks_are_within_two_steps_of_the_first(tmp_path: Path) -> None:
    levels = Corpus.load(write_corpus(tmp_path)).breadth_first(SEED, 2)
    assert [len(level) for level in levels] == [1, NEAR, PAPERS - NEAR - 1]


# A process that is to sleep past its lease

#: Seconds: a lease in which it shows whether somebody held it to its end, and for how long one is stopped.
SHORT = SLACK + 1.0
ASLEEP = SHORT + 0.5


@dataclass
class Sleepers:
    """A ledger, processes that hold jobs of it, and one who stops them."""

    lab: Lab
    killer: Killer
    sleeper: Sleeper
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def hold(self, paper: str) -> int:
        """A process that holds a job; its number."""
        process = subprocess.Popen(["sleep", "600"])
        self.processes.append(process)
        self.lab.store.enqueue(Stage.GENERATE, [paper])
        assert self.lab.store.claim_some(Stage.GENERATE, f"here:{process.pid}", 1, lease=SHORT)
        return process.pid

    def let_go(self, pid: int) -> None:
        assert self.lab.store.give_back([f"here:{pid}"])

    def goes_on(self) -> bool:
        """Never over; meanwhile a sweep looks for leases that are."""
        self.lab.store.free_expired()
        return False


@pytest.fixture
def sleepers(postgres_database: str, tmp_path: Path) -> Iterator[Sleepers]:
    engine = open_engine(database_url(postgres_database))
    upgrade(engine)
    lab = Lab(Refnet(tmp_path, {}), cast("StandIn", None), engine)
    killer = Killer(lab, Supervisor([]), Random(1))
    with Watch(lab, killer.died) as watch, ExitStack() as stack:
        made = Sleepers(lab, killer, Sleeper(lab, killer, watch, ASLEEP))
        try:
            yield made
        finally:
            for process in made.processes:
                stack.enter_context(process)
                process.kill()
    engine.dispose()


def test_whoever_holds_a_job_that_is_given_up_at_its_next_loss_is_not_killed(sleepers: Sleepers) -> None:
    pid = sleepers.hold("a")
    assert at_the_last(sleepers.lab) == set()
    for _ in range(MOST_LOSSES - 1):
        assert sleepers.killer.kill_who_works()
        sleepers.lab.store.free_owners([f"here:{pid}"])
        pid = sleepers.hold("a")

    assert at_the_last(sleepers.lab) == {pid}
    assert not sleepers.killer.kill_who_works()
    assert lives(pid)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_one_that_holds_its_jobs_until_its_lease_is_over_has_overslept_and_goes_on(sleepers: Sleepers) -> None:
    pid = sleepers.hold("a")
    sleepers.sleeper.look()
    until(lambda: is_stopped(pid), 10, "it to be stopped")

    sleepers.sleeper.look_on(sleepers.goes_on)

    assert sleepers.sleeper.overslept, sleepers.sleeper.told
    assert holders(sleepers.lab) == []
    until(lambda: not is_stopped(pid), 10, "it to go on")


def test_one_that_holds_its_jobs_no_more_slept_in_vain_and_another_is_stopped(sleepers: Sleepers) -> None:
    first = sleepers.hold("a")
    sleepers.sleeper.look()
    sleepers.let_go(first)
    sleepers.sleeper.look()
    assert [one.partition(" held its jobs for less than ")[0] for one in sleepers.sleeper.told] == [str(first)]
    until(lambda: not is_stopped(first), 10, "it to go on")
    assert not sleepers.sleeper.overslept

    second = sleepers.hold("b")
    sleepers.sleeper.look()
    until(lambda: is_stopped(second), 10, "the other to be stopped")
    sleepers.sleeper.look_on(sleepers.goes_on)
    assert sleepers.sleeper.overslept, sleepers.sleeper.told


def test_that_it_holds_nothing_when_it_wakes_does_not_show_that_it_held_something_until_its_lease_was_over(
    sleepers: Sleepers,
) -> None:
    pid = sleepers.hold("a")
    sleepers.sleeper.look()
    sleepers.let_go(pid)

    pauses(ASLEEP, lambda: False)  # nobody looked meanwhile
    sleepers.sleeper.look()

    assert not sleepers.sleeper.overslept
    assert sleepers.sleeper.told[0].startswith(f"{pid} held its jobs for ")


def test_whoever_still_holds_its_jobs_when_it_wakes_has_not_overslept(sleepers: Sleepers) -> None:
    pid = sleepers.hold("a")
    sleepers.sleeper.look()

    pauses(ASLEEP, lambda: False)  # nobody takes back what it holds
    sleepers.sleeper.look()

    assert not sleepers.sleeper.overslept
    assert sleepers.sleeper.told == [f"{pid} still held its jobs when its lease was over"]


def test_nobody_is_left_asleep_when_the_crawl_is_over(sleepers: Sleepers) -> None:
    pid = sleepers.hold("a")
    sleepers.sleeper.look()

    sleepers.sleeper.look_on(lambda: True)

    assert sleepers.sleeper.told == [f"{pid} was still asleep at the end"]
    until(lambda: not is_stopped(pid), 10, "it to go on")
