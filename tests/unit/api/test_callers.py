"""Who may be called from whom, where a face asks for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.api.calls import _check_caller
from hubbub.api.members import _invited
from hubbub.dialects.habits import Habits
from hubbub.dialects.twiml import TwimlDialect
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.events import Party
from hubbub.verbs.outgoing import OutgoingCall

OWN, FOREIGN = Party("number", "+15550001000", ""), Party("number", "+15559999999", "")
CAROL, CALLEE = Party("phone", "carol", ""), Party("sip", "bob", "sip:bob@127.0.0.1")


@pytest.mark.parametrize(
    ("caller", "callee", "expected"),
    [
        (OWN, CALLEE, None),
        (FOREIGN, CALLEE, "caller-not-owned"),
        (CAROL, CALLEE, None),
        (CAROL, OWN, "invalid-caller"),
    ],
)
def test_a_caller_is_a_number_of_the_account(caller: Party, callee: Party, expected: str | None) -> None:
    """5.4: "From number must be owned/verified; To number => From number": 21210, 21212."""
    owner = SimpleNamespace(account="dev")
    directory = SimpleNamespace(answering=lambda number: owner if number == OWN.value else None)
    noted: list[str] = []
    asked = SimpleNamespace(
        hub=SimpleNamespace(directory=directory), account=SimpleNamespace(name="dev"), note=lambda reason, text: noted.append(reason)
    )
    _check_caller(cast(Any, asked), caller, callee)
    assert noted == ([expected] if expected else [])


@pytest.mark.parametrize(("habits", "expected"), [(TwimlRest(TwimlDialect(), []).habits, 65.0), (Habits(), 60.0)])
def test_an_invited_member_rings_a_little_longer(habits: Habits, expected: float) -> None:
    """3.5: "Ring timeout for REST-added legs 5-600 s, default 60, +5 s"."""
    asked = cast(Any, SimpleNamespace(face=SimpleNamespace(habits=habits)))
    assert _invited(asked, OutgoingCall(callee=CALLEE, caller=OWN)).ring_seconds == expected
