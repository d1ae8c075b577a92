"""Words, numbers and codes of the TwiML tables, each as the specification has it: a table that says another one fails here."""

from __future__ import annotations

import base64
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.faces import FACE, TWIML
from tests.support.facts import ACCOUNT, CALL, RECORDING, ROOM, START, identity

from hubbub.api.members import _audio
from hubbub.dialects.tables import Param
from hubbub.dialects.twiml import operations, words
from hubbub.dialects.twiml.errors import REFUSALS
from hubbub.dialects.twiml.face import APOLOGY
from hubbub.dialects.twiml.outcomes import OUTCOMES
from hubbub.dialects.twiml.requests import DEFAULT_LIMITS, ENVELOPE, connection_overrides, http_request
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.errors import Refused
from hubbub.events import CallStatus, EndReason, LeaveReason, Link, RoomStatus
from hubbub.verbs.model import Connect, Gather, Hangup, JoinRoom, Speak, Stage
from hubbub.verbs.program import Outcome, Program
from hubbub.webhooks.delivery import Notice
from hubbub.webhooks.requester import HttpReply, Limits
from hubbub.webhooks.signatures import hmac_sha1_form


def compiled(document: str, stage: Stage = Stage.CALL) -> Program:
    return TWIML.compile(document.encode(), "text/xml", "http://app.test/docs/first", stage)


# -- reasons and statuses, 1.1, 3.3, 4.4 -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (LeaveReason.HUNG_UP, "participant_hung_up"),
        (LeaveReason.WALKED_OUT, "participant_hung_up"),
        (LeaveReason.REDIRECTED, "participant_updated_via_api"),
        (LeaveReason.REMOVED, "participant_updated_via_api"),
        (LeaveReason.MODERATOR_ENDED, "moderator_ended_conference"),
        (LeaveReason.REQUEST_ENDED, "conference_ended_via_api"),
        (LeaveReason.ADD_FAILED, "participant_add_failed"),
    ],
)
def test_why_a_participant_left(reason: LeaveReason, word: str) -> None:
    """3.3: hang-up, `*` and timeLimit: participant_hung_up; redirect, hang-up and DELETE by REST: participant_updated_via_api; …"""
    assert words.LEAVE_REASONS[reason] == word


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (EndReason.LAST_LEFT, "last-participant-left"),
        (EndReason.LAST_REMOVED, "last-participant-kicked"),
        (EndReason.MODERATOR_LEFT, "participant-with-end-conference-on-exit-left"),
        (EndReason.MODERATOR_REMOVED, "participant-with-end-conference-on-exit-kicked"),
        (EndReason.REQUESTED, "conference-ended-via-api"),
    ],
)
def test_why_a_conference_ended(reason: EndReason, word: str) -> None:
    """3.3, in the event and in REST's `reason_conference_ended`."""
    assert words.END_REASONS[reason] == word
    assert FACE.show("room", replace(ROOM, end_reason=reason), ACCOUNT)["reason_conference_ended"] == word


def test_call_statuses_of_rest_and_of_webhooks() -> None:
    """1.1: the words of both are one; `initiated` is "progress event only", REST shows `queued`."""
    same = {"queued", "ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled"}
    assert {words.rest_status(status) for status in CallStatus} == same
    assert {words.webhook_status(status) for status in CallStatus} == same | {"initiated"}
    assert words.rest_status(CallStatus.INITIATED) == "queued"


@pytest.mark.parametrize(
    ("source", "word"),
    [
        *(("room", "Conference"), ("verb", "RecordVerb"), ("dial", "DialVerb"), ("outgoing", "OutboundAPI")),
        *(("request", "StartCallRecordingAPI"), ("room-request", "StartConferenceRecordingAPI")),
    ],
)
def test_sources_of_recordings(source: Any, word: str) -> None:
    """4.4 and 5.7 "Sources"."""
    assert FACE.show("recording", replace(RECORDING, source=source), ACCOUNT)["source"] == word


@pytest.mark.parametrize(("status", "region", "shown"), [("init", "", "unknown"), ("in-progress", "", "us1"), ("init", "ie1", "ie1")])
def test_region(status: str, region: str, shown: str) -> None:
    """3.1: "`region` may read `unknown`" before the start; 2: "report in REST `region`"."""
    assert FACE.show("room", replace(ROOM, status=RoomStatus(status), region=region), ACCOUNT)["region"] == shown


