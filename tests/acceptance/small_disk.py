"""A command on a disk of its own that is full or may not be written, gone when the command has ended.

The disk is mounted in a namespace of the process, so that nothing has to be cleaned up, whoever is killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.acceptance.command import Refnet
from tests.mounting import mounting


def run_script(refnet: Refnet, script: str) -> subprocess.CompletedProcess[str]:
    """Run shell lines where `disk SIZE FOLDER` mounts, or makes larger, a disk in memory and `refnet` is the command.

    The script stops at no error; each command is told its code by `$?`. Skips the test where nothing may be mounted.
    """
    head = f"""
    disk() {{
        if mountpoint -q "$2"; then mount -o "remount,size=$1" "$2"
        else mkdir -p "$2"; mount -t tmpfs -o "size=$1" refnet "$2"; fi || exit 99
    }}
    refnet() {{ '{sys.executable}' -m refnet "$@"; }}
    """
    return subprocess.run(
        [*mounting(), "sh", "-c", head + script],
        cwd=refnet.folder,
        env={**refnet.environment, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def codes(folder: Path) -> list[int]:
    """What the script wrote with `echo $? >> codes`."""
    return [int(line) for line in (folder / "codes").read_text().split()]
