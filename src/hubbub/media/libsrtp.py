"""libsrtp, wherever this machine has it: the system's, or the one inside the Python package pylibsrtp (docs/decisions/0011-srtp.md).

Found once per process, and looked at through ctypes; the loop calls it by address. Nothing here imports a compiler, or the package.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import structlog

log = structlog.get_logger()

FUNCTIONS: Final = (
    "srtp_create", "srtp_dealloc", "srtp_add_stream", "srtp_remove_stream", "srtp_set_stream_roc", "srtp_protect", "srtp_unprotect",
)  # fmt: skip
"""What the loop calls."""
HOW_TO_GET_IT: Final = "pip install 'hubbub[srtp]', or apt-get install libsrtp2-1"

SPECIFIC, ANY_INBOUND = 1, 2
"""For which SSRC a policy is (`ssrc_type_t`)."""
WINDOW: Final = 128
"""Packets back from the newest that are still taken, once each (RFC 3711 3.3.2 wants 64 at least)."""
TRAILER: Final = 16
"""Bytes that a packet of RTP grows by at most; one of RTCP by four more (its index)."""
AUTHENTICATION_FAILED, REPLAYED, TOO_OLD = 7, 9, 10
"""Answers of libsrtp that say why a packet was refused."""
KEY_BYTES: Final = 48
"""Room for the longest master key with its salt."""
POLICY_BYTES: Final = 128
AT_SSRC_TYPE, AT_SSRC, AT_KEY, AT_WINDOW = 0, 4, 56, 88
"""Where in a policy those fields lie."""
OFF: Final = 255
"""In place of a suite: from now on without encryption. Not 0: that is a command which was applied and wiped."""
SRTP_OUT, SRTP_IN, SRTP_FORMER = 0, 1, 2
"""A leg's contexts: what it speaks by, what it hears by, and what it heard by before its key changed."""


@dataclass(frozen=True)
class Suite:
    """A crypto-suite: its number in the loop, the length of master key and salt, and libsrtp's names of its policies."""

    number: int
    key_bytes: int
    rtp: str
    rtcp: str


_CM = "srtp_crypto_policy_set_aes_cm_{}_hmac_sha1_{}".format
_DEFAULT = "srtp_crypto_policy_set_rtp_default"
SUITES: Final = {
    "AES_CM_128_HMAC_SHA1_80": Suite(1, 30, _DEFAULT, _DEFAULT),
    "AES_CM_128_HMAC_SHA1_32": Suite(2, 30, _CM(128, 32), _DEFAULT),  # RTCP keeps 80 bits (RFC 4568 6.2.2)
    "AES_256_CM_HMAC_SHA1_80": Suite(3, 46, _CM(256, 80), _CM(256, 80)),
    "AES_256_CM_HMAC_SHA1_32": Suite(4, 46, _CM(256, 32), _CM(256, 80)),
    "AEAD_AES_128_GCM": Suite(5, 28, *["srtp_crypto_policy_set_aes_gcm_128_16_auth"] * 2),
    "AEAD_AES_256_GCM": Suite(6, 44, *["srtp_crypto_policy_set_aes_gcm_256_16_auth"] * 2),
}
"""By the names of SDP (RFC 4568 6.2, RFC 6188, RFC 7714)."""
SUITE_ROWS: Final = 1 + len(SUITES)


@dataclass(frozen=True)
class Cipher:
    """How a leg's packets are encrypted: a suite, and the master key with salt of each direction."""

    suite: str
    sends: bytes = field(repr=False)
    receives: bytes = field(repr=False)
    lifetime: int = 2**48
    """Packets that `receives` is good for (RFC 3711 9.2)."""

    def words(self) -> tuple[int, ...]:
        """As the loop takes it: suite and lifetime, then both keys."""
        return (SUITES[self.suite].number | self.lifetime << 8, *key_words(self.receives), *key_words(self.sends))


