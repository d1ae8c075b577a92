"""Calling REST and the logs: rows, what commands order, answers, errors, paging."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL, PUBLIC, ROOM, START, identity

from hubbub.api.commands import read_members, remarks_on
from hubbub.api.logs import RoomLog
from hubbub.api.rest import OPERATIONS as NEUTRAL
from hubbub.dialects.swml import SwmlDialect, orders
from hubbub.dialects.swml.commands import COMMANDS, UNSUPPORTED
from hubbub.dialects.swml.rest import CallingRest, CallLogsRest, RoomLogsRest
from hubbub.dialects.tables import Between, Page, Param
from hubbub.errors import Refused
from hubbub.events import ActionEvent, CallStatus, Link, Party
from hubbub.verbs.capture import StartRecording
from hubbub.verbs.model import (
    Connect,
    Pause,
    PlayAudio,
    PlayTone,
    Refer,
    Speak,
)

FACE = CallingRest(SwmlDialect(PUBLIC, [ACCOUNT]), [ACCOUNT])
OURS = replace(CALL, dialect="swml")
ROWS = {row.command: row for row in COMMANDS}
SDK = {
    *("dial", "update", "calling.end", "calling.ai_hold", "calling.ai_unhold", "calling.ai_message", "calling.live_transcribe"),
    *("calling.live_translate", "calling.transfer", "calling.user_event", "calling.disconnect", "calling.play", "calling.play.pause"),
    *("calling.play.resume", "calling.play.stop", "calling.play.volume", "calling.record", "calling.record.pause"),
    *("calling.record.resume", "calling.record.stop", "calling.collect", "calling.collect.stop", "calling.collect.start_input_timers"),
    *("calling.detect", "calling.detect.stop", "calling.tap", "calling.tap.stop", "calling.stream", "calling.stream.stop"),
    *("calling.denoise", "calling.denoise.stop", "calling.transcribe", "calling.transcribe.stop", "calling.ai.stop"),
    *("calling.send_fax.stop", "calling.receive_fax.stop", "calling.refer"),
}
"""All 37 commands of the vendor's own client."""


def test_every_command_is_a_row_or_says_why_not() -> None:
    assert set(ROWS) | set(UNSUPPORTED) >= SDK
    assert not set(ROWS) & set(UNSUPPORTED)
    assert {row.does for row in COMMANDS} <= set(NEUTRAL)
    assert all(param.to is not None or param.why for row in COMMANDS for param in row.params)
    assert [name for name, why in UNSUPPORTED.items() if not why] == []


def read(command: str, **params: Any) -> dict[str, Any]:
    return orders.completed(command, read_members(ROWS[command].params, params))


def refused(command: str, **params: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        read(command, **params)
    return caught.value.reason, caught.value.where


# -- what is ordered -------------------------------------------------------------------------------------------


def test_play_lists_sounds() -> None:
    """4: type audio, tts, silence, ringtone."""
    values = read(
        "calling.play",
        play=[
            {"type": "audio", "params": {"url": "http://a/b.wav"}},
            {"type": "tts", "params": {"text": "hi", "language": "en-GB", "gender": "male", "voice": "v"}},
            {"type": "silence", "params": {"duration": 2}},
            {"type": "ringtone", "params": {"name": "uk", "duration": 3.5}},
        ],
        control_id="c",
        loop=0,
    )
    assert values["sounds"] == (
        PlayAudio(link=Link("http://a/b.wav", "GET")),
        Speak(text="hi", voice="v", language="en-GB", gender="male"),
        Pause(seconds=2.0),
        PlayTone(kind="ring", seconds=3.5, country="uk"),
    )
    assert (values["control"], values["kind"], values["loops"]) == ("c", "play", 0)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"type": "song"},
        {"type": "audio", "params": {}},
        {"type": "audio", "params": {"url": "ftp://a"}},
        {"type": "tts", "params": {}},
        {"type": "silence", "params": {"duration": 601}},
        {"type": "silence", "params": {"duration": "long"}},
        {"type": "ringtone", "params": []},
    ],
)
def test_a_sound_that_is_none_is_refused(item: dict[str, Any]) -> None:
    reason, where = refused("calling.play", play=[item])
    assert (reason, where[:4]) == ("bad-parameter", "play")


