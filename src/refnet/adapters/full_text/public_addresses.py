"""Which addresses a download may connect to: those of the public internet, and what the operator names beside them.

Addresses come from records, pages and redirects that anybody may have written. A name says nothing, since whoever owns it decides
what it resolves to, so the decision is about the resolved address.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

#: Ports of places that serve papers to the public.
PUBLIC_PORTS = frozenset({80, 443})

#: Addresses that the standard library of some version of Python takes for global, or that lead to the machine's own surroundings.
_NOT_PUBLIC_4 = tuple(
    map(
        ip_network,
        (
            "192.0.0.0/24",  # RFC 6890, IETF protocol assignments; a cloud's metadata at 192.0.0.192
            "192.88.99.0/24",  # RFC 7526, the old 6to4 relays
            "168.63.129.16/32",  # Azure's host, at a public address that each of its machines reaches
        ),
    )
)
#: RFC 4291 and IANA's registry: unicast addresses of the public internet are all in here.
_UNICAST_6 = ip_network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # IETF protocol assignments, of which Teredo (2001::/32) hides an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4 hides an IPv4 address; given up by RFC 7526
            "3fff::/20",  # documentation, RFC 9637
        ),
    )
)
#: RFC 6052: how a network without IPv4 reaches hosts that have nothing else.
_NAT64 = ip_network("64:ff9b::/96")
#: RFC 5214: an IPv4 address behind these in the lower half of an IPv6 address is where ISATAP would tunnel to.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})


def is_public(address: str) -> bool:
    """Whether an address, as a resolver gives it, is a host's on the public internet, without any doubt.

    An IPv4 address within an IPv6 one (mapped, NAT64) is judged by itself; the tunnels that hide one (6to4, Teredo, ISATAP) have
    no papers at their end and are refused, as is every address with a zone. A NAT64 prefix that a network chose for itself cannot
    be known for one.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return _is_public_4(parsed) if isinstance(parsed, IPv4Address) else _is_public_6(parsed)


def _is_public_4(address: IPv4Address) -> bool:
    # `is_global` is what is not private, in 3.11 multicast included.
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in _NOT_PUBLIC_4)


def _is_public_6(address: IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return _is_public_4(address.ipv4_mapped)
    if address in _NAT64:
        return _is_public_4(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address not in _UNICAST_6 or not address.is_global or any(address in network for network in _NOT_PUBLIC_6):
        return False
    return (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP


def allow_list(setting: str) -> frozenset[str]:
    """REFNET_ALLOW_PRIVATE_HOSTS, `host:port` separated by commas, as `place_of` writes places."""
    named = (one.strip().lower().rpartition(":") for one in setting.split(",") if one.strip())
    return frozenset(place_of(host, int(port)) for host, _, port in named)


def place_of(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    host = host.lower().strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def all_public(addresses: Iterable[str]) -> bool:
    """Whether there is an address, and each is public: of a mixed answer the resolver's next one could be the other."""
    found = list(addresses)
    return bool(found) and all(map(is_public, found))
