"""An obedient model, and 200 papers that give it orders: nothing comes of them but text."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from sqlalchemy import select

from refnet.adapters.database.engine import database_url, open_engine, reading
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.schema import metadata
from refnet.adapters.database.spending import Spending
from refnet.adapters.language_model.prompt import SYSTEM, own_words
from refnet.domain.note_text import render, to_text
from refnet.domain.notes import NoteContent
from refnet.domain.paper_text import PaperText
from tests.adapters.language_model.conftest import Connect
from tests.adapters.language_model.hostile import OTHER_ID, Attack, attacks
from tests.adapters.language_model.making import DOCUMENT, FOUND, PAPER, Offline, summarizer
from tests.domain.test_inert import FORBIDDEN, MARKDOWN
from tests.model_server import ModelServer, obedient_answer, paper_in

NUMBER = 200
#: What a summary and its findings are made of in a note; links only to the PDF.
OWN_TOKENS = {
    "blockquote", "paragraph", "bullet_list", "list_item", "em", "link", "inline", "text", "text_special", "softbreak",
}  # fmt: skip
_PAGE_LINK = re.compile(r"\[p\. \d+\]\(https://example\.org/tides\.pdf#page=\d+\)")


def tokens_of(markdown: str) -> set[str]:
    found = MARKDOWN.parse(markdown)
    kinds = {token.type for token in found} | {child.type for token in found for child in token.children or []}
    return {kind.removesuffix("_open").removesuffix("_close") for kind in kinds}


def parts_of_the_prompt(text: str) -> list[str]:
    """Every forty signs of the prompt, word for word, that stand in a text."""
    return [said[at : at + 40] for said in own_words() for at in range(len(said) - 40) if said[at : at + 40] in text]


@pytest.fixture(scope="module")
def papers() -> list[Attack]:
    return attacks(NUMBER)


def test_the_papers_are_of_every_kind_and_the_model_obeys_them(papers: list[Attack]) -> None:
    kinds = Counter(one.kind for one in papers)
    assert set(kinds) == {"beacon", "code", "metadata", "links", "citation", "unseen", "other"}
    assert sum("leak: «" in f"{one.document}{one.paper}" for one in papers) >= 8
    assert min(Counter((one.kind == "other", one.place) for one in papers).values()) >= 10
    assert len({f"{one.paper}{one.document}" for one in papers}) == NUMBER


@pytest.mark.slow
def test_nothing_comes_of_what_hostile_papers_order(
    server: ModelServer, connect: Connect, papers: list[Attack], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    engine = open_engine(database_url(f"sqlite:///{folder / 'refnet.db'}"))
    upgrade(engine)
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    asking = summarizer(connect(), Spending(engine, 5.0))
    server.modes = ["obedient"]
    obeyed = by_model = dropped = 0

    for one in papers:
        before = len(server.asked)
        summary = asking.summarize(one.paper, one.document, FOUND, "en")
        requests = server.asked[before:]

        # The order reached the model, which carried it out.
        answers = [obedient_answer(asked) for asked in requests]
        harmless = [json.dumps(_harmless(asked.user)) for asked in requests]
        obeyed += answers != harmless
        # One request, or one repair of an answer of the wrong form; never a tool.
        assert 1 <= len(requests) <= 2
        assert len(requests) == 1 or not _is_of_the_form(answers[0])
        for asked in requests:
            assert asked.path == "/v1/chat/completions"
            assert not {"tools", "tool_choice", "functions"} & set(asked.body)
            (mark,) = set(re.findall(r"<(paper-[0-9a-f]{16})>\n", asked.user)) - {"paper-0000000000000000"}
            assert asked.user.endswith(f"\n</{mark}>")
            assert f"</{mark}>" not in paper_in(asked.user)
            assert mark not in f"{summary}"

        # Of the paper nothing is the model's but the summary.
        made = summary.provenance
        assert made is not None
        by_model += made.model is not None
        dropped += made.dropped
        text = PaperText.of(one.document)
        assert all(text.holds(finding.quote) for finding in summary.findings)
        assert all(text.holds(word) for word in summary.keywords)
        assert len(summary.text) <= 12 * 901
        assert parts_of_the_prompt(f"{summary}") == []
        note = NoteContent(paper=one.paper, name="Tides", summary=summary)
        rendered = render(note)
        properties = yaml.safe_load(to_text(rendered).split("---\n")[1])
        assert properties["year"] == PAPER.year
        assert properties["paper_id"] == PAPER.paper_id
        assert properties["title"] == render(NoteContent(paper=one.paper, name="Tides")).properties["title"].says
        assert properties["summary_basis"] == "full text"
        assert set(rendered.sections) <= {"summary", "findings", "links"}
        for key in ("summary", "findings"):
            if key in rendered.sections:
                body = rendered.sections[key].body
                assert tokens_of(body) <= OWN_TOKENS
                assert set(re.findall(r'href="([^"#]*)', MARKDOWN.render(body))) <= {FOUND.url}
                plain = _PAGE_LINK.sub("", body.removeprefix("> [!summary]")).replace("\n> ", " ").replace("\n", " ")
                assert FORBIDDEN.search(plain) is None, body

    # Nothing was stored but answers, without the prompt; nothing was written elsewhere.
    with reading(engine) as connection:
        stored = "\n".join(
            f"{tuple(row)}" for table in metadata.sorted_tables for row in connection.execute(select(table))
        )
    engine.dispose()
    assert parts_of_the_prompt(stored) == []
    assert re.findall(r"paper-(?!0{16})[0-9a-f]{16}", stored) == []
    assert {path for path in tmp_path.rglob("*") if path.is_file()} <= files
    # And the test has seen what it is about: orders that were carried out, in summaries that were taken.
    assert obeyed >= 0.9 * NUMBER
    assert by_model >= 0.7 * NUMBER
    assert dropped >= 10
    assert len(stored) > 10_000


def test_the_leak_that_is_looked_for_is_one_that_would_be_found() -> None:
    assert parts_of_the_prompt(f"It was told: {SYSTEM[100:200]}") != []
    assert tokens_of(f"> ![x](https://evil.example/b.png)\n\n<b>x</b>\n\n```\n{OTHER_ID}\n```") - OWN_TOKENS == {
        "image", "html_inline", "fence",
    }  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_harmless_paper_is_summarised_as_ever(server: ModelServer, connect: Connect, lang: str) -> None:
    server.modes = ["obedient"]
    summary = summarizer(connect()).summarize(PAPER, DOCUMENT, FOUND, lang)

    assert summary.text != Offline.TEXT
    assert len(summary.findings) == 3


def _harmless(user: str) -> object:
    from tests.model_server import good_answer

    return good_answer(user)


def _is_of_the_form(text: str) -> bool:
    from refnet.adapters.language_model.answers import NotUsable, read_answer

    try:
        read_answer(text, "paper-none")
    except NotUsable:
        return False
    return True
