"""How much memory a process has, as others see it."""

from __future__ import annotations

import os
from pathlib import Path


def resident_kilobytes(pid: int) -> int:
    """0 where the process is gone, or the system does not tell (only Linux does)."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
