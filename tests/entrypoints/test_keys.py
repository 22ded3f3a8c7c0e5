"""`refnet keys`."""

from __future__ import annotations

from pathlib import Path

import pytest

from refnet.adapters.signing_keys import signing_keys
from refnet.entrypoints.cli.main import run


def test_a_signing_key_stands_alone_on_the_last_line_and_is_taken(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    printed = []
    for _ in range(2):
        assert run(["keys", "signing"]) == 0
        printed.append(capsys.readouterr().out)
    first, second = (lines.splitlines()[-1] for lines in printed)

    assert signing_keys(f"{first},{second}", tmp_path) == (first.encode(), second.encode())
    assert len(first) == len(second) == 64
    assert first != second
    assert not any(tmp_path.iterdir())


def test_the_lines_before_say_how_a_key_is_changed(capsys: pytest.CaptureFixture[str]) -> None:
    run(["keys", "signing"])
    *before, _ = capsys.readouterr().out.splitlines()

    steps = [line.split()[0] for line in before if "REFNET_SIGNING_KEYS=" in line]
    assert steps == [f"REFNET_SIGNING_KEYS={keys}" for keys in ("old,new", "new,old", "new")]
