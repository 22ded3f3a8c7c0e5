"""An internet for each test, and a canary that nobody may come to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.full_text.internet import Canary, Internet


@pytest.fixture
def canary() -> Iterator[Canary]:
    with Canary() as listening:
        yield listening


@pytest.fixture
def internet(canary: Canary) -> Internet:
    return Internet(canary)
