"""What is spoken on the socket of a media stream: the messages of TwiML's, with this vendor's version, ids, codecs and headers (1.3)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hubbub.dialects.cxml.words import CXML
from hubbub.dialects.ids import Uuid
from hubbub.dialects.twiml.streams import StreamTalk
from hubbub.events import CallRecord
from hubbub.ids import Id
from hubbub.media.g711 import decode_table, encode_table
from hubbub.media.tones import Pcm
from hubbub.settings import Account
from hubbub.verbs.capture import OpenStream
from hubbub.verbs.dialect import Dialect
from hubbub.verbs.streams import Cleared, Marked, Said, Track
from hubbub.webhooks.signatures import hmac_sha1_text

DECODE, ENCODE = decode_table(), encode_table()
LAWS = {"PCMU": (0, "audio/x-mulaw"), "PCMA": (1, "audio/x-alaw")}
CODECS = ("PCMU", "PCMA", "L16@8000h", "L16@16000h", "L16@24000h")
CODEC = re.compile(r"(PCMU|PCMA|G722|L16)(?:@(\d{4,5})h)?(?:@(\d{2,3})i)?")
PACKED = 20
"""Milliseconds of a message."""


@dataclass(frozen=True)
class Wire:
    """How sound is written in messages."""

    encoding: str
    rate: int
    law: int | None = None
    """Of G.711; None: 16 bits, little-endian."""


def codec(value: str) -> str:
    """PCMU, PCMA, or L16 at 8000, 16000 or 24000 Hz, such as `L16@16000h`."""
    found = CODEC.fullmatch(value.strip().upper().replace("H", "h").replace("I", "i"))
    if found is None or found[1] == "G722" or (found[3] and int(found[3]) != PACKED):
        raise ValueError("must be one of " + ", ".join(CODECS))
    rate = int(found[2] or (16_000 if found[1] == "L16" else 8000))
    if rate not in ((8000, 16_000, 24_000) if found[1] == "L16" else (8000,)):
        raise ValueError("must be one of " + ", ".join(CODECS))
    return f"L16@{rate}h" if found[1] == "L16" else found[1]


def wire(spelled: str) -> Wire:
    """How a codec's sound is written."""
    name, _, rate = spelled.partition("@")
    if name in LAWS:
        return Wire(LAWS[name][1], 8000, LAWS[name][0])
    return Wire("audio/x-l16", int(rate.rstrip("h")))


class RelayTalk(StreamTalk):
    """`connected` has version 0.2.0; a bearer token; the codec of the verb; plain UUIDs."""

    def __init__(self, account: Account, call: CallRecord, verb: OpenStream, identity: Id, dialect: Dialect) -> None:
        super().__init__(account, call, verb, identity, dialect)
        self._words = CXML
        self._sid = Uuid().write(identity)
        self._wire = wire(verb.codec or "PCMU")

    def headers(self) -> Mapping[str, str]:
        """Signed under both names; a token of the far side's own."""
        signature = hmac_sha1_text(CXML.signing_key(self._account), self._verb.url)
        signed = {"X-SignalWire-Signature": signature, "X-Twilio-Signature": signature}
        return {**signed, "Authorization": f"Bearer {self._verb.password}"} if self._verb.password else signed

    def opened(self) -> Sequence[str]:
        """`connected` and `start`."""
        connected, start = (json.loads(message) for message in super().opened())
        start["start"]["mediaFormat"] = {"encoding": self._wire.encoding, "sampleRate": self._wire.rate, "channels": 1}
        return json.dumps({**connected, "version": "0.2.0"}), json.dumps(start)

    def heard(self, track: Track, pcm: Pcm) -> str:
        """`media`: 20 ms of a track."""
        self._chunks[track] += 1
        chunk = self._chunks[track]
        law = self._wire.law
        data = pcm.astype("<i2").tobytes() if law is None else ENCODE[law][(pcm >> 2) + 8192].tobytes()
        payload = base64.b64encode(data).decode()
        return self._message("media", {"track": track, "chunk": str(chunk), "timestamp": str((chunk - 1) * PACKED), "payload": payload})

    def read(self, message: str) -> Said | Marked | Cleared | None:
        """`media`, `mark` or `clear`."""
        told = super().read(message)
        if not isinstance(told, Said) or self._wire.law == 0:
            return told
        data = base64.b64decode(json.loads(message)["media"]["payload"])
        if self._wire.law is not None:
            return Said(DECODE[self._wire.law][np.frombuffer(data, np.uint8)])
        return Said(np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16), self._wire.rate)
