"""Logs: the design document's dictionary (section 8.2), for every process of refnet.

Each record is one line, holds no secret and no control character, and names what it is about. Files are rotated safely
by several processes at once; the standard library's handler loses lines there.
"""

from __future__ import annotations

import json
import logging
import logging.config
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from refnet.domain.about import ids
from refnet.domain.dead_messages import shown
from refnet.domain.errors import ConfigurationError
from refnet.domain.redaction import redactor
from refnet.settings import Settings

#: Source: the design document, section 8.2.
DETAILED = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
MAX_BYTES, BACKUPS = 10 * 1024**2, 10
#: Loggers whose lines are wanted at the level that was set; all others are heard from a warning on, unless that is DEBUG.
LOGGERS = ("celery", "crawler", "summarizer", "generator", "refnet", "uvicorn", "flower")
#: What celery calls the process that is none of its pool's.
_MAIN = "MainProcess"

Redact = Callable[[str], str]


class Line(logging.Formatter):
    """A record as one line of text."""

    def __init__(self, redact: Redact, pattern: str = DETAILED) -> None:
        super().__init__(pattern)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(_told(record))
        if found := _ids(record):
            text += " [" + " ".join(f"{kind}={one}" for kind, one in found.items()) + "]"
        text = self._redact(text)
        return text if text.isprintable() else shown(text)


class JsonLine(logging.Formatter):
    """A record as one JSON object, in ASCII."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        record = _told(record)
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
            **_ids(record),
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            document["traceback"] = record.exc_text
        if record.stack_info:
            document["stack"] = record.stack_info
        document = {key: self._said(one) if isinstance(one, str) else one for key, one in document.items()}
        return json.dumps(document)

    def _said(self, text: str) -> str:
        # Half a surrogate is no text for whoever reads it.
        return self._redact(text).encode(errors="replace").decode()


def _told(record: logging.LogRecord) -> logging.LogRecord:
    """The record, where its words and arguments go together; logging itself would print them elsewhere, unredacted."""
    try:
        record.getMessage()
    except Exception:  # noqa: BLE001 - arguments may be anything
        record.msg, record.args = f"{record.msg!s} (with arguments that do not fit: {record.args!r:.500})", None
    return record


def _ids(record: logging.LogRecord) -> dict[str, str]:
    found: dict[str, str] = {}
    if record.processName not in (None, _MAIN):
        found["process"] = str(record.processName)
    if (task_id := _task_id()) is not None:
        found["task_id"] = task_id
    return found | dict(ids())


def _task_id() -> str | None:
    """Of the task that this process is at; Celery is not imported for it."""
    state = sys.modules.get("celery._state")
    task = state.get_current_task() if state is not None else None
    found = None if task is None else task.request.id
    return None if found is None else str(found)


def configure(
    settings: Settings, file: str, *, level: str | None = None, path: Path | None = None, console: bool = True
) -> None:
    """Let this process log as the settings say: to stderr, and to `file` in their folder, if they name one.

    `level` and `path` go before what the settings say. Without `console` only warnings go to stderr, as words alone:
    for commands, whose stderr is for their user. Raises ConfigurationError where the file cannot be written.
    """
    if path is None and settings.log_dir is not None:
        path = settings.log_dir / file
    handlers: dict[str, Any] = {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": settings.log_format if console else "words",
            "level": "NOTSET" if console else "WARNING",
        }
    }
    if path is not None:
        handlers["file"] = _file(path, settings.log_format)
    chosen = level or settings.log_level
    to = list(handlers)
    redact = redactor(settings.secrets())
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "text": {"()": Line, "redact": redact},
                "json": {"()": JsonLine, "redact": redact},
                "words": {"()": Line, "redact": redact, "pattern": "%(message)s"},
            },
            "handlers": handlers,
            # Each has the handlers itself, and its lines go no further: they would be there twice.
            "loggers": {name: {"handlers": to, "level": chosen, "propagate": False} for name in LOGGERS},
            "root": {"handlers": to, "level": chosen if chosen in ("DEBUG", "ERROR") else "WARNING"},
        }
    )
    logging.captureWarnings(True)


def _file(path: Path, form: str) -> dict[str, Any]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"The log {path} cannot be written ({error.strerror}). Set REFNET_LOG_DIR to a folder you may write."
        ) from error
    return {
        "class": "concurrent_log_handler.ConcurrentRotatingFileHandler",
        "filename": str(path),
        "maxBytes": MAX_BYTES,
        "backupCount": BACKUPS,
        "encoding": "utf-8",
        "formatter": form,
    }


def configure_celery(loglevel: object = None, logfile: object = None, **_: object) -> None:
    """For Celery's signal `setup_logging`: workers and beat log as everybody does.

    `--loglevel`, where somebody typed it, goes before REFNET_LOG_LEVEL, and `--logfile` before REFNET_LOG_DIR.
    Ends the process with exit code 2 where the settings do not allow it.
    """
    from refnet.settings import load_settings

    path = Path(logfile) if isinstance(logfile, str) and logfile else None
    try:
        configure(load_settings(), "celery.log", level=_typed(loglevel), path=path)
    except ConfigurationError as error:
        print(f"refnet: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def _typed(loglevel: object) -> str | None:
    import click
    from click.core import ParameterSource

    context = click.get_current_context(silent=True)
    if context is None or context.get_parameter_source("loglevel") is not ParameterSource.COMMANDLINE:
        return None
    return str(logging.getLevelName(loglevel) if isinstance(loglevel, int) else loglevel).upper()
