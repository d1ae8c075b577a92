"""Digest authentication (RFC 7616, RFC 8760; RFC 2617 peers included), both sides: pure, time and chance are arguments."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

ALGORITHMS = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
OFFERED = ("SHA-256", "MD5")  # strongest first (RFC 8760 2.4)
NONCE_SECONDS = 300.0
NONCES_REMEMBERED = 20_000
PEERS_REMEMBERED = 20_000
PLAIN_SECONDS = 86_400.0  # how long a peer that fell silent at SHA-256 is asked for MD5 alone
_PARAMETER = re.compile(r'\s*([A-Za-z0-9_.!%*+`\'~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|\Z)')


class Verdict(Enum):
    """What the server thinks of credentials."""

    VALID = "valid"
    STALE = "stale"  # right password perhaps, but the nonce is old or was used: ask again, the client need not ask its user
    WRONG = "wrong"


def parse(header: str) -> dict[str, str] | None:
    """Parameters of a Digest challenge or of credentials, names in lower case; None when it is another scheme or garbage."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    found: dict[str, str] = {}
    position = 0
    rest = rest.strip()
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        if match is None or match.end() == position:
            return None
        name, quoted, plain = match.groups()
        found[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        position = match.end()
    return found


def response(parameters: Mapping[str, str], *, username: str, password: str, method: str, body: str = "") -> str | None:
    """The `response` value (RFC 7616 3.4.1) for these parameters; None for an algorithm or qop that is not supported."""
    algorithm = parameters.get("algorithm") or "MD5"
    session = algorithm.lower().endswith("-sess")
    name = ALGORITHMS.get((algorithm[:-5] if session else algorithm).upper())
    qop = parameters.get("qop", "").lower()
    if name is None or qop not in ("", "auth", "auth-int"):
        return None

    def digest(value: str) -> str:
        return hashlib.new(name, value.encode("utf-8", "surrogateescape")).hexdigest()

    nonce, cnonce = parameters.get("nonce", ""), parameters.get("cnonce", "")
    secret = digest(f"{username}:{parameters.get('realm', '')}:{password}")
    if session:
        secret = digest(f"{secret}:{nonce}:{cnonce}")
    request = f"{method}:{parameters.get('uri', '')}"
    if qop == "auth-int":
        request += ":" + digest(body)
    if qop:
        return digest(f"{secret}:{nonce}:{parameters.get('nc', '')}:{cnonce}:{qop}:{digest(request)}")
    return digest(f"{secret}:{nonce}:{digest(request)}")


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def answer_challenge(
    challenges: Iterable[str], *, username: str, password: str, method: str, uri: str, cnonce: str, body: str = "", count: int = 1
) -> str | None:
    """Credentials for the first challenge that can be answered (the server puts its favourite first, RFC 8760 2.4); None if none can."""
    for challenge in challenges:
        given = parse(challenge)
        if given is None or "nonce" not in given:
            continue
        offered = [item.strip().lower() for item in given.get("qop", "").split(",") if item.strip()]
        qop = next((item for item in ("auth", "auth-int") if item in offered), "")
        if offered and not qop:
            continue
        used = {"username": username, "realm": given.get("realm", ""), "nonce": given["nonce"], "uri": uri}
        if "algorithm" in given:
            used["algorithm"] = given["algorithm"]
        if qop:
            used |= {"qop": qop, "nc": f"{count:08x}", "cnonce": cnonce}
        value = response(used, username=username, password=password, method=method, body=body)
        if value is None:
            continue
        used["response"] = value
        if "opaque" in given:
            used["opaque"] = given["opaque"]
        bare = ("algorithm", "qop", "nc")
        return "Digest " + ", ".join(f"{name}={item if name in bare else _quoted(item)}" for name, item in used.items())
    return None


@dataclass
class DigestServer:
    """Issues nonces and judges credentials. A nonce is a signed time: nothing is stored until it is used."""

    realm: str
    secret: bytes
    algorithms: tuple[str, ...] = OFFERED
    lifetime: float = NONCE_SECONDS
    _counts: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _silent: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def nonce(self, now: float, salt: bytes, peer: str = "") -> str:
        """A nonce good for `lifetime` seconds and for the host of `peer`; `salt` makes two of the same moment different."""
        stamp = f"{now:.3f}".encode() + b"|" + base64.urlsafe_b64encode(salt)
        return base64.urlsafe_b64encode(stamp + b"|" + self._sign(stamp, peer)).decode()

    def challenges(self, now: float, salt: bytes, *, peer: str = "", stale: bool = False) -> list[str]:
        """Values of WWW-Authenticate headers, in the order of `algorithms`.

        Phones of before RFC 8760 give up when they see SHA-256 at all, even beside MD5: a `peer` that was asked before and never
        answered with anything stronger is asked for MD5 alone. A peer is a host, and after a blank whatever tells its phones apart.
        """
        algorithms = self.algorithms
        if peer and "MD5" in algorithms and len(algorithms) > 1:
            if now - self._silent.get(peer, -PLAIN_SECONDS) < PLAIN_SECONDS:
                algorithms = ("MD5",)
            self._silent[peer] = now
            self._silent.move_to_end(peer)
            while len(self._silent) > PEERS_REMEMBERED:
                self._silent.popitem(last=False)
        nonce = self.nonce(now, salt, peer)
        tail = ", stale=true" if stale else ""
        return [f'Digest realm={_quoted(self.realm)}, nonce="{nonce}", algorithm={name}, qop="auth"{tail}' for name in algorithms]

    def judge(self, credentials: Mapping[str, str], *, password: str | None, method: str, body: str, now: float, peer: str = "") -> Verdict:
        """Whether the credentials prove `password` (None: no such user; takes the same time, and is WRONG).

        Only who got the nonce can be WRONG: source addresses are easily forged, and nobody shall have guesses counted as somebody else's.
        """
        if credentials.get("algorithm", "MD5").upper() not in ("MD5", "MD5-SESS"):
            self._silent.pop(peer, None)
        given = credentials.get("response", "")
        expected = response(credentials, username=credentials.get("username", ""), password=password or "", method=method, body=body)
        same = hmac.compare_digest((expected or "?").encode(), given.lower().encode("utf-8", "surrogateescape"))
        born = self._born(credentials.get("nonce", ""), peer)
        if born is None:
            return Verdict.STALE
        if credentials.get("realm") != self.realm or expected is None:
            return Verdict.WRONG
        if not -1.0 <= now - born <= self.lifetime:  # the stamp is rounded, and a clock may step back a little
            return Verdict.STALE
        if not same or password is None:
            return Verdict.WRONG
        return Verdict.VALID if self._first_use(credentials) else Verdict.STALE

    def _first_use(self, credentials: Mapping[str, str]) -> bool:
        """Nonce counts must grow (RFC 7616 5.12); credentials without qop may use a nonce once."""
        try:
            count = int(credentials.get("nc", "1"), 16)
        except ValueError:
            return False
        nonce = credentials["nonce"]
        if count <= self._counts.get(nonce, 0):
            return False
        self._counts[nonce] = count
        self._counts.move_to_end(nonce)
        while len(self._counts) > NONCES_REMEMBERED:
            self._counts.popitem(last=False)
        return True

    def _sign(self, stamp: bytes, peer: str) -> bytes:
        host = peer.partition(" ")[0].encode("utf-8", "surrogateescape")
        return hmac.new(self.secret, stamp + b"|" + host, hashlib.sha256).hexdigest()[:32].encode()

    def _born(self, nonce: str, peer: str) -> float | None:
        try:
            stamp, _, signature = base64.urlsafe_b64decode(nonce.encode()).rpartition(b"|")
            if not hmac.compare_digest(self._sign(stamp, peer), signature):
                return None
            return float(stamp.partition(b"|")[0])
        except ValueError:
            return None
