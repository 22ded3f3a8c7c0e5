"""From a paper to the summary of its full text; and what is told where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.migrate import upgrade
from refnet.domain.about import ids
from refnet.domain.crawl import Ask
from refnet.domain.documents import FoundPdf, NoFullText
from refnet.domain.errors import (
    Cancelled,
    CredentialsRejected,
    LeaseLost,
    RateLimited,
    SourceUnavailable,
    StorageFull,
    StoreUnavailable,
)
from refnet.domain.jobs import Stage
from refnet.domain.papers import Paper
from refnet.domain.summaries import FULL_TEXT, NOTHING, Provenance, Summary
from refnet.pipeline.cluster import summarize_wave
from refnet.pipeline.full_texts import FullTexts, read_papers
from refnet.pipeline.lease import LEASE, Lease
from refnet.pipeline.progress import Silent
from tests.contract.making import answer, open_crawl, work_off
from tests.pipeline.reading import DOCUMENT, FirstSentence, Shelf, texts_of

PAPER = Paper("p1", "Stars", tldr="Counts stars.")
BARE = Paper("p2", "Moons")
AWAY = SourceUnavailable("arxiv.org does not answer.")


@dataclass
class Kept:
    """Implements `SummaryStore` in memory."""

    there: dict[str, Paper]
    made: dict[str, Summary] = field(default_factory=dict)

    def unsummarized(self, crawl_id: int) -> list[str]:
        raise NotImplementedError

    def papers(self, paper_ids: Sequence[str]) -> list[Paper]:
        return [self.there[one] for one in paper_ids if one in self.there]

    def save_summaries(self, made: Mapping[str, Summary]) -> None:
        self.made |= made

    def stored_summaries(self, paper_ids: Sequence[str]) -> Mapping[str, Summary]:
        return {one: self.made[one] for one in paper_ids if one in self.made}

    def summary_count(self, crawl_id: int) -> int:
        raise NotImplementedError


def shelf(**papers: object) -> Shelf:
    return Shelf(papers)  # type: ignore[arg-type]


def read(texts: FullTexts, *papers: Paper) -> dict[str, Summary]:
    store = Kept({paper.paper_id: paper for paper in papers})
    read_papers(list(store.there), "en", store, texts, Silent())
    return store.made


def test_a_paper_whose_pdf_is_read_has_a_summary_of_it() -> None:
    made = read(texts_of(shelf(p1=DOCUMENT)), PAPER)
    assert made["p1"].basis == FULL_TEXT
    assert made["p1"].why is None


@pytest.mark.parametrize(
    "why", [NoFullText.NOT_OPEN, NoFullText.NOT_A_PDF, NoFullText.NEEDS_PASSWORD, NoFullText.NO_TEXT]
)
def test_a_paper_that_cannot_be_read_is_summarised_from_what_there_is_and_the_reason_is_kept(why: NoFullText) -> None:
    made = read(texts_of(shelf(p1=why, p2=why)), PAPER, BARE)
    assert made == {"p1": Summary("Counts stars.", "tldr", why=why), "p2": Summary("", NOTHING, why=why)}


def test_what_no_place_answered_for_is_tried_once_more_when_the_others_are_done() -> None:
    papers = shelf(p1=AWAY, p2=DOCUMENT)
    made = read(texts_of(papers), PAPER, BARE)
    assert papers.asked == ["p1", "p2", "p1"]
    assert (made["p1"].why, made["p2"].basis) == (NoFullText.NOT_REACHED, FULL_TEXT)


def test_a_model_that_does_not_answer_is_asked_again_and_then_done_without() -> None:
    limited = RateLimited("The model is busy.")
    made = read(texts_of(shelf(p1=DOCUMENT), FirstSentence("gpt", [limited])), PAPER)
    assert made["p1"].provenance is not None
    assert made["p1"].provenance.model == "gpt"
    made = read(texts_of(shelf(p1=DOCUMENT), FirstSentence("gpt", [limited, limited])), PAPER)
    assert made["p1"].provenance is not None
    assert (made["p1"].provenance.model, made["p1"].provenance.fallback) == (None, "The model is busy.")


def test_a_model_that_refuses_its_key_leaves_summaries_of_the_offline_summariser_that_say_so() -> None:
    refused = CredentialsRejected("The model refused OPENAI_API_KEY.")
    made = read(texts_of(shelf(p1=DOCUMENT), FirstSentence("gpt", [refused, refused])), PAPER)
    assert made["p1"].provenance is not None
    assert made["p1"].provenance.fallback == "The model refused OPENAI_API_KEY."


def test_workers_are_told_of_what_is_worth_another_try() -> None:
    with pytest.raises(SourceUnavailable):
        texts_of(shelf(p1=AWAY)).summarize(PAPER, "en")


def test_a_full_disk_ends_it_and_what_was_made_stays() -> None:
    store = Kept({"p1": PAPER, "p2": BARE})
    papers = shelf(p1=DOCUMENT, p2=StorageFull("The disk is full."))
    with pytest.raises(StorageFull):
        read_papers(["p1", "p2"], "en", store, texts_of(papers), Silent())
    assert list(store.made) == ["p1"]


def test_it_stops_between_two_papers_when_nobody_wants_it_any_more() -> None:
    store = Kept({"p1": PAPER, "p2": BARE})
    looks = iter([None, Cancelled("stopped")])

    def check() -> None:
        if (error := next(looks)) is not None:
            raise error

    with pytest.raises(Cancelled):
        read_papers(["p1", "p2"], "en", store, texts_of(shelf(p1=DOCUMENT)), Silent(), check)
    assert list(store.made) == ["p1"]


def test_the_language_asked_for_reaches_the_summariser() -> None:
    texts = texts_of(shelf(p1=DOCUMENT))
    assert texts.summarize(PAPER, "ja").lang == "ja"
    assert replace(texts.summarize(PAPER, "ja"), lang="en") == texts.summarize(PAPER, "en")


READ = Summary("Read.", FULL_TEXT, provenance=Provenance("https://x.org/1", "ab" * 32, 4, 4))
BY_MODEL = replace(READ, provenance=Provenance("https://x.org/1", "ab" * 32, 4, 4, model="gpt", prompt="1"))


def test_what_was_read_once_is_not_lost_when_its_pdf_cannot_be_had_again() -> None:
    store = Kept({"p1": PAPER}, {"p1": READ})
    read_papers(["p1"], "en", store, texts_of(shelf(p1=NoFullText.NOT_OPEN)), Silent())
    assert store.made == {"p1": READ}


def test_what_a_model_made_is_not_lost_when_the_model_does_not_answer() -> None:
    away = RateLimited("The model is busy.")
    store = Kept({"p1": PAPER}, {"p1": BY_MODEL})
    read_papers(["p1"], "en", store, texts_of(shelf(p1=DOCUMENT), FirstSentence("gpt", [away, away])), Silent())
    assert store.made == {"p1": BY_MODEL}


def test_a_summary_is_made_anew_where_nothing_was_in_the_way() -> None:
    store = Kept({"p1": PAPER}, {"p1": BY_MODEL})
    read_papers(["p1"], "en", store, texts_of(shelf(p1=DOCUMENT)), Silent())
    assert store.made["p1"].text == "We count stars."


def test_summaries_of_models_that_gave_way_are_told_also_where_the_work_is_stopped() -> None:
    papers = {"p1": PAPER, "p2": BARE, "p3": replace(BARE, paper_id="p3")}
    by_other = replace(
        BY_MODEL, provenance=Provenance("https://x.org/1", "ab" * 32, 4, 4, model="my model", prompt="1")
    )
    store = Kept(papers, {"p1": BY_MODEL, "p2": by_other, "p3": BY_MODEL})
    told: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            told.append(line)

    with pytest.raises(StorageFull):
        read_papers(
            list(papers), "en", store, texts_of(shelf(p1=DOCUMENT, p2=DOCUMENT, p3=StorageFull("Full."))), Heard()
        )

    assert told[0].startswith("Papers read: 2 of 3.")
    kept = "its answers are kept, and used again in the same language with"
    assert told[1:] == [
        f"1 summary by gpt gave way to the offline summariser's; {kept}: --model gpt",
        f"1 summary by my model gave way to the offline summariser's; {kept}: --model 'my model'",
    ]


def test_summaries_that_no_model_had_made_and_those_that_one_makes_again_give_way_without_a_word() -> None:
    told: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            told.append(line)

    store = Kept({"p1": PAPER, "p2": BARE}, {"p1": BY_MODEL, "p2": READ})
    read_papers(["p1"], "en", store, texts_of(shelf(p1=DOCUMENT), FirstSentence("gpt")), Heard())
    read_papers(["p2"], "en", store, texts_of(shelf(p2=DOCUMENT)), Heard())

    assert told == []


def test_a_database_that_is_away_is_no_paper_that_cannot_be_reached() -> None:
    with pytest.raises(StoreUnavailable):
        texts_of(shelf(p1=StoreUnavailable("The database is away."))).summarize(PAPER, "en", last=True)


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (1, "1 summary stays as it was: what it rests on could not be had this time."),
        (2, "2 summaries stay as they were: what they rest on could not be had this time."),
    ],
)
def test_summaries_that_stay_are_counted_in_good_grammar(number: int, line: str) -> None:
    papers = {f"p{at}": Paper(f"p{at}", "Stars") for at in range(number)}
    told: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            told.append(line)

    read_papers(list(papers), "en", Kept(papers, dict.fromkeys(papers, READ)), texts_of(), Heard())
    assert told == [line]


def test_every_reason_for_which_the_model_did_not_make_summaries_is_told() -> None:
    papers = {f"p{number}": Paper(f"p{number}", "Stars") for number in range(5)}
    refused: list[Exception] = [CredentialsRejected(f"Reason {number}.") for number in range(5)]
    texts = texts_of(Shelf(dict.fromkeys(papers, DOCUMENT)), FirstSentence("gpt", refused))
    told: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            told.append(line)

    read_papers(list(papers), "en", Kept(papers), texts, Heard())
    assert [number for number in range(5) if any(f"Reason {number}." in line for line in told)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("number", "which"), [(1, "p0"), (5, "p0 p1 p2 p3 p4"), (6, "--all")])
def test_the_command_that_makes_summaries_again_names_the_papers_and_has_the_options_of_this_one(
    number: int, which: str
) -> None:
    papers = {f"p{at}": Paper(f"p{at}", "Stars") for at in range(number)}
    refused: list[Exception] = [CredentialsRejected("No key.")] * number
    texts = texts_of(Shelf(dict.fromkeys(papers, DOCUMENT)), FirstSentence("gpt", refused))
    told: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            told.append(line)

    read_papers(list(papers), "en", Kept(papers), texts, Heard(), options=["--vault", "/my notes"])
    (line,) = told
    assert line.endswith(f"again with: refnet summarize {which} --vault '/my notes'")


def test_lines_of_the_log_name_the_paper_that_is_read_and_none_between_two() -> None:
    named: list[Mapping[str, str]] = []

    class Heard(Shelf):
        def find(self, paper: Paper) -> FoundPdf | NoFullText:
            named.append(ids())
            return super().find(paper)

    papers = {one.paper_id: one for one in (PAPER, BARE)}
    read_papers(list(papers), "en", Kept(papers), texts_of(Heard()), Silent(), check=lambda: named.append(ids()))
    assert named == [{}, {"paper": "p1"}, {}, {"paper": "p2"}]


def test_workers_keep_what_was_read_when_a_paper_is_summarised_from_less(tmp_path: Path) -> None:
    engine = open_engine(database_url(f"sqlite:///{tmp_path / 'one.db'}"))
    upgrade(engine)
    store = ClusterStore(engine)
    crawl_id = open_crawl(store, "p1", depth=0)
    work_off(store, crawl_id, {"p1": answer("p1", tldr="Counts stars.")})
    store.save_summaries({"p1": READ})
    store.enqueue(Stage.SUMMARIZE, ["p1"])
    wave = store.claim_some(Stage.SUMMARIZE, "me", 9, lease=LEASE)
    assert wave is not None
    with Lease(store.renew, wave) as lease:
        summarize_wave(store, texts_of(), wave, lease)
    assert store.stored_summaries(["p1"]) == {"p1": READ}
    engine.dispose()


def test_a_worker_that_was_stopped_leaves_what_another_read_meanwhile_as_it_is(tmp_path: Path) -> None:
    engine = open_engine(database_url(f"sqlite:///{tmp_path / 'one.db'}"))
    upgrade(engine)

    class Sleeper(ClusterStore):
        """Stopped once it has seen that there is no summary, for so long that another reads the paper."""

        def stored_summaries(self, paper_ids: Sequence[str]) -> dict[str, Summary]:
            found = super().stored_summaries(paper_ids)
            self.free_owners(["late"])
            wave = self.claim_some(Stage.SUMMARIZE, "quick", 9, lease=LEASE)
            assert wave is not None
            self.record_summaries(wave, {"p1": READ})
            return found

    store = Sleeper(engine)
    crawl_id = open_crawl(store, "p1", depth=0)
    work_off(store, crawl_id, {"p1": answer("p1", tldr="Counts stars.")})
    store.enqueue(Stage.SUMMARIZE, ["p1"], Ask.DETAILS | Ask.FULL_TEXT)
    wave = store.claim_some(Stage.SUMMARIZE, "late", 9, lease=LEASE)
    assert wave is not None
    with pytest.raises(LeaseLost), Lease(store.renew, wave) as lease:
        summarize_wave(store, texts_of(), wave, lease)
    assert ClusterStore(engine).stored_summaries(["p1"])["p1"].basis == READ.basis
    engine.dispose()
