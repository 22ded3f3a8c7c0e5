"""How the parts are put together: what is waited for, and for how long at the most."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from refnet.adapters.database.migrate import open_at_head
from refnet.bootstrap import Application, build
from refnet.domain.errors import OutageTooLong, RateLimited, SourceUnavailable
from refnet.settings import load_settings


class Told:
    """Progress that remembers what was waited for."""

    def __init__(self) -> None:
        self.waits: list[tuple[float, str]] = []

    def show(self, phase: str, **figures: int) -> None: ...

    def waiting(self, seconds: float, why: str) -> None:
        self.waits.append((seconds, why))

    def say(self, line: str) -> None: ...


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    """One that may ask fifty times a second."""
    monkeypatch.setenv("SEMANTIC_SCHOLAR_RPS", "10")
    found = build(load_settings())
    open_at_head(found.engine)
    yield found
    found.engine.dispose()


def blocked(application: Application) -> float:
    (state,) = application.store.paces()
    return state.blocked


def test_a_host_that_cannot_be_reached_is_tried_every_few_seconds(application: Application) -> None:
    pace = application.pace(Told())
    pace.start()
    for _ in range(40):
        pace.failed(SourceUnavailable("No connection.", reached=False))

    assert 4.0 < blocked(application) <= 5.0


def test_a_host_that_answers_badly_is_left_alone_for_longer_each_time(application: Application) -> None:
    pace = application.pace(Told())
    pace.start()
    for _ in range(8):
        pace.failed(SourceUnavailable("500"))

    assert blocked(application) > 16 / 10


def test_a_wait_longer_than_a_command_waits_ends_it(application: Application) -> None:
    pace = application.pace(Told())
    pace.start()
    pace.failed(RateLimited("429", retry_after=3_600))

    with pytest.raises(OutageTooLong, match="left alone for 60 min more"):
        pace.start()


def test_what_is_waited_for_is_told(application: Application) -> None:
    told = Told()
    pace = application.pace(told)
    pace.start()
    pace.start()
    pace.failed(RateLimited("Too many requests.", retry_after=0.1))
    pace.start()
    pace.succeeded()
    pace.start()

    whys = [why for _, why in told.waits]
    assert whys[0] == whys[-1] == "the rate limit"
    assert "another try: Too many requests." in whys
