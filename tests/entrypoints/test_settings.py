"""What may stand in the environment, and what is said of what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from refnet.domain.errors import ConfigurationError
from refnet.entrypoints.cli.main import run
from refnet.settings import SECRETS, load_settings

NONSENSE = [
    ("SEMANTIC_SCHOLAR_RPS", "fast"),
    ("SEMANTIC_SCHOLAR_RPS", "0"),
    ("SEMANTIC_SCHOLAR_RPS", "-1"),
    ("SEMANTIC_SCHOLAR_RPS", "nan"),
    ("SEMANTIC_SCHOLAR_RPS", "inf"),
    ("SEMANTIC_SCHOLAR_URL", "nonsense"),
    ("SEMANTIC_SCHOLAR_URL", "ftp://example.org/graph"),
    ("SEMANTIC_SCHOLAR_URL", "https://exa mple.org/graph"),
    ("SEMANTIC_SCHOLAR_URL", "https://example.org/graph?key=1"),
    ("SEMANTIC_SCHOLAR_URL", "https://user:word@example.org/graph"),
    ("SEMANTIC_SCHOLAR_API_KEY", "schlüssel"),
    ("SEMANTIC_SCHOLAR_API_KEY", "a\nb"),
    ("REFNET_CONTACT", "me@example.org\r\nX-Header: 1"),
    ("REFNET_NOTE_NAMES", "by colour"),
    ("REFNET_BATCH_IDS", "0"),
    ("REFNET_BATCH_IDS", "501"),
    ("REFNET_BATCH_IDS", "many"),
    ("REFNET_REQUEST_SECONDS", "0"),
    ("REFNET_OUTAGE_SECONDS", "long"),
    ("REFNET_NO_NETWORK_SECONDS", "-1"),
    ("REFNET_LOG_LEVEL", "loud"),
    ("REFNET_LOG_FORMAT", "xml"),
    ("REFNET_LOG_DIR", "~nobody-of-this-name/logs"),
    ("REFNET_METRICS_PORT", "0"),
    ("REFNET_METRICS_PORT", "65536"),
    ("REFNET_METRICS_PORT", "http"),
    ("OUTPUT_DIR", "~nobody-of-this-name/vault"),
    ("REFNET_DATA_DIR", "~nobody-of-this-name/data"),
    ("DATABASE_URL", "nonsense"),
    ("DATABASE_URL", "mysql://user:word@example.org/refnet"),
    ("DATABASE_URL", "sqlite://"),
    ("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"),
]


@pytest.mark.parametrize(("name", "value"), NONSENSE)
def test_nonsense_in_a_variable_is_refused_by_the_variables_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)

    assert run(["status"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert name in err
    assert len(err.splitlines()) == 1


def test_a_broker_with_sqlite_is_refused_with_both_ways_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://user:word@127.0.0.1//")

    assert run(["map", "arXiv:2005.11401"]) == 2
    err = capsys.readouterr().err
    assert "SQLite" in err
    assert "DATABASE_URL" in err
    assert "word" not in err


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_stand_in_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("postgresql://me:hidden@example.org/db\n", encoding="utf-8")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))

    settings = load_settings()

    assert settings.secrets() == ["postgresql://me:hidden@example.org/db"]
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_given_twice_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("one", encoding="utf-8")
    monkeypatch.setenv(name, "another")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))

    with pytest.raises(ConfigurationError, match=rf"Both {name} and {name}_FILE are set"):
        load_settings()


def test_a_secrets_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMANTIC_SCHOLAR_API_KEY_FILE", str(tmp_path / "missing"))

    with pytest.raises(ConfigurationError, match="SEMANTIC_SCHOLAR_API_KEY_FILE names a file that cannot be read"):
        load_settings()


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_settings()
    for name in ("DATABASE_URL", "SEMANTIC_SCHOLAR_API_KEY", "SEMANTIC_SCHOLAR_RPS", "REFNET_CONTACT", "OUTPUT_DIR"):
        monkeypatch.setenv(name, "")

    assert load_settings() == plain


def test_the_demonstration_takes_nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMANTIC_SCHOLAR_API_KEY", "hidden")
    monkeypatch.setenv("REFNET_CONTACT", "me@example.org")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hidden@example.org/db")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://example.org")

    own = load_settings().for_demo(database=tmp_path / "demo.db", source_url="http://127.0.0.1:1/graph/v1")

    assert own.key is None
    assert own.contact is None
    assert own.broker_url is None
    assert own.database == f"sqlite:///{tmp_path / 'demo.db'}"


# ---------------------------------------------------------------- secrets that are none

NONE = [
    ("DATABASE_URL", "postgresql://refnet:changeme@db.example.org/refnet"),
    ("DATABASE_URL", "postgresql://refnet:ChangeMe@127.0.0.1/refnet"),
    ("DATABASE_URL", "postgresql://you:password@localhost/refnet"),
    ("DATABASE_URL", "postgresql://postgres:postgres@db.example.org/refnet"),
    ("DATABASE_URL", "postgresql://refnet:refnet@db.example.org/refnet"),
    ("DATABASE_URL", "postgresql://refnet:${POSTGRES_PASSWORD}@db.example.org/refnet"),
    ("DATABASE_URL", "postgresql://refnet:@db.example.org/refnet"),
    ("DATABASE_URL", "postgresql://refnet:@127.0.0.1.example.org/refnet"),
    ("DATABASE_URL", "postgresql://postgres:postgres@127.0.0.1.example.org/refnet"),
    ("CELERY_BROKER_URL", "redis://:@redis.example.org:6379/0"),
    ("CELERY_BROKER_URL", "redis://:change%2Dme@redis.example.org:6379/0"),
    ("CELERY_BROKER_URL", "amqp://guest:guest@rabbitmq.example.org:5672//"),
    ("CELERY_BROKER_URL", "redis://:<password>@redis.example.org:6379/0"),
    ("SEMANTIC_SCHOLAR_API_KEY", "changeme"),
    ("SEMANTIC_SCHOLAR_API_KEY", "your-api-key-here"),
    ("SEMANTIC_SCHOLAR_API_KEY", "${SEMANTIC_SCHOLAR_API_KEY}"),
    ("REFNET_SIGNING_KEYS", "changeme"),
    ("REFNET_SIGNING_KEYS", "a-long-key-of-somebodys-own,changeme"),
    ("REFNET_SIGNING_KEYS", "${REFNET_SIGNING_KEYS}"),
    ("FLOWER_BASIC_AUTH", "you:changeme"),
    ("FLOWER_BASIC_AUTH", "you:"),
]
CHOSEN = [
    ("DATABASE_URL", "postgresql://refnet:a-word-of-its-own@db.example.org/refnet"),
    ("DATABASE_URL", "postgresql:///refnet"),  # who asks is known otherwise
    ("DATABASE_URL", "postgresql://postgres:postgres@127.0.0.1/refnet"),
    ("DATABASE_URL", "postgresql://refnet:refnet@localhost/refnet"),
    ("DATABASE_URL", "postgresql://refnet:@localhost/refnet"),
    ("CELERY_BROKER_URL", "redis://:@127.0.0.2:6379/0"),
    ("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"),
    ("CELERY_BROKER_URL", "amqp://guest:guest@localhost:5672//"),  # RabbitMQ lets nobody else in by it
    ("REFNET_SIGNING_KEYS", "a-long-key-of-somebodys-own,another-one-of-that-length"),
    ("FLOWER_BASIC_AUTH", "you:a:word:with:colons"),
]


@pytest.mark.parametrize("by_file", [False, True], ids=["variable", "file"])
@pytest.mark.parametrize(("name", "value"), NONE)
def test_a_secret_that_anybody_would_try_is_refused_by_its_name_and_not_repeated(
    name: str,
    value: str,
    by_file: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if by_file:
        (tmp_path / "secret").write_text(value, encoding="utf-8")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    else:
        monkeypatch.setenv(name, value)

    assert run(["status"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"refnet: {name} holds a password or key that is empty")
    assert value not in err


@pytest.mark.parametrize(
    ("command", "code"), [(["serve"], 2), (["worker", "all"], 2), (["map", "x"], 2), (["doctor"], 1)]
)
def test_nothing_starts_with_such_a_secret(
    command: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFNET_SIGNING_KEYS", "changeme")

    assert run(command) == code
    out, err = capsys.readouterr()
    assert "REFNET_SIGNING_KEYS holds a password or key that is empty" in out + err


@pytest.mark.parametrize("value", ["short", "a-long-key-of-somebodys-own,short", ",", "x" * 15])
@pytest.mark.parametrize(("command", "code"), [(["status"], 2), (["worker", "crawler"], 2), (["doctor"], 1)])
def test_a_signing_key_that_is_too_short_is_refused_in_one_line_with_the_cure_and_not_repeated(
    value: str, command: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFNET_SIGNING_KEYS", value)

    assert run(command) == code
    out, err = capsys.readouterr()
    said = "REFNET_SIGNING_KEYS holds a key of less than 16 characters. Make one with: refnet keys signing\n"
    assert out + err == ("BAD  settings: " if command == ["doctor"] else "refnet: ") + said


def test_the_cure_for_a_signing_key_that_is_too_short_works_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFNET_SIGNING_KEYS", "short")
    assert run(["keys", "signing"]) == 0

    monkeypatch.setenv("REFNET_SIGNING_KEYS", capsys.readouterr().out.splitlines()[-1])

    assert load_settings().signing_keys is not None


@pytest.mark.parametrize(("name", "value"), CHOSEN)
def test_a_secret_that_somebody_chose_is_not(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)

    assert load_settings().named_secrets() == [(name, value)]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secrets_file_that_is_empty_is_named_unless_the_secret_may_be_left_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text(" \n", encoding="utf-8")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))

    if name in (
        "SEMANTIC_SCHOLAR_API_KEY",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
    ):  # deploy/secrets.sh makes empty ones
        assert load_settings().named_secrets() == []
        return
    with pytest.raises(ConfigurationError, match=f"{name}_FILE names a file that is empty"):
        load_settings()
