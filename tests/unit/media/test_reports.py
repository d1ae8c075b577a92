"""Reports of a leg under keys: SRTCP (RFC 3711 3.4, RFC 7714 9)."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.media import libsrtp
from hubbub.media.libsrtp import SUITES, Cipher, Session, SrtpError
from hubbub.media.reports import Line
from hubbub.media.rtcp import farewell

LIBRARY = libsrtp.find()
pytestmark = pytest.mark.skipif(LIBRARY is None, reason=f"no libsrtp ({libsrtp.HOW_TO_GET_IT})")
SSRC = 0xCAFEBABE
CM, CM_32, GCM = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"


def cipher(suite: str, theirs: int = 2) -> Cipher:
    """Our key is one per suite, as a keyring has it."""
    size = SUITES[suite].key_bytes
    return Cipher(suite, bytes([SUITES[suite].number]) * size, bytes([0x40 + theirs]) * size)


class Port:
    """A port that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendto(self, data: bytes, target: tuple[str, int]) -> None:
        self.sent.append(data)


class Reports(Line):
    """A leg's line to a far end that takes both on one port; it tells the index of what it sends, and whether it believed what came."""

    def __init__(self) -> None:
        self.port = Port()
        super().__init__(cast(Any, SimpleNamespace(ssrc=SSRC, bound_port=0, socket=self.port)), "127.0.0.1", lambda line: None)
        self.aim(("127.0.0.1", 9), True, 0.0)

    def index(self, suite: str) -> int:
        """RFC 3711 3.4: the index stands before the authentication tag; RFC 7714 9.2: at the end."""
        assert self.send(farewell(SSRC, "hubbub"))
        data = self.port.sent[-1] if suite == GCM else self.port.sent[-1][:-10]
        word = int.from_bytes(data[-4:], "big")
        assert word >> 31, "it is not encrypted"
        return word & 0x7FFFFFFF

    def believes(self, data: bytes) -> bool:
        before = self.forged
        self.receive(data, 0.0)
        return self.forged == before


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reports]:
    made = Reports()
    cast(Any, made.reception).take = lambda *_: None
    made.leg.link = cast(Any, SimpleNamespace(codec=0))
    yield made
    if made.socket is not None:
        made.socket.close()


def test_a_key_that_comes_into_force_again_goes_on_counting(line: Reports) -> None:
    """RFC 3711 9.1: "there MUST NOT be any re-use" of a key with the index and SSRC; RFC 7714 8.1 for GCM, where it gives the key away."""
    seen: dict[str, list[int]] = {CM: [], CM_32: [], GCM: []}
    for suite in (GCM, CM, GCM, CM_32, CM, GCM):
        line.encrypt(cipher(suite))
        seen[suite] += [line.index(suite), line.index(suite)]
        line.encrypt(None)
    assert seen == {GCM: [1, 2, 3, 4, 5, 6], CM: [1, 2, 3, 4], CM_32: [1, 2]}


def test_a_plain_time_is_plain(line: Reports) -> None:
    plain = farewell(SSRC, "hubbub")
    line.encrypt(cipher(CM))
    assert not line.believes(plain)
    line.encrypt(None)
    assert line.believes(plain)
    assert line.send(plain)
    assert line.port.sent[-1] == plain


def test_what_was_heard_under_a_key_is_not_heard_again_when_the_key_comes_back(line: Reports) -> None:
    """RFC 3711 3.3.2: a packet that was received and authenticated is replayed when it comes again."""
    assert LIBRARY is not None
    far = LIBRARY.session(CM, cipher(CM, 1).receives, 0x11223344)
    first, second = (far.protect_rtcp(farewell(0x11223344, "phone")) for _ in range(2))
    line.encrypt(cipher(CM, 1))
    assert line.believes(first)
    line.encrypt(cipher(CM, 2))
    assert not line.believes(second)
    line.encrypt(cipher(CM, 1))
    assert not line.believes(first)
    assert line.believes(second)


def test_keys_of_the_far_end_are_not_kept_for_ever(line: Reports) -> None:
    for theirs in range(50):
        line.encrypt(cipher(CM, theirs))
    assert len(line._hearing) <= 8
    assert len(line._speaking) == 1


def test_streams_of_a_far_end_that_has_ever_new_ones_are_forgotten(line: Reports) -> None:
    """Each report by another SSRC, all by the right key: the library would keep a stream of each, and look through all of them."""
    assert LIBRARY is not None
    line.encrypt(cipher(CM))
    sources = [1 << 24 | number for number in range(40)]
    sent = {ssrc: LIBRARY.session(CM, cipher(CM).receives, ssrc).protect_rtcp(farewell(ssrc, "phone")) for ssrc in sources}
    for data in sent.values():
        assert line.believes(data)
        assert not line.believes(data), "it came before"
    assert line._hears is not None
    assert [ssrc for ssrc in sources if known(line._hears._session, ssrc)] == sources[-8:]


def known(session: Session, ssrc: int) -> bool:
    """Whether the library has such a stream."""
    try:
        return session.roc(ssrc) == 0
    except SrtpError:
        return False
