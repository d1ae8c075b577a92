"""CALLBACKS: what is told of methods that have a `status_url`, of user_event, and of what is wrong with a script (3.5, 3.9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hubbub.dialects.swml.callbacks import ENVELOPE, IDS, NODE, Told
from hubbub.dialects.tables import Out, render
from hubbub.events import ActionEvent, StreamEvent
from hubbub.settings import Account


@dataclass(frozen=True)
class Kind:
    """How one kind of action is told."""

    event_type: str
    rows: tuple[Out, ...]
    states: Mapping[str, str]
    """The vendor's words; a state that is not here is not told."""


def _detail(name: str) -> Out:
    return Out(name, lambda told: told.fact.details.get(name))


def _state(told: Told[ActionEvent]) -> str:
    return KINDS[told.fact.action].states[told.fact.state]


BASE: tuple[Out, ...] = (
    Out("call_id", lambda told: IDS.write(told.fact.call.id)),
    Out("node_id", lambda told: NODE),
    Out("segment_id", lambda told: IDS.write(told.fact.call.id)),
    Out("control_id", lambda told: told.fact.name or None),
)
STATE = Out("state", _state)


def _gathered(told: Told[ActionEvent]) -> dict[str, Any]:
    """What a prompt was answered with."""
    details = told.fact.details
    if told.fact.state == "failed":
        return {"type": "error"}
    if told.fact.state == "input":
        return {"type": "start_of_input"}
    digits, speech = details.get("digits") or "", details.get("speech") or ""
    if speech:
        return {"type": "speech", "params": {"text": speech, "confidence": details.get("confidence")}}
    if digits:
        return {"type": "digit", "params": {"digits": digits, "terminator": details.get("finish") or ""}}
    return {"type": "no_match" if details.get("finish") else "no_input"}


def _detected(told: Told[ActionEvent]) -> dict[str, Any]:
    """Who answered."""
    if told.fact.state == "failed":
        return {"type": "error"}
    by = str(told.fact.details.get("detect_result") or DETECTED.get(str(told.fact.details.get("by")), "unknown"))
    return {"type": "fax" if by == "fax" else "machine", "params": {"event": "CED" if by == "fax" else by.upper()}}


DETECTED = {
    "human": "human",
    "fax": "fax",
    **dict.fromkeys(("machine", "machine-beep", "machine-silence", "machine-other"), "machine"),
}
"""What is told of who answered; anything else is not known."""


def _place(name: str, field: str) -> Out:
    def read(told: Told[ActionEvent]) -> Any:
        place = told.fact.details.get("place")
        return None if place is None else getattr(place, field)

    return Out(name, read)


def _milliseconds(name: str) -> Any:
    def read(told: Told[ActionEvent]) -> int | None:
        seconds = told.fact.details.get(name)
        return None if seconds is None else round(1000 * seconds)

    return read


def _queue_status(told: Told[ActionEvent]) -> str:
    return KINDS["line"].states[told.fact.state]


