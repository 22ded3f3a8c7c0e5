"""A cluster with a secret in every setting that knows one, and what is said by it, at work and at fault."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx2
import psycopg
from psycopg import sql

from refnet.demo.bundled import bundled_corpus
from refnet.demo.faults import Reply
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from tests.acceptance.command import Ended, Refnet, clean_environment
from tests.cluster.canaries import Canary, Places, secret_variables
from tests.cluster.lab import Lab, Worker, open_lab, until
from tests.redis_server import RedisServer
from tests.servers import free_port
from tests.soak.postgres import PostgresServer

ROLE, DATABASE = "watched", "canaries"
#: Redis' own password has to fit its file of settings.
FOR_REDIS = "q'"
#: So that what goes wrong is told soon.
IMPATIENT = {"REFNET_OUTAGE_SECONDS": "2", "REFNET_NO_NETWORK_SECONDS": "2"}
#: How a source may refuse: the status, and where it says what it was told.
WAYS = ("400", "403", "404", "429 wait", "500", "503 page", "302 redirect", "200 page", "200", "401")


class Echo(StandIn):
    """A source that answers with all that it was told, in one of WAYS: as `way` says, or who asks at `at(number)`."""

    way: str | None = None
    #: how often it did
    told = 0

    def at(self, number: int) -> str:
        """The address at which it always refuses, in that one of the ways."""
        return self.url.replace("/graph/", f"/way-{number}/graph/")

    def reply(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        _, chosen, number = target.partition("/")[2].partition("/")[0].partition("way-")
        way = WAYS[int(number)] if chosen else self.way
        if way is None:
            return super().reply(method, target, headers, body)
        self.told += 1
        key = headers.get("x-api-key", "")
        told = f"{key} {quote(key, safe='')} {key!r} {base64.b64encode(key.encode()).decode()} {json.dumps(key)}"
        code, _, form = way.partition(" ")
        status, document = int(code), json.dumps({"error": f"Bad key: {told}", "message": told}).encode()
        match form:
            case "page":
                return Reply(status, f"<p>{told}</p>".encode(), content_type="text/html")
            case "redirect":
                return Reply(status, b"", headers=(("Location", f"{self.url}/{quote(key)}"),))
            case "wait":
                return Reply(status, document, headers=(("Retry-After", quote(key)),))
        return Reply(status, document, headers=(("X-Told", quote(told)),))


class Scene:
    """The cluster, the canaries in it, and where they are looked for."""

    def __init__(
        self, folder: Path, postgres: PostgresServer, redis: RedisServer, broker: Canary, *, files: bool
    ) -> None:
        self.postgres, self.redis = postgres, redis
        self.places = Places()
        self.canaries = [broker]
        self.api_key = self.canary("the source's key")
        self.source = Echo(bundled_corpus(), Switches(keys=frozenset({self.api_key.value}), keyless=False))
        self.files = folder / "secrets" if files else None
        self.folder = folder / "lab"
        self.folder.mkdir()
        self.flower_word = self.canary("Flower's password")
        self._database = self._made_database()
        self._said = 0
        self.lab = self._made_lab("json" if files else "text")

    def canary(self, name: str, **how: str) -> Canary:
        made = Canary(name, **how)
        self.canaries.append(made)
        return made

    def known(self, name: str, value: str) -> str:
        """A secret that refnet made."""
        self.canaries.append(Canary(name, core=value))
        return value

    def _made_database(self) -> str:
        password = self.canary("the database's password")
        with psycopg.connect(self.postgres.url.replace("+psycopg", ""), autocommit=True) as connection:
            role = sql.Identifier(ROLE)
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password.value)))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), role))
        return self.database_url(password)

    def database_url(self, password: Canary) -> str:
        where = self.postgres.url.rpartition("@")[2].rpartition("/")[0]
        return f"postgresql+psycopg://{ROLE}:{password.quoted}@{where}/{DATABASE}"

    def broker_url(self, password: Canary) -> str:
        return f"redis://:{password.quoted}@127.0.0.1:{self.redis.port}/0"

    def _made_lab(self, log_format: str) -> Lab:
        known = {
            "DATABASE_URL": self._database,
            "CELERY_BROKER_URL": self.redis.url,
            "SEMANTIC_SCHOLAR_API_KEY": self.api_key.value,
            # Commas part them.
            "REFNET_SIGNING_KEYS": f"{self.canary('the signing key').value},{self.canary('the older one').value}",
            "FLOWER_BASIC_AUTH": f"watcher:{self.flower_word.value}",
        }
        environment = {
            "SEMANTIC_SCHOLAR_URL": self.source.url,
            "SEMANTIC_SCHOLAR_RPS": "1000",
            "OUTPUT_DIR": str(self.folder / "vault"),
            "REFNET_LOG_DIR": str(self.folder / "logs"),
            "REFNET_LOG_LEVEL": "DEBUG",
            "REFNET_LOG_FORMAT": log_format,
        }
        for name in secret_variables():
            environment |= self.setting(name, known.get(name) or self.canary(name).value)
        refnet = Refnet(self.folder, clean_environment(self.folder / "data", **environment))
        return open_lab(refnet, self.source, self._database)

    @property
    def impatient(self) -> Refnet:
        return self.lab.refnet.with_(**IMPATIENT)

    def setting(self, name: str, value: str) -> dict[str, str]:
        """A secret as this cluster gets it, in a variable or in a file."""
        if self.files is None:
            return {name: value}
        self.files.mkdir(exist_ok=True)
        file = self.files / secrets.token_hex(4)
        file.write_text(f"{value}\n", encoding="utf-8")
        return {f"{name}_FILE": str(file)}

    def heard(self, ended: Ended) -> Ended:
        """What a command said is looked through, too."""
        self._said += 1
        self.places.add(f"output {self._said}", ended.out)
        self.places.add(f"errors {self._said}", ended.err)
        return ended

    def hear(self, refnet: Refnet, *commands: str) -> None:
        """Run commands beside each other to their ends, and look through what they say."""
        for running in [refnet.start(*command.split()) for command in commands]:
            self.heard(running.wait())

    def program(self, name: str, *words: str, **settings: str) -> Worker:
        """Start `refnet`, or another module, with what it says in a file; ended with the lab's others."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=self.folder,
                env=self.lab.environment | settings,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = Worker(process, log, name)
        self.lab.workers.append(started)
        return started

    def serve(self) -> str:
        """Start the API; its address."""
        port = free_port()
        self.program("serve", "refnet", "serve", "--port", str(port)).until_logs("Serving at")
        return f"http://127.0.0.1:{port}"

    def flower(self) -> str:
        """Start Flower; its address."""
        port = free_port()
        self.program("flower", "celery", "-A", "refnet", "flower", f"--port={port}").until_logs("Visit me at")
        return f"http://127.0.0.1:{port}"

    def answered(self, answer: httpx2.Response) -> httpx2.Response:
        """What the API said is looked through, too, but for the cookie that a browser signs in by."""
        headers = [one for one in answer.headers.multi_items() if one[0].lower() != "set-cookie"]
        self.places.add(f"answer {answer.request.method} {answer.request.url.path}", f"{headers} {answer.text}")
        return answer

    def flower_says(self, url: str, path: str, word: str | None = None) -> int:
        """A page of Flower's, looked through; the status."""
        user = f"watcher:{self.flower_word.value if word is None else word}"
        request = urllib.request.Request(f"{url}{path}")  # noqa: S310 - loopback
        request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        self.places.add(f"flower {path}", text)
        return int(status)

    @contextmanager
    def monitored(self) -> Iterator[None]:
        """What Redis is asked meanwhile, as its own MONITOR tells it."""
        over = threading.Event()

        def listen() -> None:
            while not over.wait(0.05):
                heard = bytearray()
                with suppress(OSError), socket.create_connection(("127.0.0.1", self.redis.port), 5) as line:
                    line.settimeout(0.5)
                    password = str(self.redis.password)
                    line.sendall(f"*2\r\n$4\r\nAUTH\r\n${len(password)}\r\n{password}\r\nMONITOR\r\n".encode())
                    while not over.is_set():
                        with suppress(TimeoutError):
                            if not (more := line.recv(65_536)):
                                break
                            heard += more
                self.places.add("monitor", bytes(heard))

        thread = threading.Thread(target=listen, name="monitor", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(10)

    def look(self) -> None:
        """Look at what is kept and at who runs, as it is now."""
        self.places.add_processes()
        self.places.add_redis(self.redis)
        self.places.add_database(self.postgres.url.rpartition("/")[0] + f"/{DATABASE}")

    def end(self) -> None:
        """End everything in order, and look through what it left behind."""
        stop(self.lab.workers)
        self.places.add_folder(self.folder)
        self.places.add("Redis' log", (self.redis.folder / "log").read_bytes())
        self.places.add("PostgreSQL's log", self.postgres.log.read_bytes())

    def back(self) -> None:
        """Wait until the workers have the database and the broker again."""
        until(lambda: self.lab.refnet("status").code == 0, what="the cluster to be whole")


def stop(programs: Sequence[Worker]) -> None:
    """End them in order, all at the same time: each takes seconds."""
    with ThreadPoolExecutor(len(programs)) as threads:
        list(threads.map(Worker.stop, programs))
