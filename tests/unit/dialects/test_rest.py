"""The REST face: key sets of resources, paging, errors, who asks."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from tests.support.faces import FACE
from tests.support.facts import ACCOUNT, CALL, MEMBER, PUBLIC, RECORDING, ROOM, START, identity

from hubbub.dialects.tables import Page, Window
from hubbub.dialects.twiml import TwimlDialect
from hubbub.dialects.twiml.errors import ERRORS
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.errors import Refused
from hubbub.events import CallStatus, EndReason, Presence, RecordingStatus, RoomStatus

AC = "AC00000000000000000000000000000001"
BASE = f"/2010-04-01/Accounts/{AC}"


# -- resources, 5.4 to 5.10 ------------------------------------------------------------------------------------


def test_a_conference() -> None:
    """5.10, key set exact."""
    sid = "CF00000000000000000000000000000001"
    assert FACE.show("room", ROOM, ACCOUNT) == {
        "sid": sid,
        "account_sid": AC,
        "friendly_name": "standup",
        "status": "in-progress",
        "region": "us1",
        "api_version": "2010-04-01",
        "date_created": "Mon, 02 Mar 2026 09:00:00 +0000",
        "date_updated": "Mon, 02 Mar 2026 09:00:07 +0000",
        "reason_conference_ended": None,
        "call_sid_ending_conference": None,
        "uri": f"{BASE}/Conferences/{sid}.json",
        "subresource_uris": {
            "participants": f"{BASE}/Conferences/{sid}/Participants.json",
            "recordings": f"{BASE}/Conferences/{sid}/Recordings.json",
        },
    }


def test_a_conference_that_is_over() -> None:
    over = replace(ROOM, status=RoomStatus.COMPLETED, end_reason=EndReason.LAST_LEFT, ended_by=CALL.id)
    shown = FACE.show("room", over, ACCOUNT)
    assert (shown["status"], shown["reason_conference_ended"]) == ("completed", "last-participant-left")
    assert shown["call_sid_ending_conference"] == "CA00000000000000000000000000000001"


def test_a_participant() -> None:
    """5.10, key set exact; `queue_time` only in the create answer."""
    shown = FACE.show("member", (replace(MEMBER, held=True), CallStatus.IN_PROGRESS), ACCOUNT)
    assert shown == {
        "account_sid": AC,
        "call_sid": "CA00000000000000000000000000000001",
        "label": "agent 7",
        "conference_sid": "CF00000000000000000000000000000001",
        "date_created": "Mon, 02 Mar 2026 09:00:05 +0000",
        "date_updated": "Mon, 02 Mar 2026 09:00:09 +0000",
        "muted": False,
        "hold": True,
        "coaching": False,
        "call_sid_to_coach": None,
        "start_conference_on_enter": True,
        "end_conference_on_exit": False,
        "status": "connected",
        "queue_time": None,
        "uri": f"{BASE}/Conferences/CF00000000000000000000000000000001/Participants/CA00000000000000000000000000000001.json",
    }
    created = FACE.show("member", (replace(MEMBER, presence=Presence.INVITED), CallStatus.QUEUED), ACCOUNT, created=True)
    assert (created["status"], created["queue_time"]) == ("queued", "0")
    assert set(created) == set(shown)


@pytest.mark.parametrize(
    ("presence", "call", "status"),
    [
        (Presence.INVITED, CallStatus.QUEUED, "queued"),
        (Presence.INVITED, CallStatus.INITIATED, "connecting"),
        (Presence.EARLY, CallStatus.RINGING, "ringing"),
        (Presence.WAITING, CallStatus.IN_PROGRESS, "connected"),
        (Presence.MIXED, CallStatus.IN_PROGRESS, "connected"),
        (Presence.LEFT, CallStatus.COMPLETED, "complete"),
        (Presence.LEFT, CallStatus.IN_PROGRESS, "complete"),
        (Presence.LEFT, CallStatus.BUSY, "failed"),
        (Presence.LEFT, CallStatus.NO_ANSWER, "failed"),
    ],
)
def test_participant_status(presence: Presence, call: CallStatus, status: str) -> None:
    """queued -> connecting -> ringing -> connected -> complete | failed."""
    assert FACE.show("member", (replace(MEMBER, presence=presence), call), ACCOUNT)["status"] == status


def test_a_conference_recording() -> None:
    """5.10, key set exact."""
    assert FACE.show("room-recording", RECORDING, ACCOUNT) == {
        "sid": "RE00000000000000000000000000000001",
        "account_sid": AC,
        "api_version": "2010-04-01",
        "call_sid": "CA00000000000000000000000000000001",
        "conference_sid": "CF00000000000000000000000000000001",
        "channels": 1,
        "source": "Conference",
        "status": "completed",
        "duration": "74",
        "start_time": "Mon, 02 Mar 2026 09:00:07 +0000",
        "date_created": "Mon, 02 Mar 2026 09:00:07 +0000",
        "date_updated": "Mon, 02 Mar 2026 09:01:22 +0000",
        "price": None,
        "price_unit": "USD",
        "error_code": None,
        "encryption_details": None,
        "uri": f"{BASE}/Conferences/CF00000000000000000000000000000001/Recordings/RE00000000000000000000000000000001.json",
    }


def test_recordings_seen_from_elsewhere() -> None:
    """Account-wide adds subresource_uris and media_url; those of calls add track; the `uri` is the path asked by (5.7)."""
    keys = set(FACE.show("room-recording", RECORDING, ACCOUNT))
    whole = FACE.show("recording", RECORDING, ACCOUNT)
    assert set(whole) == keys | {"media_url", "subresource_uris"}
    assert whole["uri"] == f"{BASE}/Recordings/RE{RECORDING.id}.json"
    assert whole["media_url"] == f"{PUBLIC}{BASE}/Recordings/RE{RECORDING.id}"
    assert set(FACE.show("call-recording", RECORDING, ACCOUNT)) == keys | {"track"}


def test_a_recording_that_is_empty() -> None:
    absent = replace(RECORDING, status=RecordingStatus.ABSENT, absent_reason="short", seconds=0.0)
    assert FACE.show("recording", absent, ACCOUNT)["error_code"] == 16101


def test_a_call() -> None:
    shown = FACE.show("call", replace(CALL, status=CallStatus.COMPLETED, ended=START + 66), ACCOUNT)
    assert set(shown) == {
        *("sid", "account_sid", "parent_call_sid", "to", "to_formatted", "from", "from_formatted", "phone_number_sid", "status"),
        *("start_time", "end_time", "duration", "price", "price_unit", "direction", "answered_by", "api_version", "forwarded_from"),
        *("group_sid", "caller_name", "queue_time", "stir_verstat", "trunk_sid", "date_created", "date_updated", "uri", "subresource_uris"),
    }
    assert set(shown["subresource_uris"]) == {
        *("notifications", "recordings", "payments", "events", "siprec", "streams", "transcriptions"),
        *("user_defined_message_subscriptions", "user_defined_messages"),
    }
    assert (shown["from_formatted"], shown["to_formatted"]) == ("(415) 867-5308", "(555) 000-1000")
    assert (shown["duration"], shown["queue_time"]) == ("61", "0")
    queued = FACE.show("call", replace(CALL, status=CallStatus.INITIATED, answered=None), ACCOUNT)
    assert (queued["status"], queued["start_time"], queued["end_time"], queued["duration"]) == ("queued", None, None, None)


def test_a_call_that_was_diverted_here() -> None:
    """5.4 "forwarded_from", "stir_verstat"."""
    signalled = {"diversion": "<sip:+15550009999@pbx.test>", "p-asserted-identity": "<sip:a@b;verstat=TN-Validation-Failed>"}
    shown = FACE.show("call", replace(CALL, signalled=signalled), ACCOUNT)
    assert (shown["forwarded_from"], shown["stir_verstat"]) == ("+15550009999", "TN-Validation-Failed")
    bare = FACE.show("call", CALL, ACCOUNT)
    assert (bare["forwarded_from"], bare["stir_verstat"]) == (None, None)


def test_a_notification() -> None:
    row = {
        "id": identity(3),
        "call": CALL.id,
        "code": "13230",
        "level": "warning",
        "created": START,
        "data": {"message": "muted", "url": "u"},
    }
    shown = FACE.show("notification", row, ACCOUNT)
    assert (shown["sid"], shown["error_code"], shown["log"]) == (f"NO{identity(3)}", "13230", "1")
    assert shown["request_method"] is None


# -- paging, 5.3 -----------------------------------------------------------------------------------------------

KEYS = {"first_page_uri", "next_page_uri", "previous_page_uri", "page", "page_size", "start", "end", "uri"}


def page(number: int, size: int, count: int, *, more: bool, query: dict[str, str] | None = None) -> dict[str, Any]:
    items = tuple(replace(ROOM, id=identity(number * size + index)) for index in range(count))
    return FACE.show_page("room", Page(items, number, size, more), ACCOUNT, f"{BASE}/Conferences.json", query or {})


def test_the_only_page() -> None:
    shown = page(0, 50, 2, more=False, query={"Status": "in-progress"})
    assert set(shown) == KEYS | {"conferences"}
    assert (shown["page"], shown["page_size"], shown["start"], shown["end"]) == (0, 50, 0, 1)
    assert shown["first_page_uri"] == f"{BASE}/Conferences.json?Status=in-progress&PageSize=50&Page=0"
    assert shown["next_page_uri"] is None
    assert shown["previous_page_uri"] is None


def test_a_page_in_the_middle() -> None:
    shown = page(1, 2, 2, more=True, query={"Page": "1", "PageToken": "PAx", "PageSize": "2"})
    assert (shown["start"], shown["end"]) == (2, 3)
    assert shown["next_page_uri"] == f"{BASE}/Conferences.json?PageSize=2&Page=2&PageToken=PACF{identity(3)}"
    assert shown["previous_page_uri"] == f"{BASE}/Conferences.json?PageSize=2&Page=0&PageToken=PBCF{identity(2)}"


def test_an_empty_page() -> None:
    shown = page(0, 50, 0, more=False)
    assert (shown["start"], shown["end"], shown["conferences"]) == (0, 0, [])


@pytest.mark.parametrize(
    ("query", "window"),
    [
        ({}, Window(0, 50)),
        ({"PageSize": "1000"}, Window(0, 1000)),
        ({"Page": "3", "PageSize": "1", "PageToken": "PACF0"}, Window(3, 1)),
        ({"Page": "", "PageSize": ""}, Window(0, 50)),
    ],
)
def test_windows(query: dict[str, str], window: Window) -> None:
    assert FACE.window(query) == window


@pytest.mark.parametrize("query", [{"PageSize": "1001"}, {"PageSize": "0"}, {"PageSize": "many"}, {"Page": "-1"}, {"Page": "9" * 30}])
def test_windows_that_are_none(query: dict[str, str]) -> None:
    """PageSize > 1000 -> 20007."""
    with pytest.raises(Refused) as caught:
        FACE.window(query)
    assert caught.value.reason == "page-size"


def test_a_bad_token() -> None:
    with pytest.raises(Refused) as caught:
        FACE.window({"PageToken": "XX"})
    assert FACE.error(caught.value, "/x")[1]["code"] == 21481


# -- errors, 5.2 -----------------------------------------------------------------------------------------------


def test_the_body_of_an_error() -> None:
    path = f"{BASE}/Calls/CA1.json"
    assert FACE.error(Refused("not-found"), path) == (
        404,
        {
            "code": 20404,
            "message": f"The requested resource {path} was not found",
            "more_info": "https://www.twilio.com/docs/errors/20404",
            "status": 404,
        },
    )
    assert set(FACE.error(Refused("unauthenticated"), path)[1]) == {"code", "message", "more_info", "status", "detail"}


@pytest.mark.parametrize("reason", sorted(ERRORS))
def test_every_error_can_be_rendered(reason: str) -> None:
    status, body = FACE.error(Refused(reason, "because {of} this"), "/p")
    assert status == body["status"]
    assert body["message"]


def test_a_refusal_that_nobody_foresaw() -> None:
    assert FACE.error(Refused("never-heard-of"), "/p")[0] == 400


# -- who asks --------------------------------------------------------------------------------------------------


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_credentials() -> None:
    token = ACCOUNT.faces["twilio"]["token"]
    assert FACE.authenticate(basic(AC, token), AC) is ACCOUNT
    for header in ("", "Basic", "Basic !!!", "Bearer x", basic(AC, "wrong"), basic("", ""), basic("AC1", token), "Basic /w=="):
        with pytest.raises(Refused) as caught:
            FACE.authenticate(header, AC)
        assert caught.value.reason == "unauthenticated"
    with pytest.raises(Refused) as caught:
        FACE.authenticate(basic(AC, token), "AC" + "9" * 32)
    assert caught.value.reason == "forbidden"


def test_an_account_without_this_face_lets_nobody_in() -> None:
    face = TwimlRest(TwimlDialect(PUBLIC), [ACCOUNT.model_copy(update={"faces": {}})])
    with pytest.raises(Refused):
        face.authenticate(basic("", ""), "")
