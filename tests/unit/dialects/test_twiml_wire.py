"""The wire of REST 2010-04-01 (5.1): the older form of answers, access tokens, two auth tokens; answers to callbacks."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.support.facts import ACCOUNT, CALL, PUBLIC, ROOM, START, identity

from hubbub.calls.directory import KeyRecord, digest_of
from hubbub.dialects import twiml
from hubbub.dialects.cxml import CxmlDialect
from hubbub.dialects.cxml.rest import CxmlRest
from hubbub.dialects.tables import Operation, Page
from hubbub.dialects.twiml import TwimlDialect
from hubbub.dialects.twiml.errors import NEVER
from hubbub.dialects.twiml.requests import needless_answer
from hubbub.dialects.twiml.resources import ABSENT_CODES
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.errors import Refused
from hubbub.events import Exchange
from hubbub.ids import Id
from hubbub.settings import Account
from hubbub.webhooks.exchange import of_notice, of_request
from hubbub.webhooks.notices import Notice
from hubbub.webhooks.requester import HttpReply, HttpRequest

AC = "AC00000000000000000000000000000001"
BASE = f"/2010-04-01/Accounts/{AC}"
KEY = KeyRecord(id=identity(9), account="dev", created=START, updated=START, digest=digest_of("secret"))
SK = f"SK{KEY.id}"


class Keys:
    """One key, while it is there."""

    def __init__(self) -> None:
        self.held: KeyRecord | None = KEY

    def key(self, identity: Id, secret: str) -> KeyRecord | None:
        found = self.key_named(identity)
        return found if found is not None and digest_of(secret) == found.digest else None

    def key_named(self, identity: Id) -> KeyRecord | None:
        return self.held if self.held is not None and identity == KEY.id else None


class Clock:
    def __init__(self) -> None:
        self.now = START


def face(clock: Clock | None = None, keys: Keys | None = None, account: Account = ACCOUNT) -> TwimlRest:
    ticking = clock or Clock()
    return TwimlRest(TwimlDialect(PUBLIC), [account], keys or Keys(), lambda: ticking.now)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# -- the older form --------------------------------------------------------------------------------------------


def spelled(path: str, resource: str | None, body: dict[str, Any], on: TwimlRest | None = None) -> ElementTree.Element | None:
    """The answer as it is read by a client of that form; None where it is JSON."""
    rest = on or face()
    found = rest.habits.spelled(f"{BASE}{path}", rest.resources[resource] if resource else None, body)
    if found is None:
        return None
    content, kind = found
    assert kind == "application/xml"
    return ElementTree.fromstring(content)


@pytest.mark.parametrize(
    ("path", "xml"),
    [
        ("/Calls/CA1.xml", True),
        ("/Calls/CA1", True),
        ("/Calls", True),
        ("/Calls/CA1.json", False),
        (f"/Recordings/RE{identity(1)}.xml", True),
        (f"/Recordings/RE{identity(1)}", False),
        (f"/Recordings/RE{identity(1)}.wav", False),
    ],
)
def test_no_suffix_or_xml_is_the_older_form(path: str, xml: bool) -> None:
    """5.1: "`.json` suffix: JSON; no suffix or `.xml`: legacy XML"; 5.7: a recording without a suffix is its media."""
    assert (spelled(path, None, {"code": 20404}) is not None) is xml


def test_one_thing() -> None:
    root = spelled("/Calls/CA1.xml", "call", face().show("call", CALL, ACCOUNT))
    assert root is not None
    assert (root.tag, [child.tag for child in root]) == ("TwilioResponse", ["Call"])
    assert root.findtext("Call/Sid") == f"CA{CALL.id}"
    assert (root.findtext("Call/AccountSid"), root.findtext("Call/PhoneNumberSid")) == (AC, ""), "null is an empty element"
    assert root.findtext("Call/Uri") == f"{BASE}/Calls/CA{CALL.id}", "links lead to the same form"
    assert root.findtext("Call/SubresourceUris/Notifications") == f"{BASE}/Calls/CA{CALL.id}/Notifications"


def test_a_page() -> None:
    rest = face()
    shown = rest.show_page("room", Page((ROOM,), 0, 1, more=True), ACCOUNT, f"{BASE}/Conferences.xml", {})
    root = spelled("/Conferences.xml", "room", shown)
    assert root is not None
    (page,) = root
    assert (page.tag, [item.tag for item in page]) == ("Conferences", ["Conference"])
    assert (page.get("page"), page.get("pagesize"), page.get("start"), page.get("previouspageuri")) == ("0", "1", "0", "")
    assert str(page.get("nextpageuri")).startswith(f"{BASE}/Conferences.xml?PageSize=1&Page=1&PageToken=PACF")


def test_an_error_and_what_no_document_can_hold() -> None:
    status, body = face().error(Refused("not-found"), "/\x00 <p>")
    root = spelled("/Calls/CA1.xml", None, body)
    assert root is not None
    assert (status, root.findtext("RestException/Code"), root.findtext("RestException/Status")) == (404, "20404", "404")
    assert "\ufffd <p>" in str(root.findtext("RestException/Message"))


def test_booleans_and_parts_of_things() -> None:
    shown = {"muted": True, "capabilities": {"voice": True}, "1": "a", "list": ["x"], "list_of": []}
    root = spelled("/a.xml", "member", shown)
    assert root is not None
    assert (root.findtext("Participant/Muted"), root.findtext("Participant/Capabilities/Voice")) == ("true", "true")
    assert root.findtext("Participant/_1") == "a"


def test_the_compatible_dialect_knows_json_only() -> None:
    rest = CxmlRest(CxmlDialect(PUBLIC), [ACCOUNT])
    assert spelled("/Calls/CA1", "call", {}, rest) is None
    assert rest.habits.token_path == ""


# -- access tokens and two auth tokens -------------------------------------------------------------------------


def bearer(rest: TwimlRest, client: str, secret: str) -> str:
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    return f"Bearer {rest.habits.token('', form)['access_token']}"


@pytest.mark.parametrize(("client", "secret"), [(SK, "secret"), (AC, ACCOUNT.faces["twilio"]["token"])])
def test_an_access_token_is_good_for_an_hour(client: str, secret: str) -> None:
    """5.1: "SDK 9.x can also send `Authorization: Bearer` from OAuth client credentials"."""
    clock = Clock()
    rest = face(clock)
    token = bearer(rest, client, secret)
    clock.now += 3599
    assert rest.authenticate(token, AC) is ACCOUNT
    for wrong in (token[:-2], token + "A", "Bearer ", "Bearer a.b.c", "Bearer e30.e30.", f"Bearer {token.split('.')[1]}"):
        with pytest.raises(Refused) as caught:
            rest.authenticate(wrong, AC)
        assert caught.value.reason == "unauthenticated"
    with pytest.raises(Refused) as caught:
        rest.authenticate(token, "AC" + "9" * 32)
    assert caught.value.reason == "forbidden"
    clock.now += 1
    with pytest.raises(Refused):
        rest.authenticate(token, AC)


def test_an_access_token_ends_with_its_key() -> None:
    keys = Keys()
    rest = face(keys=keys)
    token = bearer(rest, SK, "secret")
    with pytest.raises(Refused) as caught:
        rest.habits.admit(Operation("GET", "/Keys", "list_keys"), token)
    assert caught.value.reason == "key-may-not"
    keys.held = None
    with pytest.raises(Refused):
        rest.authenticate(token, AC)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"client_id": SK, "client_secret": "wrong", "grant_type": "client_credentials"}, "unauthenticated"),
        ({"client_id": AC, "client_secret": "-", "grant_type": "client_credentials"}, "unauthenticated"),
        ({"client_id": "AC1", "client_secret": "-", "grant_type": "client_credentials"}, "unauthenticated"),
        ({}, "unauthenticated"),
        ({"client_id": SK, "client_secret": "secret", "grant_type": "password"}, "bad-body"),
    ],
)
def test_no_access_token(form: dict[str, str], reason: str) -> None:
    """RFC 6749, 5.2: errors are "application/json" as tokens are, although the path has no suffix."""
    rest = face()
    with pytest.raises(Refused) as caught:
        rest.habits.token("", form)
    assert caught.value.reason == reason
    assert rest.habits.spelled(rest.habits.token_path, None, rest.error(caught.value, rest.habits.token_path)[1]) is None
    assert rest.habits.spelled("/v2/other", None, {}) is not None


def test_the_secondary_token_opens_and_the_primary_signs() -> None:
    """6.1: "with two tokens the primary signs"."""
    rotated = ACCOUNT.model_copy(update={"faces": {**ACCOUNT.faces, "twilio": {**ACCOUNT.faces["twilio"], "secondary_token": "f" * 32}}})
    rest = face(account=rotated)
    for token in (ACCOUNT.faces["twilio"]["token"], "f" * 32):
        assert rest.authenticate(basic(AC, token), AC) is rotated
    with pytest.raises(Refused):
        rest.authenticate(basic(AC, "e" * 32), AC)
    assert rest.dialect.words.auth_token(rotated) == ACCOUNT.faces["twilio"]["token"]


# -- what was sent and answered --------------------------------------------------------------------------------


def reply(status: int, kind: str, body: bytes) -> HttpReply:
    return HttpReply(status=status, headers={"content-type": kind}, content_type=kind, body=body, url="http://a/", seconds=0.1, attempts=1)


@pytest.mark.parametrize(
    ("status", "kind", "body", "code"),
    [
        (204, "", b"", None),
        (200, "text/xml", b"", None),
        (200, "text/xml", b'<?xml version="1.0" encoding="UTF-8"?>\n<Response />\n', None),
        (200, "application/xml", b"<!-- none --><Response/>", None),
        (200, "application/xml", b"<Response></Response>", None),
        (200, "text/xml", b"<Response><Say>x</Say></Response>", "15003"),
        (200, "text/plain", b"OK", "15003"),
        (200, "text/html", b"<Response/>", "15003"),
    ],
)
def test_answers_to_callbacks(status: int, kind: str, body: bytes, code: str | None) -> None:
    """1.3: "204, or 200 with `text/xml` and an empty `<Response/>`; other bodies only produce warnings"; 1.10: 15003."""
    found = needless_answer(reply(status, kind, body))
    assert (found[0] if found else None) == code


def test_a_notification_shows_what_was_sent_and_answered() -> None:
    """5.8: a notification's request_variables, response_headers and response_body."""
    posted = of_request(HttpRequest("POST", "http://a/", body=b"a=1&b=2"), reply(500, "text/plain", b"no"))
    assert posted == Exchange("a=1&b=2", "content-type: text/plain", "no")
    assert of_request(HttpRequest("GET", "http://[x/?a=1#ct=5"), None) == Exchange("a=1")
    told = Notice(identity(1), "lane", "dev", "twiml", "POST", "http://a/", (("a", "é"), ("b", "2")))
    assert of_notice(told, None).sent == "a=%C3%A9&b=2"
    row = {"id": identity(3), "call": None, "code": "11200", "level": "error", "created": START}
    data = {"message": "m", "exchange": {"sent": "a=1", "headers": "", "body": "no"}}
    shown = face().show("notification", {**row, "data": data}, ACCOUNT)
    assert [shown[name] for name in ("request_variables", "response_headers", "response_body")] == ["a=1", None, "no"]


