"""Fetched audio is played again without asking as long as its answer said (specification of BXML 3.2; RFC 9111)."""

from __future__ import annotations

import numpy as np
import pytest

from hubbub.verbs.audiocache import AudioCache
from hubbub.webhooks.cache import fresh_seconds

NOW = 1_000_000_000.0
KEY = ("http://a.test/x.wav", "", "")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"cache-control": "max-age=60"}, 60),
        ({"cache-control": "public, max-age=60", "age": "20"}, 40),
        ({"cache-control": "no-store, max-age=60"}, 0),
        ({"cache-control": "no-cache"}, 0),
        ({"expires": "Sun, 09 Sep 2001 01:48:40 GMT"}, 120),
        ({"expires": "Sun, 09 Sep 2001 01:48:40 GMT", "date": "Sun, 09 Sep 2001 01:47:40 GMT"}, 60),
        ({"expires": "Sun, 09 Sep 2001 01:48:40 GMT", "cache-control": "max-age=5"}, 5),
        ({"expires": "0"}, 0),
    ],
)
def test_how_long_it_is_fresh(headers: dict[str, str], seconds: float) -> None:
    """ "`Cache-Control: max-age`, else `Expires`; neither: not cached"."""
    assert fresh_seconds(headers, NOW) == seconds


def test_it_is_forgotten_when_it_is_stale_or_when_there_is_too_much() -> None:
    cache = AudioCache(samples=25)
    pcm = np.zeros(10, np.int16)
    cache.put(KEY, pcm, {"cache-control": "max-age=10"}, NOW)
    assert cache.get(KEY, NOW + 9) is pcm
    assert cache.get(("http://a.test/x.wav", "other", ""), NOW) is None
    assert cache.get(KEY, NOW + 10) is None
    for name in "abc":
        cache.put((name, "", ""), pcm, {"cache-control": "max-age=10"}, NOW)
    assert [cache.get((name, "", ""), NOW) is not None for name in "abc"] == [False, True, True]
