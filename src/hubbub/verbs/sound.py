"""What can be heard: speech, files and tones, played to a leg or to a room."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import numpy as np
import structlog

from hubbub.clock import Clock
from hubbub.errors import HubbubError, MediaError
from hubbub.media import tones
from hubbub.media.audiofile import decode
from hubbub.media.client import Clip, Leg, Media, Mix
from hubbub.media.music import hold_music
from hubbub.media.tones import Pcm
from hubbub.speech.voices import Speech
from hubbub.verbs.audiocache import AudioCache
from hubbub.verbs.model import Pause, PlayAudio, Playlist, PlayTone, Speak
from hubbub.verbs.program import Outcome, Verb
from hubbub.webhooks.requester import HttpRequest, Limits, Requester

log = structlog.get_logger()

AUDIO_LIMITS = Limits(total=60.0)
AUDIO_BYTES = 256 * 1024 * 1024
SHORTEST_LOOP_SECONDS = 0.1
LONGEST_LIST = 1_000_000
"""Rounds of a list that is played for ever."""


def louder(pcm: Pcm, gain_db: float) -> Pcm:
    """Sound, louder or softer, and cut where it is too loud."""
    if not gain_db:
        return pcm
    return np.asarray(np.clip(pcm * 10 ** (gain_db / 20), -32768, 32767), dtype=np.int16)


@dataclass(frozen=True)
class Sound:
    """Makes audio out of verbs and plays it to one target."""

    media: Media
    speech: Speech
    requester: Requester
    target: Leg | Mix
    clock: Clock
    cache: AudioCache
    own: Callable[[str], Awaitable[Pcm | None]]
    """The audio behind a URL of this server's own, or None."""
    headers: Callable[[str], Mapping[str, str]] = lambda _url: {}
    """What a request for audio carries."""

    async def perform(self, verb: Verb) -> Outcome:
        """Do a verb that only makes itself heard; Outcome `failed` with a reason when its audio cannot be had."""
        if isinstance(verb, Pause):
            await asyncio.sleep(verb.seconds)
            return Outcome()
        if isinstance(verb, Playlist):
            return await self._listed(verb)
        try:
            pcm, loops = await self._audio(verb)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(verb.seconds if isinstance(verb, PlayTone) else None):
                    await self.play(louder(pcm, getattr(verb, "gain_db", 0.0)), loops)
        except (HubbubError, ValueError) as error:
            return Outcome("failed", str(error), {"kind": getattr(error, "kind", "audio")})
        return Outcome()

    async def _listed(self, verb: Playlist) -> Outcome:
        """Each in turn; what cannot be had is passed over, and told at the end."""
        failed: Outcome | None = None
        rounds = 0
        while rounds < (verb.loops or LONGEST_LIST):
            began = asyncio.get_running_loop().time()
            outcomes = [await self.perform(sound) for sound in verb.sounds]
            failed = failed or next((outcome for outcome in outcomes if outcome.kind == "failed"), None)
            if all(outcome.kind == "failed" for outcome in outcomes):
                break
            rounds += 1
            await asyncio.sleep(max(0.0, began + SHORTEST_LOOP_SECONDS - asyncio.get_running_loop().time()) if verb.loops != 1 else 0.0)
        return failed or Outcome()

    async def play(self, pcm: Pcm, loops: int = 1) -> None:
        """Play to the end; a cancelled task stops it."""
        if not len(pcm):
            return
        playback = self.media.play(Clip(pcm, loops), self.target)
        try:
            await asyncio.shield(playback.done)
        finally:
            playback.stop()

    async def rendered(self, verb: Verb) -> Pcm:
        """The sound of a verb that only makes itself heard. Raises HubbubError where it cannot be had."""
        if isinstance(verb, Pause):
            return tones.silence(verb.seconds)
        pcm, loops = await self._audio(verb)
        return np.tile(pcm, max(1, loops))

    async def _audio(self, verb: Verb) -> tuple[Pcm, int]:
        if isinstance(verb, Speak):
            pcm = await self.speech.say(verb.text, voice=verb.voice, language=verb.language, gender=verb.gender)
            return pcm, verb.loops
        if isinstance(verb, PlayTone):
            return (hold_music() if verb.kind == "music" else tones.ringback(verb.country)), 0
        if isinstance(verb, PlayAudio):
            return await self._fetched(verb), verb.loops
        raise MediaError(f"{type(verb).__name__} cannot be heard")

    async def _fetched(self, verb: PlayAudio) -> Pcm:
        if verb.body:
            return await decode(verb.body, verb.content_type)
        key = (verb.link.url, verb.link.username, verb.link.password)
        kept = self.cache.get(key, self.clock.now())
        if kept is not None:
            return kept
        own = await self.own(verb.link.url)
        if own is not None:
            return own
        request = HttpRequest(
            method="GET",
            url=verb.link.url,
            headers=self.headers(verb.link.url),
            limits=AUDIO_LIMITS,
            username=verb.link.username,
            password=verb.link.password,
            max_body=AUDIO_BYTES,
        )
        reply = await self.requester.send(request)
        if reply.status >= 400:
            raise MediaError(f"{verb.link.url} answered {reply.status}")
        pcm = await decode(reply.body, reply.content_type)
        self.cache.put(key, pcm, reply.headers, self.clock.now())
        return pcm
