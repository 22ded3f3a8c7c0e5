"""Papers read from their PDFs: from one command to notes that say what a paper found, and on which page."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from refnet.demo.bundled import demo_corpus, demo_downloads
from refnet.demo.faults import Reply
from refnet.demo.server import StandIn
from tests.acceptance.command import Refnet, stamps
from tests.acceptance.conftest import User
from tests.model_server import ModelServer

#: Each runs the whole command, most several times.
pytestmark = pytest.mark.slow

#: Invented papers, by how their PDF is found.
PREPRINT = "93b04e6d275d1f212068f0ece499f28b4824359d"
JAPANESE = "1f6913e7aa1abddcdcfcaac5002b3406a660a115"
OPEN = "0992309defb9194f5516e17029f6de92eb84f09d"
LANDING = "71e470aaeb9ea2caca3dc41dde6f0ecd6dc21874"
CLOSED = "5ef56432e386b9c5c13709ed387d4c93d53c8aa8"
ALL = (PREPRINT, JAPANESE, OPEN, LANDING, CLOSED)
MAP = ("map", *ALL, "--depth", "0", "--summaries", "all", "--json")


@pytest.fixture
def library() -> StandIn:  # type: ignore[misc]
    with StandIn(demo_corpus(), downloads=demo_downloads()) as server:
        yield server


@pytest.fixture
def reader(user: User, library: StandIn) -> Refnet:
    """Somebody whose PDFs come from that library."""
    place = urlsplit(library.url).netloc
    return user(library, REFNET_ARXIV_URL=library.origin, REFNET_ALLOW_PRIVATE_HOSTS=place)


def note_of(refnet: Refnet, paper_id: str, vault: str = "vault") -> str:
    """The text of a paper's note."""
    [text] = [
        text
        for file in (refnet.folder / vault / "papers").glob("*.md")
        if f'paper_id: "{paper_id}"' in (text := file.read_text(encoding="utf-8"))
    ]
    return text


def section(note: str, heading: str) -> list[str]:
    return note.partition(f"## {heading}\n\n")[2].partition("\n\n## ")[0].splitlines()


def hold_download(library: StandIn, number: int) -> None:
    """Answer the download of that number only when its asker is long gone."""
    answer = library._downloads.answer

    def held(method: str, path: str, origin: str) -> Reply | None:
        found = answer(method, path, origin)
        if found is None or len(library.downloaded) != number - 1:
            return found
        return replace(found, due=time.monotonic() + 60)

    library._downloads.answer = held  # type: ignore[method-assign]


def pages_asked(library: StandIn) -> list[str]:
    return [one.path for one in library.downloaded]


@pytest.mark.slow
def test_papers_are_read_wherever_their_pdf_is_and_their_notes_say_what_they_found_and_where(
    reader: Refnet, library: StandIn
) -> None:
    report = reader.done(*MAP).json

    assert (report["summaries"], report["full_texts"], report["not_read"]) == (5, 4, {"not open": 1})
    for paper_id in (PREPRINT, OPEN, LANDING):
        note = note_of(reader, paper_id)
        assert 'summary_basis: "full text"' in note
        assert section(note, "Summary")[0] == "> [!summary] From the full text"
        assert "> *Sentences of the paper, chosen offline. 2 of 2 pages read.*" in section(note, "Summary")
        findings = section(note, "Key findings")
        assert len(findings) >= 2
        for line in findings:
            assert re.fullmatch(r"- .*“.+” \(\[p\. [12]\]\(http://127\.0\.0\.1:\d+/\S+#page=[12]\)\)", line), line
    assert "the full text was not read" not in note_of(reader, CLOSED)
    assert section(note_of(reader, CLOSED), "Summary")[0].endswith("no open PDF was found")
    assert pages_asked(library).count("/closed/asking-again") == 1


@pytest.mark.slow
def test_why_a_paper_was_not_read_stays_in_its_note_and_in_the_report_when_only_its_record_is_fetched_again(
    reader: Refnet, library: StandIn
) -> None:
    reader.done(*MAP)
    before, asked = section(note_of(reader, CLOSED), "Summary"), pages_asked(library)

    report = reader.done("map", *ALL, "--depth", "0", "--no-summaries", "--refresh", "0", "--json").json

    assert report["requests"]["semantic_scholar"] > 0
    assert (report["full_texts"], report["not_read"]) == (4, {"not open": 1})
    assert section(note_of(reader, CLOSED), "Summary") == before
    assert pages_asked(library) == asked


