"""Media Streams (8.2): `<Start><Stream>`, `<Connect><Stream>`, and the messages on their WebSocket."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hubbub.dialects.builders import link
from hubbub.dialects.ids import Prefixed
from hubbub.dialects.tables import (
    Attr,
    Compiler,
    Converter,
    Element,
    Node,
    Operation,
    Out,
    Param,
    Resource,
    choice,
    mapping,
    matching,
    method,
    text,
    url,
)
from hubbub.dialects.twiml import words
from hubbub.events import CallRecord, Link
from hubbub.ids import Id
from hubbub.media.g711 import decode_table, encode_table
from hubbub.media.tones import Pcm
from hubbub.settings import Account
from hubbub.verbs.capture import CloseStream, OpenStream
from hubbub.verbs.dialect import Dialect
from hubbub.verbs.program import Verb
from hubbub.verbs.streams import Cleared, Marked, Said, Track
from hubbub.webhooks.signatures import hmac_sha1_text

STREAM_SID = Prefixed("MZ")
DECODE, ENCODE = decode_table()[0], encode_table()[0]
TRACKS: Mapping[str, tuple[Track, ...]] = {
    "inbound_track": ("inbound",),
    "outbound_track": ("outbound",),
    "both_tracks": ("inbound", "outbound"),
}


class StreamTalk:
    """The messages of one stream: connected, start, media, dtmf, mark, stop; from the far side media, mark, clear."""

    def __init__(self, account: Account, call: CallRecord, verb: OpenStream, identity: Id, dialect: Dialect) -> None:
        self._words: words.Words = getattr(dialect, "words", words.TWIML)
        self._account = account
        self._call = call
        self._verb = verb
        self._sid = STREAM_SID.write(identity)
        self._number = 0
        self._chunks: dict[Track, int] = {"inbound": 0, "outbound": 0}

    def headers(self) -> Mapping[str, str]:
        """The signature: handshakes are signed too (6.1)."""
        return {"X-Twilio-Signature": hmac_sha1_text(self._words.auth_token(self._account), self._verb.url)}

    def opened(self) -> Sequence[str]:
        """`connected`, which has no number, and `start`."""
        start = {
            "streamSid": self._sid,
            "accountSid": self._words.account_sid(self._account),
            "callSid": self._words.call.write(self._call.id),
            "tracks": list(self._verb.tracks),
            "customParameters": dict(self._verb.parameters),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        return json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}), self._message("start", start)

    def heard(self, track: Track, pcm: Pcm) -> str:
        """`media`: 20 ms of a track; `chunk` counts them, `timestamp` is in milliseconds."""
        self._chunks[track] += 1
        chunk = self._chunks[track]
        payload = base64.b64encode(ENCODE[(pcm >> 2) + 8192].tobytes()).decode()
        return self._message("media", {"track": track, "chunk": str(chunk), "timestamp": str((chunk - 1) * 20), "payload": payload})

    def key(self, digit: str) -> str:
        """`dtmf`."""
        return self._message("dtmf", {"track": "inbound_track", "digit": digit})

    def reached(self, name: str) -> str:
        """`mark`, sent back when it is reached."""
        return self._message("mark", {"name": name})

    def closed(self) -> str:
        """`stop`."""
        return self._message(
            "stop", {"accountSid": self._words.account_sid(self._account), "callSid": self._words.call.write(self._call.id)}
        )

    def read(self, message: str) -> Said | Marked | Cleared | None:
        """`media`, `mark` or `clear`."""
        try:
            told = json.loads(message)
            match told["event"]:
                case "media":
                    return Said(DECODE[np.frombuffer(base64.b64decode(told["media"]["payload"], validate=True), np.uint8)])
                case "mark":
                    return Marked(str(told["mark"]["name"]))
                case "clear":
                    return Cleared()
        except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
            return None
        return None

    def _message(self, event: str, body: Mapping[str, Any]) -> str:
        self._number += 1
        return json.dumps({"event": event, "sequenceNumber": str(self._number), event: body, "streamSid": self._sid})


EVENTS = {"started": "stream-started", "stopped": "stream-stopped", "rejected": "stream-error"}
NOTICE = (
    Out("AccountSid", lambda told: told.words.account_sid(told.account)),
    Out("CallSid", lambda told: told.words.call.write(told.fact.call.id)),
    Out("StreamSid", lambda told: STREAM_SID.write(told.fact.stream.id)),
    Out("StreamName", lambda told: told.fact.stream.name or STREAM_SID.write(told.fact.stream.id)),
    Out("StreamEvent", lambda told: EVENTS[told.fact.kind]),
    Out("StreamError", lambda told: told.fact.error or None),
    Out("Timestamp", lambda told: datetime.fromtimestamp(told.fact.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")),
)
"""What is told of a stream; one without a name is called by its SID."""
MOST_PARAMETERS = 99


def _target(value: str) -> tuple[str, type[StreamTalk]]:
    """A `ws` or `wss` URL."""
    if not re.fullmatch(r"wss?://[^\s/]+\S*", value):
        raise ValueError("must be a ws or wss URL")
    return value, StreamTalk


def operations(absolute_url: Converter, post: Converter) -> tuple[Operation, ...]:
    """REST: begin and end a stream of a live call."""
    numbered = [
        Param(f"Parameter{number}.{part}", f"parameter-{part.lower()}-{number}", text)
        for number in range(1, MOST_PARAMETERS + 1)
        for part in ("Name", "Value")
    ]
    create = (
        Param("Url", "target", _target, "bad-url"),
        Param("Name", "name", text),
        Param("Track", "tracks", mapping(TRACKS)),
        Param("StatusCallback", "notices", absolute_url, "bad-callback"),
        Param("StatusCallbackMethod", "notices_method", post, "bad-method"),
        *numbered,
    )
    one = "/Calls/{call}/Streams/{stream}"
    return (
        Operation("POST", "/Calls/{call}/Streams", "create_stream", "stream", create, 201),
        Operation("POST", one, "update_stream", "stream", (Param("Status", "status", choice("stopped")),)),
    )


RESOURCE = Resource(
    (
        Out("sid", lambda s: STREAM_SID.write(s.thing.id)),
        Out("account_sid", lambda s: s.sid),
        Out("call_sid", lambda s: s.words.call.write(s.thing.record.call)),
        Out("name", lambda s: s.thing.record.name or None),
        Out("status", lambda s: "in-progress" if s.thing.live else "stopped"),
        Out("date_updated", lambda s: words.date(s.thing.record.begun)),
        Out("uri", lambda s: f"{s.base}/Calls/{s.words.call.write(s.thing.record.call)}/Streams/{STREAM_SID.write(s.thing.id)}.json"),
    ),
    "streams",
)
NO_CONNECTOR = matching(r"", "names a connector, and none is installed here")
STREAM = (
    Attr("url", "url", matching(r"wss?://[^\s/]+\S*", "must be a ws or wss URL"), "", "31922", "error", required=True),
    Attr("name", "name", text, ""),
    Attr("track", "tracks", mapping(TRACKS), ("inbound",), "31941"),
    Attr("connectorName", None, NO_CONNECTOR, None, "31940", "error", why="connectors are installed in the cloud only: told to the author"),
    Attr("statusCallback", "notices", url, None, "11100"),
    Attr("statusCallbackMethod", "notices_method", method, "POST", "13221"),
    Attr("audioFormat", None, choice("audio/x-mulaw"), why="mu-law, as ever"),
    Attr("sampleRate", None, choice("8000"), why="8000, as ever"),
)
CONNECT = (Attr("action", "action", url, None), Attr("method", "method", method, "POST"))


def _opened(compiler: Compiler, node: Node, values: Mapping[str, Any], *, both_ways: bool, on_done: Link | None = None) -> Verb | None:
    if not values["url"]:
        return None
    given = [child.attributes for child in node.children if child.name == "Parameter"]
    return OpenStream(
        url=values["url"],
        waits=both_ways,
        both_ways=both_ways,
        name=values["name"],
        tracks=("inbound",) if both_ways else values["tracks"],
        notices=link(compiler, values["notices"], values["notices_method"]),
        parameters={parameter.get("name", ""): parameter.get("value", "") for parameter in given},
        speaks=StreamTalk,
        on_done=on_done,
        at=node.at,
    )


def connect(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Verb]:
    """`<Connect>` with a `<Stream>`: both ways, until the far side closes."""
    done = link(compiler, values["action"], values["method"])
    streams = [child for child in node.children if child.name == "Stream"]
    made = [_opened(compiler, child, compiler.values(STREAM, child), both_ways=True, on_done=done) for child in streams]
    return [verb for verb in made if verb is not None]


def _started(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb | None:
    return _opened(compiler, node, values, both_ways=False)


def _stopped(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    return CloseStream(name=values["name"], at=node.at)


STOPPED = tuple(row if row.to == "name" else Attr(row.name, None, why="the stream is known by its name") for row in STREAM)
AGENTS = (
    *("Room", "Autopilot", "VirtualAgent", "Conversation", "ConversationRelay", "AiSession"),
    *("ConversationRelaySession", "AiAssistant", "Assistant"),
)
CONNECT_ELEMENT = Element("Connect", connect, CONNECT, children=("Stream",))
NESTED: Mapping[str, Element] = {
    "Connect/Stream": Element("Stream", None, STREAM, children=("Parameter",), why="made by what stands around it"),
    "Start/Stream": Element("Stream", _started, STREAM, children=("Parameter",)),
    "Stop/Stream": Element("Stream", _stopped, STOPPED, children=("Parameter",)),
    **{f"Connect/{name}": Element(name, None, why="agents join as calls of their own") for name in AGENTS},
}
