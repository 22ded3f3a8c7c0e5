"""What goes on beside a test: turns in a thread of their own."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self


class Beside:
    """Takes a turn again and again, from `__enter__` to `__exit__`, which raises what ended a turn."""

    #: seconds between two turns
    every = 0.25

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__.lower(), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._failed is not None and error is None:
            raise self._failed

    @property
    def is_at_it(self) -> bool:
        return self._thread.is_alive()

    def turn(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        try:
            while not self._over.wait(self.every):
                self.turn()
        except BaseException as error:  # noqa: BLE001 - a thread that ends in silence would look like one that found nothing
            self._failed = error
