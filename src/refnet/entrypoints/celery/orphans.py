"""What processes of a pool had started ends with their worker, even where its main process was killed.

The system kills the pool's own processes then, at once, so that none of them can see to what it started itself: a
program that reads a document would go on for ever.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys

logger = logging.getLogger(__name__)

#: Reads a group's number a line, and kills the groups when nobody is left who could write one. Groups that are over
#: are forgotten, for their numbers may be somebody else's one day. It is nobody's child, and in a session of its own,
#: so that it outlives whatever ends the worker. A shell, for a copy of us would hold our memory.
_WATCH = r"""
exec 3<&0
(
    groups=
    while read -r new; do
        kept=
        for group in $groups; do
            kill -s 0 -- "-$group" 2>/dev/null && kept="$kept $group"
        done
        groups="$kept $new"
    done
    for group in $groups; do
        kill -s KILL -- "-$group" 2>/dev/null
    done
) <&3 &
"""
#: What groups are told to, in the main process and in those forked from it.
_told: int | None = None


def watch_groups() -> None:
    """Start what kills the pool's groups as soon as this process and its pool are gone. On Linux.

    Where processes of a pool are no forks (macOS) they cannot tell; see `child.confine`.
    """
    global _told  # noqa: PLW0603 - there is one main process, and its pool is forked from it
    if sys.platform != "linux" or _told is not None:
        return
    reading, told = os.pipe()
    try:
        # Nothing but the pipe: whoever reads our log to its end would wait for the watch, too.
        subprocess.run(
            ["/bin/sh", "-c", _WATCH],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("What tasks have started will outlive a worker that is killed: %s", error)
        os.close(told)
    else:
        _told = told
    finally:
        os.close(reading)


def tell_group() -> bool:
    """This process leads a group that ends with the worker; whether somebody sees to that. To be said once."""
    global _told
    if _told is None:
        return False
    told, _told = _told, None  # the main process alone keeps it open
    try:
        os.write(told, b"%d\n" % os.getpid())
    except BrokenPipeError:
        return False  # the watch itself was killed
    finally:
        os.close(told)
    return True
