"""Keys of SRTP in SDP: `a=crypto` (RFC 4568), text in, values out. Chance is an argument: whoever makes keys gives them.

Not spoken here, and so passed over in an offer: master key identifiers (and with them several keys in one line), key derivation rates, and
everything that leaves packets unencrypted or unauthenticated. Keys never appear in an error or a repr.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Wish = Literal["off", "accept", "offer", "require"]
"""What this side wants: never; where the other side offers it; offered, but not insisted on (RFC 8643); nothing else."""

KEY_BYTES: Final[Mapping[str, int]] = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
"""Bytes of master key and salt of each crypto-suite (RFC 4568 6.2, RFC 6188 7, RFC 7714 12)."""
LIFETIME: Final = 2**48
"""Packets that a key may protect where nothing is said (RFC 4568 6.1, RFC 3711 9.2)."""
HARMLESS: Final = "WSH"
"""A hint how far packets may be out of order: one that may be overheard (RFC 4568 6.3.6)."""


class CryptoError(ValueError):
    """An `a=crypto` that cannot be used; the message says why, without the key."""


@dataclass(frozen=True)
class Crypto:
    """One `a=crypto`: what who sent it encrypts with."""

    tag: int
    suite: str
    key: bytes = field(repr=False)
    """Master key and salt."""
    lifetime: int = LIFETIME

    def line(self) -> str:
        """As it stands in SDP, without `a=`."""
        return f"crypto:{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


@dataclass(frozen=True)
class Agreement:
    """What both sides encrypt with."""

    suite: str
    sends: bytes = field(repr=False)
    """Our master key and salt."""
    receives: bytes = field(repr=False)
    lifetime: int = LIFETIME
    """Packets that `receives` is good for."""


def parse_crypto(value: str) -> Crypto:
    """Read what follows `a=crypto:`. CryptoError when it is malformed or asks for what is not spoken here."""
    parts = value.split()
    if len(parts) < 3 or re.fullmatch(r"[0-9]{1,9}", parts[0]) is None:
        raise CryptoError("a=crypto needs a tag, a crypto-suite and a key")
    suite = parts[1].upper()
    if suite not in KEY_BYTES:
        raise CryptoError(f"crypto-suite {_named(parts[1])} is not known")
    for parameter in parts[3:]:
        if parameter.startswith("-"):
            continue  # RFC 4568 6.3.7: "-" says that it may be passed over
        if parameter.partition("=")[0].upper() != HARMLESS:
            raise CryptoError(f"session parameter {_named(parameter.partition('=')[0])} is not spoken here")
    method, colon, key = parts[2].partition(":")
    if method.lower() != "inline" or not colon:
        raise CryptoError("only inline keys are known")
    if ";" in key:
        raise CryptoError("several keys need identifiers (MKI), which are not spoken here")
    return _inline(int(parts[0]), suite, key)


def _named(token: str) -> str:
    """A token as an error may say it: one that looks like a name. In a line that is malformed, a key may stand anywhere."""
    return repr(token) if re.fullmatch(r"[A-Z0-9_]{1,32}", token) else "something"


def _inline(tag: int, suite: str, text: str) -> Crypto:
    key, *more = text.split("|")
    lifetime = LIFETIME
    if more and ":" not in more[0]:
        lifetime = _lifetime(more.pop(0))
    if more:
        raise CryptoError("an identifier of the key (MKI) is not spoken here")
    try:
        octets = base64.b64decode(key + "=" * (-len(key) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise CryptoError("the key is not base64") from None
    if len(octets) != KEY_BYTES[suite]:
        raise CryptoError(f"{suite} takes {KEY_BYTES[suite]} bytes of key and salt, not {len(octets)}")
    return Crypto(tag, suite, octets, lifetime)


def _lifetime(text: str) -> int:
    """Packets: a number, or a power of two written as one (RFC 4568 6.1)."""
    found = re.fullmatch(r"(2\^)?([0-9]{1,15})", text)
    if found is None:
        raise CryptoError("what follows the key is no lifetime")
    number = int(found[2])
    lifetime = 2 ** min(number, 64) if found[1] else number
    if not 0 < lifetime <= LIFETIME:
        raise CryptoError(f"a key cannot live for {text[:20]} packets")
    return lifetime


class Keyring:
    """The keys of one side of a call: one per crypto-suite for its whole life, so that a new offer changes no key (RFC 4568 7.1.4)."""

    def __init__(self, wish: Wish, suites: Sequence[str], random: Callable[[int], bytes]) -> None:
        """`suites` are those that may be used, in order of preference; `random` gives so many unpredictable bytes."""
        self.wish: Wish = wish if suites else "off"
        self._suites = tuple(suites)
        self._random = random
        self._keys: dict[str, bytes] = {}
        self._written: set[tuple[int, str]] = set()
        """Tag and suite of every line of ours: answers of several forks, and to what was said before, may choose any of them."""
        self.agreed: Agreement | None = None
        """What is in force."""
        self.profile = ""
        """The profile that the secured stream has in SDP, once there is one."""

    def __repr__(self) -> str:
        return f"Keyring({self.wish!r}, agreed={self.agreed!r})"

    def _key(self, suite: str) -> bytes:
        if suite not in self._keys:
            self._keys[suite] = self._random(KEY_BYTES[suite])
        return self._keys[suite]

    @property
    def offers(self) -> bool:
        """Whether an offer of ours names keys."""
        return self.agreed is not None or self.wish in ("offer", "require")

    @property
    def insists(self) -> bool:
        """Whether nothing goes without."""
        return self.wish == "require"

    def offered(self) -> list[Crypto]:
        """What an offer says: every suite, or the one that is in force."""
        suites = (self.agreed.suite,) if self.agreed else self._suites
        return [self._line(tag, suite) for tag, suite in enumerate(suites, 1)]

    def _line(self, tag: int, suite: str) -> Crypto:
        """A line of ours that the far end is going to see."""
        self._written.add((tag, suite))
        return Crypto(tag, suite, self._key(suite))

    def settle(self, agreement: Agreement | None, profile: str) -> None:
        """This holds from now on, for a stream of that profile."""
        self.agreed = agreement
        self.profile = profile if agreement else ""

    def examine(self, offered: Sequence[str]) -> Crypto:
        """The first of an offer's lines that can be used (RFC 4568 5.1.2: they stand in order of preference). CryptoError: none can."""
        if self.wish == "off":
            raise CryptoError("encryption is switched off")
        reasons: list[str] = []
        tags: set[int] = set()
        for value in offered:
            try:
                theirs = parse_crypto(value)
                if theirs.tag in tags:
                    raise CryptoError(f"tag {theirs.tag} stands twice")
                tags.add(theirs.tag)
                self._agree(theirs)
                return theirs
            except CryptoError as error:
                reasons.append(str(error))
        raise CryptoError("; ".join(dict.fromkeys(reasons)) or "no a=crypto")

    def answer(self, offered: Sequence[str]) -> tuple[Agreement, Crypto]:
        """Choose of an offer's lines: what holds then, and our line, which repeats tag and suite (RFC 4568 5.1.2). CryptoError."""
        theirs = self.examine(offered)
        return self._agree(theirs), self._line(theirs.tag, theirs.suite)

    def accept(self, answered: Sequence[str]) -> Agreement:
        """What an answer means (RFC 4568 5.1.3: one line, with the tag and suite of one that we wrote, now or before). CryptoError."""
        if len(answered) != 1:
            raise CryptoError("an answer has one a=crypto" if answered else "the answer has no a=crypto")
        theirs = parse_crypto(answered[0])
        if (theirs.tag, theirs.suite) not in self._written:
            raise CryptoError("the answer chose what was not offered")
        return self._agree(theirs)

    def _agree(self, theirs: Crypto) -> Agreement:
        if theirs.suite not in self._suites:
            raise CryptoError(f"{theirs.suite} is not used here")
        ours = self._key(theirs.suite)
        if theirs.key == ours:
            raise CryptoError("both sides would encrypt with one key")  # RFC 3711 9.1: a pad that is used twice
        return Agreement(theirs.suite, ours, theirs.key, theirs.lifetime)
