"""A soak whose faults did not land shows nothing, and must not be green."""

from __future__ import annotations

from typing import NoReturn

import pytest

WORD = "void: "


def void(why: str) -> NoReturn:
    """Fail the test as void: what was to be survived did not happen as planned."""
    pytest.fail(f"{WORD}{why}", pytrace=False)
