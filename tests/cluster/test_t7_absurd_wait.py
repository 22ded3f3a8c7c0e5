"""T7 of reliability.md, its longest wait: a source that asks to be left alone for 285 years is believed ten minutes.

The soak waits for them (tests/soak/test_t07_bad_source.py); here the ledger is made so much older.
"""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from refnet.adapters.database.engine import writing
from refnet.demo.bundled import SEED
from tests.acceptance.command import asked_twice
from tests.cluster.lab import Lab, until
from tests.cluster.one_lab import switch

pytestmark = pytest.mark.slow

#: Seconds that the source asks for, and those that it is left alone.
ABSURD, BELIEVED = 9e9, 600.0


def test_an_absurd_wait_is_told_and_cut_short_and_then_the_crawl_goes_on(lab: Lab) -> None:
    mapping = lab.refnet.start("map", SEED, "--depth", "1", "--json")
    until(lambda: lab.query("SELECT 1 FROM jobs"), what="the crawl to be handed over")
    switch(lab.stand_in, faults=1.0, kinds=("429-retry-after",), retry_after=ABSURD)
    lab.worker()
    until(lambda: lab.query("SELECT 1 FROM pace WHERE failures > 0"), what="the source to refuse")

    status = lab.refnet.done("status").out
    told = re.search(r"127\.0\.0\.1:\d+ is left alone for (\d+) s more after 1 failures in a row\.", status)
    assert told is not None, status
    assert BELIEVED - 60 <= float(told[1]) <= BELIEVED
    assert len(lab.stand_in.log) == 1, "the source was not left alone"

    switch(lab.stand_in)
    age(lab, BELIEVED)

    ended = mapping.wait(120)
    assert ended.code == 0, ended.err
    assert ended.json["papers"] == 57
    assert not asked_twice(lab.stand_in.log)
    assert not lab.query("SELECT 1 FROM jobs WHERE state <> 'done' OR attempts > 0")


def age(lab: Lab, seconds: float) -> None:
    """Let everything in the ledger that waits for its time have waited so much longer."""
    with writing(lab.engine) as connection:
        for table, columns in {"pace": ("next_at", "blocked_until"), "jobs": ("due_at", "hinted_at")}.items():
            older = ", ".join(f"{column} = {column} - :seconds" for column in columns)
            connection.execute(text(f"UPDATE {table} SET {older}"), {"seconds": seconds})  # noqa: S608 - names of ours
