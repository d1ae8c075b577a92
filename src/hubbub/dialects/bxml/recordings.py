"""DOCUMENT: recordings: Record on a call; StartRecording, StopRecording, PauseRecording, ResumeRecording on a call and in a room."""

from __future__ import annotations

from typing import Any

from hubbub.conference.policy import RecordingWish
from hubbub.dialects.bxml.rows import BOTH, CREDENTIALS, ON_CALL, TAG, guarded, link, tagged, webhook
from hubbub.dialects.tables import Attr, Compiler, Element, Node, choice, decimal, lenient_boolean, matching, method, url
from hubbub.events import Link
from hubbub.verbs.capture import PauseRecording, Record, ResumeRecording, StartRecording, StopRecording
from hubbub.verbs.model import Stage
from hubbub.verbs.program import Step

TRANSCRIPTION = (
    Attr("transcribe", "transcribe", lenient_boolean, False, why="not of a room, as at its vendor"),
    Attr("detectLanguage", None, lenient_boolean, why="the recogniser knows English"),
    Attr("transcriptionAvailableUrl", "transcript_url", url, None),
    Attr("transcriptionAvailableMethod", "transcript_method", method, "POST"),
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
    """The webhooks for the file and for its text, with the verb's own credentials (4.4), and the file's form."""

    def link(url: str | None, method: str) -> Link | None:
        if not url:
            return None
        return guarded(node, Link(compiler.absolute(url), method, values["username"], values["password"]))

    told = link(values["recording_url"], values["recording_method"])
    transcribe = values["transcribe"] and compiler.stage is not Stage.ROOM
    transcript = link(values["transcript_url"], values["transcript_method"]) if transcribe else None
    form = values["recording_format"]
    if told is None and not transcribe and form == "wav":
        return None
    events = frozenset({"completed", "absent", "failed"}) if told is not None else frozenset({"completed"})
    return RecordingWish(told, events, form, transcribe=transcribe, transcript_link=transcript)


ELEMENTS = (
    Element("Record", record, RECORD, ON_CALL),
    Element("StartRecording", start_recording, START_RECORDING, BOTH),
    Element("StopRecording", lambda _c, n, _v: StopRecording(at=n.at), (), BOTH),
    Element("PauseRecording", lambda _c, n, _v: PauseRecording(at=n.at), (), BOTH),
    Element("ResumeRecording", lambda _c, n, _v: ResumeRecording(at=n.at), (), BOTH),
)
