"""RESOURCES of Calling REST: one path, many commands; each is a row, by what stands in the body's `command` (4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hubbub.dialects.swml.expressions import spelled
from hubbub.dialects.tables import (
    Converter,
    Operation,
    Param,
    boolean,
    choice,
    decimal,
    described,
    integer,
    matching,
    method,
    text,
    words,
)
from hubbub.dialects.twiml.operations import absolute_url

PATH = "/calls"
STATES = {
    **dict.fromkeys(("queued", "initiated", "created"), frozenset({"initiated"})),
    "ringing": frozenset({"ringing"}),
    "answered": frozenset({"answered"}),
    **dict.fromkeys(("ending", "ended"), frozenset({"completed"})),
}
"""The words of `status_events`, of both documents; one event is told once, whatever its words."""
REASONS = {"hangup": "", "cancel": "", "busy": "busy", "noAnswer": "declined", "decline": "declined", "error": "error"}
VARIABLE = re.compile(r"(?!(?:signalwire|sw|rtc|internal)_)[A-Za-z_]\w*", re.ASCII)
MOST_VARIABLES, LONGEST_VARIABLE = 20, 1024


def listed(read: Converter, what: str) -> Converter:
    """A list of texts, or one."""

    def reading(value: Any) -> Any:
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in texts):
            raise ValueError("must be a list of texts")
        return read(" ".join(texts))

    return described(reading, what)


def variables(value: Any) -> dict[str, Any]:
    """An object of at most 20 variables: names like `a_1`, values of at most 1024 bytes."""
    if not isinstance(value, dict) or len(value) > MOST_VARIABLES:
        raise ValueError(f"must be an object of at most {MOST_VARIABLES} variables")
    for name, given in value.items():
        if not VARIABLE.fullmatch(name):
            raise ValueError(f"{name[:100]!r} is no name of a variable here")
        if isinstance(given, (dict, list)) or len(spelled(given).encode()) > LONGEST_VARIABLE:
            raise ValueError(f"the value of {name!r} must be a text of at most {LONGEST_VARIABLE} bytes")
    return dict(value)


def an_object(value: Any) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


def a_list(value: Any) -> list[Any]:
    """A list of objects."""
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise ValueError("must be a list of objects")
    return value


def script(value: Any) -> Any:
    """A script: an object, or its text (JSON or YAML)."""
    if not isinstance(value, (dict, str)) or not value:
        raise ValueError("must be a script: an object or a text")
    return value


EVENTS = listed(words(STATES), words(STATES).__doc__ or "")
DOCUMENT = (
    Param("url", "url", absolute_url),
    Param("swml", "document", script, whole=True),
    Param("fallback_url", "fallback_url", absolute_url),
    Param("status_url", "progress_url", absolute_url),
    Param("status_events", "progress_events", EVENTS, whole=True),
)
DIAL = (
    Param("from", "from", text, required=True),
    Param("to", "to", text, why="required"),
    *DOCUMENT,
    Param("url_method", "method", method),
    Param("caller_id", "display", matching(r".{0,255}", "has at most 255 characters"), why="the name that the callee sees"),
    Param("username", "sip_username", matching(r".{0,255}", "has at most 255 characters")),
    Param("password", "sip_password", matching(r".{0,255}", "has at most 255 characters")),
    Param("timeout", "ring_seconds", decimal(1, 600)),
    Param("send_digits", "digits", matching(r"[0-9A-Da-d*#wW]{0,128}", "may hold 0-9 A-D * # w W")),
    Param("custom_variables", "envs", variables, whole=True),
    Param("codecs", None, listed(text, "a list of names"), whole=True, why="the codecs of SIP are configured"),
    Param("max_price_per_minute", None, decimal(0), why="calls cost nothing here"),
    Param("region", None, listed(text, "a name, or a list of them"), whole=True, why="mixing is local"),
    Param("to_script", "to_script", text, why="refused: what is called is a phone; `url` and `swml` say what runs"),
)
UPDATE = (
    Param("id", "id", text, required=True),
    *DOCUMENT,
    Param("status", "status", choice("canceled", "completed")),
)
CONTROL = Param("control_id", "control", matching(r".{1,255}", "has 1 to 255 characters"))
NAMED = Param("control_id", "control", matching(r".{1,255}", "has 1 to 255 characters"), required=True)
TOLD = Param("status_url", "told_to", absolute_url)
VOLUME = decimal(-40, 40)


def _command(name: str, does: str, *params: Param) -> Operation:
    return Operation("POST", PATH, does, "call", params, command=name)


def _stopped(name: str) -> Operation:
    return _command(name, "change_control", NAMED)


COMMANDS: Sequence[Operation] = (
    _command("dial", "create_call", *DIAL),
    _command("update", "update_call", *UPDATE),
    _command("calling.end", "end_call", Param("reason", "reason", choice(**REASONS))),
    _command("calling.transfer", "transfer_call", Param("dest", "dest", script, whole=True, required=True)),
    _command("calling.disconnect", "part_call"),
    _command("calling.hold", "hold_call"),
    _command("calling.unhold", "hold_call"),
    _command("calling.leave_conference", "leave_room", Param("conference_id", None, text, why="a call is in one conference")),
    _command(
        "calling.play",
        "play_on_call",
        Param("play", "play", a_list, whole=True, required=True),
        CONTROL,
        Param("volume", "gain_db", VOLUME),
        Param("direction", "heard_by", choice("listen", "speak", "both")),
        Param("loop", "loops", integer(0)),
        TOLD,
    ),
    _command("calling.play.pause", "change_control", NAMED),
    _command("calling.play.resume", "change_control", NAMED),
    _stopped("calling.play.stop"),
    _command("calling.play.volume", "change_control", NAMED, Param("volume", "gain_db", VOLUME, required=True)),
    _command(
        "calling.record",
        "do_on_call",
        CONTROL,
        Param("record", "record", an_object, whole=True, why="holds `audio`"),
        Param("audio", "audio", an_object, whole=True),
        TOLD,
    ),
    _command(
        "calling.record.pause",
        "change_call_recording",
        NAMED,
        Param("behavior", "keep_silence", choice(skip=False, silence=True)),
    ),
    _command("calling.record.resume", "change_call_recording", NAMED),
    _stopped("calling.record.stop"),
    _command(
        "calling.collect",
        "do_on_call",
        CONTROL,
        Param("initial_timeout", "initial_timeout", decimal(0, 600)),
        Param("digits", "digits", an_object, whole=True),
        Param("speech", "speech", an_object, whole=True),
        Param("start_input_timers", "timers_run", boolean, why="false: they wait for the command; they run where nothing is said"),
        Param("continuous", "continuous", boolean),
        Param("partial_results", "partial", boolean),
        Param("send_start_of_input", "beginning", boolean),
        TOLD,
    ),
    _stopped("calling.collect.stop"),
    _command("calling.collect.start_input_timers", "change_control", NAMED),
    _command(
        "calling.detect", "do_on_call", CONTROL,
        Param("detect", "detect", an_object, whole=True, required=True, why="its `detect_interruptions` has no effect"),
        Param("timeout", "timeout", decimal(0, 600)), TOLD,
    ),
    _stopped("calling.detect.stop"),
    _command(
        "calling.tap", "do_on_call", CONTROL, Param("tap", "tap", an_object, whole=True, required=True),
        Param("device", "device", an_object, whole=True, required=True), TOLD,
    ),
    _stopped("calling.tap.stop"),
    _command(
        "calling.stream",
        "do_on_call",
        CONTROL,
        Param("url", "stream_url", text, required=True),
        Param("name", "name", text),
        Param("codec", "codec", text),
        Param("track", "track", choice("inbound_track", "outbound_track", "both_tracks")),
        Param("realtime", "realtime", boolean),
        Param("authorization_bearer_token", "bearer", text),
        Param("custom_parameters", "parameters", an_object, whole=True),
        TOLD,
        Param("status_url_method", "told_by", method),
    ),
    _stopped("calling.stream.stop"),
    _command("calling.denoise", "do_on_call"),
    _command("calling.denoise.stop", "change_control"),
    _command("calling.transcribe", "do_on_call", CONTROL, TOLD),
    _stopped("calling.transcribe.stop"),
    _command("calling.live_transcribe", "do_on_call", Param("action", "live", lambda value: value, whole=True, required=True)),
    _command(
        "calling.refer", "do_on_call", Param("device", "device", an_object, whole=True, required=True), TOLD,
    ),
    _command("calling.user_event", "do_on_call", Param("event", "event", an_object, whole=True, required=True)),
    _command(
        "calling.ai_hold", "steer_functions", Param("timeout", "seconds", decimal(0, 300)),
        Param("prompt", None, text, why="there is no model that could say it"),
    ),
    _command("calling.ai_unhold", "steer_functions", Param("prompt", None, text, why="there is no model that could say it")),
    _command("calling.ai.stop", "steer_functions", CONTROL),
)  # fmt: skip
UNSUPPORTED: Mapping[str, str] = {
    "calling.ai_message": "there is no model that a message could be given to",
    "calling.live_translate": "there is no translator",
    "calling.send_fax.stop": "there are no faxes",
    "calling.receive_fax.stop": "there are no faxes",
    **{f"calling.ai_sidecar{part}": "there is no model" for part in ("", ".start", ".stop", ".message")},
}
"""Commands that are known and cannot be obeyed, and why."""
