"""sippy's transaction layer on an asyncio loop: timers, the UDP port, and packets in and out without a print or a thread.

sippy brings its own event loop, threads for each socket, and prints. Here its timers become `call_later` of whatever loop is
running, its UDP server an `add_reader` socket, and its packet reader is replaced by one that counts what it cannot use.
Several endpoints may share a loop, and every test may bring a new one: nothing here remembers a loop.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import socket
from collections.abc import Callable
from hashlib import md5
from typing import Any

import sippy.Core.Exceptions
import sippy.Network_server
import sippy.SipMsg
import sippy.SipRequest as sippy_request
import sippy.SipTransactionManager as sippy_transactions
import sippy.SipURL
import sippy.Time.Timeout
import sippy.UacStateRinging
import sippy.UacStateTrying
import structlog
from sippy.Network_server import Remote_address
from sippy.SipConf import SipConf
from sippy.SipHeader import SipHeader
from sippy.SipRequest import SipRequest
from sippy.SipResponse import SipResponse
from sippy.Time.MonoTime import MonoTime

from hubbub.lookup import Lookup

log = structlog.get_logger()
Address = tuple[str, int]
RECEIVE_BUFFER = 4 << 20  # a garbage collection must not overflow it (the kernel's 212 kB hold about 200 INVITEs)
PACKETS_A_TURN = 128
ADDRESSES_REMEMBERED = 4096
GC_THRESHOLD = 20_000


class _Timer:
    """What sippy calls an event listener."""

    __slots__ = ("_callback", "_handle", "_parameters", "_repeat", "_seconds", "cb_with_ts")

    def __init__(self, callback: Callable[..., None], seconds: float, repeat: bool, parameters: tuple[Any, ...]) -> None:
        self._callback: Callable[..., None] | None = callback
        self._seconds = seconds
        self._repeat = repeat
        self._parameters = parameters
        self._handle: asyncio.TimerHandle | None = None
        self.cb_with_ts = False

    def go(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(max(0.0, self._seconds), self._fire)

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._callback, self._parameters, self._handle = None, (), None

    def _fire(self) -> None:
        callback, parameters = self._callback, self._parameters
        if callback is None or getattr(getattr(callback, "__self__", None), "closed", False):
            return
        if self._repeat:
            self.go()
        else:
            self.cancel()
        try:
            callback(*parameters)
        except Exception as error:
            log.error("sip_timer_failed", timer=getattr(callback, "__name__", "?"), error=repr(error))


class _LoopTimers:
    """Stands where sippy expects its event dispatcher."""

    def regTimer(self, callback: Callable[..., None], seconds: Any, ticks: int | None = 1, absolute: bool = False, *rest: Any) -> _Timer:
        return _Timer(callback, float(seconds - MonoTime()) if absolute else float(seconds), ticks == -1, rest)


class _Silent:
    def write(self, *_: Any, **__: Any) -> None:
        """sippy's message log: not wanted."""


def _swallow(*_: Any, **__: Any) -> None:
    """In the place of `print` and `dump_exception`: what went wrong is counted by the reader of packets."""


def install() -> None:
    """Put the replacements into sippy's modules. Idempotent; no loop is remembered."""
    if isinstance(sippy.Time.Timeout.ED2, _LoopTimers):
        return
    sippy.Time.Timeout.ED2 = _LoopTimers()
    SipConf.autoconvert_tel_url = True  # trunks write From: <tel:+1555…>
    SipConf.my_uaname = "hubbub"
    for module in (sippy.Core.Exceptions, sippy.Network_server, sippy_transactions):
        module.dump_exception = _swallow
    printing = (sippy.SipMsg, sippy_request, sippy.SipURL, sippy_transactions, sippy.UacStateTrying, sippy.UacStateRinging)
    for module in printing:
        module.print = _swallow
    first, second, third = gc.get_threshold()
    gc.set_threshold(max(first, GC_THRESHOLD), second, third)


def bare(host: str) -> str:
    """A host without the brackets of an IPv6 literal."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def bracketed(host: str) -> str:
    """A host as SIP writes it."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def is_literal(host: str) -> bool:
    """Whether a host is an IP address already."""
    try:
        ipaddress.ip_address(bare(host))
    except ValueError:
        return False
    return True


class _Options:
    @staticmethod
    def isWildCard() -> bool:
        return False


