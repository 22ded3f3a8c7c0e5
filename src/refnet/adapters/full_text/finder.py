"""The open PDF of a paper: from the cache, else from the first place that has it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import httpx2

from refnet.adapters.full_text.cache import PdfCache
from refnet.adapters.full_text.download import Downloader, LeftAlone, NoNetwork, Unanswered
from refnet.adapters.full_text.landing_page import pdf_address
from refnet.adapters.full_text.network import NotPublic
from refnet.adapters.full_text.places import Place
from refnet.adapters.full_text.reply import NoPdfThere
from refnet.adapters.full_text.urls import UrlRefused, checked, place
from refnet.domain.documents import FoundPdf, NoFullText
from refnet.domain.downloads import Download
from refnet.domain.errors import RateLimited, SourceUnavailable
from refnet.domain.papers import Paper

_log = logging.getLogger(__name__)

#: Seconds for which a turn with a host is worth another try, whatever the other places say: no paper is to go without its preprint
#: because arXiv was busy with others.
WORTH_WAITING = 60.0
#: Of several reasons the one that says most is told.
_TELLING = (NoFullText.TOO_LARGE, NoFullText.NOT_A_PDF, NoFullText.NOT_OPEN)


class Memory(Protocol):
    """What became of addresses, shared by all processes and kept."""

    def last(self, url: str) -> Download | None: ...

    def keep(self, answer: Download) -> None: ...


class OpenPdfs:
    """Implements the `PdfFinder` port.

    Each place is asked once; one that does not answer, or whose turn does not come soon, is passed over at once. Every answer is
    remembered: a PDF for as long as its file is kept, a refusal for 30 days, no answer for an hour. Raises what the port raises, and
    what the memory and the cache do.
    """

    def __init__(self, places: Sequence[Place], downloader: Downloader, cache: PdfCache, memory: Memory) -> None:
        self._places = places
        self._downloader = downloader
        self._cache = cache
        self._memory = memory

    def find(self, paper: Paper) -> FoundPdf | NoFullText:
        seen = _Seen()
        asked: list[tuple[Place, Sequence[str]]] = []
        for one in self._places:
            try:
                asked.append((one, one.addresses(paper)))
            except (RateLimited, SourceUnavailable) as error:
                seen.troubles.append(error)
        # What is kept comes before any place, so that a paper's PDF stays the same one whoever answers today.
        for address in (address for _, addresses in asked for address in addresses):
            if (found := self._kept(address)) is not None:
                return found
        for one, addresses in asked:
            for address in addresses:
                if (found := self._at(address, one, seen)) is not None:
                    return found
        return seen.outcome()

    def _kept(self, address: str, *, named: bool = False) -> FoundPdf | None:
        """The PDF that an address, or the page there, gave earlier, as far as it is still in the cache."""
        try:
            last = self._memory.last(str(checked(address)))
        except UrlRefused:
            return None
        if last is None:
            return None
        if last.sha256 is not None and (path := self._cache.get(last.sha256)) is not None:
            return FoundPdf(str(path), last.url, last.sha256)
        return self._kept(last.leads_to, named=True) if last.leads_to is not None and not named else None

    def _at(self, address: str, of: Place, seen: _Seen, page: httpx2.URL | None = None) -> FoundPdf | None:
        """The PDF at an address; None where there is none to be had now, which is noted. `page` is where the address was named."""
        try:
            url = checked(address)
            if str(url) in seen.urls:
                return None
            seen.urls.add(str(url))
            answer, found = self._answer(url, seen_at=page)
        except (RateLimited, SourceUnavailable) as error:
            _log.info("No PDF for now: %s", error)
            seen.troubles.append(error)
            return None
        except (UrlRefused, NotPublic) as error:
            _log.info("No PDF: %s", error)
            seen.refusals.append(NoFullText.NOT_OPEN)
            return None
        if found is not None:
            return found
        if answer.leads_to is not None and page is None:
            return self._at(answer.leads_to, of, seen, page=url)
        refusal = answer.refusal or NoFullText.NOT_A_PDF  # a page named by a page is no PDF
        seen.refusals.append(NoFullText.NOT_OPEN if of.gives_pages and refusal is NoFullText.NOT_A_PDF else refusal)
        return None

    def _answer(self, url: httpx2.URL, seen_at: httpx2.URL | None) -> tuple[Download, FoundPdf | None]:
        """What an address answered, now or the last time, and the PDF where it gave one now."""
        last = self._memory.last(str(url))
        if last is not None and last.sha256 is None and (left := last.counts_for) > 0:
            if last.refusal is None and last.leads_to is None:
                raise SourceUnavailable(f"{place(url)} gave no answer lately: {last.why}", retry_after=left)
            return last, None
        return self._asked(url, seen_at)

    def _asked(self, url: httpx2.URL, seen_at: httpx2.URL | None) -> tuple[Download, FoundPdf | None]:
        # What a page names may be private only beside that page: strangers write pages.
        private = seen_at is None or place(seen_at) == place(url)
        name, found = str(url), None
        try:
            with self._downloader.get(url, private=private) as reply:
                if reply.is_pdf:
                    sha256, path = self._cache.put(reply.pdf())
                    answer = Download(name, reply.status, sha256=sha256, etag=reply.etag)
                    found = FoundPdf(str(path), name, sha256)
                else:
                    named = pdf_address(reply.page(), reply.url)
                    why = NoFullText.NOT_A_PDF.value if named is None else None
                    answer = Download(name, reply.status, why, leads_to=None if named is None else str(named))
        except NoPdfThere as error:
            _log.info("No PDF: %s", error)
            answer = Download(name, error.status, error.why.value)
        except Unanswered as error:
            self._memory.keep(Download(name, error.status, str(error)))
            raise
        self._memory.keep(answer)
        return answer, found


class _Seen:
    """What the places of one paper have said so far."""

    def __init__(self) -> None:
        self.urls: set[str] = set()
        self.refusals: list[NoFullText] = []
        self.troubles: list[RateLimited | SourceUnavailable] = []

    def outcome(self) -> NoFullText:
        """Why there is no PDF. Raises RateLimited or SourceUnavailable where a later try may bring one."""
        turns = [one for one in self.troubles if isinstance(one, RateLimited) and not isinstance(one, LeftAlone)]
        soon = [one for one in turns if one.retry_after is not None and one.retry_after <= WORTH_WAITING]
        if soon or (self.troubles and not self.refusals):
            first = min(soon or self.troubles, key=lambda one: one.retry_after or 0.0)
            if isinstance(first, RateLimited):
                raise RateLimited(f"No place has the PDF for now. {first}", retry_after=first.retry_after)
            reached = not all(isinstance(one, NoNetwork) for one in self.troubles)
            raise SourceUnavailable(
                f"No place that may have the PDF answers. {first}", retry_after=first.retry_after, reached=reached
            )
        return next((one for one in _TELLING if one in self.refusals), NoFullText.NOT_OPEN)
