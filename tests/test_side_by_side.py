"""`make test` shares the tests between processes; what holds for one process must hold for several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ticks

# The first of them to end would be cut short, if the process that ends it were interrupted once more meanwhile.
SLOW_TO_END = """
import threading
from pathlib import Path
import pytest

@pytest.fixture(scope="session")
def server(tmp_path_factory):
    yield
    threading.Event().wait(7)
    Path("ended").touch()

def test_it(server):
    Path("begun").touch()
    threading.Event().wait(120)
"""


@pytest.mark.slow
def test_ctrl_c_lets_each_process_end_what_it_started(root: Path, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_keyboard_interrupt\n")
    (tmp_path / "test_it.py").write_text(SLOW_TO_END)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-n", "1", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": os.pathsep.join([str(root), environment["PYTHONPATH"]])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert any((tmp_path / "begun").exists() or process.poll() is not None for _ in ticks(60))
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does
        told, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 2, told
    assert (tmp_path / "ended").exists(), told
