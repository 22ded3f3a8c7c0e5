"""What the measurement of the API needs: databases full of papers, servers that are processes, and wrk."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
from measuring import HERE, open_application
from sqlalchemy import insert
from synthetic import _WORDS

from refnet.adapters.database.engine import writing
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.schema import papers, summaries
from refnet.domain.permissions import Scope
from tests.acceptance.command import clean_environment

CONNECTIONS = 16
#: Seconds for which a server may start.
PATIENCE = 300.0
_SCRIPT = """
local addresses = {}
for line in io.lines("%(addresses)s") do
  addresses[#addresses + 1] = wrk.format("GET", line, {["Host"] = "%(host)s", ["Authorization"] = "Bearer %(key)s"})
end
math.randomseed(%(seed)d)
%(pause)s
request = function() return addresses[math.random(#addresses)] end
done = function(summary, latency, _)
  local bad = summary.errors
  io.write(string.format(
    '\\n{"requests": %%d, "microseconds": %%d, "p50": %%d, "p99": %%d, "refused": %%d, "broken": %%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    bad.status, bad.connect + bad.read + bad.write + bad.timeout))
end
"""


@dataclass(frozen=True)
class Found:
    """What wrk saw. Milliseconds; `failed` are answers of 400 and above, and those that never came.

    `cpu` is what an answer took of the server's processor time.
    """

    per_second: float
    p50: float
    p99: float
    cpu: float
    failed: int


@dataclass(frozen=True)
class Served:
    """A server at work, and its process."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """What its process alone, without those that it started, has taken so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(database: str, number: int) -> tuple[list[str], str]:
    """Put papers with abstracts and summaries into a new database; their ids, and a key that may write."""
    chance = random.Random(7)
    ids = sorted(f"{chance.getrandbits(160):040x}" for _ in range(number))

    def words(least: int, most: int) -> str:
        return " ".join(chance.choices(_WORDS, k=chance.randint(least, most))).capitalize()

    application = open_application(database)
    upgrade(application.engine)
    with writing(application.engine) as connection:
        for begin in range(0, number, 5_000):
            some = ids[begin : begin + 5_000]
            rows = [
                {
                    "paper_id": paper_id,
                    "title": words(5, 12),
                    "year": chance.randint(1990, 2026),
                    "citation_count": chance.randint(0, 5_000),
                    "reference_count": chance.randint(10, 80),
                    "venue": words(2, 5),
                    "abstract": f"{words(100, 200)}.",
                    "authors": [[words(2, 2).title(), None] for _ in range(4)],
                    "external_ids": {"DOI": f"10.1000/{paper_id[:8]}"},
                    "pdf_url": f"https://example.org/{paper_id}.pdf",
                    "url": f"https://example.org/{paper_id}",
                    "fetched_at": 1.0,
                }
                for paper_id in some
            ]
            connection.execute(insert(papers), rows)
            made = {"basis": "abstract", "lang": "en", "made_at": 1.0}
            texts = [{"paper_id": one, "text": words(20, 40), **made} for one in some]
            connection.execute(insert(summaries), texts)
    _, key = application.store.make_key(Scope.WRITE)
    application.engine.dispose()
    return ids, key


class Databases:
    """Databases on the server of the one at `url`."""

    def __init__(self, url: str) -> None:
        self._server, self._number = url.rpartition("/")[0], count()

    def empty(self) -> str:
        """A new one; its URL."""
        return self._new("")

    def copy(self, of: str) -> str:
        """A copy of one that nobody is connected to; its URL."""
        made = self._new(f' TEMPLATE "{of.rpartition("/")[2]}"')
        with psycopg.connect(_plain(made), autocommit=True) as connection:
            connection.execute("ANALYZE")
        return made

    def _new(self, how: str) -> str:
        name = f"bench_{next(self._number)}"
        with psycopg.connect(_plain(f"{self._server}/postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"{how}')
        return f"{self._server}/{name}"


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


@contextmanager
def server(folder: Path, *command: str, **environment: str) -> Iterator[Served]:
    """A process that serves."""
    data = Path(tempfile.mkdtemp(prefix="data-", dir=folder))
    # Into a file: a pipe that nobody reads would stop it at last.
    with (data / "said").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=data,
            env=clean_environment(data, **environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            end = time.monotonic() + PATIENCE
            while (found := re.search(r"Serving at (http://\S+)", (data / "said").read_text())) is None:
                assert process.poll() is None, (data / "said").read_text()
                assert time.monotonic() < end, f"it does not start: {(data / 'said').read_text()}"
                time.sleep(0.05)
            yield Served(found[1], process.pid)
        finally:
            process.terminate()
            process.wait()


def refnet_serving(folder: Path, database: str, source: str, pace: float) -> AbstractContextManager[Served]:
    settings = {
        "DATABASE_URL": database,
        "SEMANTIC_SCHOLAR_URL": source,
        "SEMANTIC_SCHOLAR_RPS": str(pace),
        "SEMANTIC_SCHOLAR_API_KEY": "of-no-use",
        "OUTPUT_DIR": tempfile.mkdtemp(prefix="vault-", dir=folder),
        # Of one key: it is not the limit that is measured.
        "REFNET_API_RPS": "1000000",
    }
    return server(folder, "-m", "refnet", "serve", "--port", "0", **settings)


def bare_serving(folder: Path, database: str) -> AbstractContextManager[Served]:
    return server(folder, str(HERE / "bare_app.py"), database)


def script(folder: Path, served: Served, key: str, addresses: Sequence[str], rate: int | None = None) -> Path:
    """What tells wrk to ask for these addresses at random, as often as it can or `rate` times a second at the most."""
    place = Path(tempfile.mkdtemp(prefix="wrk-", dir=folder))
    (place / "addresses").write_text("".join(f"{one}\n" for one in addresses))
    given = {
        "addresses": place / "addresses",
        "host": served.url.partition("://")[2],
        "key": key,
        "seed": len(addresses),
        "pause": "" if rate is None else f"delay = function() return {1000 * CONNECTIONS // rate} end",
    }
    (place / "ask.lua").write_text(_SCRIPT % given)
    return place / "ask.lua"


@dataclass(frozen=True)
class Wrk:
    process: subprocess.Popen[str]
    served: Served
    cpu_before: float

    def stop(self) -> Found:
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> Found:
        """What it saw until it ended."""
        said, _ = self.process.communicate()
        told = json.loads(said.strip().splitlines()[-1])
        cpu = self.served.cpu_seconds() - self.cpu_before
        return Found(
            told["requests"] / told["microseconds"] * 1e6,
            told["p50"] / 1e3,
            told["p99"] / 1e3,
            1e3 * cpu / told["requests"],
            told["refused"] + told["broken"],
        )


@contextmanager
def wrk(served: Served, asking: Path, seconds: float) -> Iterator[Wrk]:
    """wrk at work for that long, or until the context ends."""
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "10s", "-s", str(asking), served.url]
    before = served.cpu_seconds()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        yield Wrk(process, served, before)
    finally:
        if process.returncode is None:
            process.kill()
            process.communicate()
