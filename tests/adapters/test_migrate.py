from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from refnet.adapters.database import migrate
from refnet.adapters.database.engine import database_url, open_engine, reading, sqlite_file, writing
from refnet.adapters.database.migrate import HEAD, current_revision, known_revisions, open_at_head, upgrade
from refnet.adapters.database.schema import metadata
from refnet.adapters.database.store import Store
from refnet.domain.errors import ConfigurationError, StorageFull
from tests.adapters.disks import fill, mounts_a_disk, small_disk


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    postgres = request.param == "postgresql"
    url = request.getfixturevalue("postgres_database") if postgres else f"sqlite:///{tmp_path}/refnet.db"
    engine = open_engine(database_url(url))
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(database_url(f"sqlite:///{tmp_path}/refnet.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A later refnet with one migration more; returns the folder of its migrations."""
    folder = tmp_path / "later" / "migrations"
    shutil.copytree(migrate._FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9999_later.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision = '9999'\ndown_revision = '{HEAD}'\n\n\n"
        "def upgrade():\n    op.add_column('merged', sa.Column('later', sa.Text()))\n"
    )
    monkeypatch.setattr(migrate, "_FOLDER", folder)
    monkeypatch.setattr(migrate, "HEAD", "9999")
    return folder


def test_the_head_named_in_the_code_is_the_newest_migration() -> None:
    assert known_revisions()[-1] == HEAD


def test_migrations_make_the_schema_that_the_code_works_with(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        found = inspect(connection)
        for table in metadata.sorted_tables:
            # What the comparison of Alembic leaves out.
            assert found.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
            indexes = {index["name"]: index["column_names"] for index in found.get_indexes(table.name)}
            for index in table.indexes:
                assert indexes[index.name] == [column.name for column in index.columns]


def test_rows_of_edges_and_lists_need_no_second_tree_on_sqlite(sqlite: Engine) -> None:
    upgrade(sqlite)
    with reading(sqlite) as connection:
        found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        made: dict[str, str] = {row.name: row.sql for row in found}
    without = {table.name for table in metadata.sorted_tables if table.dialect_options["sqlite"]["with_rowid"] is False}
    assert without == {"citations", "unmatched", "lists", "paper_identifiers"}
    assert {name for name, sql in made.items() if "WITHOUT ROWID" in sql} == without


def upgrade_to(revision: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a refnet did that knew migrations up to `revision`."""
    folder = tmp_path / "older" / "migrations"
    shutil.copytree(migrate._FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (folder / "versions").glob("0*.py"):
        if file.name[:4] > revision:
            file.unlink()
    with monkeypatch.context() as older:
        older.setattr(migrate, "_FOLDER", folder)
        older.setattr(migrate, "HEAD", revision)
        upgrade(engine)


def test_papers_of_an_older_refnet_are_found_by_their_external_ids(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to("0002", engine, tmp_path, monkeypatch)
    with writing(engine) as connection:
        connection.execute(
            text("INSERT INTO papers (paper_id, external_ids, fetched_at) VALUES ('a', :ids, 1), ('stub', NULL, NULL)"),
            {"ids": '{"DOI": "10.1/aB", "ArXiv": "1706.03762", "MAG": null}'},
        )
    upgrade(engine)
    store = Store(engine)
    assert [store.with_external_id(one) for one in ("DOI:10.1/Ab", "ARXIV:1706.03762")] == ["a", "a"]
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM paper_identifiers")).scalar_one() == 2


def test_titles_of_an_older_refnet_are_searched_whatever_their_case(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to("0004", engine, tmp_path, monkeypatch)
    with writing(engine) as connection:
        added = text(
            "INSERT INTO papers (paper_id, title, authors, external_ids, fetched_at) VALUES (:id, :title, '[]', '{}', 1)"
        )
        connection.execute(added, [{"id": "a", "title": "Überblick"}, {"id": "b", "title": None}])
    upgrade(engine)

    assert [paper.paper_id for paper in Store(engine).paper_page("ÜBERBLICK", None, "", 10)] == ["a"]


def test_a_database_at_the_present_schema_is_left_alone(engine: Engine) -> None:
    assert current_revision(engine) is None
    upgrade(engine)
    assert current_revision(engine) == HEAD
    assert upgrade(engine) is None
    open_at_head(engine)


def test_sqlite_brings_itself_to_the_present_schema(sqlite: Engine, tmp_path: Path) -> None:
    open_at_head(sqlite)
    assert current_revision(sqlite) == HEAD
    assert not list(tmp_path.glob("*.before-*"))  # there was nothing to copy


@pytest.mark.usefixtures("next_version")
def test_a_newer_database_is_refused_and_not_touched(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(engine)
    monkeypatch.undo()
    for opening in (open_at_head, upgrade):
        with pytest.raises(ConfigurationError, match="written by a newer refnet") as caught:
            opening(engine)
        assert "9999" in str(caught.value)
        assert (engine.url.password or "?") not in str(caught.value)
    assert current_revision(engine) == "9999"


def test_tables_that_are_not_ours_are_refused_and_not_touched(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE diary (page TEXT)"))
    for opening in (open_at_head, upgrade):
        with pytest.raises(ConfigurationError, match="tables that are not refnet's"):
            opening(engine)
    with reading(engine) as connection:
        assert inspect(connection).get_table_names() == ["diary"]


def test_a_file_that_holds_something_is_copied_before_a_migration(
    sqlite: Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    upgrade(sqlite)
    with writing(sqlite) as connection:
        # Still in the write-ahead log, where a copy of the file alone would miss it.
        connection.execute(text("INSERT INTO merged VALUES ('old', 'new')"))
    request.getfixturevalue("next_version")
    open_at_head(sqlite)
    assert current_revision(sqlite) == "9999"
    (copy,) = tmp_path.glob("refnet.db.before-*")
    assert copy.name == f"refnet.db.before-9999-from-{HEAD}"
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT * FROM merged").fetchall() == [("old", "new")]
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]


def test_without_a_copy_there_is_no_migration(sqlite: Engine, request: pytest.FixtureRequest) -> None:
    upgrade(sqlite)
    request.getfixturevalue("next_version")
    file = sqlite_file(sqlite.url)
    assert file is not None
    file.with_name(f"refnet.db.before-9999-from-{HEAD}").mkdir()
    with pytest.raises(ConfigurationError, match=r"copy .* cannot be written"):
        open_at_head(sqlite)
    assert current_revision(sqlite) == HEAD


def test_a_migration_that_fails_leaves_the_database_as_it_was(engine: Engine, request: pytest.FixtureRequest) -> None:
    upgrade(engine)
    folder: Path = request.getfixturevalue("next_version")
    with (folder / "versions" / "9999_later.py").open("a") as migration:
        migration.write("    op.execute('SELECT nothing FROM nowhere')\n")
    with pytest.raises(Exception, match=r"nowhere|refnet tables"):
        upgrade(engine)
    assert current_revision(engine) == HEAD
    with reading(engine) as connection:
        assert "later" not in {column["name"] for column in inspect(connection).get_columns("merged")}


def test_a_server_is_not_migrated_unasked(postgres_database: str, request: pytest.FixtureRequest) -> None:
    engine = open_engine(database_url(postgres_database))
    with pytest.raises(ConfigurationError, match="refnet db upgrade"):
        open_at_head(engine)
    upgrade(engine)
    request.getfixturevalue("next_version")
    with pytest.raises(ConfigurationError, match="refnet db upgrade"):
        open_at_head(engine)
    assert current_revision(engine) == HEAD
    engine.dispose()


@mounts_a_disk
def test_a_copy_for_which_no_room_is_left_stops_the_work(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with small_disk(tmp_path / "disk") as disk:
        engine = open_engine(database_url(f"sqlite:///{disk}/refnet.db"))
        upgrade(engine)
        request.getfixturevalue("next_version")
        fill(disk)
        with pytest.raises(StorageFull, match="No room is left for the copy"):
            open_at_head(engine)
        assert not list(disk.glob("*.before-*"))
        (disk / "filling").unlink()
        assert current_revision(engine) == HEAD
        engine.dispose()
