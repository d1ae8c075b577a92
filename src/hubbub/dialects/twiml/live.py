"""Transcription of a call that goes on: `<Start><Transcription>`, `<Stop><Transcription>`, REST, and what is told (8.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hubbub.dialects.builders import link
from hubbub.dialects.tables import (
    Attr,
    Compiler,
    Converter,
    Element,
    Node,
    Operation,
    Out,
    Param,
    Resource,
    boolean,
    choice,
    mapping,
    method,
    url,
)
from hubbub.dialects.tables import text as any_text
from hubbub.dialects.twiml import words
from hubbub.dialects.twiml.speech import phrases
from hubbub.verbs.hearing import StartTranscription, StopTranscription
from hubbub.verbs.program import Verb

BOTH = ("inbound", "outbound")
TRACKS: Mapping[str, tuple[str, ...]] = {"inbound_track": ("inbound",), "outbound_track": ("outbound",), "both_tracks": BOTH}
ONE_ENGINE = "there is one recogniser with one model"
CLOUD = "a service of the cloud"

START = (
    Attr("name", "name", any_text, ""),
    Attr("track", "tracks", mapping(TRACKS), BOTH),
    Attr("statusCallbackUrl", "url", url, None),
    Attr("statusCallbackMethod", "method", method, "POST"),
    Attr("inboundTrackLabel", "inbound_label", any_text, ""),
    Attr("outboundTrackLabel", "outbound_label", any_text, ""),
    Attr("partialResults", "partial", boolean, False),
    Attr("languageCode", "language", any_text, ""),
    Attr("hints", "hints", any_text, ""),
    Attr("transcriptionEngine", None, why=ONE_ENGINE),
    Attr("speechModel", None, why=ONE_ENGINE),
    Attr("profanityFilter", None, boolean, why="words are told as they are understood"),
    Attr("enableAutomaticPunctuation", None, boolean, why="the recogniser knows no punctuation"),
    Attr("intelligenceService", None, why=CLOUD),
)
STOP = tuple(row if row.name == "name" else Attr(row.name, None, why="the transcription is known by its name") for row in START)


def started(values: Mapping[str, Any]) -> StartTranscription:
    """The verb of flat neutral values; `link` is who is told."""
    labels = {"inbound": values.get("inbound_label", ""), "outbound": values.get("outbound_label", "")}
    return StartTranscription(
        name=values.get("name", ""),
        tracks=values.get("tracks", BOTH),
        link=values.get("link"),
        partial=values.get("partial", False),
        language=values.get("language", ""),
        hints=phrases(values.get("hints", "")),
        labels={track: label for track, label in labels.items() if label},
        at=values["at"],
    )


def _start(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    return started({**values, "link": link(compiler, values["url"], values["method"]), "at": node.at})


def _stop(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    return StopTranscription(name=values["name"], at=node.at)


NESTED: Mapping[str, Element] = {
    "Start/Transcription": Element("Transcription", _start, START),
    "Stop/Transcription": Element("Transcription", _stop, STOP),
}


def operations(absolute_url: Converter, post: Converter, truth: Converter) -> tuple[Operation, ...]:
    """REST: begin and end the transcription of a live call."""
    create = (
        Param("Name", "name", any_text),
        Param("Track", "tracks", mapping(TRACKS)),
        Param("StatusCallbackUrl", "transcription_url", absolute_url, "bad-callback"),
        Param("StatusCallbackMethod", "transcription_method", post, "bad-method"),
        Param("InboundTrackLabel", "inbound_label", any_text),
        Param("OutboundTrackLabel", "outbound_label", any_text),
        Param("PartialResults", "partial", truth),
        Param("LanguageCode", "language", any_text),
        Param("Hints", "hint_list", lambda value: phrases(value)),
        Param("ProfanityFilter", None, truth, why="words are told as they are understood"),
        Param("EnableAutomaticPunctuation", None, truth, why="the recogniser knows no punctuation"),
        *(Param(name, None, why=ONE_ENGINE) for name in ("TranscriptionEngine", "SpeechModel")),
        *(
            Param(name, None, why=CLOUD)
            for name in ("IntelligenceService", "ConversationConfiguration", "ConversationId", "ConfigurationId", "EnableProviderData")
        ),
    )
    return (
        Operation("POST", "/Calls/{call}/Transcriptions", "create_live_transcription", "live-transcription", create, 201),
        Operation(
            "POST",
            "/Calls/{call}/Transcriptions/{live}",
            "update_live_transcription",
            "live-transcription",
            (Param("Status", "status", choice("stopped")),),
        ),
    )


RESOURCE = Resource(
    (
        Out("sid", lambda s: s.words.live_transcript.write(s.thing.id)),
        Out("account_sid", lambda s: s.sid),
        Out("call_sid", lambda s: s.words.call.write(s.thing.call)),
        Out("name", lambda s: s.thing.name or None),
        Out("status", lambda s: "in-progress" if s.thing.live else "stopped"),
        Out("date_updated", lambda s: words.date(s.thing.begun)),
        Out(
            "uri",
            lambda s: f"{s.base}/Calls/{s.words.call.write(s.thing.call)}/Transcriptions/{s.words.live_transcript.write(s.thing.id)}.json",
        ),
    ),
    "transcriptions",
)
EVENTS = {"started": "started", "content": "content", "failed": "error", "stopped": "stopped"}


def _content(told: Any) -> str | None:
    facts = told.fact.facts
    if facts["state"] != "content":
        return None
    return json.dumps({"transcript": facts["text"], "confidence": facts["confidence"]})


def _tracks(told: Any) -> str | None:
    """The track of an utterance; all of them when it begins."""
    facts = told.fact.facts
    if facts["state"] == "started":
        return next(name for name, tracks in TRACKS.items() if list(tracks) == facts["tracks"])
    return f"{facts['track']}_track" if facts["state"] == "content" else None


def _label(track: str) -> Any:
    return lambda told: told.fact.facts["labels"].get(track) if told.fact.facts["state"] == "started" else None


TOLD: tuple[Out, ...] = (
    Out("AccountSid", lambda told: told.words.account_sid(told.account)),
    Out("CallSid", lambda told: told.words.call.write(told.fact.call.id)),
    Out("TranscriptionSid", lambda told: told.words.live_transcript.write(told.fact.facts["transcription"])),
    Out("TranscriptionEvent", lambda told: f"transcription-{EVENTS[told.fact.facts['state']]}"),
    Out("SequenceId", lambda told: str(told.fact.number)),
    Out("Timestamp", lambda told: words.date(told.fact.at)),
    Out("LanguageCode", lambda told: "en-US"),
    Out("Name", lambda told: (told.fact.facts["name"] or None) if told.fact.facts["state"] == "started" else None),
    Out("Track", _tracks),
    Out("InboundTrackLabel", _label("inbound")),
    Out("OutboundTrackLabel", _label("outbound")),
    Out("TranscriptionData", _content),
    Out("Final", lambda told: str(told.fact.facts["final"]).lower() if told.fact.facts["state"] == "content" else None),
    Out("TranscriptionError", lambda told: told.fact.facts.get("error")),
)
"""The whole of a status callback; part of the names is unverified."""
