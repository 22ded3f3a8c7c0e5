"""S21: a task that needs a scope is refused, before it runs, where its signed claim lacks it. With a whole worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refnet.adapters.celery_queue.permission import CLAIM
from refnet.adapters.celery_queue.signing import HINT, JOB, WRONGLY_SIGNED
from refnet.demo.bundled import bundled_corpus
from refnet.domain.crawl import Limits
from refnet.domain.crawls import CrawlSeed, CrawlState, crawl_key
from refnet.domain.identifiers import parse_seed
from refnet.domain.jobs import Stage
from refnet.domain.papers import Direction
from refnet.domain.permissions import Scope
from refnet.domain.requests import Wish
from refnet.pipeline.announce import announce
from tests.cluster.lab import until
from tests.cluster.one_lab import FETCH, SUMMARIZE, OneLab
from tests.cluster.test_s20_signing import put, with_headers

pytestmark = pytest.mark.slow

CLAIMING = "tests.cluster.claiming_tasks"
DEAD = "process_failed_tasks"
#: Nobody consumes them, and what is there can be taken off and looked at.
ASIDE, NEXT = "generator", "summarizer"


@pytest.fixture(scope="module")
def opened(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneLab]:
    with OneLab(postgres_url, tmp_path_factory.mktemp("permission")) as one:
        yield one


@pytest.fixture
def one(opened: OneLab) -> OneLab:
    """One worker of the crawler's queue, which lives through all these tests."""
    if not opened.is_open:
        opened.lab().worker("crawler", app=CLAIMING, name="steady")
    return opened


@pytest.fixture(autouse=True)
def the_worker_lives(one: OneLab) -> Iterator[None]:
    yield
    worker = one.lab().workers[0]
    assert not worker.is_over, worker.text[-3000:]


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    """Where tasks write their claims."""
    return tmp_path / "claims"


def paper(number: int) -> str:
    return bundled_corpus().paper_id(number)


def is_collected(one: OneLab, paper_id: str) -> bool:
    return paper_id in one.lab().store.known([paper_id])


def refusals(one: OneLab) -> list[str]:
    """Why messages were refused so far."""
    return [letter.reason for letter in one.cluster.store.dead_messages()]


def taken(one: OneLab, queue: str, task: str) -> Any:
    """The first message for a task in a queue, taken off the broker with those before it."""
    with one.cluster.celery.connection_for_read() as connection:
        found = one.cluster.celery.amqp.queues[queue](connection.default_channel)

        def come() -> Any:
            message = found.get(no_ack=True)
            return message if message is not None and message.headers["task"] == task else None

        return until(come, what=f"a message for {task} in {queue}")


def summarize_what_is_due(one: OneLab) -> None:
    """So that workers are told of nothing else."""
    store = one.cluster.store
    while (wave := store.claim_some(Stage.SUMMARIZE, "the test", 9, lease=45)) is not None:
        store.record_summaries(wave, {})


def hand_over(one: OneLab, seed: str, claim: Scope | None) -> int:
    """A crawl of one paper that the workers do."""
    about = (crawl_key([seed], Direction.BOTH), Direction.BOTH, 0, 9, [CrawlSeed(seed, seed, "")], None)
    crawl_id = one.cluster.store.hand_over(*about, vault=None, lang="en", limits=Limits(), claim=claim)
    announce(one.cluster.store, one.cluster.announcer)
    return crawl_id


# ---------------------------------------------------------------- crawls


def test_s21_the_claim_of_a_crawl_goes_with_its_hints_from_stage_to_stage(one: OneLab) -> None:
    hand_over(one, paper(6), Scope.WRITE)

    hint = taken(one, NEXT, SUMMARIZE)
    summarize_what_is_due(one)

    assert is_collected(one, paper(6))
    assert (hint.headers[HINT], hint.headers[CLAIM]) == (True, "write")
    [(about,)] = one.lab().query("SELECT paper_id FROM jobs WHERE id = :id", id=hint.headers[JOB])
    assert about in str(hint.body), "and the job that it is about"


def test_s21_a_crawl_of_the_operators_has_none(one: OneLab) -> None:
    hand_over(one, paper(7), None)

    hint = taken(one, NEXT, SUMMARIZE)
    summarize_what_is_due(one)

    assert paper(7) in str(hint.body)
    assert CLAIM not in hint.headers


def test_s21_the_jobs_of_a_crawl_whose_claim_does_not_reach_are_given_up_with_the_reason(one: OneLab) -> None:
    before = len(refusals(one))
    crawl_id = hand_over(one, paper(8), Scope.READ)

    [letter] = until(lambda: one.lab().store.dead_letters(crawl_id), what="the job among the dead letters")

    assert letter.reason == f"Its claim is 'read', and it needs 'write': {FETCH} was not run."
    one.cluster.store.go_on(Limits())
    assert one.lab().store.dead_letters(crawl_id) == [letter], "it stays one when the crawl goes on"
    assert not is_collected(one, paper(8))
    one.ask(FETCH, paper(8), headers={CLAIM: "read"})  # what is refused is recorded one after another
    until(lambda: len(refusals(one)) > before, what="that refusal")
    assert len(refusals(one)) == before + 1, "the message is no second dead letter beside the job"


