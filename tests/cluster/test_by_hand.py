"""Tasks that somebody sends by hand, well formed or not, and hints of which the ledger knows nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from celery.utils import uuid

from refnet.adapters.celery_queue.signing import HINT
from refnet.demo.bundled import bundled_corpus
from tests.cluster.lab import until
from tests.cluster.one_lab import BATCH, FETCH, GENERATE, SUMMARIZE, OneLab

pytestmark = pytest.mark.slow

UNKNOWN = "f" * 40


@pytest.fixture(scope="module")
def opened(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneLab]:
    with OneLab(postgres_url, tmp_path_factory.mktemp("by-hand")) as one:
        yield one


@pytest.fixture
def hand(opened: OneLab) -> OneLab:
    """One worker of all queues, which lives through all these tests."""
    if not opened.is_open:
        opened.lab().worker(name="steady")
    return opened


@pytest.fixture(autouse=True)
def the_worker_lives(hand: OneLab) -> Iterator[None]:
    yield
    worker = hand.lab().workers[0]
    assert not worker.is_over, worker.text[-3000:]
    assert hand.ask("health_check").status == "SUCCESS"


def paper_of(identifier: str) -> str:
    corpus = bundled_corpus()
    index = corpus.resolve(identifier)
    assert index is not None
    return corpus.paper_id(index)


def ledger(one: OneLab) -> list[Any]:
    """What the ledger holds, as far as it tells what is to be done."""
    return one.lab().query("SELECT stage, paper_id, state, ask, attempts, losses FROM jobs ORDER BY stage, paper_id")


def requests(one: OneLab) -> int:
    return len(one.lab().stand_in.log)


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("DOI:10.1561/1500000019", "DOI:10.1561/1500000019"),
        ("10.1162/neco.1997.9.8.1735", "DOI:10.1162/neco.1997.9.8.1735"),
        ("https://doi.org/10.3115/v1/D14-1162", "ACL:D14-1162"),
        ("arXiv:1310.4546", "arXiv:1310.4546"),
        ("1301.3781", "arXiv:1301.3781"),
        ("https://arxiv.org/abs/1412.6980v9", "arXiv:1412.6980"),
        ("ACL:D13-1160", "ACL:D13-1160"),
        ("CorpusId:9", "CorpusId:9"),
        ("https://www.semanticscholar.org/paper/{}", "arXiv:1409.0473"),
        ("{}", "arXiv:1409.3215"),
    ],
)
def test_every_form_of_an_id_leads_to_the_paper(hand: OneLab, text: str, which: str) -> None:
    paper = paper_of(which)

    told = hand.ask(FETCH, text.format(paper), 1)

    assert (told.status, told.result) == ("SUCCESS", {"status": "success", "paper_id": paper})
    assert hand.lab().query("SELECT 1 FROM papers WHERE paper_id = :id AND fetched_at IS NOT NULL", id=paper)


def test_a_paper_asked_for_twice_at_once_is_asked_of_the_source_once(hand: OneLab) -> None:
    paper = paper_of("arXiv:1410.5401")

    ids = [hand.send(FETCH, paper, 1) for _ in range(4)]

    assert [hand.told(task).status for task in ids] == ["SUCCESS"] * 4
    assert sum(paper in entry.asked for entry in hand.lab().stand_in.log) == 1


def test_a_paper_already_collected_makes_no_request_whatever_id_it_is_asked_by(hand: OneLab) -> None:
    hand.ask(FETCH, "arXiv:1508.04025", 1)
    before = requests(hand)

    told = [hand.ask(FETCH, text, 1) for text in ("arXiv:1508.04025", paper_of("arXiv:1508.04025"))]

    assert {one.result["paper_id"] for one in told} == {paper_of("arXiv:1508.04025")}
    assert requests(hand) == before


def test_a_paper_collected_under_its_own_id_is_known_by_another_too(hand: OneLab) -> None:
    paper = paper_of("arXiv:1508.07909")
    hand.ask(FETCH, paper, 1)

    told = hand.ask(FETCH, "arXiv:1508.07909", 1)

    assert (told.status, told.result) == ("SUCCESS", {"status": "success", "paper_id": paper})
    letters = hand.lab().refnet("dead", "list", "--json").json
    assert not [one for one in letters if "1508.07909" in one["paper_id"]]


def test_at_less_than_the_greatest_depth_a_paper_is_expanded_into_the_crawl_by_hand(hand: OneLab) -> None:
    seed = paper_of("arXiv:2401.18059")
    around = bundled_corpus().breadth_first(seed, 1)[1]
    assert around

    assert hand.ask(FETCH, seed).status == "SUCCESS"

    collected = (
        "SELECT paper_id FROM crawl_papers JOIN crawls ON crawls.id = crawl_id JOIN papers USING (paper_id)"
        " WHERE key = 'manual' AND fetched_at IS NOT NULL"
    )
    until(lambda: around <= {row.paper_id for row in hand.lab().query(collected)}, what="the neighbours")


def test_at_the_greatest_depth_a_paper_stays_alone(hand: OneLab) -> None:
    seed = paper_of("arXiv:2403.14403")
    members = "SELECT count(*) FROM crawl_papers"
    before = hand.lab().query(members)[0][0]

    assert hand.ask(FETCH, seed, 1).status == "SUCCESS"
    assert hand.ask(FETCH, paper_of("arXiv:2405.14831"), 7).status == "SUCCESS"

    assert hand.lab().query(members)[0][0] <= before + 2


def test_a_paper_is_summarised_and_its_note_written_by_hand(hand: OneLab) -> None:
    paper = paper_of("arXiv:1706.03762")
    hand.ask(FETCH, "arXiv:1706.03762", 1)

    summarised, written = hand.ask(SUMMARIZE, paper), hand.ask(GENERATE, "https://arxiv.org/abs/1706.03762")

    assert summarised.result == {"status": "success", "paper_id": paper}
    assert written.result == {"status": "success", "paper_id": paper, "note": "Vaswani 2017 Attention Is All You Need"}
    note = (hand.lab().vault / "papers" / "Vaswani 2017 Attention Is All You Need.md").read_text()
    assert "## Summary" in note


@pytest.mark.parametrize("task", [SUMMARIZE, GENERATE])
def test_what_needs_a_collected_paper_says_so_where_it_is_not(hand: OneLab, task: str) -> None:
    told = hand.ask(task, paper_of("arXiv:2310.11511"))

    assert told.status == "FAILURE"
    assert told.why.endswith("is not collected yet: fetch it first (crawler.tasks.fetch_paper_metadata).")


def test_a_paper_that_the_source_does_not_know_is_a_failure_with_the_reason_and_a_dead_letter(hand: OneLab) -> None:
    told = hand.ask(FETCH, UNKNOWN)

    assert (told.status, told.why) == ("FAILURE", f"Semantic Scholar knows no paper {UNKNOWN}.")
    letters = hand.lab().refnet("dead", "list", "--json").json
    assert [(one["stage"], one["reason"]) for one in letters if one["paper_id"] == UNKNOWN] == [("crawl", told.why)]


BAD_IDS: list[Any] = [7, None, True, 1.5, [], {}, ["a"], "", "  ", "a\0b", "x" * 10_000, "paper123", "../../etc/passwd"]


@pytest.mark.parametrize("task", [FETCH, SUMMARIZE, GENERATE])
def test_what_names_no_paper_is_a_failure_in_one_plain_sentence(hand: OneLab, task: str) -> None:
    before = requests(hand)

    told = [hand.told(task_id) for task_id in [hand.send(task, given) for given in BAD_IDS]]

    assert [one.status for one in told] == ["FAILURE"] * len(BAD_IDS)
    for given, one in zip(BAD_IDS, told, strict=True):
        assert re.fullmatch(r"[^\n]{10,400}\.|[^\n]{10,400}\)", one.why), (given, one.why)
    assert requests(hand) == before


def test_half_a_surrogate_which_no_text_can_hold_is_kept_among_what_cannot_be_decoded(hand: OneLab) -> None:
    hand.send(FETCH, "\ud800")

    with hand.redis.client() as redis:
        until(lambda: redis.llen("dlq.raw") == 1, what="the message to be set aside")
    # A sweep makes an entry of it, some seconds later.
    set_aside = "SELECT 1 FROM dead_messages WHERE digest LIKE 'raw:%'"
    until(lambda: hand.lab().query(set_aside), what="the entry among the dead letters")


@pytest.mark.parametrize("depth", [-1, "x", "1", 1.5, True, 10**6, [1]])
def test_a_depth_that_is_none_is_a_failure_and_asks_nothing(hand: OneLab, depth: object) -> None:
    quiet(hand)
    before, asked = ledger(hand), requests(hand)

    told = hand.ask(FETCH, paper_of("arXiv:2302.13971"), depth)

    assert (told.status, told.why) == ("FAILURE", f"depth has to be a number from 0, not {str(depth)!r}.")
    assert (ledger(hand), requests(hand)) == (before, asked)


@pytest.mark.parametrize("given", ["arXiv:2302.13971", {"a": 1}, 7, None])
def test_a_batch_that_is_no_list_is_a_failure(hand: OneLab, given: object) -> None:
    told = hand.ask(BATCH, given)

    assert (told.status, told.why) == ("FAILURE", "paper_ids has to be a list of at most 100,000 ids.")


@pytest.mark.parametrize("args", [(), ("a", 1, 2)], ids=["too few", "too many"])
def test_too_few_or_too_many_arguments_are_a_failure(hand: OneLab, args: tuple[object, ...]) -> None:
    told = hand.ask(FETCH, *args)

    assert told.status == "FAILURE"
    assert "argument" in told.why


# ---------------------------------------------------------------- hints


def quiet(one: OneLab) -> None:
    """Wait until nothing is at work or due, nor will be by itself."""
    to_do = "SELECT 1 FROM jobs WHERE state IN ('queued', 'running') UNION SELECT 1 FROM crawls WHERE state = 'running'"
    until(lambda: not one.lab().query(to_do), what="the ledger to be at rest")
    until(lambda: not any(one.cluster.depths()[queue] for queue in ("crawler", "summarizer", "generator")))


@pytest.mark.parametrize("mark", ["0" * 64, "", "ü", 7, [], {"a": 1}, "x" * 10_000], ids=lambda mark: repr(mark)[:12])
def test_a_hint_of_what_nobody_asked_for_changes_nothing(hand: OneLab, mark: object) -> None:
    quiet(hand)
    before, asked = ledger(hand), requests(hand)

    told = hand.ask(FETCH, paper_of("arXiv:2305.06983"), headers={HINT: mark})

    assert (told.status, told.result["papers"]) == ("SUCCESS", 0)
    assert (ledger(hand), requests(hand)) == (before, asked)


def test_a_hint_for_a_paper_that_nobody_asked_for_makes_no_row(hand: OneLab) -> None:
    quiet(hand)
    paper, before, asked = "e" * 40, ledger(hand), requests(hand)

    told = hand.ask(FETCH, paper, headers={HINT: True})

    assert (told.status, told.result) == ("SUCCESS", {"status": "success", "paper_id": paper, "papers": 0})
    assert (ledger(hand), requests(hand)) == (before, asked)


def test_a_doubled_hint_does_nothing_more(hand: OneLab) -> None:
    quiet(hand)
    paper, task_id = paper_of("arXiv:2309.15217"), uuid()
    hand.cluster.store.add_by_hand([paper], None, 1, str(hand.lab().vault))

    told = [hand.told(hand.send(FETCH, paper, headers={HINT: True}, task_id=task_id)) for _ in range(3)]

    assert {one.status for one in told} == {"SUCCESS"}
    until(lambda: hand.lab().query("SELECT 1 FROM papers WHERE paper_id = :id AND fetched_at IS NOT NULL", id=paper))
    quiet(hand)
    assert sum(paper in entry.asked for entry in hand.lab().stand_in.log) == 1


def test_a_hint_with_bad_arguments_is_a_failure_and_no_more(hand: OneLab) -> None:
    quiet(hand)
    before = ledger(hand)
    odd: list[Any] = [7, [], "a\0b", "x" * 10_000]

    told = [hand.ask(FETCH, given, headers={HINT: True}) for given in odd]

    assert {one.status for one in told} <= {"FAILURE", "SUCCESS"}
    assert ledger(hand) == before


def test_a_paper_fetched_under_one_id_is_summarised_and_written_under_another(hand: OneLab) -> None:
    paper = paper_of("DOI:10.1561/1500000019")
    assert hand.ask(FETCH, paper).status == "SUCCESS"

    for task in (SUMMARIZE, GENERATE):
        told = hand.ask(task, "https://doi.org/10.1561/1500000019")
        assert (told.status, told.result["paper_id"]) == ("SUCCESS", paper)


def test_an_id_that_nobody_knows_is_dead_again_when_its_dead_letter_is_retried(hand: OneLab) -> None:
    unknown, lab = "e" * 40, hand.lab()
    messages = len(lab.store.dead_messages())
    assert hand.ask(FETCH, unknown).status == "FAILURE"
    [letter] = [one for one in lab.store.dead_letters() if one.paper_id == unknown]

    lab.refnet.done("dead", "retry", str(letter.id))
    until(lambda: [one for one in lab.store.dead_letters() if one.id == letter.id], what="the same answer again")
    [again] = [one for one in lab.store.dead_letters() if one.paper_id == unknown]
    assert again.reason == letter.reason == f"Semantic Scholar knows no paper {unknown}."
    new = lab.store.dead_messages()[messages:]
    assert new == [], "one dead letter each, and that is the job"
