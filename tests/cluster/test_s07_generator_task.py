"""S07: `generate_markdown` by hand writes a note into OUTPUT_DIR that links to its neighbours' and is the reader's."""

from __future__ import annotations

import re

import pytest

from refnet.demo.bundled import SEED
from tests.cluster.lab import Lab, until
from tests.cluster.live_events import live_events

pytestmark = pytest.mark.slow

FETCH, GENERATE = "crawler.tasks.fetch_paper_metadata", "generator.tasks.generate_markdown"
PAPER = "7eda0c4e99c68e4f3cb00a14b4513a1d74fdabb2"
NOTE = "Lewis 2020 Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks"
DONE = {"status": "success", "paper_id": PAPER, "note": NOTE}


def test_s07_a_note_by_hand_links_to_its_neighbours_and_keeps_what_the_reader_wrote(lab: Lab) -> None:
    lab.worker("crawler")
    note = lab.vault / "papers" / f"{NOTE}.md"
    with lab.app() as app:
        app.send_task(FETCH, [SEED]).get(timeout=90)
        until(lambda: lab.query("SELECT count(*) FROM papers WHERE fetched_at IS NOT NULL") == [(57,)], 90)
        assert not note.exists()

        # Nobody waits for the summaries of the crawl: there is no summarizer yet.
        lab.worker("generator")
        assert app.send_task(GENERATE, [PAPER]).get(timeout=90) == DONE
        assert f'paper_id: "{PAPER}"' in note.read_text()

        lab.worker("summarizer")
        until(lambda: lab.query("SELECT state FROM crawls") == [("finished",)], 120, "the notes of its neighbours")
        links = re.findall(r"^- \[\[([^\]|]+)", note.read_text(), re.MULTILINE)
        assert len(links) == 34 + 22
        assert {f"{link}.md" for link in links} < {path.name for path in note.parent.iterdir()}
        assert lab.refnet.done("vault", "check", "--json").code == 0

        # Written again with nothing new it is not touched, and the reader's own stays.
        before = (note.read_bytes(), note.stat().st_mtime_ns)
        assert app.send_task(GENERATE, [PAPER]).get(timeout=90) == DONE
        assert (note.read_bytes(), note.stat().st_mtime_ns) == before
        mine = (
            note.read_text().replace("aliases:\n", "rating: 5\naliases:\n") + "\n## My thoughts\n\nRead this twice.\n"
        )
        note.write_text(mine)
        assert app.send_task(GENERATE, [PAPER]).get(timeout=90) == DONE
        assert note.read_text() == mine

        # Nor is it lost where there is something new to write.
        with lab.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE papers SET venue = 'NeurIPS' WHERE paper_id = %s", (PAPER,))
        assert app.send_task(GENERATE, [PAPER]).get(timeout=90) == DONE

    written = note.read_text()
    assert 'venue: "NeurIPS"' in written
    assert "rating: 5\n" in written
    assert written.endswith("\n## My thoughts\n\nRead this twice.\n")
    assert lab.results(GENERATE)[-1].status == "SUCCESS"


def test_s07_a_paper_that_is_not_collected_ends_as_failure_with_the_reason_and_a_dead_letter(lab: Lab) -> None:
    lab.worker("generator")

    with lab.app() as app, live_events(app) as events:
        result = app.send_task(GENERATE, [PAPER])
        with pytest.raises(Exception, match=f"{PAPER} is not collected yet"):
            result.get(timeout=90)
        events.until("task-failed", result.id)
        assert "retried" not in events.kinds(result.id)

    [letter] = lab.refnet.done("dead", "list", "--json").json
    assert (letter["stage"], letter["paper_id"]) == ("generate", PAPER)
    assert not list(lab.vault.rglob("*.md"))
