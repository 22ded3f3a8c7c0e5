"""How a test may mount a disk of its own: as root, or in a namespace in which any user is root."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

from tests.servers import missing

AS_ROOT = ("unshare", "--mount")
IN_A_NAMESPACE = (*AS_ROOT, "--map-root-user")


def mounting() -> tuple[str, ...]:
    """The words that start a program where it may mount, so that nobody else sees it. Without any the test is skipped."""
    words = _words()
    if words is None:
        missing(
            "this user may not mount a disk, nor make a namespace to do so; in a container, allow it the capability SYS_ADMIN"
        )
    return words


@cache
def _words() -> tuple[str, ...] | None:
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return None
    for words in (AS_ROOT, IN_A_NAMESPACE):
        probe = [*words, "mount", "-t", "tmpfs", "-o", "size=64k", "refnet", "/mnt"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return words
    return None
