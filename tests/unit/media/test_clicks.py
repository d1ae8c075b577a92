"""Nothing is heard of a switch, in any codec: what a phone decodes, packet by packet, from the whole engine.

A tone stands in a room. Whatever is switched meanwhile, above 3 kHz a phone hears no more than one would whose encoder had been told
the same samples without a break; where a codec has no past, every byte is the same. The samples themselves have no step: what lies
above 3 kHz stays 60 dB below the tone.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from tests.support.noises import RATE, Wave
from tests.support.small_engine import Small, small_engine
from tests.unit.media.test_opus import Decoder, Encoder

from hubbub.media import block, g711, g722, layout, libopus, messages
from hubbub.media.codecs import encode
from hubbub.media.counters import H_BAD_COMMANDS, H_TICK
from hubbub.media.desk import make_desk
from hubbub.media.layout import CODEC_CLOCK, CODEC_WIDE, FRAME, G722, G722_FRESH, L16, L16_WIDE, NARROW, OPUS, PCMA, PCMU, UNITY
from hubbub.media.resample import narrow_down
from hubbub.media.rings import post_command
from hubbub.media.tick import run_tick

TALKER, COACH, TWIN, PHONE, OTHER = range(5)
"""Two who are fed samples in the first room, one in the second with the same tone, and two phones."""
HERE, THERE, AWAY = range(3)
"""Rooms: the second is another worker's, the third the same worker's."""
CODECS = {"PCMU": PCMU, "PCMA": PCMA, "L16/8000": L16, "L16/16000": L16_WIDE, "G722": G722, "OPUS": OPUS}
FIRST, SECOND, END = 160, 200, 240
"""Ticks of a switch, of its undoing, and of the end: before the first the phones have met in one group."""
Codec = Callable[[bytes], np.ndarray]


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> int:
    """Each codec that this machine has."""
    if request.param == "OPUS" and libopus.find() is None:
        pytest.skip(libopus.HOW_TO_GET_IT)
    return CODECS[request.param]


class Speaker:
    """An encoder without a break, that is told wide frames."""

    def __init__(self, codec: int) -> None:
        self.codec, self.state = codec, G722_FRESH.copy()
        self.desk = make_desk(layout.Sizes(legs=1, players=1, mixes=1, edges=1, rings=1, arena=1))
        self.history, self.opus = np.zeros(35, np.int16), Encoder() if codec == OPUS else None

    def __call__(self, wide: np.ndarray) -> bytes:
        if self.opus:
            return self.opus(wide)
        desk, packet = self.desk, np.zeros(700, np.uint8)
        if not CODEC_WIDE[self.codec]:
            narrow_down(self.history, wide, desk.narrow, desk.even, desk.odd, desk.total)
        return bytes(packet[: encode(self.codec, self.state, wide, desk.narrow, packet, 0, desk)])


class Hearer:
    """A phone's decoder, one from the first packet to the last."""

    def __init__(self, codec: int) -> None:
        self.codec, self.state = codec, G722_FRESH.copy()
        self.opus = Decoder() if codec == OPUS else None
        self.desk = make_desk(layout.Sizes(legs=1, players=1, mixes=1, edges=1, rings=1, arena=1))
        self.rate = RATE if CODEC_WIDE[codec] else RATE // 2

    def __call__(self, payload: bytes) -> np.ndarray:
        data = np.frombuffer(payload, np.uint8).copy()
        if self.opus:
            return self.opus(payload)
        if self.codec == G722:
            desk, out = self.desk, np.zeros(FRAME, np.int16)
            g722.decode(self.state, data, 0, NARROW, out, desk.even, desk.odd, desk.low, desk.high, desk.codes)
            return out
        if self.codec in (L16, L16_WIDE):
            return data.view(">i2").astype(np.int16)
        return np.asarray(g711.decode_table()[self.codec][data])


