"""Words, defaults and codes of the cXML tables, each as its specification has them, and what they share with the compatible dialect."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL, PUBLIC

from hubbub.dialects.cxml import CxmlDialect
from hubbub.dialects.cxml.document import TABLE
from hubbub.dialects.cxml.requests import FAILURE_CODES
from hubbub.dialects.twiml import TwimlDialect
from hubbub.dialects.twiml.document import TABLE as COMPATIBLE
from hubbub.verbs.model import JoinRoom, Pause, Stage
from hubbub.verbs.program import Program
from hubbub.webhooks.requester import HttpReply

DIALECT = CxmlDialect(PUBLIC)
OWN_SOCKETS = {"audioFormat", "connectorName", "sampleRate"}
"""Attributes of a stream that only the compatible dialect has: this one has `codec`."""


def compiled(body: str, stage: Stage = Stage.CALL) -> Program:
    return DIALECT.compile(f"<Response>{body}</Response>".encode(), "text/xml", "http://app.test/doc", stage)


def codes(program: Program) -> list[str]:
    return [remark.code for remark in program.remarks]


def test_the_union_of_both_columns_is_known() -> None:
    """1.5 "accept the union of both columns": whatever the compatible dialect has is here too, and goes to the same place."""
    for here, there in ((TABLE.elements, COMPATIBLE.elements), (TABLE.nested, COMPATIBLE.nested)):
        for name, element in there.items():
            rows = {row.name: row.to for row in here[name].attributes}
            assert {row.name for row in element.attributes} - set(rows) <= OWN_SOCKETS, name
            assert all(rows[row.name] == row.to for row in element.attributes if row.name in rows), name


DEFAULTS: dict[str, dict[str, Any]] = {
    "Dial": {"method": "POST", "hangupOnStar": False, "timeout": 30, "answerOnBridge": False, "trim": False, "recordingTrack": "both"},
    "Say": {"loop": 1},
    "Play": {"loop": 1},
    "Pause": {"length": 1},
    "Gather": {"method": "POST", "timeout": 5.0, "finishOnKey": "#", "actionOnEmptyResult": False, "input": frozenset({"keys"})},
    "Record": {"method": "POST", "maxLength": 3600, "playBeep": True, "trim": True, "transcribe": False},
    "Redirect": {"method": "POST"},
    "Reject": {"reason": "declined"},
    "Enqueue": {"method": "POST", "waitUrlMethod": "POST"},
    "Echo": {"timeout": 60},
    "Dial/Number": {"method": "POST", "statusCallbackMethod": "POST", "statusCallbackEvent": frozenset({"completed"})},
    "Dial/Conference": {
        "beep": "both",
        "muted": False,
        "startConferenceOnEnter": True,
        "endConferenceOnExit": False,
        "record": False,
        "trim": True,
        "waitMethod": "POST",
        "statusCallbackMethod": "POST",
        "recordingStatusCallbackMethod": "POST",
        "statusCallbackEvent": None,
        "recordingStatusCallbackEvent": frozenset({"completed", "failed"}),
    },
}


@pytest.mark.parametrize(("element", "defaults"), DEFAULTS.items(), ids=list(DEFAULTS))
def test_defaults(element: str, defaults: dict[str, Any]) -> None:
    """1.3, 1.4, 1.5: the defaults of the tables."""
    row = TABLE.nested[element] if "/" in element else TABLE.elements[element]
    found = {attribute.name: attribute.default for attribute in row.attributes}
    assert {name: found[name] for name in defaults} == defaults


def test_a_room_starts_with_two_and_holds_250() -> None:
    """1.6: "≥ 2 members are present"; 3.6: "the real default is 250"; 1.5: names of 64 characters, spaces legal, trimmed."""
    (verb,) = compiled(f"<Dial><Conference> {'Room 1234':-<64} </Conference></Dial>").main
    assert isinstance(verb, JoinRoom)
    policy = verb.joining.settings.policy
    assert (policy.minimum_to_start, policy.capacity, len(verb.room), verb.refused) == (2, 250, 64, "")
    program = compiled(f"<Dial><Conference>{'x' * 65}</Conference></Dial>")
    assert (program.main[0].refused, codes(program)) == ("invalid-name", ["20002"])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<Dial><Conference>a</Conference><Number>+15550001</Number></Dial>", "13000"),
        ("<Dial><Conference>a</Conference><Conference>b</Conference></Dial>", "13000"),
        ('<Dial><Conference recordingStatusCallback="/r" recordingStatusCallbackEvent="often">a</Conference></Dial>', "13621"),
        ('<Dial><Conference trim="some">a</Conference></Dial>', "13699"),
        ("<Pay/>", "13750"),
        ("<Connect><VirtualAgent/></Connect>", "13750"),
        ("<Play>rtmp://media.test/live</Play>", "21455"),
        ('<Redirect method="PUT">/next</Redirect>', "13221"),
        ('<Start><Stream url="http://media.test/"/></Start>', "31922"),
    ],
)
def test_codes_of_documents(body: str, code: str) -> None:
    """1.10."""
    assert code in codes(compiled(body))


@pytest.mark.parametrize("verb", ["<Dial>+15550001</Dial>", "<Gather/>", "<Hangup/>", "<Record/>"])
def test_what_wait_documents_may_not_hold(verb: str) -> None:
    """1.10: 13238 (W): Dial, Gather, Hangup or Record inside wait, hold and announce documents."""
    assert codes(compiled(verb, Stage.BESIDE)) == ["13238"]


@pytest.mark.parametrize(
    ("status", "kind", "size", "code"),
    [
        (404, "text/xml", 10, "11217"),
        (500, "text/xml", 10, "11217"),
        (502, "text/xml", 10, "11200"),
        (200, "image/png", 10, "12300"),
        (200, "text/xml", 65_537, "11750"),
    ],
)
def test_what_is_no_answer(status: int, kind: str, size: int, code: str) -> None:
    """1.10: 11200 webhook timed out or 502; 11217 4xx and 5xx; 11750 body > 64 kB; 12300 content type."""
    failure = DIALECT.reply_failure(HttpReply(status, {}, kind, b"x" * size, "http://app.test/", 0.1, 1))
    assert failure is not None
    assert failure[0] == code


def test_codes_of_requests_without_an_answer() -> None:
    """1.10: 11200, 11210, 11215, 11220, 11251, 11750."""
    wanted = {"timeout": "11200", "dns": "11210", "redirects": "11215", "protocol": "11251", "too_large": "11750"}
    assert {kind: FAILURE_CODES[kind] for kind in wanted} == wanted
    assert {FAILURE_CODES[kind] for kind in FAILURE_CODES if kind.startswith("tls")} <= {"11220", "11235", "11236", "11237"}


def test_the_standard_parameters() -> None:
    """1.2: `AccountSid ApiVersion CallSid CallStatus Direction From To`; ids are plain UUIDs."""
    fields = DIALECT.call_fields(ACCOUNT, CALL)
    assert {"AccountSid", "ApiVersion", "CallSid", "CallStatus", "Direction", "From", "To"} <= set(fields)
    assert (fields["ApiVersion"], fields["CallSid"]) == ("2010-04-01", "00000000-0000-0000-0000-000000000001")


def test_a_pause_that_stands_first_delays_answering() -> None:
    """1.3: `Pause` "as first verb delays answering"; in the compatible dialect it answers."""
    assert Pause not in DIALECT.answering
    assert DIALECT.answering == TwimlDialect.answering - {Pause}


def test_attributes_that_are_read_and_have_no_effect() -> None:
    """1.3: `sessionTimeout` of Sip; 1.4: `events`; 1.5: what builders write: known, so that nobody is told of them."""
    program = compiled('<Dial events="x"><Sip sessionTimeout="60">sip:a@b.test</Sip></Dial>')
    assert (codes(program), len(program.main)) == ([], 1)
