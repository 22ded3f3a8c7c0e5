"""S08 and S18: how the image is made. There is no engine here to make it; its steps are held against the tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from refnet.settings import Settings
from tests.deploy.deployment import ROOT, instructions

LAST = next(place for place in reversed(range(len(instructions()))) if instructions()[place][0] == "FROM")
IMAGE = instructions()[LAST:]
BUILD = instructions()[:LAST]


def test_s08_the_image_is_made_in_two_stages_from_one_exact_python() -> None:
    (version,) = (rest for name, rest in BUILD if name == "ARG")

    assert re.fullmatch(r"PYTHON=python:3\.\d+\.\d+-slim-[a-z]+", version)
    assert [rest for name, rest in instructions() if name == "FROM"] == ["${PYTHON} AS build", "${PYTHON}"]


def test_s19_everything_is_installed_by_its_hash_and_refnet_without_asking_an_index() -> None:
    installed = [rest for name, rest in instructions() if name == "RUN" and '"install"' in rest]

    first, second = installed
    assert '"--require-hashes", "-r", "requirements/server.txt"' in first
    assert '"--no-deps", "--no-build-isolation", "."' in second


def test_s18_the_image_runs_as_a_user_of_its_own_who_can_change_no_program() -> None:
    assert [rest for name, rest in IMAGE if name == "USER"] == ["10001:10001"]
    assert not any("--chown" in rest for name, rest in IMAGE if name == "COPY")
    place = [name for name, _ in IMAGE].index("USER")
    assert {name for name, _ in IMAGE[place:]} <= {"USER", "CMD"}


def test_s18_the_image_has_no_compiler_no_package_manager_of_ours_and_no_secret() -> None:
    text = "\n".join(f"{name} {rest}" for name, rest in instructions())

    assert "apt-get" not in text
    assert '"uninstall", "--yes", "hatchling", "pip"' in text
    assert not any(name in ("ADD", "SHELL", "ONBUILD") for name, _ in instructions())
    assert not re.search(r"(?i)password|token|secret|_key", text)


def test_s18_nothing_in_exec_form_waits_for_a_shell() -> None:
    assert [rest for name, rest in instructions() if rest.startswith("[") and "$" in rest] == []
    assert [rest for name, rest in IMAGE if name in ("CMD", "ENTRYPOINT")] == ['["refnet", "--help"]']


def test_s08_what_the_image_says_of_itself_the_settings_read() -> None:
    told = {word.partition("=")[0] for name, rest in IMAGE if name == "ENV" for word in rest.split()}
    read = {str(field.validation_alias) for field in Settings.model_fields.values()}

    assert told - {"PATH", "HOME", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"} <= read


def copied() -> set[str]:
    """What comes from the tree."""
    found = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    return {word for each in found for word in each}


def test_s08_all_that_is_copied_is_there_and_nothing_else_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    lines = [line for line in ignored if line and not line.startswith("#")]

    assert [path for path in copied() if not (ROOT / path).exists()] == []
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied()


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", ["celery", "fastapi", "flower", "psycopg", "redis", "uvicorn", "hatchling"])
def test_s08_the_image_has_what_servers_need(name: str) -> None:
    assert name in pins(ROOT / "requirements" / "server.txt")


@pytest.mark.parametrize("name", ["pytest", "mypy", "ruff", "hypothesis", "memray"])
def test_s08_the_image_has_nothing_that_only_tests_need(name: str) -> None:
    assert name not in pins(ROOT / "requirements" / "server.txt")
