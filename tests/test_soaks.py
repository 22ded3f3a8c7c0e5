"""The rig of the soaks, as far as it can be tried in a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from refnet.demo.graph import Corpus
from tests.cluster.beside import Beside
from tests.cluster.lab import until
from tests.soak.graph import NEAR, PAPERS, SEED, write_corpus
from tests.soak.history import Step, forged
from tests.soak.report import Row, table
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
