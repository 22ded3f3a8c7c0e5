"""What a line of the log is, and that none is lost, whoever writes and whatever it is about."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.about import about, now_about
from refnet.domain.errors import ConfigurationError
from refnet.domain.redaction import HIDDEN, redactor
from refnet.entrypoints import logs
from refnet.entrypoints.logs import JsonLine, Line, configure
from refnet.settings import load_settings
from tests.cluster.lab import until

SECRETS = {
    "DATABASE_URL": "postgresql://me:s3cr%2Fet-db@127.0.0.1:1/x?password=0ther-pass",
    "CELERY_BROKER_URL": "redis://:br0ker's\"word@127.0.0.1:1/0",
    "SEMANTIC_SCHOLAR_API_KEY": "k3y-of-the-source",
    "REFNET_SIGNING_KEYS": "first-signing-key-1,second-signing-key-2",
    "FLOWER_BASIC_AUTH": "you:fl0wer-w0rd",
}
#: What of them must never be read.
CANARIES = (
    *("s3cr%2Fet-db", "s3cr/et-db", "0ther-pass", "br0ker's\"word", "k3y-of-the-source"),
    *("first-signing-key-1", "second-signing-key-2", "fl0wer-w0rd"),
)
HOSTILE = "a\r\nb\x1b[31m\x00\x7f\x85\u2028\u2029\u202e\ud800 c"


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return load_settings().secrets()


@pytest.fixture
def fresh_logging() -> Iterator[None]:
    """The logging of this process as it was, afterwards."""
    loggers = [(name, logging.getLogger(name)) for name in (None, *logs.LOGGERS)]
    before = {name: (one.handlers[:], one.level, one.propagate) for name, one in loggers}
    yield
    for name, (handlers, level, propagate) in before.items():
        one = logging.getLogger(name)
        for handler in one.handlers:
            if handler not in handlers:
                handler.close()
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)
    logging.captureWarnings(False)


def record(message: object, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    raised = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("crawler", logging.INFO, __file__, 1, message, args, raised)


def fault(words: str) -> BaseException:
    try:
        raise RuntimeError(words)
    except RuntimeError as error:
        return error


# ---------------------------------------------------------------- one line


def plain(text: str) -> str:
    return text


def test_a_line_of_text_is_as_the_design_has_it() -> None:
    _, *rest = Line(plain).format(record("Fetched %d papers", 3)).split(" - ")

    assert rest == ["crawler", "INFO", "Fetched 3 papers"]


def test_a_line_names_what_it_is_about_for_as_long_as_it_is() -> None:
    line = Line(plain)
    with about(request="r1", crawl=7), about(paper="p", claim=None):
        assert line.format(record("x")).endswith(" - x [request=r1 crawl=7 paper=p]")
    assert line.format(record("x")).endswith(" - x")
    now_about(paper="q")
    try:
        assert json.loads(JsonLine(plain).format(record("x")))["paper"] == "q"
    finally:
        now_about()


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_whatever_is_written_is_one_line_without_a_control_character(message: str, argument: str) -> None:
    for form in (Line(plain), JsonLine(plain)):
        with about(paper=argument):
            line = form.format(record(message.replace("%", "%%") + " %s", argument, error=fault(argument)))
        assert line.isprintable()
        assert len(line.splitlines()) == 1
        line.encode()


def test_json_is_one_object_a_line_with_the_traceback_in_it() -> None:
    line = JsonLine(plain).format(record(HOSTILE, error=fault(HOSTILE)))

    document = json.loads(line)
    assert document["message"] == HOSTILE.replace("\ud800", "?")
    assert document["traceback"].startswith("Traceback (most recent call last)")
    assert {"time", "level", "logger", "pid"} <= set(document)
    assert line.isascii()
    assert line.isprintable()


def test_a_traceback_is_in_the_line_it_belongs_to() -> None:
    line = Line(plain).format(record("It failed", error=fault("for a reason")))

    assert "It failed\\nTraceback (most recent call last)" in line
    assert "RuntimeError: for a reason" in line


@pytest.mark.parametrize("form", [Line, JsonLine])
def test_arguments_that_do_not_fit_lose_no_line_and_are_redacted_too(
    form: type[Line | JsonLine], secrets: list[str]
) -> None:
    line = form(redactor(secrets)).format(record("%d papers", "k3y-of-the-source"))

    assert "%d papers" in line
    assert HIDDEN in line
    assert "k3y-of" not in line


# ---------------------------------------------------------------- secrets


@pytest.mark.parametrize("form", [Line, JsonLine])
@pytest.mark.parametrize("canary", CANARIES)
def test_no_secret_is_in_a_line_however_it_is_written(
    form: type[Line | JsonLine], canary: str, secrets: list[str]
) -> None:
    told = form(redactor(secrets)).format(
        record("%s %r %s", canary, canary, json.dumps({"a": canary}), error=fault(f"cannot use {canary!r}"))
    )

    assert HIDDEN in told
    for hidden in CANARIES:
        assert hidden not in told
        assert json.dumps(hidden)[1:-1] not in told
        assert repr(hidden)[1:-1] not in told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Connected to redis://:word@host:6379/0.", "Connected to redis://***@host:6379/0."),
        ("amqp://user:pass@word@host//", "amqp://***@host//"),
        ("GET https://example.org/a@b?c=d@e", "GET https://example.org/a@b?c=d@e"),
        ("Authorization: Bearer rn_abcdef", "Authorization: ***"),
        ("{'authorization': 'Bearer rn_abcdef'}", "{'authorization': 'Bearer ***'}"),
        ("x-api-key: abc", "x-api-key: ***"),
    ],
)
def test_names_and_passwords_of_any_url_and_header_are_hidden(text: str, shown: str) -> None:
    assert redactor([])(text) == shown


HARD = "q'\"\\k3y-0f-mine%/+=&< >é"


@pytest.mark.parametrize(
    "text",
    [
        *(HARD, repr(repr(HARD)), json.dumps(json.dumps(json.dumps(HARD))), json.dumps(repr(HARD)), ascii(ascii(HARD))),
        *(quote(HARD), quote(HARD, safe=""), quote_plus(HARD), quote(quote(HARD)), quote(HARD).lower()),
        *(escape(HARD), escape(escape(HARD)), repr(escape(HARD)), quote(repr(HARD)), HARD.encode().hex()),
        *(b64encode(b"x" * n + HARD.encode() + b"y" * m).decode() for n in range(4) for m in range(4)),
        *(urlsafe_b64encode(b"x" * n + HARD.encode()).decode() for n in range(4)),
        quote(b64encode(HARD.encode()).decode()),
    ],
)
def test_a_secret_is_hidden_at_any_depth_of_quotes_and_inside_of_what_was_encoded(text: str) -> None:
    told = redactor([HARD])(f"before {text} behind")

    assert HIDDEN in told
    assert len(told) <= len(f"before {HIDDEN} behind") + 20, "but for quotes around it, and what was beside it"
    assert told.startswith("before ")
    assert told.endswith(" behind")


@given(st.text(st.characters(codec="utf-8"), min_size=4))
def test_whatever_secret_is_hidden_as_it_is(secret: str) -> None:
    assert secret not in redactor([secret])(f"<{secret}>") or secret in HIDDEN


def test_a_short_secret_hides_no_words_but_itself_in_a_url() -> None:
    redact = redactor(["redis://:abc@host"])

    assert redact("abc redis://:abc@host") == "abc ***"
    assert redact("other://:abc@host") == "other://***@host"


@pytest.mark.parametrize(
    "secret",
    [
        "postgresql://refnet:refnet@127.0.0.1/refnet",
        "postgresql://postgres:postgres@localhost/x",
        "redis://:%52efnet@::1",
    ],
)
def test_a_password_that_is_everybodys_hides_no_words_but_itself_in_a_url(secret: str) -> None:
    redact = redactor([secret])

    line = "refnet.celery told the user postgres of Refnet"
    assert redact(line) == line
    assert redact(f"{secret}: refused") == f"{HIDDEN}: refused"
    assert redact("other://x:refnet@host") == "other://***@host"


@pytest.mark.parametrize(
    ("secret", "word"),
    [
        ("redis://:refnet-1@localhost", "refnet-1"),
        ("you:refnet-w0rd", "refnet-w0rd"),
        ("postgres-key-1,postgres-key-2", "postgres-key-2"),
    ],
)
def test_one_that_only_begins_as_such_a_word_is_hidden(secret: str, word: str) -> None:
    assert redactor([secret])(f"it is {word} now") == f"it is {HIDDEN} now"


# ---------------------------------------------------------------- files


#: One of several processes that write the same log, and a child of it that does, too.
WRITER = """
import logging, os, sys
from refnet.entrypoints import logs
from refnet.settings import load_settings