def test_volume_is_within_forty_decibels() -> None:
    """4: "volume -40..40"."""
    assert read("calling.play.volume", control_id="c", volume=-40)["gain_db"] == -40
    assert refused("calling.play.volume", control_id="c", volume=41) == ("bad-parameter", "volume")
    assert refused("calling.play.volume", control_id="c") == ("missing", "volume")


def test_record_takes_the_methods_own_parameters() -> None:
    """4: `record.audio{…}`; the SDK sends `audio` alone."""
    for given in ({"record": {"audio": {"stereo": True, "direction": "both"}}}, {"audio": {"stereo": True, "direction": "both"}}):
        values = read("calling.record", control_id="c", status_url="http://a/s", **given)
        (started,) = [step for step in values["program"].main if isinstance(step, StartRecording)]
        assert (started.name, started.channels, started.track) == ("c", 2, "both")
        assert started.notices is not None
        assert values["action"] == ""  # the recording tells it itself
        assert values["stopper"].main
    assert refused("calling.record", audio={"loudness": 1}) == ("bad-parameter", "audio")
    assert read("calling.record.pause", control_id="c", behavior="silence")["keep_silence"] is True


def test_a_destination_is_a_script_a_url_a_number_or_an_address() -> None:
    """4 calling.transfer: "dest* (SIP, number, SWML URL, inline SWML)"."""
    script = {"version": "1.0.0", "sections": {"main": [{"sleep": 1000}]}}
    assert read("calling.transfer", dest="https://a/doc") == {"url": "https://a/doc"}
    for inline in (script, "version: 1.0.0\nsections:\n  main:\n  - sleep: 1000\n"):
        assert read("calling.transfer", dest=inline)["program"].main == (Pause(seconds=1.0),)
    for target in ("+15550001000", "sip:bob@127.0.0.1"):
        step = read("calling.transfer", dest=target)["program"].main[0]
        assert isinstance(step, Connect)
    assert refused("calling.transfer", dest="nowhere")[0] == "bad-document"
    assert refused("calling.transfer") == ("missing", "dest")


def test_refer_needs_a_sip_device() -> None:
    device = {"type": "sip", "params": {"to": "sip:carol@127.0.0.1"}}
    assert [step.uri for step in read("calling.refer", device=device)["program"].main if isinstance(step, Refer)] == ["sip:carol@127.0.0.1"]
    assert refused("calling.refer", device={"type": "sip", "params": {}}) == ("bad-parameter", "device")


@pytest.mark.parametrize(
    ("command", "params", "where"),
    [
        ("calling.detect", {"detect": {"type": "machine", "params": [1]}}, "detect"),
        ("calling.record", {"record": {"audio": "x"}}, "audio"),
        ("calling.tap", {"tap": {}, "device": {"type": "rtp", "params": "x"}}, "device"),
        ("calling.tap", {"tap": {"params": [1]}, "device": {"type": "rtp"}}, "tap"),
        ("calling.refer", {"device": {"type": "sip", "params": [1]}}, "device"),
    ],
)
def test_what_must_be_an_object_is_refused_as_anything_else(command: str, params: dict[str, Any], where: str) -> None:
    assert refused(command, **params) == ("bad-parameter", where)


def test_a_recording_without_wishes_is_made() -> None:
    assert read("calling.record", record={"audio": None})["program"].main


def test_dial_needs_one_document() -> None:
    whom = {"from": "+15550001000", "to": "+15550002000"}
    assert refused("dial", **whom) == ("missing", "url")
    assert refused("dial", **whom, url="http://a/b", swml={"sections": {}}) == ("missing", "url")
    assert refused("dial", to="+1", url="http://a/b") == ("missing", "from")
    values = read("dial", **whom, url="http://a/b", custom_variables={"a": 1}, status_events="answered ended")
    assert values["extra"] == {"envs": {"a": 1}, "url": "http://a/b"}
    assert values["progress_events"] == {"answered", "completed"}


