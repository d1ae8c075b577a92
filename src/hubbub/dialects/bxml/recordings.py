"""DOCUMENT: recordings: Record on a call; StartRecording, StopRecording, PauseRecording, ResumeRecording on a call and in a room."""

from __future__ import annotations

from typing import Any

from hubbub.conference.policy import RecordingWish
from hubbub.dialects.bxml.rows import BOTH, CREDENTIALS, ON_CALL, TAG, guarded, link, tagged, webhook
from hubbub.dialects.tables import NOT_BUILT, Attr, Compiler, Element, Node, choice, decimal, lenient_boolean, matching, method, url
from hubbub.events import Link
from hubbub.verbs.model import PauseRecording, Record, ResumeRecording, Stage, StartRecording, Step, StopRecording

NO_TRANSCRIPTION = f"{NOT_BUILT}: nothing is transcribed; ignored in rooms by its vendor too"
TRANSCRIPTION = (
    Attr("transcribe", None, lenient_boolean, why=NO_TRANSCRIPTION),
    Attr("detectLanguage", None, lenient_boolean, why=NO_TRANSCRIPTION),
    Attr("transcriptionAvailableUrl", None, url, why=NO_TRANSCRIPTION),
    Attr("transcriptionAvailableMethod", None, method, why=NO_TRANSCRIPTION),
)
AVAILABLE = (
    Attr("recordingAvailableUrl", "recording_url", url, None),
    Attr("recordingAvailableMethod", "recording_method", method, "POST"),
    Attr("fileFormat", "recording_format", choice("wav", "mp3"), "wav"),
)
NAMED = Attr("recordingName", "name", matching(r".{0,256}", "has at most 256 characters"), "")

RECORD = (
    *webhook("recordComplete"),
    *AVAILABLE,
    *TRANSCRIPTION,
    Attr("terminatingDigits", "finish_on", matching(r"[0-9*#]{0,12}", "may hold 0-9, * and #"), "#"),
    Attr("maxDuration", "max_seconds", decimal(1, 10_800), 60.0),
    Attr("silenceTimeout", "silence", decimal(0, 10_800), 0.0),
    NAMED,
)
START_RECORDING = (
    *AVAILABLE,
    *CREDENTIALS,
    *TRANSCRIPTION,
    Attr("multiChannel", "two_channels", lenient_boolean, False, why="a room's recording has one channel"),
    TAG,
    NAMED,
)


def record(compiler: Compiler, node: Node, values: dict[str, Any]) -> tuple[Step, ...]:
    """`<Record>`: one party, without a beep; `terminatingDigits=""` disables keys."""
    done = link(compiler, values)
    finish_on = "" if node.attributes.get("terminatingDigits") == "" else values["finish_on"]
    verb = Record(
        on_done=guarded(node, done) if done is not None else None,
        silence_seconds=values["silence"],
        finish_on=finish_on,
        max_seconds=values["max_seconds"],
        beep=False,
        name=values["name"],
        trim=False,
        notices=_wish(compiler, node, values),
        at=node.at,
    )
    return tagged(node, values, verb)


def start_recording(compiler: Compiler, node: Node, values: dict[str, Any]) -> tuple[Step, ...]:
    """`<StartRecording>`: of a room one channel; of a call "caller = left, prompts = right when multiChannel"."""
    in_room = compiler.stage is Stage.ROOM
    channels = 2 if values["two_channels"] and not in_room else 1
    verb = StartRecording(notices=_wish(compiler, node, values), channels=channels, name=values["name"], only_one=True, at=node.at)
    return (verb,) if in_room else tagged(node, values, verb)


def _wish(compiler: Compiler, node: Node, values: dict[str, Any]) -> RecordingWish | None:
    """The webhook for the file, with the verb's own credentials (4.4), and the file's form."""
    form = values["recording_format"]
    if not values["recording_url"]:
        return RecordingWish(format=form) if form != "wav" else None
    target = Link(compiler.absolute(values["recording_url"]), values["recording_method"], values["username"], values["password"])
    return RecordingWish(guarded(node, target), frozenset({"completed", "absent", "failed"}), form)


ELEMENTS = (
    Element("Record", record, RECORD, ON_CALL),
    Element("StartRecording", start_recording, START_RECORDING, BOTH),
    Element("StopRecording", lambda _c, n, _v: StopRecording(at=n.at), (), BOTH),
    Element("PauseRecording", lambda _c, n, _v: PauseRecording(at=n.at), (), BOTH),
    Element("ResumeRecording", lambda _c, n, _v: ResumeRecording(at=n.at), (), BOTH),
)
