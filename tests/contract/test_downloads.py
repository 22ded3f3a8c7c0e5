"""What became of addresses that PDFs were sought at, on both databases."""

from __future__ import annotations

import math
import threading

from sqlalchemy import Engine

from refnet.adapters.database.downloads import DownloadTable
from refnet.domain.documents import NoFullText
from refnet.domain.downloads import REFUSED_FOR, UNANSWERED_FOR, Download
from tests.contract.conftest import Clock

URL = "https://papers.example/7.pdf"


def test_an_address_that_was_never_asked_has_no_answer(engine: Engine, clock: Clock) -> None:
    assert DownloadTable(engine, clock=clock).last(URL) is None


def test_an_answer_is_kept_whole_and_grows_old(engine: Engine, clock: Clock) -> None:
    table = DownloadTable(engine, clock=clock)
    answers = [
        Download(URL, 200, sha256="0" * 64, etag='W/"a;\u00ff"'),
        Download(f"{URL}?2", 403, NoFullText.NOT_OPEN.value),
        Download(f"{URL}?3", 200, leads_to="https://papers.example/8.pdf"),
        Download(f"{URL}?4", None, "papers.example:443 gave no answer within 20 s."),
    ]
    for answer in answers:
        table.keep(answer)
    assert [table.last(answer.url) for answer in answers] == answers

    clock.move(100.0)
    assert [found.age for answer in answers if (found := table.last(answer.url))] == [100.0] * 4


def test_a_new_answer_takes_the_place_of_the_last_with_all_that_it_said(engine: Engine, clock: Clock) -> None:
    table = DownloadTable(engine, clock=clock)
    table.keep(Download(URL, 200, sha256="0" * 64, etag="e"))
    clock.move(100.0)

    table.keep(Download(URL, 500, "a fault"))

    assert table.last(URL) == Download(URL, 500, "a fault")


def test_the_longest_address_has_its_place(engine: Engine, clock: Clock) -> None:
    # Random-looking, for PostgreSQL's index would pack anything else.
    longest = "https://papers.example/" + "".join(chr(33 + (i * i * 7_919 + i) % 94) for i in range(1_977))
    table = DownloadTable(engine, clock=clock)
    table.keep(Download(longest, 200, leads_to=longest))

    assert len(longest) == 2_000
    assert table.last(longest) == Download(longest, 200, leads_to=longest)


def test_processes_that_got_answers_of_the_same_address_at_once_each_keep_theirs(engine: Engine, clock: Clock) -> None:
    table = DownloadTable(engine, clock=clock)
    failed: list[Exception] = []

    def keep(status: int) -> None:
        try:
            for number in range(10):
                table.keep(Download(f"{URL}?{number}", status, "x"))
        except Exception as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=keep, args=(500 + number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert all(table.last(f"{URL}?{number}") is not None for number in range(10))


def test_how_long_an_answer_counts_depends_on_what_it_was() -> None:
    refused, page = Download(URL, 404, NoFullText.NOT_OPEN.value), Download(URL, 200, leads_to="https://x.example/")
    for answer, seconds in ((refused, 30 * 86_400.0), (page, 30 * 86_400.0), (Download(URL, 503, "away"), 50.0)):
        assert answer.counts_for == seconds
    assert Download(URL, 200, sha256="0" * 64, age=1e9).counts_for == math.inf
    assert Download(URL, 404, NoFullText.NOT_OPEN.value, age=REFUSED_FOR - 1).counts_for == 1
    assert Download(URL, 404, NoFullText.NOT_OPEN.value, age=REFUSED_FOR + 1).counts_for == 0
    assert Download(URL, None, "away", age=UNANSWERED_FOR).counts_for == 0
    # A clock that was set back makes nothing count for longer.
    assert Download(URL, None, "away", age=-1e6).counts_for == UNANSWERED_FOR


def test_only_a_refusal_is_one() -> None:
    assert Download(URL, 200, NoFullText.NOT_A_PDF.value).refusal is NoFullText.NOT_A_PDF
    assert Download(URL, 500, "a fault").refusal is None
    assert Download(URL, 200, sha256="0" * 64).refusal is None