def test_formatted_numbers() -> None:
    """5.4: "`from_formatted` = `(415) 867-5308` for NANP else E.164"."""
    abroad = replace(CALL, caller=replace(CALL.caller, value="+442071838750"))
    assert FACE.show("call", abroad, ACCOUNT)["from_formatted"] == "+442071838750"


def test_a_notification_as_a_query_string() -> None:
    """5.8: "message_text query-string style"; log "0" error, "1" warning; `error_code` a string."""
    data = {"message": "line 2: 100% & more", "url": "http://app.test/v?a=b"}
    row = {"id": identity(3), "call": CALL.id, "code": "12100", "level": "error", "created": START, "data": data}
    shown = FACE.show("notification", row, ACCOUNT)
    assert (shown["error_code"], shown["log"]) == ("12100", "0")
    assert shown["message_text"] == "LogLevel=ERROR&ErrorCode=12100&Msg=line 2: 100%25 %26 more&url=http://app.test/v%3Fa%3Db"


# -- what is asked after a verb, 1.6 and 1.9 ---------------------------------------------------------------------


def asked(kind: str, reason: str = "", **details: Any) -> dict[str, Any]:
    rule = OUTCOMES[JoinRoom]
    outcome = Outcome(kind, reason, details)
    return {name: value for name, value in rule.fields(outcome).items() if value is not None} if rule.asks(outcome) else {}


def test_the_action_after_a_conference() -> None:
    """1.9: "answered after a normal stay (also after `*`)", DialBridged true, no DialCallSid and no DialCallDuration; rejected: failed."""
    left = asked("left", LeaveReason.WALKED_OUT.value, room=ROOM)
    assert left == {"DialCallStatus": "answered", "DialBridged": "true", "conference": ROOM}
    wishing = ACCOUNT.model_copy(update={"room_in_actions": True})
    shown = tuple(FACE.dialect._extra(account, "conference", ROOM) for account in (ACCOUNT, wishing))
    assert shown == ({}, {"ConferenceSid": f"CF{ROOM.id}", "FriendlyName": ROOM.name}), "P5: only for accounts that wish it"
    assert asked("refused", "full") == {"DialCallStatus": "failed", "DialBridged": "false"}


def test_a_label_that_is_taken_goes_on_with_the_next_verb() -> None:
    """3.2: "16025 is documented as continues with the next verb", whatever the action says."""
    assert asked("refused", "label-taken") == {}


@pytest.mark.parametrize("verb", [JoinRoom, Connect])
def test_the_action_is_asked_also_when_the_caller_has_gone(verb: type) -> None:
    """1.9: "If the leg itself hung up, the action is still requested"; a redirect asks it first."""
    rule = OUTCOMES[verb]
    assert rule.asks_when_gone
    assert rule.asks_when_replaced


def test_gather_without_input_goes_on() -> None:
    """1.6: "input → `action`; no input → next verb"."""
    rule = OUTCOMES[Gather]
    assert [rule.asks(Outcome(kind)) for kind in ("digits", "speech", "nothing", "finished-empty", "failed")] == [True, True, *[False] * 3]


def test_an_apology_and_the_end() -> None:
    """1.3: "else canned apology prompt, then hang up"."""
    assert TWIML.failure_program("request").main == (Speak(text=APOLOGY), Hangup())


# -- limits of documents, 1.6, 1.8 -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("voice", "count", "code"),
    [("", 4096, None), ("", 4097, "13521"), ("Polly.Amy", 3000, None), ("Polly.Amy", 3001, "13521")],
)
def test_how_much_is_said(voice: str, count: int, code: str | None) -> None:
    """1.6: ">4096 chars basic / 3000 Polly: 13521"."""
    program = compiled(f"<Response><Say voice='{voice}'>{'x' * count}</Say></Response>")
    assert [remark.code for remark in program.remarks] == ([] if code is None else [code])
    assert len(program.main) == (1 if code is None else 0)


@pytest.mark.parametrize("noun", ["Number", "Sip", "Client"])
def test_ten_are_called_and_no_more(noun: str) -> None:
    """1.8: "≤10 parallel"; 1.7: "≤10 nouns one after another"."""
    who = {"Number": "+15550001000", "Sip": "sip:bob@example.test", "Client": "carol"}[noun]
    for count, remarks in ((10, []), (11, ["13215"])):
        program = compiled(f"<Response><Dial>{f'<{noun}>{who}</{noun}>' * count}</Dial></Response>")
        (verb,) = program.main
        assert isinstance(verb, Connect)
        assert len(verb.groups[0]) == 10
        assert [remark.code for remark in program.remarks] == remarks
    (verb,) = compiled(f"<Response><Dial sequential='true'>{f'<{noun}>{who}</{noun}>' * 11}</Dial></Response>").main
    assert isinstance(verb, Connect)
    assert [len(group) for group in verb.groups] == [1] * 10


