"""Each command as it is used, and what its answers look like."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from refnet.demo.bundled import SEED, bundled_corpus
from refnet.demo.server import StandIn
from tests.acceptance.command import Refnet, asked_twice, stamps, tree
from tests.acceptance.conftest import Serve, User
from tests.servers import missing

#: Many runs of the whole command.
pytestmark = pytest.mark.slow

RAG = "7eda0c4e99c68e4f3cb00a14b4513a1d74fdabb2"
ATTENTION = "arXiv:1706.03762"


def paper_id(identifier: str) -> str:
    index = bundled_corpus().resolve(identifier)
    assert index is not None
    return bundled_corpus().paper_id(index)


# map


def test_the_report_says_what_was_done_and_where_the_vault_is(refnet: Refnet) -> None:
    ended = refnet.done("map", SEED, "--limit", "10")

    lines = ended.out.splitlines()
    assert lines[0] == "Seed       Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks (arXiv:2005.11401)"
    assert lines[1].startswith("Papers     10, with ")
    assert "Summaries  10 (10 from tldr or abstract; each says which)" in lines
    assert "Notes      10 (10 written)" in lines
    assert "Requests   2 to Semantic Scholar" in lines
    assert lines[-2:] == [
        "Data: Semantic Scholar, https://www.semanticscholar.org/?utm_source=api",
        f"Vault: {refnet.folder / 'vault'}",
    ]
    assert len(lines) <= 10


def test_json_is_the_only_thing_on_stdout_and_progress_is_on_stderr(refnet: Refnet) -> None:
    ended = refnet.done("map", SEED, "--limit", "10", "--json")

    assert set(ended.json) >= {
        *("crawl", "seeds", "conflicts", "papers", "citations", "summaries", "notes", "dead"),
        *("unresolved", "incomplete", "requests", "vault"),
    }
    assert ended.json["seeds"] == [
        {
            "input": SEED,
            "paper_id": RAG,
            "title": "Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks",
        }
    ]
    assert re.search(r"^collecting papers: 10 of 10 papers found · 2 requests$", ended.err, re.MULTILINE)
    assert "writing notes: 10 of 10" in ended.err


def test_a_dry_run_estimates_and_leaves_nothing_behind(refnet: Refnet, stand_in: StandIn) -> None:
    truth = stand_in.truth(SEED, 1)
    estimate = refnet.done("map", SEED, "--dry-run", "--json").json
    told = refnet.done("map", SEED, "--dry-run").out

    assert estimate["papers"] == sum(map(len, truth))
    assert estimate["requests"] == 1
    assert estimate["cost"] == 0
    assert estimate["unresolved"] == []
    assert f"about {estimate['papers']} papers with about 1 request" in told
    assert not (refnet.folder / "vault").exists()
    assert refnet.done("status", "--json").json["crawls"] == []
    asked = len(stand_in.log)
    assert asked == 1

    document = refnet.map(SEED)

    assert document["papers"] == estimate["papers"]
    assert document["requests"]["semantic_scholar"] == estimate["requests"]
    assert asked_twice(stand_in.log) == set()


@pytest.mark.slow
def test_a_dry_run_of_two_steps_names_a_bound(refnet: Refnet) -> None:
    estimate = refnet.done("map", SEED, "--depth", "2", "--limit", "90", "--dry-run", "--json").json
    real = refnet.map(SEED, "--depth", "2", "--limit", "90")

    assert real["papers"] <= estimate["papers"] <= 90
    assert real["requests"]["semantic_scholar"] <= estimate["requests"] + 1


@pytest.mark.slow
def test_a_dry_run_of_an_unknown_paper_is_refused_and_of_a_mixture_told(refnet: Refnet) -> None:
    unknown = "f" * 40

    assert refnet("map", unknown, "--dry-run").code == 2
    assert refnet("map", SEED, unknown, "--dry-run").code == 1


@pytest.mark.slow
def test_only_a_refresh_asks_again(refnet: Refnet, stand_in: StandIn) -> None:
    first = refnet.map(SEED, "--limit", "20")
    vault = stamps(refnet.folder / "vault")

    def asked_by(*words: str) -> int:
        before = len(stand_in.log)
        assert refnet.map(SEED, "--limit", "20", *words)["papers"] == first["papers"]
        return len(stand_in.log) - before

    assert asked_by() == 0
    assert asked_by("--refresh") == 0
    assert asked_by("--refresh=30") == 0
    assert asked_by("--refresh", "0") > 0
    assert {paper for entry in stand_in.log[-2:] for paper in entry.asked} >= {RAG}
    assert stamps(refnet.folder / "vault") == vault


def test_seeds_are_collected_even_beyond_the_limit(refnet: Refnet) -> None:
    document = refnet.map(SEED, ATTENTION, "--limit", "1")

    assert document["papers"] == document["notes"] == 2


@pytest.mark.slow
def test_counts_are_those_of_the_crawl_in_a_vault_that_holds_more(refnet: Refnet) -> None:
    refnet.map(SEED, "--limit", "10")

    document = refnet.map(ATTENTION, "--depth", "0")

    assert document["papers"] == document["notes"] == document["summaries"] == 1
    assert len(list((refnet.folder / "vault" / "papers").iterdir())) >= 10


def test_headings_are_in_the_language_asked_for(refnet: Refnet) -> None:
    refnet.map(SEED, "--limit", "5", "--lang", "ja")

    (note,) = (refnet.folder / "vault" / "papers").glob("Lewis 2020*.md")
    text = note.read_text(encoding="utf-8")
    assert "## 要旨" in text
    assert "## 参考文献" in text
    assert "## References" not in text


def test_no_summaries_is_summaries_none(refnet: Refnet) -> None:
    assert "no full text" not in refnet.done("map", SEED, "--depth", "0", "--no-summaries").out


@pytest.mark.slow
def test_the_vault_is_where_the_option_or_else_the_variable_says(refnet: Refnet) -> None:
    elsewhere = refnet.with_(OUTPUT_DIR=str(refnet.folder / "from variable"))

    assert elsewhere.map(SEED, "--depth", "0")["vault"] == str(refnet.folder / "from variable")
    assert elsewhere.map(SEED, "--depth", "0", "--vault", "from option")["vault"] == str(refnet.folder / "from option")
    assert refnet.map(SEED, "--depth", "0")["vault"] == str(refnet.folder / "vault")


# dead


@pytest.mark.slow
def test_a_paper_that_always_fails_is_a_dead_letter_and_the_rest_is_there(serve: Serve, user: User) -> None:
    fatal = paper_id(ATTENTION)
    stand_in = serve(fail_ids=frozenset({fatal}))
    refnet = user(stand_in)
    title = "Attention Is All You Need"

    ended = refnet("map", SEED)

    assert ended.code == 1
    assert "Given up (see: refnet dead list) (1):" in ended.out
    assert f"  {title}: " in ended.out
    assert "It failed 10 times while other requests succeeded." in ended.out
    (letter,) = refnet.done("dead", "list", "--json").json
    assert set(letter) == {"id", "task", "stage", "paper_id", "reason", "attempts", "at"}
    assert (letter["paper_id"], letter["stage"], letter["attempts"]) == (fatal, "crawl", 10)
    assert letter["task"] == "crawler.tasks.fetch_paper_metadata"
    number = str(letter["id"])
    assert fatal in refnet.done("dead", "list").out
    assert "given up" in refnet.done("dead", "show", number).out
    assert refnet("map", SEED, "--json").json["dead"] == 1

    # Of two one is unknown: neither is changed.
    assert refnet("dead", "retry", number, "999").code == 2
    assert refnet("dead", "purge", number, "999").code == 2
    assert len(refnet.done("dead", "list", "--json").json) == 1
    stand_in._answers._switches = stand_in.switches = replace(stand_in.switches, fail_ids=frozenset())
    assert refnet.done("dead", "retry", number, "--json").json == {"queued_again": [letter["id"]], "not_sent": []}
    document = refnet.map(SEED)

    assert document["dead"] == 0
    assert fatal in refnet.exported()[0]
    assert refnet.done("dead", "list", "--json").json == []


@pytest.mark.slow
def test_dead_letters_may_be_purged(serve: Serve, user: User) -> None:
    refnet = user(serve(fail_ids=frozenset({paper_id(ATTENTION)})))
    assert refnet("map", SEED).code == 1
    (letter,) = refnet.done("dead", "list", "--json").json

    assert refnet.done("dead", "purge", str(letter["id"]), "--json").json == {"purged": [letter["id"]]}
    assert refnet.done("dead", "list").out == "No dead letters.\n"


# status, export, vault, doctor, db


@pytest.mark.slow
def test_status_shows_crawls_jobs_and_rate(refnet: Refnet) -> None:
    assert "No crawl yet" in refnet.done("status").out
    refnet.map(SEED, "--limit", "10")

    status = refnet.done("status", "--json").json
    told = refnet.done("status").out

    (crawl,) = status["crawls"]
    assert (crawl["state"], crawl["papers"], crawl["depth"], crawl["limit"]) == ("finished", 10, 1, 10)
    assert "10 papers, 0 waiting, 0 dead" in told
    assert status["dead"] == 0


@pytest.mark.slow
def test_an_export_goes_to_a_file_whole_or_not_at_all(refnet: Refnet) -> None:
    refnet.map(SEED, "--limit", "10")
    refnet.map(ATTENTION, "--depth", "0")

    assert len(refnet.exported("--crawl", "1")[0]) == 10
    assert len(refnet.exported()[0]) == 1
    ended = refnet.done("export", "json", "--crawl", "1", "--out", "network.json")
    assert ended.out == ""
    assert len(json.loads((refnet.folder / "network.json").read_text(encoding="utf-8"))["papers"]) == 10
    assert [path.name for path in refnet.folder.iterdir() if path.name.startswith(".")] == []
    for words in (["--out", "nowhere/network.json"], ["--crawl", "99"]):
        assert refnet("export", "json", *words).code == 2
    assert refnet("export", "sculpture").code == 2


def test_an_export_before_any_crawl_says_how_to_begin(refnet: Refnet) -> None:
    ended = refnet("export", "json")

    assert ended.code == 2
    assert "Begin with: refnet map" in ended.error


@pytest.mark.slow
def test_a_vault_is_written_again_from_what_is_stored(refnet: Refnet, stand_in: StandIn) -> None:
    refnet.map(SEED, "--limit", "10")
    asked, before = len(stand_in.log), tree(refnet.folder / "vault")
    for note in (refnet.folder / "vault" / "papers").iterdir():
        note.unlink()

    promised = refnet.done("vault", "write", "--dry-run", "--json").json
    assert promised["written"] == 10
    assert list((refnet.folder / "vault" / "papers").iterdir()) == []
    done = refnet.done("vault", "write", "--json").json

    assert done["written"] == done["notes"] == 10
    assert tree(refnet.folder / "vault") == before
    assert refnet.done("vault", "write").out.startswith("10 notes, 0 written, 10 as they were.")
    assert len(stand_in.log) == asked


@pytest.mark.slow
def test_a_vault_may_be_written_elsewhere(refnet: Refnet) -> None:
    refnet.map(SEED, "--limit", "10")

    refnet.done("vault", "write", "--vault", "second")

    assert tree(refnet.folder / "second") == tree(refnet.folder / "vault")
    assert refnet("vault", "write", "--vault", "/dev/null/x").code == 2


@pytest.mark.slow
def test_a_dry_run_of_a_first_vault_makes_none(refnet: Refnet) -> None:
    refnet.map(SEED, "--limit", "10")

    assert refnet.done("vault", "write", "--vault", "second", "--dry-run", "--json").json["written"] == 10
    assert not (refnet.folder / "second").exists()
    assert refnet.done("vault", "write", "--vault", "second", "--dry-run", "--json").json["written"] == 10


def test_a_vault_check_names_what_is_broken(refnet: Refnet) -> None:
    refnet.map(SEED, "--limit", "10")
    refnet.done("vault", "check")
    papers = refnet.folder / "vault" / "papers"
    (papers / "Mine.md").write_text("My own note.\n", encoding="utf-8")
    assert "papers/Mine.md: is no note of refnet's" in refnet.done("vault", "check").out
    (note,) = papers.glob("Lewis 2020*.md")
    note.write_text(note.read_text(encoding="utf-8") + "\nSee [[Nowhere at all]].\n", encoding="utf-8")

    ended = refnet("vault", "check", "--json")

    assert ended.code == 1
    assert any("Nowhere at all" in finding["what"] for finding in ended.json["findings"])


def test_a_folder_that_is_no_vault_is_not_called_sound(refnet: Refnet) -> None:
    refnet.map(SEED, "--depth", "0")

    ended = refnet("vault", "check", "--vault", "another")

    assert ended.code == 2
    assert "has written no notes to" in ended.error


def test_the_doctor_finds_nothing_where_all_is_well(refnet: Refnet) -> None:
    ended = refnet.done("doctor", "--json")

    assert ended.json["ok"] is True
    names = [check["name"] for check in ended.json["checks"]]
    assert names == ["settings", "database", "semantic scholar", "model", "pdfs", "vault"]


@pytest.mark.parametrize(
    ("name", "value", "check", "cure"),
    [
        ("SEMANTIC_SCHOLAR_RPS", "fast", "settings", "SEMANTIC_SCHOLAR_RPS"),
        ("SEMANTIC_SCHOLAR_URL", "http://127.0.0.1:9/graph/v1", "semantic scholar", "Connection refused"),
        ("OUTPUT_DIR", "/dev/null/vault", "vault", "another vault"),
        ("DATABASE_URL", "postgresql://me:hidden@127.0.0.1:9/refnet", "database", "does not answer"),
    ],
)
def test_the_doctor_names_each_fault_and_its_cure(refnet: Refnet, name: str, value: str, check: str, cure: str) -> None:
    ended = refnet.with_(**{name: value})("doctor", "--json")

    assert ended.code == 1
    bad = [entry for entry in ended.json["checks"] if not entry["ok"]]
    assert check in [entry["name"] for entry in bad]
    assert any(cure in entry["found"] for entry in bad)
    assert "hidden" not in ended.out + ended.err


def test_the_doctor_names_a_wrong_key(serve: Serve, user: User) -> None:
    ended = user(serve(keys=frozenset({"right"})), SEMANTIC_SCHOLAR_API_KEY="wrong")("doctor")

    assert ended.code == 1
    assert re.search(r"^BAD  semantic scholar: .*SEMANTIC_SCHOLAR_API_KEY", ended.out, re.MULTILINE)


@pytest.mark.slow
def test_a_database_is_brought_up_to_date(refnet: Refnet) -> None:
    for _ in range(2):
        assert "is at schema" in refnet.done("db", "upgrade").out
    refnet.map(SEED, "--depth", "0")


# every command


@pytest.mark.slow
def test_a_secret_is_never_shown_not_even_in_a_traceback(serve: Serve, user: User, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n", encoding="utf-8")
    keyed = user(
        serve(keys=frozenset({"right"})),
        SEMANTIC_SCHOLAR_API_KEY_FILE=str(tmp_path / "key"),
        DATABASE_URL=f"sqlite:///{tmp_path / 'other.db'}",
    )
    stored = keyed.with_(DATABASE_URL="postgresql://me:s3cret@127.0.0.1:9/refnet")
    refused = keyed("--debug", "map", SEED)
    afterwards = keyed("map", SEED, "--debug")
    unreachable = [stored(*words, "--debug") for words in (["status"], ["map", SEED], ["doctor"], ["db", "upgrade"])]

    assert refused.code == afterwards.code == 2
    for ended in (refused, afterwards, *unreachable[:2]):
        assert "Traceback" in ended.err
    for ended in (refused, afterwards, *unreachable):
        assert "s3cret" not in ended.out + ended.err


def test_without_debug_there_is_no_traceback(user: User) -> None:
    ended = user("http://127.0.0.1:9/graph/v1", REFNET_NO_NETWORK_SECONDS="0")("map", SEED)

    assert ended.code == 3
    assert "Traceback" not in ended.err


def test_refnet_is_python_m_refnet(refnet: Refnet) -> None:
    script = Path(sys.executable).parent / "refnet"
    if not script.exists():
        missing("refnet is not installed in this environment")
    ran = subprocess.run([script, "--help"], capture_output=True, text=True, check=True, env=refnet.environment)

    assert ran.stdout == refnet.done("--help").out
