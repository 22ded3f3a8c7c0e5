"""What to do about a broker that does not answer, by what it or the system said."""

from __future__ import annotations

import re

#: In this order: a password may be refused over a connection that is then closed.
_CURES = (
    (
        r"WRONGPASS|NOAUTH|NOPERM|invalid (username|password)|Authentication required|ACCESS_REFUSED|NOT_ALLOWED|access to vhost",
        "It refuses who asks: check user, password and virtual host in CELERY_BROKER_URL.",
    ),
    (
        r"certificate|CERTIFICATE|SSL|TLS",
        (
            "The connection is not encrypted as both sides want it, or its certificate is not trusted: rediss:// and amqps:// "
            "are encrypted, and ?ssl_ca_certs=/path names the authority."
        ),
    ),
    (r"OOM|maxmemory", "Redis is full: raise its maxmemory, or see which queue is long: refnet status"),
    (r"MISCONF|READONLY", "Redis takes no writes: make room on its disk, or see why it is a replica."),
    (
        r"refused|Errno 111|Error 111",
        "Nothing listens there: start Redis or RabbitMQ, and check host and port in CELERY_BROKER_URL.",
    ),
    (
        r"not known|resolution|No address|Errno -[0-9]",
        "Its name is not known: check the host in CELERY_BROKER_URL, and this machine's network.",
    ),
    (
        r"[Tt]imed? ?out|blocked",
        (
            "It is there and says nothing: it hangs, a firewall drops what is sent, or RabbitMQ has no memory or disk left "
            "(rabbitmqctl status). Restart it, or check the network."
        ),
    ),
)
_ANY = "Check that it runs, and host, port and password in CELERY_BROKER_URL."


def cure(said: str) -> str:
    """For what is said of a broker that does not answer."""
    return next((told for pattern, told in _CURES if re.search(pattern, said)), _ANY)
