"""All rooms of a server: how many an account may have, and what a room leaves behind that nobody came into."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.rooms import JOINING, SilentMix, rooms

from hubbub.errors import Refused


async def test_so_many_rooms_at_a_time_whoever_opens_them() -> None:
    """1.10: 16021 "account conference concurrency exceeded: join / create rejected"; a room that is there can be come into."""
    here = rooms(most=1)
    first = here.open("dev", "standup", JOINING)
    assert here.open("dev", "standup", JOINING) is first
    for name, joining in (
        ("other", JOINING),
        ("standup", replace(JOINING, namespace="+15550001000")),
        ("standup", replace(JOINING, alone=True)),
    ):
        with pytest.raises(Refused) as refused:
            here.open("dev", name, joining)
        assert refused.value.reason == "too-many-rooms"
    assert here.count("dev") == 1
    here.open("another", "standup", JOINING)
    here.discard_if_empty(first)
    assert here.open("dev", "other", JOINING) is not first


async def test_a_mix_that_was_there_before_the_room_stays() -> None:
    here = rooms()
    lent: Any = SilentMix()
    here.discard_if_empty(here.open("dev", "standup", JOINING, lent))
    own: Any = here.open("dev", "standup", JOINING)
    here.discard_if_empty(own)
    assert (lent.closed, own.mix.closed) == (False, True)
