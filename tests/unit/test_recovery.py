"""What recovery decides by itself."""

from __future__ import annotations

import pytest

from hubbub.recovery import password_for
from hubbub.settings import Route

TRUNKS = (
    Route(prefix="+1", to="sip:{number}@trunk.example:5080;transport=udp", username="hub", password="sesame"),
    Route(prefix="+2", to="sip:{number}@other.example", username="hub", password="open"),
    Route(prefix="+3", to="sip:{number}@bare.example"),
)


@pytest.mark.parametrize(
    ("name", "remote", "password"),
    [
        ("hub", "<sip:+15551@trunk.example:5080;transport=udp>", "sesame"),
        ("hub", "Ann <sip:+2555@OTHER.example>", "open"),
        ("hub", "<sip:+15551@evil.example>", ""),  # a stranger's address with our name
        ("hub", "<sip:+15551@trunk.example>", ""),  # another port
        ("other", "<sip:+15551@trunk.example:5080>", ""),
        ("", "<sip:+3555@bare.example>", ""),
    ],
)
def test_a_trunks_password_goes_to_that_trunk_only(name: str, remote: str, password: str) -> None:
    assert password_for({"username": name, "remote": remote}, TRUNKS) == password
