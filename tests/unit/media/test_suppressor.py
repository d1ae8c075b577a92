"""Noise suppression: noise falls, speech and tones stay, and nothing is heard of its being switched (docs/media.md 1.12)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.support import noises
from tests.support.noises import RATE, Wave, at_level, decibels
from tests.support.small_engine import SIZES, Small, small_engine
from tests.support.voices import MISSING, WHY, spoken

from hubbub.media import block, layout, messages
from hubbub.media.counters import H_BAD_COMMANDS, H_TICK
from hubbub.media.desk import make_desk
from hubbub.media.layout import FRAME, HOP
from hubbub.media.rings import post_command
from hubbub.media.suppressor import LEARNING
from hubbub.media.takeover import revalidate
from hubbub.media.tick import run_tick

TALKER = 0
SENTENCES = (
    "Good morning, you have reached the front desk.",
    "Please hold the line while I look for your order.",
    "Our office is open from nine to five, Monday to Friday.",
)


class Line:
    """The real engine with one leg that is fed samples, and what others would hear of it."""

    def __init__(self, workers: int = 1) -> None:
        self.sizes = replace(SIZES, workers=workers)
        self.small: Small = small_engine(self.sizes)
        self.desk, self.worker = self.small.desk, 0
        engine = self.small.engine
        block.clear_leg(engine, TALKER)
        engine.slots[TALKER].kind = layout.PCM_RING
        engine.slots[TALKER].ring = 0
        engine.slots[TALKER].generation = 1
        self.small.post(messages.ADD, TALKER, 1, -1)
        self.run()
        self.talking: list[bool] = []

    def run(self) -> None:
        header = self.small.engine.wires[self.worker].header
        header[H_TICK] += 1
        run_tick(self.small.engine, self.desk, self.worker, int(header[H_TICK]))

    def suppress(self, on: bool) -> None:
        assert post_command(self.small.engine.wires, self.worker, (messages.SUPPRESS, TALKER, 1, int(on)))

    def say(self, wave: Wave, switches: dict[int, bool] | None = None) -> Wave:
        """What comes out, 10 ms later where noise is suppressed; `switches`: at which frame it is switched to what."""
        samples = np.clip(np.rint(wave), -32768, 32767).astype(np.int16)
        slot, ring = self.small.engine.slots[TALKER], self.small.engine.rings[0]
        heard = []
        for frame in range(len(samples) // FRAME):
            if frame in (switches or {}):
                self.suppress((switches or {})[frame])
            head = int(ring.head[0])
            ring.pcm[np.arange(head, head + FRAME) % layout.RING_SAMPLES] = samples[frame * FRAME : (frame + 1) * FRAME]
            ring.head[0] = head + FRAME
            self.run()
            heard.append(slot.pcm.astype(np.float64) if slot.have else np.zeros(FRAME))
            self.talking.append(bool(self.small.engine.voices[TALKER].talking))
        assert self.small.engine.wires[self.worker].header[H_BAD_COMMANDS] == 0
        return np.concatenate(heard)


def cleaned(wave: Wave) -> Wave:
    """What is heard of it with noise suppression from the first frame on, without its delay."""
    line = Line()
    line.suppress(True)
    return np.append(line.say(np.append(wave, np.zeros(FRAME)))[HOP:], np.zeros(HOP))[: len(wave)]


@pytest.fixture(scope="module")
def speech() -> dict[str, Wave]:
    """A man and a woman: each sentence after a pause of two seconds, at -22 dBFS while they speak."""
    found = {}
    for voice in ("man", "woman"):
        said = asyncio.run(spoken(*SENTENCES, voice=voice))
        pieces = [piece for text in SENTENCES for piece in (np.zeros(2 * RATE), said[text].astype(np.float64))]
        wave = np.concatenate(pieces)
        loud = wave[np.abs(wave) > 0.02 * np.abs(wave).max()]
        found[voice] = wave * 10 ** ((-22 - decibels(loud)) / 20)
    return found


def parts(wave: Wave) -> tuple[np.ndarray, np.ndarray]:
    """Which frames are speech, and which are pauses with nothing of it near; the first two seconds are neither."""
    levels = np.array([decibels(frame) for frame in wave[: len(wave) // FRAME * FRAME].reshape(-1, FRAME)])
    near = np.convolve(levels > -60, np.ones(21), "same") > 0
    quiet = ~near
    quiet[:80] = False
    return levels > -35, quiet


def of(wave: Wave, frames: np.ndarray) -> Wave:
    return wave[: len(frames) * FRAME].reshape(-1, FRAME)[frames].reshape(-1)


KINDS: dict[str, Callable[[int, np.random.Generator], Wave]] = {"white": noises.white, "pink": noises.pink, "hum": noises.hum}


@pytest.mark.skipif(MISSING, reason=WHY)
@pytest.mark.parametrize("talker", ["man", "woman"])
@pytest.mark.parametrize("kind", [*KINDS, "babble"])
def test_noise_falls_in_pauses_and_speech_stays(speech: dict[str, Wave], talker: str, kind: str) -> None:
    """At 15 dB below the speech, each noise is at least 10 dB softer in pauses (mostly 20), and speech is what it was within 3 dB."""
    clean = speech[talker]
    random = np.random.default_rng(7)
    noise = noises.babble(len(clean), random, list(speech.values())) if kind == "babble" else KINDS[kind](len(clean), random)
    noise = at_level(noise, -37)
    heard = cleaned(clean + noise)
    talk, pause = parts(clean)
    frames = np.array([decibels(frame) for frame in of(heard, pause).reshape(-1, FRAME)])
    before = np.array([decibels(frame) for frame in of(noise, pause).reshape(-1, FRAME)])
    assert np.median(before) - np.median(frames) > 10
    if kind != "babble":
        assert decibels(of(noise, pause)) - decibels(of(heard, pause)) > 15
    # How much of the clean speech is in what is heard: the noise has no part in it.
    said, left = of(clean, talk), of(heard, talk)
    kept = 20 * np.log10(float(left @ said) / float(said @ said))
    assert -3 < kept < 1
    worse = 5 if kind == "babble" else 3  # the voices speak a little differently each time
    assert decibels(left - said) < decibels(of(noise, talk)) + worse, "what is wrong with the speech is hardly louder than the noise was"


@pytest.mark.skipif(MISSING, reason=WHY)
@pytest.mark.parametrize("talker", ["man", "woman"])
def test_speech_without_noise_is_left_as_it_is(speech: dict[str, Wave], talker: str) -> None:
    clean = speech[talker]
    heard, (talk, _) = cleaned(clean), parts(clean)
    assert abs(decibels(of(heard, talk)) - decibels(of(clean, talk))) < 0.5
    assert decibels(of(clean, talk)) - decibels(of(heard - clean, talk)) > 14


@pytest.mark.parametrize("noise_db", [-96.0, -50.0])
def test_tones_stay(noise_db: float) -> None:
    """Keys as tones, and a beep of a second."""
    time = np.arange(RATE * 6) / RATE
    keys = np.where((time % 0.3 < 0.1) & (time > 1) & (time < 3), np.sin(2 * np.pi * 941 * time) + np.sin(2 * np.pi * 1336 * time), 0)
    beep = np.where((time > 4) & (time < 5), np.sin(2 * np.pi * 1000 * time), 0)
    wave = 4000 * (keys + beep) + at_level(noises.white(len(time), np.random.default_rng(1)), noise_db)
    heard = cleaned(wave)
    for start in (1.2, 1.5, 2.1, 2.7, 4.05, 4.5, 4.9):
        here = slice(round((start + 0.01) * RATE), round((start + 0.09) * RATE))
        assert abs(decibels(heard[here]) - decibels(wave[here])) < 3, start


def test_what_stays_the_same_is_noise_in_the_end() -> None:
    """Noise that begins after silence is down by 10 dB within 3 s; a tone that never ends goes the same way."""
    for wave in (noises.white(RATE * 5, np.random.default_rng(2)), np.sin(2 * np.pi * 440 * np.arange(RATE * 5) / RATE)):
        wave = np.concatenate([np.zeros(RATE), at_level(wave, -30)])
        heard = cleaned(wave)
        assert decibels(heard[RATE : RATE + RATE // 2]) > -33
        assert decibels(heard[4 * RATE :]) < -40


def test_off_changes_no_bit_and_switching_does_not_click() -> None:
    """As of mixing: what lies above 3 kHz stays 60 dB below a tone that is being switched (docs/media.md 1.3)."""
    wave = 10000 * np.sin(2 * np.pi * 300 * np.arange(RATE * 2) / RATE + 1.4)
    plain = Line().say(wave)
    assert np.array_equal(plain, np.rint(wave))
    heard = Line().say(wave, {25: True, 62: False, 63: True, 64: False})
    assert np.array_equal(heard[: 25 * FRAME], plain[: 25 * FRAME])
    assert np.array_equal(heard[66 * FRAME :], plain[66 * FRAME :]), "off again, it is the same sample for sample"
    assert not np.array_equal(heard[40 * FRAME : 60 * FRAME], plain[40 * FRAME : 60 * FRAME])
    whole = heard[10 * FRAME : 90 * FRAME]
    spectrum = np.abs(np.fft.rfft(whole * np.hanning(len(whole))))
    high = np.fft.rfftfreq(len(whole), 1 / RATE) > 3000
    assert 20 * np.log10(spectrum[high].max() / spectrum.max()) < -60
    steps = np.abs(np.diff(np.diff(heard)))
    assert steps.max() < 2 * np.abs(np.diff(np.diff(plain))).max()


def test_a_noisy_line_does_not_count_as_speech() -> None:
    """Levels and speech are those of the cleaned sound."""
    noise = at_level(noises.white(RATE * 6, np.random.default_rng(3)), -36)
    noisy, quiet = Line(), Line()
    noisy.say(noise)
    quiet.suppress(True)
    quiet.say(noise)
    assert all(noisy.talking[50:])
    assert not any(quiet.talking[200:])


def test_silence_stays_silence() -> None:
    """After the last sample 10 ms are left; then the leg says nothing at all, and the noise that is known is kept."""
    line = Line()
    line.suppress(True)
    line.say(at_level(noises.white(RATE * 2, np.random.default_rng(4)), -30))
    known = line.small.engine.suppressors[TALKER].noise.copy()
    heard = line.say(np.zeros(RATE))
    assert not heard[2 * FRAME :].any()
    assert line.small.engine.slots[TALKER].have == 0
    assert np.abs(line.small.engine.suppressors[TALKER].noise / known - 1).max() < 0.5
    again = line.say(at_level(noises.white(RATE, np.random.default_rng(5)), -30))
    assert decibels(again[RATE // 4 :]) < -45, "nothing is learnt anew"


@pytest.mark.parametrize("late", [0, 1, 12, 200])
def test_nothing_is_learnt_before_anything_has_come(late: int) -> None:
    """A leg is there before its first sound: the noise is learnt from that, however late it comes."""
    line = Line()
    line.suppress(True)
    for _ in range(late):
        line.run()
    state = line.small.engine.suppressors[TALKER]
    assert state.age == 0
    heard = line.say(at_level(noises.white(RATE, np.random.default_rng(9)), -30))
    assert state.age == LEARNING
    assert decibels(heard[(LEARNING + 2) * FRAME :]) < -45


def test_a_leg_of_packets_learns_from_its_first_packet_on() -> None:
    line = Line()
    jitter = line.small.engine.jitter[TALKER]
    line.small.engine.slots[TALKER].kind = layout.SOCKET
    line.suppress(True)
    for _ in range(3 * LEARNING):
        line.run()
    assert line.small.engine.suppressors[TALKER].age == 0
    jitter.started = jitter.sounded = 1
    for _ in range(3 * LEARNING):
        line.run()
    assert line.small.engine.suppressors[TALKER].age == LEARNING


def test_what_cannot_be_gone_on_with_is_not_heard_while_it_is_switched_off() -> None:
    """A process dies in the frame between the switch and the blend: the state is still heard once."""
    line = Line()
    line.suppress(True)
    noise = at_level(noises.white(RATE * 2, np.random.default_rng(6)), -30)
    line.say(noise[:RATE])
    state = line.small.engine.suppressors[TALKER]
    assert state.share == layout.UNITY
    state.wanted, state.carry[5] = 0, np.nan
    line.desk = make_desk(SIZES)
    revalidate(line.small.engine, line.desk, 0)
    assert state.share == 0
    assert np.array_equal(line.say(noise[RATE : 2 * RATE]), np.rint(noise[RATE : 2 * RATE]))


@pytest.mark.parametrize("broken", [False, True])
def test_the_standby_goes_on_with_what_can_be_gone_on_with(broken: bool) -> None:
    line = Line()
    line.suppress(True)
    noise = at_level(noises.white(RATE * 4, np.random.default_rng(6)), -30)
    line.say(noise[: 2 * RATE])
    state = line.small.engine.suppressors[TALKER]
    if broken:
        state.noise[40] = np.nan
    line.desk = make_desk(SIZES)
    revalidate(line.small.engine, line.desk, 0)
    assert state.age == (0 if broken else LEARNING)
    heard = line.say(noise[2 * RATE :])
    assert np.isfinite(state.noise).all()
    assert decibels(heard[RATE // 2 :]) < -45
    assert (decibels(heard[: 5 * FRAME]) < -45) is not broken


def test_a_leg_that_moves_to_another_worker_keeps_what_it_knows() -> None:
    """REMOVE handed over, then ADD at the other worker: the noise stays down from the first frame on, and the leg says where it is."""
    line = Line(workers=2)
    line.suppress(True)
    noise = at_level(noises.white(RATE * 4, np.random.default_rng(8)), -30)
    line.say(noise[: 2 * RATE])
    line.small.post(messages.REMOVE, TALKER, 1, 1)
    line.run()
    slot = line.small.engine.slots[TALKER]
    assert slot.state == layout.FREE
    slot.worker, slot.moving, line.worker = 1, 0, 1
    line.desk = make_desk(line.sizes)
    post_command(line.small.engine.wires, 1, (messages.ADD, TALKER, 1, -1))
    line.small.engine.rings[0].tail[0] = line.small.engine.rings[0].head[0]
    heard = line.say(noise[2 * RATE :])
    assert decibels(heard) < -45
    line.suppress(False)
    assert decibels(line.say(noise[2 * RATE :])[2 * FRAME :]) > -31


def test_a_wrong_command_is_counted() -> None:
    line = Line()
    for words in ((TALKER, 2, 1), (TALKER, 1, 2), (99, 1, 1), (-1, 1, 1)):
        line.small.post(messages.SUPPRESS, *words)
    line.run()
    assert line.small.engine.wires[0].header[H_BAD_COMMANDS] == 4
    assert not line.small.engine.suppressors[TALKER].wanted
