"""What stands in the margins of pages: numbers of lines and running heads are cut, and what only looks like them is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from refnet.adapters.pdf.line_numbers import cut_line_numbers
from refnet.adapters.pdf.lines import Line, PageText, Print
from refnet.adapters.pdf.running_heads import without_running_heads

BODY, SMALL, ITALIC = (
    Print(10, "Times", bold=False),
    Print(9, "Times", bold=False),
    Print(10, "Times-Italic", bold=False),
)
HEADING = Print(14, "Times-Bold", bold=True)
PROSE = ["text of the body that goes on and on"] * 30


def page(number: int, *columns: tuple[float, Sequence[str]], head: tuple[str, Print] | None = None) -> PageText:
    """A page with lines of text from each x on, one below the other, and perhaps a head above them."""
    made = PageText(number, 0, 842)
    if head:
        made.lines.append(Line(head[0], number, head[1], head[1], len(head[0]), 72, 72 + 5 * len(head[0]), 800))
    for x, texts in columns:
        for row, text in enumerate(texts):
            y = 760 - 12 * row
            made.lines.append(Line(text, number, BODY, BODY, len(text), x, x + 5 * len(text), y))
    return made


def texts_of(pages: Sequence[PageText]) -> list[str]:
    return [line.text for one in pages for line in one.lines]


def cut(pages: Sequence[PageText]) -> list[str]:
    """The lines that are changed by cutting numbers of lines."""
    before = texts_of(pages)
    cut_line_numbers(pages)
    after = set(texts_of(pages))
    return [text for text in before if text not in after]


def test_items_of_a_list_keep_their_numbers_and_so_do_headings_and_sentences_elsewhere() -> None:
    feelings = ("nervous", "happy", "calm", "sad", "tired", "glad")
    for begin in ("I feel ", ""):
        pages = [
            page(1, (72, ["A title", "1 Introduction", "text of it", "and more", "and more of it"])),
            page(2, (72, [f"{at} {begin}{one}" for at, one in enumerate(feelings, 1)])),
            page(3, (72, [f"{at} {begin}{one}" for at, one in enumerate(feelings, 7)])),
            page(4, (72, ["13 patients were left out, as the text", "goes on here", "and", "here", "and there"])),
            page(5, (72, PROSE)),
        ]
        assert cut(pages) == []


def test_references_of_one_line_each_keep_their_numbers() -> None:
    entries = [f"{at} J. Smith, Phys. Rev. B {at}, 100 (2001)." for at in range(1, 81)]
    assert cut([page(1, (72, PROSE[:2])), page(2, (72, entries[:40])), page(3, (72, entries[40:]))]) == []


def test_ticks_of_an_axis_in_one_of_two_columns_number_no_lines() -> None:
    ticks = [str(at) for at in range(0, 101, 10)]

    def figure(number: int) -> PageText:
        return page(number, (62, ticks), (54, ["left column text"] * 40), (317, ["right column text"] * 65))

    def text(number: int, line: str) -> PageText:
        return page(number, (54, [line, *["left column text"] * 50]), (317, ["right column text"] * 50))

    pages = [text(1, "10 participants of them answered"), figure(2), figure(3), text(4, "110 patients died")]
    assert cut(pages) == []


def test_a_number_that_goes_on_behind_a_page_without_numbers_is_one_of_a_sentence() -> None:
    pages = [
        page(1, (72, [f"{at} text that goes on" for at in range(1, 31)])),
        page(2, (72, [f"{at} text that goes on" for at in range(31, 61)])),
        page(3, (72, ["no numbers here"])),
        page(4, (72, ["61 patients died"])),
    ]
    cut_line_numbers(pages)
    assert {line.text for one in pages[:2] for line in one.lines} == {"text that goes on"}
    assert texts_of(pages[2:]) == ["no numbers here", "61 patients died"]
    begins = [
        page(1, (72, ["1 patient died"])),
        *(page(at, (72, [f"{n} text" for n in range(1, 31)])) for at in (2, 3)),
    ]
    cut_line_numbers(begins)
    assert begins[0].lines[0].text == "1 patient died"


def test_numbers_of_lines_are_cut_though_a_banner_begins_left_of_them() -> None:
    def manuscript(number: int, first: int) -> PageText:
        rows = [f"{at} text that goes on" for at in range(first, first + 30)]
        return page(number, (50, rows), head=("Preprint of the year, not reviewed by peers", SMALL))

    pages = [manuscript(1, 1), manuscript(2, 31)]
    for one in pages:
        one.lines[0].x0 = 20
    assert len(cut(pages)) == 60


@pytest.mark.parametrize(
    ("first", "second", "look"),
    [
        ("3.1 Experiment 1", "3.2 Experiment 2", ITALIC),
        ("Proof of Theorem 1.", "Proof of Theorem 2.", ITALIC),
        ("Proof of Theorem 1", "Proof of Theorem 2", ITALIC),
        ("Study 1: Methods", "Study 2: Methods", HEADING),
        ("Results of the study", "Results of the study", HEADING),
        ("Table 1. Results of the", "Table 1. Results of the", SMALL),
        ("(a) Setting one", "(a) Setting one", SMALL),
        ("Table 1.", "Table 2.", SMALL),
        ("Acc. – 1", "Acc. – 1", SMALL),
    ],
)
def test_headings_and_captions_that_are_like_each_other_on_two_pages_stay(first: str, second: str, look: Print) -> None:
    pages = [page(1, (72, PROSE)), page(2, (72, PROSE), head=(first, look)), page(5, (72, PROSE), head=(second, look))]
    kept = without_running_heads(pages)
    assert [kept[1][0].text, kept[2][0].text] == [first, second]


@pytest.mark.parametrize(
    ("first", "second"), [("On late tides", "On late tides"), ("102 J. Smith et al.", "104 J. Smith et al.")]
)
def test_a_head_on_two_pages_goes_with_its_number_of_the_page(first: str, second: str) -> None:
    pages = [page(at, (72, PROSE), head=(text, ITALIC)) for at, text in ((2, first), (4, second))]
    assert {line.text for one in without_running_heads(pages) for line in one} == {PROSE[0]}
