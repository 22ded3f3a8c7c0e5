"""Dead letters as a whole: counted by kind, and sent again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest

from refnet.domain.dead_messages import UNDECODABLE, DeadMessage
from refnet.domain.errors import BrokerUnavailable, ConfigurationError
from refnet.domain.jobs import DeadLetter
from refnet.pipeline.dead_letters import MOST_KINDS, SentAgain, kinds, send_again


def message(number: int, kept: bytes | None = b"m", queue: str = "crawler") -> DeadMessage:
    return DeadMessage(
        number, f"d{number}", queue, None, None, "forged", 1, 0.0, message=kept, is_kept=kept is not None
    )


class Both:
    """A store and a broker that write down, in order, what is asked of them; the broker is away from `away_after` on."""

    def __init__(self, *messages: DeadMessage, away_after: int = 99) -> None:
        self.messages = {one.id: one for one in messages}
        self.told: list[str] = []
        self._left = away_after

    @contextmanager
    def taking_dead_message(self, identity: int) -> Iterator[DeadMessage | None]:
        yield self.messages.get(identity)
        self.messages.pop(identity, None)

    @contextmanager
    def resending(self, digests: Collection[str]) -> Iterator[Both]:
        self._ask(f"look for {' '.join(sorted(digests))}")
        yield self

    def send(self, queue: str, message: bytes, digest: str) -> None:
        self._ask(f"send {message.decode()}, which is {digest}, to {queue}")
        if queue == "nowhere":
            raise ConfigurationError("There is no queue nowhere.")

    def _ask(self, what: str) -> None:
        if self._left == 0:
            raise BrokerUnavailable("Away.")
        self._left -= 1
        self.told.append(what)


def test_messages_are_sent_over_one_connection_and_forgotten() -> None:
    one, two = message(1, b"one"), message(2, b"two", "generator")
    both = Both(one, two)
    assert send_again(both, both, [one, two]) == SentAgain([1, 2], {})
    assert both.told == ["look for d1 d2", "send one, which is d1, to crawler", "send two, which is d2, to generator"]
    assert both.messages == {}


def test_of_a_broker_that_goes_away_midway_it_is_told_how_many_were_sent() -> None:
    both = Both(message(1), message(2), away_after=2)
    with pytest.raises(BrokerUnavailable, match=r"Away\. 1 of 2 messages were sent again\."):
        send_again(both, both, [message(1), message(2)])
    assert list(both.messages) == [2]


def test_a_message_that_somebody_else_has_sent_meanwhile_is_not_sent_twice() -> None:
    both = Both(message(2))
    assert send_again(both, both, [message(1), message(2)]) == SentAgain([2], {})


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (message(1, None), "it was too long to keep"),
        (message(1, b"x", UNDECODABLE), "it is no message"),
        (message(1, b"x", "nowhere"), "There is no queue nowhere."),
    ],
)
def test_what_cannot_be_sent_stays_and_says_why_and_the_next_is_sent(bad: DeadMessage, why: str) -> None:
    both = Both(bad, message(2))
    done = send_again(both, both, [bad, message(2)])
    assert done.ids == [2]
    assert done.left[1].startswith(why)
    assert list(both.messages) == [1]


def test_a_broker_is_not_asked_where_there_is_nothing_to_send() -> None:
    both = Both(message(1, None), away_after=0)
    assert list(send_again(both, both, [message(1, None)]).left) == [1]


def test_reasons_that_differ_in_names_and_numbers_only_are_one_kind() -> None:
    jobs = [
        DeadLetter(1, "crawl", "a", f"Semantic Scholar knows no paper {number:040x}.", 1, 0.0) for number in range(5)
    ]
    found = kinds([*jobs, message(9), DeadLetter(7, "crawl", "a", "“x y” names no paper. Look again.", 1, 0.0)])
    assert found == {"Semantic Scholar knows no paper …": 5, "forged": 1, "… names no paper": 1}
    many = [DeadLetter(1, "crawl", "a", f"It is {chr(96 + number)}", 1, 0.0) for number in range(1, MOST_KINDS + 6)]
    assert len(kinds(many)) == MOST_KINDS + 1
    assert kinds(many)["other reasons"] == 5
