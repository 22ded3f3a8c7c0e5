"""The log of a command that does all the work itself: each line says which jobs it is about."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing

import pytest

from refnet.demo.bundled import SEED
from tests.acceptance.command import Refnet

pytestmark = pytest.mark.slow

#: The line that a library writes of each request.
ASKED = "HTTP Request: POST"


def about(line: str) -> dict[str, str]:
    """What a line names, in either form."""
    if line.startswith("{"):
        document: dict[str, str] = json.loads(line)
        return document
    named = re.search(r" \[([^\[\]]*)\]$", line)
    return dict(one.split("=", 1) for one in named[1].split(" ")) if named else {}


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_line_of_a_map_that_is_written_while_jobs_are_worked_on_names_them(refnet: Refnet, form: str) -> None:
    logs = refnet.folder / "logs"
    refnet.with_(REFNET_LOG_DIR=str(logs), REFNET_LOG_LEVEL="DEBUG", REFNET_LOG_FORMAT=form).map(
        SEED, "--limit", "30", "--no-summaries"
    )

    lines = (logs / "refnet.log").read_text().splitlines()
    held = [number for number, line in enumerate(lines) if "Holds the jobs" in line]
    answered = [number for number, line in enumerate(lines) if ASKED in line]
    assert held
    assert answered[-1] > held[-1]
    with closing(sqlite3.connect(refnet.database)) as database:
        jobs = {str(number): paper for number, paper in database.execute("SELECT id, paper_id FROM jobs")}
    for number in held:
        told = about(lines[number])
        few = told["job"].split(",")
        assert int(told.get("jobs", 1)) == lines[number].count(" ("), "as many as the line itself names"
        assert all(f"{one} ({jobs[one]})" in lines[number] for one in few)
    for line in lines[held[-1] : answered[-1] + 1]:
        assert {"crawl", "claim", "job"} <= set(about(line))
    assert "job" not in about(lines[-1]), "it is over"