@pytest.mark.parametrize(("length", "sent"), [(1019, True), (1020, False)])
def test_headers_of_a_sip_address(length: int, sent: bool) -> None:
    """1.8: "URI query → custom headers; ≤1024 chars": names and values."""
    program = compiled(f"<Response><Dial><Sip>sip:bob@example.test?X-Abc={'v' * length}</Sip></Dial></Response>")
    (verb,) = program.main
    assert isinstance(verb, Connect)
    assert bool(verb.groups[0][0].headers) is sent
    assert [remark.code for remark in program.remarks] == ([] if sent else ["12200"])


@pytest.mark.parametrize(("count", "code"), [(32, None), (33, "13222")])
def test_digits_for_a_number(count: int, code: str | None) -> None:
    program = compiled(f"<Response><Dial><Number sendDigits='{'1' * count}'>+15550001000</Number></Dial></Response>")
    assert [remark.code for remark in program.remarks] == ([] if code is None else [code])


def test_every_verb_of_wait_music_is_named_in_its_error() -> None:
    """1.10: 13238 "a verb other than Say, Play, Pause, Redirect", in wait and hold documents and in announcements."""
    for verb in ("<Dial>+15550001000</Dial>", "<Gather/>", "<Record/>", "<Hangup/>", "<Enqueue>a</Enqueue>", "<Reject/>"):
        for stage in (Stage.BESIDE, Stage.ANNOUNCEMENT):
            program = compiled(f"<Response>{verb}</Response>", stage)
            assert ([remark.code for remark in program.remarks], program.main) == (["13238"], ()), (verb, stage)


def test_a_conference_may_be_named_by_its_sid() -> None:
    """2: "Content = room name … may also be a live `CF…` SID"; upper and lower case of a name differ."""
    (named,) = compiled("<Response><Dial><Conference>Standup</Conference></Dial></Response>").main
    (by_sid,) = compiled(f"<Response><Dial><Conference>CF{'a' * 32}</Conference></Dial></Response>").main
    assert isinstance(named, JoinRoom)
    assert isinstance(by_sid, JoinRoom)
    assert TWIML.room_key(named) == ("Standup", None)
    assert TWIML.room_key(by_sid)[1] == "a" * 32


# -- codes, 1.10 and 5.2 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        *(("unknown-room", "13236"), ("invalid-name", "13237"), ("coach-absent", "13240"), ("coach-too-early", "13240")),
        *(("full", "16020"), ("ended", "16022"), ("invalid-label", "16023"), ("label-taken", "16025"), ("coach-held", "16027")),
        *(("already-in", "16099"), ("internal", "16030"), ("recording-short", "16101"), ("recording-silent", "16102")),
        *(("busy", "16021"), ("stream", "31920"), ("audio", "13420"), ("two-documents", "32019"), ("bad-progress-event", "21626")),
    ],
)
def test_codes_of_what_a_document_is_refused(reason: str, code: str) -> None:
    """1.10."""
    assert REFUSALS[reason] == code


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        *(("bad-parameter", 400, 20001), ("bad-name", 400, 20002), ("bad-body", 400, 20422), ("bad-sid", 400, 20423)),
        *(("unauthenticated", 401, 20003), ("forbidden", 403, 20003), ("key-may-not", 403, 20006), ("not-found", 404, 20404)),
        *(("method", 405, 20004), ("page-size", 400, 20007), ("page-token", 400, 21481), ("call-live", 409, 20009)),
        *(("too-many", 429, 20429), ("internal", 500, 20500), ("storage", 503, 20503)),
        *(("to-missing", 400, 21201), ("invalid-target", 400, 21211), ("not-a-number", 400, 21217), ("no-route", 400, 21214)),
        *(("from-missing", 400, 21213), ("invalid-caller", 400, 21212), ("caller-not-owned", 400, 21210)),
        *(("url-missing", 400, 21205), ("bad-url", 400, 21205), ("bad-method", 400, 21209), ("bad-timeout", 400, 21208)),
        *(("bad-digits", 400, 21206), ("bad-application", 400, 21218), ("call-over", 400, 21220), ("not-allowed", 400, 21215)),
        *(("long-sip-username", 400, 21221), ("long-sip-password", 400, 21223), ("no-sip-password", 400, 21225)),
        *(("bad-machine-detection", 400, 21234), ("asynchronous-detection", 400, 21263), ("bad-callback", 400, 21609)),
        *(("bad-progress-event", 400, 21626), ("not-bridged", 400, 16001), ("bad-room-parameter", 400, 16002), ("full", 400, 16020)),
        *(("room-not-live", 404, 16022), ("invalid-label", 400, 16024), ("label-taken", 400, 16026), ("coach-held", 400, 16027)),
        *(("coach-absent", 400, 16028), ("already-in", 400, 16099), ("announce-held", 400, 16099), ("several-recordings", 400, 16108)),
        *(("one-channel", 400, 16113), ("document-too-long", 400, 32018), ("two-documents", 400, 32019)),
    ],
)
def test_statuses_and_codes_of_rest(reason: str, status: int, code: int) -> None:
    """5.2."""
    answered, body = FACE.error(Refused(reason, "because"), "/p")
    assert (answered, body["status"], body["code"]) == (status, status, code)


