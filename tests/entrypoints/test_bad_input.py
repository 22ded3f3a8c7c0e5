"""Words that make no sense, and seeds that name no paper: refused with the reason, and nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from refnet.demo.bundled import SEED, bundled_corpus
from refnet.demo.server import StandIn
from refnet.entrypoints.cli.main import run

UNKNOWN = "ffffffffffffffffffffffffffffffffffffffff"
Refused = Callable[..., str]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn(bundled_corpus()) as stand_in:
        monkeypatch.setenv("SEMANTIC_SCHOLAR_URL", stand_in.url)
        monkeypatch.setenv("SEMANTIC_SCHOLAR_RPS", "1000")
        yield stand_in


@pytest.fixture
def refused(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that has to be refused; its message."""

    def refuse(*words: str) -> str:
        assert run(list(words)) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        assert not Path("vault").exists()
        return err.strip().splitlines()[-1]

    return refuse


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--summaries", "x"], "--summaries"),
        (["--summaries", "-1"], "--summaries"),
        (["--depth", "-1"], "--depth"),
        (["--depth", "deep"], "--depth"),
        (["--limit", "0"], "--limit"),
        (["--direction", "sideways"], "--direction"),
        (["--lang", "de"], "--lang"),
        (["--refresh", "-1"], "--refresh"),
        (["--colour"], "--colour"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(
    refused: Refused, stand_in: StandIn, words: list[str], said: str
) -> None:
    assert said in refused("map", SEED, *words)
    assert stand_in.log == []


def test_a_map_without_a_seed_and_a_command_that_is_none_are_refused(refused: Refused) -> None:
    assert "SEED" in refused("map")
    assert "sculpt" in refused("sculpt")


@pytest.mark.parametrize(
    ("seed", "said"),
    [
        (UNKNOWN, UNKNOWN),
        ("10.1234/nobody.has.this", "10.1234/nobody.has.this"),
        ("", "An empty text names no paper"),
        ("   ", "An empty text names no paper"),
        ("title:", "holds no title"),
        ("title:A Paper Which Nobody Ever Wrote About Zebras", "finds no paper of this title"),
        ("12345", "PMID:12345"),
        ("https://example.org/some/page", "is no address of a paper"),
    ],
)
def test_a_seed_that_names_no_paper_is_refused_with_the_reason(refused: Refused, seed: str, said: str) -> None:
    message = refused("map", seed)

    assert message.startswith("refnet: No seed names a paper that can be found")
    assert said in message


@pytest.mark.parametrize(
    "name", ["missing.bib", "folder.bib", "binary.bib", "page.json", "list.ris", "~nobody-of-this-name/x.bib"]
)
def test_a_file_that_cannot_be_read_is_refused(refused: Refused, name: str) -> None:
    Path("folder.bib").mkdir()
    Path("binary.bib").write_bytes(bytes(range(256)) * 40)
    Path("page.json").write_text('{"half": [1, 2', encoding="utf-8")
    Path("list.ris").write_text("nothing of the kind\n", encoding="utf-8")

    assert name in refused("map", name)


def test_a_vault_in_an_unknown_home_is_refused(refused: Refused) -> None:
    assert "~nobody-of-this-name" in refused("map", SEED, "--vault", "~nobody-of-this-name/vault")


@pytest.mark.parametrize("words", [["show", "1"], ["retry", "1"], ["purge", "1"], ["retry"], ["retry", "1", "--all"]])
def test_a_dead_letter_that_is_not_there_is_refused(refused: Refused, words: list[str]) -> None:
    assert "dead letter" in refused("dead", *words)


def test_any_number_of_summaries_is_accepted(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("0", "all", "7"):
        assert run(["map", SEED, "--depth", "0", "--summaries", number]) == 0
        assert ("Not read: 1 without an open PDF" in capsys.readouterr().out) == (number != "0")


def test_a_vault_whose_name_is_no_text_is_refused_before_any_request(refused: Refused, stand_in: StandIn) -> None:
    assert "UTF-8" in refused("map", SEED, "--vault", "v\udce9")
    assert stand_in.log == []


@pytest.mark.parametrize(
    "words",
    [
        ["map", SEED],
        ["map", SEED, "--dry-run"],
        ["demo"],
        ["summarize", "--all"],
        ["vault", "write"],
        ["vault", "check"],
    ],
)
def test_a_vault_without_a_name_is_refused_before_anything_is_done(
    refused: Refused, stand_in: StandIn, words: list[str]
) -> None:
    before = sorted(Path().iterdir())

    message = refused(*words, "--vault", "")

    assert "'--vault': An empty text names no folder. Name one, or leave the option out." in message
    assert sorted(Path().iterdir()) == before
    assert stand_in.log == []


def test_an_export_keeps_the_mode_of_a_file_and_the_link_to_it(stand_in: StandIn) -> None:
    assert run(["map", SEED, "--depth", "0"]) == 0
    kept = Path("kept.json")
    kept.write_text("old", encoding="utf-8")
    kept.chmod(0o600)
    Path("link.json").symlink_to("kept.json")

    assert run(["export", "json", "--out", "link.json"]) == 0

    assert Path("link.json").is_symlink()
    assert kept.read_text(encoding="utf-8").startswith('{"papers"')
    assert kept.stat().st_mode & 0o777 == 0o600


def test_an_export_to_a_pipe_goes_through_it(stand_in: StandIn) -> None:
    assert run(["map", SEED, "--depth", "0"]) == 0
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run(["export", "json", "--out", "pipe"]) == 0
        assert os.read(reader, 100).startswith(b'{"papers"')
    finally:
        os.close(reader)
    assert Path("pipe").is_fifo()
