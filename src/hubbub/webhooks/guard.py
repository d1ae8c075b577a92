"""The network guard: which addresses may be connected to.

It makes the sockets of the HTTP client, so it sees the address that is really connected to: a name that resolves to a private address, a
redirect to one, `localhost`, `0x7f.1` and IPv6 spellings of IPv4 addresses all come by here.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Ranges that lead, or may lead, to another address than they show, or that is_global of some release of Python lets through.
_DISGUISES: tuple[Network, ...] = (
    ipaddress.ip_network("::/96"),  # IPv4-compatible (RFC 4291 2.5.5.1), also :: and ::1
    ipaddress.ip_network("64:ff9b::/96"),  # NAT64 (RFC 6052)
    ipaddress.ip_network("64:ff9b:1::/48"),  # local NAT64 (RFC 8215)
    ipaddress.ip_network("2001::/23"),  # protocol assignments (RFC 2928), with Teredo (RFC 4380) and ORCHID (RFC 7343)
    ipaddress.ip_network("2002::/16"),  # 6to4 (RFC 3056)
    ipaddress.ip_network("192.88.99.0/24"),  # 6to4 relays (RFC 7526)
    ipaddress.ip_network("fec0::/10"),  # site-local (RFC 3879)
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments (RFC 6890); one cloud's metadata is at 192.0.0.192
    ipaddress.ip_network("100::/63"),  # discard and dummy prefixes (RFC 6666, RFC 9780)
    ipaddress.ip_network("3fff::/20"),  # documentation (RFC 9637)
    ipaddress.ip_network("5f00::/16"),  # segment routing (RFC 9602)
)


class Blocked(OSError):
    """The guard refuses an address."""

    MARK = "refused by the network guard"

    def __init__(self, address: str) -> None:
        super().__init__(errno.EACCES, f"{address} is {self.MARK}")


class NetworkGuard:
    """Public unicast addresses are allowed; everything else only when a network of `allow` holds it."""

    def __init__(self, allow: Sequence[Network] = ()) -> None:
        self._allow = tuple(allow)

    def permits(self, text: str) -> bool:
        """Whether an address, as the operating system writes it, may be connected to."""
        try:
            address: Address = ipaddress.ip_address(text)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        if any(address in network or (mapped is not None and mapped in network) for network in self._allow):
            return True
        if mapped is not None or any(address in network for network in _DISGUISES):
            return False
        return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)

    def __call__(self, info: tuple[Any, ...]) -> socket.socket:
        """The `socket_factory` of aiohttp's TCPConnector. Raises Blocked."""
        family, kind, protocol, _, address = info
        if family not in (socket.AF_INET, socket.AF_INET6) or not self.permits(str(address[0])):
            raise Blocked(str(address[0]))
        return socket.socket(family=family, type=kind, proto=protocol)
