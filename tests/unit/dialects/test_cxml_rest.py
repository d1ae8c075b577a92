"""The compatibility REST where it differs from the dialect that it is compatible with (2.1 to 2.6)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from tests.support.facts import ACCOUNT, CALL, MEMBER, PUBLIC, RECORDING, ROOM, identity

import hubbub.dialects.cxml
from hubbub.api.rest import read_values
from hubbub.calls.call import ProgressWish
from hubbub.dialects.cxml import CxmlDialect
from hubbub.dialects.cxml.rest import CompatibleRest, CxmlRest
from hubbub.dialects.tables import Operation, Page, Window
from hubbub.errors import Refused
from hubbub.events import CallEvent, CallStatus, Link, RecordingStatus

FACE = CxmlRest(CxmlDialect(PUBLIC), [ACCOUNT])
UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
BASE = "/api/laml/2010-04-01/Accounts/"


def operation(method: str, path: str) -> Operation:
    return next(row for row in FACE.operations if (row.method, row.path) == (method, path))


def test_creations_are_answered_with_200() -> None:
    """2.1: "Update ⇒ 200, delete ⇒ 204, create ⇒ 200"."""
    assert {row.status for row in FACE.operations if row.method != "DELETE"} == {200}
    assert {row.status for row in FACE.operations if row.method == "DELETE"} == {204}


def test_filters_take_the_ids_that_are_shown() -> None:
    """1.1: "all Sids are plain UUIDs"; any opaque string that the compatible dialect uses is taken too."""
    rows = operation("GET", "/Recordings").params
    call, room = FACE.dialect.words.call.write(CALL.id), FACE.dialect.words.conference.write(ROOM.id)
    assert UUID.fullmatch(call)
    assert read_values(rows, [("CallSid", call), ("ConferenceSid", room)]) == {"call": CALL.id, "room": ROOM.id}
    assert read_values(rows, [("CallSid", f"CA{CALL.id}")]) == {"call": CALL.id}
    assert read_values(operation("GET", "/Calls").params, [("ParentCallSid", call)]) == {"parent": CALL.id}
    with pytest.raises(Refused):
        read_values(rows, [("CallSid", "x")])


def test_a_recording_of_a_conference() -> None:
    """2.5: the keys, all of them also when null; `call_sid` null for a conference, both channel counts as text, whole seconds."""
    shown = FACE.show("room-recording", replace(RECORDING, trim=True), ACCOUNT)
    assert set(shown) == {
        *("sid", "account_sid", "api_version", "call_sid", "conference_sid", "channel", "channels", "date_created", "date_updated"),
        *("start_time", "end_time", "duration", "price", "price_unit", "source", "status", "error_code", "uri", "subresource_uris"),
        *("encryption_details", "trim"),
    }
    assert (shown["call_sid"], shown["channel"], shown["channels"], shown["duration"]) == (None, "1", "1", 74)
    assert (shown["trim"], set(shown["subresource_uris"]), shown["error_code"]) == ("trim-silence", {"transcriptions"}, None)
    absent = replace(RECORDING, status=RecordingStatus.ABSENT, absent_reason="short", seconds=0.0)
    assert (FACE.show("recording", absent, ACCOUNT)["error_code"], FACE.show("recording", absent, ACCOUNT)["status"]) == ("16101", "absent")
    of_call = FACE.show("call-recording", replace(RECORDING, room=None), ACCOUNT)
    assert UUID.fullmatch(of_call["call_sid"])


@pytest.mark.parametrize(
    ("status", "word"),
    [("in-progress", "in-progress"), ("paused", "paused"), ("stopped", "stopped"), ("processing", "stopped"), ("completed", "completed")],
)
def test_statuses_of_recordings(status: str, word: str) -> None:
    assert FACE.show("recording", replace(RECORDING, status=RecordingStatus(status)), ACCOUNT)["status"] == word


def test_a_participant_and_a_call() -> None:
    """2.4, 2.6: `status` in-progress; `duration` a number, direction without its origin."""
    shown = FACE.show("member", (MEMBER, CallStatus.IN_PROGRESS), ACCOUNT)
    assert (shown["status"], shown["label"]) == ("in-progress", "agent 7")
    call = FACE.show("call", replace(CALL, direction="outbound-api", status=CallStatus.COMPLETED, ended=CALL.created + 70), ACCOUNT)
    assert call["direction"] == "outbound"
    assert isinstance(call["duration"], int)
    assert {"formatted_to", "formatted_from", "annotation", "group_sid", "audio_in_mos", "sip_result_code"} <= set(call)


def test_links_of_pages_begin_with_the_vendors_path() -> None:
    """2.1: "returned `uri` values start `/api/laml/2010-04-01/`", whichever of the two bases was asked."""
    items = tuple(replace(ROOM, id=identity(n)) for n in range(2))
    for face, asked in ((FACE, BASE), (CompatibleRest(CxmlDialect(PUBLIC), [ACCOUNT]), BASE.removeprefix("/api/laml"))):
        shown = face.show_page("room", Page(items, 1, 2, more=True), ACCOUNT, f"{asked}A/Conferences.json", {})
        links = [value for name, value in shown.items() if name.endswith("uri")]
        assert len(links) == 4
        assert all(link.startswith(f"{BASE}A/Conferences.json?") for link in links)


def test_a_later_page_needs_its_token() -> None:
    """2.1: "`PageToken` (`PA…` next / `PB…` previous), token mandatory when Page>0"; 54453, 54454."""
    assert FACE.window({}) == Window(0, 50)
    last = FACE.dialect.words.conference.write(ROOM.id)
    assert FACE.window({"Page": "1", "PageToken": f"PA{last}"}) == Window(1, 50, ROOM.id, None)
    for query, code in (({"Page": "1"}, 54453), ({"PageSize": "1001"}, 54454), ({"PageSize": "0"}, 54454)):
        with pytest.raises(Refused) as refused:
            FACE.window(query)
        assert FACE.error(refused.value, "/")[1]["code"] == code


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        ("unauthenticated", 401, 20003),
        ("forbidden", 401, 20003),
        ("not-found", 404, 20404),
        ("bad-document", 422, 20422),
        ("bad-status", 400, 21475),
        ("bad-url", 400, 21402),
        ("bad-callback", 400, 21456),
        ("call-live", 400, 20009),
        ("call-over", 400, 21220),
        ("coach-absent", 400, 16002),
        ("too-many", 429, 20429),
        ("storage", 503, 20503),
        ("internal", 500, 20504),
    ],
)
def test_errors(reason: str, status: int, code: int) -> None:
    """1.10, 2.1: `{"code","message","more_info","status"}`; statuses 400 401 404 422 429 503."""
    found, body = FACE.error(Refused(reason), "/x")
    assert (found, body["code"], body["status"]) == (status, code, status)
    assert {"code", "message", "more_info", "status"} <= set(body)
    assert body["more_info"].startswith("https://")


def test_every_refusal_of_this_face_has_a_row() -> None:
    folder = Path(hubbub.dialects.cxml.__file__).parent
    reasons = {reason for path in folder.glob("*.py") for reason in re.findall(r"Refused\(\s*\"([a-z-]+)\"", path.read_text())}
    assert reasons <= set(FACE.errors)


def test_events_of_calls() -> None:
    """2.6: "`initiated ringing answered completed ringing_forwarded ringing_queued`; default completed"."""
    rows = operation("POST", "/Calls").params
    given = [("StatusCallbackEvent", "initiated"), ("StatusCallbackEvent", "ringing_queued")]
    assert read_values(rows, given)["progress_events"] == {"initiated", "ringing_queued"}
    assert read_values(rows, [("StatusCallbackEvent", "sung")])["progress_events"] == frozenset()
    assert read_values(rows, [("Laml", "<Response/>")])["document"] == "<Response/>"


@pytest.mark.parametrize(
    ("direction", "by", "expected"),
    [
        ("inbound", "remote", ("caller", "inbound")),
        ("inbound", "local", ("callee", "outbound")),
        ("outbound-api", "remote", ("callee", "inbound")),
        ("outbound-api", "local", ("caller", "outbound")),
        ("outbound-api", "error", (None, None)),
    ],
)
def test_who_hung_up(direction: Literal["inbound", "outbound-api"], by: str, expected: tuple[str | None, str | None]) -> None:
    """1.2: "Call StatusCallback adds … `HangupBy`, `HangupDirection`", once the call is over."""
    call = replace(CALL, direction=direction, status=CallStatus.COMPLETED, ended=CALL.created + 70, ended_by=by)
    fields = progress(CallEvent("completed", call, call.created + 70, 3))
    assert (fields.get("HangupBy"), fields.get("HangupDirection")) == expected
    assert {"HangupBy", "HangupDirection"}.isdisjoint(progress(CallEvent("answered", CALL, call.created, 2)))


def test_what_the_invite_came_to() -> None:
    """1.2: `SipResultCode`, `SipInviteResultPhrase`, `AudioInMos`."""
    busy = replace(CALL, direction="outbound-api", status=CallStatus.BUSY, answered=None, sip_code=486, sip_phrase="Busy Here")
    fields = progress(CallEvent("completed", busy, CALL.created, 3))
    assert (fields["SipResultCode"], fields["SipInviteResultPhrase"]) == ("486", "Busy Here")
    assert "AudioInMos" not in fields
    spoken = replace(CALL, status=CallStatus.COMPLETED, sip_code=200, sip_phrase="BYE", extra={"quality": {"mos_in": 4.385}})
    fields = progress(CallEvent("completed", spoken, CALL.created, 3))
    assert (fields["SipInviteResultPhrase"], fields["AudioInMos"]) == ("OK", "4.38")


def test_what_was_counted_is_told_at_the_end() -> None:
    """1.2: "media counters `AudioIn` + {…}, `AudioOut` + {…}", as far as they are known."""
    quality = {
        "mos_in": 4.1,
        "packets_in": 500,
        "digits_in": 4,
        "late_in": 3,
        "concealed_in": 2,
        "jitter_in_least": 0.5,
        "jitter_in_most": 7.25,
    }
    call = replace(CALL, status=CallStatus.COMPLETED, extra={"quality": {**quality, "packets_out": 480}})
    fields = progress(CallEvent("completed", call, CALL.created, 3))
    assert {name: value for name, value in fields.items() if name.startswith("Audio")} == {
        "AudioInMos": "4.10",
        "AudioInMediaPacketCount": "500",
        "AudioInDtmfPacketCount": "4",
        "AudioInFlushPacketCount": "3",
        "AudioInSkipPacketCount": "2",
        "AudioInJitterMinVariance": "0.50",
        "AudioInJitterMaxVariance": "7.25",
        "AudioOutMediaPacketCount": "480",
    }
    assert not [name for name in progress(CallEvent("answered", CALL, CALL.created, 2)) if name.startswith("Audio")]


def progress(event: CallEvent) -> dict[str, str]:
    (notice, *_) = FACE.dialect.call_notices(ACCOUNT, event, ProgressWish(Link("http://app.test/events"), frozenset({event.kind})))
    return dict(notice.fields)