@pytest.mark.slow
def test_a_japanese_paper_keeps_its_language_and_the_vault_its_own(reader: Refnet) -> None:
    reader.done("map", JAPANESE, PREPRINT, "--depth", "0", "--summaries", "2", "--lang", "ja")

    japanese, english = note_of(reader, JAPANESE), note_of(reader, PREPRINT)
    assert "本文の文をオフラインで選んだもの。" in "\n".join(section(japanese, "要約"))
    assert sum("\u3040" <= sign <= "\u9fff" for sign in "".join(section(japanese, "主な知見"))) > 40
    assert section(english, "要約")[0] == "> [!summary] 本文による"
    assert section(english, "主な知見") != []


@pytest.mark.slow
def test_the_same_command_again_asks_for_nothing_and_changes_nothing(reader: Refnet, library: StandIn) -> None:
    first = reader.done(*MAP).json
    before, asked = stamps(reader.folder / "vault"), pages_asked(library)

    second = reader.done(*MAP).json

    assert second == first | {"requests": {"semantic_scholar": 0}}
    assert stamps(reader.folder / "vault") == before
    assert pages_asked(library) == asked


@pytest.mark.slow
def test_only_the_best_are_read_and_a_greater_number_reads_the_rest(reader: Refnet) -> None:
    words = ("map", *ALL, "--depth", "0", "--json")
    assert reader.done(*words, "--summaries", "1").json["full_texts"] == 1
    assert reader.done(*words, "--no-summaries").json["full_texts"] == 1
    assert reader.done(*words, "--summaries", "3").json["full_texts"] == 3
    assert reader.done(*words, "--summaries", "1").json["full_texts"] == 3
    assert reader.done(*words, "--summaries", "5").json["full_texts"] == 4


@pytest.mark.slow
def test_what_was_read_stays_when_it_is_interrupted_and_the_rest_follows(reader: Refnet, library: StandIn) -> None:
    hold_download(library, 2)
    running = reader.start(*MAP)
    assert running.until(lambda: len(library.downloaded) == 2)
    ended = running.interrupt(signal.SIGINT)
    assert ended.code == 130
    asked = pages_asked(library)

    report = reader.done(*MAP).json

    assert report["full_texts"] == 4
    again = pages_asked(library)[len(asked) :]
    assert len(set(asked[:-1]) & set(again)) == 0, "what was fetched is fetched again"


@pytest.mark.slow
def test_an_interrupt_at_a_paper_says_what_is_kept_and_the_same_command_reads_only_the_rest(reader: Refnet) -> None:
    # The first question is whether the key is taken; at the second paper the model hangs.
    with ModelServer(["good", "good", "hang"]) as server:
        model = reader.with_(OPENAI_BASE_URL=server.url, REFNET_LLM_MODEL="small-model")
        running = model.start(*MAP)
        assert running.until(lambda: len(server.calls) == 2)
        ended = running.interrupt(signal.SIGINT)
        assert ended.code == 130
        assert "Papers read: 1 of 5. What came of them is kept." in ended.err
        assert "the same command reads the rest, and then writes the notes" in ended.err
        assert list((reader.folder / "vault" / "papers").glob("*.md")) == []
        server.modes = ["good"]

        report = model.done(*MAP).json

        assert (report["full_texts"], report["notes"], report["requests"]) == (4, 5, {"semantic_scholar": 0})
        # The model is asked once a paper, and not for the one that no place gives.
        assert len(server.calls) == 2 + 3


@pytest.mark.slow
def test_a_summary_is_made_again_by_a_model_and_the_readers_own_words_stay(reader: Refnet, library: StandIn) -> None:
    reader.done(*MAP)
    before = note_of(reader, PREPRINT)
    [file] = [
        one for one in (reader.folder / "vault" / "papers").glob("*.md") if one.read_text(encoding="utf-8") == before
    ]
    file.write_text(before + "\n## Mine\n\nRead this again.\n", encoding="utf-8")

    with ModelServer(["good"]) as server:
        model = reader.with_(OPENAI_BASE_URL=server.url)
        ended = model.done("summarize", PREPRINT, "--model", "small-model")
        asked = len(server.calls)
        model.done("summarize", PREPRINT, "--model", "small-model")
        assert len(server.calls) == asked, "the same answer was paid for twice"

    note = note_of(reader, PREPRINT)
    assert "By the language model small-model (prompt " in note
    assert note.endswith("\n## Mine\n\nRead this again.\n")
    assert "small-model" in ended.out
    assert "No price is known for the model small-model" in ended.err