PLAY = (*BASE, STATE, Out("error", lambda told: told.fact.details.get("reason") or None))
DETECT = (*BASE, Out("detect", _detected))
COLLECT = (*BASE, STATE, Out("final", lambda told: told.fact.state != "partly"), Out("result", _gathered))
GATHERED = {"input": "collecting", "partly": "collecting", "heard": "collecting", "ended": "finished", "failed": "error"}
QUEUE = (
    *BASE,
    Out("status", _queue_status),
    Out("id", lambda told: None if told.fact.details.get("place") is None else IDS.write(told.fact.details["place"].line)),
    _place("name", "name"),
    _place("position", "position"),
    _place("size", "size"),
    _place("avg_time", "average"),
    Out("enqueue_ts", _milliseconds("since")),
    Out("dequeue_ts", _milliseconds("taken_at")),
    _detail("result"),
)
STREAM = (*BASE, STATE, _detail("url"), _detail("name"), Out("error", lambda told: told.fact.details.get("reason") or None))
TAP = (*BASE, STATE, _detail("tap"), _detail("device"), Out("error", lambda told: told.fact.details.get("reason") or None))
REFER = (
    *BASE[:3],
    STATE,
    Out("sip_refer_to", lambda told: told.fact.name),
    Out("sip_refer_response_code", lambda told: told.fact.details.get("refer_code")),
    Out("sip_notify_response_code", lambda told: told.fact.details.get("notify_code")),
)
SIDES: Mapping[str, str] = {"inbound": "remote-caller", "outbound": "local-caller"}
"""Who speaks: the far end, or whoever that hears."""
TRANSCRIBE = (
    *BASE,
    STATE,
    Out("role", lambda told: SIDES.get(told.fact.details.get("track"))),
    *(_detail(name) for name in ("text", "confidence", "final", "error")),
    Out("duration", lambda told: told.fact.details.get("seconds")),
)
TRANSCRIBED = {"started": "transcribing", "content": "transcribing", "failed": "error", "stopped": "finished"}
DENOISE = (*BASE[:3], Out("denoised", lambda told: told.fact.details.get("on") is True))
MESSAGE = (*BASE[:3], Out("event", lambda told: told.fact.details.get("event")))
WARNING = (*BASE[:3], Out("code", lambda told: told.fact.state), _detail("message"), _detail("level"), _detail("line"))

PLAYED = {"began": "playing", "paused": "paused", "resumed": "playing", "ended": "finished", "failed": "error"}
KINDS: Mapping[str, Kind] = {
    "playing": Kind("calling.call.play", PLAY, PLAYED),
    "detection": Kind("calling.call.detect", DETECT, {"ended": "finished", "failed": "error"}),
    "gathering": Kind("calling.call.collect", COLLECT, GATHERED),
    "line": Kind("calling.call.queue", QUEUE, {"began": "enqueue", "taken": "dequeue", "ended": "leave"}),
    "stream": Kind("calling.call.stream", STREAM, {"began": "streaming", "ended": "finished", "failed": "error"}),
    "tap": Kind("calling.call.tap", TAP, {"began": "tapping", "ended": "finished", "failed": "error"}),
    "referral": Kind("calling.call.refer", REFER, {"began": "inProgress", "ended": "success", "failed": "error"}),
    "transcription": Kind("calling.call.transcribe", TRANSCRIBE, TRANSCRIBED),
    "denoise": Kind("calling.call.denoise", DENOISE, {"ended": "finished", "failed": "error"}),
    "message": Kind("calling.user_event", MESSAGE, {"sent": "sent"}),
}
WARNED = Kind("calling.script.warning", WARNING, {})


def stream_action(event: StreamEvent) -> ActionEvent:
    """How a stream or a tap gets on, as a method that is followed."""
    stream = event.stream
    states = {"started": "began", "stopped": "ended", "rejected": "failed"}
    details: dict[str, Any] = {"url": stream.url, "name": stream.name, "reason": event.error}
    if stream.what != "tap":
        return ActionEvent("stream", states[event.kind], event.call, event.at, stream.name, details)
    host, _, port = stream.url.removeprefix("rtp://").partition(":")
    direction = "both" if len(stream.tracks) > 1 else "speak" if stream.tracks == ("inbound",) else "listen"
    tap = {"type": "audio", "params": {"direction": direction}}
    rtp = stream.url.startswith("rtp:")
    device = {"type": "rtp", "params": {"addr": host, "port": int(port)}} if rtp else {"type": "ws", "params": {"uri": stream.url}}
    return ActionEvent("tap", states[event.kind], event.call, event.at, stream.name, {**details, "tap": tap, "device": device})


def told_fields(account: Account, event: ActionEvent) -> tuple[str, dict[str, Any]] | None:
    """The event's word and the JSON of its notice; None for what is not told."""
    kind = WARNED if event.action == "warning" else KINDS.get(event.action)
    if kind is None or (kind is not WARNED and event.state not in kind.states):
        return None
    told = Told(event, account, event.at, event.call.id, kind.event_type)
    return kind.event_type, render(ENVELOPE, told) | {"params": render(kind.rows, told)}