logs.MAX_BYTES, logs.BACKUPS = 150_000, 30
logs.configure(load_settings(), "celery.log", console=False)
log, name, number = logging.getLogger("crawler"), sys.argv[1], int(sys.argv[2])
log.info("%s begins", name)
sys.stdin.read()  # until all are there
child = os.fork()
half = "child" if child == 0 else "main"
for line in range(number // 2):
    log.info("%s %s %d", name, half, line)
if child == 0:
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
def test_of_forty_thousand_lines_of_four_processes_none_is_lost_at_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFNET_LOG_DIR", str(tmp_path))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, f"process-{number}", "10000"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for number in range(4)
    ]
    log = tmp_path / "celery.log"
    until(lambda: log.exists() and log.read_text().count("begins") == 4, what="all to begin")
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert (process.returncode, errors) == (0, b"")

    files = sorted(tmp_path.glob("celery.log*"))
    lines = [line.split(" - ")[3].split(" [")[0] for file in files for line in file.read_text().splitlines()]
    written = [line for line in lines if not line.endswith("begins")]
    # Each was put aside when it was full, and not before: else thirty of them would not hold all.
    sizes = [file.stat().st_size for file in files if file != log]
    assert len(sizes) >= 15
    assert 140_000 < min(sizes) <= max(sizes) < 160_000
    assert len(written) == 40_000
    assert set(written) == {
        f"process-{number} {half} {line}" for number in range(4) for half in ("main", "child") for line in range(5_000)
    }


