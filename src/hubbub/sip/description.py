"""An SDP description as it is read (RFC 8866): the one audio stream that will be used, and the m-lines around it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from hubbub.sip.sdes import CryptoError, Keyring

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Address = tuple[str, int]
STATIC = {"PCMU": 0, "PCMA": 8, "G722": 9}  # RFC 3551 table 4
NAMES = {number: name for name, number in STATIC.items()}
RATE = 8000
LONGEST = 32_768
"""Characters of a description that is read at all."""
PLAIN, SECURED = ("RTP/AVP", "RTP/AVPF"), ("RTP/SAVP", "RTP/SAVPF")
DIRECTIONS: dict[str, Direction] = {"sendrecv": "sendrecv", "sendonly": "sendonly", "recvonly": "recvonly", "inactive": "inactive"}


class SdpError(ValueError):
    """The SDP cannot be used; the message says why. The INVITE gets 488."""


@dataclass(frozen=True)
class Payload:
    """One format of the m-line: payload type number, encoding name in capitals, clock rate, channels."""

    number: int
    name: str
    rate: int
    channels: int = 1
    format: str = ""
    """Its `a=fmtp`."""


@dataclass(frozen=True)
class MediaLine:
    """An m-line as it was offered; the answer must repeat each (RFC 3264 6)."""

    kind: str
    port: int
    protocol: str
    """As it was written: it is repeated so."""
    formats: tuple[str, ...]

    @property
    def profile(self) -> str:
        """Its transport, in capitals as it is compared."""
        return self.protocol.upper()

    def rejected(self) -> list[str]:
        """As it stands where it is not used (RFC 3264 6)."""
        return [f"m={self.kind} 0 {self.protocol} {' '.join(self.formats)}"]


@dataclass(frozen=True)
class AudioMedia:
    """The audio stream that will be used, and the m-lines around it. `ptime` is in milliseconds."""

    address: str
    port: int
    payloads: tuple[Payload, ...]
    direction: Direction
    ptime: int | None
    maxptime: int | None
    lines: tuple[MediaLine, ...]
    index: int  # of the audio among `lines`
    mux: bool = False
    """Whether RTCP may come to the port of RTP (RFC 5761)."""
    reports: Address | None = None
    """Where RTCP goes when that is not the port above (RFC 3605)."""
    cryptos: tuple[str, ...] = field(default=(), repr=False)
    """Its `a=crypto`, which hold keys."""

    @property
    def profile(self) -> str:
        """The transport of its m-line."""
        return self.lines[self.index].profile

    @property
    def held(self) -> bool:
        """Hold in the old way: nobody listens at 0.0.0.0 (RFC 3264 8.4)."""
        return self.address in ("0.0.0.0", "::")


@dataclass
class _Section:
    """The session part, or one m-line with what follows it."""

    media: MediaLine | None
    connection: str | None
    attributes: list[tuple[str, str]]

    def number(self, name: str) -> int | None:
        found = next((value for key, value in self.attributes if key == name), None)
        return int(found) if found is not None and re.fullmatch(r"[0-9]{1,4}", found) else None

    def direction(self) -> Direction | None:
        return next((DIRECTIONS[key] for key, _ in self.attributes if key in DIRECTIONS), None)

    @property
    def cryptos(self) -> tuple[str, ...]:
        return tuple(value for name, value in self.attributes if name == "crypto")


def parse_sdp(text: str, keys: Keyring | None = None) -> AudioMedia:
    """Read an offer or an answer and choose the audio stream that is used, by what `keys` may do. SdpError says what is wrong."""
    session, *media = _sections(text)
    lines = tuple(section.media for section in media if section.media is not None)
    index = _usable(lines, [section.cryptos for section in media], keys)
    section = media[index]
    address = section.connection or session.connection
    if address is None:
        raise SdpError("no c= line for the audio stream")
    payloads = _payloads(lines[index], section)
    return AudioMedia(
        address=address,
        port=lines[index].port,
        payloads=payloads,
        direction=section.direction() or session.direction() or "sendrecv",
        ptime=section.number("ptime") or session.number("ptime"),
        maxptime=section.number("maxptime") or session.number("maxptime"),
        lines=lines,
        index=index,
        mux=any(name == "rtcp-mux" for name, _ in section.attributes),
        reports=_reports(section, address),
        cryptos=section.cryptos,
    )


def _reports(section: _Section, address: str) -> Address | None:
    """What `a=rtcp` says: a port, and an address where that is another (RFC 3605 2.1)."""
    value = next((value for name, value in section.attributes if name == "rtcp"), "")
    found = re.fullmatch(r"([0-9]{1,5})(?:\s+IN\s+IP[46]\s+(\S+))?", value)
    if found is None or not 0 < int(found[1]) <= 65535:
        return None
    try:
        return str(ipaddress.ip_address(found[2] or address)), int(found[1])
    except ValueError:
        return None


def _sections(text: str) -> list[_Section]:
    if len(text) > LONGEST:
        raise SdpError(f"SDP of more than {LONGEST} characters")
    sections = [_Section(None, None, [])]
    started = False
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        line = line.rstrip(" \t\0")
        if not line:
            continue
        if re.match(r"[a-z]=", line) is None:
            raise SdpError(f"line {number} is not SDP")  # nor is it said what it is: the rest of a line with a key, perhaps
        kind, value = line[0], line[2:].strip()
        if not started and line != "v=0":
            raise SdpError("SDP does not begin with v=0")
        started = True
        if kind == "m":
            sections.append(_Section(_media_line(value, number), None, []))
        elif kind == "c":
            sections[-1].connection = sections[-1].connection or _connection(value, number)
        elif kind == "a":
            name, _, setting = value.partition(":")
            sections[-1].attributes.append((name.strip().lower(), setting.strip()))
    if not started:
        raise SdpError("SDP is empty")
    return sections


def _media_line(value: str, number: int) -> MediaLine:
    parts = value.split()
    if len(parts) < 4 or re.fullmatch(r"[0-9]{1,5}(/[0-9]{1,5})?", parts[1]) is None or int(parts[1].partition("/")[0]) > 65535:
        raise SdpError(f"line {number}: m= needs media, port, protocol and formats")
    return MediaLine(parts[0].lower(), int(parts[1].partition("/")[0]), parts[2], tuple(parts[3:]))


def _connection(value: str, number: int) -> str:
    parts = value.split()
    if len(parts) != 3 or parts[0].upper() != "IN" or parts[1].upper() not in ("IP4", "IP6"):
        raise SdpError(f"line {number}: c= needs IN, IP4 or IP6, and an address")
    try:
        address = ipaddress.ip_address(parts[2].partition("/")[0])
    except ValueError as error:
        raise SdpError(f"line {number}: {parts[2][:60]!r} is not an IP address") from error
    if address.is_multicast:
        raise SdpError(f"line {number}: multicast is not supported")
    return str(address)


def _usable(lines: tuple[MediaLine, ...], cryptos: Sequence[tuple[str, ...]], keys: Keyring | None) -> int:
    """Which m-line to use: the first that is encrypted in a way that is spoken here, else the first that need not be."""
    audio = [index for index, line in enumerate(lines) if line.kind == "audio"]
    if not audio:
        raise SdpError("no audio stream")
    alive = [index for index in audio if lines[index].port > 0]
    if not alive:
        raise SdpError("the audio stream is rejected (port 0)")
    known = [index for index in alive if lines[index].profile in PLAIN + SECURED]
    if not known:
        raise SdpError(f"{lines[alive[0]].profile[:40]} is not supported, only {', '.join(PLAIN + SECURED)}")
    reasons: list[str] = []
    for index in known:
        if lines[index].profile in SECURED or (cryptos[index] and keys is not None and keys.wish != "off"):
            try:
                (keys or _NO_KEYS).examine(cryptos[index])
                return index
            except CryptoError as error:
                reasons.append(str(error))
    plain = next((index for index in known if lines[index].profile in PLAIN), None)
    if plain is not None and not (keys is not None and keys.insists):
        return plain
    raise SdpError(f"keys cannot be agreed on: {'; '.join(reasons) or 'the stream is not encrypted, and must be'}")


_NO_KEYS = Keyring("off", (), bytes)


def _payloads(line: MediaLine, section: _Section) -> tuple[Payload, ...]:
    maps: dict[int, Payload] = {}
    for name, value in section.attributes:
        found = re.fullmatch(r"([0-9]{1,3})\s+([^\s/]+)/([0-9]{1,6})(?:/([0-9]{1,2}))?", value) if name == "rtpmap" else None
        if found is not None:
            number = int(found[1])
            maps.setdefault(number, Payload(number, found[2].upper(), int(found[3]), int(found[4] or 1)))
    formats: dict[int, str] = {}
    for name, value in section.attributes:
        found = re.fullmatch(r"([0-9]{1,3})\s+(.*)", value) if name == "fmtp" else None
        if found is not None:
            formats.setdefault(int(found[1]), found[2])
    payloads: list[Payload] = []
    for item in line.formats:
        if re.fullmatch(r"[0-9]{1,3}", item) is None or int(item) > 127:
            raise SdpError(f"{item[:20]!r} is not a payload type")
        number = int(item)
        if number in maps:
            payloads.append(replace(maps[number], format=formats.get(number, "")))
        elif number in NAMES:
            payloads.append(Payload(number, NAMES[number], RATE))
    return tuple(payloads)
