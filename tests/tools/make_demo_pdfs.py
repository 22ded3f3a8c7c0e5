"""Make the PDFs of the invented papers that `refnet demo` reads, from the texts in `demo_papers/` beside this file.

    python tests/tools/make_demo_pdfs.py [FOLDER]

FOLDER is where they go, `src/refnet/demo/corpus/pdfs` unless another is named. The same texts give the same bytes on every
machine: no dates, nothing compressed (what zlib makes differs), and no fonts inside. The viewer brings its own; one that
has no Japanese font shows gaps in the Japanese paper, though its text can be read by programs.

A text begins with `name: value` lines (title, authors, keywords; lang `ja`; columns `2`); then each line is a heading
(`# …`), or a paragraph. The keywords come after the abstract. Each page says that the text is invented.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped, unused-ignore]
from reportlab.lib.styles import ParagraphStyle  # type: ignore[import-untyped, unused-ignore]
from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped, unused-ignore]
from reportlab.pdfbase.cidfonts import UnicodeCIDFont  # type: ignore[import-untyped, unused-ignore]
from reportlab.platypus import (  # type: ignore[import-untyped, unused-ignore]
    BaseDocTemplate,
    Frame,
    FrameBreak,
    NextPageTemplate,
    PageTemplate,
    Paragraph,
)

TEXTS = Path(__file__).parent / "demo_papers"
PDFS = Path(__file__).parents[2] / "src" / "refnet" / "demo" / "corpus" / "pdfs"
WIDTH, HEIGHT = A4
#: Points: the margins, the height of the first page's title, and the space between two columns.
SIDE, TOP, BOTTOM, HEAD, GUTTER = 72, 80, 72, 84, 20


@dataclass(frozen=True, slots=True)
class Language:
    plain: str
    bold: str
    invented: str
    keywords: str
    #: between keywords
    comma: str
    wrap: str | None = None


LANGUAGES = {
    "en": Language(
        "Times-Roman",
        "Helvetica-Bold",
        "Invented text for the demonstration of refnet. No such study was made.",
        "Keywords: ",
        ", ",
    ),
    "ja": Language(
        "HeiseiMin-W3",
        "HeiseiKakuGo-W5",
        "refnetのデモのために作った架空の文章です。このような研究は行われていません。",
        "キーワード：",
        "，",
        "CJK",
    ),
}


def make(text: Path, folder: Path) -> Path:
    """The PDF of one text."""
    head, _, body = text.read_text(encoding="utf-8").partition("\n\n")
    about = dict(line.split(": ", 1) for line in head.splitlines())
    language = LANGUAGES[about.get("lang", "en")]
    target = folder / f"{text.stem}.pdf"
    document = BaseDocTemplate(
        str(target),
        pagesize=A4,
        pageTemplates=_pages(about["title"], int(about.get("columns", "1")), language),
        title=about["title"],
        author=about["authors"],
        subject=LANGUAGES["en"].invented,
        invariant=1,
        pageCompression=0,
    )
    document.build(_story(about, body, language))
    return target


def _story(about: dict[str, str], body: str, language: Language) -> list[Any]:
    styles = {
        "title": _style(language, language.bold, 15, space=8),
        "authors": _style(language, language.plain, 11, space=4),
        "heading": _style(language, language.bold, 12, space=4, before=8),
        "text": _style(language, language.plain, 10.5, space=5),
    }
    story: list[Any] = [
        NextPageTemplate("later"),
        Paragraph(escape(about["title"]), styles["title"]),
        Paragraph(escape(about["authors"]), styles["authors"]),
        FrameBreak(),
    ]
    keywords = language.keywords + language.comma.join(about["keywords"].split(", "))
    headings = 0
    for line in filter(None, body.splitlines()):
        if line.startswith("# "):
            headings += 1
            if headings == 2:
                story.append(Paragraph(escape(keywords), styles["text"]))
            story.append(Paragraph(escape(line[2:]), styles["heading"]))
        else:
            story.append(Paragraph(escape(line), styles["text"]))
    return story


def _style(language: Language, font: str, size: float, *, space: float, before: float = 0) -> Any:
    leading = size * (1.7 if language.wrap else 1.35)
    return ParagraphStyle(
        f"{font} {size}",
        fontName=font,
        fontSize=size,
        leading=leading,
        spaceAfter=space,
        spaceBefore=before,
        wordWrap=language.wrap,
    )


def _pages(title: str, columns: int, language: Language) -> list[Any]:
    width = (WIDTH - 2 * SIDE - (columns - 1) * GUTTER) / columns

    def frames(height: float) -> list[Any]:
        lefts = [SIDE + number * (width + GUTTER) for number in range(columns)]
        return [Frame(left, BOTTOM, width, height, 0, 0, 0, 0) for left in lefts]

    def draw(canvas: Any, document: Any) -> None:
        canvas.setFont(language.plain, 8)
        canvas.drawCentredString(WIDTH / 2, HEIGHT - 48, language.invented)
        canvas.drawCentredString(WIDTH / 2, 40, str(document.page))

    whole = HEIGHT - TOP - BOTTOM
    top = Frame(SIDE, HEIGHT - TOP - HEAD, WIDTH - 2 * SIDE, HEAD, 0, 0, 0, 0)
    return [
        PageTemplate("first", [top, *frames(whole - HEAD)], onPage=draw),
        PageTemplate("later", frames(whole), onPage=draw),
    ]


def main() -> None:
    for language in LANGUAGES.values():
        if language.wrap:
            for font in (language.plain, language.bold):
                pdfmetrics.registerFont(UnicodeCIDFont(font))
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PDFS
    folder.mkdir(parents=True, exist_ok=True)
    for text in sorted(TEXTS.glob("*.txt")):
        made = make(text, folder)
        print(f"{made}: {made.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
