"""Text that no reader of a page sees is left out and told; text that anybody sees stays."""

from __future__ import annotations

import io

import pytest
from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from refnet.domain.documents import Document, SectionKind
from tests.adapters.pdf.conftest import Read
from tests.adapters.pdf.drawing import ORDER, PLANTED, SEEN, page_with, pdf, picture, prose

LETTERS = len("".join(ORDER.split()))


def text_of(document: Document) -> str:
    return " ".join(sentence.text for sentence in document.of(*SectionKind))


@pytest.mark.parametrize("how", PLANTED)
def test_hidden_text_is_left_out_and_told(read: Read, how: str) -> None:
    kind, draw = PLANTED[how]
    document = read(page_with(draw))
    assert isinstance(document, Document)
    assert "praise" not in text_of(document)
    assert document.hidden.kinds == (kind,)
    assert document.hidden.pages == (1,)
    assert LETTERS <= document.hidden.characters <= len(ORDER)
    assert "The delay grows with the distance from the mouth." in text_of(document)


@pytest.mark.parametrize("how", SEEN)
def test_what_anybody_sees_stays(read: Read, how: str) -> None:
    document = read(page_with(SEEN[how]))
    assert isinstance(document, Document)
    assert ORDER in text_of(document)
    assert document.hidden.characters == 0


def test_only_the_end_of_a_line_that_runs_off_the_page_is_left_out(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 760)
        canvas.drawString(500, 300, "Seen until the edge of the page " + "and hidden from there on " * 4)

    document = read(pdf(draw))
    assert isinstance(document, Document)
    assert "Seen until the" in text_of(document)
    assert "from there on" not in text_of(document)
    assert document.hidden.kinds == ("off the page",)


def test_what_lies_outside_the_crop_box_is_off_the_page(read: Read) -> None:
    held = io.BytesIO()
    canvas = Canvas(held, pagesize=A4, cropBox=(50, 400, 550, 800))
    prose(canvas, 760)
    canvas.drawString(72, 300, ORDER)
    canvas.save()
    document = read(held.getvalue())
    assert isinstance(document, Document)
    assert document.hidden.kinds == ("off the page",)
    assert "praise" not in text_of(document)


def test_text_recognised_in_a_scan_is_read_though_it_is_not_drawn(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(picture(200), 0, 0, *A4)
        held = canvas.beginText(72, 760)
        held.setTextRenderMode(3)
        for _ in range(20):
            held.textLine("What a program recognised in the picture of a page.")
        canvas.drawText(held)

    document = read(pdf(draw))
    assert isinstance(document, Document)
    assert "What a program recognised in the picture of a page." in text_of(document)
    assert document.hidden.characters == 0


def test_text_recognised_in_a_scan_is_read_though_the_scan_lies_over_it(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 760)
        canvas.drawImage(picture(200), 0, 0, *A4)

    document = read(pdf(draw))
    assert isinstance(document, Document)
    assert "The delay grows with the distance from the mouth." in text_of(document)
    assert document.hidden.characters == 0


def test_a_page_whose_words_are_all_white_has_no_text(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillGray(1)
        prose(canvas, 760)

    assert str(read(pdf(draw))) == "no text"