@pytest.mark.parametrize("name", ["sw_a", "signalwire_a", "rtc_a", "internal_a", "1a", "a-b", ""])
def test_variables_with_other_names_are_refused(name: str) -> None:
    """4: "key `[A-Za-z_]\\w*`, no `signalwire_ sw_ rtc_ internal_` prefix"."""
    given = {"from": "+15550001000", "to": "+15550002000", "url": "http://a/b", "custom_variables": {name: "x"}}
    assert refused("dial", **given) == ("bad-parameter", "custom_variables")


def test_what_has_no_effect_is_told() -> None:
    remarks = remarks_on(ROWS["dial"].params, {"from": "x", "colour": 1, "region": "us"})
    assert [text.split("'")[1] for _, text in remarks] == ["colour"]


def test_a_script_cannot_be_called() -> None:
    """4: "`to` … or `to_script`": scripts are not hosted here; one of both is needed."""
    given = {"from": "+15550001000", "url": "http://a/b"}
    assert refused("dial", **given, to_script="a-b-c") == ("unsupported", "to_script")
    assert refused("dial", **given) == ("missing", "to")


@pytest.mark.parametrize(
    ("given", "manner"),
    [
        ({}, (False, False, False, False)),
        ({"continuous": True, "start_input_timers": True}, (True, False, False, False)),
        ({"partial_results": True, "send_start_of_input": True, "start_input_timers": False}, (False, True, True, True)),
    ],
)
def test_how_a_collection_goes_on(given: dict[str, Any], manner: tuple[bool, ...]) -> None:
    (verb,) = read("calling.collect", digits={"max": 2}, **given)["program"].main
    assert (verb.manner.continuous, verb.manner.partial, verb.manner.beginning, verb.manner.timers is not None) == manner


def test_a_transcription_is_stopped_by_its_name() -> None:
    values = read("calling.transcribe", control_id="text", status_url="http://a/b")
    assert (values["program"].main[0].name, values["stopper"].main[0].name, values["action"]) == ("text", "text", "transcription")


def test_members_are_read_by_their_rows() -> None:
    rows = (Param("a", "a"), Param("b", "b", lambda value: value, whole=True), Param("c", None, why="no"))
    assert read_members(rows, {"a": 1, "b": [1], "c": "x", "d": None}) == {"a": "1", "b": [1]}
    with pytest.raises(Refused):
        read_members(rows, {"a": [1]})


# -- what is answered ------------------------------------------------------------------------------------------


def test_a_call_leg() -> None:
    """4: the keys of CallLeg, exact."""
    shown = FACE.show("call", OURS, ACCOUNT)
    assert set(shown) == {
        *("id", "from", "to", "direction", "source", "url", "charge", "charge_details", "created_at", "status"),
        *("duration", "duration_ms", "billing_ms", "type", "parent_id"),
    }
    assert (shown["direction"], shown["status"], shown["type"], shown["duration"]) == ("inbound", "answered", "relay_pstn_call", None)
    assert set(FACE.show("call", (OURS, "song"), ACCOUNT)) - set(shown) == {"control_id"}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (CallStatus.QUEUED, "queued"),
        (CallStatus.INITIATED, "initiated"),
        (CallStatus.RINGING, "ringing"),
        (CallStatus.IN_PROGRESS, "answered"),
        (CallStatus.COMPLETED, "completed"),
        (CallStatus.BUSY, "failed"),
        (CallStatus.CANCELED, "canceled"),
    ],
)
def test_statuses(status: CallStatus, word: str) -> None:
    assert FACE.show("call", replace(OURS, status=status), ACCOUNT)["status"] == word


@pytest.mark.parametrize(("cause", "word"), [("hangup", "hangup"), ("busy", "busy"), ("timeout", "no_answer"), ("cancel", "cancel"),
                                             ("rejected", "declined"), ("error", "error"), ("request-failed", "error")])  # fmt: skip
