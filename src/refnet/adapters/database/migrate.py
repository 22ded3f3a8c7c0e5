"""Bringing a database to the present schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Engine, inspect, text

from refnet.adapters.database.engine import reading, shown, sqlite_file, translated
from refnet.domain.errors import ConfigurationError, StorageFull

#: The newest migration. A test holds it against the folder of migrations; named here so that Alembic is loaded only
#: when needed.
HEAD = "0007"
_FOLDER = Path(__file__).parent / "migrations"


def current_revision(engine: Engine) -> str | None:
    """The migration that a database is at, None for an empty one.

    Raises ConfigurationError for tables that are not refnet's.
    """
    with reading(engine) as connection:
        tables = set(inspect(connection).get_table_names())
        if "alembic_version" not in tables:
            if tables:
                where = shown(engine.url)
                raise ConfigurationError(
                    f"{where} holds tables that are not refnet's. Set DATABASE_URL to a database of its own."
                )
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def open_at_head(engine: Engine) -> None:
    """Make sure that the schema is the present one.

    SQLite is brought up to it, after a copy of a file that holds something. A server's is left to `refnet db
    upgrade`, since other
    machines may still use it. Raises ConfigurationError for a newer database, and for a server's old one.
    """
    revision = current_revision(engine)
    if revision == HEAD:
        return
    if sqlite_file(engine.url) is None:
        _refuse_newer(engine, revision)
        raise ConfigurationError("The database's tables are not those of this version. Run: refnet db upgrade")
    upgrade(engine)


def upgrade(engine: Engine) -> Path | None:
    """Run the migrations that are missing. Returns the copy that was made of an SQLite file, if any."""
    revision = current_revision(engine)
    if revision == HEAD:
        return None
    _refuse_newer(engine, revision)
    file = sqlite_file(engine.url)
    copy = _copy(file, revision) if file is not None and revision is not None else None
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["engine"] = engine
    with translated(engine):
        command.upgrade(config, "head")
    return copy


def _refuse_newer(engine: Engine, revision: str | None) -> None:
    if revision is None or revision in known_revisions():
        return
    where = shown(engine.url)
    raise ConfigurationError(
        f"The database {where} was written by a newer refnet (schema {revision}; this one knows up to {HEAD}). Install the newer version."
    )


def known_revisions() -> list[str]:
    """The migrations of this version, by the names of their files."""
    return sorted(file.name.split("_", 1)[0] for file in (_FOLDER / "versions").glob("[0-9]*.py"))


def _copy(file: Path, revision: str) -> Path:
    """A copy by SQLite itself, so that what still lies in the write-ahead log is in it."""
    target = file.with_name(f"{file.name}.before-{HEAD}-from-{revision}")
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        with suppress(OSError):
            target.unlink()
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise StorageFull(
                f"No room is left for the copy {target} that is made before {file} is brought to the present schema. "
                "Free some space and run the same command again."
            ) from error
        raise ConfigurationError(
            f"The copy {target} that is made before {file} is brought to the present schema cannot be written ({error})."
        ) from error
    return target
