"""What an address gave, told by how it begins: the whole of a PDF, the beginning of a page, or neither."""

from __future__ import annotations

from collections.abc import Iterator

import httpcore2
import httpx2

from refnet.adapters.full_text.landing_page import MOST_PAGE_BYTES, is_page
from refnet.adapters.full_text.urls import place
from refnet.domain.documents import NoFullText
from refnet.domain.errors import PermanentError

#: A PDF begins with this, behind up to 1,024 bytes of anything: so readers have it.
MAGIC, MAGIC_WITHIN = b"%PDF-", 1_024
_LONGEST_ETAG = 200


class NoPdfThere(PermanentError):
    """An address gave something else than a PDF that can be taken. `status` is HTTP's, None where nobody was asked."""

    def __init__(self, message: str, why: NoFullText, status: int | None) -> None:
        super().__init__(message)
        self.why = why
        self.status = status


class Reply:
    """An answer with status 200 or 203 that is a PDF or a page, as far as its beginning tells."""

    def __init__(self, url: httpx2.URL, response: httpcore2.Response, most_bytes: int) -> None:
        self.url = url
        self.status = response.status
        self._headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
        self.etag = self._headers.get(b"etag", "")[:_LONGEST_ETAG] or None
        self._most = most_bytes
        self._rest = response.iter_stream()
        if (encoding := self._headers.get(b"content-encoding", "").strip().lower()) not in ("", "identity"):
            raise self._refusal(f"is packed ({encoding[:20]}), which was not asked for", NoFullText.NOT_A_PDF)
        self._beginning = self._first(MAGIC_WITHIN)
        self.is_pdf = MAGIC in self._beginning[: MAGIC_WITHIN + len(MAGIC) - 1]
        if self.is_pdf and self._announced() > most_bytes:
            raise self._too_large()
        if not self.is_pdf and not is_page(self._beginning, self._headers.get(b"content-type", "")):
            raise self._refusal("is neither a PDF nor a page", NoFullText.NOT_A_PDF)

    def pdf(self) -> Iterator[bytes]:
        """The whole of it, once, in pieces. Raises NoPdfThere when it grows too large."""
        done = len(self._beginning)
        yield self._beginning
        for piece in self._rest:
            done += len(piece)
            if done > self._most:
                raise self._too_large()
            yield piece

    def page(self) -> bytes:
        """Its beginning, once; no more is fetched."""
        read = bytearray(self._beginning)
        for piece in self._rest:
            read += piece
            if len(read) >= MOST_PAGE_BYTES:
                break
        return bytes(read)

    def _first(self, least: int) -> bytes:
        read = bytearray()
        for piece in self._rest:
            read += piece
            if MAGIC in read or len(read) >= least + len(MAGIC):
                break
        return bytes(read)

    def _announced(self) -> int:
        length = self._headers.get(b"content-length", "")
        return int(length) if length.isascii() and length.isdigit() else 0

    def _too_large(self) -> NoPdfThere:
        return self._refusal(f"is longer than {self._most:,} bytes", NoFullText.TOO_LARGE)

    def _refusal(self, what: str, why: NoFullText) -> NoPdfThere:
        return NoPdfThere(f"What {place(self.url)} gives {what}.", why, self.status)
