"""A summary, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass

FULL_TEXT, ABSTRACT, TLDR = "full text", "abstract", "tldr"
#: There is nothing to go by; the text is empty, and `why` says what became of the full text.
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a paper found, in one sentence; the words of the paper that say so, and the page of the file where they stand."""

    claim: str
    quote: str
    page: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a summary from the full text comes from.

    Of the `pages` of the file `pages_read` were read, `damaged_pages` could not be loaded, and `picture_pages` are pictures
    without text; in rows from before these were told apart all count as read. `model` and `prompt` (its version) are None
    for the offline summariser, `fallback` says in words why a model that was asked for did not make it. `dropped` counts
    findings that did not stand up to the paper, and sentences that hold what no summary may hold, such as web addresses;
    `dropped_why` says how many for which reason. `hidden` are characters of text that no reader of the page can see, and
    that were left out. `left_out` are sentences of the paper itself that the model was not given, for want of room.
    """

    pdf_url: str
    pdf_sha256: str
    pages: int
    pages_read: int
    model: str | None = None
    prompt: str | None = None
    fallback: str | None = None
    dropped: int = 0
    hidden: int = 0
    left_out: int = 0
    dropped_why: str = ""
    damaged_pages: int = 0
    picture_pages: int = 0

    @property
    def pages_seen(self) -> int:
        """Pages that were looked at, whatever they held."""
        return self.pages_read + self.damaged_pages + self.picture_pages


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary and what it rests on: `full text`, `abstract`, `tldr` or `nothing`. `text` is plain sentences.

    `why` is a `NoFullText`, for a summary that does not rest on the full text; None where nobody tried.
    `lang` is the language of the text.
    """

    text: str
    basis: str
    findings: tuple[Finding, ...] = ()
    keywords: tuple[str, ...] = ()
    lang: str = "en"
    why: str | None = None
    provenance: Provenance | None = None


def is_worse(new: Summary, old: Summary | None) -> bool:
    """Whether a summary is what is left where more could not be had this time: the full text, all the pages of the same PDF,
    or the model that was asked for. It must not take the place of one for which it could.
    """
    if old is None or old.basis != FULL_TEXT:
        return False
    if new.lang == old.lang and _of_fewer_pages(new.provenance, old.provenance):
        return True
    by_model = old.provenance is not None and old.provenance.model is not None
    fell_back = new.provenance is not None and new.provenance.fallback is not None
    return new.basis != FULL_TEXT or (by_model and fell_back)


def _of_fewer_pages(new: Provenance | None, old: Provenance | None) -> bool:
    """Of clearly fewer, by the same means: of a long PDF one page more or less is read each time."""
    if new is None or old is None or (new.pdf_sha256, new.model) != (old.pdf_sha256, old.model):
        return False
    return new.pages_seen * 10 < old.pages_seen * 9
