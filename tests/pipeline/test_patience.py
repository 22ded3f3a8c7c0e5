from __future__ import annotations

import pytest

from refnet.domain.errors import (
    ConfigurationError,
    CredentialsRejected,
    OutageTooLong,
    RateLimited,
    SourceUnavailable,
)
from refnet.pipeline.patience import Patience

DOWN = SourceUnavailable("502.")
NO_NETWORK = SourceUnavailable("The name cannot be resolved.", reached=False)
REFUSED = CredentialsRejected("403.")


class Clock:
    now = 5_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patience(clock: Clock) -> Patience:
    return Patience(clock=clock)


@pytest.mark.parametrize("error", [DOWN, RateLimited("429.", retry_after=600)])
def test_an_outage_is_borne_for_a_quarter_of_an_hour(
    patience: Patience, clock: Clock, error: SourceUnavailable
) -> None:
    patience.failed(error)
    clock.now += 899
    patience.failed(error)
    clock.now += 1
    with pytest.raises(OutageTooLong, match=r"No request succeeded for 15 min: .* resumes"):
        patience.failed(error)


def test_the_time_counts_from_the_last_success(patience: Patience, clock: Clock) -> None:
    clock.now += 899
    patience.succeeded()
    clock.now += 899
    patience.failed(DOWN)
    clock.now += 1
    with pytest.raises(OutageTooLong):
        patience.failed(DOWN)


def test_without_a_network_a_minute_is_enough(patience: Patience, clock: Clock) -> None:
    patience.failed(NO_NETWORK)
    clock.now += 59
    patience.failed(NO_NETWORK)
    clock.now += 1
    with pytest.raises(OutageTooLong, match=r"No request gets through: .* Check the network"):
        patience.failed(NO_NETWORK)


@pytest.mark.parametrize("reached", ["succeeded", "failed", "refused"])
def test_a_network_that_was_there_is_waited_for_as_any_outage(patience: Patience, clock: Clock, reached: str) -> None:
    if reached == "succeeded":
        patience.succeeded()
    elif reached == "failed":
        patience.failed(DOWN)
    else:
        patience.refused(REFUSED)
    clock.now += 899
    patience.failed(NO_NETWORK)
    clock.now += 1
    with pytest.raises(OutageTooLong, match="15 min"):
        patience.failed(NO_NETWORK)


def test_a_key_refused_twice_at_its_first_use_is_a_wrong_setting(patience: Patience) -> None:
    patience.refused(REFUSED)
    with pytest.raises(ConfigurationError, match="403"):
        patience.refused(REFUSED)


def test_a_key_that_worked_and_is_refused_twice_stops_the_work(patience: Patience) -> None:
    patience.succeeded()
    patience.refused(REFUSED)
    with pytest.raises(CredentialsRejected):
        patience.refused(REFUSED)


def test_a_refusal_is_forgotten_when_the_key_works(patience: Patience) -> None:
    for _ in range(5):
        patience.refused(REFUSED)
        patience.succeeded()


def test_the_spans_may_be_set(clock: Clock) -> None:
    short = Patience(outage=10, no_network=5, clock=clock)
    clock.now += 5
    with pytest.raises(OutageTooLong, match="gets through"):
        short.failed(NO_NETWORK)
    clock.now += 5
    with pytest.raises(OutageTooLong, match="1 min"):
        short.failed(DOWN)
