"""A crawl over whose notes refnet itself stumbles: told, no longer running, and taken up by the same command."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from refnet.demo.bundled import SEED
from tests.acceptance.command import Refnet

#: Authors of a form that no release ever wrote.
SPOILT = "[3]"


def authors(refnet: Refnet, value: str) -> str:
    """Put other authors to the oldest paper collected; those that it had."""
    first = "(SELECT min(paper_id) FROM papers WHERE fetched_at IS NOT NULL)"
    with closing(sqlite3.connect(refnet.database)) as connection, connection:
        ((had,),) = connection.execute(f"SELECT authors FROM papers WHERE paper_id = {first}").fetchall()  # noqa: S608
        connection.execute(f"UPDATE papers SET authors = ? WHERE paper_id = {first}", [value])  # noqa: S608
    return str(had)


@pytest.mark.slow
def test_a_bug_while_notes_are_named_leaves_no_crawl_that_looks_as_if_it_ran(refnet: Refnet) -> None:
    assert refnet("map", SEED, "--depth", "0").code == 0
    had = authors(refnet, SPOILT)

    failed = refnet("map", SEED, "--depth", "0", "--lang", "ja")

    assert failed.code == 3
    assert "a fault in refnet itself (TypeError: " in failed.error
    (crawl,) = refnet("status", "--json").json["crawls"]
    assert crawl["state"] == "failed"
    assert crawl["reason"].startswith("TypeError: ")
    assert "Traceback" in crawl["traceback"]
    text = refnet("status").out
    assert "Crawl 1, failed: " in text
    assert "Crawl 1 failed: TypeError: " in text
    assert "give the same command again" in text

    authors(refnet, had)
    assert refnet("map", SEED, "--depth", "0", "--lang", "ja").code == 0
    (crawl,) = refnet("status", "--json").json["crawls"]
    assert (crawl["state"], crawl["reason"], crawl["traceback"]) == ("finished", None, None)
    assert " failed" not in refnet("status").out
