"""The commands of the how-tos that back the database up and put it back, on a real PostgreSQL: what they ask of Docker is
left out, and `up` is what `migrate` does there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.deploy.deployment import ROOT
from tests.servers import missing, postgres_binaries

Shell = Callable[[str], str]
INSIDE = "docker compose exec -T postgres "


def shown(name: str, heading: str) -> list[str]:
    """The commands below a heading of a how-to."""
    page = (ROOT / "docs" / "how-to" / f"{name}.md").read_text(encoding="utf-8")
    found = re.search(r"^```sh\n(.*?)^```$", page.partition(f"# {heading}\n")[2], re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1].splitlines()


@pytest.fixture
def shell(postgres_url: str, tmp_path: Path) -> Shell:
    """Runs a command beside the server as if in its container."""
    binaries, url = postgres_binaries(), make_url(postgres_url)
    if binaries is None or not (binaries / "pg_dump").exists():
        missing("no pg_dump beside PostgreSQL on this machine")
    environment = {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PGHOST": url.host or "",
        "PGPORT": str(url.port),
        "PGPASSWORD": url.password or "",
        "DATABASE_URL": url.set(database="refnet").render_as_string(hide_password=False),
    }

    def run(command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    return run


def test_s08_a_backup_of_an_older_version_is_put_back_over_a_newer_one(shell: Shell, postgres_url: str) -> None:
    plain = make_url(postgres_url).set(drivername="postgresql", database="refnet").render_as_string(hide_password=False)
    refnet = f"{sys.executable} -m refnet"
    (dump,) = [command for command in shown("deploy", "Upgrade, back up, stop") if "pg_dump" in command]
    down, alone, *back, up = shown("deploy-from-a-backup", "Put a backup back")
    assert (down, alone) == ("docker compose down", "docker compose up --detach --wait postgres")
    assert up == "docker compose up --detach"
    shell("createdb --username refnet refnet")
    try:
        shell(f"{refnet} db upgrade")
        shell(f"{refnet} keys create --scope read --name kept")
        shell(dump.removeprefix(INSIDE))
        shell(f"{refnet} keys create --scope read --name later")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("CREATE TABLE of_a_newer_version (paper_id text REFERENCES papers)")

        for command in back:
            assert command.startswith(INSIDE)
            shell(command.removeprefix(INSIDE))
        shell(f"{refnet} db upgrade")

        assert [line.split()[-1] for line in shell(f"{refnet} keys list").splitlines()] == ["kept"]
        with psycopg.connect(plain) as connection:
            assert connection.execute("SELECT to_regclass('of_a_newer_version')").fetchone() == (None,)
    finally:
        shell("dropdb --username refnet --if-exists --force refnet")
