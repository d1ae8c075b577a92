"""RTP ports: UDP sockets of a configured range, and addresses as the media loop writes them."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket

from hubbub.errors import MediaError, ResourceExhausted

EXPEDITED = 0xB8
"""IP type of service of voice packets: DSCP EF (RFC 4594)."""


def bind(host: str, ports: range, start: int) -> socket.socket:
    """A UDP socket on the next free port of `ports`, beginning at index `start`; MediaError, ResourceExhausted when none is free."""
    for step in range(len(ports)):
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        except OSError as error:
            raise ResourceExhausted(f"no socket can be opened: {error.strerror}") from error
        try:
            sock.bind((host, ports[(start + step) % len(ports)]))
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                continue
            raise MediaError(f"cannot bind {host}: {error}") from error
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED)
        return sock
    raise ResourceExhausted(f"no free RTP port in {ports[0]}-{ports[-1]}")


def address_number(remote: tuple[str, int]) -> int:
    """An IPv4 address and port as the loop writes it; MediaError when it is none."""
    try:
        host = int(ipaddress.IPv4Address(remote[0]))
    except ValueError as error:
        raise MediaError(f"not an IPv4 address: {remote[0]!r}") from error
    if not 0 <= remote[1] <= 65535:
        raise MediaError(f"not a port: {remote[1]}")
    return host << 16 | remote[1]
