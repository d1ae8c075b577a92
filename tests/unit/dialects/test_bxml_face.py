"""BXML: account options, tokens, bodies, voices, and what a room takes from its account and its creator."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from tests.support.facts import ACCOUNT, CALL, PUBLIC, RECORDING

from hubbub.conference.policy import Joining, RoomSettings
from hubbub.dialects.bxml import BxmlDialect, account, tokens, voices
from hubbub.dialects.bxml.callbacks import media_url
from hubbub.dialects.bxml.document import ROOM
from hubbub.dialects.bxml.errors import ERRORS, what
from hubbub.dialects.bxml.face import flat
from hubbub.dialects.bxml.operations import OPERATIONS
from hubbub.dialects.bxml.rest import BxmlRest, flattened
from hubbub.errors import ConfigurationError, Refused
from hubbub.events import Link
from hubbub.settings import Account
from hubbub.verbs.dialect import DocumentRequest

DIALECT = BxmlDialect(PUBLIC)
NOW = 1_000_000.0


def with_options(**values: str) -> Account:
    return ACCOUNT.model_copy(update={"faces": {**ACCOUNT.faces, "bandwidth": {**ACCOUNT.faces["bandwidth"], **values}}})


def test_options_have_the_vendors_limits() -> None:
    """1.4: 20 calls in a room, 24 h; 2.5: 15 s."""
    assert account.options(ACCOUNT) == account.Options(20, 24.0, 15.0)
    assert account.options(with_options(room_capacity="500", room_hours="72")) == account.Options(500, 72.0, 15.0)


@pytest.mark.parametrize("values", [{"room_capacity": "many"}, {"callback_timeout": "26"}, {"room_hours": "0"}, {"client_id": "x"}])
def test_wrong_options_are_named(values: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        account.check("dev", values)


def test_a_room_takes_limits_tag_and_time_limit() -> None:
    """4.1: "callbackTimeout inherits creating call's"; the room tag is "the creator's effective tag at creation"."""
    joining = Joining(RoomSettings("bxml", ROOM.policy))
    limited = with_options(room_capacity="3", room_hours="1", callback_timeout="7")
    made = DIALECT.settled(limited, replace(CALL, tag="T", extra={"timeout": 4.0}), joining).settings
    assert (made.policy.capacity, made.policy.max_age_seconds, made.tag, made.timeout) == (3, 3600.0, "T", 4.0)
    assert DIALECT.settled(limited, None, joining).settings.timeout == 7.0
    own = replace(joining, settings=replace(joining.settings, timeout=2.0))
    assert DIALECT.settled(limited, replace(CALL, extra={"timeout": 4.0}), own).settings.timeout == 2.0


def test_how_webhooks_are_sent() -> None:
    """2.5: one more attempt on a connection that fails only, no redirects, credentials after a challenge; GET has no body."""
    http = DIALECT.document_request(ACCOUNT, DocumentRequest(Link("http://a.test/", username="u", password="p"), "redirect", CALL))
    assert (http.limits.retries, http.limits.retry_on, http.max_redirects, http.auth) == (1, frozenset({"connect"}), 0, "challenge")
    assert http.headers["Content-Type"].startswith("application/json")
    got = DIALECT.document_request(ACCOUNT, DocumentRequest(Link("http://a.test/?x=1", "GET"), "redirect", CALL))
    assert (got.body, got.url.startswith("http://a.test/?x=1&eventType=redirect&")) == (None, True)


def test_its_own_recordings_are_known_by_their_urls() -> None:
    """3.2: "the `mediaUrl` of a recording may be played (the platform authorises itself)"."""
    for recording in (replace(RECORDING, room=None), RECORDING):
        assert DIALECT.recording_of(media_url(recording, ACCOUNT, PUBLIC)) == recording.id
    spelled = f"{PUBLIC}/api/v2/accounts/9900001/calls/c/recordings/r-00000001-00000000-0000-0000-0000-000000000001"
    for other in (spelled, spelled[:-1] + "2/media", spelled.replace(PUBLIC, "http://else.test") + "/media", "", PUBLIC):
        assert DIALECT.recording_of(other) is None


def test_for_how_long_things_are_shown() -> None:
    """1.4: "call info 7 days after hangup; recordings and transcripts 30 days; conference records: keep"."""
    habits = BxmlRest(DIALECT, [], lambda: NOW).habits
    assert [habits.shown_days(table, ACCOUNT) for table in ("calls", "recordings", "rooms")] == [7.0, 30.0, None]
    ever = with_options(call_days="0", recording_days="365")
    assert [habits.shown_days(table, ever) for table in ("calls", "recordings")] == [None, 365.0]


def test_time_limits_of_requests() -> None:
    """The link's own, else the call's, else the account's."""
    call = replace(CALL, extra={"timeout": 4.0})
    asked = DocumentRequest(Link("http://a.test/", timeout=2.0), "redirect", call)
    assert DIALECT.document_request(ACCOUNT, asked).limits.total == 2.0
    assert DIALECT.document_request(ACCOUNT, replace(asked, link=Link("http://a.test/"))).limits.total == 4.0
    assert DIALECT.document_request(ACCOUNT, replace(asked, link=Link("http://a.test/"), call=CALL)).limits.total == 15.0


