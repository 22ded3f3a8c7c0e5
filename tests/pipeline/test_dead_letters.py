"""Dead letters as a whole: counted by kind, and sent again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

import pytest

from refnet.domain.dead_messages import UNDECODABLE, DeadMessage, JobMessage
from refnet.domain.errors import BrokerUnavailable, ConfigurationError
from refnet.domain.jobs import DeadLetter, Stage
from refnet.pipeline.dead_letters import MOST_KINDS, SentAgain, kinds, ledger_names, send_again, settle_jobs


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


# Jobs, and what the broker holds of them

DOI = "10.1000/x"


class Held:
    """A store with dead jobs, and a broker with messages of them, away from `away_after` on."""

    def __init__(self, jobs: Iterable[DeadLetter], found: Iterable[JobMessage], away_after: int = 99) -> None:
        self.jobs, self.found = list(jobs), list(found)
        self.listed: list[DeadMessage] = []
        self._left = away_after

    def dead_letters(self, crawl_id: int | None = None) -> list[DeadLetter]:
        return self.jobs

    def dead_messages(self) -> list[DeadMessage]:
        return self.listed

    def known(self, wanted: Iterable[str]) -> dict[str, str]:
        return {text: "a" for text in wanted if text == f"DOI:{DOI}"}

    def settle(self, ids: list[int]) -> list[int]:
        gone = [job.id for job in self.jobs if job.id in ids]
        self.jobs = [job for job in self.jobs if job.id not in ids]
        return gone

    def job_messages(self) -> list[JobMessage]:
        self._ask()
        return list(self.found)

    def remove(self, digests: Collection[str]) -> int:
        self._ask()
        self.found = [each for each in self.found if each.digest not in digests]
        return len(digests)

    def _ask(self) -> None:
        if self._left == 0:
            raise BrokerUnavailable("Away.")
        self._left -= 1

    def left(self) -> list[str]:
        return [each.digest for each in self.found]


def job(number: int, paper_id: str, stage: Stage = Stage.SUMMARIZE) -> DeadLetter:
    return DeadLetter(number, stage, paper_id, "no", 1, 0.0)


def about(digest: str, paper: str, stage: Stage = Stage.SUMMARIZE, *, by_hand: bool = False) -> JobMessage:
    return JobMessage(digest, stage, paper, not by_hand)


def test_messages_of_jobs_that_are_settled_leave_the_broker_and_those_of_others_stay() -> None:
    a, b = job(1, "a"), job(2, "b")
    held = Held([a, b], [about("1", "a"), about("2", "b"), about("3", "a", by_hand=True), about("4", "a")])
    assert settle_jobs(held, held, [a], held.settle) == ([1], None)
    assert held.left() == ["2"]


def test_a_message_by_hand_is_found_by_whichever_name_its_sender_gave_the_paper() -> None:
    a = job(1, "a")
    texts = ("a", f"https://doi.org/{DOI}", f"doi:{DOI}", "b", "", "\0 and \ud800")
    held = Held([a], [about(text, text, by_hand=True) for text in texts])
    settle_jobs(held, held, [a], held.settle)
    assert held.left() == ["b", "", "\0 and \ud800"]


def test_a_message_that_is_a_dead_letter_itself_stays_in_the_broker() -> None:
    a = job(1, "a")
    held = Held([a], [about("d7", "a", by_hand=True), about("d8", "a")])
    held.listed = [message(7), message(8)]
    settle_jobs(held, held, [a], held.settle)
    assert held.left() == ["d7", "d8"]


def test_of_another_stage_the_same_papers_message_stays() -> None:
    a = job(1, "a")
    held = Held(
        [a, job(2, "a", Stage.GENERATE)],
        [about("1", "a", Stage.GENERATE), about("2", "a", Stage.CRAWL, by_hand=True), about("3", "a")],
    )
    settle_jobs(held, held, [a], held.settle)
    assert held.left() == ["1", "2"]


def test_a_hint_whose_job_is_no_dead_letter_any_more_goes_with_the_next_ones() -> None:
    """It may have been about another job than the one that failed, or somebody asked for that job anew by hand."""
    a = job(1, "a")
    held = Held([a], [about("1", "revived")])
    settle_jobs(held, held, [a], held.settle)
    assert held.left() == []


def test_a_job_that_was_not_settled_keeps_its_messages() -> None:
    a = job(1, "a")
    held = Held([a], [about("1", "a"), about("2", "a", by_hand=True)])
    assert settle_jobs(held, held, [a], lambda _: []) == ([], None)
    assert held.left() == ["1", "2"]


@pytest.mark.parametrize("after", [0, 1])
def test_a_broker_that_is_away_keeps_no_job_from_being_settled(after: int) -> None:
    a = job(1, "a")
    held = Held([a], [about("1", "a")], away_after=after)
    assert settle_jobs(held, held, [a], held.settle) == ([1], "Away.")
    assert held.jobs == []


def test_a_broker_is_not_asked_where_no_job_is_settled() -> None:
    held = Held([], [], away_after=0)
    assert settle_jobs(held, held, [], held.settle) == ([], None)


def test_a_text_that_names_no_paper_is_its_own_name() -> None:
    held = Held([], [])
    assert ledger_names(held, ["\0", f"doi:{DOI}"]) == {"\0": {"�"}, f"doi:{DOI}": {f"doi:{DOI}", f"DOI:{DOI}", "a"}}
