"""Secrets that are known again wherever they turn up, however they are written there; and the places to look at."""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from refnet.settings import Settings
from tests.redis_server import RedisServer

#: What of a secret has to be quoted, escaped or encoded somewhere, on both sides of what is looked for.
BEFORE, AFTER = "q'\"\\", "%/+=&<"


def secret_variables() -> list[str]:
    """The variables of every setting that is a secret, also of one that is new."""
    found = []
    for name, setting in Settings.model_fields.items():
        if "SecretStr" in str(setting.annotation) or setting.annotation is SecretStr:
            assert isinstance(setting.validation_alias, str), name
            found.append(setting.validation_alias)
    return found


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret whose middle stands nowhere else in the world."""

    name: str
    core: str = field(default_factory=lambda: f"K{secrets.token_hex(9)}")
    before: str = BEFORE

    @property
    def value(self) -> str:
        return f"{self.before}{self.core}{AFTER}"

    @property
    def quoted(self) -> str:
        """As it has to stand in a URL."""
        return quote(self.value, safe="")

    def forms(self) -> dict[str, str]:
        """What it looks like. Its middle is the same in every kind of quotes; other alphabets change it."""
        found = {"plain": self.core, "backwards": self.core[::-1], "hex": self.core.encode().hex()}
        for shift in range(3):
            # Inside of a longer text that was encoded, by where it begins there; the ends depend on what is beside it.
            encoded = base64.b64encode(b"\0" * shift + self.core.encode()).decode()
            found[f"base64 {shift}"] = encoded[4 if shift else 0 : -4]
        return found


@dataclass
class Places:
    """Everything that is looked through, by where it was found."""

    texts: list[tuple[str, str]] = field(default_factory=list)

    def add(self, place: str, text: str | bytes) -> None:
        self.texts.append((place, text.decode("latin-1") if isinstance(text, bytes) else text))

    def add_folder(self, folder: Path, but: Iterable[str] = ()) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in but:
                self.add(f"file {path.relative_to(folder)}", path.read_bytes())

    def add_database(self, url: str) -> None:
        """Every row of every table, bytes as text."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                for row in connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))):
                    cells = (bytes(one).decode("latin-1") if isinstance(one, bytes) else repr(one) for one in row)
                    self.add(f"table {table}", " | ".join(cells))

    def add_redis(self, server: RedisServer) -> None:
        """Every key and what it holds."""
        with server.client() as redis:
            for key in redis.scan_iter(count=1_000):
                self.add("redis key", key)
                for value in _held(redis, key):
                    self.add(f"redis {key.decode('latin-1')}", value)

    def add_processes(self) -> None:
        """The words of every process of this machine, as `ps` shows them and as the kernel has them."""
        shown = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True)
        self.add("ps", shown.stdout)
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.add("cmdline", file.read_bytes())
            except OSError:
                continue  # it has ended

    def seen(self, canaries: Iterable[Canary]) -> list[str]:
        """Where one of them is, in which form, and beside what; the canary itself is blotted out."""
        found = []
        for canary in canaries:
            for form, needle in canary.forms().items():
                for place, text in self.texts:
                    if (at := text.find(needle)) >= 0:
                        beside = text[max(0, at - 160) : at] + "[it]" + text[at + len(needle) : at + len(needle) + 60]
                        found.append(f"{canary.name}, {form}, in {place}: {beside!r}")
        return found

    def count(self, place: str) -> int:
        return sum(one.startswith(place) for one, _ in self.texts)

    def hold(self, place: str, text: str) -> bool:
        return any(one.startswith(place) and text in found for one, found in self.texts)


def _held(redis: Any, key: bytes) -> Iterator[bytes]:
    match redis.type(key):
        case b"string":
            yield redis.get(key) or b""
        case b"list":
            yield from redis.lrange(key, 0, -1)
        case b"set":
            yield from redis.smembers(key)
        case b"hash":
            for name, value in redis.hgetall(key).items():
                yield name + b" " + value
        case b"zset":
            yield from redis.zrange(key, 0, -1)
        case b"none":
            return  # it was there a moment ago
        case kind:
            raise AssertionError(f"{key!r} is a {kind!r}, which nobody looks through")