def test_tokens_live_for_an_hour_and_belong_to_a_secret() -> None:
    """1.2: "`expires_in` integer seconds", "a JWT listing the accounts it may use"."""
    token = tokens.write(ACCOUNT, NOW)
    assert tokens.read(token, [ACCOUNT], NOW + 3599) is ACCOUNT
    assert tokens.read(token, [ACCOUNT], NOW + 3600) is None
    assert tokens.read(token, [with_options(client_id="c", client_secret="s")], NOW) is None
    for wrong in ("", ".", "..", "a.b.c", token + "x", "ä.ö.ü"):
        assert tokens.read(wrong, [ACCOUNT], NOW) is None


def test_a_token_is_refused_when_its_hour_is_over() -> None:
    """1.2: "SDKs … renew when under 60 s remain": the old one is worth nothing then."""
    now = [NOW]
    rest = BxmlRest(DIALECT, [ACCOUNT], lambda: now[0])
    basic = "Basic " + base64.b64encode(b"dev:devpass").decode()
    token = rest.habits.token(basic, {"grant_type": "client_credentials"})
    bearer = f"Bearer {token['access_token']}"
    now[0] += token["expires_in"] - 1
    assert rest.authenticate(bearer, "9900001") is ACCOUNT
    now[0] += 1
    with pytest.raises(Refused, match="unauthenticated"):
        rest.authenticate(bearer, "9900001")


@pytest.mark.parametrize("reason", sorted(ERRORS))
def test_every_refusal_has_the_vendors_body(reason: str) -> None:
    """6.9: "body always {type, description, id}"; the type goes with the status."""
    status, body = BxmlRest(DIALECT, [ACCOUNT], lambda: NOW).error(Refused(reason, "name: words"), "/api/v2/accounts/1/calls/c-1")
    assert (set(body), body["id"]) == ({"type", "description", "id"}, None)
    assert body["description"]
    assert "{" not in body["description"]
    types = {400: "validation", 401: "authentication-error", 403: "authorization-error", 404: "validation", 405: "validation"}
    types |= {409: "validation", 415: "validation", 429: "error", 500: "internal-error", 503: "system-overloaded"}
    assert body["type"] == types[status]


@pytest.mark.parametrize(
    ("reason", "status", "description"),
    [
        ("credentials-in-clear", 400, "Invalid answerUrl: https is required when credentials are given"),
        ("queue-full", 429, "Account call creation rate limit exceeded"),
        ("too-many-calls", 429, "Account concurrent call limit exceeded"),
        ("internal", 500, "An unknown internal error occurred"),
        ("storage", 503, "Handling too many requests"),
        ("busy", 503, "Managing too many concurrent calls"),
        ("call-over", 409, "Call c-1 cannot be modified in its current state"),
    ],
)
def test_words_of_refusals(reason: str, status: int, description: str) -> None:
    found, body = BxmlRest(DIALECT, [ACCOUNT], lambda: NOW).error(Refused(reason), "/api/v2/accounts/1/calls/c-1")
    assert (found, body["description"]) == (status, description)


def test_nobody_has_empty_credentials() -> None:
    assert not tokens.same(("", ""), ("", ""))
    assert tokens.same(("a", "b"), ("a", "b"))
    nobody = ACCOUNT.model_copy(update={"faces": {"bandwidth": {"account": "1"}}})
    with pytest.raises(Refused, match="bad-credentials"):
        BxmlRest(DIALECT, [nobody], lambda: NOW).authenticate("Basic Og==", "1")


def test_json_bodies_as_names_and_texts() -> None:
    """Lists become words (an empty one is a value), null is as if not given, nested names are joined."""
    given = {"to": "+1", "privacy": True, "callTimeout": 1.5, "tag": None, "callIdsToCoach": [], "machineDetection": {"mode": "sync"}}
    assert flattened(given) == [
        *(("to", "+1"), ("privacy", "true"), ("callTimeout", "1.5"), ("callIdsToCoach", "")),
        ("machineDetection.mode", "sync"),
    ]


def test_get_webhooks_have_flat_properties() -> None:
    assert flat({"a": "x", "b": {"c": 1, "d": {"e": "y"}}, "f": [1]}) == {"a": "x", "b.c": "1", "b.d.e": "y", "f": "[1]"}


def test_voices() -> None:
    """3.1: "default speaker susan"; `voice` overrides gender and locale."""
    assert voices.chosen("", "en_US", "female") == ("susan", "en-US", "female")
    assert voices.chosen("stefan", "en_US", "female") == ("stefan", "de", "male")
    assert voices.chosen("", "en_UK", "male") == ("simon", "en-GB", "male")
    assert voices.chosen("", "arb", "male") == ("zeina", "arb", "male")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v2/accounts/1/calls/c-1", "Call c-1"),
        ("/api/v2/accounts/1/conferences/x/members/c-2", "Member c-2"),
        ("/nothing", "Resource"),
    ],
)
def test_what_is_not_found_is_named(path: str, name: str) -> None:
    assert what(path) == name


@pytest.mark.parametrize("body", [b'{"tag":"\\ud800"}', b'{"\\udfff":1}', b'{"a":NaN}', b'{"a":1e999}', b"{"])
def test_a_body_that_cannot_be_kept_is_refused(body: bytes) -> None:
    """Half of a surrogate pair is no text, NaN is no JSON."""
    creating = next(operation for operation in OPERATIONS if operation.shows == "created-call")
    with pytest.raises(Refused) as caught:
        BxmlRest(DIALECT, [], lambda: NOW).habits.read_body(creating, "application/json", body)
    assert caught.value.reason == "bad-body"