class SrtpError(Exception):
    """libsrtp refused; `code` is its answer."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what}: {code}")
        self.code = code


class _Crypto(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("cipher", "key_bytes", "auth", "auth_key_bytes", "tag_bytes", "services")]


class _Policy(ctypes.Structure):
    """`srtp_policy_t` of libsrtp 2; that it is laid out so is tried by `_open` with a packet whose cipher text is known."""

    _fields_ = [
        ("ssrc_type", ctypes.c_uint32), ("ssrc", ctypes.c_uint32), ("rtp", _Crypto), ("rtcp", _Crypto), ("key", ctypes.c_void_p),
        ("keys", ctypes.c_void_p), ("key_count", ctypes.c_ulong), ("ekt", ctypes.c_void_p), ("window", ctypes.c_ulong),
        ("repeat", ctypes.c_int), ("extensions", ctypes.c_void_p), ("extension_count", ctypes.c_int), ("next", ctypes.c_void_p),
    ]  # fmt: skip


@dataclass(frozen=True)
class Library:
    """A library that was opened and tried."""

    handle: Any
    path: str
    version: str
    suites: tuple[str, ...]
    """The suites that it can do."""

    def address(self, name: str) -> int:
        """Where a function lies in this process."""
        return int(ctypes.cast(getattr(self.handle, name), ctypes.c_void_p).value or 0)

    def policy(self, suite: str) -> bytes:
        """A policy of a suite, as bytes: without key and SSRC."""
        policy = _Policy(window=WINDOW)
        getattr(self.handle, SUITES[suite].rtp)(ctypes.byref(policy.rtp))
        getattr(self.handle, SUITES[suite].rtcp)(ctypes.byref(policy.rtcp))
        return bytes(policy)

    def session(self, suite: str, key: bytes, ssrc: int | None = None) -> Session:
        """A session that sends as `ssrc`, or that receives what anybody sends."""
        return Session(self, suite, key, ssrc)


class Session:
    """One direction of SRTP and SRTCP with one master key: what the server needs for reports; the loop makes its own."""

    def __init__(self, library: Library, suite: str, key: bytes, ssrc: int | None) -> None:
        self._session = ctypes.c_void_p()
        if len(key) != SUITES[suite].key_bytes:
            raise ValueError(f"{suite} takes a key of {SUITES[suite].key_bytes} bytes")
        self._functions = library.handle
        held = ctypes.create_string_buffer(key, KEY_BYTES)
        policy = _Policy.from_buffer_copy(library.policy(suite))
        policy.ssrc_type, policy.ssrc = (ANY_INBOUND, 0) if ssrc is None else (SPECIFIC, ssrc)
        policy.key = ctypes.addressof(held)
        code = self._functions.srtp_create(ctypes.byref(self._session), ctypes.byref(policy))
        ctypes.memset(held, 0, KEY_BYTES)
        if code:
            self._session = ctypes.c_void_p()
            raise SrtpError("srtp_create", code)

    @property
    def address(self) -> int:
        """Where it lies in this process, for whoever calls the library by address."""
        return self._session.value or 0

    def _apply(self, function: str, data: bytes) -> bytes:
        if not self._session:
            raise SrtpError(f"{function} of a closed session", -1)
        room = ctypes.create_string_buffer(data, len(data) + TRAILER + 4)
        size = ctypes.c_int(len(data))
        code = getattr(self._functions, function)(self._session, room, ctypes.byref(size))
        if code:
            raise SrtpError(function, code)
        return room.raw[: size.value]

    def protect(self, packet: bytes) -> bytes:
        """A packet of RTP, encrypted. SrtpError."""
        return self._apply("srtp_protect", packet)

    def unprotect(self, packet: bytes) -> bytes:
        """A packet of RTP, decrypted; SrtpError for what is forged or came before."""
        return self._apply("srtp_unprotect", packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """A compound packet of RTCP, encrypted. SrtpError."""
        return self._apply("srtp_protect_rtcp", packet)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """A compound packet of RTCP, decrypted; SrtpError for what is forged or came before."""
        return self._apply("srtp_unprotect_rtcp", packet)

    def roc(self, ssrc: int) -> int:
        """The rollover counter of a stream; SrtpError when there is none."""
        value = ctypes.c_uint32()
        code = self._functions.srtp_get_stream_roc(self._session, ctypes.c_uint32(ssrc), ctypes.byref(value))
        if code:
            raise SrtpError("srtp_get_stream_roc", code)
        return value.value

    def set_roc(self, ssrc: int, roc: int) -> None:
        """Let the stream go on with that rollover counter; SrtpError when there is no such stream."""
        code = self._functions.srtp_set_stream_roc(self._session, ctypes.c_uint32(ssrc), ctypes.c_uint32(roc))
        if code:
            raise SrtpError("srtp_set_stream_roc", code)

    def forget(self, ssrc: int) -> None:
        """Forget a stream, and what of it came before; SrtpError when there is none."""
        # libsrtp 2 takes the number here as it lies in a packet, unlike everywhere else.
        code = self._functions.srtp_remove_stream(self._session, ctypes.c_uint32(int.from_bytes(ssrc.to_bytes(4, "big"), sys.byteorder)))
        if code:
            raise SrtpError("srtp_remove_stream", code)

    def close(self) -> None:
        """Forget the keys; a second call does nothing."""
        if self._session:
            self._functions.srtp_dealloc(self._session)
            self._session = ctypes.c_void_p()

    def __del__(self) -> None:
        self.close()


KNOWN_KEY: Final = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
KNOWN_PACKET: Final = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
KNOWN_CIPHER: Final = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
"""One packet in AES_CM_128_HMAC_SHA1_80, worked out from RFC 3711 alone by `tests/unit/media/test_libsrtp.py`; the key is its B.3's."""


