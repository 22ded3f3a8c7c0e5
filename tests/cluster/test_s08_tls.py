"""S08: a broker and a database that others look after are reached over TLS, by the addresses that the how-to shows."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from refnet.demo.bundled import SEED
from tests.cluster.conftest import MakeLab
from tests.redis_server import RedisServer, running_redis
from tests.servers import free_port, missing, postgres_binaries, running_postgres

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Certificate:
    """Of 127.0.0.1, signed by itself; another authority's is `strange`."""

    path: Path
    key: Path
    strange: Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    if shutil.which("openssl") is None:
        missing("no openssl on this machine")
    folder = tmp_path_factory.mktemp("tls")
    for name in ("own", "strange"):
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return Certificate(folder / "own.pem", folder / "own.key", folder / "strange.pem")


@pytest.fixture
def redis(certificate: Certificate) -> Iterator[tuple[RedisServer, int]]:
    """A server, and the port at which it speaks TLS."""
    port = free_port()
    found = shutil.which("redis-server")
    if (
        found is None
        or "libssl" not in subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout
    ):
        missing("no Redis with TLS on this machine")
    with running_redis(
        Path(found),
        password="secret",
        tls_auth_clients="no",
        tls_port=port,
        tls_cert_file=str(certificate.path),
        tls_key_file=str(certificate.key),
        tls_ca_cert_file=str(certificate.path),
    ) as server:
        yield server, port


@pytest.fixture
def database(certificate: Certificate) -> Iterator[str]:
    """The address of a database at which nobody is let in without TLS."""
    binaries = postgres_binaries()
    if binaries is None:
        missing("no PostgreSQL on this machine and none among the test dependencies")
    with running_postgres(binaries) as url:
        plain = url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            (place,) = connection.execute("SHOW data_directory").fetchone() or ("",)
            data = Path(place)
            for source, name in ((certificate.path, "server.crt"), (certificate.key, "server.key")):
                shutil.copy(source, data / name)
                (data / name).chmod(0o600)
                os.chown(data / name, data.stat().st_uid, data.stat().st_gid)
            rules = "hostssl all all 127.0.0.1/32 scram-sha-256\n"
            (data / "pg_hba.conf").write_text(rules)
            connection.execute("ALTER SYSTEM SET ssl = on")
            connection.execute("SELECT pg_reload_conf()")
        yield plain


def test_s08_a_crawl_goes_through_a_redis_and_a_postgresql_that_are_reached_over_tls(
    make_lab: MakeLab, redis: tuple[RedisServer, int], database: str, certificate: Certificate
) -> None:
    trusted = f"ssl_cert_reqs=required&ssl_ca_certs={certificate.path}"
    broker = f"rediss://:secret@127.0.0.1:{redis[1]}/0"
    verified = f"{database}?sslmode=verify-full&sslrootcert="
    lab = make_lab(f"{broker}?{trusted}", environment={"DATABASE_URL": f"{verified}{certificate.path}"})
    lab.worker()

    document = lab.refnet.map(SEED)

    assert document["papers"] == document["notes"] > 50
    assert lab.refnet("doctor").code == 0
    distrusting = lab.with_(CELERY_BROKER_URL=f"{broker}?ssl_cert_reqs=required&ssl_ca_certs={certificate.strange}")
    said = distrusting.refnet("doctor", "--only", "broker")
    assert said.code == 1
    assert "its certificate is not trusted" in said.out
    strange = lab.with_(DATABASE_URL=f"{verified}{certificate.strange}").refnet("doctor", "--only", "database")
    assert strange.code == 1
    assert "certificate verify failed" in strange.out
    for words in ("secret", "refnet:"):
        assert words not in said.out + strange.out.replace("refnet:***", "")
