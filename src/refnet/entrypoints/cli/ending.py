"""What signals do to a command: the first ends it as Ctrl-C does, and no other disturbs it while it winds up."""

from __future__ import annotations

import os
import signal
import time

#: Seconds from the first signal for which further ones are ignored; later ones end the process at once.
WINDING_UP = 5.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def end_by_signals(code: int) -> None:
    """Let `kill`, a time limit or a closed terminal end the command in order, with the papers in hand given back.

    `code` is the exit code where a further one is heard. What is ignored from the start, as `nohup` does, stays so.
    """
    asked: list[float] = []

    def end(_number: int, _frame: object) -> None:
        now = time.monotonic()
        if not asked:
            asked.append(now)
            raise KeyboardInterrupt
        if now - asked[0] >= WINDING_UP:
            os._exit(code)

    for number in _ENDING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, end)


def end_undisturbed() -> None:
    """Take no notice of further signals: the interpreter, while it ends, would let each of them kill the process."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
