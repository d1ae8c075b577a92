"""hubbub's own REST: who may, how ids are spelled, what a token allows."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL

from hubbub.api.rest import OPERATIONS as NEUTRAL
from hubbub.api.rest import read_values
from hubbub.dialects.own.grants import Grants
from hubbub.dialects.own.operations import OPERATIONS
from hubbub.dialects.own.resources import RESOURCES
from hubbub.dialects.own.rest import OwnRest
from hubbub.dialects.registry import rest_faces
from hubbub.errors import Refused
from hubbub.settings import Account

OTHER = Account(name="other", faces={"twilio": {"sid": "AC00000000000000000000000000000002", "token": "f" * 32}})
NOW = 1_000.0


def face(admin: str = "", now: list[float] | None = None) -> OwnRest:
    clock = now or [NOW]
    found = rest_faces("http://hubbub.test", (ACCOUNT, OTHER), lambda: clock[0], admin=admin)[-1]
    assert isinstance(found, OwnRest)
    return found


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


GOOD = [
    basic("AC00000000000000000000000000000001", "0123456789abcdef0123456789abcdef"),
    basic("00000000-0000-4000-8000-000000000001", "PT0123456789"),
    basic("dev", "devpass"),
]


def refusal(rest: OwnRest, authorization: str, account: str) -> str:
    with pytest.raises(Refused) as refused:
        rest.authenticate(authorization, account)
    return refused.value.reason


@pytest.mark.parametrize("authorization", GOOD)
@pytest.mark.parametrize("name", ["dev", "AC00000000000000000000000000000001", "9900001"])
def test_credentials_of_any_face_are_good(authorization: str, name: str) -> None:
    assert face().authenticate(authorization, name) is ACCOUNT


def test_others_are_refused() -> None:
    rest = face()
    assert refusal(rest, GOOD[0], "other") == "forbidden"
    assert refusal(rest, GOOD[0], "nobody") == "forbidden"
    assert refusal(rest, basic("dev", "wrong"), "dev") == "unauthenticated"
    assert refusal(rest, "", "dev") == "unauthenticated"
    assert refusal(rest, "Bearer ", "dev") == "unauthenticated", "no admin token is configured"


def test_the_admin_token_is_good_for_all() -> None:
    rest = face(admin="open sesame")
    assert rest.authenticate("Bearer open sesame", "other") is OTHER
    assert refusal(rest, "Bearer open", "other") == "unauthenticated"


def test_a_grant_is_good_for_its_own_path_only() -> None:
    """P27: "full participant update can be abused if the app proxies it": a token is good for `/control` and nothing else."""
    now = [NOW]
    rest = face(now=now)
    grant = rest.habits.grant(ACCOUNT, CALL.id, frozenset({"hold"}), 60)
    bearer = f"Bearer {grant.token}"
    assert rest.authenticate(bearer, "me") is ACCOUNT
    assert rest.authenticate(bearer, "dev") is ACCOUNT
    assert refusal(rest, bearer, "other") == "forbidden"
    for operation in OPERATIONS:
        for credentials, own in ((bearer, True), (GOOD[0], False)):
            if (operation.path == "/control") is own:
                rest.habits.admit(operation, credentials)
            else:
                with pytest.raises(Refused):
                    rest.habits.admit(operation, credentials)
    assert rest.habits.granted(bearer)["grant"].call == CALL.id
    now[0] += 60
    assert refusal(rest, bearer, "me") == "unauthenticated", "it has expired"


def test_tokens_cannot_be_made_or_changed() -> None:
    grants = Grants((ACCOUNT, OTHER), lambda: NOW)
    made = grants.write(ACCOUNT, CALL.id, frozenset({"mute", "see"}), 10)
    read = grants.read(made.token)
    assert read is not None
    assert (read.account, read.call, read.may, read.expires) == ("dev", CALL.id, {"mute", "see"}, 1010)
    claims, mac = made.token.split(".")
    other = grants.write(OTHER, CALL.id, frozenset({"leave"}), 99_999)
    for forged in (f"{other.token.split('.')[0]}.{mac}", f"{claims}.{other.token.split('.')[1]}", claims, "", ".", "a.b", "é.é", "W10.W10"):
        assert grants.read(forged) is None
    changed = Account(name="dev", faces={**ACCOUNT.faces, "bandwidth": {"account": "1"}})
    assert Grants((changed,), lambda: NOW).read(made.token) is None, "who changes the account's secrets ends its tokens"


@pytest.mark.parametrize(
    ("spelled", "known"),
    [
        ("0" * 31 + "a", True),
        ("CF" + "0" * 31 + "A", True),
        ("00000000-0000-0000-0000-00000000000a", True),
        ("c-0000000a-00000000-0000-0000-0000-00000000000a", True),
        ("standup", False),
        ("0" * 31, False),
        ("standup" + "0" * 32, False),
    ],
)
def test_ids_of_every_spelling(spelled: str, known: bool) -> None:
    found = face().identity("room", spelled)
    assert (found is not None) is known
    assert not known or found == "0" * 31 + "a"


def test_every_operation_exists_and_can_be_shown() -> None:
    for operation in OPERATIONS:
        assert operation.does in NEUTRAL
        assert operation.shows in {"", *RESOURCES}


@pytest.mark.parametrize("dialect", ["twiml", "cxml", "bxml", "swml"])
def test_rooms_of_every_dialect(dialect: str) -> None:
    values: dict[str, Any] = {"dialect": dialect, "namespace": "n", "max_members": 5}
    joining = face().join(values, "standup").joining
    assert (joining.settings.dialect, joining.namespace, joining.settings.policy.capacity) == (dialect, "n", 5)
    with pytest.raises(Refused):
        face().join({**values, "status_url": "http://a.example/"}, "standup")


@pytest.mark.parametrize("does", ["create_room", "upgrade_call"])
def test_a_new_room_is_not_named_like_an_id(does: str) -> None:
    """A path names a room by its id or by its name: a name that looks like an id would never be found."""
    operation = next(operation for operation in OPERATIONS if operation.does == does)
    with pytest.raises(Refused, match="look like an id"):
        read_values(operation.params, [("name", "CF" + "0" * 32)])
    assert read_values(operation.params, [("name", "standup")]) == {"name": "standup"}


def test_a_room_that_a_document_named_like_an_id_is_joined() -> None:
    """It exists: transfers to it and changes of who is told of it are as good as those of any other."""
    wanted = {"status_url": "http://a.example/", "status_events": frozenset({"room"})}
    assert face().join(wanted, "CF" + "0" * 32).joining.settings.subscription is not None
