"""A crawl over whose notes the workers stumble: it is given up, whoever waits is told, and it can be taken up again."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import update

from refnet.adapters.database.engine import writing
from refnet.adapters.database.schema import papers
from refnet.demo.bundled import SEED
from tests.cluster.lab import Lab, until

pytestmark = pytest.mark.slow


def authors(lab: Lab, value: object) -> None:
    with writing(lab.engine) as connection:
        connection.execute(update(papers).where(papers.c.fetched_at.is_not(None)).values(authors=value))


def test_a_bug_while_a_vault_is_named_ends_the_crawl_and_not_the_waiting_only(lab: Lab) -> None:
    """Before, it failed again and again, and `map` gave up waiting after a quarter of an hour without a reason."""
    lab.worker("crawler,summarizer")
    mapping = lab.refnet.start("map", SEED, "--depth", "0")
    until(lambda: lab.query("SELECT 1 FROM crawls WHERE stage = 'name'"), what="the stage of names")
    authors(lab, [3])

    lab.worker("generator")
    failed = mapping.wait()

    assert failed.code == 3
    assert "The workers gave up the notes of crawl 1: TypeError: " in failed.error
    assert "run the same command again" in failed.error
    (crawl,) = lab.refnet("status", "--json").json["crawls"]
    assert crawl["state"] == "failed"
    assert crawl["reason"].startswith("TypeError: ")
    assert "Traceback" in crawl["traceback"]
    assert lab.refnet("vault", "write").code == 3, "the same fault again, told in the same way"

    authors(lab, [["Ada Lovelace", None]])
    again = lab.refnet("map", SEED, "--depth", "0", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["notes"] == 1
    (crawl,) = lab.refnet("status", "--json").json["crawls"]
    assert (crawl["state"], crawl["reason"], crawl["traceback"]) == ("finished", None, None)
