"""DOCUMENT: stream, stop_stream, tap, stop_tap, and `stream` of join_conference; the messages on their sockets (3.5, 3.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from hubbub.dialects.cxml.talk import CODECS, RelayTalk, codec, wire
from hubbub.dialects.swml.document import METHODS, WITH_CALLEE, Stopping, inner, listed, wrong
from hubbub.dialects.swml.sounds import STATUS
from hubbub.dialects.tables import Attr, Compiler, Element, Node, boolean, integer, mapping, matching, method, text
from hubbub.events import Link
from hubbub.ids import new_id
from hubbub.verbs.capture import CloseStream, OpenStream, TapLeg
from hubbub.verbs.program import Scope, SetVariables, Step, Template

Tracks = tuple[str, ...]
SOCKET = matching(r"wss?://[^\s/]+\S*", "must be a ws or wss URL")
TRACKS = {"inbound_track": ("inbound",), "outbound_track": ("outbound",), "both_tracks": ("inbound", "outbound")}
SIDES = {"speak": ("inbound",), "listen": ("outbound",), "hear": ("outbound",), "both": ("inbound", "outbound")}
"""`hear` is what an SDK says for `listen`."""
WRITTEN = matching(r"(rtp://\d{1,3}(\.\d{1,3}){3}:\d{1,5}|wss?://[^\s/]+\S*)", "must be rtp://IP:port, or a ws or wss URL")


def listener(value: str) -> str:
    """rtp://IP:port, or a ws or wss URL."""
    written: str = WRITTEN(value)
    if written.startswith("rtp://"):
        host, _, port = written.removeprefix("rtp://").partition(":")
        try:
            IPv4Address(host)
        except ValueError as error:
            raise ValueError(f"{host} is no address") from error
        if not 1 <= int(port) <= 65535:
            raise ValueError(f"{port} is no port: 1 to 65535")
    return written


def _told(compiler: Compiler, values: Mapping[str, Any]) -> Link | None:
    target = values["status_url"]
    return None if target is None else Link(compiler.absolute(target), values.get("status_method") or "POST")


def _parameters(given: Any, path: str) -> dict[str, str]:
    if not isinstance(given or {}, dict):
        raise wrong("method_parameter_invalid_value", f"{path}/custom_parameters: must be an object")
    return {str(name): str(value) for name, value in (given or {}).items()}


def opened(
    compiler: Compiler, values: Mapping[str, Any], node: Node, name: str, *, both_ways: bool = False, what: str = "stream"
) -> OpenStream:
    """The verb of a stream of a leg or of a room."""
    return OpenStream(
        url=values["url"],
        speaks=RelayTalk,
        both_ways=both_ways,
        name=name,
        tracks=values.get("tracks") or ("inbound",),
        parameters=_parameters(values["parameters"], node.at.path),
        password=values["token"],
        notices=_told(compiler, values),
        rate=wire(values["codec"]).rate,
        codec=values["codec"],
        what=what,
        at=node.at,
    )


def _stream(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    control = values["control_id"] or values["name"] or str(new_id())
    return opened(compiler, values, node, control), SetVariables({"stream_control_id": control})


def _tap(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    """Over a socket as a stream, or as RTP packets."""
    control, target = values["control_id"] or str(new_id()), values["target"]
    told = {"tap_uri": target, "tap_control_id": control, "tap_codec": values["codec"], "tap_ptime": values["ptime"], "tap_rate": 8000}
    if target.startswith("rtp:"):
        host, _, port = target.removeprefix("rtp://").partition(":")
        verb: Step = TapLeg(
            host=host,
            port=int(port),
            codec=values["codec"],
            packet_ms=values["ptime"],
            tracks=values["tracks"],
            name=control,
            notices=_told(compiler, values),
            at=node.at,
        )
    else:
        verb = opened(compiler, {**values, "url": target, "parameters": None, "token": ""}, node, control, what="tap")
    return verb, SetVariables(told), Template(_tapped, node.at)


def _tapped(scope: Scope) -> tuple[Step, ...]:
    return (SetVariables({"tap_result": scope.get("stream_result", "failed")}),)


def _closing(variable: str) -> Callable[[Compiler, Node, dict[str, Any]], Step]:
    return Stopping(variable, lambda name, at: CloseStream(name=name, at=at))


def room_stream(compiler: Compiler, given: Any, node: Node) -> OpenStream | None:
    """`stream` of join_conference: the sound of the room, both ways."""
    if not given:
        return None
    path = f"{node.at.path}/stream"
    values = inner(compiler, ROOM_STREAM, given, path)
    return opened(compiler, values, node, values["name"], both_ways=True)


REALTIME = Attr("realtime", None, boolean, why="sound is sent as it comes")
COMMON = (
    Attr("url", "url", SOCKET, "", required=True),
    Attr("name", "name", text, ""),
    Attr("codec", "codec", codec, CODECS[0]),
    STATUS,
    Attr("status_url_method", "status_method", method, "POST"),
    REALTIME,
    Attr("authorization_bearer_token", "token", text, ""),
    Attr("custom_parameters", "parameters", listed, None),
)
ROOM_STREAM = COMMON
STREAM = (*COMMON, Attr("track", "tracks", mapping(TRACKS), ("inbound",)), Attr("control_id", "control_id", text, ""))
TAP = (
    Attr("uri", "target", listener, "", required=True),
    Attr("control_id", "control_id", text, ""),
    Attr("direction", "tracks", mapping(SIDES), ("inbound",)),
    Attr("codec", "codec", mapping({"PCMU": "PCMU", "PCMA": "PCMA"}), "PCMU"),
    Attr("rtp_ptime", "ptime", integer(10, 60), 20, why="multiples of ten"),
    STATUS,
)
CONTROL = (Attr("control_id", "control_id", text, "", why="none: the last one begun"),)
STREAMS = (
    Element("stream", _stream, STREAM, WITH_CALLEE),
    Element("stop_stream", _closing("stream_control_id"), CONTROL, WITH_CALLEE),
    Element("tap", _tap, TAP, WITH_CALLEE),
    Element("stop_tap", _closing("tap_control_id"), CONTROL, WITH_CALLEE),
)
METHODS.update({element.name: element for element in STREAMS})
