"""What soaks have: their seeds, a place for what they measure, and a table of it at the end.

They are left out of `make test` (`norecursedirs` in pyproject.toml) and run by `make soak`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import broker_url, lab, literature, make_lab
from tests.soak.report import Row, table
from tests.soak.rig import Laboratory, Rig, open_rig
from tests.soak.void import WORD

__all__ = ["broker_url", "lab", "literature", "make_lab"]

_FIGURES = pytest.StashKey[dict[str, object]]()
_ROWS = pytest.StashKey[dict[str, Row]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("soak")
    group.addoption("--seeds", default="1,2,3", help="seeds of the faults, separated by commas (default 1,2,3)")
    group.addoption(
        "--plans", default="", help="of T5, only runs whose name matches this pattern; its own table is void"
    )
    group.addoption("--write", type=Path, metavar="FILE", help="write the table of figures to a file, too")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        seeds = [int(seed) for seed in str(metafunc.config.getoption("--seeds")).split(",")]
        metafunc.parametrize("seed", seeds, ids=[f"seed{seed}" for seed in seeds])


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> dict[str, object]:
    """Where a soak puts what it measured: `figures["papers lost"] = 0`. `kills` has a column of its own."""
    found: dict[str, object] = {}
    request.node.stash[_FIGURES] = found
    return found


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """What all soaks share. Ask it for something inside a test: before, there is no environment safe for processes."""
    return Laboratory(tmp_path_factory.mktemp("laboratory"))


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(tmp_path: Path, laboratory: Laboratory) -> Iterator[MakeRig]:
    """Makes the test's rig: `make_rig(environment={}, words=…, **options_of_the_stand_in)`."""
    with ExitStack() as stack:

        def make(environment: dict[str, str] | None = None, **options: Any) -> Rig:
            corpus = options.pop("corpus", laboratory.corpus)
            return stack.enter_context(open_rig(tmp_path / "rig", corpus, environment, **options))

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    row = item.config.stash[_ROWS].setdefault(item.nodeid, _row(item))
    row.figures = item.stash.get(_FIGURES, {})
    if report.when == "call":
        row.seconds = report.duration
    if report.failed:
        is_void = call.excinfo is not None and str(call.excinfo.value).startswith(WORD)
        row.verdict = "void" if is_void else "failed"
    elif report.skipped:
        row.verdict = "skipped"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = [*config.stash[_ROWS].values()]
    if not rows:
        return
    made = table(rows)
    terminalreporter.section("figures")
    terminalreporter.write_line(made)
    if (file := config.getoption("--write")) is not None:
        file.write_text(made + "\n", encoding="utf-8")


def _row(item: pytest.Item) -> Row:
    seed = getattr(item, "callspec", None)
    return Row(item.nodeid.rpartition("/")[2], "–" if seed is None else str(seed.params.get("seed", "–")))
