"""The documentation, held against the code, and the two READMEs against each other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from refnet.adapters.celery_queue.application import Connections, configuration
from refnet.adapters.celery_queue.queues import QUEUES, ROUTES
from refnet.demo.__main__ import _parser as stand_in_parser
from refnet.demo.bundled import SEED, bundled_corpus
from refnet.demo.server import StandIn
from refnet.demo.switches import FAULT_KINDS
from refnet.domain.dead_messages import DeadMessage
from refnet.domain.documents import NoFullText
from refnet.domain.jobs import DeadLetter
from refnet.domain.note_text import render
from refnet.domain.note_words import LANGUAGES, SECTIONS
from refnet.domain.notes import NoteContent
from refnet.domain.papers import Author, Paper
from refnet.domain.summaries import Summary
from refnet.domain.workers import ALL_CONCURRENCY, MOST_KILOBYTES, WORKERS, WorkerKind
from refnet.entrypoints.cli import dead
from refnet.entrypoints.cli.main import app
from refnet.entrypoints.exit_codes import DONE, INCOMPLETE, INTERRUPTED, REFUSED, STOPPED
from refnet.settings import SECRETS, Settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])

FENCE = re.compile(r"^```[^\n]*\n.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
OPTION = re.compile(r"`(--[a-z][a-z-]*)")
LONGEST_PAGE = 120
#: Pages of the reference that have commands; each command is on one of them.
COMMAND_PAGES = ("commands", "server-commands")
#: Prints name and signature of every task of ours, and what beat sends. Its own process, for Celery reads its settings
#: once.
CELERY = """
import inspect, json
from celery.utils.imports import symbol_by_name
from refnet.celery import app

