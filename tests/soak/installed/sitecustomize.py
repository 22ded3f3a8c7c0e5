"""Python imports this at its start where PYTHONPATH names its folder: for `refnet serve`, which starts a process itself."""

from __future__ import annotations

from tests.soak.crashing import install

install("command")
