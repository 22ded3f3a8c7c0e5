"""What the doctor asks of each outside thing. Each returns what it found, or raises the fault with its cure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Engine, text

from refnet.adapters.database.cures import cure
from refnet.adapters.database.engine import reading, see_writes, shown, sqlite_file
from refnet.adapters.database.migrate import HEAD, current_revision, open_at_head
from refnet.domain.crawl import Ask
from refnet.domain.documents import Document
from refnet.domain.errors import ConfigurationError, RefnetError, StoreUnavailable
from refnet.domain.seeds import KNOWN
from refnet.domain.spending import dollars
from refnet.ports import PaperSource, Vault

if TYPE_CHECKING:
    from refnet.adapters.full_text.cache import PdfCache
    from refnet.adapters.language_model.providers import LanguageModel
    from refnet.adapters.pdf.reader import BoundedPdfReader

_SENTENCE = "This page can be read."
#: A PDF of one page that says so.
_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 600 800]>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
    b"4 0 obj<</Length 53>>stream\nBT /F 12 Tf 72 600 Td (This page can be read.) Tj ET \nendstream\nendobj\n"
    b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
    b"trailer<</Root 1 0 R>>\n"
)
#: What holds the processes that read PDFs, in the words of `pdf.sandbox`; the first is to be had on every system.
_LAYERS = ("rlimits", "no new privileges", "landlock", "seccomp")
#: … and how the system says no to them.
_REFUSED = ("EMFILE", "EACCES", "EPERM")
_INSTALL_AGAIN = "Install refnet again, with its dependencies, and see that this user may start further processes."


def look_at_database(engine: Engine) -> str:
    where = shown(engine.url)
    file = sqlite_file(engine.url)
    if file is not None and current_revision(engine) is None:
        open_at_head(engine)
    try:
        revision = current_revision(engine)
        see_writes(engine)
    except StoreUnavailable as error:
        if file is not None:
            raise
        said = str(error)
        raise StoreUnavailable(f"{said.removesuffix('.')}. {cure(said)}") from error
    if revision != HEAD:
        raise ConfigurationError(
            f"{where} is at schema {revision or 'none'}, this version needs {HEAD}. Run: refnet db upgrade"
        )
    if file is not None:
        with reading(engine) as connection:
            damage = connection.execute(text("PRAGMA quick_check(1)")).scalar()
        if damage != "ok":
            raise ConfigurationError(f"{file} is damaged ({damage}). Put back a copy, or move it away and crawl again.")
    return f"{where}, schema {revision}"


def look_at_source(source: PaperSource) -> str:
    found = source.fetch([str(KNOWN.identifiers[0])], Ask.NOTHING)
    return "answers" if found and found[0] is not None else "answers, but does not know a paper that it should know"


def look_at_vault(vault: Vault) -> str:
    vault.prepare()
    return f"{vault.path} can be written"


def look_at_model(model: LanguageModel, spent: float, cap: float) -> str:
    """`spent` and `cap` are US dollars, of today and a day. What is looked at costs nothing."""
    money = model.warning()
    faults: list[RefnetError] = []
    if money is None:
        money = f"{dollars(spent)} of the ${cap:g} that REFNET_SPEND_CAP allows a day (UTC) is spent or set aside"
        if spent + (most := model.usual_reservation()) > cap:
            until = " until the day is over" if most <= cap else ""
            faults.append(
                ConfigurationError(
                    f"{money}, and a call may cost ${most:.2g}: papers are summarised offline{until}. "
                    "Raise REFNET_SPEND_CAP, or take a cheaper model (REFNET_LLM_MODEL)."
                )
            )
    try:
        said = model.client.look()
    except RefnetError as error:
        faults.insert(0, error)
        said = ""
    if faults:
        raise ConfigurationError(" ".join(map(str, faults)))
    return f"{said}; {money}"


def look_at_pdfs(reader: BoundedPdfReader, cache: PdfCache) -> str:
    """Have a PDF made for it lie in the cache's folder for a moment, and be read from there."""
    faults: list[str] = []
    held = kept = ""
    try:
        held = _held(reader)
    except RefnetError as error:
        faults.append(str(error))
    try:
        with cache.trial(_PDF) as file:
            if held:
                _see_read(reader, str(file))
        size = cache.size()
        kept = f"{size.bytes / 1e6:,.1f} of {cache.most_bytes / 1e6:,.0f} MB in {size.files:,} files"
    except RefnetError as error:
        faults.append(str(error))
    if faults:
        raise ConfigurationError(" ".join(faults))
    return f"read in processes {held}; {cache.folder} can be written, and holds {kept}"


def look_at_sandbox(kinds: tuple[str, ...], said: Mapping[str, str]) -> str:
    """`kinds` are the layers that are on, `said` is what the system answered to a process that tried to reach out.

    Raises ConfigurationError where it may, or where the limits are off that every system has.
    """
    missing = [layer for layer in _LAYERS if layer not in kinds]
    ways = [way for way in ("open", "connect") if said.get(way) not in _REFUSED]
    if ways or _LAYERS[0] in missing:
        raise ConfigurationError(
            f"Nothing keeps the processes that read PDFs from reaching out ({', '.join(ways) or 'no limits'}), so a hostile "
            "file might, too. Let them lower their own limits, which setrlimit does: a profile of the container or the "
            "system forbids it."
        )
    on = ", ".join(layer for layer in _LAYERS if layer in kinds)
    return f"held by {on}" + (f" (this system has no {' and no '.join(missing)})" if missing else "")


def _held(reader: BoundedPdfReader) -> str:
    try:
        said = reader.attempt("/", 0)
        return look_at_sandbox(reader.sandbox_kinds(), said)
    except ImportError as error:
        raise ConfigurationError(f"PDFs cannot be read: {error}.") from error
    except OSError as error:
        raise ConfigurationError(_not_started(error)) from error


def _see_read(reader: BoundedPdfReader, path: str) -> None:
    try:
        read = reader.read(path)
    except OSError as error:
        raise ConfigurationError(_not_started(error)) from error
    if not isinstance(read, Document):
        raise ConfigurationError(f"A PDF that is in order could not be read ({read.value}). {_INSTALL_AGAIN}")
    if [one.text for section in read.sections for one in section.sentences] != [_SENTENCE]:
        raise ConfigurationError(f"A PDF was not read as what it says. {_INSTALL_AGAIN}")


def _not_started(error: OSError) -> str:
    """Of the reader's own errors each is a sentence; the system's have a code."""
    why = str(error) if error.strerror is None else f"No process can be started to read PDFs: {error.strerror}"
    return f"{why}. {_INSTALL_AGAIN}"
