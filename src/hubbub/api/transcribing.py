"""The neutral operations behind REST for transcriptions of live calls, and for what was understood in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubbub.api.calls import known_call
from hubbub.api.lists import windowed
from hubbub.api.request import Asked, Operation
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import Link
from hubbub.ids import Id
from hubbub.storage.store import Condition, Query
from hubbub.verbs.hearing import StartTranscription
from hubbub.verbs.transcribing import Transcribing


async def create_live_transcription(asked: Asked) -> Transcribing:
    """Transcribe a live call. Raises Refused (not-found, call-over)."""
    session, values = asked.needed_session(), asked.values
    if not session.call.answered or session.call.over:
        raise Refused("call-over")
    url = values.get("transcription_url")
    labels = {"inbound": values.get("inbound_label", ""), "outbound": values.get("outbound_label", "")}
    verb = StartTranscription(
        name=values.get("name", ""),
        tracks=values.get("tracks", ("inbound", "outbound")),
        link=Link(url, values.get("transcription_method", "POST")) if url else None,
        partial=values.get("partial", False),
        language=values.get("language", ""),
        hints=values.get("hint_list", ()),
        labels={track: label for track, label in labels.items() if label},
    )
    return session.transcribe(verb)


async def update_live_transcription(asked: Asked) -> Transcribing:
    """End it."""
    found = asked.needed_session().transcriptions.get(asked.identity("live"))
    if found is None:
        raise Refused("not-found")
    if asked.values.get("status") == "stopped":
        found.stop()
    return found


@dataclass(frozen=True)
class CallTranscript:
    """What was understood of a call: the text of each track, and how sure it is."""

    id: Id
    call: Id
    name: str
    tracks: Mapping[str, tuple[str, float]]


async def list_call_transcripts(asked: Asked) -> Page:
    """What was understood of a call, one for each transcription."""
    found = await _of_call(asked, (await known_call(asked)).id)
    return windowed(list(found.values()), asked.window)


async def fetch_call_transcript(asked: Asked) -> CallTranscript:
    """One of them. Raises Refused (not-found)."""
    found = (await _of_call(asked, (await known_call(asked)).id)).get(asked.identity("live"))
    if found is None:
        raise Refused("not-found")
    return found


async def _of_call(asked: Asked, call: Id) -> dict[Id, CallTranscript]:
    where = (Condition("account", "=", asked.account.name), Condition("call", "=", call), Condition("type", "=", "call.transcription"))
    rows = await asked.store.find(Query("events", where, order=(("seq", "asc"),)))
    found: dict[Id, CallTranscript] = {}
    for facts in (row["data"] for row in rows):
        identity = Id(facts["transcription"])
        if facts["state"] == "started":
            found[identity] = CallTranscript(identity, call, facts["name"], dict.fromkeys(facts["tracks"], ("", 0.0)))
        elif facts["state"] == "content" and facts["final"] and identity in found:
            found[identity] = _with(found[identity], facts["track"], facts["text"], facts["confidence"])
    return found


def _with(transcript: CallTranscript, track: str, text: str, confidence: float) -> CallTranscript:
    """With another utterance; confidence is weighed by words."""
    before, sure = transcript.tracks[track]
    old, new = len(before.split()), len(text.split())
    weighed = (sure * old + confidence * new) / max(1, old + new)
    tracks = {**transcript.tracks, track: (f"{before} {text}".strip(), round(weighed, 4))}
    return CallTranscript(transcript.id, transcript.call, transcript.name, tracks)


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation
    for operation in (create_live_transcription, update_live_transcription, list_call_transcripts, fetch_call_transcript)
}
