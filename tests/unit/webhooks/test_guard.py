"""Default-deny (design, law 5): only public unicast addresses, unless the configuration lists the network."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from hubbub.webhooks.guard import Blocked, NetworkGuard


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses(address: str) -> None:
    assert NetworkGuard().permits(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "::1",  # loopback
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "fd00::1",  # private
        "169.254.169.254", "fe80::1", "fe80::1%eth0",  # link-local
        "100.64.0.1",  # CGNAT
        "224.0.0.1", "239.1.1.1", "ff02::1", "ff0e::1",  # multicast
        "0.0.0.0", "0.1.2.3", "::",  # unspecified
        "255.255.255.255", "240.0.0.1",  # broadcast, reserved
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1",  # NAT64
        "2002:7f00:1::1", "2002:808:808::1",  # 6to4
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::8.8.8.8",  # IPv4 in IPv6
        "192.88.99.1", "fec0::1", "198.18.0.1", "192.0.2.1", "2001:db8::1",  # relays, site-local, benchmarks, documentation
        "192.0.0.1", "192.0.0.192", "100::1", "100:0:0:1::1", "3fff::1", "5f00::1", "2001:20::1",  # special by RFCs newer than some Pythons
        "", "localhost", "1.2.3",
    ],
)  # fmt: skip
def test_everything_else_is_refused(address: str) -> None:
    assert not NetworkGuard().permits(address)


@pytest.mark.parametrize(
    ("network", "address", "allowed"),
    [
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", True),  # the same host
        ("127.0.0.0/8", "10.0.0.1", False),
        ("127.0.0.0/8", "64:ff9b::7f00:1", False),  # a gateway's loopback is not ours
        ("64:ff9b::/96", "64:ff9b::808:808", True),
        ("fd00::/8", "fd00::1", True),
        ("10.0.0.0/8", "fd00::1", False),
        ("100.64.0.0/10", "100.64.0.1", True),
    ],
)
def test_listed_networks(network: str, address: str, allowed: bool) -> None:
    assert NetworkGuard([ipaddress.ip_network(network)]).permits(address) is allowed


def test_as_socket_factory() -> None:
    guard = NetworkGuard([ipaddress.ip_network("127.0.0.0/8")])
    guard((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))).close()
    with pytest.raises(Blocked, match="refused by the network guard"):
        guard((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80)))
    with pytest.raises(Blocked):
        guard((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/run/secret"))
