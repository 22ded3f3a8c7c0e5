"""What the code says with which a command or a process of its own ends."""

from __future__ import annotations

from refnet.domain.errors import CredentialsRejected, RefnetError, Stopped, TransientError

#: All well; done, but something is left out; nothing was changed; stopped midway; ended by Ctrl-C.
DONE, INCOMPLETE, REFUSED, STOPPED, INTERRUPTED = 0, 1, 2, 3, 130


def exit_code(error: RefnetError) -> int:
    """3 where work was stopped midway and is kept, 2 where nothing was changed."""
    return STOPPED if isinstance(error, (Stopped, TransientError, CredentialsRejected)) else REFUSED
