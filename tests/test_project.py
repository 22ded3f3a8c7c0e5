"""The project itself: what it packages, pins, imports and names."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import refnet
from tests.guard.sitecustomize import NetworkForbidden

LOCKS = ("base", "server", "dev", "bench")
REQUIREMENT = re.compile(
    r"^(?P<name>[a-z0-9-]+)(?:\[[a-z,-]+\])?==(?P<version>\S+)[^\\\n]*(?P<hashes>(?:\\\n +--hash=\S+ ?)*)",
    re.MULTILINE,
)

# Written so that this file does not match itself.
FORBIDDEN = re.compile(
    r"py[p]i\.org|python[h]osted\.|registry\.(?:np[m]js|yar[n]pkg)|(?:deb|security)\.[d]ebian\."
    r"|(?:^|[^A-Za-z0-9_.])/(?:wor[k]|far[m]|tmp/[x])/"
)

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import refnet

done = []
def watch(event, args):
    if event in ("os.mkdir", "socket.connect", "socket.bind", "sqlite3.connect", "subprocess.Popen"):
        done.append(f"{event} {args!r}")
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        done.append(f"open {args!r}")
sys.addaudithook(watch)

for module in pkgutil.walk_packages(refnet.__path__, "refnet."):
    # A program, or a script that Alembic runs, is not there to be imported.
    if not module.name.endswith(".__main__") and ".migrations." not in module.name:
        importlib.import_module(module.name)
        for what in done:
            print(module.name, what)
        done.clear()
"""


def files_of_the_project(root: Path) -> Iterator[Path]:
    folders = (".ci", ".github", "benchmarks", "deploy", "docs", "requirements", "src", "tests")
    yield from (path for path in root.iterdir() if path.is_file())
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if path.is_file() and not {"node_modules", "__pycache__"} & set(path.parts):
                yield path


def pins(root: Path, lock: str) -> dict[str, set[str]]:
    text = (root / "requirements" / f"{lock}.txt").read_text()
    found: dict[str, set[str]] = {}
    for match in REQUIREMENT.finditer(text):
        found.setdefault(match["name"], set()).add(match["version"])
    return found


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_installed_version_is_the_one_in_the_code() -> None:
    assert version("refnet") == refnet.__version__


def test_make_alone_lists_every_target(root: Path) -> None:
    told = subprocess.run(["make", "-s"], cwd=root, capture_output=True, text=True, check=True).stdout

    listed = re.findall(r"^make ([a-z]+) +\S", told, re.MULTILINE)

    phony = re.search(r"^\.PHONY: (.+)$", (root / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert sorted(listed) == sorted(phony[1].split())
    assert {"setup", "demo", "test", "fast", "soak", "check", "fix", "lock", "bench", "clean", "help"} <= set(listed)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_file_is_a_pinned_requirement_with_hashes(root: Path, lock: str) -> None:
    text = (root / "requirements" / f"{lock}.txt").read_text()

    rest = REQUIREMENT.sub("", text)

    assert all(not line.strip() or line.lstrip().startswith("#") for line in rest.splitlines())
    assert all("--hash=sha256:" in match["hashes"] for match in REQUIREMENT.finditer(text))
    assert "://" not in text


@pytest.mark.parametrize("lock", ["base", "server", "bench"])
def test_the_lock_files_agree_on_every_version_they_share(root: Path, lock: str) -> None:
    mine, full = pins(root, lock), pins(root, "dev")

    assert {name: mine[name] for name in mine.keys() & full.keys()} == {
        name: full[name] for name in mine.keys() & full.keys()
    }
    assert {"httpx2", "sqlalchemy", "hatchling"} <= mine.keys()


def test_every_measurement_has_its_place_in_its_page(root: Path) -> None:
    measured = runpy.run_path(str(root / "benchmarks" / "run.py"))["MEASUREMENTS"]
    by_hand = {"soaks", "plain"}  # theirs come from `make soak`

    assert [name for name in measured if not (root / "benchmarks" / f"{name}.py").is_file()] == []
    assert measured == {
        name: page.name
        for page in (root / "docs" / "explanation").glob("*.md")
        for name in re.findall(r"^<!-- (\w+): begin -->$", page.read_text(encoding="utf-8"), re.MULTILINE)
        if name not in by_hand
    }


def test_no_file_names_a_registry_or_a_path_of_the_machine_it_was_written_on(root: Path) -> None:
    found = [
        f"{path.relative_to(root)}: {match[0]}"
        for path in files_of_the_project(root)
        for match in FORBIDDEN.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


def test_no_test_is_skipped_but_for_want_of_something_which_fails_where_all_must_be_there(root: Path) -> None:
    skipping = re.compile(r"\bskip(?:if)?\(|\bSkipped\b|\bimportor[s]kip\b|unittest\.[s]kip")
    found = {
        path.relative_to(root).as_posix()
        for path in (root / "tests").rglob("*.py")
        if skipping.search(path.read_text(encoding="utf-8")) and "node_modules" not in path.parts
    }
    assert found == {"tests/servers.py"}, "use `missing` of that file"


def test_the_domain_the_ports_and_the_stand_in_use_nothing_but_the_standard_library(root: Path) -> None:
    package = root / "src" / "refnet"
    plain = [*(package / "domain").rglob("*.py"), *(package / "demo").rglob("*.py"), package / "ports.py"]

    foreign = [
        f"{path.relative_to(root)}: {name}"
        for path in plain
        for name in imported_by(path)
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "refnet"}
    ]

    assert foreign == []


def test_importing_any_module_connects_to_nothing_and_writes_nothing() -> None:
    done = subprocess.run([sys.executable, "-B", "-c", IMPORT_EVERYTHING], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_wheel_carries_everything_below_the_package(root: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    done = subprocess.run(build, cwd=root, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").iterdir()
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("refnet/")}
    there = {
        path.relative_to(root / "src").as_posix()
        for path in (root / "src" / "refnet").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == there
    assert "refnet/py.typed" in packed


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_a_test_cannot_reach_beyond_loopback(host: str) -> None:
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as client, pytest.raises(NetworkForbidden):
        client.connect((host, 443))


def test_a_program_started_by_a_test_cannot_reach_beyond_loopback() -> None:
    program = "import socket; socket.create_connection(('example.org', 443))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert "NetworkForbidden" in done.stderr


def test_a_postgres_for_the_tests_is_there_and_empty(postgres_database: str) -> None:
    import psycopg

    assert ":5432/" not in postgres_database
    with psycopg.connect(postgres_database.replace("+psycopg", "")) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()

    assert tables == (0,)


def test_npm_reads_yaml_for_the_tests(npm_yaml: Path) -> None:
    import json

    texts = ["a: 1\nb: [x, 'y']", "a: 1\na: 2", ""]
    done = subprocess.run(["node", str(npm_yaml)], input=json.dumps(texts), capture_output=True, text=True, check=True)

    good, doubled, empty = json.loads(done.stdout)
    assert good == {"value": {"a": 1, "b": ["x", "y"]}}
    assert "unique" in doubled["errors"][0]
    assert empty == {"value": None}