def test_call_over_has_the_vendors_message() -> None:
    """5.2: 21220 message "Call is not in-progress. Cannot redirect."; 401 `Authenticate`."""
    assert FACE.error(Refused("call-over"), "/p")[1]["message"] == "Call is not in-progress. Cannot redirect."
    assert FACE.error(Refused("unauthenticated"), "/p")[1]["message"] == "Authenticate"


@pytest.mark.parametrize(
    ("room", "status", "told"),
    [(None, 500, ("15003", "warning")), (identity(1), 500, ("16011", "error")), (identity(1), None, ("11202", "error"))],
)
def test_a_callback_that_fails(room: Any, status: int | None, told: tuple[str, str]) -> None:
    """1.3: "callback requests: 15003 warning, conference events: 16011"; no answer at all has the code of its cause."""
    notice = cast(Notice, SimpleNamespace(room=room))
    assert TWIML.notice_failure(notice, status, "refused") == told


# -- how requests leave, 1.3, 1.4, 4.2 ---------------------------------------------------------------------------


def test_limits_of_a_request() -> None:
    """1.4: ct 5000, rt and tt 15000, rc 1, rp `ct`."""
    assert Limits(connect=5.0, total=15.0, retries=1, retry_on=frozenset({"connect"})) == DEFAULT_LIMITS


def test_the_form_of_a_post() -> None:
    """4.2: "`application/x-www-form-urlencoded; charset=utf-8`"; UTF-8, empty values stay; `TwilioProxy/1.1`."""
    request = http_request(
        ENVELOPE, ACCOUNT, Link("http://app.test/e#rc=0", "POST"), [("FriendlyName", "größe & co"), ("Digits", "")], token="t"
    )
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert request.body == b"FriendlyName=gr%C3%B6%C3%9Fe+%26+co&Digits="
    assert (request.url, request.headers["User-Agent"]) == ("http://app.test/e", "TwilioProxy/1.1")
    assert request.headers["I-Twilio-Idempotency-Token"] == "t"


# -- defaults of REST, 5.4 to 5.7 --------------------------------------------------------------------------------


def rows(does: str) -> dict[str, Param]:
    return {row.name: row for row in next(each for each in operations.OPERATIONS if each.does == does).params}


def test_methods_of_wait_hold_and_announcements() -> None:
    """2.1: "wait POST; hold GET; announce POST"."""
    audio = _audio("twiml", "http://app.test/a", "GET")
    assert audio is not None
    assert audio.link == Link("http://app.test/a", "GET")
    (verb,) = compiled("<Response><Dial><Conference waitUrl='/w'>a</Conference></Dial></Response>").main
    assert isinstance(verb, JoinRoom)
    assert verb.joining.wait.link == Link("http://app.test/w", "POST")


@pytest.mark.parametrize(("value", "good"), [("2", True), ("250", True), ("1", False), ("251", False)])
def test_max_participants_of_rest(value: str, good: bool) -> None:
    """2: "1–250 (REST 2–250)"."""
    read = rows("create_member")["MaxParticipants"].read
    if good:
        assert read(value) == int(value)
    else:
        with pytest.raises(ValueError, match="must be"):
            read(value)


@pytest.mark.parametrize(("does", "low", "high"), [("create_call", 1, 600), ("create_member", 5, 600)])
def test_ring_timeouts_of_rest(does: str, low: int, high: int) -> None:
    """5.4: Timeout 1–600; 5.6: 5–600."""
    read = rows(does)["Timeout"].read
    assert (read(str(low)), read(str(high))) == (low, high)
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match="must be"):
            read(str(value))


