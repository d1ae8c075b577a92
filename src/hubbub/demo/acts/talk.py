"""They speak one after the other; a coach whispers to one of them."""

from __future__ import annotations

from typing import Final

from hubbub.demo.acts import Scene
from hubbub.demo.cast import COACH, COACHED, SPEAKERS
from hubbub.demo.stage import Stage

NAMES: Final = tuple(role.name for role in SPEAKERS)
WITH_COACH: Final = {"alice": {"bob", "carol"}, "bob": {"alice", "carol", "dana"}, "carol": {"alice", "bob"}, "dana": set(NAMES)}
"""Who hears whom while the coach is there."""


async def _conversation(stage: Stage) -> None:
    for name in NAMES:
        caller = stage.callers[name]
        await stage.speak(name, name, caller.lines[0], [other for other in NAMES if other != name], (name,))
    for name in NAMES:
        if await stage.told("events", "speaks", name) is None or await stage.told("events", "silent", name) is None:
            return
    stage.check("events", True, "start and stop for each of the three")


async def _coaching(stage: Stage) -> None:
    coach, coached = COACH.name, COACHED.name
    stage.place(coach, "calling")
    call = await stage.callers[coach].dial(stage.server)
    await call.wait_answered()
    stage.place(coach, f"coaching {coached}")
    joined = await stage.told("joined", "joined", coach)
    flag = stage.application.field(joined, "coaching") if joined else ""
    stage.check("joined", joined is not None and flag == stage.vocabulary.words["yes"], "as a coach" if flag else "not marked as a coach")
    await stage.hears_exactly("matrix", WITH_COACH)
    await stage.speak("words", coach, stage.callers[coach].lines[0], (coached,), [name for name in NAMES if name != coached])
    await _listed(stage)


async def _listed(stage: Stage) -> None:
    names = stage.vocabulary.answers
    reply = await stage.rest.ask("members", "who is in the room?", room=stage.room)
    members = (reply.json or {}).get(names["members"], [])
    found = {str(member.get(names["label"])): bool(member.get(names["coaching"])) for member in members}
    stage.check("listed", found == {**dict.fromkeys(NAMES, False), COACH.name: True}, ", ".join(sorted(found)))


SCENES: Final = (
    Scene(
        "They speak, one after the other",
        {
            **{role.name: f"{role.title}'s words reach the two others, and do not come back" for role in SPEAKERS},
            "events": "webhooks: who speaks, and who has stopped",
        },
        _conversation,
    ),
    Scene(
        "Dana coaches Bob",
        {
            "joined": "webhook: Dana has joined as a coach",
            "matrix": "Dana hears all; only Bob hears Dana",
            "words": "her words reach Bob alone",
            "listed": "REST lists four participants, one of them coaching",
        },
        _coaching,
    ),
)
