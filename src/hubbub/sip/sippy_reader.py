"""From a packet to a message: what is not SIP is counted by reason and told in one line now and then, never with a traceback."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog

from hubbub.sip.fields import tidy
from hubbub.sip.limits import Guard
from hubbub.sip.sippy_loop import Address, Face, Transactions, bare, digest_of, parse_message
from hubbub.sip.sippy_messages import PHRASES, refusal

log = structlog.get_logger()
LOG_SECONDS = 5.0
REFUSALS_A_SECOND = 50
SHORTEST = 32
MOST_REMEMBERED = 10_000
KNOWN_TOO = 5
"""Requests, of 10 kB each with what becomes of them; more are read from known addresses only."""
START = re.compile(r"([!-~]+) ([!-~]+) (SIP/\d+\.\d+)\r?\n", re.I)
LENGTH = re.compile(r"(?im)^(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*)")
ONCE = ("from", "to", "call-id", "cseq", "max-forwards")


class Refused(Exception):
    """A request that gets a response made from its raw lines."""

    def __init__(self, code: int, why: str, phrase: str = "") -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.phrase = phrase or PHRASES[code]


class Reader:
    """Reads packets of one endpoint; `transactions` must be set before the first."""

    transactions: Transactions

    def __init__(self, count: Callable[[str], None], guard: Guard | None = None) -> None:
        self._count = count
        self._guard = guard or Guard()
        self._silent_until = 0.0
        self._unlogged: Counter[str] = Counter()
        self._refusals = 0
        self._refusal_second = 0

    def receive(self, data: bytes, source: Address, face: Face) -> None:
        """Take one packet. Never raises."""
        if self._guard.banned(bare(source[0]), asyncio.get_running_loop().time()):
            self._count("banned_packets")
            return
        if len(data) < SHORTEST:
            if data.strip(b"\r\n\0 "):
                self._garbage("short", source)
            else:
                self._count("keepalive")
            return
        if self._crowded_out(source):
            self._count("crowded_out")
            return
        digest = digest_of(data)
        try:
            if self.transactions.repeated(digest):
                self._count("repeated")
            elif data.startswith(b"SIP/2.0 "):
                self._response(data.decode("ascii", "surrogateescape"), source, digest)
            else:
                self._request(data.decode("ascii", "surrogateescape"), source, face, digest)
        except Exception as error:  # the last line of defence: one packet must not cost the port
            self._garbage(f"failed_{type(error).__name__}", source, error)

    def _crowded_out(self, source: Address) -> bool:
        """Whether so many requests are remembered (each for half a minute) that those of strangers, who forge addresses, are not read.

        A known address can be forged as well: beyond a multiple nobody's are.
        """
        crowd = max(len(self.transactions.tserver), len(self.transactions.l1rcache))
        known = crowd < KNOWN_TOO * MOST_REMEMBERED and self._guard.known(bare(source[0]), asyncio.get_running_loop().time())
        return crowd >= MOST_REMEMBERED and not known

    def _response(self, message: str, source: Address, digest: bytes) -> None:
        try:
            response = parse_message(tidy(message))
        except Exception:
            self._garbage("bad_response", source)
            return
        if not 100 <= response.getSCode()[0] <= 699:
            self._garbage("bad_status", source)
            return
        _repair_contact(response, source)
        if self.transactions.take_response(response, digest):
            self._guard.proved(bare(source[0]), asyncio.get_running_loop().time())  # it knows what only our request said
        else:
            self._count("stray_response")

    def _request(self, message: str, source: Address, face: Face, digest: bytes) -> None:
        try:
            request = self._parse(message)
        except Refused as refused:
            self._garbage(refused.why, source)
            self._refuse(message, refused, source, face)
            self._stranger(source)
            return
        if request.getMethod() == "INVITE" and request.getHFBody("to").getTag() is None and not self._may_invite(source):
            self._count("limited_invites")
            self._refuse(message, Refused(503, "limited"), source, face, ("Retry-After: 5",))
            return
        via = request.getHFBody("via")
        if via.getAddr()[0] != source[0]:
            via.params["received"] = bare(source[0]) if ":" not in source[0] else source[0]
        if "rport" in via.params:  # RFC 3581
            via.params["rport"] = str(source[1])
        if request.countHFs("via") == 1:
            _repair_contact(request, source)
        try:
            self.transactions.take_request(request, source, face, digest)
        except Exception as error:
            self._garbage(f"failed_{type(error).__name__}", source, error)
            self._refuse(message, Refused(500, "failed"), source, face)

    def _parse(self, message: str) -> Any:
        start = START.match(message)
        if start is None:
            raise Refused(400, "not_sip")
        method, uri, version = start.groups()
        if version.upper() != "SIP/2.0":
            raise Refused(505, "bad_version")
        if re.match(r"(?i)(sips?|tel):", uri) is None:
            if re.match(r"(?i)[a-z][a-z0-9+.-]*:", uri):
                raise Refused(416, "bad_scheme")
            raise Refused(400, "bad_uri")
        try:
            request = parse_message(tidy(message))
            cseq, cseq_method = request.getHFBody("cseq").getCSeq()
        except Exception as error:
            raise Refused(400, "unparsable") from error
        if cseq_method != method or not 0 <= cseq < 2**31:
            raise Refused(400, "bad_cseq")
        if any(request.countHFs(name) > 1 for name in ONCE):
            raise Refused(400, "repeated_header")
        if request.countHFs("max-forwards") and not 0 <= request.getHFBody("max-forwards").getNum() <= 255:
            raise Refused(400, "bad_max_forwards")
        lengths = LENGTH.findall(re.split(r"\r\n\r\n|\n\n", message, maxsplit=1)[0])
        if len(lengths) > 1 or any(re.fullmatch(r"\d{1,7}\s*", length) is None for length in lengths):
            raise Refused(400, "bad_length")
        return request

    def _may_invite(self, source: Address) -> bool:
        return self._guard.invite(bare(source[0]), asyncio.get_running_loop().time())

    def _stranger(self, source: Address) -> None:
        if self._guard.strange(bare(source[0]), asyncio.get_running_loop().time()):
            log.warning("sip_banned", source=source[0], why="garbage", seconds=self._guard.limits.ban_seconds)

    def _refuse(self, message: str, refused: Refused, source: Address, face: Face, more: tuple[str, ...] = ()) -> None:
        """Answer, but not so often that somebody else could be flooded through us."""
        second = int(asyncio.get_running_loop().time())
        if second != self._refusal_second:
            self._refusal_second, self._refusals = second, 0
        self._refusals += 1
        response = refusal(message, refused.code, refused.phrase, more) if self._refusals <= REFUSALS_A_SECOND else None
        if response is not None:
            face.send_to(response, source)

    def _garbage(self, why: str, source: Address, error: Exception | None = None) -> None:
        self._count(f"garbage_{why}")
        self._unlogged[why] += 1
        now = asyncio.get_running_loop().time()
        if now < self._silent_until:
            return
        self._silent_until = now + LOG_SECONDS
        more = {"error": repr(error), "at": _place(error)} if error is not None else {}
        log.warning("sip_garbage", last=why, source=f"{source[0]}:{source[1]}", packets=dict(self._unlogged), **more)
        self._unlogged.clear()


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace is not None else "?"


def _repair_contact(message: Any, source: Address) -> None:
    """A phone behind a router writes its private address into Contact; what reached us from outside came by its public one."""
    if not message.countHFs("contact") or message.countHFs("record-route"):
        return
    found = message.getHFBody("contact")
    if found.asterisk:
        return
    url = found.getUrl()
    try:
        inner, outer = ipaddress.ip_address(bare(str(url.host))), ipaddress.ip_address(bare(source[0]))
    except ValueError:
        return
    if inner != outer and (inner.is_unspecified or (inner.is_private and not outer.is_private)):
        url.host, url.port = source