class Room:
    """The whole engine with two workers, the talkers of the rooms, and two phones behind real sockets."""

    def __init__(self, codec: int) -> None:
        sizes = layout.Sizes(legs=5, players=1, mixes=3, edges=8, rings=5, arena=320, workers=2)
        self.first = small_engine(sizes)
        self.engine, self.codec = self.first.engine, codec
        self.workers = (self.first, Small(self.engine, make_desk(sizes)))
        self.sockets = {PHONE: self._plug(PHONE), OTHER: self._plug(OTHER)}
        for mix in range(3):
            block.clear_mix(self.engine, mix)
            self.engine.mixes[mix].worker = mix % 2
            self.post(mix % 2, messages.ADD_MIX, mix)
        for leg in range(5):
            block.clear_leg(self.engine, leg)
            slot = self.engine.slots[leg]
            slot.generation, slot.worker = 1, int(leg == TWIN)
            if leg < PHONE:
                slot.kind, slot.ring = layout.PCM_RING, leg
            else:
                slot.kind = layout.SOCKET
                self.engine.links[leg].out_ssrc = leg
            self.post(slot.worker, messages.ADD, leg, 1, -1)
        for leg in (PHONE, OTHER):
            self.post(0, messages.CONNECT, leg, 1, self._address(leg), codec | 96 << 8 | 3 << 24, NARROW, 0, 0)
            self.post(0, messages.TUNE, leg, 1, 160)
            self.route(leg)
        self.route(TALKER)
        self.post(1, messages.ROUTE, TWIN, 1, THERE, UNITY, 0)
        self.post(0, messages.ROUTE, COACH, 1, -1, 0, 0)
        self.heard: list[np.ndarray] = []
        self.sent: dict[int, list[bytes]] = {PHONE: [], OTHER: []}
        self.speaks = False
        self._own = Speaker(codec)

    def _plug(self, leg: int) -> tuple[socket.socket, socket.socket]:
        ours, theirs = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for one in (ours, theirs):
            one.bind(("127.0.0.1", 0))
            one.setblocking(False)
        for small in self.workers:
            small.desk.descriptor[leg], small.desk.descriptor_generation[leg] = ours.fileno(), 1
        return ours, theirs

    def _address(self, leg: int) -> int:
        return (127 << 24 | 1) << 16 | int(self.sockets[leg][1].getsockname()[1])

    def post(self, worker: int, *words: int) -> None:
        assert post_command(self.engine.wires, worker, words)

    def route(self, leg: int, mix: int = HERE, speak: int = UNITY, hear: int = UNITY) -> None:
        self.post(int(self.engine.slots[leg].worker), messages.ROUTE, leg, 1, mix, speak, hear)

    def say(self, tick: int, leg: int, pitch: float, height: float) -> None:
        ring = self.engine.rings[leg]
        head, time = int(ring.head[0]), np.arange(tick * FRAME, (tick + 1) * FRAME) / RATE
        ring.pcm[np.arange(head, head + FRAME) % layout.RING_SAMPLES] = np.round(height * np.sin(2 * np.pi * pitch * time + 1.4))
        ring.head[0] = head + FRAME

    def tick(self, tick: int) -> None:
        """Twenty milliseconds: everybody says something, and what phones are sent is kept."""
        self.say(tick, TALKER, 300, 8000 if tick > 20 else 0)  # phones meet in silence
        self.say(tick, TWIN, 300, 8000)
        self.say(tick, COACH, 450, 4000)
        own = np.round(3000 * np.sin(2 * np.pi * 610 * np.arange(tick * FRAME, (tick + 1) * FRAME) / RATE)) * self.speaks
        for leg in (PHONE, OTHER):
            sound = self._own(own.astype(np.int16)) if leg == PHONE else None
            header = bytes([0x80, 96]) + tick.to_bytes(2, "big") + (tick * NARROW * int(CODEC_CLOCK[self.codec])).to_bytes(4, "big")
            if sound is not None:
                ours, theirs = self.sockets[leg]
                theirs.sendto(header + bytes(4) + sound, ours.getsockname())
        for worker, small in enumerate(self.workers):
            header_words = self.engine.wires[worker].header
            header_words[H_TICK] += 1
            run_tick(self.engine, small.desk, worker, int(header_words[H_TICK]))
            assert header_words[H_BAD_COMMANDS] == 0
        ear, slot = self.engine.ears[PHONE], self.engine.slots[PHONE]
        packets = {leg: list(self._collect(leg)) for leg in (PHONE, OTHER)}
        for leg, arrived in packets.items():
            self.sent[leg] += arrived
        if packets[PHONE]:
            self.heard.append((self.engine.mixes[slot.mix].pcm if ear.shared else ear.pcm).copy())

    def _collect(self, leg: int) -> Iterator[bytes]:
        while True:
            try:
                yield self.sockets[leg][1].recv(2048)[12:]
            except BlockingIOError:
                return

    def move(self, leg: int, worker: int, mix: int) -> Iterator[None]:
        """Let another worker go on with a leg, as the server does: taken, then given."""
        self.post(int(self.engine.slots[leg].worker), messages.REMOVE, leg, 1, 1)
        yield
        yield
        slot = self.engine.slots[leg]
        slot.worker, slot.mix, slot.moving = worker, -1, 0
        self.post(worker, messages.ADD, leg, 1, -1)
        self.post(worker, messages.ROUTE, leg, 1, mix, UNITY, UNITY)

    def close(self) -> None:
        for pair in self.sockets.values():
            for one in pair:
                one.close()


def begins_to_speak(room: Room, on: bool) -> None:
    room.speaks = on


def is_moved(room: Room, on: bool) -> Iterator[None]:
    return room.move(PHONE, int(on), THERE if on else HERE)