def test_end_reasons(cause: str, word: str) -> None:
    """4: `end_reason(hangup busy no_answer cancel declined error)`."""
    from hubbub.dialects.swml.callbacks import STATE, Told
    from hubbub.dialects.tables import render

    over = replace(OURS, status=CallStatus.COMPLETED, ended=START + 5, cause=cause)
    told = render(STATE, Told(over, ACCOUNT))
    assert (told["end_reason"], told["call_state"]) == (word, "ended")
    assert "end_reason" not in render(STATE, Told(OURS, ACCOUNT))


def test_news_of_controls() -> None:
    """States of what plays, with the word of its command; who answered."""
    for state, word in (("began", "playing"), ("paused", "paused"), ("resumed", "playing"), ("ended", "finished"), ("failed", "error")):
        (notice,) = FACE.dialect.action_notices(ACCOUNT, ActionEvent("playing", state, OURS, START, "c"), Link("http://a/s"))
        assert isinstance(notice.fields, dict)
        params = notice.fields["params"]
        assert (notice.fields["event_type"], params["state"], params["control_id"]) == ("calling.call.play", word, "c")
    detected = ActionEvent("detection", "ended", OURS, START, "d", {"detect_result": "human"})
    (notice,) = FACE.dialect.action_notices(ACCOUNT, detected, Link("http://a/s"))
    assert isinstance(notice.fields, dict)
    assert notice.fields["params"]["detect"] == {"type": "machine", "params": {"event": "HUMAN"}}


def test_refusals() -> None:
    """4: 401, 404, 400, 500 in a word; all others 422 with a list."""
    assert FACE.error(Refused("unauthenticated"), "/") == (401, {"error": "Unauthorized"})
    assert FACE.error(Refused("not-found"), "/") == (404, {"error": "Not Found"})
    assert FACE.error(Refused("internal"), "/") == (500, {"error": "Internal Server Error"})
    status, body = FACE.error(Refused("missing", "to is required", where="to"), "/")
    assert (status, body["errors"][0]["code"], body["errors"][0]["attribute"]) == (422, "missing_required_parameter", "to")
    assert FACE.error(Refused("no-route", "x"), "/")[1]["errors"][0]["code"] == "no_route"


@pytest.mark.parametrize(
    ("spelled", "kind", "value"),
    [
        ("+15550001000", "number", "+15550001000"),
        ("sip:bob@example.com", "sip", "bob"),
        ("client:alice", "phone", "alice"),
        ("verto:alice@example.com", "phone", "alice"),
        ("/private/alice", "phone", "alice"),
    ],
)
def test_parties(spelled: str, kind: str, value: str) -> None:
    """4 dial: "`to` (E.164, sip:, verto:, client:, address)"."""
    found: Party = FACE.party(spelled, "127.0.0.1")
    assert (found.kind, found.value) == (kind, value)


def test_a_page_of_logs() -> None:
    """2.7: `{links{self,first,next?,prev?}, data[]}`; items of both types."""
    logs = RoomLogsRest(SwmlDialect(PUBLIC, [ACCOUNT]), [ACCOUNT])
    items = tuple(RoomLog(replace(ROOM, id=identity(n), dialect=d), None, None) for n, d in enumerate(("swml", "cxml")))
    shown = logs.show_page("room-log", Page(items, 1, 2, more=True), ACCOUNT, "/api/logs/conferences", {"page_number": "1", "x": "y"})
    assert set(shown["links"]) == {"self", "first", "next", "prev"}
    assert "page_number=2" in shown["links"]["next"]
    assert "x=y" in shown["links"]["prev"]
    assert [item["type"] for item in shown["data"]] == ["relay_conference", "cxml_conference"]
    last = logs.show_page("room-log", Page(items, 0, 2, more=False), ACCOUNT, "/x", {})
    assert set(last["links"]) == {"self", "first"}


def test_filters_of_logs() -> None:
    rows = {param.name: param for param in CallLogsRest.operations[0].params}
    assert rows["created_on"].read("1970-01-02") == Between("=", 86400.0, 172800.0)
    assert rows["created_before"].read("1970-01-02") == Between("<", 86400.0, 86400.0)
    assert rows["created_after"].read("1970-01-02") == Between(">", 172800.0, 172800.0)
