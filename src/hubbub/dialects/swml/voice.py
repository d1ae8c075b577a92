"""DOCUMENT: methods of SWML that ask and record: prompt, send_digits, record, record_call, stop_record_call (3.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubbub.conference.policy import RecordingWish
from hubbub.dialects.swml.document import METHODS, WITH_CALLEE, Stopping, listed, wrong
from hubbub.dialects.swml.sounds import STATUS, VOICES, follower, one_sound
from hubbub.dialects.tables import Attr, Compiler, Element, Node, boolean, choice, decimal, integer, matching, text
from hubbub.events import Link, Track
from hubbub.ids import new_id
from hubbub.verbs.capture import Record, RecordingEnd, StartRecording, StopRecording
from hubbub.verbs.hearing import Listening
from hubbub.verbs.model import Gather, SendDigits
from hubbub.verbs.program import SetVariables, Step

SIDES: Mapping[str, Track] = {"speak": "inbound", "listen": "outbound", "both": "both"}
KEYS = matching(r"[0-9*#]*", "may hold 0-9 * #")


def _prompt(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    given = values["play"]
    sounds = given if isinstance(given, list) else [given]
    if not sounds or not all(isinstance(item, str) and item for item in sounds):
        raise wrong("method_parameter_missing", f"{node.at.path}: needs 'play', a URL or a list of URLs")
    prompts = tuple(one_sound(compiler, item, values, node) for item in sounds)
    return (
        Gather(
            prompts=prompts,
            max_digits=values["max_digits"],
            finish_on=values["terminators"],
            first_timeout=values["initial_timeout"],
            next_timeout=values["digit_timeout"],
            followed=follower(compiler, values, "gathering"),
            speech=_listening(node, values),
            at=node.at,
        ),
    )


def _listening(node: Node, values: dict[str, Any]) -> Listening | None:
    """ "any speech param disables digits unless a digit param is set too"."""
    if not any(name.startswith("speech_") for name in node.attributes):
        return None
    hints = values["hints"] if isinstance(values["hints"], list) else [values["hints"]]
    return Listening(
        language=values["speech_language"],
        hints=tuple(hint for hint in hints if isinstance(hint, str) and hint),
        pause_seconds=values["speech_pause"],
        most_seconds=values["speech_most"],
        keys=any(name in node.attributes for name in ("max_digits", "terminators", "digit_timeout")),
    )


def _send_digits(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    return SendDigits(digits=values["digits"], at=node.at), SetVariables({"send_digits_result": "finished"})


def _wish(compiler: Compiler, values: dict[str, Any]) -> RecordingWish | None:
    told = values["status_url"]
    if told is None and values["format"] == "wav":
        return None
    link = None if told is None else Link(compiler.absolute(told), "POST")
    return RecordingWish(link, frozenset({"in-progress", "completed", "absent", "failed"}), values["format"], style="call")


def _record(compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    return Record(
        track=SIDES[values["direction"]],
        first_silence_seconds=values["initial_timeout"],
        silence_seconds=values["end_silence"],
        finish_on=values["terminators"],
        max_seconds=values["max_length"] or 86_400.0,
        beep=values["beep"],
        trim=False,
        notices=_wish(compiler, values),
        at=node.at,
    )


def _record_call(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    control = values["control_id"] or new_id()
    return (
        SetVariables({"record_control_id": control}),
        StartRecording(
            notices=_wish(compiler, values),
            track=SIDES[values["direction"]],
            channels=2 if values["stereo"] and values["direction"] == "both" else 1,
            name=control,
            beep=values["beep"],
            until=RecordingEnd(values["initial_timeout"], values["end_silence"], values["terminators"], values["max_length"]),
            at=node.at,
        ),
    )


_stop_record_call = Stopping("record_control_id", lambda name, at: StopRecording(name=name, at=at))


PROMPT = (
    Attr("play", "play", listed, None, required=True),
    Attr("max_digits", "max_digits", integer(1), 1),
    Attr("terminators", "terminators", KEYS, ""),
    Attr("digit_timeout", "digit_timeout", decimal(0, 600), 5.0),
    Attr("initial_timeout", "initial_timeout", decimal(0, 600), 5.0),
    *VOICES,
    Attr("speech_timeout", "speech_most", decimal(0.1, 60), 60.0),
    Attr("speech_end_timeout", "speech_pause", decimal(0.1, 60), 1.0),
    Attr("speech_language", "speech_language", text, ""),
    Attr("speech_hints", "hints", listed, ()),
    Attr("speech_engine", "speech_engine", text, "", why="there is one recogniser; like every speech parameter it lets speech count"),
    STATUS,
)
FORMAT = Attr("format", "format", choice("wav", "mp3", mp4="mp3"), "wav", why="`mp4` gives MP3: encoders of AAC are not free")
SENSITIVITY = Attr("input_sensitivity", None, decimal(0, 100), why="speech is told from noise as everywhere here")
RECORD = (
    Attr("stereo", None, boolean, why="one side is recorded, which is one channel"),
    FORMAT,
    Attr("direction", "direction", choice("speak", "listen"), "speak"),
    Attr("terminators", "terminators", KEYS, "#"),
    Attr("beep", "beep", boolean, False),
    SENSITIVITY,
    Attr("initial_timeout", "initial_timeout", decimal(0), 4.0),
    Attr("end_silence_timeout", "end_silence", decimal(0), 5.0),
    Attr("max_length", "max_length", decimal(0), 0.0),
    STATUS,
)
RECORD_CALL = (
    Attr("control_id", "control_id", text, ""),
    Attr("stereo", "stereo", boolean, False),
    FORMAT,
    Attr("direction", "direction", choice("speak", "listen", "both"), "both"),
    Attr("terminators", "terminators", KEYS, ""),
    Attr("beep", "beep", boolean, False),
    SENSITIVITY,
    Attr("initial_timeout", "initial_timeout", decimal(0), 0.0),
    Attr("end_silence_timeout", "end_silence", decimal(0), 0.0),
    Attr("max_length", "max_length", decimal(0), 0.0),
    STATUS,
)
DIGITS = Attr("digits", "digits", matching(r"[0-9A-Da-d*#wW]+", "may hold 0-9 A-D * # w W"), "", required=True)
CONTROL = (Attr("control_id", "control_id", text, "", why="none: the last one begun"),)
VOICE = (
    Element("prompt", _prompt, PROMPT, WITH_CALLEE),
    Element("send_digits", _send_digits, (DIGITS,), WITH_CALLEE),
    Element("record", _record, RECORD, WITH_CALLEE),
    Element("record_call", _record_call, RECORD_CALL, WITH_CALLEE),
    Element("stop_record_call", _stop_record_call, CONTROL, WITH_CALLEE),
)
METHODS.update({method.name: method for method in VOICE})