def test_recording_events_of_rest() -> None:
    """5.6: started in-progress paused resumed stopped completed failed absent; of a conference in-progress completed failed absent."""
    leg = rows("create_member")["RecordingStatusCallbackEvent"].read
    eight = "started in-progress paused resumed stopped completed failed absent"
    assert leg(eight) == frozenset(eight.split())
    room = rows("create_member")["ConferenceRecordingStatusCallbackEvent"].read
    assert room("in-progress completed failed absent") == frozenset({"in-progress", "completed", "failed", "absent"})
    with pytest.raises(ValueError, match="absent"):
        room("paused")


def test_calls_that_are_shown_as_queued_are_found_as_queued() -> None:
    """1.1: REST has no `initiated`; 5.4 "List filters: … Status"."""
    read = rows("list_calls")["Status"].read
    assert set(read("queued")) == {"queued", "initiated"}
    assert read("ringing") == "ringing"


def test_call_times_before_and_room_dates_on_or_before() -> None:
    """5.3: "`DateCreated<` … on-or-before; `>` on-or-after (Calls `StartTime<`/`EndTime<` mean before)"."""
    for does, name, strict in (("list_calls", "StartTime<", True), ("list_calls", "EndTime<", True), ("list_rooms", "DateCreated<", False)):
        assert rows(does)[name].read("2026-03-02").strict is strict


def test_update_of_a_recording_keeps_silence_unless_it_is_skipped() -> None:
    """5.7: "PauseBehavior silence (default: keep duration) | skip"; Status in-progress, paused, stopped."""
    params = rows("update_recording")
    assert (params["PauseBehavior"].read("silence"), params["PauseBehavior"].read("skip")) == (True, False)
    assert [params["Status"].read(word) for word in ("in-progress", "paused", "stopped")] == ["in-progress", "paused", "stopped"]
    with pytest.raises(ValueError, match="stopped"):
        params["Status"].read("completed")


@pytest.mark.parametrize("name", ["StatusCallback", "RecordingStatusCallback", "AsyncAmdStatusCallback"])
def test_callback_urls(name: str) -> None:
    """1.4: "StatusCallback hosts must not contain underscores"; absolute, http or https."""
    read = rows("create_call")[name].read
    assert read("https://app.test/a_b?c_d=e#rc=2") == "https://app.test/a_b?c_d=e#rc=2"
    for value in ("https://my_app.test/a", "/relative", "ftp://app.test/a", "https:///a"):
        with pytest.raises(ValueError, match="must"):
            read(value)


@pytest.mark.parametrize(
    ("document", "codes"),
    [
        ("<Record action='https://app.test/x'/>", []),
        ("<Record/>", ["15004"]),
        ("<Record action='/x'/>", ["15004"]),
        ("<Gather action='/x'/>", ["15004"]),
        ("<Gather action='https://app.test/x'/>", []),
    ],
)
def test_documents_given_to_rest(document: str, codes: list[str]) -> None:
    """1.5: "REST `Twiml` string: no base URL: `action` of Record/Gather/Pay must be absolute (15004, 11100)"."""
    assert sorted(remark.code for remark in FACE.program(f"<Response>{document}</Response>").remarks) == codes


def test_parents_act_on_subaccounts() -> None:
    """5.1: "parent credentials may act on subaccount paths"; a subaccount's act on no other path."""
    parent = ACCOUNT.faces["twilio"]
    child = {"sid": "AC" + "7" * 32, "token": "f" * 32, "parent": parent["sid"]}
    own = ACCOUNT.model_copy(update={"name": "child", "faces": {"twilio": child}})
    face = TwimlRest(TWIML, [ACCOUNT, own])

    def basic(sid: str, token: str) -> str:
        return "Basic " + base64.b64encode(f"{sid}:{token}".encode()).decode()

    assert face.authenticate(basic(parent["sid"], parent["token"]), child["sid"]) is own
    assert face.authenticate(basic(child["sid"], child["token"]), child["sid"]) is own
    with pytest.raises(Refused) as refused:
        face.authenticate(basic(child["sid"], child["token"]), parent["sid"])
    assert refused.value.reason == "forbidden"


