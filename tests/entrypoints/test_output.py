"""What the terminal gets: plain text, in its width, with progress that comes to an end."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Self

import pytest

from refnet.entrypoints.cli.main import _with_default_age
from refnet.entrypoints.cli.output import BarProgress, LineProgress, note, print_json, say, words
from tests.servers import missing


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and takes the place of both of the process's own."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def __enter__(self) -> Self:
        self._places = contextlib.ExitStack()
        self._places.enter_context(contextlib.redirect_stdout(self))
        self._places.enter_context(contextlib.redirect_stderr(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._places.close()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """One of 60 columns."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_what_a_terminal_would_obey_never_gets_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    say("a title \x1b]0;owned\x07\x1b[2J with \u202e in it")
    note("\x9b31m red\rover")

    out, err = capsys.readouterr()
    assert not any(char in out + err for char in "\x1b\x07\u202e\x9b\r")
    assert "a title" in out


def test_a_stream_that_lacks_a_letter_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)

    say("Dessí “2022”")

    stream.seek(0)
    assert stream.read() == "Dess? ?2022?\n"


def test_a_terminal_gets_lines_of_its_width_and_words_whole(terminal: Terminal) -> None:
    with terminal:
        say("word " * 40, indent=4)

    lines = terminal.getvalue().splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert all(line.startswith("    word") for line in lines[1:])


def test_a_path_is_never_broken(terminal: Terminal) -> None:
    with terminal:
        say("Vault: " + "/a folder" * 20, whole=True)

    assert len(terminal.getvalue().splitlines()) == 1


def test_json_is_one_document_even_of_broken_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"input": "half a surrogate \ud800"})

    assert json.loads(capsys.readouterr().out) == {"input": "half a surrogate ?"}


def test_json_holds_nothing_that_a_terminal_obeys_and_letters_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2J\x9b2J\x7f\u202e論文 é\U000e0001\n"
    print_json({hostile: hostile})

    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert "論文 é" in out
    assert json.loads(out) == {hostile: hostile}


def test_figures_read_as_a_sentence() -> None:
    assert words({"collected": 1_311, "found": 4_245, "requests": 4}) == "1,311 of 4,245 papers found · 4 requests"
    assert words({"collected": 1, "found": 1, "requests": 1}) == "1 of 1 paper found · 1 request"
    assert words({"notes": 5, "of": 20}) == "5 of 20"
    assert words({"requests": 0}) == ""


def test_a_log_gets_a_line_per_phase_and_its_last_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with LineProgress() as progress:
        progress.show("collecting papers", collected=0, found=1, requests=0)
        for number in range(1, 100):
            progress.show("collecting papers", collected=number, found=99, requests=number)
        progress.show("writing notes", notes=1, of=99)
        progress.waiting(0.9, "the rate limit")
        progress.waiting(30.0, "another try")
        progress.show("writing notes", notes=99, of=99)

    assert capsys.readouterr().err.splitlines() == [
        "collecting papers: 0 of 1 paper found",
        "collecting papers: 99 of 99 papers found · 99 requests",
        "writing notes: 1 of 99",
        "waiting 30 s for another try",
        "writing notes: 99 of 99",
    ]


def test_a_log_gets_a_line_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("refnet.entrypoints.cli.output.time.monotonic", lambda: now[0])
    with LineProgress() as progress:
        for number in range(13):
            progress.show("collecting papers", collected=number, found=13)
            now[0] += 1.0

    told = [line.split()[2] for line in capsys.readouterr().err.splitlines()]
    assert told == ["0", "5", "10", "12"]


def test_a_terminal_shows_phases_that_are_over_as_done(terminal: Terminal) -> None:
    with terminal, BarProgress() as progress:
        progress.show("resolving seeds")
        progress.show("collecting papers", collected=5, found=9, requests=2)
        progress.waiting(60.0, "the rate limit")
        progress.show("collecting papers", collected=9, found=9, requests=3)
        progress.show("summarising", notes=0, of=9)

    last = terminal.getvalue().rpartition("resolving seeds")[2]
    assert "9 of 9 papers found" in last
    assert "waiting" not in last
    assert "9 of 9" in last.rpartition("summarising")[2]


def test_a_terminal_shows_how_far_it_came_where_it_stopped(terminal: Terminal) -> None:
    def stop_midway() -> None:
        with BarProgress() as progress:
            progress.show("summarising", notes=3, of=9)
            raise KeyError

    with terminal, pytest.raises(KeyError):
        stop_midway()

    assert "9 of 9" not in terminal.getvalue()
    assert "3 of 9" in terminal.getvalue()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["map", "x", "--refresh"], ["map", "x", "--refresh=30"]),
        (["map", "--refresh", "arXiv:2005.11401"], ["map", "--refresh=30", "arXiv:2005.11401"]),
        (["map", "--refresh", "0", "x"], ["map", "--refresh", "0", "x"]),
        (["map", "--refresh", "2.5", "x"], ["map", "--refresh", "2.5", "x"]),
        (["map", "--refresh=7", "x"], ["map", "--refresh=7", "x"]),
        (["map", "--refresh", "2005.11401"], ["map", "--refresh=30", "2005.11401"]),
        (["map", "--refresh", "-1", "x"], ["map", "--refresh", "-1", "x"]),
        (["map", "--", "--refresh"], ["map", "--", "--refresh"]),
    ],
)
def test_the_age_of_a_refresh_may_be_left_out(typed: list[str], meant: list[str]) -> None:
    assert _with_default_age(typed) == meant


def test_a_terminal_that_is_gone_stops_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        missing("this system has no /dev/full")
    with full.open("w", buffering=1) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        note("nobody reads this")
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            stream.close()
