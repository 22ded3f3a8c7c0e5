"""From pages to sections of sentences, in English and in Japanese."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
from reportlab.pdfbase.cidfonts import UnicodeCIDFont  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from refnet.adapters.pdf import headings, text
from refnet.adapters.pdf.headings import Number
from refnet.domain.documents import Document, NoFullText, SectionKind
from tests.adapters.pdf.conftest import Read
from tests.adapters.pdf.drawing import PROSE, paper, pdf, picture, prose, wrapped
from tests.adapters.pdf.hostile import one_page, words

REFERENCES = "[1] A. Author. A title. Journal, 2001. [2] B. Author. Another title, pp. 1-9, 2002. " * 3


def outline(document: object) -> list[tuple[str, str]]:
    assert isinstance(document, Document)
    return [(section.kind.value, section.title) for section in document.sections]


def test_numbered_sections_are_found_with_their_kinds(read: Read) -> None:
    document = read(
        paper(
            [
                ("Abstract", PROSE * 2),
                ("1 Introduction", PROSE * 3),
                ("2 Gauges and moorings", PROSE * 3),
                ("2.1 Materials", PROSE * 3),
                ("3 Results", PROSE * 3),
                ("4 Conclusions and outlook", PROSE * 3),
                ("Acknowledgements", PROSE),
                ("References", REFERENCES),
                ("A Tables of the year", PROSE * 2),
            ]
        )
    )
    assert outline(document) == [
        ("abstract", "Abstract"),
        ("introduction", "Introduction"),
        ("other", "Gauges and moorings"),
        ("methods", "Materials"),
        ("results", "Results"),
        ("conclusion", "Conclusions and outlook"),
        ("acknowledgements", "Acknowledgements"),
        ("references", "References"),
        ("appendix", "Tables of the year"),
    ]


def test_each_sentence_has_the_page_on_which_it_begins(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Times-Roman", 10)
        canvas.drawString(72, 100, "The first page ends. The delay, as the gauges")
        canvas.showPage()
        canvas.setFont("Times-Roman", 10)
        canvas.drawString(72, 700, "show, is an hour. It grows inland.")

    document = read(pdf(draw))
    assert isinstance(document, Document)
    found = [(one.text, one.page) for one in document.of(*SectionKind)]
    assert found == [
        ("The first page ends.", 1),
        ("The delay, as the gauges show, is an hour.", 1),
        ("It grows inland.", 2),
    ]


def test_running_heads_and_numbers_of_pages_are_no_part_of_the_text(read: Read) -> None:
    sections = [(f"{number} Part of {number}", f"Here we part {number}. " + PROSE) for number in range(1, 6)]
    document = read(paper(sections, head="Proceedings of the 9th Meeting on Tides"))
    assert isinstance(document, Document)
    text_read = " ".join(one.text for one in document.of(*SectionKind))
    assert "Proceedings" not in text_read
    assert not any(one.text.isdigit() for one in document.of(*SectionKind))


@pytest.mark.parametrize(
    ("font", "size", "height"), [("Times-Italic", 10, 784), ("Times-Roman", 8, 784), ("Times-Roman", 10, 800)]
)
def test_heads_that_take_turns_on_four_pages_are_no_part_of_the_text(
    read: Read, font: str, size: int, height: float
) -> None:
    """In other print than the text, or with a gap above it."""

    def draw(canvas: Canvas) -> None:
        for page in range(1, 5):
            if page > 1:
                canvas.showPage()
            canvas.setFont(font, size)
            canvas.drawString(72, height, f"{page} On late tides" if page % 2 else f"Example and Placeholder {page}")
            prose(canvas, 770, PROSE * 10)

    document = read(pdf(draw))
    assert isinstance(document, Document)
    said = " ".join(one.text for one in document.of(*SectionKind))
    assert "late tides" not in said
    assert "Placeholder" not in said


def test_words_that_stand_on_two_pages_among_the_text_or_at_other_heights_stay(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        for page in range(1, 5):
            if page > 1:
                canvas.showPage()
            canvas.setFont("Times-Roman", 10)
            canvas.drawString(
                72, 782 if page % 2 else 806 - 3 * page, "Among the text" if page % 2 else "Far from it all"
            )
            canvas.setFont("Times-Roman", 8)
            canvas.drawString(300, 820, f"Table {page}" if page % 2 else "")
            prose(canvas, 770, PROSE * 10)

    document = read(pdf(draw))
    assert isinstance(document, Document)
    said = " ".join(one.text for one in document.of(*SectionKind))
    for words_kept in ("Among the text", "Far from it all", "Table 1", "Table 3"):
        assert words_kept in said


def manuscript(step: int, x: float, pages: int = 3, *, every_page: bool = False, lines: int = 40) -> bytes:
    """Pages of prose whose lines are numbered at `x`, each of so many, from 1 on or from 1 on every page."""

    def draw(canvas: Canvas) -> None:
        at = 0
        for page in range(pages):
            if page:
                canvas.showPage()
            at = 0 if every_page else at
            canvas.setFont("Times-Roman", 11)
            for row, line in enumerate(wrapped(PROSE * 12)[:lines]):
                at += 1
                top = 780 - 18 * row
                if at % step == 0:
                    canvas.drawRightString(x, top, str(at))
                canvas.drawString(72, top, line)

    return pdf(draw)


def digits_of(document: object) -> set[str]:
    assert isinstance(document, Document)
    return set(re.findall(r"\d+", " ".join(one.text for one in document.of(*SectionKind))))


@pytest.mark.parametrize("x", [62, 540], ids=["left", "right"])
@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("every_page", [False, True])
def test_numbers_of_the_lines_of_a_manuscript_are_no_part_of_its_sentences(
    read: Read, step: int, x: float, every_page: bool
) -> None:
    document = read(manuscript(step, x, every_page=every_page))
    assert digits_of(document) == set()
    assert isinstance(document, Document)
    assert "We measured them for a year at eleven gauges." in {one.text for one in document.of(*SectionKind)}


def test_a_last_page_of_few_lines_goes_on_with_the_numbers_of_its_lines(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Times-Roman", 11)
        at = 0
        for rows in (30, 30, 3):
            for row, line in enumerate(wrapped(PROSE * 12)[:rows]):
                at += 1
                canvas.drawRightString(62, 780 - 18 * row, str(at))
                canvas.drawString(72, 780 - 18 * row, line)
            canvas.showPage()

    assert digits_of(read(pdf(draw))) == set()


def test_headings_of_a_manuscript_keep_their_own_numbers(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        at = 0
        for number, title in enumerate(("Introduction", "Methods", "Results"), 1):
            for row, line in enumerate([f"{number} {title}", *wrapped(PROSE * 4)]):
                at += 1
                canvas.setFont("Times-Roman", 8)
                if row not in (5, 6):  # of a formula
                    canvas.drawRightString(62, 780 - 18 * row, str(at))
                canvas.setFont("Times-Roman" if row else "Times-Bold", 11 if row else 14)
                canvas.drawString(72, 780 - 18 * row, line)
            canvas.showPage()

    assert outline(read(pdf(draw))) == [
        ("introduction", "Introduction"),
        ("methods", "Methods"),
        ("results", "Results"),
    ]


def test_numbers_at_the_beginning_of_lines_that_are_no_line_numbers_stay(read: Read) -> None:
    """A list among other lines, one page alone, numbers that stand where the text does."""

    def listed(canvas: Canvas) -> None:
        for page in range(3):
            top = prose(canvas, 780, PROSE * 6)
            for row in range(8):
                canvas.drawString(72, top - 14 * row, f"{8 * page + row + 1} The gauge of the harbour office was read.")
            canvas.showPage()

    assert len(digits_of(read(pdf(listed)))) == 24
    assert len(digits_of(read(manuscript(1, 62, pages=1)))) == 40

    def in_text(canvas: Canvas) -> None:
        for page in range(3):
            canvas.setFont("Times-Roman", 11)
            for row, line in enumerate(wrapped(PROSE * 12)[:40]):
                at = 40 * page + row + 1
                canvas.drawString(72, 780 - 18 * row, f"{at} {line}" if at % 5 == 0 else line)
            canvas.showPage()

    assert len(digits_of(read(pdf(in_text)))) == 24


def scanned(*pages: str) -> bytes:
    """A file with a page for each of these: `text`, `blank`, or a `picture` of half the page, in one piece or in `strips`."""

    def draw(canvas: Canvas) -> None:
        for number, page in enumerate(pages):
            if number:
                canvas.showPage()
            if page == "text":
                prose(canvas, 760)
            strips = {"picture": 1, "strips": 20}.get(page, 0)
            for strip in range(strips):
                canvas.drawImage(picture(90 + strip), 72, 100 + 600 / strips * strip, 400, 600 / strips)

    return pdf(draw)


def test_a_page_that_is_a_picture_without_text_is_told_and_not_counted_as_read(read: Read) -> None:
    document = read(scanned("text", "picture", "strips", "blank", "text"))
    assert isinstance(document, Document)
    assert (document.pages, document.pages_read, document.picture_pages) == (5, 3, (2, 3))


def test_a_file_without_text_is_a_scan_only_where_it_holds_pictures(read: Read) -> None:
    assert read(scanned("picture", "blank")) is NoFullText.SCAN
    assert read(scanned("blank", "blank")) is NoFullText.NO_TEXT


def test_a_heading_references_that_no_references_follow_is_none(read: Read) -> None:
    document = read(paper([("1 Introduction", PROSE * 3), ("References", PROSE * 3), ("2 Results", PROSE * 3)]))
    assert ("references", "References") not in outline(document)


def test_abbreviations_at_the_foot_of_the_first_page_do_not_end_the_introduction(read: Read) -> None:
    sections = [("Introduction", PROSE * 3), ("Abbreviations", PROSE), ("Methods", PROSE * 3), ("Results", PROSE * 3)]
    assert outline(read(paper(sections))) == [
        ("introduction", "Introduction"),
        ("methods", "Methods"),
        ("results", "Results"),
    ]
    assert outline(read(paper([*sections[:1], *sections[2:], sections[1]])))[-1] == (
        "acknowledgements",
        "Abbreviations",
    )


def test_a_summary_is_an_abstract_before_the_paper_and_a_conclusion_behind_it(read: Read) -> None:
    body = [("Introduction", PROSE * 3), ("Methods", PROSE * 3), ("Results", PROSE * 3)]
    assert outline(read(paper([("Summary", PROSE * 2), *body])))[0] == ("abstract", "Summary")
    assert outline(read(paper([*body, ("Summary", PROSE * 2)])))[-1] == ("conclusion", "Summary")


def test_a_table_of_contents_makes_no_sections(read: Read) -> None:
    titles = ["Introduction", "Gauges", "Results"]

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Times-Bold", 13)
        canvas.drawString(72, 760, "Contents")
        canvas.setFont("Times-Bold", 10)
        for number, title in enumerate(titles, 1):
            canvas.drawString(72, 760 - 20 * number, f"{number} {title}")
            canvas.drawString(500, 760 - 20 * number, str(number + 1))
        for number, title in enumerate(titles, 1):
            canvas.showPage()
            canvas.setFont("Times-Bold", 13)
            canvas.drawString(72, 760, f"{number} {title}")
            prose(canvas, 735)

    document = read(pdf(draw))
    assert isinstance(document, Document)
    assert [(one.title, one.sentences[0].page) for one in document.sections if one.title in titles] == [
        ("Introduction", 2),
        ("Gauges", 3),
        ("Results", 4),
    ]


def test_a_caption_and_a_footnote_do_not_stand_in_the_middle_of_a_sentence(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Times-Bold", 13)
        canvas.drawString(72, 760, "1 Introduction")
        top = prose(canvas, 735, PROSE * 4 + "The delay that the gauges")
        canvas.setFont("Times-Roman", 8)
        canvas.drawString(72, top, "Figure 1: Where the gauges stood.")
        canvas.drawString(72, 60, "1 The gauges are those of the harbour office.")
        canvas.showPage()
        prose(canvas, 735, "showed is an hour. " + PROSE)

    document = read(pdf(draw))
    assert isinstance(document, Document)
    introduction, aside = document.sections
    assert "The delay that the gauges showed is an hour." in [one.text for one in introduction.sentences]
    assert aside.title == "Figures, tables and notes"
    assert "Figure 1: Where the gauges stood." in [one.text for one in aside.sentences]


def test_a_run_in_abstract_and_the_authors_keywords_are_found(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Times-Bold", 10)
        canvas.drawString(72, 700, "Abstract—The bay was measured for a year. It is late.")
        canvas.drawString(72, 670, "Index Terms—tides, inner bays, harbour gauges.")
        canvas.setFont("Times-Roman", 13)
        canvas.drawString(72, 640, "I. INTRODUCTION")
        prose(canvas, 615)

    document = read(pdf(draw))
    assert isinstance(document, Document)
    assert document.keywords == ("tides", "inner bays", "harbour gauges")
    assert [one.text for one in document.of(SectionKind.ABSTRACT)] == [
        "The bay was measured for a year.",
        "It is late.",
    ]
    assert ("introduction", "INTRODUCTION") in outline(document)


def test_the_first_long_paragraph_of_a_letter_is_its_abstract(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Times-Bold", 16)
        canvas.drawString(72, 780, "Tides of the inner bay")
        top = prose(canvas, 740, PROSE * 2, size=9)
        prose(canvas, top - 20, "We begin with the gauges. " + PROSE * 4)

    document = read(pdf(draw))
    assert isinstance(document, Document)
    abstract = document.of(SectionKind.ABSTRACT)
    assert abstract[0].text == "The tides of the inner bay rise later than those of the open coast."
    assert not any("We begin" in one.text for one in abstract)


def test_a_long_list_of_authors_and_their_places_is_no_abstract(read: Read) -> None:
    places = (
        "Institute of Tides, Academy of Sciences, Harbour 1, Nowhere School of Gauges, University of Nowhere, Nowhere "
    )

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Times-Roman", 16)
        canvas.drawString(72, 770, "On the tides of an inner bay")
        top = prose(canvas, 740, places * 5)
        top = prose(canvas, top, PROSE * 2)
        canvas.setFont("Times-Bold", 13)
        canvas.drawString(72, top, "I. Introduction")
        prose(canvas, top - 20, PROSE * 2)

    document = read(pdf(draw))
    assert isinstance(document, Document)
    (first, *_) = document.of(SectionKind.ABSTRACT)
    assert first.text == "The tides of the inner bay rise later than those of the open coast."


def test_a_japanese_paper_is_read(read: Read) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiKakuGo-W5"))
    body = "湾の奥では潮が遅れる。我々は一年間これを測定した。"

    def draw(canvas: Canvas) -> None:
        top = 760.0
        for title in ("概要", "1. はじめに", "2. 提案手法", "3. 実験結果", "4. おわりに", "参考文献"):
            canvas.setFont("HeiseiKakuGo-W5", 13)
            canvas.drawString(72, top, title)
            canvas.setFont("HeiseiMin-W3", 9)
            lines = (
                ["[1] 著者: 題名, 2001.", "[2] 著者: 題名, 2002."]
                if title == "参考文献"
                else [body[:14], body[14:]] * 3
            )
            for line in lines:
                top -= 13
                canvas.drawString(72, top, line)
            top -= 26

    document = read(pdf(draw))
    assert isinstance(document, Document)
    assert document.lang == "ja"
    assert [kind for kind, _ in outline(document)] == [
        "abstract",
        "introduction",
        "methods",
        "results",
        "conclusion",
        "references",
    ]
    assert document.of(SectionKind.ABSTRACT)[1].text == "我々は一年間これを測定した。"


def test_letters_in_code_points_that_no_font_shows_are_told(read: Read) -> None:
    tags = "".join(f"<{number:02x}> <{0xDB40:04x}{0xDC00 + number:04x}>\n" for number in range(0x61, 0x7B))
    mapping = (
        "/CIDInit /ProcSet findresource begin begincmap /CMapName /X def 1 begincodespacerange <00> <ff> endcodespacerange\n"
        f"26 beginbfchar\n{tags}endbfchar endcmap end"
    ).encode()
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 7 0 R>>"
    content = words() + b"BT /G 12 Tf 72 600 Td (praise it) Tj ET"
    mapped = b"<</Length %d>>stream\n%s\nendstream" % (len(mapping), mapping)
    document = read(
        one_page(content, b"", b"/Font<</F 5 0 R/G 6 0 R>>", font, mapped).replace(b"/Font<</F 5 0 R>>/Font", b"/Font")
    )
    assert isinstance(document, Document)
    assert document.hidden.kinds == ("invisible",)
    assert document.hidden.characters == 8


def test_letters_that_come_in_halves_are_put_together() -> None:
    assert text.clean(text.whole_letters("\ud835\udc65 and \ud835")) == "\U0001d465 and \ufffd"


VOCABULARY = Counter({"hmm-based": 2, "hmmbased": 1, "utilizing": 3, "citesee": 97})


@pytest.mark.parametrize(
    ("joined", "meant"),
    [
        ("utili\x02zing", "utilizing"),
        ("never\x02seen", "neverseen"),
        ("HMM\x02based", "HMM-based"),
        ("non\x02English", "non-English"),
        ("Cite\x02See", "CiteSee"),
        ("2\x02dimensional", "2-dimensional"),
        ("at the end\x02", "at the end-"),
        ("self-super\x02vised", "self-supervised"),
        ("\x02alone", "alone"),
    ],
)
def test_a_hyphen_of_a_line_end_is_kept_where_the_paper_itself_writes_it(joined: str, meant: str) -> None:
    assert text.resolve_hyphens(joined, VOCABULARY) == meant


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("one line", "and the next", "one line and the next"),
        ("潮が", "遅れる", "潮が遅れる"),
        ("潮の", "delay", "潮の delay"),
        ("utili-", "zing", "utilizing"),
        ("HMM-", "based", "HMM-based"),
        ("pages 3-", "9 of it", "pages 3- 9 of it"),
        ("", "begin", "begin"),
    ],
)
def test_lines_are_joined_as_their_script_asks(first: str, second: str, together: str) -> None:
    assert text.join(first, second, VOCABULARY) == together


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\u200b\u202eb\x00c", "abc"),
        ("e\ufb03cient  \t ways", "efficient ways"),
        ("シ ステ ム の", "システムの"),
        ("Web システム", "Web システム"),
        ("im\ufffeportant", "im\x02portant"),
        ("on-going e\u21b5orts o\u21b5 the coast", "on-going efforts off the coast"),
        ("Press \u21b5 twice", "Press \u21b5 twice"),
        ("\ud800\ue000\U000f0000x", "x"),
    ],
)
def test_what_does_not_show_is_taken_out(raw: str, shown: str) -> None:
    assert text.clean(raw) == shown


@pytest.mark.parametrize(
    ("heading", "numbers", "rest"),
    [
        ("1 Introduction", [Number("decimal", (1,))], "Introduction"),
        ("2.3. Data", [Number("decimal", (2, 3))], "Data"),
        ("3はじめに", [Number("decimal", (3,))], "はじめに"),
        ("第2章 手法", [Number("decimal", (2,))], "手法"),
        ("IV. RESULTS", [Number("roman", (4,))], "RESULTS"),
        ("I. INTRODUCTION", [Number("roman", (1,)), Number("letter", (9,))], "INTRODUCTION"),
        ("B.2 Prompts", [Number("letter", (2, 2))], "Prompts"),
        ("Introduction", [], "Introduction"),
        ("2001 was dry", [], "2001 was dry"),
    ],
)
def test_numbers_of_headings_are_read(heading: str, numbers: list[Number], rest: str) -> None:
    assert headings.numbered(heading) == (numbers, rest)


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("A B S T R A C T", "abstract"),
        ("Materials and Methods", "methods"),
        ("Background and Related Work", "related"),
        ("Conclusions and Future Work", "conclusion"),
        ("CONCLUSION", "conclusion"),
        ("まとめと今後の課題", "conclusion"),
        ("関連研究", "related"),
        ("謝辞", "acknowledgements"),
        ("Works Cited", "references"),
        ("Appendix B: Proofs", "appendix"),
        ("How a gauge is moored", "other"),
    ],
)
def test_headings_are_known_by_their_names(heading: str, kind: str) -> None:
    assert headings.kind_of(headings.plain(heading)).value == kind
