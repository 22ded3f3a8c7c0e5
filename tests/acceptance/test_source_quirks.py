"""What the source holds back or does not know is told, and never makes the rest wrong."""

from __future__ import annotations

import pytest

from refnet.demo.bundled import SEED, bundled_corpus
from tests.acceptance.conftest import Serve, User
from tests.demo.asking import sha, star

pytestmark = pytest.mark.slow


def test_lists_that_are_withheld_and_counts_that_are_wrong_are_survived(serve: Serve, user: User) -> None:
    missing = {bundled_corpus().paper_id(index) for index in (30, 60)}
    stand_in = serve(elided=0.2, null_rows=0.1, count_drift=2, missing=frozenset(missing), seed=5)
    refnet = user(stand_in)

    document = refnet.map(SEED, "--depth", "2", "--limit", "1000")

    truth = set().union(*stand_in.truth(SEED, 2))
    papers, _ = refnet.exported()
    assert set(papers) == truth
    assert not missing & truth
    assert document["papers"] == document["notes"] == len(truth)
    assert document["dead"] == 0
    withheld = [entry for entry in document["incomplete"] if entry["why"] == "hidden by the publisher"]
    assert withheld
    assert all(entry["list"] == "references" for entry in withheld)
    assert set(document["missing"]) <= missing
    refnet.done("vault", "check")


def test_of_a_hub_the_newest_are_taken_and_the_reader_is_told(serve: Serve, user: User) -> None:
    stand_in = serve(star(9_700))
    refnet = user(stand_in)

    document = refnet.map(sha("centre"), "--limit", "50")

    assert document["papers"] == 50
    (entry,) = [one for one in document["incomplete"] if one["paper_id"] == sha("centre")]
    assert (entry["list"], entry["have"], entry["of"]) == ("citations", 1_000, 9_700)
    assert "they are the newest, not the weightiest" in entry["why"]
    assert len(stand_in.log) <= 4
    note = refnet.folder / "vault" / "papers" / "centre.md"
    assert "9,700" in note.read_text(encoding="utf-8")


def test_the_silent_cap_of_a_batch_loses_no_citation(serve: Serve, user: User) -> None:
    stand_in = serve(max_citations=60)
    refnet = user(stand_in)

    document = refnet.map(SEED, "--depth", "2", "--limit", "1000")

    assert set(refnet.exported()[0]) == set().union(*stand_in.truth(SEED, 2))
    assert document["incomplete"] == []
