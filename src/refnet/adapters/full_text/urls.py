"""The URLs that may be asked for a PDF, each in one way of writing it. Nothing is fetched."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

import httpx2

from refnet.adapters.full_text.public_addresses import place_of
from refnet.domain.errors import PermanentError

#: Characters that a URL may have, percent-encoded. An index of PostgreSQL takes no much longer ones.
LONGEST_URL = 2_000
DEFAULT_PORTS = {"http": 80, "https": 443}
#: Names and IPv4 addresses; what is neither, a resolver's own rules would be needed for. An underscore is seen in real names.
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,252}[a-z0-9_.])?")


class UrlRefused(PermanentError):
    """A URL that is never asked, whatever it leads to."""


def checked(url: str, base: httpx2.URL | None = None) -> httpx2.URL:
    """A URL as it is asked for: absolute, in ASCII, without a fragment or a usual port. `base` is what a relative one is on.

    Raises UrlRefused for what is no URL, is longer than LONGEST_URL, is not http(s), or carries a user's name or a password.
    """
    if len(url) > LONGEST_URL:
        raise UrlRefused(f"The address is longer than {LONGEST_URL:,} characters.")
    try:
        found = httpx2.URL(url.strip()) if base is None else base.join(url.strip())
        scheme, host, port = found.scheme, found.raw_host.decode("ascii"), found.port
        if scheme not in DEFAULT_PORTS:
            raise UrlRefused(f"The address is not http or https: {scheme[:20] or 'no scheme'}.")
        if found.userinfo:
            raise UrlRefused("The address carries a user's name or a password.")
        if not (_HOST.fullmatch(host) or _is_ipv6(host)) or (port is not None and not 0 < port < 65_536):
            raise UrlRefused("The address names no host.")
        plain = found.copy_with(fragment=None, port=None if port == DEFAULT_PORTS[scheme] else port)
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise UrlRefused("The address is no URL.") from error
    if len(str(plain)) > LONGEST_URL or not str(plain).isascii():
        raise UrlRefused(f"The address is longer than {LONGEST_URL:,} characters.")
    return plain


def place(url: httpx2.URL) -> str:
    """Host and port of a checked URL, as the list of allowed places has them."""
    return place_of(host_of(url), url.port or DEFAULT_PORTS[url.scheme])


def host_of(url: httpx2.URL) -> str:
    """The host of a checked URL, an IPv6 address without brackets."""
    return url.raw_host.decode("ascii")


def _is_ipv6(host: str) -> bool:
    # A zone (`%eth0`) is the machine's own business.
    try:
        return IPv6Address(host).scope_id is None
    except ValueError:
        return False
