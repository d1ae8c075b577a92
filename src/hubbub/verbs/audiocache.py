"""Audio that was fetched once and may be played again without asking: RFC 9111, as far as the answer says how long it is fresh.

A pure core: time is an argument. An answer with neither `Cache-Control: max-age` nor `Expires` is not kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from hubbub.media.tones import Pcm
from hubbub.webhooks.cache import fresh_seconds

SAMPLES = 30 * 60 * 16_000
"""Half an hour of audio, 58 MB, of all accounts together."""

Key = tuple[str, str, str]
"""URL and credentials: what one may hear is not for everybody who knows its URL."""


class AudioCache:
    """Decoded audio by what it was asked for with; the least recently played goes first."""

    def __init__(self, samples: int = SAMPLES) -> None:
        self._limit = samples
        self._held = 0
        self._audio: OrderedDict[Key, tuple[Pcm, float]] = OrderedDict()

    def get(self, key: Key, now: float) -> Pcm | None:
        """Audio that is still fresh."""
        found = self._audio.get(key)
        if found is None:
            return None
        if found[1] <= now:
            self._drop(key)
            return None
        self._audio.move_to_end(key)
        return found[0]

    def put(self, key: Key, pcm: Pcm, headers: Mapping[str, str], now: float) -> None:
        """Keep audio as long as the headers of its answer (names in lower case) allow."""
        self._drop(key)
        seconds = fresh_seconds(headers, now)
        if seconds <= 0 or len(pcm) > self._limit:
            return
        self._audio[key] = (pcm, now + seconds)
        self._held += len(pcm)
        while self._held > self._limit:
            self._drop(next(iter(self._audio)))

    def _drop(self, key: Key) -> None:
        found = self._audio.pop(key, None)
        if found is not None:
            self._held -= len(found[0])
