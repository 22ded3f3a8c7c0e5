"""A vault or a database that cannot be written, is full, damaged, too new, or in use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from refnet.demo.bundled import SEED
from refnet.demo.server import StandIn
from tests.acceptance.command import Refnet, asked_twice, has_arrived, stamps, stopped_at, tree
from tests.acceptance.conftest import Serve, User
from tests.acceptance.small_disk import codes, run_script

# Vaults


@pytest.mark.parametrize("place", ["notes.txt", "notes.txt/vault", "/proc/vault", "/dev/null/vault"])
def test_a_vault_that_cannot_be_is_refused_before_anything_is_asked(
    refnet: Refnet, stand_in: StandIn, place: str
) -> None:
    (refnet.folder / "notes.txt").write_text("mine", encoding="utf-8")

    ended = refnet("map", SEED, "--vault", place)

    assert ended.code == 2
    assert place in ended.error
    assert "another vault" in ended.error
    assert stand_in.log == []
    assert (refnet.folder / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("inner", ["papers", "refnet"])
def test_a_file_in_the_way_of_a_folder_of_the_vault_is_named(refnet: Refnet, stand_in: StandIn, inner: str) -> None:
    (refnet.folder / "vault").mkdir()
    (refnet.folder / "vault" / inner).write_text("mine", encoding="utf-8")

    ended = refnet("map", SEED)

    assert ended.code == 2
    assert f"vault/{inner} is not a folder" in ended.error
    assert stand_in.log == []


def test_a_vault_on_a_disk_that_is_read_only_is_refused(refnet: Refnet, stand_in: StandIn) -> None:
    ran = run_script(
        refnet, f"disk 1m held; mount -o remount,ro held; refnet map {SEED} --vault held/vault; echo $? >> codes"
    )

    assert codes(refnet.folder) == [2]
    assert "choose another vault" in ran.stderr
    assert stand_in.log == []


@pytest.mark.slow
def test_a_full_vault_stops_the_run_which_goes_on_when_there_is_room(refnet: Refnet, stand_in: StandIn) -> None:
    ran = run_script(
        refnet,
        f"""
        disk 100k held
        refnet map {SEED} --vault held/vault > out; echo $? >> codes
        refnet export json > first
        find held -name '*.tmp' > strays
        disk 10m held
        refnet map {SEED} --vault held/vault --json > second; echo $? >> codes
        refnet vault check --vault held/vault >&2; echo $? >> codes
        ls held/vault/papers > notes
        """,
    )

    assert codes(refnet.folder) == [3, 0, 0], ran.stderr
    assert "No room left to write" in ran.stderr
    assert "make room and run the same command again" in ran.stderr
    assert (refnet.folder / "out").read_text() == (refnet.folder / "strays").read_text() == ""
    assert len((refnet.folder / "notes").read_text().splitlines()) == 57
    assert asked_twice(stand_in.log) == set()


@pytest.mark.slow
def test_a_full_disk_of_the_database_stops_the_run_which_goes_on_when_there_is_room(serve: Serve, user: User) -> None:
    stand_in = serve()
    refnet = user(stand_in, REFNET_BATCH_IDS="5")
    ran = run_script(
        refnet,
        f"""
        disk 480k data
        refnet map {SEED} > out; echo $? >> codes
        disk 20m data
        refnet map {SEED} --json > second; echo $? >> codes
        refnet vault check >&2; echo $? >> codes
        """,
    )

    assert codes(refnet.folder) == [3, 0, 0], ran.stderr
    assert "No room is left for the database" in ran.stderr
    assert (refnet.folder / "out").read_text() == ""
    # The answer that found no room is the only one that was lost.
    again = asked_twice(stand_in.log)
    assert sum(1 for entry in stand_in.log if {question[-1] for question in again} & set(entry.asked)) <= 2
    assert len(list((refnet.folder / "vault" / "papers").iterdir())) == 57


# Databases


@pytest.fixture
def mapped(refnet: Refnet) -> Refnet:
    """A user who has a small crawl already."""
    refnet.map(SEED, "--limit", "10")
    return refnet


@pytest.mark.slow
def test_a_database_that_is_none_is_refused_and_left_alone(refnet: Refnet, stand_in: StandIn) -> None:
    refnet.data.mkdir()
    refnet.database.write_text("my diary\n" * 1_000, encoding="utf-8")

    for words in (("map", SEED), ("status",), ("export", "json"), ("dead", "list"), ("vault", "write")):
        ended = refnet(*words)
        assert ended.code == 2, words
        assert f"{refnet.database} is damaged or not a refnet database" in ended.error
    assert refnet.database.read_text(encoding="utf-8") == "my diary\n" * 1_000
    assert stand_in.log == []


@pytest.mark.slow
def test_a_damaged_database_is_named(mapped: Refnet) -> None:
    content = bytearray(mapped.database.read_bytes())
    assert len(content) > 40_000
    content[8_192:-4_096] = b"\x5a" * (len(content) - 12_288)
    mapped.database.write_bytes(content)
    vault = stamps(mapped.folder / "vault")

    ended = mapped("map", SEED, "--limit", "20")

    assert ended.code == 2
    assert f"{mapped.database} is damaged" in ended.error
    assert "put back a copy" in ended.error
    assert mapped.database.read_bytes() == bytes(content)
    assert stamps(mapped.folder / "vault") == vault


@pytest.mark.slow
def test_a_database_of_a_newer_version_is_refused_and_left_alone(mapped: Refnet, stand_in: StandIn) -> None:
    with closing(sqlite3.connect(mapped.database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before, asked = mapped.database.read_bytes(), len(stand_in.log)

    for words in (("map", SEED), ("status",), ("db", "upgrade")):
        ended = mapped(*words)
        assert ended.code == 2, words
        assert "written by a newer refnet (schema 9999" in ended.error
    assert mapped.database.read_bytes() == before
    assert len(stand_in.log) == asked


def test_a_database_of_another_program_is_refused(refnet: Refnet) -> None:
    refnet.data.mkdir()
    with closing(sqlite3.connect(refnet.database)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")

    ended = refnet("map", SEED)

    assert ended.code == 2
    assert "holds tables that are not refnet's" in ended.error


def test_a_data_directory_that_cannot_be_made_is_named(refnet: Refnet) -> None:
    (refnet.folder / "file").write_text("", encoding="utf-8")

    ended = refnet.with_(REFNET_DATA_DIR=str(refnet.folder / "file" / "data"))("map", SEED)

    assert ended.code == 2
    assert "REFNET_DATA_DIR" in ended.error


@pytest.mark.slow
def test_only_one_refnet_works_on_a_database_while_others_may_read(serve: Serve, user: User) -> None:
    stand_in = serve()
    refnet = user(stand_in, REFNET_BATCH_IDS="5")
    working = stopped_at(stand_in, 3, refnet, "map", SEED)

    with working.held():
        second = refnet("map", SEED)
        crawls = refnet.done("status", "--json").json["crawls"]
        refnet.done("dead", "list")
        refnet.done("export", "json")
    first = working.wait()

    assert second.code == 2
    assert f"Process {working.process.pid} is at work on {refnet.database}" in second.error
    assert "REFNET_DATA_DIR" in second.error
    assert [crawl["state"] for crawl in crawls] == ["running"]
    assert first.code == 0
    assert len(tree(refnet.folder / "vault" / "papers")) == 57


@pytest.mark.slow
def test_a_lock_left_by_a_killed_process_stops_nobody(serve: Serve, user: User) -> None:
    stand_in = serve(latency=0.2)
    refnet = user(stand_in)
    working = refnet.start("map", SEED)
    assert working.until(has_arrived(stand_in, 1))
    working.kill()
    assert Path(f"{refnet.database}.lock").exists()

    refnet.map(SEED, "--limit", "5")