# -- applications, and parameters of targets -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "parameters"),
    [
        (f"app:AP{KEY.id}?a=1&b=x%20y", {"a": "1", "b": "x y"}),
        ("client:ann?mood=good&empty=", {"mood": "good", "empty": ""}),
        ("client:ann", {}),
        ("sip:a@b?x-c=1", {}),
        ("+15550001000", {}),
    ],
)
def test_parameters_of_a_target(target: str, parameters: dict[str, str]) -> None:
    """1.2: "client / app legs: any `?a=b` of the dial target arrives as top-level params"; those of SIP targets are headers."""
    assert face().habits.parameters(target) == parameters


def test_an_application_is_called_by_its_sid() -> None:
    """5.6: "To may be `app:AP…`"."""
    party = face().party(f"app:AP{KEY.id}?a=1", "127.0.0.1:5060")
    assert (party.kind, party.value, party.uri) == ("application", KEY.id, f"app:AP{KEY.id}")
    assert face().headers(f"app:AP{KEY.id}?a b=1") == {}
    for wrong in ("app:", "app:APx", f"app:CA{KEY.id}"):
        with pytest.raises(Refused) as caught:
            face().party(wrong, "127.0.0.1:5060")
        assert caught.value.reason == "invalid-target"


def test_parameters_come_along_and_replace_nothing() -> None:
    call = replace(CALL, extra={"parameters": {"topic": "tea", "CallSid": "forged"}})
    fields = TwimlDialect(PUBLIC).call_fields(ACCOUNT, call)
    assert (fields["topic"], fields["CallSid"]) == ("tea", f"CA{CALL.id}")


