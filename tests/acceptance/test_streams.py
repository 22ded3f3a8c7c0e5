"""Where the answer goes: a terminal, a pipe that closes, a full disk, nowhere."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from refnet.demo.bundled import SEED
from tests.acceptance.command import Refnet, tree
from tests.acceptance.conftest import Serve, User
from tests.servers import missing


def shell(refnet: Refnet, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which `refnet` is the command."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; refnet() {{ '{sys.executable}' -m refnet \"$@\"; }}; {line}"],
        cwd=refnet.folder,
        env={**refnet.environment, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def mapped(refnet: Refnet) -> Refnet:
    refnet.map(SEED, "--depth", "2", "--limit", "100")
    return refnet


@pytest.mark.slow
def test_a_reader_who_stops_reading_hears_no_complaint(mapped: Refnet) -> None:
    ended = shell(mapped, "refnet export json | head -n 1")

    assert ended.stdout.startswith('{"papers": [')
    assert ended.stderr == ""


@pytest.mark.slow
def test_an_answer_that_finds_no_room_is_no_success(mapped: Refnet) -> None:
    if not Path("/dev/full").exists():
        missing("this system has no /dev/full")
    for words in ("export json", "status", "map arXiv:2005.11401 --json"):
        ended = shell(mapped, f"refnet {words} > /dev/full")
        assert ended.returncode == 3, words
        assert "No space left on device" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert "Exception ignored" not in ended.stderr


def test_with_its_streams_closed_the_work_is_done_all_the_same(refnet: Refnet) -> None:
    ended = shell(refnet, f"refnet map {SEED} --limit 5 >&- 2>&-")

    assert ended.returncode == 0
    assert len(tree(refnet.folder / "vault" / "papers")) == 5


def test_json_is_json_in_an_encoding_that_lacks_the_letters(refnet: Refnet) -> None:
    ended = shell(refnet, f"refnet map {SEED} 'title:Über Ähnliches 日本' --limit 5 --json", PYTHONIOENCODING="ascii")

    assert ended.returncode == 1
    assert json.loads(ended.stdout)["unresolved"][0]["input"] == "title:Über Ähnliches 日本"


def test_a_terminal_sees_how_far_the_work_is_and_ends_with_the_report(serve: Serve, user: User) -> None:
    refnet = user(serve(latency=0.4), REFNET_BATCH_IDS="20", TERM="xterm-256color", COLUMNS="100")
    screen, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "refnet", "map", SEED],
        cwd=refnet.folder,
        env=refnet.environment,
        stdin=subprocess.DEVNULL,
        stdout=end,
        stderr=end,
    )
    os.close(end)
    shown = until_closed(screen)

    assert process.wait() == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"collecting papers .* 21 of 57 papers found · 2 requests", plain)
    last = plain[plain.rindex("resolving seeds") :]
    assert re.search(r"✓ collecting papers .* 57 of 57 papers found · 4 requests", last)
    assert re.search(r"✓ writing notes .* 57 of 57", last)
    assert last.rstrip().endswith(f"Vault: {refnet.folder / 'vault'}")
    # The cursor was hidden while lines moved, and is back.
    assert shown.count("\x1b[?25h") == shown.count("\x1b[?25l") == 1


def until_closed(screen: int) -> str:
    parts = []
    try:
        while part := os.read(screen, 65_536):
            parts.append(part)
    except OSError:  # what Linux says when the other end is closed
        pass
    finally:
        os.close(screen)
    return b"".join(parts).decode()
