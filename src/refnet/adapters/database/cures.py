"""What to do about a PostgreSQL server that is of no use at the moment, by what it, a pooler or the system said."""

from __future__ import annotations

import re

#: In this order: what is said of a server that runs may also say that a connection was closed, or took too long.
_CURES = (
    (
        r"too many (connections|clients)|connection slots|no more connections|limit exceeded",
        (
            "It runs, but has no connection left for refnet: raise max_connections, the limit of the user or the database, "
            "or the pooler's, or run fewer workers (three connections for each of their processes)."
        ),
    ),
    (r"are in use\.", "This process has taken all it may have. If it stays so, restart it."),
    (
        r"takes no writes: it is a standby",
        "Name the server that is the primary now in DATABASE_URL, or make this one the primary.",
    ),
    (
        r"takes no writes",
        (
            "It lets refnet read alone (default_transaction_read_only), as providers do where its disk is full: make room "
            "there, or see who set it."
        ),
    ),
    (
        r"certificate|CERTIFICATE|SSL|TLS",
        (
            "The connection is not encrypted as both sides want it, or its certificate is not trusted: see sslmode and "
            "sslrootcert in DATABASE_URL, and ssl in the server's settings."
        ),
    ),
    (
        r"starting up|shutting down|recovery mode|not yet accepting|administrator command",
        "It is being started or stopped: wait a moment. If it stays so, look into the server's log.",
    ),
    (
        r"not known|[Rr]esol|No address|translate host name",
        "Its name is not known: check the host in DATABASE_URL, and this machine's network.",
    ),
    (
        r"refused|No such file",
        "Nothing listens there: start PostgreSQL, and check host and port in DATABASE_URL.",
    ),
    (
        r"[Tt]imed? ?out|[Tt]imeout|no route|No route|unreachable",
        (
            "Nothing comes back from there: it hangs, or a firewall drops what is sent. Check host and port in DATABASE_URL, "
            "and the network; or restart the server."
        ),
    ),
)
_ANY = "Check that PostgreSQL runs, and host and port in DATABASE_URL; and look into the server's log."


def cure(said: str) -> str:
    """For what is said of a server that is not available."""
    return next((told for pattern, told in _CURES if re.search(pattern, said)), _ANY)
