"""The application steers by REST: mute and unmute, hold and unhold, remove."""

from __future__ import annotations

from typing import Final

from hubbub.demo.acts import Scene
from hubbub.demo.acts.talk import WITH_COACH
from hubbub.demo.stage import PATIENCE, Stage, first_line


async def _mute(stage: Stage) -> None:
    reply = await stage.rest.ask("mute", room=stage.room, member="carol")
    stage.check("asked", reply.status == 200 and reply.json.get(stage.vocabulary.answers["muted"]) is True, f"{reply.status}")
    stage.place("carol", "muted")
    await stage.told("told", "muted", "carol")
    await stage.hears_exactly("matrix", {name: heard - {"carol"} for name, heard in WITH_COACH.items()})
    stage.mark("mute begins")
    await stage.speak("words", "carol", stage.callers["carol"].lines[1], (), ("alice", "bob", "dana"))
    stage.mark("mute ends")
    await stage.rest.ask("unmute", room=stage.room, member="carol")
    stage.place("carol", "in the room")
    await stage.told("undone", "unmuted", "carol")
    await stage.hears_exactly("again", WITH_COACH)


async def _hold(stage: Stage) -> None:
    reply = await stage.rest.ask("hold", room=stage.room, member="alice", url=stage.application.url("/hold"))
    stage.check("asked", reply.status == 200 and reply.json.get(stage.vocabulary.answers["held"]) is True, f"{reply.status}")
    stage.place("alice", "on hold")
    await stage.told("told", "held", "alice")
    await stage.hears_music("music", "alice")
    without = {name: heard - {"alice"} for name, heard in WITH_COACH.items()}
    await stage.hears_exactly("matrix", {**without, "alice": set()})
    stage.mark("hold begins")
    await stage.hears_no_music("others", ("bob", "carol", "dana"))
    await stage.speak("words", "bob", stage.callers["bob"].lines[1], ("carol", "dana"), ("alice", "bob"))
    stage.mark("hold ends")
    await stage.rest.ask("unhold", room=stage.room, member="alice")
    stage.place("alice", "in the room")
    await stage.told("undone", "unheld", "alice")
    await stage.hears_exactly("again", WITH_COACH)


async def _removal(stage: Stage) -> None:
    call = stage.callers["carol"].call
    assert call is not None
    begun = call.mark()
    reply = await stage.rest.ask("remove", room=stage.room, member="carol")
    stage.check("asked", reply.status == 204, f"{reply.status}")
    stage.place("carol", "removed")
    await stage.told("told", "left", "carol", because="removed")
    await stage.hears_words("words", "carol", stage.farewell, begun)
    try:
        end = await call.wait_ended(PATIENCE)
        stage.check("ended", end.by == "remote", "" if end.by == "remote" else str(end))
    except AssertionError as error:
        stage.check("ended", False, first_line(error))
    stage.place("carol", "gone")
    remaining = {name: heard - {"carol"} for name, heard in WITH_COACH.items() if name != "carol"}
    await stage.hears_exactly("matrix", remaining)


SCENES: Final = (
    Scene(
        "Carol is muted by REST, and unmuted",
        {
            "asked": "REST: Carol is muted",
            "told": "webhook: she is muted",
            "matrix": "nobody hears Carol, she hears the others",
            "words": "she speaks, and her words reach nobody",
            "undone": "webhook: she is unmuted",
            "again": "all hear Carol again",
        },
        _mute,
    ),
    Scene(
        "Alice is put on hold by REST, and taken back",
        {
            "asked": "REST: Alice is held",
            "told": "webhook: she is held",
            "music": "Alice hears the hold music",
            "matrix": "Alice hears nobody, and nobody hears her",
            "others": "nobody else hears the hold music",
            "words": "Bob's words reach the others, not her",
            "undone": "webhook: she is back",
            "again": "she hears and is heard again",
        },
        _hold,
    ),
    Scene(
        "Carol is removed by REST",
        {
            "asked": "REST: Carol is removed",
            "told": "webhook: she has left, and why",
            "words": "Carol hears the farewell of the next document",
            "ended": "the server has ended her call",
            "matrix": "the others hear each other, and her no more",
        },
        _removal,
    ),
)
