"""The report in words: everything that is not there is named, and it is no wall of text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from refnet.domain.crawls import Incomplete
from refnet.domain.jobs import DeadLetter
from refnet.domain.papers import ListName
from refnet.domain.seeds import Unresolved
from refnet.domain.spending import Spent
from refnet.entrypoints.cli.map_command import as_document
from refnet.entrypoints.cli.report import print_estimate, print_report
from refnet.pipeline.generate import VaultReport
from refnet.pipeline.map_papers import Estimate, MapReport

QUIET = MapReport(
    crawl_id=1,
    seeds=[("10.1/x", "a" * 40, "A title")],
    papers=1,
    citations=0,
    summaries=1,
    full_texts=1,
    not_read={},
    notes=1,
    missing=[],
    dead=[],
    unresolved=[],
    incomplete=[],
    titles={},
    requests={"semantic_scholar": 2},
    vault=VaultReport(1, written=1),
    limit_reached=False,
)


def lines_of(report: MapReport, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_report(report, Path("/vault"))
    return capsys.readouterr().out.splitlines()


def test_a_run_without_trouble_takes_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(lines_of(QUIET, capsys)) == 7


def test_everything_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    report = replace(
        QUIET,
        missing=["b" * 40],
        dead=[DeadLetter(1, "crawl", "c" * 40, "It failed ten times.", 10, 0.0)],
        unresolved=[Unresolved("", "An empty text names no paper.")],
        incomplete=[Incomplete("d" * 40, ListName.REFERENCES, 0, 9, "hidden by the publisher")],
        titles={"c" * 40: "The third", "d" * 40: "The fourth"},
        vault=VaultReport(
            1,
            unchanged=1,
            conflicts=(("e" * 40, "section:references"),),
            deleted=("f" * 40,),
            problems=("Some note: it is not UTF-8.",),
        ),
        limit_reached=True,
    )

    text = "\n".join(lines_of(report, capsys))

    for said in (
        "all as they were",
        "a larger --limit adds papers",
        "'': An empty text names no paper.",
        "The third: It failed ten times.",
        "b" * 40,
        "references of The fourth: hidden by the publisher",
        f"{'e' * 40}: section references",
        "Some note: it is not UTF-8.",
        "1 note that you deleted stays deleted.",
    ):
        assert said in text
    assert text.endswith("Vault: /vault")


def test_many_troubles_of_one_kind_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    report = replace(
        QUIET,
        unresolved=[Unresolved(f"seed {number}", "unknown") for number in range(1_500)],
        incomplete=[Incomplete(f"p{n}", ListName.REFERENCES, 0, 9, "hidden by the publisher") for n in range(70)],
    )

    lines = lines_of(report, capsys)

    assert len(lines) < 25
    assert "Not resolved (1,500):" in lines
    assert "  and 1,492 more; --json lists all" in lines
    assert "Incomplete lists (70):" in lines
    assert "  references of 70 papers: hidden by the publisher, among them p0" in lines
    document = as_document(report, Path("/vault"), Spent(3, 0.0096))
    assert len(document["unresolved"]) == 1_500
    assert len(document["incomplete"]) == 70
    assert document["cost"] == 0.0096


def test_a_long_seed_is_not_repeated_beside_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    address = "https://example.org/" + "x" * 80
    report = replace(QUIET, seeds=[(address, "a" * 40, "A title"), ("a" * 40, "a" * 40, "A title"), ("short", "a", "")])

    lines = lines_of(report, capsys)

    assert lines[:3] == ["Seed       A title", "Seed       A title", "Seed       short"]


def test_an_estimate_says_what_it_would_take(capsys: pytest.CaptureFixture[str]) -> None:
    print_estimate(Estimate([("10.1/x", "a", "A title")], [Unresolved("no", "why")], 500, 3, {}, True), 190.0)

    out = capsys.readouterr().out
    assert "at most 500 papers with about 3 requests, in 3 min or so, at no cost" in out
    assert "  no: why" in out
