"""Builders shared by dialects: neutral verbs out of the flat neutral values that attribute rows give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hubbub.conference.policy import Joining, RecordingWish, RoomSettings, Subscription, Wait
from hubbub.dialects.rooms import RoomDefaults
from hubbub.dialects.tables import Compiler, Node
from hubbub.events import Link, RoomEventKind
from hubbub.verbs.model import JoinRoom
from hubbub.verbs.program import Position

BEEPS = {"both": (True, True), "enter": (True, False), "exit": (False, True), "none": (False, False)}

EVENT_GROUPS: Mapping[str, frozenset[RoomEventKind]] = {
    "start": frozenset({RoomEventKind.STARTED}),
    "end": frozenset({RoomEventKind.ENDED}),
    "join": frozenset({RoomEventKind.JOINED}),
    "leave": frozenset({RoomEventKind.LEFT}),
    "mute": frozenset({RoomEventKind.MUTED, RoomEventKind.UNMUTED}),
    "hold": frozenset({RoomEventKind.HELD, RoomEventKind.UNHELD}),
    "modify": frozenset({RoomEventKind.MODIFIED}),
    "speaker": frozenset({RoomEventKind.SPEECH_STARTED, RoomEventKind.SPEECH_STOPPED}),
    "dtmf": frozenset({RoomEventKind.DIGIT}),
    "ringing": frozenset({RoomEventKind.RINGING}),
    "answered": frozenset({RoomEventKind.ANSWERED}),
    "announcement": frozenset({RoomEventKind.ANNOUNCEMENT_ENDED, RoomEventKind.ANNOUNCEMENT_FAILED}),
}
"""The words that three of the dialects share for groups of room events."""

__all__ = ["BEEPS", "EVENT_GROUPS", "RoomDefaults", "join_room", "link", "recording_wish", "room_settings", "spoken", "wait"]


def link(compiler: Compiler, url: str | None, method: str = "POST", **more: Any) -> Link | None:
    """A link of the document, absolute; None stays None."""
    return None if url is None else Link(compiler.absolute(url), method, **more)


def join_room(compiler: Compiler, defaults: RoomDefaults, values: Mapping[str, Any], at: Position) -> JoinRoom:
    """The verb that joins a conference."""
    beep_enter, beep_exit = BEEPS[values.get("beep", "none")]
    joining = Joining(
        settings=room_settings(compiler, defaults, values),
        muted=values.get("muted", False),
        held=values.get("held", False),
        start_on_enter=values.get("start_on_enter", True),
        end_on_exit=values.get("end_on_exit", False),
        beep_on_enter=beep_enter,
        beep_on_exit=beep_exit,
        label=values.get("label") or "",
        tag=values.get("tag"),
        wait=wait(compiler, values),
        jitter_ms=values.get("jitter_ms", defaults.jitter),
        namespace=values.get("namespace") or "",
        alone=values.get("alone", False),
    )
    return JoinRoom(
        room=values.get("room", ""),
        joining=joining,
        on_done=link(compiler, values.get("action"), values.get("action_method", "POST")),
        time_limit_seconds=values.get("time_limit"),
        leave_on_star=values.get("leave_on_star", False),
        coach_ids=tuple(values.get("coach") or ()),
        coach_must_be_present=defaults.coach_must_be_present,
        refused=values.get("refused", ""),
        stream=values.get("stream"),
        at=at,
    )


def wait(compiler: Compiler, values: Mapping[str, Any]) -> Wait:
    """What a member hears before the room starts: absent is the built-in music, empty is silence."""
    url = values.get("wait_url")
    if url is None:
        return Wait()
    if url == "":
        return Wait(silent=True)
    return Wait(Link(compiler.absolute(url), values.get("wait_method") or "POST"))


def room_settings(compiler: Compiler, defaults: RoomDefaults, values: Mapping[str, Any]) -> RoomSettings:
    """What a joiner would decide for a new room."""
    capacity = values.get("max_members")
    policy = defaults.policy if capacity is None else replace(defaults.policy, capacity=capacity)
    if values.get("end_when_alone"):
        policy = replace(policy, end_when_alone=True)
    url = values.get("status_url")
    events: frozenset[RoomEventKind] = values.get("status_events") or frozenset()
    subscription = None
    if url and events:
        target = values.get("status_link") or Link(compiler.absolute(url), values.get("status_method", "POST"))
        subscription = Subscription(target, events, values.get("status_replies", False), values.get("status_style", defaults.style))
    return RoomSettings(
        dialect=defaults.dialect,
        policy=policy,
        subscription=subscription,
        record=values.get("record", False),
        trim=values.get("trim", True),
        recording=recording_wish(compiler, values, values.get("recording_style", "")),
        region=values.get("region") or "",
        tag=values.get("room_tag", values.get("tag")) or "",
    )


def recording_wish(compiler: Compiler, values: Mapping[str, Any], style: str = "") -> RecordingWish | None:
    """Who wants to know about a recording, and about what is said in it."""
    url, transcript = values.get("recording_url"), values.get("transcript_url")
    transcribe = bool(values.get("transcribe") or transcript)
    storage = link(compiler, values.get("storage_url"), values.get("storage_method") or "POST")
    if not url and not transcribe:
        return RecordingWish(storage=storage) if storage is not None else None
    target = values.get("recording_link") or link(compiler, url, values.get("recording_method", "POST")) if url else None
    return RecordingWish(
        target,
        values.get("recording_events") or frozenset({"completed"}),
        values.get("recording_format", "wav"),
        style,
        storage,
        transcribe,
        link(compiler, transcript, values.get("transcript_method", "POST")) if transcript else None,
        end_link=link(compiler, values.get("end_url"), "POST"),
    )


def spoken(node: Node) -> str:
    """Text to be spoken: with its SSML elements where it has any."""
    return node.markup if node.children else node.text
