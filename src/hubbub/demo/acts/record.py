"""The recording, and a look back at everything that was told."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hubbub.demo.acts import Scene
from hubbub.demo.cast import ALICE, CAROL, CAST, COACH, SPEAKERS
from hubbub.demo.ears import RATE, SAME, words
from hubbub.demo.recorded import Recorded
from hubbub.demo.stage import PATIENCE, Stage, listed

MARGIN: Final = 0.5
"""Seconds that a moment on the clock may differ from its place in the recording."""


async def _recording(stage: Stage) -> None:
    vocabulary, application = stage.vocabulary, stage.application
    completed = vocabulary.words["completed"]
    request = await stage.expect(
        "told",
        application.http.wait_for("/recordings", lambda told: application.field(told, "recording_status") == completed, timeout=PATIENCE),
    )
    assert request is not None, "there is no recording"
    identity = application.field(request, "recording")
    reply = await stage.rest.ask("recordings", "which recordings?", room=stage.room)
    found = (reply.json or {}).get(vocabulary.answers["recordings"], [])
    known = [recording.get(vocabulary.answers["id"]) for recording in found]
    audio = await stage.rest.ask("audio", "the recording itself", recording=identity)
    files = list(stage.server.recordings.rglob("*.wav"))
    same = len(files) == 1 and await asyncio.to_thread(files[0].read_bytes) == audio.body
    stage.check("listed", known == [identity] and same, f"{len(found)} listed; {len(audio.body) // 1024} kB, the file on disk: {same}")
    path = await asyncio.to_thread(_kept, audio.body)
    recorded = await asyncio.to_thread(Recorded, path, CAST)
    stage.board.recorded = recorded
    _length(stage, recorded)
    _contents(stage, recorded, await asyncio.to_thread(_look, stage, recorded))


def _length(stage: Stage, recorded: Recorded) -> None:
    lasted = stage.moments["ended"] - stage.moments["started"]
    stage.check("length", abs(recorded.seconds - lasted) < 1.5, f"{recorded.seconds:.1f} s; the conference lasted {lasted:.1f} s")


@dataclass(frozen=True)
class Contents:
    """What can be recognised in the recording."""

    spoken: dict[str, float]
    coach: float
    music: float


def _look(stage: Stage, recorded: Recorded) -> Contents:
    return Contents(
        {role.name: words(recorded.heard, stage.callers[role.name].lines[0].pcm) for role in SPEAKERS},
        recorded.heard.words_like(stage.callers[COACH.name].lines[0].pcm, RATE),
        stage.music.likeness_anywhere(recorded.heard),
    )


def _contents(stage: Stage, recorded: Recorded, contents: Contents) -> None:
    spoken = ", ".join(f"{name} {likeness:.0%}" for name, likeness in contents.spoken.items())
    stage.check("voices", min(contents.spoken.values()) >= SAME, f"likeness: {spoken}")
    there = {role.name for role in CAST if recorded.share(role.name) > 0.05}
    stage.check("pilots", there == {role.name for role in SPEAKERS}, f"in it: {listed(there)}")
    share = recorded.share(COACH.name)
    stage.check("coach", contents.coach < SAME and share == 0, f"words: likeness {contents.coach:.0%}; tone: {share:.0%} of the time")
    for key, role, event in (("muted", CAROL, "mute"), ("held", ALICE, "hold")):
        begin, end = (stage.moments[f"{event} {edge}"] - stage.moments["started"] for edge in ("begins", "ends"))
        windows = recorded.between(role, begin + MARGIN, end - MARGIN)
        stage.check(key, bool(windows) and not any(windows), f"from {begin:.1f} s to {end:.1f} s")
    stage.check("music", contents.music < SAME, f"likeness at most {contents.music:.0%}")


def _kept(audio: bytes) -> Path:
    """Where the last demo's recording can be listened to afterwards."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hubbub"
    try:
        home.mkdir(parents=True, exist_ok=True)
        path = home / "demo.wav"
        path.write_bytes(audio)
    except OSError:
        path = Path(tempfile.mkdtemp(prefix="hubbub-")) / "demo.wav"
        path.write_bytes(audio)
    return path


async def _books(stage: Stage) -> None:
    application, vocabulary = stage.application, stage.vocabulary
    events = [request for request in application.http.requests("/events") if application.field(request, "room") == stage.room]
    numbers = [int(application.field(request, "number") or 0) for request in events]
    stage.check("order", numbers == list(range(1, len(numbers) + 1)), f"1 to {len(numbers)}" if numbers else "none came")
    unsigned = application.unsigned(stage.rest.password)
    stage.check("signed", not unsigned, f"{len(application.http.requests())} requests" if not unsigned else str(unsigned[0])[:120])
    reply = await stage.rest.ask("problems", "did anything go wrong?")
    problems = (reply.json or {}).get(vocabulary.answers["problems"], [])
    stage.check("problems", reply.status == 200 and not problems, str(problems[:1]) if problems else "none")
    complaints = [line for line in stage.server.log.splitlines() if '"level": "error"' in line or line.startswith("Traceback")]
    stage.check("log", not complaints, complaints[0][:160] if complaints else "")


SCENES: Final = (
    Scene(
        "The recording",
        {
            "told": "webhook: the recording is ready",
            "listed": "REST lists it and gives its audio",
            "length": "it is as long as the conference was",
            "voices": "Alice, Bob and Carol are heard to speak in it",
            "pilots": "the tones in it are those of Alice, Bob and Carol",
            "coach": "Dana, the coach, is not in it",
            "muted": "Carol is not in it while she was muted",
            "held": "Alice is not in it while she was held",
            "music": "no waiting or hold music is in it",
        },
        _recording,
    ),
    Scene(
        "A look back",
        {
            "order": "the conference's webhooks came in order, none missing",
            "signed": "every request to the application was signed",
            "problems": "REST knows of no problem",
            "log": "no error stands in the server's log",
        },
        _books,
    ),
)
