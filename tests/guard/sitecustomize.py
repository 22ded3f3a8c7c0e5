"""Keeps a test, and every Python it starts, on this machine: only loopback can be reached.

`tests/conftest.py` imports it and puts its folder on PYTHONPATH, where a starting Python looks for this name.
An audit hook sees every socket, whatever library opens it, and cannot be taken away again.
"""

import sys
from typing import Any


class NetworkForbidden(BaseException):
    """A test reached for a host beyond loopback. No `Exception`, so that no retry or handler hides it."""


_ADDRESSED = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_NAMED = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


def stay_on_loopback(event: str, args: tuple[Any, ...]) -> None:
    if event in _ADDRESSED:
        address = args[1]
        if not isinstance(address, tuple):  # a Unix socket's path, or None for a connected one
            return
        host = address[0]
    elif event in _NAMED:
        host = args[0]
    else:
        return
    if not _is_here(host, to_be_resolved=event in _NAMED):
        raise NetworkForbidden(f"{event} {host!r}: tests reach loopback only")


def _is_here(host: object, *, to_be_resolved: bool) -> bool:
    import ipaddress

    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        # RFC 6761: names below .invalid resolve nowhere, so asking for one is how a test has no network.
        return name in {"", "localhost"} or (to_be_resolved and name.endswith(".invalid"))
    return to_be_resolved or address.is_loopback


sys.addaudithook(stay_on_loopback)
