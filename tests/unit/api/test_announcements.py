"""What happens while an account's audio is looked at before it is taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL, identity
from tests.support.rooms import JOINING, Journal, come, rooms

from hubbub.api import announcements, members, transfers
from hubbub.api import rooms as rooms_api
from hubbub.api.request import Asked
from hubbub.clock import ManualClock
from hubbub.conference.room import Room
from hubbub.dialects.tables import Window
from hubbub.errors import Refused
from hubbub.events import CallStatus, EndReason, LeaveReason, Link
from hubbub.verbs.beside import RoomStage

ALICE, BOB, CAROL = identity(61), identity(62), identity(63)


class Stage:
    """A room of three whose announcements are kept and not played."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: list[tuple[str, Any]] = []
        beside: Any = SimpleNamespace(
            announce=self._announce, member_left=lambda *_: None, room_closed=lambda *_: None, room_event=lambda *_: None
        )
        self.rooms = rooms(beside=beside)
        self.room = self.rooms.open("dev", "standup", JOINING)
        for call in (ALICE, BOB, CAROL):
            come(self.room, call)
        self.meanwhile: Any = lambda: None

        async def preflight(*_args: Any, **_more: Any) -> None:
            self.meanwhile()

        for module in (announcements, members, rooms_api, transfers):
            monkeypatch.setattr(module, "preflight", preflight)

    def _announce(self, _room: Room, link: Link, call: Any, _dialect: str, _done: Any) -> Any:
        self.heard.append((link.url, call))
        return identity(70)

    def asked(self, **values: Any) -> Any:
        """A request about the room, or about Bob in it."""
        spelled = {"standup": self.room.id, "bob": BOB}
        habits = SimpleNamespace(speaks_as_rooms_do=True)
        face = SimpleNamespace(identity=lambda _kind, text: spelled.get(text), habits=habits)
        hub = SimpleNamespace(rooms=self.rooms, calls=SimpleNamespace(get=lambda *_: None), transfers=None)
        path = {"room": "standup", "member": "bob"}
        made: Any = Asked(hub, None, ACCOUNT, face, path, values, Window(0, 50), "127.0.0.1", [])  # type: ignore[arg-type]
        return made

    def bob_leaves(self) -> None:
        """Meanwhile."""
        self.room.leave(BOB, LeaveReason.HUNG_UP, CallStatus.COMPLETED)

    def the_room_ends(self) -> None:
        """Meanwhile."""
        self.room.end(EndReason.REQUESTED)


@pytest.mark.parametrize("ends", [False, True])
async def test_what_was_meant_for_one_who_left_is_heard_by_nobody(monkeypatch: pytest.MonkeyPatch, ends: bool) -> None:
    stage = Stage(monkeypatch)
    stage.meanwhile = stage.the_room_ends if ends else stage.bob_leaves
    for operation, values in (
        (announcements.create_announcement, {"url": "http://a/x", "call": BOB}),
        (members.update_member, {"announce_url": "http://a/x", "muted": True}),
    ):
        with pytest.raises(Refused) as refused:
            await operation(stage.asked(**values))
        assert refused.value.reason in ("absent", "not-found")
        come_back(stage)
    assert stage.heard == []


def come_back(stage: Stage) -> None:
    """All is as it was before."""
    if not stage.room.live:
        stage.room = stage.rooms.open("dev", "standup", JOINING)
    for call in (ALICE, BOB, CAROL):
        if stage.room.member(call) is None:
            come(stage.room, call)


async def test_a_room_that_ends_meanwhile_hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    stage.meanwhile = stage.the_room_ends

    async def stored(*_args: Any) -> Any:
        return stage.room.record

    monkeypatch.setattr(rooms_api, "stored", stored)
    with pytest.raises(Refused) as refused:
        await rooms_api.update_room(stage.asked(announce_url="http://a/x"))
    assert (refused.value.reason, stage.heard) == ("not-bridged", [])


async def test_the_stage_itself_plays_nothing_to_all_that_is_for_one() -> None:
    """Also where a program asks: the leg is looked for once, and there is no other place."""
    services: Any = SimpleNamespace(
        calls=SimpleNamespace(get=lambda *_: CALL), clock=ManualClock(), journal=Journal(), dialects={"twiml": None}
    )
    stage = RoomStage(services)
    room = rooms().open("dev", "standup", JOINING)
    come(room, ALICE)
    with pytest.raises(Refused) as refused:
        stage.announce(room, Link("http://a/x"), BOB, "twiml", lambda _: None)
    assert refused.value.reason == "absent"
    room.end(EndReason.REQUESTED)
    with pytest.raises(Refused) as refused:
        stage.announce(room, Link("http://a/x"), None, "twiml", lambda _: None)
    assert (refused.value.reason, stage.announcements(room.id)) == ("ended", [])


async def test_hold_audio_of_a_transfer_is_looked_at_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """`preflight_audio`: "REST asks for hold and announcement audio before it takes it, and refuses what fails (400)"."""
    stage = Stage(monkeypatch)
    looked: list[tuple[Any, ...]] = []

    async def refusing(_asked: Any, *what: Any) -> None:
        looked.append(what)
        raise Refused("bad-room-parameter", "there is no such audio")

    monkeypatch.setattr(transfers, "preflight", refusing)
    with pytest.raises(Refused) as refused:
        await transfers.create_transfer(stage.asked(hold_url="http://a/hold", giver="bob", to="sip:carol@127.0.0.1"))
    assert (refused.value.reason, looked) == ("bad-room-parameter", [("http://a/hold", "GET", "twiml")])
    assert [call for call, member in stage.room.core.members.items() if member.held] == []
