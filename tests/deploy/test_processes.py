"""S08: the same processes without Docker. What starts them differs, what is started does not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from refnet.adapters.celery_queue.application import SOFT_SHUTDOWN
from tests.deploy.deployment import ROOT, procfile, services, units
from tests.servers import missing

PROCESSES = ("api", "crawler", "summarizer", "generator", "beat", "flower")
#: Where an installation for systemd is, as its how-to makes it.
INSTALLED = "/opt/refnet/bin/"
#: What a unit is held to, beside what systemd itself says of it.
HARDENED = {
    "CapabilityBoundingSet=",
    "NoNewPrivileges=yes",
    "PrivateTmp=yes",
    "ProtectHome=yes",
    "ProtectSystem=strict",
    "RestrictNamespaces=yes",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged",
}
#: Of ten: how much a unit may do that it need not, as systemd reckons. Without any of it, it is 9.2.
MOST_EXPOSED = 2.0


def unit_of(process: str) -> str:
    return "refnet@.service" if process in ("crawler", "summarizer", "generator") else f"refnet-{process}.service"


def started(lines: list[str]) -> str:
    (found,) = (line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart="))
    return found


@pytest.mark.parametrize("process", PROCESSES)
def test_s08_the_procfile_starts_what_compose_starts(process: str) -> None:
    command = services()[process]["command"]
    # A container's interface has to be reached from the others; without one loopback will do.
    alike = command[:-2] if command[-2:] == ["--host", "0.0.0.0"] else command  # noqa: S104 - a word of the file

    assert procfile()[process] == alike


def test_s08_the_procfile_has_all_of_ours_that_go_on() -> None:
    assert tuple(procfile()) == PROCESSES


@pytest.mark.parametrize("process", PROCESSES)
def test_s08_systemd_starts_what_the_procfile_starts(process: str) -> None:
    line = started(units()[unit_of(process)]).replace("%i", process)

    assert line == INSTALLED + " ".join(procfile()[process])


@pytest.mark.parametrize("name", [name for name in units() if name.endswith(".service")])
def test_s18_a_unit_is_held_to_what_it_needs_and_is_given_time_to_end(name: str) -> None:
    lines = units()[name]

    assert HARDENED - set(lines) == set()
    assert {"User=refnet", "Group=refnet", "Restart=always", "KillMode=mixed"} <= set(lines)
    assert any(line.startswith("MemoryMax=") for line in lines)
    assert any(line.startswith("TasksMax=") for line in lines)
    (wait,) = (int(line.partition("=")[2]) for line in lines if line.startswith("TimeoutStopSec="))
    assert wait >= 60 > SOFT_SHUTDOWN


@pytest.mark.parametrize("name", [name for name in units() if name.endswith(".service")])
def test_s08_a_unit_may_write_the_logs_where_the_how_to_puts_them(name: str) -> None:
    page = (ROOT / "docs" / "how-to" / "watch-a-cluster.md").read_text(encoding="utf-8")
    (folder,) = re.findall(r"(?m)^export REFNET_LOG_DIR=/var/log/(\w+)$", page)

    assert f"LogsDirectory={folder}" in units()[name]


def test_s18_no_unit_holds_a_secret_itself() -> None:
    told = [line for lines in units().values() for line in lines if line.startswith("Environment=")]

    assert set(told) == {"Environment=REFNET_DATA_DIR=/var/lib/refnet"}


def test_s08_the_target_wants_all_that_a_cluster_is() -> None:
    (wants,) = (line.partition("=")[2].split() for line in units()["refnet.target"] if line.startswith("Wants="))

    assert {re.sub(r"^refnet[-@]|\.service$", "", name) for name in wants} == set(PROCESSES) - {"flower"}


def test_s08_what_the_how_to_runs_once_runs_as_the_units_do() -> None:
    """A key made by root, without the settings, would be in a database that nobody asks."""
    page = (ROOT / "docs" / "how-to" / "deploy-without-docker.md").read_text(encoding="utf-8")
    section = page.partition("\n## With systemd\n")[2].partition("\n## ")[0]
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    ours = [line.split() for line in blocks.splitlines() if re.search(r"(^|/| )refnet (db|keys)", line)]

    (user, file) = (
        next(line.partition("=")[2] for line in units()["refnet-api.service"] if line.startswith(name))
        for name in ("User=", "EnvironmentFile=")
    )
    run = ["systemd-run", "--pipe", "--wait", "--uid", user, "--property", f"EnvironmentFile={file}"]
    assert [words[len(run) + 1 : len(run) + 3] for words in ours] == [["db", "upgrade"], ["keys", "create"]]
    assert {tuple(words[: len(run) + 1]) for words in ours} == {(*run, f"{INSTALLED}refnet")}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, of an installation that is there: systemd looks for the programs."""
    if shutil.which("systemd-analyze") is None:
        missing("no systemd on this machine")
    for name in units():
        text = (ROOT / "deploy" / "systemd" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(INSTALLED, f"{Path(sys.executable).parent}/"))
    shutil.copy(tmp_path / "refnet@.service", tmp_path / "refnet@crawler.service")
    return tmp_path


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], cwd=folder, capture_output=True, text=True, check=False)


def test_s08_systemd_understands_every_line_of_the_units(installed: Path) -> None:
    names = sorted(f"./{path.name}" for path in installed.iterdir() if "@." not in path.name)

    done = analyze(installed, "verify", "--man=no", *names)

    assert (done.returncode, done.stderr) == (0, "")


def test_s08_a_line_that_systemd_does_not_understand_is_found(installed: Path) -> None:
    unit = installed / "refnet-beat.service"
    unit.write_text(unit.read_text().replace("ProtectClock=yes", "ProtectClok=yes"))

    done = analyze(installed, "verify", "--man=no", "./refnet-beat.service")

    assert "ProtectClok" in done.stderr


@pytest.mark.parametrize("name", ["refnet-api", "refnet-beat", "refnet-flower", "refnet@crawler"])
def test_s18_systemd_finds_little_that_a_unit_may_do_and_need_not(installed: Path, name: str) -> None:
    done = analyze(installed, "security", "--offline=true", "--no-pager", f"./{name}.service")

    found = re.search(r"exposure level for \S+ ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED
