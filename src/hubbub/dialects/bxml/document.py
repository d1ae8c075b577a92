"""DOCUMENT: BXML verbs. Any mistake rejects the document as a whole (2.4, 4.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hubbub.conference.policy import Policy
from hubbub.dialects.builders import RoomDefaults, join_room, spoken
from hubbub.dialects.bxml import connecting, digits, live, recordings, ssml, streams, voices
from hubbub.dialects.bxml.rows import (
    BOTH,
    CREDENTIALS,
    FALLBACK_CREDENTIALS,
    INVALID,
    MAIN_CALL,
    ON_CALL,
    TAG,
    invalid,
    link,
    tagged,
    webhook,
)
from hubbub.dialects.tables import (
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
    PlayAudio,
    PlayTone,
    Redirect,
    Speak,
    Tag,
)
from hubbub.verbs.program import Step, Verb

ROOM = RoomDefaults(
    "bxml",
    Policy(minimum_to_start=1, capacity=20, max_age_seconds=86_400, coach_limit=1, beeps=False, wait_music=False),
    coach_must_be_present=False,
)
ROOM_EVENTS = frozenset({RoomEventKind.CREATED, RoomEventKind.JOINED, RoomEventKind.LEFT, RoomEventKind.ENDED})
"""Created, member join, member exit, completed: all four, whenever there is a URL."""


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
    TAG,
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
    timeout = values["timeout"] or values["timeout_misspelt"]
    verb = join_room(
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
    return replace(verb, joining=replace(verb.joining, settings=replace(verb.joining.settings, timeout=timeout)))


def _event_link(compiler: Compiler, values: dict[str, Any]) -> Link | None:
    if values["status_url"] is None:
        return None
    fallback = None
    if values["fallback_url"]:
        credentials = values["fallback_username"], values["fallback_password"]
        fallback = Link(compiler.absolute(values["fallback_url"]), values["fallback_method"], *credentials)
    return Link(compiler.absolute(values["status_url"]), values["status_method"], values["username"], values["password"], None, fallback)


def speak(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<SpeakSentence>`."""
    sentence = spoken(node)
    if not sentence:
        raise DocumentError(INVALID, "<SpeakSentence> has nothing to say", line=node.at.line, column=node.at.column)
    ssml.check(compiler, node)
    voice, language, gender = voices.chosen(values["voice"], values["locale"], values["gender"])
    return Speak(text=sentence, voice=voice, gender=gender, language=language, at=node.at)


def play(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<PlayAudio>`."""
    if not node.text:
        raise DocumentError(INVALID, "<PlayAudio> has no URL", line=node.at.line, column=node.at.column)
    target = compiler.linked(node, INVALID)
    assert target is not None  # a strict table rejects the document instead
    return PlayAudio(link=Link(target, "GET", values["username"], values["password"]), at=node.at)


def redirect(compiler: Compiler, node: Node, values: dict[str, Any]) -> tuple[Step, ...]:
    """`<Redirect>`."""
    target = link(compiler, values)
    if target is None:
        raise invalid(node, "needs 'redirectUrl'")
    return tagged(node, values, Redirect(link=target, at=node.at))


SPEAK = (
    Attr("voice", "voice", voices.voice, ""),
    Attr("gender", "gender", choice("male", "female"), "female"),
    Attr("locale", "locale", voices.locale, "en_US"),
)

TABLE = DocumentTable(
    roots=("Response", "Bxml"),
    elements={
        element.name: element
        for element in (
            Element("Conference", conference, CONFERENCE, MAIN_CALL),
            Element("SpeakSentence", speak, SPEAK, BOTH, children=("*",)),
            Element("PlayAudio", play, CREDENTIALS, BOTH),
            Element(
                "Pause",
                lambda _c, n, v: Pause(seconds=v["seconds"], at=n.at),
                (Attr("duration", "seconds", decimal(0.1, 86_400), 1.0),),
                ON_CALL,
            ),
            Element(
                "Ring",
                lambda _c, n, v: PlayTone(kind="ring", seconds=v["seconds"], answers=v["answers"], at=n.at),
                (
                    Attr("duration", "seconds", decimal(0.1, 86_400), 5.0),
                    Attr("answerCall", "answers", lenient_boolean, True),
                ),
                ON_CALL,
            ),
            Element("Hangup", lambda _c, n, _v: Hangup(at=n.at), (), ON_CALL),
            Element("Redirect", redirect, webhook("redirect", required=True), ON_CALL),
            Element("Tag", lambda _c, n, _v: Tag(tag=n.text, at=n.at), (), ON_CALL),
            *digits.ELEMENTS,
            *recordings.ELEMENTS,
            *connecting.ELEMENTS,
            *streams.ELEMENTS,
            *live.ELEMENTS,
        )
    },
    nested={**connecting.NOUNS, **streams.NOUNS, **live.NOUNS},
    malformed=INVALID,
    wrong_root=INVALID,
    unknown=INVALID,
    wrong_stage=INVALID,
    bad_value=INVALID,
    strict=True,
    empty_is_unset=True,
)