SWITCHES: dict[str, Callable[[Room, bool], object]] = {
    "nothing": lambda room, on: None,
    "the listener speaks": begins_to_speak,
    "the talker is muted": lambda room, on: room.route(TALKER, speak=0 if on else UNITY),
    "the talker's gain": lambda room, on: room.route(TALKER, speak=UNITY // 3 if on else UNITY),
    "the listener is held": lambda room, on: room.route(PHONE, speak=0 if on else UNITY, hear=0 if on else UNITY),
    "another room": lambda room, on: room.route(PHONE, AWAY if on else HERE),
    "another worker": is_moved,
    "a coach": lambda room, on: room.post(0, messages.EDGE, 3, COACH, 1, PHONE, 1, UNITY if on else 0),
    "noise suppression": lambda room, on: room.post(0, messages.SUPPRESS, TALKER, 1, int(on)),
    "automatic level": lambda room, on: room.post(0, messages.LEVEL, TALKER, 1, 2**24 if on else 0),
}


def above(sound: Wave, rate: int, tick: int) -> float:
    """What lies above 3 kHz (dB of the tone at 8000) around a tick, in the worst of three windows of 120 ms: a move takes some frames."""
    return max(_above(sound, rate, tick + later) for later in (-3, 0, 3))


def _above(sound: Wave, rate: int, tick: int) -> float:
    first = tick * rate // 50
    around = sound[first : first + 6 * rate // 50].astype(np.float64)
    window = np.hanning(len(around))
    spectrum = 2 * np.abs(np.fft.rfft(around * window)) / window.sum()
    high = np.fft.rfftfreq(len(around), 1 / rate) > 3000
    return float(20 * np.log10(max(spectrum[high].max(), 1e-3) / 8000))


def run(codec: int, kind: str) -> Room:
    """A room in which something is switched and switched back."""
    room, under_way = Room(codec), iter(())
    for tick in range(END):
        if tick in (FIRST, SECOND):
            begun = SWITCHES[kind](room, tick == FIRST)
            under_way = begun if isinstance(begun, Iterator) else iter(())
        next(under_way, None)
        room.tick(tick)
    room.close()
    return room


@pytest.mark.parametrize("kind", SWITCHES)
def test_nothing_is_heard_of_a_switch(codec: int, kind: str) -> None:
    room = run(codec, kind)
    speaker, hearer, plain = Speaker(codec), Hearer(codec), Hearer(codec)
    meant = [speaker(frame) for frame in room.heard]
    assert len(meant) == len(room.sent[PHONE]) >= END - 10
    if codec not in (G722, OPUS):
        assert room.sent[PHONE] == meant, "a codec without a past says the same, byte for byte"
    wide = np.concatenate(room.heard)
    heard, expected = (np.concatenate([ear(packet) for packet in packets]) for ear, packets in ((hearer, room.sent[PHONE]), (plain, meant)))
    assert np.abs(wide[100 * FRAME : 150 * FRAME]).max() > 7000
    for tick in (FIRST, SECOND):
        assert above(wide, RATE, tick) < -60
        assert above(heard, hearer.rate, tick) < max(above(expected, hearer.rate, tick) + 4, -60)
    if kind != "nothing":
        changed = np.abs(wide[FIRST * FRAME :].astype(int) - np.concatenate(run_plain(codec).heard)[FIRST * FRAME : len(wide)]).max()
        assert changed > 500 or kind == "the listener speaks", "something was switched"


_PLAIN: dict[int, Room] = {}


def run_plain(codec: int) -> Room:
    """The same room when nothing is switched, once per codec."""
    if codec not in _PLAIN:
        _PLAIN[codec] = run(codec, "nothing")
    return _PLAIN[codec]


def test_a_click_would_be_heard(codec: int) -> None:
    """What the test above listens for: a sound that is cut off in one sample, and an encoder that is exchanged for a fresh one."""
    wide = np.concatenate(run_plain(codec).heard)
    cut = wide.copy()
    top = FIRST * FRAME + int(np.argmax(wide[FIRST * FRAME : (FIRST + 1) * FRAME]))
    cut[top:] = 0
    assert above(cut, RATE, FIRST) > -58
    if codec not in (G722, OPUS):
        return  # a step is no other byte; and these are compared byte for byte
    speaker, hearer, plain, steady = Speaker(codec), Hearer(codec), Hearer(codec), Speaker(codec)
    heard, expected = [], []
    for tick, frame in enumerate(wide.reshape(-1, FRAME)):
        if tick == FIRST:
            speaker = Speaker(codec)
        heard.append(hearer(speaker(frame)))
        expected.append(plain(steady(frame)))
    assert above(np.concatenate(heard), RATE, FIRST) > max(above(np.concatenate(expected), RATE, FIRST) + 4, -60)
