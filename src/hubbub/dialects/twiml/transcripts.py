"""Transcripts of recordings: what is told of them, and how REST shows them (1.6, 5.1, 5.7)."""

from __future__ import annotations

from hubbub.dialects.tables import Operation, Out, Resource
from hubbub.dialects.twiml import words

TOLD: tuple[Out, ...] = (
    Out("TranscriptionSid", lambda told: told.words.transcript.write(told.fact.recording.id)),
    Out("TranscriptionText", lambda told: told.fact.recording.transcript.text),
    Out("TranscriptionStatus", lambda told: told.fact.recording.transcript.status),
)
"""What `transcribeCallback` gets beside the standard parameters of the call and the recording's own."""

OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/Transcriptions", "list_transcripts", "transcript"),
    Operation("GET", "/Transcriptions/{transcript}", "fetch_transcript", "transcript"),
    Operation("DELETE", "/Transcriptions/{transcript}", "delete_transcript", status=204),
    Operation("GET", "/Recordings/{recording}/Transcriptions", "list_transcripts", "transcript"),
)
RESOURCE = Resource(
    (
        Out("sid", lambda s: s.words.transcript.write(s.thing.id)),
        Out("account_sid", lambda s: s.sid),
        Out("api_version", lambda s: words.API_VERSION),
        Out("date_created", lambda s: words.date(s.thing.transcript.created)),
        Out("date_updated", lambda s: words.date(s.thing.transcript.ended or s.thing.transcript.created)),
        Out("duration", lambda s: str(round(s.thing.seconds))),
        Out("price", lambda s: None),
        Out("price_unit", lambda s: "USD"),
        Out("recording_sid", lambda s: s.words.recording.write(s.thing.id)),
        Out("status", lambda s: s.thing.transcript.status),
        Out("transcription_text", lambda s: s.thing.transcript.text or None),
        Out("type", lambda s: "fast"),
        Out("uri", lambda s: f"{s.base}/Transcriptions/{s.words.transcript.write(s.thing.id)}.json"),
    ),
    "transcriptions",
)
"""A recording has one transcript at most, which has its identity."""
