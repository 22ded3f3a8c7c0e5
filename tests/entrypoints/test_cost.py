"""What models cost is shown beside the progress of the work."""

from __future__ import annotations

from typing import Any

from refnet.domain.errors import StoreUnavailable
from refnet.domain.spending import Spent
from refnet.entrypoints.cli.cost import EVERY, Meter
from refnet.entrypoints.cli.output import words


class Shown:
    def __init__(self) -> None:
        self.figures: list[dict[str, int]] = []
        self.rest: list[Any] = []

    def show(self, phase: str, **figures: int) -> None:
        del phase
        self.figures.append(figures)

    def waiting(self, seconds: float, why: str) -> None:
        self.rest.append((seconds, why))

    def say(self, line: str) -> None:
        self.rest.append(line)


class Purse:
    """What is spent, how often that was asked for, and the time."""

    def __init__(self) -> None:
        self.usd = 0.0
        self.asked = 0
        self.now = 0.0
        self.away = False

    def spent(self) -> Spent:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("The database does not answer.")
        return Spent(1, self.usd)

    def clock(self) -> float:
        return self.now


def test_the_cost_stands_beside_the_figures_once_there_is_one() -> None:
    shown, purse = Shown(), Purse()
    meter = Meter(shown, purse.spent, purse.clock)
    for usd in (0.0, 0.0021, 0.0063):
        purse.usd, purse.now = usd, purse.now + EVERY
        meter.show("reading papers", notes=1, of=3)

    assert [words(figures) for figures in shown.figures] == ["1 of 3", "1 of 3 · $0.0021", "1 of 3 · $0.0063"]


def test_the_database_is_asked_once_in_a_while_and_not_at_every_step() -> None:
    shown, purse = Shown(), Purse()
    meter = Meter(shown, purse.spent, purse.clock)
    purse.usd, purse.now = 0.5, EVERY
    for step in range(100):
        meter.show("reading papers", notes=step, of=100)

    assert purse.asked == 1
    assert all(figures["cost"] == 500_000 for figures in shown.figures)


def test_a_database_that_is_away_leaves_the_last_cost_and_stops_nothing() -> None:
    shown, purse = Shown(), Purse()
    meter = Meter(shown, purse.spent, purse.clock)
    purse.usd, purse.now = 0.5, EVERY
    meter.show("reading papers")
    purse.away, purse.now = True, 2 * EVERY
    meter.show("reading papers")

    assert [figures["cost"] for figures in shown.figures] == [500_000, 500_000]


def test_what_is_said_and_waited_for_goes_through() -> None:
    shown = Shown()
    meter = Meter(shown, Spent)
    meter.say("a line")
    meter.waiting(3.0, "a host")

    assert shown.rest == ["a line", (3.0, "a host")]
