"""Sample facts: one account with all faces, one call, room, member and recording, all with readable ids and times."""

from __future__ import annotations

from datetime import UTC, datetime

from hubbub.events import CallRecord, CallStatus, MemberRecord, Party, Presence, RecordingRecord, RecordingStatus, RoomRecord, RoomStatus
from hubbub.ids import Id
from hubbub.settings import Account

ACCOUNT = Account(
    name="dev",
    faces={
        "twilio": {"sid": "AC00000000000000000000000000000001", "token": "0123456789abcdef0123456789abcdef"},
        "signalwire": {"project": "00000000-0000-4000-8000-000000000001", "token": "PT0123456789"},
        "bandwidth": {
            "account": "9900001",
            "username": "dev",
            "password": "devpass",
            "application": "00000000-0000-4000-8000-000000000002",
        },
    },
)
PUBLIC = "http://hubbub.test"
START = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC).timestamp()
"""Monday."""


def identity(number: int) -> Id:
    """A readable identity."""
    return Id(f"{number:032x}")


CALL = CallRecord(
    id=identity(1),
    account="dev",
    dialect="twiml",
    direction="inbound",
    caller=Party("number", "+14158675308", "sip:+14158675308@10.0.0.1", "Ann"),
    callee=Party("number", "+15550001000", "sip:+15550001000@127.0.0.1"),
    status=CallStatus.IN_PROGRESS,
    created=START,
    updated=START + 5,
    answered=START + 5,
    sip_call_id="abc@10.0.0.1",
    sip_source="10.0.0.1",
    sip_headers={"X-Team": "blue"},
)
ROOM = RoomRecord(
    id=identity(1),
    account="dev",
    dialect="twiml",
    name="standup",
    status=RoomStatus.IN_PROGRESS,
    created=START,
    updated=START + 7,
    started=START + 7,
    size=2,
    tag="blue",
)
MEMBER = MemberRecord(
    id=identity(9),
    call=CALL.id,
    room=ROOM.id,
    account="dev",
    presence=Presence.MIXED,
    joined=START + 5,
    updated=START + 9,
    label="agent 7",
)
RECORDING = RecordingRecord(
    id=identity(1),
    account="dev",
    source="room",
    status=RecordingStatus.COMPLETED,
    created=START + 7,
    updated=START + 82,
    call=CALL.id,
    room=ROOM.id,
    room_name="standup",
    seconds=74.04,
    started=START + 7,
    ended=START + 81,
    file="r.wav",
    size=1_184_640,
)
