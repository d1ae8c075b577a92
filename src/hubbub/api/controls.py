"""The neutral operations behind commands: what acts on a live call from outside, at once, beside its script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubbub.api.calls import fetch_call
from hubbub.api.request import Asked, Operation
from hubbub.conference.policy import Wait
from hubbub.conference.state import MemberChange
from hubbub.errors import Refused
from hubbub.events import CallRecord, Link
from hubbub.ids import new_id
from hubbub.media.client import Leg
from hubbub.verbs.controls import Control, Doing, Ordered, Playing
from hubbub.verbs.model import Followed, Pause
from hubbub.verbs.program import Program
from hubbub.verbs.session import Session

FOREVER = 86_400.0
IDLE = Program({"main": (Pause(seconds=FOREVER),)})
"""What a call does that nobody tells what to do."""
MOST = 100
"""Controls that are kept for one call; the oldest that are over are forgotten first."""


async def end_call(asked: Asked) -> CallRecord:
    """End a call, for a reason."""
    session = await live_session(asked)
    call, reason = session.call, asked.values.get("reason", "")
    call.ended_by_request = True
    if not call.answered and call.record.direction == "inbound" and reason in ("busy", "declined"):
        call.reject(reason)
    else:
        call.hangup("error" if reason == "error" else "")
    return call.record


async def transfer_call(asked: Asked) -> CallRecord:
    """Give a live call another document to run."""
    session = await live_session(asked)
    values = asked.values
    target: Link | Program = values["program"] if "program" in values else Link(values["url"], "POST")
    asked.hub.redirect(session.call, target, unanswered=True)
    return session.record


async def part_call(asked: Asked) -> CallRecord:
    """Part two calls that talk: the one whose document connected them goes on with that, the other stays."""
    session = await live_session(asked)
    bridge = session.call.bridge
    if bridge is None:
        raise Refused("not-bridged", "the call is connected with no other")
    asked.hub.redirect(bridge.second, IDLE)
    return session.record


async def hold_call(asked: Asked) -> CallRecord:
    """Take a call out of hearing, both ways, with music; or back in."""
    session = await live_session(asked)
    held: bool = asked.values["held"]
    if session.room is not None:
        session.room.change(session.call.id, MemberChange(held=held))
    elif (bridge := session.call.bridge) is not None:
        bridge.hold(session.call, held=held)
        if held:
            session.start_audio("hold", Wait())
            bridge.over.add_done_callback(lambda _: session.stop_audio("hold"))  # nobody is left who could take it back in
        else:
            session.stop_audio("hold")
    else:
        raise Refused("not-bridged", "the call is in no conference and connected with no other")
    return session.record


async def leave_room(asked: Asked) -> CallRecord:
    """Take a call out of the room that it is in: its document goes on."""
    session = await live_session(asked)
    if session.room is None:
        raise Refused("absent", "the call is in no conference")
    asked.hub.remove(session.room, session.call.id)
    return session.record


# -- what goes on beside the script ----------------------------------------------------------------------------


async def play_on_call(asked: Asked) -> tuple[CallRecord, str]:
    """Let a call, or who hears it, hear something."""
    session = await live_session(asked)
    session.call.answer()
    values = asked.values
    legs = _heard_by(asked, session, values.get("heard_by", "listen"))
    order = _order(asked, session)
    playing = Playing(session, order, values["sounds"], legs, loops=values.get("loops", 1), gain_db=values.get("gain_db", 0.0))
    return _kept(session, playing)


async def do_on_call(asked: Asked) -> tuple[CallRecord, str]:
    """Let a call do a program beside its script."""
    session = await live_session(asked)
    session.call.answer()
    values = asked.values
    stopper: Program | None = values.get("stopper")
    return _kept(session, Doing(session, _order(asked, session), values["program"], stopper=stopper))


async def change_control(asked: Asked) -> tuple[CallRecord, str]:
    """Pause, resume or end what goes on, or change how loud it is."""
    session, values = await live_session(asked), asked.values
    control = _control(session, values)
    change = values["change"]
    if change == "stop":
        control.stop()
    elif isinstance(control, Doing) and change == "start_input_timers":
        control.start_timers()
    elif isinstance(control, Playing) and change == "volume":
        control.volume(values["gain_db"])
    elif isinstance(control, Playing):
        (control.pause if change == "pause" else control.resume)()
    return session.record, control.order.name


async def change_call_recording(asked: Asked) -> tuple[CallRecord, str]:
    """Pause or resume the recordings of a name."""
    session, values = await live_session(asked), asked.values
    control = _control(session, values)
    recorder = session.call.recorder
    for recording in recorder.named(control.order.name):
        if values["change"] == "pause":
            recorder.pause(recording, keep_silence=values.get("keep_silence", False))
        else:
            recorder.resume(recording)
    return session.record, control.order.name


async def steer_functions(asked: Asked) -> CallRecord:
    """End the waiting for functions, so that the document goes on; or let it rest with music for a while, or wake it."""
    session, values = await live_session(asked), asked.values
    functions = session.functions
    if functions is None:
        raise Refused("not-found", "the call waits for no functions")
    match values["change"]:
        case "stop":
            functions.end()
        case "hold":
            functions.rest(values["seconds"])
        case _:
            functions.wake()
    return session.record


# -- inside ----------------------------------------------------------------------------------------------------


async def live_session(asked: Asked) -> Session:
    """The live call of a path, with what runs on it. Raises Refused (not-found, call-over)."""
    session = asked.session
    if session is None or session.call.over:
        await fetch_call(asked)  # unknown is not found
        raise Refused("call-over", "the call is over")
    return session


def _order(asked: Asked, session: Session) -> Ordered:
    values = asked.values
    name = values.get("control") or str(new_id())
    known = session.controls.get(name)
    if known is not None and not known.over:
        raise Refused("bad-parameter", f"there is a control {name[:100]!r} already", where="control_id")
    dialect = asked.face.dialect
    link = Link(values["told_to"], "POST") if values.get("told_to") else None
    if link is None and session.call.progress:
        link = session.call.progress[0].link
    followed = Followed(link, values["action"], name, dialect.name) if link is not None and values["action"] else None
    return Ordered(name, values["kind"], dialect, followed)


def _kept(session: Session, control: Control) -> tuple[CallRecord, str]:
    over = [name for name, kept in session.controls.items() if kept.over]
    for name in over[: max(0, len(session.controls) - MOST)]:
        del session.controls[name]
    session.controls[control.order.name] = control
    return session.record, control.order.name


def _control(session: Session, values: Mapping[str, Any]) -> Control:
    control = session.controls.get(values["control"])
    if control is None or control.order.kind != values["kind"]:
        raise Refused("not-found", f"there is no {values['kind']} {values['control'][:100]!r}", where="control_id")
    return control


def _heard_by(asked: Asked, session: Session, side: str) -> Sequence[Leg]:
    """The call itself, or those who hear what it says, or all of them."""
    others: list[Leg] = []
    if session.room is not None:
        members = [call for call in session.room.core.members if call != session.call.id]
        others = [other.leg for call in members if (other := asked.hub.sessions.get(call)) is not None]
    elif session.call.bridge is not None:
        bridge = session.call.bridge
        others = [(bridge.second if bridge.first is session.call else bridge.first).leg]
    legs = {"listen": [session.leg], "speak": others, "both": [session.leg, *others]}[side]
    if not legs:
        raise Refused("not-bridged", "nobody hears what the call says")
    return legs


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation
    for operation in (
        *(end_call, transfer_call, part_call, hold_call, leave_room),
        *(play_on_call, do_on_call, change_control, change_call_recording, steer_functions),
    )
}