def _candidates() -> Iterator[str]:
    yield "libsrtp2.so.1"
    try:
        found = importlib.util.find_spec("pylibsrtp")
    except (ImportError, ValueError):
        return
    if found is not None and found.origin is not None:
        for path in sorted(Path(found.origin).parent.glob("_binding*.so")):
            yield str(path)


def _open(path: str) -> Library:
    """OSError, AttributeError, ValueError or SrtpError when it cannot be used."""
    handle = ctypes.CDLL(path)
    number = int(handle.srtp_get_version())
    if number >> 24 != 2:
        raise OSError(f"libsrtp {number >> 24} has other functions")
    for name in (*FUNCTIONS, "srtp_protect_rtcp", "srtp_unprotect_rtcp", "srtp_get_stream_roc"):
        getattr(handle, name)
    for name in ("srtp_dealloc", "srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp"):
        getattr(handle, name).argtypes = [ctypes.c_void_p] if name == "srtp_dealloc" else [ctypes.c_void_p] * 3
    if handle.srtp_init():
        raise OSError("srtp_init failed")
    bare = Library(handle, path, f"{number >> 24}.{number >> 16 & 255}.{number & 0xFFFF}", ())
    known = bare.session("AES_CM_128_HMAC_SHA1_80", KNOWN_KEY, 0xCAFEBABE)
    if known.protect(KNOWN_PACKET) != KNOWN_CIPHER:
        raise OSError("it does not encrypt what is known as it should")
    return Library(handle, path, bare.version, tuple(suite for suite in SUITES if _can(bare, suite)))


def _can(library: Library, suite: str) -> bool:
    """Whether a packet comes through: a library may be built without a cipher."""
    key = bytes(range(SUITES[suite].key_bytes))
    try:
        sealed = library.session(suite, key, 0xCAFEBABE).protect(KNOWN_PACKET)
        return sealed != KNOWN_PACKET and library.session(suite, key).unprotect(sealed) == KNOWN_PACKET
    except (SrtpError, AttributeError):
        return False


@cache
def find() -> Library | None:
    """The first library that can be used, or None: then calls are not encrypted. `HUBBUB_SRTP=none` hides all."""
    if os.environ.get("HUBBUB_SRTP") == "none":
        return None
    for path in _candidates():
        try:
            return _open(path)
        except (OSError, AttributeError, ValueError, SrtpError) as error:
            if "cannot open shared object file" not in str(error):  # one that is not there is nothing to speak of
                log.debug("libsrtp_not_usable", path=path, reason=str(error))
    return None


def key_words(key: bytes) -> tuple[int, ...]:
    """A key as words of a command, `KEY_BYTES` long with zeros behind it."""
    padded = key.ljust(KEY_BYTES, b"\0")
    return tuple(int.from_bytes(padded[at : at + 8], "little", signed=True) for at in range(0, KEY_BYTES, 8))
