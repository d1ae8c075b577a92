"""Links to recordings: what a body may ask for, and whose credentials are good for one."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import aiohttp
import pytest
from starlette.requests import Request
from tests.support.facts import ACCOUNT, CALL

from hubbub.api.links import USUAL, _wanted, credentials_of
from hubbub.dialects.bxml import tokens
from hubbub.dialects.registry import rest_faces
from hubbub.dialects.twiml.credentials import Doors, basic
from hubbub.errors import Refused
from hubbub.settings import Account

SID, TOKEN = ACCOUNT.faces["twilio"]["sid"], ACCOUNT.faces["twilio"]["token"]
SUB = Account(name="sub", faces={"twilio": {"sid": "AC" + "2" * 32, "token": "f" * 32, "parent": SID}})
NOW = 1_000.0


def asking(authorization: str) -> Request:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers})


def found(faces: Any, authorization: str) -> frozenset[str]:
    return credentials_of(faces, lambda _: False, lambda _: nullcontext())(asking(authorization))


def encoded(user: str, password: str) -> str:
    header = aiohttp.encode_basic_auth(user, password)
    assert basic(header) == (user, password)
    return header


def test_credentials_of_every_face_name_its_accounts() -> None:
    """Rule: "credentials may act on subaccount paths": a parent has the recordings of the accounts below it too."""
    faces = rest_faces("http://hubbub.test", (ACCOUNT, SUB), lambda: NOW)
    assert found(faces, encoded(SID, TOKEN)) == {"dev", "sub"}
    assert found(faces, encoded(SUB.faces["twilio"]["sid"], "f" * 32)) == {"sub"}
    assert found(faces, encoded(ACCOUNT.faces["signalwire"]["project"], ACCOUNT.faces["signalwire"]["token"])) == {"dev"}
    assert found(faces, encoded("dev", "devpass")) == {"dev"}
    assert found(faces, f"Bearer {tokens.write(ACCOUNT, NOW)}") == {"dev"}
    assert found(faces, "") == frozenset()
    with pytest.raises(Refused, match="nobody"):
        found(faces, encoded("dev", "wrong"))


def test_a_grant_opens_no_recording() -> None:
    """Rule: a token "is good for `/control` and nothing else"."""
    faces = rest_faces("http://hubbub.test", (ACCOUNT, SUB), lambda: NOW, admin="open sesame")
    grant = faces[-1].habits.grant(ACCOUNT, CALL.id, frozenset({"see"}), 60)
    assert faces[-1].authenticate(f"Bearer {grant.token}", "me") is ACCOUNT, "it is good where it may be used"
    for wrong in (grant.token, "open sesame"):
        with pytest.raises(Refused, match="nobody"):
            found(faces, f"Bearer {wrong}")


@pytest.mark.parametrize("given", ["Bearer aaaa.bbbb.cccc", encoded("nobody", "wrong"), encoded(SID, "wrong")])
def test_credentials_are_judged_once_a_face_however_many_accounts_there_are(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's request must not cost more than its answer: judgements do not multiply with accounts and their ids."""
    judged = []
    inner, read = Doors.account_of, tokens.read
    monkeypatch.setattr(Doors, "account_of", lambda *args: judged.append(1) or inner(*args))  # type: ignore[func-returns-value]
    monkeypatch.setattr(tokens, "read", lambda *args: judged.append(1) or read(*args))  # type: ignore[func-returns-value]
    many = [
        Account(name=f"a{n}", faces={"twilio": {"sid": f"AC{n:032x}", "token": f"{n:032x}"}, "bandwidth": ACCOUNT.faces["bandwidth"]})
        for n in range(30)
    ]
    faces = rest_faces("http://hubbub.test", (ACCOUNT, *many), lambda: NOW)
    with pytest.raises(Refused):
        found(faces, given)
    assert 0 < len(judged) <= len(faces)
    judged.clear()
    with pytest.raises(Refused):
        faces[-1].authenticate(given, "dev")
    assert 0 < len(judged) <= len(faces)


@pytest.mark.parametrize("body", [b'{"format":[]}', b'{"format":{}}', b'{"format":"ogg"}', b'{"seconds":true}', b"[]", b"{"])
def test_a_wrong_body_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        _wanted(body)
    assert caught.value.reason == "bad-parameter"


def test_nothing_asked_is_the_usual() -> None:
    assert (_wanted(b""), _wanted(b'{"seconds":5,"format":"mp3"}')) == ((USUAL, "wav"), (5, "mp3"))