def test_the_dictionary_is_that_of_the_design(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_logging: None
) -> None:
    monkeypatch.setenv("REFNET_LOG_DIR", str(tmp_path / "logs"))
    monkeypatch.setenv("REFNET_LOG_LEVEL", "debug")

    configure(load_settings(), "celery.log")

    for name in ("celery", "crawler", "summarizer", "generator"):
        logger = logging.getLogger(name)
        kinds = [type(handler).__name__ for handler in logger.handlers]
        assert kinds == ["StreamHandler", "ConcurrentRotatingFileHandler"]
        assert logger.level == logging.DEBUG
        file = logger.handlers[1]
        assert (file.maxBytes, file.backupCount) == (10_485_760, 10)  # type: ignore[attr-defined]
        logger.info("to %s", name)
    logging.getLogger("refnet.adapters.http").debug("to refnet")
    lines = (tmp_path / "logs" / "celery.log").read_text().splitlines()
    assert [line.rpartition(" - ")[2] for line in lines] == [
        *("to celery", "to crawler", "to summarizer", "to generator", "to refnet")
    ]


def test_other_libraries_are_heard_from_a_warning_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_logging: None
) -> None:
    monkeypatch.setenv("REFNET_LOG_DIR", str(tmp_path))
    configure(load_settings(), "x.log", console=False)

    logging.getLogger("httpx2").info("chatter")
    logging.getLogger("httpx2").warning("trouble")

    assert [line.rpartition(" - ")[2] for line in (tmp_path / "x.log").read_text().splitlines()] == ["trouble"]


def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REFNET_LOG_DIR", str(tmp_path / "file"))

    with pytest.raises(ConfigurationError, match="REFNET_LOG_DIR"):
        configure(load_settings(), "x.log")


def test_a_command_says_nothing_but_warnings_and_writes_the_rest_into_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_logging: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFNET_LOG_DIR", str(tmp_path))
    configure(load_settings(), "refnet.log", console=False)

    logging.getLogger("refnet.x").info("for the file")
    logging.getLogger("refnet.x").warning("for the user")

    assert capsys.readouterr().err == "for the user\n"
    assert len((tmp_path / "refnet.log").read_text().splitlines()) == 2