def plain(signature):
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return str(inspect.Signature(bare))

ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
tasks = {name: plain(inspect.signature(task.run)) for name, task in ours.items()}
print(json.dumps([tasks, sorted(symbol_by_name(app.conf.beat_scheduler)(app).schedule)]))
"""
#: Values that are maps by a name of its own, so that their keys are not fixed.
OPEN_MAPS = {"requests", "spent", "headers", "not_read"}


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def reference(name: str) -> str:
    return (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """The text below the heading that names all of `heading`, up to the next."""
    found = re.search(
        rf"^## [^\n]*\b{re.escape(heading)}(?![ \w-])[^\n]*\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE
    )
    assert found is not None, f"no section {heading}"
    return found[1]


def command_section(name: str) -> str:
    """The section of a command, on the only page that has one."""
    (page,) = [page for page in map(reference, COMMAND_PAGES) if f"\n## {name}\n" in page]
    return section(page, name)


def source_without_breaks() -> str:
    """All of the code in one line, with texts that go over several lines put together."""
    source = " ".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "src").rglob("*.py")))
    return re.sub(r"\s+", " ", re.sub(r'"\s+f?"', "", source))


def first_column(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def commands(group: Any, name: str = "refnet") -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{name} {word}", command
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def options_of(command: Any) -> set[str]:
    return {
        word
        for parameter in command.params
        for word in (*parameter.opts, *parameter.secondary_opts)
        if word.startswith("--") and word != "--help"
    }


COMMANDS = dict(commands(typer.main.get_command(app)))


def run(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "refnet", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | settings | {"COLUMNS": "200"},
    )


def keys_in(answer: object) -> set[str]:
    if isinstance(answer, list):
        return set().union(*map(keys_in, answer))
    if not isinstance(answer, dict):
        return set()
    return set(answer).union(*(keys_in(value) for key, value in answer.items() if key not in OPEN_MAPS))


# ---- pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_or_heading_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)

    assert broken == []


def test_the_index_links_every_page_of_the_documentation() -> None:
    index = DOCS / "index.md"
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in LINK.findall(prose(index))}

    assert {page for page in DOCS.rglob("*.md") if page != index} - linked == set()


WRITTEN = [page for page in sorted(DOCS.rglob("*.md")) if page.name != "figures.md"]  # those are measured


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_short_enough_to_be_read(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= LONGEST_PAGE


def test_pictures_are_small() -> None:
    assert [picture for picture in (DOCS / "images").iterdir() if picture.stat().st_size > 200_000] == []


# ---- the two READMEs


def test_both_readmes_have_the_same_code_blocks() -> None:
    english, japanese = (
        FENCE.findall((ROOT / name).read_text(encoding="utf-8")) for name in ("README.md", "README.ja.md")
    )

    assert japanese == english
    assert len(english) >= 3


def test_both_readmes_have_the_same_order_of_headings_tables_and_links() -> None:
    def outline(name: str) -> list[str]:
        marks = re.compile(rf"^#+(?= )|^\| `[^`]+`|{LINK.pattern}", re.MULTILINE)
        found = [match[1] or match[0] for match in marks.finditer(prose(ROOT / name))]
        return ["the other README" if mark in ("README.md", "README.ja.md") else mark for mark in found]

    assert outline("README.ja.md") == outline("README.md")


# ---- reference pages


def test_every_variable_that_settings_read_is_in_the_reference_and_no_other() -> None:
    read = {str(field.validation_alias) for field in Settings.model_fields.values()}
    read |= {f"{name}_FILE" for name in SECRETS}

    assert sorted(first_column(reference("environment").partition("\n## ")[0])) == sorted(read)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_in_its_section_of_the_reference_and_no_other(name: str) -> None:
    documented = set(OPTION.findall(command_section(name)))

    assert documented == options_of(COMMANDS[name])


def test_the_reference_has_no_command_that_does_not_exist() -> None:
    shown = [name for page in COMMAND_PAGES for name in re.findall(r"^## (.+)$", reference(page), re.MULTILINE)]

    assert sorted(shown) == sorted(COMMANDS)


def test_options_that_go_with_every_command_are_in_the_reference() -> None:
    before = reference("commands").partition("\n## ")[0]

    assert {*options_of(typer.main.get_command(app)), "--help"} == set(OPTION.findall(before))


def test_every_option_of_the_stand_in_is_in_the_reference_and_no_other() -> None:
    taken = {word for action in stand_in_parser()._actions for word in action.option_strings if word.startswith("--")}

    assert set(OPTION.findall(reference("stand-in"))) == taken - {"--help"}


def test_every_kind_of_fault_is_in_the_reference_and_no_other() -> None:
    kinds = [kind for row in re.findall(r"^\| (`.+?) \|", section(reference("stand-in"), "Kinds of fault"), re.MULTILINE)
             for kind in re.findall(r"`([^`]+)`", row)]  # fmt: skip

    assert kinds == list(FAULT_KINDS)


def test_every_exit_code_is_in_the_reference_and_no_other() -> None:
    codes = {DONE, INCOMPLETE, REFUSED, STOPPED, INTERRUPTED}

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", reference("exit-codes"), re.MULTILINE)} == codes


def test_every_property_of_a_note_is_in_the_reference_in_the_order_of_notes() -> None:
    identifiers = {"DOI": "10.1/x", "ArXiv": "2005.11401"}
    paper = Paper(
        "a" * 40,
        "A: B",
        (Author("A B"),),
        2020,
        "V",
        "Text.",
        None,
        identifiers,
        1,
        1,
        None,
        "https://example.org/x.pdf",
    )
    content = NoteContent(paper, "B 2020 A B", citekey="k", summary=Summary("Text.", "abstract"), tags=("t",))

    assert first_column(section(reference("vault-format"), "Properties")) == list(render(content).properties)


def test_every_section_of_a_note_is_in_the_reference_in_both_languages() -> None:
    rows = re.findall(r"^\| `## ([^`]+)` \| `## ([^`]+)` \|", reference("vault-format"), re.MULTILINE)

    assert rows == [(LANGUAGES["en"].headings[key], LANGUAGES["ja"].headings[key]) for key in SECTIONS]


def test_every_reason_for_which_a_paper_is_not_read_is_explained_with_the_words_of_the_note() -> None:
    page = (DOCS / "how-to" / "read-full-texts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section(page, "When a paper was not read"), re.MULTILINE)

    assert [row for row in rows if row[0] != "not_read"] == [
        (why.value, LANGUAGES["en"].why[why]) for why in NoFullText
    ]
    keys = section(reference("json-output"), "refnet map")
    assert [why.value for why in NoFullText if f"`{why.value}`" not in keys] == []


@pytest.mark.slow
def test_every_key_of_every_json_answer_is_in_the_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with StandIn(bundled_corpus()) as server:
        settings = {
            "SEMANTIC_SCHOLAR_URL": server.url,
            "SEMANTIC_SCHOLAR_RPS": "500",
            "OUTPUT_DIR": str(tmp_path / "v"),
            "REFNET_PRIVATE_HOSTS_ONLY": "1",
        }
        done = {"refnet map": run("map", SEED, "title:No such paper at all", "--limit", "5", "--json", **settings)}
        done["refnet map, estimated"] = run("map", SEED, "--dry-run", "--json", **settings)
        note = next((tmp_path / "v" / "papers").glob("Lewis 2020*"))
        note.write_text(note.read_text().replace("year: 2020", "year: 1920"))
        done["refnet summarize"] = run("summarize", SEED, "--json", **settings)
        done["refnet cache"] = run("cache", "--json", **settings)
        done["refnet cache empty"] = run("cache", "empty", "--json", **settings)
        done["refnet status"] = run("status", "--json", **settings)
        done["refnet export json"] = run("export", "json", **settings)
        done["refnet vault write"] = run("vault", "write", "--json", **settings)
        done["refnet vault check"] = run("vault", "check", "--json", **settings)
        done["refnet doctor"] = run("doctor", "--json", **settings)
        done["refnet keys create"] = run("keys", "create", "--scope", "read", "--json", **settings)
        done["refnet keys list"] = run("keys", "list", "--json", **settings)
        # Another limit of a list, so that one is incomplete and a note is to be written anew.
        done["refnet map, again"] = run("map", SEED, "--lang", "ja", "--limit", "9", "--json", **settings)
    answers = {name: json.loads(process.stdout) for name, process in done.items()}
    answers["refnet dead list"] = dead._document(DeadLetter(1, "crawl", "a", "why", 1, 0.0))
    capsys.readouterr()
    dead._show_message(DeadMessage(2, "d", "crawler", None, None, "why", 1, 0.0), as_json=True)
    answers["refnet dead show"] = json.loads(capsys.readouterr().out)

    page = reference("json-output")
    missing = {
        name: sorted(key for key in keys_in(answer) if f"`{key}`" not in section(page, name.partition(",")[0]))
        for name, answer in answers.items()
    }

    assert {name: keys for name, keys in missing.items() if keys} == {}
    for name in ("refnet map", "refnet status", "refnet export json"):
        assert first_column(section(page, name)) != []
        assert set(first_column(section(page, name))) == set(answers[name])


# ---- Celery


@pytest.fixture(scope="module")
def celery_says() -> tuple[dict[str, str], list[str]]:
    """Signatures of the tasks by name, and the names of what beat sends."""
    # Port 1: beat looks for a database, and goes on without.
    settings = {"CELERY_BROKER_URL": "redis://localhost:1", "DATABASE_URL": "postgresql://localhost:1/x"}
    done = subprocess.run(
        [sys.executable, "-c", CELERY], env=os.environ | settings, capture_output=True, text=True, check=True
    )
    tasks, periodic = json.loads(done.stdout)
    return tasks, periodic


def test_every_task_is_in_the_reference_with_its_signature_and_its_queue_and_no_other(
    celery_says: tuple[dict[str, str], list[str]],
) -> None:
    tasks, _ = celery_says
    queues = {name: ROUTES.get(f"{name.rpartition('.')[0]}.*", {"queue": WORKERS[0].queue})["queue"] for name in tasks}

    shown = re.findall(r"^\| `([^`(]+)(\([^`]*)` \| (\w+) \|", section(reference("celery"), "Tasks"), re.MULTILINE)

    assert sorted(shown) == sorted((name, signature, queues[name]) for name, signature in tasks.items())


def test_beat_sends_health_checks_and_clears_old_results_as_the_pages_say(
    celery_says: tuple[dict[str, str], list[str]],
) -> None:
    assert celery_says[1] == ["celery.backend_cleanup", "health-check"]


def test_the_worker_table_is_in_the_reference() -> None:
    page = section(reference("celery"), "Workers")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE)

    def row(kind: WorkerKind) -> str:
        most, least = kind.autoscale
        limits = f"{kind.soft_time_limit} s | {kind.time_limit} s"
        return f"{kind.concurrency} | {kind.max_tasks_per_child} | {limits} | {most} to {least} | {kind.priority}"

    assert rows == [(kind.queue, row(kind)) for kind in WORKERS]
    assert f"with {ALL_CONCURRENCY} processes" in page
    assert f"{MOST_KILOBYTES // 1000} MB" in page


def test_every_queue_is_in_the_reference() -> None:
    page = section(reference("celery"), "Queues and priorities")

    assert [queue for queue in QUEUES if f"`{queue}`" not in page] == []


@pytest.mark.parametrize("broker", ["redis://localhost", "amqp://localhost"])
def test_the_settings_of_celery_in_the_reference_are_those_of_the_application(broker: str) -> None:
    page = section(reference("celery-settings"), "Settings").partition("Where the design")[0]
    used = configuration(Connections(broker, "postgresql://localhost/x"))

    rows = re.findall(r"^\| (`[^|]+`) \| `([^`]+)` \|", page, re.MULTILINE)
    shown = {name: value for names, value in rows for name in re.findall(r"`(\w+)`", names)}
    assert len(shown) >= 15
    assert shown == {name: value for name, value in shown.items() if str(used[name]) == value}


@pytest.mark.parametrize(
    ("page", "heading"),
    [("when-something-goes-wrong", "A cluster does not move"), ("dead-letters", "What the reasons mean")],
)
def test_the_messages_that_the_pages_explain_are_those_that_refnet_gives(page: str, heading: str) -> None:
    text = (DOCS / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| ([^|`]+) \|", section(text, heading), re.MULTILINE)[1:]
    said = source_without_breaks()

    pieces = [piece.strip(" ():") for message in messages for piece in message.split("…")]
    assert len(messages) >= 10
    assert [piece for piece in pieces if piece not in said] == []


def test_every_check_of_the_doctor_is_in_the_reference_in_its_order_and_no_other() -> None:
    # Port 1: nothing is connected until somebody looks.
    cluster = {"CELERY_BROKER_URL": "redis://localhost:1", "DATABASE_URL": "postgresql://localhost:1/x"}
    alone = run("doctor", "--only", "none").stderr
    together = run("doctor", "--only", "none", **cluster).stderr
    told = {name for said in (alone, together) for name in said.strip().partition("Give one of: ")[2].split(", ")}

    page = reference("doctor")
    assert set(first_column(section(page, "Checks"))) == told


def test_every_check_of_one_process_is_shown_by_the_page_and_named_where_the_doctor_is_listed() -> None:
    told = run("doctor", "--only", "none").stderr.strip().partition("Give one of: ")[2].split(", ")
    page = (DOCS / "how-to" / "when-something-goes-wrong.md").read_text(encoding="utf-8")
    listed = [
        next(line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if "| `refnet doctor` |" in line)
        for name in ("README.md", "README.ja.md")
    ]

    assert re.findall(r"^(?:ok  |BAD ) ([a-z ]+): ", page, re.MULTILINE) == told
    assert {"model", "pdfs"} <= set(told)
    for text in (*listed, section(reference("commands"), "refnet doctor")):
        assert {"`model`", "`pdfs`"} <= set(re.findall(r"`[a-z]+`", text))


def test_what_the_doctor_says_by_the_reference_is_what_it_says() -> None:
    page = reference("doctor")
    shown = re.findall(r"^\| [^|]*\| ([^|`]+) \|$", section(page, "troubles"), re.MULTILINE)[1:]
    shown += re.findall(r"`: ([^|]+) \|$", section(page, "lose or repeat work"), re.MULTILINE)
    shown += re.findall(r"^\| ([^|]+) \| [^|]+ \|$", section(page, "Reading papers"), re.MULTILINE)[1:]
    pieces = [piece.strip(" ():") for message in shown for piece in message.split("…")]
    said = source_without_breaks()

    assert len(shown) >= 24
    assert [piece for piece in pieces if piece not in said] == []


# ---- what the pages show


def test_what_the_pages_say_of_the_demo_is_what_it_prints() -> None:
    printed = run("demo").stdout
    counts = re.search(r"^Papers +(\d+), with (\d+) citations", printed, re.MULTILINE)
    assert counts is not None

    tutorial = (DOCS / "tutorial" / "first-vault.md").read_text(encoding="utf-8")
    shown = next(block for block in FENCE.findall(tutorial) if "$ refnet demo\n" in block)
    lines = [line for line in shown.splitlines()[2:-1] if "…" not in line]
    assert len(lines) >= 4
    assert [line for line in lines if line not in printed.splitlines()] == []
    for page in (ROOT / "README.md", ROOT / "README.ja.md"):
        assert f"{counts[1]} papers that come with refnet" in page.read_text(encoding="utf-8")


def test_the_picture_of_the_demo_shows_its_real_papers_as_the_readmes_say() -> None:
    corpus = bundled_corpus()
    real = {corpus.resolve(paper_id) for paper_id in set().union(*corpus.breadth_first(SEED, 2))}
    links = sum(cited in real for paper in real if paper is not None for cited in corpus.references(paper))

    for page in (ROOT / "README.md", ROOT / "README.ja.md", DOCS / "images" / "vault.svg"):
        text = page.read_text(encoding="utf-8")
        assert re.search(rf"\b{len(real)}\b", text)
        assert re.search(rf"\b{links}\b", text)


def test_the_note_in_the_readme_is_one_of_the_demo_shortened() -> None:
    run("demo")
    blocks = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    shown = next(block for block in blocks if block.startswith("```markdown")).splitlines()[1:-1]
    title = next(line for line in shown if line.startswith("title: "))
    # The port is another one each time.
    texts = [
        re.sub(r"(?<=//127\.0\.0\.1:)\d+", "…", note.read_text(encoding="utf-8")).splitlines()
        for note in Path("demo-vault/papers").glob("*.md")
    ]
    (note,) = [lines for lines in texts if title in lines]

    remaining = iter(note)
    assert [line for line in shown if line and line not in remaining] == []
