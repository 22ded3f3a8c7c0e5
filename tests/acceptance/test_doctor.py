"""The doctor on what reads and summarises papers: set-ups that are really broken, each named with its cure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.spending import Spending
from tests.acceptance.command import Ended, Refnet
from tests.model_server import ModelServer
from tests.mounting import mounting
from tests.servers import free_port, missing

#: Each runs the whole command, most several times.
pytestmark = pytest.mark.slow

KEY = "sk-of-the-tests-0123456789"


@pytest.fixture
def linux() -> None:
    """What only its kernel does."""
    if sys.platform != "linux":
        missing("this system is not Linux")


ON_LINUX = pytest.mark.usefixtures("linux")

#: Starts the command behind it where a system call of this number is answered with that error, unless its third argument
#: is 0: prlimit then only reads.
_WITHOUT = """
import ctypes, os, struct, sys
number, error = int(sys.argv[1]), int(sys.argv[2])
steps = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 32), (0x15, 1, 0, 0)]
steps += [(0x06, 0, 0, 0x00050000 | error), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
held = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
libc, word = ctypes.CDLL(None), ctypes.c_ulong
assert libc.prctl(38, word(1), word(0), word(0), word(0)) == 0
assert libc.prctl(22, word(2), word(ctypes.addressof(held)), word(0), word(0)) == 0
os.execv(sys.argv[3], sys.argv[3:])
"""
#: As if a package were not installed.
_HIDDEN = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == {hidden!r} else found(name, *more)
from refnet.entrypoints.cli.main import run
sys.exit(run(["doctor", "--only", {check!r}]))
"""


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(key=KEY) as started:
        yield started


@pytest.fixture
def reading(refnet: Refnet, server: ModelServer) -> Refnet:
    """Somebody with a model that is in order."""
    return refnet.with_(REFNET_LLM_MODEL="stand-in", OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY)


def well(refnet: Refnet, check: str) -> str:
    """What the doctor says of a check that is to be well."""
    return of(refnet("doctor", "--only", check), check, 0, "ok   ")


def bad(refnet: Refnet, check: str) -> str:
    """What the doctor says of a check that is to be bad."""
    return of(refnet("doctor", "--only", check), check, 1, "BAD  ")


def of(ended: Ended, check: str, code: int, mark: str) -> str:
    assert ended.code == code, ended.out + ended.err
    assert ended.out.startswith(f"{mark}{check}: "), ended.out
    assert KEY not in ended.out + ended.err
    return ended.out.strip()


def without(refnet: Refnet, package: str, check: str) -> str:
    """What the doctor says where a package is not installed."""
    program = _HIDDEN.format(hidden=package, check=check)
    ended = subprocess.run(
        [sys.executable, "-c", program], env=refnet.environment, cwd=refnet.folder, capture_output=True, text=True, check=False
    )  # fmt: skip
    return of(Ended(ended.returncode, ended.stdout, ended.stderr, 0.0), check, 1, "BAD  ")


# ---- settings


def test_the_settings_are_a_check_like_all_others(refnet: Refnet) -> None:
    assert well(refnet, "settings") == "ok   settings: readable"
    assert bad(refnet.with_(REFNET_API_RPS="fast"), "settings").startswith("BAD  settings: REFNET_API_RPS")

    unknown = refnet("doctor", "--only", "moon")
    assert unknown.code == 2
    assert "There is no check moon. Give one of: settings, database, " in unknown.err


# ---- model


def test_without_a_model_the_doctor_says_so_and_that_a_key_is_not_used(refnet: Refnet) -> None:
    assert well(refnet, "model").endswith("none is turned on, papers are summarised offline")
    said = well(refnet.with_(ANTHROPIC_API_KEY=KEY), "model")

    assert said.endswith("offline; ANTHROPIC_API_KEY is set, but no model is asked: REFNET_LLM_MODEL turns it on")


def test_a_model_that_is_in_order_is_looked_at_for_nothing(reading: Refnet, server: ModelServer) -> None:
    said = well(reading, "model")

    assert "knows stand-in and does not refuse the key; No price is known for the model stand-in" in said
    assert [asked.path for asked in server.asked] == ["/v1/models"]
    assert server.billed == 0


@pytest.mark.slow
def test_a_wrong_key_no_key_an_unknown_model_and_a_server_that_is_down_are_told_apart(
    reading: Refnet, server: ModelServer
) -> None:
    down = f"http://127.0.0.1:{free_port()}/v1"
    faults = {
        "refuses the key (401). Check OPENAI_API_KEY.": reading.with_(OPENAI_API_KEY="sk-another"),
        "wants a key (401). Set OPENAI_API_KEY.": reading.without("OPENAI_API_KEY"),
        "there is no key for it. Set OPENAI_API_KEY;": reading.without("OPENAI_API_KEY", "OPENAI_BASE_URL"),
        "knows no model moon; it has stand-in. Check REFNET_LLM_MODEL": reading.with_(REFNET_LLM_MODEL="moon"),
        "No price is known for the model gpt-99": reading.without("OPENAI_BASE_URL").with_(REFNET_LLM_MODEL="gpt-99"),
        "Connection refused. Start the server, or check OPENAI_BASE_URL": reading.with_(OPENAI_BASE_URL=down),
    }
    for cure, broken in faults.items():
        assert cure in bad(broken, "model")


def test_an_extra_that_is_not_installed_is_a_fault(reading: Refnet) -> None:
    said = without(reading, "openai", "model")

    assert said.endswith("needs the extra 'openai', which is not installed: pip install 'refnet[openai]'.")


@pytest.mark.slow
def test_the_money_of_the_day_is_told_and_a_cap_that_lets_no_call_pass_is_a_fault(
    reading: Refnet, server: ModelServer
) -> None:
    server.models = {"gpt-4o-mini": "the tests"}
    priced = reading.with_(REFNET_LLM_MODEL="gpt-4o-mini", REFNET_SPEND_CAP="2")
    priced.done("doctor", "--only", "database")
    engine = open_engine(database_url(f"sqlite:///{priced.database}"))
    Spending(engine, 2.0).reserve(0.0021)
    assert "; $0.0021 of the $2 that REFNET_SPEND_CAP allows" in well(priced, "model")
    Spending(engine, 2.0).reserve(1.25)

    assert "; $1.25 of the $2 that REFNET_SPEND_CAP allows a day (UTC) is spent or set aside" in well(priced, "model")
    Spending(engine, 2.0).reserve(0.745)
    engine.dispose()
    reached = bad(priced, "model")
    assert "$2.00 of the $2 that REFNET_SPEND_CAP allows" in reached
    assert "are summarised offline until the day is over. Raise REFNET_SPEND_CAP" in reached
    both = bad(priced.with_(REFNET_SPEND_CAP="0", OPENAI_API_KEY="sk-another"), "model")
    assert "refuses the key" in both
    assert "papers are summarised offline. Raise REFNET_SPEND_CAP" in both


# ---- pdfs


def test_a_pdf_is_read_and_nothing_of_it_is_left(refnet: Refnet) -> None:
    said = well(refnet.with_(REFNET_PDF_CACHE_MB="7"), "pdfs")

    assert "read in processes held by rlimits" in said
    assert said.endswith(f"{refnet.data / 'pdfs'} can be written, and holds 0.0 of 7 MB in 0 files")
    assert [path for path in (refnet.data / "pdfs").rglob("*") if path.is_file()] == []


def test_a_cache_that_is_no_folder_is_a_fault(refnet: Refnet) -> None:
    refnet.data.mkdir()
    (refnet.data / "pdfs").write_text("Not a folder.")

    said = bad(refnet, "pdfs")

    assert f"The folder {refnet.data / 'pdfs'} for PDFs cannot be used" in said
    assert "Set REFNET_DATA_DIR" in said


@ON_LINUX
@pytest.mark.parametrize("part", [".", "ab"])
def test_a_cache_of_which_any_folder_cannot_be_written_is_a_fault(refnet: Refnet, part: str) -> None:
    folder = refnet.data / "pdfs" / part
    folder.mkdir(parents=True)
    script = 'mount -t tmpfs -o ro tmpfs "$0" && exec "$@"'
    words = [*mounting(), "sh", "-c", script, str(folder)]

    ended = refnet.start("doctor", "--only", "pdfs", before=words).wait()

    said = of(ended, "pdfs", 1, "BAD  ")
    assert "for PDFs cannot be used" in said
    assert part == "." or "(Permission denied: ab)" in said


@ON_LINUX
def test_a_cache_without_room_is_a_fault(refnet: Refnet) -> None:
    folder = refnet.data / "pdfs"
    folder.mkdir(parents=True)
    script = 'mount -t tmpfs -o size=16k tmpfs "$0" && { cat /dev/zero > "$0/full" 2>/dev/null; exec "$@"; }'
    words = [*mounting(), "sh", "-c", script, str(folder)]

    ended = refnet.start("doctor", "--only", "pdfs", before=words).wait()

    assert "No room is left for the PDFs" in of(ended, "pdfs", 1, "BAD  ")


def test_a_reader_that_does_not_start_is_a_fault_and_the_cache_is_looked_at_all_the_same(
    refnet: Refnet, tmp_path: Path
) -> None:
    broken = tmp_path / "broken" / "pypdfium2_raw"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libpdfium.so: wrong ELF class')\n")
    path = os.pathsep.join([str(broken.parent), refnet.environment.get("PYTHONPATH", "")])
    refnet.data.mkdir()
    (refnet.data / "pdfs").write_text("Not a folder.")

    said = bad(refnet.with_(PYTHONPATH=path), "pdfs")

    assert "The process that reads PDFs does not start: it ended with status 1. Install refnet again" in said
    assert "for PDFs cannot be used" in said


def test_a_reader_without_its_library_is_a_fault(refnet: Refnet) -> None:
    assert "PDFs cannot be read: pypdfium2 is not installed: install refnet again" in without(
        refnet, "pypdfium2_raw", "pdfs"
    )


@ON_LINUX
def test_a_layer_that_the_system_lacks_is_told_and_limits_that_do_not_hold_are_a_fault(refnet: Refnet) -> None:
    words = [sys.executable, "-c", _WITHOUT]
    landlock_create, no_such_call, not_permitted = "444", "38", "1"
    prlimit = {"x86_64": "302", "aarch64": "261"}[os.uname().machine]

    old = refnet.start("doctor", "--only", "pdfs", before=[*words, landlock_create, no_such_call]).wait()
    open_ = refnet.start("doctor", "--only", "pdfs", before=[*words, prlimit, not_permitted]).wait()

    assert "(this system has no landlock)" in of(old, "pdfs", 0, "ok   ")
    said = of(open_, "pdfs", 1, "BAD  ")
    assert "Nothing keeps the processes that read PDFs from reaching out (no limits)" in said
    assert "Let them lower their own limits" in said


def test_every_fault_is_told_at_once_as_a_document_without_the_key(reading: Refnet) -> None:
    broken = reading.with_(
        OPENAI_API_KEY=f"{KEY}x"[1:], REFNET_DATA_DIR="/dev/null/data", DATABASE_URL="sqlite:///x.db"
    )

    ended = broken("doctor", "--json")

    assert ended.code == 1
    faults = {check["name"] for check in json.loads(ended.out)["checks"] if not check["ok"]}
    assert {"model", "pdfs"} <= faults
    assert KEY[1:] not in ended.out + ended.err
