"""A disk that is really full."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from tests.mounting import AS_ROOT, mounting

Given = ParamSpec("Given")

ROOT = Path(__file__).resolve().parents[2]


def mounts_a_disk(test: Callable[Given, None]) -> Callable[Given, None]:
    """Mark a test that uses `small_disk`. For a user who may not mount one, the test runs once more, and alone, where that
    user is root: in a namespace of its own. Without either it is skipped.
    """

    @wraps(test)
    def mounting_one(*args: Given.args, **options: Given.kwargs) -> None:
        words = mounting()
        if words == AS_ROOT:
            test(*args, **options)
            return
        name, _, _ = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")
        alone = [*words, sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", name]
        ended = subprocess.run(alone, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "1 passed" in ended.stdout

    return mounting_one


@contextmanager
def small_disk(folder: Path, megabytes: int = 1) -> Iterator[Path]:
    """A file system of its own at `folder`, which is made; for a test that `mounts_a_disk`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "filling").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4_096)
