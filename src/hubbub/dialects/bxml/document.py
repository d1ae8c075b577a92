"""DOCUMENT: BXML verbs. Any mistake rejects the document as a whole (2.4, 4.4)."""

from __future__ import annotations

from typing import Any

from hubbub.conference.policy import Policy
from hubbub.dialects.builders import RoomDefaults, join_room, recording_wish, spoken
from hubbub.dialects.tables import (
    NOT_BUILT,
    Attr,
    Compiler,
    DocumentTable,
    Element,
    Node,
    choice,
    decimal,
    lenient_boolean,
    matching,
    method,
    text,
    url,
)
from hubbub.errors import DocumentError
from hubbub.events import Link, RoomEventKind
from hubbub.verbs.model import (
    Hangup,
    Pause,
    PauseRecording,
    PlayAudio,
    PlayTone,
    Redirect,
    ResumeRecording,
    SendDigits,
    Speak,
    Stage,
    StartRecording,
    StopRecording,
    Tag,
    Verb,
)

INVALID = "invalid-bxml"
ON_CALL = frozenset({Stage.CALL})
IN_ROOM = frozenset({Stage.ROOM})
BOTH = frozenset({Stage.CALL, Stage.ROOM})

ROOM = RoomDefaults(
    "bxml",
    Policy(minimum_to_start=1, capacity=20, max_age_seconds=86_400, coach_limit=1, beeps=False, wait_music=False),
    coach_must_be_present=False,
)
ROOM_EVENTS = frozenset({RoomEventKind.CREATED, RoomEventKind.JOINED, RoomEventKind.LEFT, RoomEventKind.ENDED})
"""Created, member join, member exit, completed: all four, whenever there is a URL."""

CREDENTIALS = (Attr("username", "username", text, ""), Attr("password", "password", text, ""))
FALLBACK_CREDENTIALS = (Attr("fallbackUsername", "fallback_username", text, ""), Attr("fallbackPassword", "fallback_password", text, ""))

CONFERENCE = (
    Attr("mute", "muted", lenient_boolean, False),
    Attr("hold", "held", lenient_boolean, False),
    Attr("callIdsToCoach", "coach", text, ""),
    Attr("conferenceEventUrl", "status_url", url, None),
    Attr("conferenceEventMethod", "status_method", method, "POST"),
    Attr("conferenceEventFallbackUrl", "fallback_url", url, None),
    Attr("conferenceEventFallbackMethod", "fallback_method", method, "POST"),
    *CREDENTIALS,
    *FALLBACK_CREDENTIALS,
    Attr("tag", "tag", matching(r".{0,256}", "has at most 256 characters"), None),
    Attr("calbackTimeout", "timeout_misspelt", decimal(1, 25), None, why="the spelling of the public page; the right one wins"),
    Attr("callbackTimeout", "timeout", decimal(1, 25), None),
    Attr("name", "name", text, "", why="how an older SDK spelled the room's name"),
)


