"""What the doctor finds of a PostgreSQL server that is of no use at the moment, on real ones, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import URL

from refnet.adapters.database.cures import cure
from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.probes import look_at_database
from refnet.domain.errors import StoreUnavailable
from tests.servers import free_port
from tests.soak.postgres import PostgresServer, running_server


@pytest.fixture
def url(postgres_database: str) -> URL:
    """Of a database that is in order."""
    found = database_url(postgres_database)
    upgraded(found)
    assert "schema" in look(found)
    return found


def upgraded(url: URL) -> None:
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()


def look(url: URL) -> str:
    engine = open_engine(url)
    try:
        return look_at_database(engine)
    finally:
        engine.dispose()


def fault(url: URL) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        look(url)
    return str(caught.value)


@pytest.fixture
def crowded(url: URL) -> Iterator[URL]:
    """The same, as a user who may have no connection."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as admin:
        admin.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0 PASSWORD 'crowded'")
        yield url.set(username="crowded", password="crowded")
        admin.execute("DROP ROLE crowded")


def test_a_user_without_a_free_connection_is_not_told_to_start_the_server(crowded: URL) -> None:
    said = fault(crowded)

    assert "too many connections for role" in said
    assert "It runs, but has no connection left for refnet: raise max_connections" in said


def test_a_server_without_tls_that_is_to_speak_it_is_named_with_the_settings_of_it(url: URL) -> None:
    assert "see sslmode and sslrootcert in DATABASE_URL" in fault(url.update_query_dict({"sslmode": "require"}))


def test_a_server_that_is_not_there_is_to_be_started_and_one_without_a_name_to_be_named(url: URL) -> None:
    assert "Nothing listens there: start PostgreSQL" in fault(url.set(port=free_port()))
    assert "Its name is not known: check the host in DATABASE_URL" in fault(url.set(host="database.invalid"))


def test_a_server_that_is_set_to_read_only_is_not_in_order_though_it_can_be_read(url: URL) -> None:
    said = fault(url.update_query_dict({"options": "-c default_transaction_read_only=on"}))

    assert "takes no writes: it is set to read only. It lets refnet read alone" in said
    assert "make room there" in said


def test_a_standby_is_not_in_order_and_the_primary_is_to_be_named() -> None:
    with running_server() as server:
        url = database_url(server.url)
        upgraded(url)
        become_standby(server)

        said = fault(url)

    assert "takes no writes: it is a standby of another server. Name the server that is the primary now" in said


def become_standby(server: PostgresServer) -> None:
    server.stop_at_once()
    (server.log.parent / "data" / "standby.signal").touch()
    server.start()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("connection failed: FATAL:  sorry, too many clients already", "no connection left"),
        (
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "no connection left",
        ),
        ("FATAL:  no more connections allowed (max_client_conn)", "no connection left"),
        ("All connections to the database postgresql://h/d are in use.", "This process has taken all it may have"),
        ("FATAL:  the database system is starting up", "It is being started or stopped"),
        ("FATAL:  terminating connection due to administrator command", "It is being started or stopped"),
        ("connection is bad: SSL error: certificate verify failed", "its certificate is not trusted"),
        ("connection failed: connection timeout expired", "Nothing comes back from there"),
        ("server closed the connection unexpectedly", "Check that PostgreSQL runs"),
    ],
)
def test_the_cure_is_of_what_was_said(said: str, told: str) -> None:
    assert told in cure(said)
