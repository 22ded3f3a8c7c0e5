"""The keys that sign what refnet sends to its workers; see `celery_queue.signing`."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from refnet.domain.errors import ConfigurationError

_FILE = "signing.key"
#: The least characters of a key that somebody chose.
_LEAST = 16


def signing_keys(given: str | None, folder: Path) -> tuple[bytes, ...]:
    """The keys given, separated by commas, of which the first signs; else the one in `folder`, made by whoever is first.

    Raises ConfigurationError for a key that is too short, or a file that cannot be made or read.
    """
    if given is not None:
        keys = tuple(key.strip().encode() for key in given.split(",") if key.strip())
        if not keys or any(len(key) < _LEAST for key in keys):
            raise ConfigurationError(
                f"REFNET_SIGNING_KEYS holds a key of less than {_LEAST} characters. Make one with: refnet keys signing"
            )
        return keys
    path = folder / _FILE
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(
            f"The signing key {path} cannot be made or read ({error.strerror}). Set REFNET_DATA_DIR to a folder of your "
            "own, or REFNET_SIGNING_KEYS."
        ) from error
    if len(key) < _LEAST:
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
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink(missing_ok=True)