def conference(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<Conference>`."""
    room = matching(r"[A-Za-z0-9._-]{1,100}", "the room name has 1 to 100 letters, digits, '-', '_' or '.'")
    try:
        name = room(node.text or values["name"])
    except ValueError as error:
        raise DocumentError(INVALID, f"<Conference>: {error}", line=node.at.line, column=node.at.column) from error
    values["coach"] = tuple(part.strip() for part in values["coach"].split(",") if part.strip())
    if node.attributes.get("tag") == "":
        values["tag"] = ""  # the one attribute whose empty text means something: the tag is cleared
    return join_room(
        compiler,
        ROOM,
        {
            **values,
            "room": name,
            "status_events": ROOM_EVENTS,
            "status_replies": True,
            "status_link": _event_link(compiler, values),
            "start_on_enter": True,
        },
        node.at,
    )


def _event_link(compiler: Compiler, values: dict[str, Any]) -> Link | None:
    if values["status_url"] is None:
        return None
    timeout = values["timeout"] or values["timeout_misspelt"]
    fallback = None
    if values["fallback_url"]:
        fallback = Link(
            compiler.absolute(values["fallback_url"]),
            values["fallback_method"],
            values["fallback_username"],
            values["fallback_password"],
            timeout,
        )
    return Link(compiler.absolute(values["status_url"]), values["status_method"], values["username"], values["password"], timeout, fallback)


def speak(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<SpeakSentence>`."""
    sentence = spoken(node)
    if not sentence:
        raise DocumentError(INVALID, "<SpeakSentence> has nothing to say", line=node.at.line, column=node.at.column)
    return Speak(text=sentence, voice=values["voice"], gender=values["gender"], language=values["locale"].replace("_", "-"), at=node.at)


def play(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<PlayAudio>`."""
    if not node.text:
        raise DocumentError(INVALID, "<PlayAudio> has no URL", line=node.at.line, column=node.at.column)
    target = compiler.linked(node, INVALID)
    assert target is not None  # a strict table rejects the document instead
    return PlayAudio(link=Link(target, "GET", values["username"], values["password"]), at=node.at)


DIGITS = matching(r"[0-9*#a-dA-D,wW]{1,50}", "has 1 to 50 of 0-9 * # a-d A-D , w W")


def send_digits(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<SendDtmf>`."""
    try:
        digits = DIGITS(node.text)
    except ValueError as error:
        raise DocumentError(INVALID, f"<SendDtmf>: its text {error}", line=node.at.line, column=node.at.column) from error
    return SendDigits(digits=digits.replace(",", "w"), at=node.at)


def redirect(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<Redirect>`."""
    fallback = None
    if values["fallback_url"]:
        fallback = Link(
            compiler.absolute(values["fallback_url"]),
            values["fallback_method"],
            values["fallback_username"],
            values["fallback_password"],
        )
    target = Link(compiler.absolute(values["url"] or ""), values["method"], values["username"], values["password"], None, fallback)
    return Redirect(link=target, at=node.at)


def start_recording(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<StartRecording>` in a room."""
    if values["recording_url"]:
        values["recording_link"] = Link(
            compiler.absolute(values["recording_url"]), values["recording_method"], values["username"], values["password"]
        )
    return StartRecording(notices=recording_wish(compiler, values), at=node.at)


REDIRECT = (
    Attr("redirectUrl", "url", url, None, required=True),
    Attr("redirectMethod", "method", method, "POST"),
    Attr("redirectFallbackUrl", "fallback_url", url, None),
    Attr("redirectFallbackMethod", "fallback_method", method, "POST"),
    *CREDENTIALS,
    *FALLBACK_CREDENTIALS,
    Attr("tag", None, why="the redirect's own webhook carries the call's tag"),
)

START_RECORDING = (
    Attr("recordingAvailableUrl", "recording_url", url, None),
    Attr("recordingAvailableMethod", "recording_method", method, "POST"),
    *CREDENTIALS,
    Attr("fileFormat", None, choice("wav", "mp3"), why=f"{NOT_BUILT}: recordings are WAV"),
    Attr("transcribe", None, why="ignored in rooms by its vendor too"),
    Attr("transcriptionAvailableUrl", None, why="ignored in rooms by its vendor too"),
    Attr("transcriptionAvailableMethod", None, why="ignored in rooms by its vendor too"),
    Attr("detectLanguage", None, why="ignored in rooms by its vendor too"),
    Attr("multiChannel", None, why="a room's recording has one channel"),
    Attr("tag", None, why="ignored in rooms by its vendor too"),
    Attr("recordingName", None, why="not shown in rooms"),
)

SPEAK = (
    Attr("voice", "voice", text, ""),
    Attr("gender", "gender", choice("male", "female"), ""),
    Attr("locale", "locale", text, "en_US"),
)

LATER = (
    *("Gather", "StartGather", "StopGather", "Record", "Transfer", "Bridge", "Forward", "Refer", "Connect"),
    *("StartStream", "StopStream", "StartTranscription", "StopTranscription"),
)
"""Verbs of calls that are not built yet."""
ROOMS_ONLY = "works in rooms; the recording of a call is not built yet"

TABLE = DocumentTable(
    roots=("Response", "Bxml"),
    elements={
        element.name: element
        for element in (
            Element("Conference", conference, CONFERENCE, ON_CALL),
            Element("SpeakSentence", speak, SPEAK, BOTH, children=("*",)),
            Element("PlayAudio", play, CREDENTIALS, BOTH),
            Element(
                "Pause", lambda _c, n, v: Pause(seconds=v["seconds"], at=n.at), (Attr("duration", "seconds", decimal(0.1, 86_400), 1.0),)
            ),
            Element(
                "Ring",
                lambda _c, n, v: PlayTone(kind="ring", seconds=v["seconds"], at=n.at),
                (
                    Attr("duration", "seconds", decimal(0.1, 86_400), 5.0),
                    Attr("answerCall", None, lenient_boolean, why=f"{NOT_BUILT}: ringing before the call is answered"),
                ),
            ),
            Element("Hangup", lambda _c, n, _v: Hangup(at=n.at)),
            Element("Redirect", redirect, REDIRECT),
            Element("Tag", lambda _c, n, _v: Tag(tag=n.text, at=n.at)),
            Element(
                "SendDtmf",
                send_digits,
                (
                    Attr("toneDuration", None, decimal(50, 5000), why="tones last 200 ms"),
                    Attr("toneInterval", None, decimal(50, 5000), why="gaps last 100 ms"),
                ),
            ),
            Element("StartRecording", start_recording, START_RECORDING, IN_ROOM, why=ROOMS_ONLY),
            Element("StopRecording", lambda _c, n, _v: StopRecording(at=n.at), (), IN_ROOM, why=ROOMS_ONLY),
            Element("PauseRecording", lambda _c, n, _v: PauseRecording(at=n.at), (), IN_ROOM, why=ROOMS_ONLY),
            Element("ResumeRecording", lambda _c, n, _v: ResumeRecording(at=n.at), (), IN_ROOM, why=ROOMS_ONLY),
            *(Element(name, None, why=NOT_BUILT) for name in LATER),
        )
    },
    nested={},
    malformed=INVALID,
    wrong_root=INVALID,
    unknown=INVALID,
    wrong_stage=INVALID,
    bad_value=INVALID,
    strict=True,
    empty_is_unset=True,
)