class Face:
    """The port as peers of one network see it: the address that goes into Via and Contact."""

    transport = "udp"
    uopts = _Options()

    def __init__(self, port: UdpPort, host: str) -> None:
        self._port = port
        self.host = bracketed(host)

    def getSIPaddr(self) -> tuple[Address, str]:
        return (self.host, self._port.address[1]), "udp"

    def send_to(self, data: str | bytes, address: Address) -> None:
        self._port.send(data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape"), address)

    @staticmethod
    def addr2str(address: Address) -> str:
        return f"udp:{address[0]}:{address[1]}"


class UdpPort:
    """One UDP socket on the loop."""

    def __init__(
        self, listen: Address, advertise: str, receive: Callable[[bytes, Address, Face], None], count: Callable[[str], None]
    ) -> None:
        self.address = listen
        self._advertise = advertise
        self._receive = receive
        self._count = count
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._faces: dict[str, Face] = {}
        self._resolved: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lookup = Lookup()

    def open(self) -> None:
        """Bind. OSError when the port is taken."""
        host = bare(self.address[0])
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            opened.bind((host, self.address[1]))
        except OSError:
            opened.close()
            raise
        self._socket = opened
        self.address = (host, opened.getsockname()[1])
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(opened.fileno(), self._readable)

    def close(self) -> None:
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        self._socket = None
        for task in self._tasks:
            task.cancel()

    # names that sippy calls
    def getServer(self, address: Address, is_local: bool = False) -> Face:
        return self.face(address)

    def rotateCache(self) -> None:
        self._faces.clear()
        self._resolved.clear()

    def shutdown(self) -> None:
        self.close()

    def face(self, peer: Address) -> Face:
        """How `peer` sees this port: the advertised address, the bound one, or the one the kernel would send from."""
        host = self._advertise or self.address[0]
        if host not in ("0.0.0.0", "::"):
            key = host
        else:
            key = peer[0]
            host = host if key in self._faces else self._source_for(peer)
        face = self._faces.get(key)
        if face is None:
            if len(self._faces) >= ADDRESSES_REMEMBERED:
                self._faces.clear()
            face = self._faces[key] = Face(self, host)
        return face

    def _source_for(self, peer: Address) -> str:
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        loopback = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        host = self._resolved.get(peer[0], bare(peer[0]))
        if not is_literal(host):
            return socket.gethostname()
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((host, peer[1] or 5060))
                return str(probe.getsockname()[0])
            except OSError:
                return loopback

    def _readable(self) -> None:
        opened = self._socket
        for _ in range(PACKETS_A_TURN):
            if opened is None or self._socket is None:
                return
            try:
                data, source = opened.recvfrom(65535)
            except BlockingIOError:
                return
            except OSError:
                self._count("receive_error")  # an ICMP answer to something sent
                return
            address = (bracketed(source[0]), source[1])
            self._receive(data, address, self.face(address))

    def send(self, data: bytes, address: Address) -> None:
        """Send now, or as soon as the name is resolved; what cannot be sent is counted (retransmission heals)."""
        host, port = str(address[0]), int(address[1] or 5060)
        if is_literal(host) or host in self._resolved:
            self._send(data, bare(self._resolved.get(host, host)), port)
        elif self._loop is not None:
            task = self._loop.create_task(self._resolve_and_send(data, host, port))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _send(self, data: bytes, host: str, port: int) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(data, (host, port))
        except (OSError, OverflowError):
            self._count("send_error")

    async def resolve(self, host: str, port: int) -> str:
        """The address of a host name. OSError when there is none."""
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        found = await self._lookup.find(host, port, family=family, kind=socket.SOCK_DGRAM)
        address = str(found[0][4][0])
        if len(self._resolved) < ADDRESSES_REMEMBERED:
            self._resolved[host] = address
        return address

    async def _resolve_and_send(self, data: bytes, host: str, port: int) -> None:
        try:
            self._send(data, await self.resolve(host, port), port)
        except (OSError, UnicodeError):
            self._count("unresolved")


class Transactions(sippy_transactions.SipTransactionManager):  # type: ignore[misc]
    """sippy's transaction machines (RFC 3261 17) with our port below and our endpoint above."""

    closed = False
    provisional_retr = 60  # a ringing call tells so every minute, or a proxy on the way gives it up (RFC 3261 13.3.1.1)

    def __init__(self, port: UdpPort, on_request: Callable[[Any, Any], Any]) -> None:
        # Not the base's: it would open sockets of its own, twice.
        self.global_config = {"_sip_logger": _Silent()}
        self.l4r = port
        self.tclient: dict[Any, Any] = {}
        self.tserver: dict[Any, Any] = {}
        self.req_cb: Callable[[Any, Any], Any] | None = on_request
        self.l1rcache: dict[bytes, Any] = {}
        self.l2rcache: dict[bytes, Any] = {}
        self.req_consumers: dict[str, Any] = {}
        self.cp_timer = sippy.Time.Timeout.Timeout(self.rCachePurge, 32, -1)
        self._later: list[Callable[[], None]] | None = None

    def shutdown(self) -> None:
        self.closed = True
        self.cp_timer.cancel()
        self.l4r.shutdown()
        self.req_cb = None
        for table in (self.tclient, self.tserver, self.l1rcache, self.l2rcache):
            table.clear()

    def repeated(self, digest: bytes) -> bool:
        """Whether these very bytes came before; if so the same answer is sent again."""
        seen = self.l1rcache.get(digest) or self.l2rcache.get(digest)
        if seen is None:
            return False
        if seen.data is not None:
            self.transmitData(seen.userv, seen.data, seen.address)
        return True

    def take_response(self, response: SipResponse, digest: bytes) -> bool:
        """Hand a response to its transaction; False when there is none."""
        transaction = self.tclient.get(response.getTId(True, True))
        if transaction is None:
            return False
        response.rtime = MonoTime()
        later: list[Callable[[], None]] = []
        self._later = later
        try:
            self.incomingResponse(response, transaction, digest)
        finally:
            self._later = None
        for work in later:
            work()
        return True

    def after_ack(self, work: Callable[[], None]) -> None:
        """Run `work` once the response in hand is acknowledged: sippy tells of a response first and sends the ACK then,
        and what a caller does about it (BYE, the INVITE with credentials) must not overtake the ACK."""
        if self._later is None:
            work()
        else:
            self._later.append(work)

    def take_request(self, request: SipRequest, source: Address, face: Face, digest: bytes) -> None:
        """Hand a request to its transaction, or open one and ask the endpoint."""
        request.rtime = MonoTime()
        request.setSource(Remote_address(source, "udp"))
        # No Via is looked for among our own transactions: a call to ourselves is a call (482 is for merged requests only).
        self.incomingRequest(request, digest, (), face)

    def transmitReq(self, transaction: Any, message: Any, address: Address, cachesum: Any = None, **_: Any) -> None:
        """Let the dialog route its ACK: sippy takes the route set from the 2xx, which a re-INVITE's need not carry."""
        route = getattr(transaction, "route_ack", None)
        if route is not None:
            address = route(message)
        self.transmitMsg(transaction.userv, message, address, cachesum)

    def waiting(self) -> bool:
        """Whether a request of ours is still unanswered."""
        return any(transaction.state is sippy_transactions.TRYING for transaction in self.tclient.values())


def digest_of(data: bytes) -> bytes:
    """Recognises a retransmission."""
    return md5(data, usedforsecurity=False).digest()


def parse_message(message: str) -> SipRequest | SipResponse:
    """Parse what `wire` made of a packet, and every header that is used later; any exception means garbage."""
    parsed = SipResponse(message) if message.startswith("SIP/2.0 ") else SipRequest(message)
    parsed.packet = message
    for item in parsed.headers:
        if item.name in _USED:
            str(item.getBody())
    parsed.getHFBody("call-id")
    return parsed


_USED = frozenset(("via", "from", "to", "cseq", "contact", "max-forwards", "expires", "record-route", "route", "refer-to"))


class Field:
    """A header with its own spelling (sippy would write `X-room` for `X-Room`)."""

    parsed = True

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value
        self.hf_names = (name.lower(),)

    def localStr(self, *_: Any) -> str:
        return self._value

    def __str__(self) -> str:
        return self._value

    def getCopy(self) -> Field:
        return self

    def getCanName(self, *_: Any) -> str:
        return self._name


def header(name: str, value: str) -> SipHeader:
    """A header of a message that will be sent."""
    return SipHeader(name=name, body=Field(name, value))
