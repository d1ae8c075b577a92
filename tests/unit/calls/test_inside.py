"""Calls that stay inside: both ends are told what a SIP call would tell them, in a later turn, and once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hubbub.calls.inside import InsideCall, pair
from hubbub.errors import SipError
from hubbub.sip.endpoint import SipEnd

OFFER, ANSWER = "v=0 offer", "v=0 answer"


def ends() -> tuple[InsideCall, InsideCall, list[Any]]:
    """The two ends, and what they were told."""
    told: list[Any] = []
    made = pair("sip:alice@a", "app:b", OFFER)
    for end in made:
        end.on_progress = lambda code, sdp: told.append((code, sdp))
        end.on_answer = lambda sdp: told.append(("answer", sdp))
        end.on_end = lambda why, way=end.direction: told.append((way, why.code, why.by, why.answered))
    return *made, told


async def test_it_rings_is_answered_and_ends() -> None:
    out, end, told = ends()
    assert (end.remote_sdp, out.remote_sdp, end.request_uri, end.from_uri, out.id) == (OFFER, None, "app:b", "sip:alice@a", end.id)
    end.ring()
    end.answer(ANSWER)
    assert told == [], "never from inside a method of the other end"
    await asyncio.sleep(0)
    assert told == [(180, None), ("answer", ANSWER)]
    assert out.remote_sdp == ANSWER
    told.clear()
    out.hangup()
    end.hangup()
    await asyncio.sleep(0)
    assert told == [("out", 200, "local", True), ("in", 200, "remote", True)]


@pytest.mark.parametrize(
    ("how", "code", "local"),
    [
        (lambda out, end: out.hangup(), 487, "out"),
        (lambda out, end: end.hangup(), 603, "in"),
        (lambda out, end: end.reject(486, "Busy Here"), 486, "in"),
        (lambda out, end: end.redirect("sip:c@d"), 302, "in"),
    ],
)
async def test_it_is_not_answered(how: Any, code: int, local: str) -> None:
    """RFC 3261: CANCEL gives 487; an end that refuses says why."""
    out, end, told = ends()
    how(out, end)
    end.answer(ANSWER)
    end.reject(500, "too late")
    await asyncio.sleep(0)
    assert sorted(told) == sorted((way, code, "local" if way == local else "remote", False) for way in ("in", "out"))


async def test_a_change_and_a_transfer() -> None:
    out, end, _told = ends()
    with pytest.raises(SipError):
        await out.reinvite("new")
    end.answer(ANSWER)
    end.on_offer = lambda sdp: f"answer to {sdp}"
    out.on_refer = lambda uri: uri == "sip:c@d"
    assert await out.reinvite("new") == "answer to new"
    assert [await end.refer("sip:c@d"), await end.refer("sip:x@y"), await out.refer("sip:c@d"), await out.info("a/b", "c")] == [
        *(202, 603),
        *(603, 415),
    ]
    heard: list[tuple[int, bool]] = []
    end.on_referral = lambda code, last: heard.append((code, last))
    out.refer_result(200, "OK")
    await asyncio.sleep(0)
    assert heard == [(200, True)]


async def test_nothing_is_told_after_the_end() -> None:
    out, end, _told = ends()
    seen: list[SipEnd] = []
    out.on_end = seen.append
    end.reject(486)
    end.ring()
    await asyncio.sleep(0)
    assert (len(seen), out.on_progress, out.on_end, end.dialog) == (1, None, None, None)
