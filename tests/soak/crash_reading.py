"""Crash points of reading papers: what is asked for, what time and ill disks do to the PDFs, and what must hold at the end."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Engine, text

from refnet.adapters.database.engine import reading
from refnet.adapters.full_text.cache import FOLDER
from refnet.adapters.language_model.prices import price_of
from refnet.demo.bundled import invented_papers
from tests.cluster.lab import until
from tests.model_server import ModelServer
from tests.soak.crash_points import SOURCE

#: Six of these papers have a PDF: at arXiv's address, at one that their record names, or behind a page.
READ = ("map", *invented_papers(), "--depth", "0", "--summaries", "all")
AGAIN = ("summarize", "--all")
#: The one that has none, so that no model is asked: the notes get headings in another language.
TRANSLATED = ("summarize", "5ef56432e386b9c5c13709ed387d4c93d53c8aa8", "--lang", "ja")
EMPTY = ("cache", "empty")
#: A name that has a price wherever it is asked.
MODEL = "gpt-5-mini"
#: US dollars a day: the calls of READ take 0.027, and 0.0097 are set aside for each while it is made.
CAP = 0.08
#: How the model's server answers: so that money is given back, it does not know the strictest form.
MODES = ("no schema",)
#: Calls that READ takes.
_CALLS = 6
#: Seconds in which a process that reads PDFs sees that nobody wants them any more.
_SEEN_WITHIN = 40.0


def places(origin: str) -> dict[str, str]:
    """Settings by which PDFs come from the stand-in of that address, and from nowhere else."""
    return {"REFNET_ARXIV_URL": origin, "REFNET_ALLOW_PRIVATE_HOSTS": urlsplit(origin).netloc}


def paid(server: ModelServer) -> dict[str, str]:
    """Settings by which that server's model is asked."""
    return {"OPENAI_BASE_URL": server.url, "REFNET_LLM_MODEL": MODEL, "REFNET_SPEND_CAP": str(CAP)}


def leave_half_a_pdf(data: Path) -> None:
    """What a process left long ago that died while it wrote one."""
    incoming = data / FOLDER / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "0011223344556677.part").write_bytes(b"%PDF-1.7 half of it")
    let_an_hour_pass(data)


def let_an_hour_pass(data: Path) -> None:
    """For what was left half written: nobody is still at it."""
    for part in (data / FOLDER).rglob("*.part"):
        os.utime(part, (1.0, 1.0))


def damage(data: Path) -> None:
    """One of the PDFs that are kept is no longer what it was."""
    pdfs = sorted((data / FOLDER).rglob("*.pdf"))
    assert pdfs, "no PDF is kept"
    pdfs[0].write_bytes(b"%PDF-1.7 of another paper")


def check_nothing_left(data: Path) -> None:
    """A cache that was emptied has no file any more, and no process reads for nobody."""
    left = [path.name for path in sorted((data / FOLDER).rglob("*")) if path.is_file()]
    assert not left, f"left in the cache: {', '.join(left)}"
    until(lambda: not _orphans(), _SEEN_WITHIN, "processes that read PDFs to end with the one that they read for")


def _orphans() -> list[int]:
    """Processes of this very code that read PDFs, and whose parent is gone: they are those of no Python any more."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            if b"refnet.adapters.pdf.child" not in words or os.fsencode(SOURCE.parent) not in words.split(b"\0"):
                continue
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if b"python" not in (Path("/proc") / parent / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue  # it has just ended
    return found


def check_spending(engine: Engine, server: ModelServer, *, most_lost: int) -> None:
    """The sum holds all that was billed, and the cap the sum; only what was under way at the crash was paid for twice."""
    with reading(engine) as connection:
        spent = float(connection.execute(text("SELECT coalesce(sum(usd), 0) FROM spending")).scalar_one())
        answers = connection.execute(text("SELECT count(*) FROM model_answers")).scalar_one()
    billed = server.billed * price_of(MODEL, server.url).of(*server.tokens)
    told = f"${spent:.4f} count as spent, ${billed:.4f} were, and the cap is ${CAP:.2f}"
    assert 0 < billed - 1e-9 <= spent <= CAP, told
    told = f"{answers} answers are kept, and {server.billed} were paid for"
    assert answers == _CALLS <= server.billed <= _CALLS + most_lost, told
