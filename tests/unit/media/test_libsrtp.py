"""libsrtp against RFC 3711: the derivation of keys and the transforms, worked out here from a bare AES."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import subprocess
import sys

import pytest
from Crypto.Cipher import AES

from hubbub.media import libsrtp
from hubbub.media.libsrtp import SUITES, SrtpError

LIBRARY = libsrtp.find()
needs_library = pytest.mark.skipif(LIBRARY is None, reason=f"no libsrtp ({libsrtp.HOW_TO_GET_IT})")
SSRC = 0xCAFEBABE


def block(key: bytes, data: bytes) -> bytes:
    return bytes(AES.new(key, AES.MODE_ECB).encrypt(data))


def keystream(key: bytes, start: int, size: int) -> bytes:
    """AES in counter mode (RFC 3711 4.1.1): E(k, IV), E(k, IV + 1), ..."""
    return b"".join(block(key, (start + n).to_bytes(16, "big")) for n in range(-(-size // 16)))[:size]


def derived(master: bytes, salt: bytes, label: int, size: int) -> bytes:
    """RFC 3711 4.3.1 and 4.3.3, with a key derivation rate of 0: x = label * 2^48 XOR salt; the stream starts at x * 2^16."""
    x = int.from_bytes(salt, "big") ^ (label << 48)
    return keystream(master, x << 16, size)


def sealed(master: bytes, salt: bytes, packet: bytes, roc: int, tag: int) -> bytes:
    """SRTP with AES-CM and HMAC-SHA1 (RFC 3711 3.3, 4.1.1, 4.2)."""
    key, session_salt, auth = derived(master, salt, 0, len(master)), derived(master, salt, 2, 14), derived(master, salt, 1, 20)
    index = roc << 16 | int.from_bytes(packet[2:4], "big")
    ssrc = int.from_bytes(packet[8:12], "big")
    iv = int.from_bytes(session_salt, "big") << 16 ^ ssrc << 64 ^ index << 16
    payload = bytes(a ^ b for a, b in zip(packet[12:], keystream(key, iv, len(packet) - 12), strict=True))
    whole = packet[:12] + payload
    return whole + hmac.new(auth, whole + roc.to_bytes(4, "big"), hashlib.sha1).digest()[:tag]


def packet(sequence: int, payload: bytes = b"\xab" * 160) -> bytes:
    return b"\x80\x00" + sequence.to_bytes(2, "big") + bytes(4) + SSRC.to_bytes(4, "big") + payload


def test_the_counter_mode_here_is_that_of_the_rfc() -> None:
    """RFC 3711 B.2."""
    key = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
    start = int.from_bytes(bytes.fromhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"), "big")
    assert keystream(key, start, 48) == bytes.fromhex(
        "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0"
    )


def test_the_derivation_of_keys_here_is_that_of_the_rfc() -> None:
    """RFC 3711 B.3."""
    master, salt = libsrtp.KNOWN_KEY[:16], libsrtp.KNOWN_KEY[16:]
    assert derived(master, salt, 0, 16) == bytes.fromhex("C61E7A93744F39EE10734AFE3FF7A087")
    assert derived(master, salt, 2, 14) == bytes.fromhex("30CBBC08863D8C85D49DB34A9AE1")
    assert derived(master, salt, 1, 20) == bytes.fromhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")


def test_the_known_packet_follows_from_the_rfc() -> None:
    key = libsrtp.KNOWN_KEY
    assert sealed(key[:16], key[16:], libsrtp.KNOWN_PACKET, 0, 10) == libsrtp.KNOWN_CIPHER


@needs_library
@pytest.mark.parametrize(
    ("suite", "key", "tag"),
    [
        ("AES_CM_128_HMAC_SHA1_80", 16, 10),
        ("AES_CM_128_HMAC_SHA1_32", 16, 4),
        ("AES_256_CM_HMAC_SHA1_80", 32, 10),
        ("AES_256_CM_HMAC_SHA1_32", 32, 4),
    ],
)
def test_counter_mode_is_worked_out_alike(suite: str, key: int, tag: int) -> None:
    """RFC 3711 4.1.1, 4.2.1; RFC 6188 for keys of 256 bits: also behind a wrap of the sequence number (3.3.1)."""
    assert LIBRARY is not None
    secret = bytes(range(40, 40 + SUITES[suite].key_bytes))
    session = LIBRARY.session(suite, secret, SSRC)
    for roc, sequence in ((0, 65534), (0, 65535), (1, 0), (1, 1)):
        assert session.protect(packet(sequence)) == sealed(secret[:key], secret[key:], packet(sequence), roc, tag)


@needs_library
@pytest.mark.parametrize("suite", SUITES)
def test_what_is_forged_or_comes_again_is_refused(suite: str) -> None:
    """RFC 3711 3.3: a packet whose tag is wrong, or whose index was seen, is discarded."""
    assert LIBRARY is not None
    assert suite in LIBRARY.suites
    secret = bytes(range(SUITES[suite].key_bytes))
    sends, receives = LIBRARY.session(suite, secret, SSRC), LIBRARY.session(suite, secret)
    first = sends.protect(packet(1))
    with pytest.raises(SrtpError) as forged:
        receives.unprotect(first[:40] + bytes([first[40] ^ 1]) + first[41:])
    assert forged.value.code == libsrtp.AUTHENTICATION_FAILED
    assert receives.unprotect(first) == packet(1)
    with pytest.raises(SrtpError) as replayed:
        receives.unprotect(first)
    assert replayed.value.code == libsrtp.REPLAYED
    report = b"\x80\xc9\x00\x01" + SSRC.to_bytes(4, "big")
    hidden = sends.protect_rtcp(report)
    assert hidden[8:] != b""
    assert receives.unprotect_rtcp(hidden) == report
    with pytest.raises(SrtpError):
        receives.unprotect_rtcp(hidden)


@needs_library
def test_the_policy_is_laid_out_as_the_package_says() -> None:
    """Where the library comes with the package pylibsrtp, that knows the structures."""
    try:
        ffi = importlib.import_module("pylibsrtp._binding").ffi
    except ImportError:
        pytest.skip("the library is the system's")
    fields = dict(ffi.typeof("srtp_policy_t").fields)
    assert ffi.sizeof("srtp_policy_t") == libsrtp.POLICY_BYTES
    assert fields["key"].offset == libsrtp.AT_KEY
    assert fields["window_size"].offset == libsrtp.AT_WINDOW
    assert fields["ssrc"].offset == libsrtp.AT_SSRC_TYPE
    assert dict(ffi.typeof("srtp_ssrc_t").fields)["value"].offset == libsrtp.AT_SSRC


@needs_library
def test_keys_of_the_wrong_length_and_closed_sessions() -> None:
    assert LIBRARY is not None
    with pytest.raises(ValueError, match="30 bytes"):
        LIBRARY.session("AES_CM_128_HMAC_SHA1_80", bytes(28))
    session = LIBRARY.session("AES_CM_128_HMAC_SHA1_80", bytes(30), SSRC)
    session.close()
    session.close()
    with pytest.raises(SrtpError):
        session.protect(packet(1))


def test_a_machine_without_it() -> None:
    code = "from hubbub.media import libsrtp; print(libsrtp.find())"
    done = subprocess.run([sys.executable, "-c", code], env={"HUBBUB_SRTP": "none"}, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_the_words_of_a_key_hold_it() -> None:
    words = libsrtp.key_words(bytes(range(200, 246)))
    assert b"".join(word.to_bytes(8, "little", signed=True) for word in words) == bytes(range(200, 246)) + b"\0\0"
