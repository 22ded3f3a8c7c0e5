"""A file from outside, as text."""

from __future__ import annotations

import codecs
import logging
from pathlib import Path

from refnet.domain.errors import UnreadableDocument
from refnet.domain.identifiers import shown

_log = logging.getLogger(__name__)

MAX_BYTES = 50_000_000
#: Ten thousand are a life's library; this many take two seconds.
MAX_ENTRIES = 30_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def unreadable(path: Path, why: str) -> UnreadableDocument:
    return UnreadableDocument(f"{shown(str(path))} {why}.")


def read_text(path: Path) -> str:
    """The text of the file with line ends as \\n. What is not UTF-8, -16 or -32 is read as Windows-1252, and a
    warning says so.

    Raises UnreadableDocument.
    """
    content = _read(path)
    text = _decode(path, content).replace("\r\n", "\n").replace("\r", "\n")
    controls = sum(c < " " and c not in "\t\n\f" for c in text[:100_000])
    if controls > len(text[:100_000]) // 100:
        raise unreadable(path, "is no text file: export the library as .bib, .ris or CSL-JSON (.json)")
    if not text.strip():
        raise unreadable(path, "is empty: export the library again")
    return text


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise unreadable(path, "is a folder: give the name of a file")
        if path.exists() and not path.is_file():
            raise unreadable(path, "is no regular file: give the name of a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise unreadable(path, "does not exist: check the name and the folder") from None
    except PermissionError:
        raise unreadable(path, "may not be read: change its permissions") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, f"cannot be read ({error})") from error
    if len(content) > MAX_BYTES:
        raise unreadable(path, f"is larger than {MAX_BYTES // 1_000_000} MB: split it")
    return content


def _decode(path: Path, content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError:
                raise unreadable(path, f"begins like {encoding} and is not: save it as UTF-8") from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    # UTF-16 without a mark: every second byte of Latin text is zero.
    if content[:200].count(0) > len(content[:200]) // 4 and len(content) % 2 == 0:
        try:
            return content.decode("utf-16-be" if content[0] == 0 else "utf-16-le")
        except UnicodeDecodeError:
            pass
    _log.warning("%s is not UTF-8 and was read as Windows-1252; accents may be wrong", path.name)
    return content.decode("cp1252", errors="replace") if b"\0" not in content else "\0"