def test_s21_a_crawl_asked_for_by_whom_it_may_not_be_done_is_refused_once_and_has_failed(one: OneLab) -> None:
    store, before = one.cluster.store, len(refusals(one))
    identity = store.add_request(Wish((parse_seed(paper(9)),)), Scope.READ)
    announce(store, one.cluster.announcer)

    why = f"Its claim is 'read', and it needs 'write': {FETCH} was not run."
    view = until(lambda: (found := store.crawl_view(identity)) and found.reason and found, what="the crawl to fail")
    assert (view.state, view.reason) == (CrawlState.FAILED, why)
    assert not store.requests_due(), "nobody is told of it again"
    [told] = until(lambda: refusals(one)[before:], what="the dead letter")
    assert told == why


# ---------------------------------------------------------------- what is refused


def test_s21_a_key_that_reads_fetches_nothing_and_the_refusal_is_a_dead_letter(one: OneLab) -> None:
    requests, before = len(one.lab().stand_in.log), len(refusals(one))

    told = one.ask(FETCH, paper(1), headers={CLAIM: "read"})

    why = f"Its claim is 'read', and it needs 'write': {FETCH} was not run."
    assert (told.status, type(told.result).__name__, told.why) == ("FAILURE", "NotPermitted", why)
    # This one's, for others say the same: what comes late would be taken for the next test's.
    assert until(lambda: refusals(one)[before:], what="the dead letter") == [why]
    listed = one.lab().refnet.done("dead", "list", "--json").json
    assert (FETCH, why) in [(letter["task"], letter["reason"]) for letter in listed]
    until(lambda: one.cluster.depths()["dlq"], what="the message in dlq")
    assert len(one.lab().stand_in.log) == requests
    assert not one.lab().query("SELECT 1 FROM jobs WHERE paper_id = :id", id=paper(1))


def test_s21_the_refusal_is_kept_however_it_stands_with_the_papers_job(one: OneLab) -> None:
    """What fails by hand while its job is a dead letter is not listed twice; this is another matter."""
    one.cluster.store.bury_by_hand(Stage.CRAWL, paper(2), "For the test.")
    before = refusals(one)

    one.ask(FETCH, paper(2), headers={CLAIM: "read"})

    until(lambda: len(refusals(one)) == len(before) + 1, what="the dead letter")
    assert "For the test." in [letter.reason for letter in one.cluster.store.dead_letters()]


def test_s21_dead_letters_are_tried_again_by_an_administrator_only(one: OneLab) -> None:
    told = one.ask(DEAD, headers={CLAIM: "write"})
    assert (told.status, told.why) == ("FAILURE", f"Its claim is 'write', and it needs 'admin': {DEAD} was not run.")

    for headers in ({CLAIM: "admin"}, {}):
        assert one.ask(DEAD, headers=headers).status == "SUCCESS"


def test_s21_a_claim_that_is_no_scope_is_refused_whatever_the_task(one: OneLab) -> None:
    assert one.ask("health_check", headers={CLAIM: "read"}).status == "SUCCESS"
    for claim in ("root", None, ["admin"]):
        told = one.ask("health_check", headers={CLAIM: claim})
        assert (told.status, type(told.result).__name__) == ("FAILURE", "NotPermitted")


def test_s21_a_claim_that_was_changed_or_taken_away_does_not_fit_the_signature(one: OneLab, claims: Path) -> None:
    one.cluster.celery.send_task("claiming.tell", (str(claims),), queue=ASIDE, headers={CLAIM: "read"})
    message = taken(one, ASIDE, "claiming.tell")

    for changed in ("admin", None, ...):
        put(one, message, **with_headers(message, **{CLAIM: changed}))
    until(lambda: refusals(one).count(WRONGLY_SIGNED) == 3, what="the refusals")
    assert not claims.exists()

    put(one, message)
    # The file is there a moment before the line in it.
    assert until(lambda: claims.exists() and claims.read_text(), what="the message as it was") == "read\n"


# ---------------------------------------------------------------- what runs


def test_s21_a_task_without_a_claim_and_one_whose_claim_reaches_run(one: OneLab) -> None:
    for number, headers in ((3, {}), (4, {CLAIM: "write"}), (5, {CLAIM: "admin"})):
        assert one.ask(FETCH, paper(number), 1, headers=headers).status == "SUCCESS"
        assert is_collected(one, paper(number))


@pytest.mark.parametrize("way", ["retry", "back_off", "die"])
def test_s21_a_retry_keeps_the_claim(one: OneLab, claims: Path, way: str) -> None:
    told = one.ask(f"claiming.{way}", str(claims), headers={CLAIM: "write"})

    assert told.status == "SUCCESS"
    assert claims.read_text().split() == ["write", "write"]


@pytest.mark.parametrize("said", [None, "admin"])
def test_s21_what_a_task_sends_has_its_claim(one: OneLab, claims: Path, said: str | None) -> None:
    one.ask("claiming.send", str(claims), said, headers={CLAIM: "read"})

    until(lambda: len(claims.read_text().split()) == 6, what="the children")
    assert set(claims.read_text().split()) == {"read"}