# -- codes -----------------------------------------------------------------------------------------------------

CODES = """
11100 11200 11201 11202 11203 11205 11206 11210 11215 11220 11235 11236 11237 11240 11241 11242 11243 11251
11750 11770 12100 12101 12102 12200 12300 13000 13201 13210 13212 13213 13214 13215 13216 13217 13218 13219
13220 13230 13231 13232 13233 13234 13235 13236 13237 13238 13239 13240 13256 13299 13621 13910 16000 16001
16002 16003 16010 16011 16020 16021 16022 16023 16024 16025 16026 16027 16028 16030 16099 16101 16102 16104
16105 16106 16107 16108 16109 16111 16112 16113 15002 15003 15004 10001 10003 10004 21262 21263 32014 32015
20001 20002 20422 20423 20003 20006 20403 20404 20004 20007 21481 20009 20409 20429 20500 20503 21201 21211
21217 21214 21213 21212 21210 21205 21209 21208 21206 21218 21220 21215 21216 13225 21221 21222 21223 21225
21227 21228 21229 21234 21609 21626 32018 32019
"""
LISTED = set(re.findall(r"\d{5}", CODES))
"""Every code of 1.3 to 1.10 and 5.2."""
SOURCES = Path(twiml.__file__).parent


def test_every_code_is_told_or_says_why_it_never_is() -> None:
    """1.10, 5.2: "raised where the condition can happen here"; nothing is in both lists."""
    text = "".join(file.read_text() for file in SOURCES.glob("*.py"))
    told = set(re.findall(r"\"(\d{5})\"", text.partition("NEVER: Mapping")[0] + text.partition("NEVER: Mapping")[2].partition("\n}\n")[2]))
    told |= {str(code) for code in ABSENT_CODES.values()}
    assert LISTED - told - set(NEVER) == set()
    assert told & set(NEVER) == set()


def test_what_waited_for_its_receiver_too_long() -> None:
    """1.10: 15002 callback queue timeout."""
    told = Notice(identity(1), "lane", "dev", "twiml", "POST", "http://a/", ())
    assert TwimlDialect(PUBLIC).notice_failure(told, None, "given_up") == ("15002", "error")
