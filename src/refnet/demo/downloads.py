"""What the stand-in serves beside the API: PDFs at the addresses that arXiv and publishers would have for them.

    /pdf/2402.99901          as arXiv does, for a file of that name
    /files/index-cost.pdf    a PDF straight away
    /landing/index-cost      a publisher's page, whose head names that file
    /closed/asking-again     403, as publishers answer programs
    /doi/10.1000/1           404: no DOI is known here

Without a rate limit, latency or faults, whatever the switches say: those are the API's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from refnet.demo.faults import Reply

_ROUTE = re.compile(r"/(pdf|files|landing|closed|doi)/(.+)", re.DOTALL)
_VERSION = re.compile(r"v\d{1,3}$")
_ARXIV = re.compile(r"\d{4}\.\d{4,5}")
#: The names that files may have, so that none needs escaping in a page.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Download:
    """One request for a PDF or a page; these are not among the requests to the API."""

    arrived: float
    """Seconds on the monotonic clock, once the head of the request was read."""
    path: str
    """Decoded."""
    status: int
    bytes: int


class Downloads:
    """Serves the PDFs of a folder, by their names; of no folder, nothing but refusals. Safe for many threads."""

    def __init__(self, folder: Path | None = None) -> None:
        found = sorted(folder.glob("*.pdf")) if folder is not None else []
        self._files: Mapping[str, Path] = {file.stem: file for file in found if _NAME.fullmatch(file.stem)}

    def answer(self, method: str, path: str, origin: str) -> Reply | None:
        """The reply to a request, None for a path that is not one of ours. `origin` is where the stand-in is reached."""
        match = _ROUTE.fullmatch(path)
        if match is None:
            return None
        if method != "GET":
            return _page(405, "Method not allowed")
        route, name = match.groups()
        name = name.removesuffix(".pdf") if route in {"pdf", "files"} else name
        if route == "pdf":
            name = _VERSION.sub("", name)
        if route == "closed":
            return _page(403, "Access denied")
        if route == "doi" or name not in self._files or bool(_ARXIV.fullmatch(name)) != (route == "pdf"):
            return _page(404, "Not found")
        if route == "landing":
            return _page(200, name, f'<meta name="citation_pdf_url" content="{origin}/files/{name}.pdf">')
        return Reply(200, self._files[name].read_bytes(), content_type="application/pdf")


def downloads_as_json(entries: Sequence[Download]) -> list[dict[str, object]]:
    return [asdict(entry) for entry in entries]


def _page(status: int, title: str, head: str = "") -> Reply:
    text = f"<!DOCTYPE html>\n<html><head><title>{title}</title>{head}</head><body>{title}.</body></html>\n"
    return Reply(status, text.encode("ascii"), content_type=_HTML)
