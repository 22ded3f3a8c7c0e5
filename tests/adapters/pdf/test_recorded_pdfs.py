"""Every recorded PDF comes out as the table of the recordings says, and leaves the reader as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from refnet.adapters.memory import resident_kilobytes
from refnet.adapters.pdf.reader import BoundedPdfReader
from refnet.domain.documents import Document, NoFullText, SectionKind

PASSWORD, NO_TEXT, SCAN = NoFullText.NEEDS_PASSWORD, NoFullText.NO_TEXT, NoFullText.SCAN
DAMAGED, NOT_A_PDF = NoFullText.DAMAGED, NoFullText.NOT_A_PDF

#: Reasons, or pages and, roughly, letters as PDFium counts them.
OUTCOMES: dict[str, NoFullText | tuple[int, int]] = {
    "arabic-rtl-01": (1, 1423),
    "blank-page-no-text": NO_TEXT,
    "bomb-enormous-page": SCAN,
    "bomb-huge-mono-page": SCAN,
    "broken-html-page": NOT_A_PDF,
    "broken-junk-before-header": (1, 56),
    "broken-not-a-pdf-git-link": NOT_A_PDF,
    "broken-pages-tree-refs": (2, 22),
    "broken-poppler-67295": (1, 13),
    "broken-poppler-742-fuzzed": DAMAGED,
    "broken-redhat-1531897": DAMAGED,
    "broken-truncated-download": DAMAGED,
    "cjk-chinese-abstract-page": (1, 1888),
    "cjk-missing-tounicode-serverspec02": (2, 2798),
    "cjk-unembedded-fonts-issue2128r": (1, 29),
    "empty-0-bytes": NOT_A_PDF,
    "encrypted-copy-protected-layoutparser": (2, 5657),
    "encrypted-owner-only-r6": (1, 39),
    "encrypted-r4-user-password": PASSWORD,
    "encrypted-user-password-pypdf": PASSWORD,
    "font-no-mapping-truetype": NO_TEXT,  # five signs, no word
    "german-geotopo-117pages": (117, 148635),
    "huge-freeculture-352pages": (352, 728205),
    "huge-msc2020-224pages": (224, 433351),
    "paper-acl-2020.acl-main.207-specter": (13, 56241),
    "paper-acl-2020.acl-main.447-s2orc": (15, 59238),
    "paper-acl-N18-3011": (8, 34828),
    "paper-acm-2203.00130-paper-plain": (39, 148078),
    "paper-acm-2302.07302-citesee": (15, 96589),
    "paper-acm-2304.02623-beyond-summarization": (4, 26158),
    "paper-bmc-cermine-test1": (4, 25541),
    "paper-clinical-science-cermine-example3": (13, 60816),
    "paper-eacl-2023.121-longeval": (20, 82099),
    "paper-hep-1508.05632": (6, 29997),
    "paper-hep-2503.05372": (6, 28978),
    "paper-icml-agarwal11": (8, 32397),
    "paper-ieee-2a774230-disk-storage": (13, 57887),
    "paper-ieee-jabref-refs": (2, 6177),
    "paper-japanese-ipsj-serverspec": (6, 16233),
    "paper-japanese-jinmoncom-draft": (8, 21350),
    "paper-jcap-0807.3577": (15, 37456),
    "paper-jss-timp-46pages": (46, 103805),
    "paper-neurips-2206.10883-multi-lexsum": (37, 109404),
    "paper-pods-probabilistic-xml": (12, 74611),
    "paper-springer-bogner2019": (25, 78451),
    "paper-usenix-map-reduce": (13, 56697),
    "rotated-table-nics": (1, 5707),
    "scan-linn": SCAN,
    "scan-multipage": SCAN,  # 121 letters that a program saw in a picture
    "scan-rotated-pages-cardinal": SCAN,
    "scan-skew": SCAN,
}
#: Of PDFium's letters, what stays when heads, feet, keywords, hidden letters and line ends are gone.
LEAST_KEPT = 0.65


def letters(document: Document) -> int:
    return sum(len(sentence.text) for section in document.sections for sentence in section.sentences)


@pytest.fixture(scope="module")
def outcomes(shared: Path, reader: BoundedPdfReader) -> dict[str, Document | NoFullText]:
    """All read, one after the other, by one reader."""
    before = resident_kilobytes(os.getpid())
    found: dict[str, Document | NoFullText] = {}
    for path in sorted((shared / "pdf").glob("*.pdf")):
        found[path.stem] = reader.read(str(path))
    assert resident_kilobytes(os.getpid()) - before <= 50 * 1024
    return found


@pytest.mark.slow
def test_all_that_were_recorded_are_in_the_table(outcomes: dict[str, Document | NoFullText]) -> None:
    assert outcomes.keys() == OUTCOMES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTCOMES)
def test_each_comes_out_as_it_should(outcomes: dict[str, Document | NoFullText], name: str) -> None:
    read, expected = outcomes[name], OUTCOMES[name]
    if isinstance(expected, NoFullText):
        assert read is expected
        return
    pages, counted = expected
    assert isinstance(read, Document)
    assert (read.pages, read.pages_seen) == (pages, pages)
    assert LEAST_KEPT * counted <= letters(read) <= 1.05 * counted
    assert all(1 <= one.page <= pages for section in read.sections for one in section.sentences)
    assert read.lang == ("ja" if "japanese" in name or "serverspec" in name else "en")


@pytest.mark.slow
def test_a_page_that_does_not_load_is_told_and_not_counted_as_read(outcomes: dict[str, Document | NoFullText]) -> None:
    read = outcomes["broken-pages-tree-refs"]
    assert isinstance(read, Document)
    assert (read.damaged_pages, read.pages_read) == ((2,), 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OUTCOMES if name.startswith("paper-japanese")])
def test_japanese_papers_have_their_sections_and_no_stray_spaces(
    outcomes: dict[str, Document | NoFullText], name: str
) -> None:
    read = outcomes[name]
    assert isinstance(read, Document)
    assert {SectionKind.INTRODUCTION, SectionKind.CONCLUSION, SectionKind.REFERENCES} <= {
        section.kind for section in read.sections
    }
    text = "".join(sentence.text for sentence in read.of(*SectionKind))
    assert "\x02" not in text
    parted = [
        at for at in range(1, len(text) - 1) if text[at] == " " and text[at - 1] > "\u3040" and text[at + 1] > "\u3040"
    ]
    assert not parted


@pytest.mark.slow
def test_print_outside_the_page_of_a_real_book_is_counted_as_hidden(
    outcomes: dict[str, Document | NoFullText],
) -> None:
    read = outcomes["huge-freeculture-352pages"]
    assert isinstance(read, Document)
    assert read.hidden.kinds == ("off the page", "white")
    assert "4TH PASS PAGES" not in " ".join(sentence.text for sentence in read.of(*SectionKind))
