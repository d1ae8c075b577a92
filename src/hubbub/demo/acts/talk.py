"""They speak one after the other; a coach whispers to one of them."""

from __future__ import annotations

from typing import Final

from hubbub.demo.acts import Scene
from hubbub.demo.cast import COACH, COACHED, SPEAKERS
from hubbub.demo.stage import PATIENCE, Stage

NAMES: Final = tuple(role.name for role in SPEAKERS)
WITH_COACH: Final = {"alice": {"bob", "carol"}, "bob": {"alice", "carol", "dana"}, "carol": {"alice", "bob"}, "dana": set(NAMES)}
"""Who hears whom while the coach is there."""


async def _conversation(stage: Stage) -> None:
    for name in NAMES:
        caller = stage.callers[name]
        await stage.speak(name, name, caller.lines[0], [other for other in NAMES if other != name], (name,))
    await stage.expect("events", _all_noticed(stage), lambda count: f"{count} in all")


async def _all_noticed(stage: Stage) -> int:
    """How many webhooks tell that somebody began or ceased to speak; AssertionError unless there is one of each for each."""
    for name in NAMES:
        for word in ("speaks", "silent"):
            await stage.application.http.wait_for("/events", stage.application.events(word, name), timeout=PATIENCE)
    words = {stage.vocabulary.words["speaks"], stage.vocabulary.words["silent"]}
    return sum(1 for request in stage.application.http.requests("/events") if stage.application.field(request, "event") in words)


async def _coaching(stage: Stage) -> None:
    coach, coached = COACH.name, COACHED.name
    stage.place(coach, "calling")
    call = await stage.callers[coach].dial(stage.server)
    await call.wait_answered()
    stage.place(coach, f"coaching {COACHED.title}")
    is_join, yes = stage.application.events("joined", coach), stage.vocabulary.words["yes"]
    await stage.expect(
        "joined",
        stage.application.http.wait_for(
            "/events", lambda told: is_join(told) and stage.application.field(told, "coaching") == yes, timeout=PATIENCE
        ),
    )
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