@pytest.mark.parametrize(
    ("key", "field", "low", "high"), [("ct", "connect", 100, 10_000), ("rt", "first_byte", 100, 15_000), ("tt", "total", 100, 15_000)]
)
def test_bounds_of_connection_overrides(key: str, field: str, low: int, high: int) -> None:
    """1.4: ct 100–10000 ms, rt and tt 100–15000 ms: these and no other."""
    for value, taken in ((low - 1, False), (low, True), (high, True), (high + 1, False)):
        expected = value / 1000 if taken else getattr(DEFAULT_LIMITS, field)
        assert getattr(connection_overrides(f"{key}={value}"), field) == expected, value


@pytest.mark.parametrize(
    ("status", "kind", "size", "code"),
    [
        (399, "text/xml", 10, None),
        (400, "text/xml", 10, "11200"),
        (200, "text/xml", 65_536, None),
        (200, "text/xml", 65_537, "11750"),
        (200, "audio/wav", 65_537, None),
    ],
)
def test_bounds_of_an_answer(status: int, kind: str, size: int, code: str | None) -> None:
    """1.3: "status ≥ 400: 11200"; "> 64 kB → 11750": of documents, audio may be longer."""
    reply = HttpReply(status=status, headers={}, content_type=kind, body=b" " * size, url="http://a/", seconds=0.1, attempts=1)
    failure = TWIML.reply_failure(reply)
    assert (failure[0] if failure else None) == code


def test_audio_is_asked_for_with_a_signature() -> None:
    """1.3: "every request carries `X-Twilio-Signature`", what `<Play>` asks for too: the URL as it is requested, without its fragment."""
    headers = TWIML.audio_headers(ACCOUNT, "https://app.test/prompt.wav?call=1#rc=2")
    token = ACCOUNT.faces["twilio"]["token"]
    assert headers["X-Twilio-Signature"] == hmac_sha1_form(token, "https://app.test/prompt.wav?call=1")
    assert (headers["User-Agent"], "Content-Type" in headers) == ("TwilioProxy/1.1", False)


@pytest.mark.parametrize(("length", "code"), [(4000, None), (4001, 32018)])
def test_how_long_a_document_given_to_rest_may_be(length: int, code: int | None) -> None:
    """1.5: "4000 characters for REST `Twiml` (32018)"."""
    frame = "<Response><Hangup/></Response>"
    document = frame.replace("><", ">" + " " * (length - len(frame)) + "<", 1)
    assert len(document) == length
    if code is None:
        assert FACE.program(document).main == (Hangup(),)
    else:
        with pytest.raises(Refused) as refused:
            FACE.program(document)
        assert FACE.error(refused.value, "/p")[1]["code"] == code


@pytest.mark.parametrize(("length", "good"), [(1024, True), (1025, False)])
def test_headers_of_a_target_of_rest(length: int, good: bool) -> None:
    """5.2: 21227, the headers of a SIP URI: 1024 characters (1.8)."""
    spelled = "sip:bob@example.test?X-A=" + "v" * (length - len("X-A="))
    if good:
        assert set(FACE.headers(spelled)) == {"X-A"}
    else:
        with pytest.raises(Refused) as refused:
            FACE.headers(spelled)
        assert FACE.error(refused.value, "/p")[1]["code"] == 21227


@pytest.mark.parametrize(("length", "good"), [(1, True), (128, True), (129, False), (0, False)])
def test_names_of_conferences_in_rest(length: int, good: bool) -> None:
    """2: "1–128 chars"; 16002 in REST; statuses are asked for with `start end` where no event is named."""
    if good:
        verb = FACE.join({"status_url": "http://app.test/e"}, "x" * length)
        assert verb.joining.settings.subscription is not None
        assert {kind.value for kind in verb.joining.settings.subscription.events} == {"started", "ended"}
    else:
        with pytest.raises(Refused) as refused:
            FACE.join({}, "x" * length)
        assert FACE.error(refused.value, "/p")[1]["code"] == 16002


@pytest.mark.parametrize(
    ("channels", "asked", "good"), [(1, "1", True), (1, "2", False), (2, "2", True), (2, "1", True), (1, "3", False), (2, "", True)]
)
def test_requested_channels(channels: int, asked: str, good: bool) -> None:
    """5.7: "`?RequestedChannels=1|2`; 2 not available → 400", 16113."""
    query = {"RequestedChannels": asked} if asked else {}
    if good:
        FACE.check_media(replace(RECORDING, channels=channels), query)
    else:
        with pytest.raises(Refused) as refused:
            FACE.check_media(replace(RECORDING, channels=channels), query)
        assert FACE.error(refused.value, "/p")[1]["code"] == 16113
