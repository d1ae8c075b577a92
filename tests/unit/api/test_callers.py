"""Who may be called from whom, where a face asks for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.api.calls import _check_caller
from hubbub.events import Party

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
