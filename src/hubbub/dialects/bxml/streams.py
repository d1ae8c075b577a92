"""DOCUMENT: media streams of a call: StartStream, StopStream (3), and the messages on their socket (3.3)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hubbub.dialects.bxml.account import face
from hubbub.dialects.bxml.callbacks import CALL, STREAM, stream_name
from hubbub.dialects.bxml.rows import CREDENTIALS, ON_CALL, guarded, invalid
from hubbub.dialects.tables import Attr, Compiler, Element, Node, lenient_boolean, mapping, matching, method, text, url
from hubbub.events import CallRecord, Link, StreamRecord
from hubbub.ids import Id
from hubbub.media.g711 import decode_table, encode_table
from hubbub.media.tones import Pcm
from hubbub.settings import Account
from hubbub.verbs.capture import CloseStream, OpenStream
from hubbub.verbs.dialect import Dialect
from hubbub.verbs.program import Verb
from hubbub.verbs.streams import Cleared, Marked, Said, Track

DECODE, ENCODE = decode_table()[0], encode_table()[0]
MOST_TRACKS = 4
"""Of one call."""
MOST_PARAMETERS = 12
RATES = (8000, 16_000, 24_000, 32_000, 44_100, 48_000)
TRACKS: Mapping[str, tuple[Track, ...]] = {"inbound": ("inbound",), "outbound": ("outbound",), "both": ("inbound", "outbound")}


class StreamTalk:
    """The messages of one stream: start, media, stop; from the far side playAudio and clear. Keys and marks are not told."""

    def __init__(self, account: Account, call: CallRecord, verb: OpenStream, identity: Id, dialect: Dialect) -> None:
        self._verb = verb
        self._number = 0
        record = StreamRecord(identity, call.id, verb.name, verb.url, 0.0, verb.tracks)
        self._metadata = {
            "accountId": face(account, "account"),
            "callId": CALL.write(call.id),
            "streamId": STREAM.write(identity),
            "streamName": stream_name(record),
            "tracks": [{"name": track, "mediaFormat": {"encoding": "PCMU", "sampleRate": 8000}} for track in verb.tracks],
        }

    def headers(self) -> Mapping[str, str]:
        """`destinationUsername` and `destinationPassword`."""
        if not self._verb.username:
            return {}
        pair = f"{self._verb.username}:{self._verb.password}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}

    def opened(self) -> Sequence[str]:
        """`start`."""
        return (json.dumps({"eventType": "start", "metadata": self._metadata, "streamParams": dict(self._verb.parameters)}),)

    def heard(self, track: Track, pcm: Pcm) -> str:
        """`media`: 20 ms of a track."""
        self._number += 1
        payload = base64.b64encode(ENCODE[(pcm >> 2) + 8192].tobytes()).decode()
        return json.dumps({"eventType": "media", "track": track, "sequenceNumber": self._number, "payload": payload})

    def key(self, digit: str) -> str:
        """Never asked for: "No DTMF on the socket"."""
        raise NotImplementedError

    def reached(self, name: str) -> str:
        """Never asked for: there are no marks."""
        raise NotImplementedError

    def closed(self) -> str:
        """`stop`."""
        return json.dumps({"eventType": "stop", "metadata": self._metadata})

    def read(self, message: str) -> Said | Marked | Cleared | None:
        """`playAudio` or `clear`."""
        try:
            told = json.loads(message)
            match told["eventType"]:
                case "playAudio":
                    return _said(told["media"]["contentType"], base64.b64decode(told["media"]["payload"], validate=True))
                case "clear":
                    return Cleared()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
            return None
        return None


def _said(content_type: str, data: bytes) -> Said | None:
    """Sound of a content type: `audio/pcmu`, or `audio/pcm` with its parameters, which may be left out where they are as listed (3.3)."""
    kind, *given = (part.strip().lower() for part in content_type.split(";"))
    if kind == "audio/pcmu":
        return Said(DECODE[np.frombuffer(data, np.uint8)])
    if kind != "audio/pcm":
        return None
    wanted = {"rate": "24000", "channels": "1", "bit-depth": "16", "endian": "little", "encoding": "signed"}
    format_ = wanted | dict(part.split("=", 1) for part in given if "=" in part)
    rate = int(format_.pop("rate"))
    wanted.pop("rate")
    if format_ != wanted or rate not in RATES or len(data) % 2:
        return None
    return Said(np.frombuffer(data, "<i2").astype(np.int16), rate)


START = (
    Attr("destination", "url", matching(r"wss?://[^\s/]+\S*", "must be a ws or wss URL"), "", required=True),
    Attr("name", "name", matching(r".{0,256}", "has at most 256 characters"), ""),
    Attr("mode", "both_ways", mapping({"unidirectional": False, "bidirectional": True}), False),
    Attr("tracks", "tracks", mapping(TRACKS), ("inbound",)),
    Attr("streamEventUrl", "event_url", url, None),
    Attr("streamEventMethod", "event_method", method, "POST"),
    *CREDENTIALS,
    Attr("destinationUsername", "destination_username", text, ""),
    Attr("destinationPassword", "destination_password", text, ""),
)
STOP = (
    Attr("name", "name", text, "", required=True),
    Attr("wait", "waits", lenient_boolean, False, why="the next verb waits until the stream has ended"),
)
PARAMETER = (
    Attr("name", "name", matching(r".{1,256}", "has 1 to 256 characters"), "", required=True),
    Attr("value", "value", matching(r".{0,2048}", "has at most 2048 characters"), ""),
)
NOUNS: Mapping[str, Element] = {"StartStream/StreamParam": Element("StreamParam", None, PARAMETER)}


def start(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<StartStream>`: beside everything else."""
    if len(node.children) > MOST_PARAMETERS:
        raise invalid(node, f"has at most {MOST_PARAMETERS} of <StreamParam>")
    given = [compiler.values(PARAMETER, child) for child in node.children]
    told = None
    if values["event_url"]:
        told = Link(compiler.absolute(values["event_url"]), values["event_method"], values["username"], values["password"])
    return OpenStream(
        url=values["url"],
        speaks=StreamTalk,
        both_ways=values["both_ways"],
        name=values["name"],
        tracks=values["tracks"],
        parameters={parameter["name"]: parameter["value"] for parameter in given},
        username=values["destination_username"],
        password=values["destination_password"],
        notices=guarded(node, told) if told is not None else None,
        only_name=bool(values["name"]),
        most_tracks=MOST_TRACKS,
        at=node.at,
    )


def stop(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<StopStream>`: a stream without a name is called by its id."""
    return CloseStream(name=STREAM.read(values["name"]) or values["name"], waits=values["waits"], at=node.at)


ELEMENTS = (
    Element("StartStream", start, START, ON_CALL, children=("StreamParam",)),
    Element("StopStream", stop, STOP, ON_CALL),
)