@pytest.mark.slow
def test_a_model_that_lies_leaves_no_false_finding_and_says_so(reader: Refnet) -> None:
    with ModelServer(["wrong"]) as server:
        model = reader.with_(OPENAI_BASE_URL=server.url, REFNET_LLM_MODEL="small-model")
        report = model.done(*MAP).json

    assert report["full_texts"] == 4
    for paper_id in (PREPRINT, OPEN):
        note = note_of(reader, paper_id)
        assert "The language model did not make it" in note
        text = demo_text(paper_id)
        for line in section(note, "Key findings"):
            quote = line.partition("“")[2].rpartition("”")[0].replace("\\", "")
            assert "".join(quote.split()) in text


def demo_text(paper_id: str) -> str:
    """All that stands on the pages of an invented paper, without spaces."""
    import pypdfium2  # type: ignore[import-untyped]

    from refnet.demo.bundled import PDFS

    name = {PREPRINT: "2402.99901", OPEN: "short-quotations"}[paper_id]
    with pypdfium2.PdfDocument(PDFS / f"{name}.pdf") as document:
        text = "".join(page.get_textpage().get_text_bounded() for page in document)
    return re.sub(r"[\x02\ufffe]", "", "".join(text.split()))


def test_a_key_alone_turns_no_model_on_and_a_line_says_so(reader: Refnet) -> None:
    ended = reader.with_(OPENAI_API_KEY="sk-not-a-key").done("map", PREPRINT, "--depth", "0", "--summaries", "1")
    assert "OPENAI_API_KEY is set, but no model is asked: REFNET_LLM_MODEL turns it on." in ended.err
    assert 'summary_basis: "full text"' in note_of(reader, PREPRINT)


def test_a_model_without_a_key_is_refused_before_anything_is_done(reader: Refnet, library: StandIn) -> None:
    ended = reader.with_(REFNET_LLM_MODEL="gpt-5-mini")("map", PREPRINT)
    assert ended.code == 2
    assert "OPENAI_API_KEY" in ended.error
    assert library.log == []


def test_summarize_names_what_it_does_not_know_and_the_cure(reader: Refnet) -> None:
    reader.done("map", PREPRINT, "--depth", "0", "--no-summaries")
    ended = reader("summarize", "arXiv:1706.03762")
    assert (ended.code, "refnet map" in ended.error) == (2, True)
    denied = reader("summarize", "A title that nobody collected")
    assert (denied.code, "is not among the collected papers" in denied.error) == (2, True)
    assert reader("summarize").code == 2
    assert reader("summarize", PREPRINT, "--all").code == 2


@pytest.mark.slow
def test_summarize_takes_a_title_as_map_does_and_says_which_papers_share_it(reader: Refnet) -> None:
    reader.done("map", PREPRINT, OPEN, "--depth", "0", "--no-summaries")
    for text in (
        "title: short quotations as evidence - an invented user study.",
        "Short Quotations as Evidence An Invented User Study",
    ):
        [row] = json.loads(reader.done("summarize", text, "--json").out)["papers"]
        assert row["paper_id"] == OPEN
    with closing(sqlite3.connect(reader.database)) as database, database:
        database.execute(
            "UPDATE papers SET title = ? WHERE paper_id = ?",
            ("Short quotations as evidence. An invented user study", PREPRINT),
        )

    ended = reader("summarize", "Short Quotations as Evidence, An Invented User Study")

    assert ended.code == 2
    told = " ".join(ended.error.split())
    assert f"{OPEN}, {PREPRINT}. Name the one that is meant by its id." in told
    assert "not among the collected" not in told


@pytest.mark.slow
def test_all_papers_of_a_vault_are_summarised_with_one_word(reader: Refnet) -> None:
    reader.done("map", *ALL, "--depth", "0", "--no-summaries")
    document = json.loads(reader.done("summarize", "--all", "--json").out)
    assert {one["paper_id"] for one in document["papers"]} == set(ALL)
    assert sorted(one["basis"] for one in document["papers"]) == ["abstract"] + ["full text"] * 4
    assert Path(document["vault"]) == reader.folder / "vault"


def test_downloads_reach_no_private_place_that_is_not_allowed(user: User, library: StandIn) -> None:
    careful = user(library, "careful", REFNET_ARXIV_URL=library.origin, REFNET_PRIVATE_HOSTS_ONLY="0")
    report = careful.done("map", OPEN, "--depth", "0", "--summaries", "1", "--json").json
    assert (report["full_texts"], library.downloaded) == (0, [])
