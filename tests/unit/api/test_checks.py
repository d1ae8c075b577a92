"""Checks: an application is asked as it will be asked, by the server's own dialects, and nothing is changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qsl

import pytest
from starlette.requests import Request
from tests.support.facts import ACCOUNT, CALL, PUBLIC, ROOM, START, identity

from hubbub.api import rest as rest_module
from hubbub.api.checks import check_document, preflight
from hubbub.api.request import Asked
from hubbub.api.rest import Rest
from hubbub.dialects.own.operations import OPERATIONS
from hubbub.dialects.registry import GUESSED, all_dialects, guess, rest_faces
from hubbub.dialects.tables import Window
from hubbub.errors import Refused
from hubbub.verbs.model import Stage
from hubbub.webhooks.requester import HttpReply, HttpRequest
from hubbub.webhooks.signatures import hmac_sha1_form

URL = "http://app.test/music"
FACE = rest_faces(PUBLIC, (ACCOUNT,), lambda: START)[-1]
CHECK = next(operation for operation in OPERATIONS if operation.does == "check_document")
OTHER = replace(CALL, id=identity(9))


class Applications:
    """An application that answers 403 to who does not sign, and remembers."""

    def __init__(self) -> None:
        self.asked: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpReply:
        self.asked.append(request)
        fields = parse_qsl((cast(bytes, request.body) or b"").decode()) if request.method == "POST" else []
        expected = hmac_sha1_form(ACCOUNT.faces["twilio"]["token"], request.url, fields)
        signed = request.headers.get("X-Twilio-Signature") == expected
        return HttpReply(200 if signed else 403, {}, "text/xml", b"<Response/>", request.url, 0.0, 1)


def hub(application: Applications, most: int = 250) -> Any:
    live = {call.id: SimpleNamespace(record=call) for call in (CALL, OTHER)}
    room = SimpleNamespace(record=ROOM, core=SimpleNamespace(members={CALL.id: None, OTHER.id: None}))
    clock = SimpleNamespace(now=lambda: START, monotonic=lambda: 0.0)
    dialects = all_dialects(PUBLIC, lambda call: None, (ACCOUNT,), most)
    return SimpleNamespace(
        services=SimpleNamespace(requester=application, dialects=dialects, clock=clock),
        calls=SimpleNamespace(get=lambda account, call: live.get(call)),
        rooms=SimpleNamespace(by_name=lambda account, name: room if name == "standup" else None),
    )


def asked(application: Applications, path: dict[str, str], values: dict[str, Any], most: int = 250) -> Asked:
    account = ACCOUNT.model_copy(update={"preflight_audio": True})
    return Asked(hub(application, most), cast(Any, None), account, cast(Any, FACE), path, values, Window(0, 50), "hub.test", [])


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("member", "expected"), [(OTHER.id, OTHER.id), (None, CALL.id), (identity(77), CALL.id)])
async def test_audio_is_asked_for_as_it_will_be(method: str, member: Any, expected: str) -> None:
    """1.3: "every request carries `X-Twilio-Signature`" and the standard parameters: applications look at both."""
    application = Applications()
    await preflight(asked(application, {"room": "standup"}, {}), URL, method, "twiml", Stage.ANNOUNCEMENT, member)
    (request,) = application.asked
    query = (cast(bytes, request.body) or b"").decode() if method == "POST" else request.url.partition("?")[2]
    given = dict(parse_qsl(query))
    assert (given["CallSid"], given["ConferenceSid"]) == ("CA" + expected, "CF" + ROOM.id)
    assert (request.method, request.cache, request.cookies) == (method, None, None)


async def test_audio_that_cannot_be_had_is_refused() -> None:
    class Closed(Applications):
        async def send(self, request: HttpRequest) -> HttpReply:
            return replace(await super().send(request), status=403)

    with pytest.raises(Refused, match=f"{URL}: 11200"):
        await preflight(asked(Closed(), {"room": "standup"}, {}), URL, "POST", "twiml")


@pytest.mark.parametrize("dialect", ["", "twiml", "cxml", "bxml", "swml"])
async def test_a_url_is_asked_for_a_call_from_nobody(dialect: str) -> None:
    application = Applications()
    values = {"url": URL, **({"dialect": dialect} if dialect else {})}
    page = await check_document(asked(application, {}, values))
    (request,) = application.asked
    body = cast(bytes, request.body)
    assert b"anonymous" in body or b'"initiate"' in body, "who is called from nobody may be told without a caller"
    if dialect in ("", "twiml"):
        assert page.items == ()


@pytest.mark.parametrize(("most", "wrong"), [(250, 1), (1000, 0)])
async def test_documents_are_checked_with_the_servers_own_bounds(most: int, wrong: int) -> None:
    """`[rooms] capacity` widens what a document may ask for; the check says what the server would."""
    document = "<Response><Dial><Conference maxParticipants='600'>a</Conference></Dial></Response>"
    page = await check_document(asked(Applications(), {}, {"document": document}, most))
    assert len(page.items) == wrong


async def test_a_check_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done also while nothing can be kept, and the audit log tells of changes only."""
    told: list[Any] = []
    monkeypatch.setattr(rest_module, "audit_change", lambda *given: told.append(given))
    body = json.dumps({"document": "<Response/>"}).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/hubbub/accounts/dev/check", "query_string": b"", "path_params": {}}
    request = Request({**scope, "headers": [(b"content-type", b"application/json")]}, receive)
    rest = Rest(cast(Any, FACE), hub(Applications()), cast(Any, None), Path(), lambda: False, lambda: "hub.test")
    answer = await rest._perform(request, ACCOUNT, CHECK)
    assert (answer.status_code, json.loads(bytes(answer.body))["findings"], told) == (200, [], [])


def test_what_is_not_get_changes_something_elsewhere() -> None:
    assert [operation.does for operation in OPERATIONS if operation.changes is not (operation.method != "GET")] == ["check_document"]


def test_a_large_answer_is_known_by_its_begin() -> None:
    """Whoever answers decides how much: megabytes are not searched for words."""
    assert guess(b"<Response>" + b" " * GUESSED + b"<SpeakSentence/>") == "twiml"
    assert guess(b"<Response>" + b" " * 1000 + b"<SpeakSentence/>") == "bxml"
