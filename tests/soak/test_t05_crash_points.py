"""T5: a process that dies before or after any commit, publish, rename or outside call is made up for.

The list of points comes from the code (`crash_points`). A run without crashes tells which of them a scenario comes to;
then the scenario runs again for each, with a crash there, and has to end as if there had been none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import MakeLab
from tests.model_server import ModelServer
from tests.redis_server import RedisServer
from tests.servers import free_port
from tests.soak import crash_alone, crash_cluster, crash_reading, crashing
from tests.soak.crash_alone import Outcome, differences
from tests.soak.crash_cluster import ClusterRig
from tests.soak.crash_lists import Plan, out_of_date, plans, unaccounted
from tests.soak.forking import ForkingRefnet
from tests.soak.void import void

pytestmark = pytest.mark.soak


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Where points are armed."""
    folder = tmp_path / "points"
    folder.mkdir()
    return folder


@pytest.fixture
def crashing_refnet(tmp_path: Path, points: Path) -> Iterator[ForkingRefnet]:
    with ForkingRefnet(tmp_path / "forks", points=points) as made:
        yield made


def test_every_crash_point_of_one_process_is_made_up_for(
    crashing_refnet: ForkingRefnet,
    points: Path,
    tmp_path: Path,
    figures: dict[str, object],
    wanted: re.Pattern[str],
) -> None:
    scenarios = {one.name: one for one in crash_alone.scenarios()}
    whole = {name: crash_alone.run(crashing_refnet, points, tmp_path / "user", one) for name, one in scenarios.items()}
    assert [outcome.faults for outcome in whole.values()] == [[]] * len(whole)
    tried = plans({name: outcome.seen for name, outcome in whole.items()}, middle=True)
    tally = Tally()

    for plan in (one for one in tried if wanted.search(str(one))):
        outcome = crash_alone.run(
            crashing_refnet, points, tmp_path / "user", scenarios[plan.scenario], plan.point, plan.nth
        )
        tally.add(plan, outcome, whole[plan.scenario])

    tally.tell(figures)
    assert len({plan.point for plan in tried}) >= 20


@pytest.fixture
def rig(
    make_lab: MakeLab, redis_server: RedisServer, redis_url: str, crashing_refnet: ForkingRefnet, points: Path
) -> Iterator[ClusterRig]:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with ModelServer([*crash_reading.MODES]) as model:
        environment = {
            crashing.FOLDER: str(points),
            "SEMANTIC_SCHOLAR_URL": f"{origin}/graph/v1",
            "REFNET_BATCH_IDS": "10",
            **crash_reading.places(origin),
            **crash_reading.paid(model),
        }
        lab = make_lab(redis_url, environment=environment)
        made = ClusterRig(lab, redis_server, crashing_refnet, points, port, model)
        with made.supervised():
            yield made


def test_every_crash_point_of_a_cluster_is_made_up_for(
    rig: ClusterRig, points: Path, tmp_path: Path, figures: dict[str, object], wanted: re.Pattern[str]
) -> None:
    scenarios = {one.name: one for one in crash_cluster.scenarios()}
    whole = {name: crash_cluster.run(rig, one) for name, one in scenarios.items()}
    assert {name: outcome.faults for name, outcome in whole.items() if outcome.faults} == {}
    alone = [crash_alone.run(rig.crashing_refnet, points, tmp_path / "user", one) for one in crash_alone.scenarios()]
    reached = {point for outcome in [*whole.values(), *alone] for _, point in outcome.seen}
    tried = plans({name: outcome.seen for name, outcome in whole.items()}, middle=False)
    tally = Tally()

    for plan in (one for one in tried if wanted.search(str(one))):
        # A child dies by itself and is made up for by its worker; a worker dies with all its children.
        how = crashing.TOGETHER if plan.role == "main" else crashing.ALONE
        outcome = crash_cluster.run(rig, scenarios[plan.scenario], plan.point, plan.role, how)
        tally.add(plan, outcome, whole[plan.scenario])

    tally.tell(figures)
    assert len({plan.point for plan in tried}) >= 20
    # Last, so that the rest is known where a point is new.
    assert unaccounted(reached) == []
    assert out_of_date(reached) == []


@pytest.fixture
def wanted(request: pytest.FixtureRequest) -> re.Pattern[str]:
    """The runs asked for on the command line."""
    return re.compile(request.config.getoption("--plans"))


class Tally:
    """What became of the runs."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.hit: list[Plan] = []
        self.failed: list[str] = []
        self.seconds = 0.0

    def add(self, plan: Plan, outcome: Outcome, expected: Outcome) -> None:
        self.plans.append(plan)
        self.seconds += outcome.seconds
        if outcome.hit:
            self.hit.append(plan)
        if found := differences(outcome, expected):
            self.failed.append(f"{plan}: {'; '.join(found[:5])}")
        print(plan, f"{outcome.seconds:.1f} s", found or ("hit" if outcome.hit else "missed"), flush=True)

    def tell(self, figures: dict[str, object]) -> None:
        """Put the figures into the table, and fail for what did not recover or was not hit.

        Who comes to a point is sometimes chance, such as whether a child or the sweep tells of a job: it is enough when
        one of them died there.
        """
        points = {plan.point for plan in self.plans}
        hit = {plan.point for plan in self.hit}
        figures["kills"] = len(self.hit)
        figures["points"] = len(points)
        figures["hit"] = len(hit)
        figures["recovered"] = len(self.plans) - len(self.failed)
        figures["by kind"] = Counter(plan.kind for plan in self.hit)
        figures["by stage"] = Counter(plan.stage for plan in self.hit)
        figures["by role"] = Counter(plan.role for plan in self.hit)
        figures["seconds a run"] = self.seconds / max(1, len(self.plans))
        assert self.failed == []
        if points - hit:
            void(f"nobody came to {', '.join(sorted(points - hit))}")
