"""Reads PDFs in child processes that can do nothing else; whatever a file does to its child, the reader goes on."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Self

from refnet.adapters.pdf import limits
from refnet.adapters.pdf.encoding import Malformed, decode
from refnet.adapters.pdf.process import Child, ChildDied, TookTooLong, open_file
from refnet.domain.documents import Document, NoFullText

_readers: weakref.WeakSet[BoundedPdfReader] = weakref.WeakSet()


class BoundedPdfReader:
    """Implements the `PdfReader` port.

    Children are kept for further papers, one for each thread that reads at the same time, and replaced after `papers` of them,
    and after any that they did not survive. For several threads; a process forked from this one starts children of its own.
    """

    def __init__(self, papers: int = limits.PAPERS_PER_CHILD, wall_seconds: float = limits.WALL_SECONDS) -> None:
        self._papers = min(papers, limits.PAPERS_PER_CHILD)
        self._wall_seconds = wall_seconds
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        _readers.add(self)

    def read(self, path: str) -> Document | NoFullText:
        """Raises OSError where the file is not there or may not be read, or no process can be started."""
        file = open_file(path)
        if file is None:
            return NoFullText.NOT_A_PDF
        try:
            if os.fstat(file).st_size > limits.MOST_BYTES:
                return NoFullText.TOO_LARGE
            # What can be told without reading needs no child.
            if b"%PDF-" not in os.pread(file, limits.HEADER_WITHIN, 0):
                return NoFullText.NOT_A_PDF
            return self._read(file, time.monotonic() + self._wall_seconds)
        finally:
            os.close(file)

    def sandbox_kinds(self) -> tuple[str, ...]:
        """What holds the children: of `rlimits`, `no new privileges`, `landlock` and `seccomp` those that this system has.

        Raises OSError where no child can be started, or it does not start in time.
        """
        self.attempt("/", 0)
        with self._lock:
            return next((child.sandbox for child in self._idle if child.sandbox is not None), ())

    def attempt(self, path: str, port: int) -> Mapping[str, str]:
        """What the system says to a child that tries to open `path`, to write, to connect to a port here, to start a process,
        to send this one a signal and, on Linux, to look at its limits: the name of the error for each, or `done`. So that a
        test, or `doctor`, can tell.
        """
        child = self._take()
        try:
            said = child.attempt(path, port, time.monotonic() + self._wall_seconds)
        except (ChildDied, TookTooLong, ValueError) as error:
            self._drop(child)
            raise OSError(f"The process that reads PDFs does not start: {error}") from error
        except BaseException:
            self._drop(child)
            raise
        self._give_back(child)
        return said

    @property
    def children(self) -> frozenset[int]:
        """The ids of the processes that read for this one."""
        with self._lock:
            return frozenset(child.pid for child in self._all)

    def close(self) -> None:
        """End the children that are not at work; the others end with their paper."""
        with self._lock:
            idle, self._idle, self._papers = self._idle, [], 0
            self._all.difference_update(idle)
        for child in idle:
            child.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, file: int, until: float) -> Document | NoFullText:
        while True:
            child = self._take()
            warm = child.asked > 0
            try:
                read = decode(child.ask(file, until))
            except TookTooLong:
                self._drop(child)
                return NoFullText.TOO_LONG
            except (ChildDied, Malformed):
                self._drop(child)
                if warm:
                    continue  # it may have been the work of a paper before; a new child tells
                return NoFullText.DAMAGED
            except BaseException:  # an interrupt, or a time limit of whoever called
                self._drop(child)
                raise
            self._give_back(child)
            return read

    def _take(self) -> Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.lives():
                    return child
                self._all.discard(child)
                child.kill()
            child = Child()
            self._all.add(child)
            return child

    def _give_back(self, child: Child) -> None:
        with self._lock:
            if child.asked < self._papers:
                self._idle.append(child)
                return
            self._all.discard(child)
        child.end()

    def _drop(self, child: Child) -> None:
        child.kill()
        with self._lock:
            self._all.discard(child)

    def forget(self) -> None:
        """In a forked process: the children are its parent's."""
        self._lock = threading.Lock()
        for child in self._all:
            child.forget()
        self._idle, self._all = [], set()


def _forget_all() -> None:
    for reader in list(_readers):
        reader.forget()


os.register_at_fork(after_in_child=_forget_all)
