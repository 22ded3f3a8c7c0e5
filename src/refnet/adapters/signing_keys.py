"""The keys that sign what refnet sends to its workers; see `celery_queue.signing`."""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

from refnet.domain.errors import ConfigurationError
from refnet.domain.signing_keys import LEAST, chosen_keys

_FILE = "signing.key"
#: What a process that died while it made a key leaves beside it, and the seconds after which it has died.
_LEFT = re.compile(rf"{re.escape(_FILE)}\.[0-9a-f]{{16}}")
_LEFT_AFTER = 60.0


def signing_keys(given: str | None, folder: Path) -> tuple[bytes, ...]:
    """The keys given, separated by commas, of which the first signs; else the one in `folder`, made by whoever is first.

    Raises ConfigurationError for a key that is too short, or a file that cannot be made or read.
    """
    if given is not None:
        return chosen_keys(given)
    path = folder / _FILE
    _remove_leftovers(folder)
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(
            f"The signing key {path} cannot be made or read ({error.strerror}). Set REFNET_DATA_DIR to a folder of your "
            "own, or REFNET_SIGNING_KEYS."
        ) from error
    if len(key) < LEAST:
        raise ConfigurationError(f"{path} holds no key. Remove the file; a new one is made.")
    return (key,)


def _make(path: Path) -> None:
    """Whole or not at all, and never over another process's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(handle)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    """What was left holds a key: the one in use, where its maker died at the very end."""
    now = time.time()
    with suppress(OSError):
        for file in folder.iterdir():
            if _LEFT.fullmatch(file.name) is None:
                continue
            with suppress(OSError):
                found = file.lstat()
                # A clock that was set back makes files of the future.
                if stat.S_ISREG(found.st_mode) and abs(now - found.st_mtime) > _LEFT_AFTER:
                    file.unlink()
