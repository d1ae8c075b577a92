"""How a phone encrypts: SRTP by the package pylibsrtp (`pip install 'hubbub[srtp]'`), which shares no code with the engine."""

from __future__ import annotations

from typing import Any, Final

from hubbub.sip.sdes import Agreement

SUITES: Final = {
    "AES_CM_128_HMAC_SHA1_80": "AES128_CM_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32": "AES128_CM_SHA1_32",
    "AEAD_AES_128_GCM": "AEAD_AES_128_GCM",
}
"""Crypto-suites of phones, and what the package calls them."""


class Cipher:
    """Both directions of a call's audio. `strange` counts packets that were not by the key."""

    def __init__(self, agreement: Agreement) -> None:
        try:
            import pylibsrtp
        except ImportError as error:
            raise RuntimeError("a phone that encrypts needs the package pylibsrtp: pip install 'hubbub[srtp]'") from error
        self.agreement = agreement
        self.strange = 0
        self._error: type[Exception] = pylibsrtp.Error
        self._speaks = self._session(pylibsrtp, agreement.sends, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._hears = self._session(pylibsrtp, agreement.receives, pylibsrtp.Policy.SSRC_ANY_INBOUND)

    def _session(self, package: Any, key: bytes, direction: int) -> Any:
        profile = getattr(package.Policy, f"SRTP_PROFILE_{SUITES[self.agreement.suite]}")
        return package.Session(policy=package.Policy(key=key, ssrc_type=direction, srtp_profile=profile))

    def protect(self, packet: bytes) -> bytes:
        """A packet as it goes out: RTP, or RTCP by its type (RFC 5761 4)."""
        sealed: bytes = self._speaks.protect_rtcp(packet) if 192 <= packet[1] <= 223 else self._speaks.protect(packet)
        return sealed

    def unprotect(self, packet: bytes) -> bytes | None:
        """A packet that came; None when it is not by the key, or came before."""
        try:
            plain: bytes = (
                self._hears.unprotect_rtcp(packet) if len(packet) > 1 and 192 <= packet[1] <= 223 else self._hears.unprotect(packet)
            )
        except (self._error, TypeError, ValueError):
            self.strange += 1
            return None
        return plain
