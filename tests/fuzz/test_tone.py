"""A tone through simulated packets of another clock, late and lost ones among them: minutes with the other tests, an hour in `make fuzz`.

What comes out is looked at sample by sample: no step, the tone at its height in every frame, its phase where the packets say it is.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.fuzz.budget import SECONDS
from tests.support.small_engine import small_engine
from tests.unit.media.conftest import let_python_call

from hubbub.media.jitter import fetch, store, tune
from hubbub.media.layout import L16, NARROW

let_python_call()

RATE, PITCH, HEIGHT = 8000, 437, 9000.0
TICKS = 180_000 if SECONDS else 6_000
FASTER = 1 if SECONDS else 15
"""In minutes clocks differ so much more that as much happens as in a quarter of an hour."""


def through(ppm: float, depth: int | None, jitter_ms: float, loss: float, seed: int) -> tuple[np.ndarray, int, int]:
    """Frames that were heard, how many slips there were, and how many packets were lost."""
    random = np.random.default_rng(seed)
    small = small_engine()
    small.add_leg(0)
    small.engine.links[0].codec = L16
    jitter, coders, desk = small.engine.jitter, small.engine.coders, small.desk
    tune(jitter, 0, 0 if depth is None else depth * 8, depth is None)
    wave = np.round(HEIGHT * np.sin(2 * np.pi * PITCH * np.arange(RATE + NARROW) / RATE)).astype(">i2")  # one second, over and over
    payloads = [np.frombuffer(wave[at : at + NARROW].tobytes(), np.uint8) for at in range(0, RATE, NARROW)]
    out, heard = np.zeros(NARROW, np.int16), np.zeros((TICKS, NARROW), np.int16)
    sent, lost, due = 0, 0, 0.0
    for tick in range(TICKS):
        while due <= tick * 20.0:
            if random.random() < loss:
                lost += 1
            else:
                store(jitter, 0, sent & 0xFFFF, sent * NARROW & 0xFFFFFFFF, payloads[sent % len(payloads)], 0, 2 * NARROW, L16)
            sent += 1
            due = max(due, sent * 20.0 / (1 + ppm * 1e-6) + random.uniform(0, jitter_ms))
        level = int(np.mean(out.astype(np.int64) ** 2))
        if fetch(jitter, coders, 0, desk, level, out) < 0:
            out[:] = 0
        heard[tick] = out
    return heard, int(jitter[0].slips), lost


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ppm", [200.0, -200.0])
@pytest.mark.parametrize(("depth", "jitter_ms", "loss"), [(60, 15.0, 0.0), (None, 15.0, 0.0), (60, 15.0, 0.002)])
def test_a_tone_has_no_discontinuity(ppm: float, depth: int | None, jitter_ms: float, loss: float) -> None:
    heard, slips, lost = through(FASTER * ppm, depth, jitter_ms, loss, seed=11)
    begins = int(np.flatnonzero(heard.any(axis=1))[0]) + 50
    frames = heard[begins:].astype(np.float64)
    sound = frames.reshape(-1)
    bend = np.abs(np.diff(sound, 2)).max() / HEIGHT
    turn = np.exp(-2j * np.pi * PITCH * np.arange(NARROW) / RATE)
    found = 2 * frames @ turn / NARROW
    height, phase = np.abs(found) / HEIGHT, np.angle(found)
    # From frame to frame the phase goes on by the same; another step is a slip, or sound that was made up.
    step = np.angle(np.exp(1j * (np.diff(phase) - 2 * np.pi * PITCH * NARROW / RATE)))
    broken = np.abs(step) > 0.05
    events = np.flatnonzero(broken)
    places = 1 + int((np.diff(events) > 4).sum()) if len(events) else 0
    print(
        f"{ppm:+} ppm, depth {depth}, loss {loss}: {slips} slips, {lost} lost, {places} places, bend {bend:.3f}, least {height.min():.2f}"
    )
    expected = TICKS * abs(FASTER * ppm) * 1e-6
    assert places <= 1.3 * expected + lost + 3
    if depth is not None:
        assert abs(slips - expected) <= 0.2 * expected + 2
    near = np.convolve(np.append(broken, False) | np.append(False, broken), np.ones(5), "same") > 0
    # Made-up sound goes on in phase and fades a little; wherever nothing happens, the tone is at its height.
    assert ((np.abs(height - 1) > 0.02) & ~near).sum() <= 2 * lost
    assert height.min() > 0.2, "and never gone"
    assert bend < 0.3, "a step would be bent by up to two heights; the tone itself is by 0.12"
