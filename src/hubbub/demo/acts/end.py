"""One hangs up; the host hangs up, and the conference is over."""

from __future__ import annotations

from typing import Final

from hubbub.demo.acts import Scene
from hubbub.demo.stage import PATIENCE, Stage, first_line


async def _goodbye(stage: Stage) -> None:
    bob, alice, dana = (stage.callers[name].call for name in ("bob", "alice", "dana"))
    assert bob is not None
    assert alice is not None
    assert dana is not None
    bob.hangup()
    stage.place("bob", "gone")
    await stage.told("left", "left", "bob", because="hung_up")
    await stage.hears_exactly("matrix", {"alice": set(), "dana": {"alice"}})
    alice.hangup()
    stage.place("alice", "gone")
    await stage.told("ended", "ended", because="host_left")
    stage.mark("ended")
    try:
        end = await dana.wait_ended(PATIENCE)
        stage.check("dana", end.by == "remote", "after the farewell document")
    except AssertionError as error:
        stage.check("dana", False, first_line(error))
    stage.place("dana", "gone")
    reply = await stage.rest.ask("room", "is it over?", room=stage.room)
    status = (reply.json or {}).get(stage.vocabulary.answers["status"], "")
    stage.check("over", status == stage.vocabulary.words["completed"], status)


SCENES: Final = (
    Scene(
        "Bob hangs up; Alice, the host, hangs up: the end",
        {
            "left": "webhook: Bob has left, and why",
            "matrix": "Dana hears Alice; Alice hears nobody",
            "ended": "webhook: the conference has ended, and why",
            "dana": "the server has ended Dana's call",
            "over": "REST: the conference is over",
        },
        _goodbye,
    ),
)
