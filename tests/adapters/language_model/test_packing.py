"""What of a paper goes into a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.adapters.language_model.packing import PRIORITY, estimate, most_tokens, pack
from refnet.domain.documents import Document, DocumentSection, SectionKind, Sentence
from tests.adapters.language_model.making import ABSTRACT, CONCLUSION, DOCUMENT, METHODS, RESULTS, section

#: Twenty sentences of some hundred tokens.
LONG = tuple(f"Sentence {at} " + "word " * 80 for at in range(20))


def test_a_paper_that_fits_is_given_whole_in_reading_order_with_its_pages() -> None:
    (packed,) = pack(DOCUMENT).parts

    lines = packed.text.splitlines()
    assert [line for line in lines if not line.startswith(("#", "["))] == [*ABSTRACT, *METHODS, *RESULTS, *CONCLUSION]
    assert lines[:3] == ["## Abstract", "[p. 1]", ABSTRACT[0]]
    assert lines[lines.index(RESULTS[0]) - 1] == "[p. 5]"


def test_references_and_acknowledgements_are_not_given() -> None:
    assert set(SectionKind) - set(PRIORITY) == {SectionKind.REFERENCES, SectionKind.ACKNOWLEDGEMENTS}
    assert "Journal of Water" not in pack(DOCUMENT).parts[0].text


def test_where_there_is_no_room_the_sections_that_matter_most_stay_in_reading_order() -> None:
    document = Document(9, 9, tuple(section(kind, 1, *LONG) for kind in reversed(PRIORITY)))
    whole = pack(document, 1_000_000).parts[0].tokens

    packing = pack(document, whole // 3, 1)

    (packed,) = packing.parts
    headings = [line.removeprefix("## ").lower() for line in packed.text.splitlines() if line.startswith("#")]
    assert headings == ["introduction", "conclusion", "abstract"]
    assert packing.left_out == 20 * len(PRIORITY) - packed.text.count("Sentence")


def test_a_long_text_is_read_in_parts_of_which_none_is_too_long() -> None:
    document = Document(9, 9, (section(SectionKind.METHODS, 1, *LONG), section(SectionKind.RESULTS, 2, *LONG)))

    packing = pack(document, 1_100, 6)

    assert len(packing.parts) == 4
    assert packing.left_out == 0
    assert max(part.tokens for part in packing.parts) <= 1_100
    assert sum(part.text.count("Sentence") for part in packing.parts) == 40
    assert all(part.text.startswith("## ") and "[p. " in part.text for part in packing.parts)


def test_what_there_is_no_room_for_is_counted() -> None:
    endless = Document(9, 9, (section(SectionKind.RESULTS, 1, *LONG, "word " * 100_000),))

    packing = pack(endless, 500, 2)

    assert len(packing.parts) == 2
    assert packing.left_out == 21 - sum(part.text.count("Sentence") for part in packing.parts)


def test_signs_that_nobody_sees_are_not_given() -> None:
    document = Document(1, 1, (section(SectionKind.RESULTS, 1, "Vis\u200bible\U000e0041 te\u202ext\x00 stays."),))

    assert pack(document).parts[0].text.splitlines()[-1] == "Visible text stays."


def test_a_paper_without_text_has_no_parts() -> None:
    assert pack(Document(1, 1, ())).parts == ()
    assert pack(Document(1, 1, (section(SectionKind.RESULTS, 1, " \u200b"),))).parts == ()


texts = st.text(alphabet="ab 日本。.\u200b", max_size=60)
sections = st.lists(
    st.tuples(st.sampled_from(SectionKind), st.lists(st.tuples(texts, st.integers(1, 9)), max_size=8)), max_size=8
)


@given(sections, st.integers(10, 200), st.integers(1, 4))
def test_no_part_is_over_the_cap_and_every_sentence_is_given_or_counted(
    given_sections: list[tuple[SectionKind, list[tuple[str, int]]]], cap: int, parts: int
) -> None:
    document = Document(
        9, 9, tuple(DocumentSection(kind, "", tuple(Sentence(*one) for one in said)) for kind, said in given_sections)
    )
    everything = pack(document, 10**9, 1)
    packing = pack(document, cap, parts)

    def count(text: str) -> int:
        return sum(not line.startswith(("#", "[p.")) for line in text.splitlines())

    assert len(packing.parts) <= parts
    assert all(part.tokens <= cap for part in packing.parts)
    assert sum(count(part.text) for part in packing.parts) + packing.left_out == sum(
        count(part.text) for part in everything.parts
    )


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("four", 1), ("日本語", 3), ("日本 and so on", 5)])
def test_tokens_are_estimated_by_characters(text: str, tokens: int) -> None:
    assert estimate(text) == tokens


def test_the_most_tokens_are_bytes() -> None:
    assert most_tokens("日本 ab\ud800") == 6 + 3 + 1
