"""Whose request a proxy passes on: believed of those proxies alone that the operator named."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from starlette.datastructures import Headers

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Addresses in a header that are looked at.
_MOST = 20


@dataclass(frozen=True, slots=True)
class Proxies:
    """Addresses and networks of proxies that say in X-Forwarded-For who asked them."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> Proxies:
        """From a list with commas. Raises ValueError."""
        found = [ipaddress.ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip()]
        return cls(tuple(found))

    def address_of(self, peer: str, headers: Headers) -> str:
        """The address of whoever asks: `peer`, which is at the other end of the connection, or, where that is a trusted
        proxy, the last address before the trusted ones in X-Forwarded-For. What stands before that anybody may have
        written.
        """
        if not self.networks or not self._trusts(peer):
            return peer
        found = peer
        for one in reversed(",".join(headers.getlist("x-forwarded-for")).split(",")[-_MOST:]):
            try:
                found = str(_plain(ipaddress.ip_address(one.strip())))
            except ValueError:
                return found
            if not self._trusts(found):
                return found
        return found

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(one in network for network in self.networks for one in {found, _plain(found)})


def _plain(address: Address) -> Address:
    """An IPv4 address as itself where it is written within an IPv6 one, as sockets that take both do."""
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address


NO_PROXIES = Proxies()
