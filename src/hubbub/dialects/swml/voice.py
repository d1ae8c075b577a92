"""DOCUMENT: methods of SWML that ask and record: prompt, send_digits, record, record_call, stop_record_call (3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubbub.conference.policy import RecordingWish
from hubbub.dialects.swml.document import METHODS, ON_CALL, listed, one_sound, wrong
from hubbub.dialects.tables import NOT_BUILT, Attr, Compiler, Element, Node, boolean, choice, decimal, integer, matching, text, url
from hubbub.events import Link
from hubbub.ids import new_id
from hubbub.verbs.model import Gather, Record, SendDigits, SetVariables, StartRecording, Step, StopRecording, Verb

RECOGNISER = "no recogniser is installed"
KEYS = matching(r"[0-9*#]*", "may hold 0-9 * #")


def _prompt(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    given = values["play"]
    sounds = given if isinstance(given, list) else [given]
    if not sounds or not all(isinstance(item, str) and item for item in sounds):
        raise wrong("method_parameter_missing", f"{node.at.path}: needs 'play', a URL or a list of URLs")
    prompts = tuple(one_sound(compiler, item, values, node) for item in sounds)
    return (
        Gather(
            prompts=tuple(prompt for prompt in prompts if isinstance(prompt, Verb)),
            max_digits=values["max_digits"],
            finish_on=values["terminators"],
            first_timeout=values["initial_timeout"],
            next_timeout=values["digit_timeout"],
            at=node.at,
        ),
    )


def _send_digits(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    return SendDigits(digits=values["digits"], at=node.at), SetVariables({"send_digits_result": "finished"})


def _wish(compiler: Compiler, values: dict[str, Any]) -> RecordingWish | None:
    if values["status_url"] is None:
        return None
    return RecordingWish(
        Link(compiler.absolute(values["status_url"]), "POST"), frozenset({"in-progress", "completed", "absent"}), style="call"
    )


def _record(compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    return Record(
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
    sides = {"speak": "inbound", "listen": "outbound", "both": "both"}
    return (
        SetVariables({"record_control_id": control}),
        StartRecording(
            notices=_wish(compiler, values),
            track=sides[values["direction"]],  # type: ignore[arg-type]
            channels=2 if values["stereo"] and values["direction"] == "both" else 1,
            name=control,
            at=node.at,
        ),
    )


def _stop_record_call(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    return StopRecording(name=values["control_id"], at=node.at)


MP3 = f"{NOT_BUILT}: recordings are WAV"
VOICES = (
    Attr("say_voice", "voice", text, ""),
    Attr("say_language", "language", text, ""),
    Attr("say_gender", "gender", text, ""),
)
PROMPT = (
    Attr("play", "play", listed, None, required=True),
    Attr("max_digits", "max_digits", integer(1), 1),
    Attr("terminators", "terminators", KEYS, ""),
    Attr("digit_timeout", "digit_timeout", decimal(0, 600), 5.0),
    Attr("initial_timeout", "initial_timeout", decimal(0, 600), 5.0),
    *VOICES,
    *(Attr(name, None, why=RECOGNISER) for name in ("speech_timeout", "speech_end_timeout", "speech_language", "speech_engine")),
    Attr("speech_hints", None, listed, why=RECOGNISER),
    Attr("volume", None, decimal(-40, 40), why=NOT_BUILT),
    Attr("status_url", None, url, why=NOT_BUILT),
)
FORMAT = Attr("format", None, choice("wav", "mp3", "mp4"), why=MP3)
SENSITIVITY = Attr("input_sensitivity", None, decimal(0, 100), why="speech is told from noise as everywhere here")
RECORD = (
    Attr("stereo", None, boolean, why="one side is recorded, which is one channel"),
    FORMAT,
    Attr("direction", None, choice("speak", "listen"), why="what the caller says is recorded"),
    Attr("terminators", "terminators", KEYS, "#"),
    Attr("beep", "beep", boolean, False),
    SENSITIVITY,
    Attr("initial_timeout", None, decimal(0), why="the time of silence that ends it is end_silence_timeout"),
    Attr("end_silence_timeout", "end_silence", decimal(0), 5.0),
    Attr("max_length", "max_length", decimal(0), 0.0),
    Attr("status_url", "status_url", url, None),
)
RECORD_CALL = (
    Attr("control_id", "control_id", text, ""),
    Attr("stereo", "stereo", boolean, False),
    FORMAT,
    Attr("direction", "direction", choice("speak", "listen", "both"), "both"),
    Attr("terminators", None, KEYS, why=f"{NOT_BUILT}: no key ends it"),
    Attr("beep", None, boolean, why=f"{NOT_BUILT}: it begins without a beep"),
    SENSITIVITY,
    Attr("initial_timeout", None, decimal(0), why=f"{NOT_BUILT}: silence does not end it"),
    Attr("end_silence_timeout", None, decimal(0), why=f"{NOT_BUILT}: silence does not end it"),
    Attr("max_length", None, decimal(0), why=f"{NOT_BUILT}: it lasts until it is stopped"),
    Attr("status_url", "status_url", url, None),
)
DIGITS = Attr("digits", "digits", matching(r"[0-9A-Da-d*#wW]+", "may hold 0-9 A-D * # w W"), "", required=True)
VOICE = (
    Element("prompt", _prompt, PROMPT, ON_CALL),
    Element("send_digits", _send_digits, (DIGITS,), ON_CALL),
    Element("record", _record, RECORD, ON_CALL),
    Element("record_call", _record_call, RECORD_CALL, ON_CALL),
    Element("stop_record_call", _stop_record_call, (Attr("control_id", "control_id", text, ""),), ON_CALL),
)
METHODS.update({method.name: method for method in VOICE})
