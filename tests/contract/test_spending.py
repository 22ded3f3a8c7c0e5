"""The purse of the language models, on both databases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from refnet.adapters.database.engine import database_url, open_engine, reading
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.schema import model_answers, spending
from refnet.adapters.database.spending import Spending
from refnet.adapters.language_model.prices import price_of
from refnet.domain.spending import CapReached, ModelUsage, Reservation, Spent, Use
from tests.adapters.language_model.making import PRICED
from tests.contract.conftest import Clock
from tests.contract.paying import MOMENTS
from tests.model_server import Asked, ModelServer

DAY = 86_400.0


@pytest.fixture
def purse(engine: Engine, clock: Clock) -> Spending:
    return Spending(engine, 5.0, clock=clock)


def reserved(purse: Spending, usd: float) -> Reservation:
    held = purse.reserve(usd)
    assert isinstance(held, Reservation)
    return held


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def test_money_that_is_set_aside_counts_as_spent(purse: Spending) -> None:
    reserved(purse, 1.5)

    assert purse.spent_today() == 1.5


def test_a_settled_call_counts_as_what_it_cost(purse: Spending) -> None:
    held = reserved(purse, 1.5)
    purse.settle(held, Use("m", 100, 10, 0.25), "key", {"said": ["x", "日本 \U0001f600", "\ud800"]})

    assert purse.spent_today() == 0.25
    assert purse.answer("key") == {"said": ["x", "日本 \U0001f600", "\ud800"]}
    assert purse.usage() == [ModelUsage("m", 1, 100, 10, 0.25)]


def test_a_call_that_cost_nothing_gives_its_money_back(purse: Spending) -> None:
    purse.release(reserved(purse, 1.5))

    assert purse.spent_today() == 0
    assert purse.usage() == []


def test_what_would_pass_the_cap_is_refused_with_the_figures(purse: Spending) -> None:
    reserved(purse, 4.5)
    refused = purse.reserve(0.6)

    assert refused == CapReached(5.0, 4.5, 0.6)
    assert (
        str(refused)
        == "the day's spending cap of $5 is reached ($4.50 is spent or set aside, and the call may cost $0.60)"
    )
    assert purse.spent_today() == 4.5
    reserved(purse, 0.5)


def test_a_call_that_cost_more_than_was_set_aside_is_counted_in_full(purse: Spending) -> None:
    purse.settle(reserved(purse, 1.0), Use("m", 1, 1, 6.0))

    assert purse.spent_today() == 6.0
    assert isinstance(purse.reserve(0.01), CapReached)


def test_what_costs_nothing_is_never_refused(engine: Engine, clock: Clock) -> None:
    purse = Spending(engine, 0.0, clock=clock)
    purse.settle(reserved(purse, 0.0), Use("local", 7, 3, 0.0), "key", {"said": 1})

    assert purse.answer("key") == {"said": 1}
    assert isinstance(purse.reserve(0.001), CapReached)


def test_each_day_has_its_own_money_and_a_call_counts_where_it_began(purse: Spending, clock: Clock) -> None:
    # 2025-06-15, a quarter to midnight, UTC.
    clock.now = 1_750_000_000.0 // DAY * DAY + DAY - 900
    held = reserved(purse, 4.0)
    clock.move(1_800)
    assert purse.spent_today() == 0
    reserved(purse, 5.0)
    purse.settle(held, Use("m", 1, 1, 1.0))

    assert purse.spent_today() == 5.0
    with reading(purse._engine) as connection:
        assert sorted(connection.execute(select(spending)).all()) == [("2025-06-15", 1.0), ("2025-06-16", 5.0)]


def test_what_was_spent_in_all_goes_over_midnight_and_has_what_is_set_aside(purse: Spending, clock: Clock) -> None:
    assert purse.in_all() == Spent(0, 0.0)
    purse.settle(reserved(purse, 1.0), Use("m", 1, 1, 0.5))
    clock.move(DAY)
    purse.settle(reserved(purse, 1.0), Use("n", 1, 1, 0.25))
    reserved(purse, 2.0)

    assert purse.in_all() == Spent(2, 2.75)


def test_the_cap_survives_a_restart(purse: Spending, engine: Engine, clock: Clock) -> None:
    reserved(purse, 4.9)
    url = database_url(url_of(engine))
    again = open_engine(url)

    assert isinstance(Spending(again, 5.0, clock=clock).reserve(0.2), CapReached)
    again.dispose()


def test_what_two_ask_at_once_is_kept_once_and_paid_for_twice(purse: Spending) -> None:
    one, other = reserved(purse, 1.0), reserved(purse, 1.0)
    purse.settle(one, Use("m", 1, 1, 0.5), "key", {"said": "first"})
    purse.settle(other, Use("m", 1, 1, 0.5), "key", {"said": "second"})

    assert purse.answer("key") == {"said": "first"}
    assert purse.spent_today() == 1.0
    assert purse.usage() == [ModelUsage("m", 2, 2, 2, 1.0)]


def test_there_is_no_answer_to_what_nobody_asked(purse: Spending) -> None:
    assert purse.answer("key") is None


def test_an_answer_that_cannot_be_kept_is_not_settled(purse: Spending) -> None:
    held = reserved(purse, 1.0)
    with pytest.raises(TypeError):
        purse.settle(held, Use("m", 1, 1, 0.5), "key", object())

    assert purse.spent_today() == 1.0
    assert purse.usage() == []


steps = st.lists(st.tuples(st.sampled_from(["reserve", "settle", "release", "die"]), st.integers(1, 40)), max_size=30)


@given(steps)
@settings(max_examples=40)
def test_whatever_is_done_the_sum_is_at_least_what_was_spent_and_at_most_the_cap(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("purse") / "refnet.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = open_engine(database_url(f"sqlite:///{path}"))
    purse = Spending(engine, 1.0, clock=Clock())
    held: list[Reservation] = []
    spent = 0.0
    for what, cents in done:
        if what == "reserve":
            got = purse.reserve(cents / 100)
            held += [got] if isinstance(got, Reservation) else []
        elif held:
            one = held.pop()
            if what == "settle":
                cost = one.usd * cents / 40
                spent += cost
                purse.settle(one, Use("m", 1, 1, cost))
            elif what == "release":
                purse.release(one)
            else:
                spent += one.usd  # it may have been
    total = purse.spent_today()
    engine.dispose()
    assert spent - 1e-9 <= total <= 1.0 + 1e-9


@contextmanager
def processes(module: str, many: list[list[str]]) -> Iterator[list[subprocess.Popen[str]]]:
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    with ExitStack() as stack:
        started = []
        for words in many:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            started.append(process)
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("how", ["hold", "settle"])
def test_eight_processes_that_race_for_the_last_dollar_never_pass_the_cap(engine: Engine, how: str) -> None:
    purse = Spending(engine, 5.0)
    reserved(purse, 4.0)
    words = [url_of(engine), "5.0", "0.0625", how]
    with processes("tests.contract.racing", [words] * 8) as racing:
        for one in racing:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in racing:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        got = [int(one.stdout.readline()) for one in racing if one.stdout is not None]

    # A sixteenth of a dollar is exact: sixteen of them fit, or as many halves as leave less than one whole.
    spent = purse.spent_today()
    assert spent <= 5.0
    if how == "hold":
        assert sum(got) == 16
        assert spent == 5.0
    else:
        # Whoever was refused met the others' money that was set aside, so a little may be left.
        assert sum(got) == purse.usage()[0].calls
        assert spent == 4.0 + sum(got) * 0.03125
        assert sum(got) >= 16


@pytest.mark.slow
def test_workers_that_are_killed_between_answer_and_commit_never_spend_more_than_the_cap(engine: Engine) -> None:
    """Two workers at a time, killed at one moment after the other, and begun anew until the money is gone."""
    cost = price_of(PRICED, "https://api.openai.com/v1").of(10_000, 1_000)
    cap = 14 * cost
    workers, killed, summaries, fallbacks = 2, [], 0, 0
    doomed: dict[int, str] = {}

    with ModelServer() as server:

        def strike(asked: Asked) -> None:
            """Kill the worker that was just answered, if that is its moment."""
            pid = int(asked.headers["authorization"].rpartition(" ")[2])
            if doomed.get(pid) == "answered":
                os.kill(pid, signal.SIGKILL)

        server.answered = strike
        for at in range(20):
            moment = MOMENTS[1:][at % 4]
            words = [[url_of(engine), server.url, f"{cap}", f"{at * 100 + one * 10}", moment] for one in range(workers)]
            with processes("tests.contract.paying", words) as paying:
                doomed.update({one.pid: moment for one in paying})
                said = [one.communicate()[0].splitlines() for one in paying]
                codes = [one.wait() for one in paying]
            killed += [moment for code in codes if code == -signal.SIGKILL]
            assert set(codes) <= {0, -signal.SIGKILL}
            fallbacks = sum(line.startswith("the day's spending cap") for lines in said for line in lines)
            summaries += sum(line == "made" for lines in said for line in lines)
            if all(code == 0 for code in codes):
                break
        spent = server.billed * cost
        purse = Spending(engine, cap)

        # The kills did strike, at each moment; and the last workers, begun anew, found the money gone.
        assert {moment: killed.count(moment) for moment in MOMENTS[1:]}.keys() == set(killed)
        assert len(killed) >= 4
        assert fallbacks == 5 * workers
        assert spent <= cap + workers * cost
        assert spent <= purse.spent_today() + 1e-9
        assert purse.spent_today() <= cap + 1e-9
        with reading(engine) as connection:
            kept: list[Any] = list(connection.execute(select(model_answers.c.key)))
        # An answer is kept if and only if its money is settled.
        assert len(kept) == sum(one.calls for one in purse.usage()) <= server.billed


def test_the_tables_are_those_of_the_migrations(tmp_path: Path) -> None:
    engine = open_engine(database_url(f"sqlite:///{tmp_path / 'new.db'}"))
    upgrade(engine)
    purse = Spending(engine, 1.0)
    purse.settle(reserved(purse, 0.5), Use("m", 1, 1, 0.25), "key", {})

    assert purse.spent_today() == 0.25
    assert purse.answer("key") == {}
    engine.dispose()
