"""A clock that can be set while programs run: libfaketime, by which their system's time of day is false."""

from __future__ import annotations

from pathlib import Path

from tests.servers import missing

_FOLDERS = ("/usr/lib", "/usr/local/lib", "/usr/lib64")


def library() -> Path:
    """The library for programs with threads. Skips the test where it is not installed (Debian: libfaketime)."""
    for folder in _FOLDERS:
        for found in sorted(Path(folder).glob("**/faketime/libfaketimeMT.so.1")):
            return found
    return missing("libfaketime is not installed")


class FalseTime:
    """A file that says by how much the time is wrong. What measures how long something takes stays right.

    `environment` is for the programs that shall believe it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """From some second on, let the time be wrong by so many seconds."""
        new = self._file.with_name(f"{self._file.name}.new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)
