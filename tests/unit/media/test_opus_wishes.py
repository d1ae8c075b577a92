"""What Opus is sent like: as the far end wants it (RFC 7587 6.1), and as the loop has time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from tests.support.opus import LIBRARY, Decoder, Line, level, speech
from tests.support.small_engine import small_engine

from hubbub.media import libopus, opus
from hubbub.media.framing import next_opus
from hubbub.media.layout import FRAME, OPUS, TICK_NS, UNITY
from hubbub.media.libopus import O_HAVE, O_LEVEL
from hubbub.media.mix import advance, sum_mixes
from hubbub.media.rtp import pass_time
from hubbub.media.tick import serve_leg

pytestmark = pytest.mark.skipif(LIBRARY is None, reason=f"no libopus ({libopus.HOW_TO_GET_IT})")


def asked(parameters: dict[str, str], pcm: np.ndarray, loss: int = 0) -> list[bytes]:
    """What an encoder of the loop says to a far end with such a format."""
    small, form, out = small_engine(), libopus.format_word(parameters), np.zeros(400, np.uint8)
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME)
    return [bytes(out[: opus.encode(small.desk, 0, frame.copy(), 0, FRAME, form, loss, out)]) for frame in frames]


def test_the_far_end_s_limits_are_kept() -> None:
    """RFC 7587 6.1: `maxaveragebitrate`, `cbr`; a leg with limits has an encoder of its own."""
    pcm = speech(4.0)
    free, limited, even = (asked(wish, pcm) for wish in ({}, {"maxaveragebitrate": "12000"}, {"cbr": "1"}))
    assert np.mean([len(one) for one in limited]) * 400 < 13_500 < np.mean([len(one) for one in free]) * 400
    assert len({len(one) for one in even[5:]}) == 1
    assert len({len(one) for one in free[5:]}) > 10


@pytest.mark.parametrize(
    ("rate", "config", "ceiling"),
    [("8000", range(4), 4000), ("12000", range(4, 8), 6000), ("16000", range(8, 12), 8000), ("48000", range(8, 12), 8000)],
)
def test_nothing_is_sent_that_the_far_end_cannot_play(rate: str, config: range, ceiling: float) -> None:
    """RFC 7587 6.1: `maxplaybackrate`; the bandwidth of a packet is told by its first byte (RFC 6716 table 2)."""
    pcm = speech(3.0)
    packets = asked({"maxplaybackrate": rate}, pcm)
    assert {packet[0] >> 3 for packet in packets[25:]} <= set(config)
    decoder = Decoder()
    heard = np.concatenate([decoder(packet) for packet in packets])[16000:]
    power = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))) ** 2
    bins = np.fft.rfftfreq(len(heard), 1 / 16000)
    if ceiling < 8000:
        assert power[bins > ceiling + 300].sum() < 1e-4 * power.sum()
        assert np.mean([len(packet) for packet in packets]) * 400 < {4000: 13_500, 6000: 17_500}[ceiling], "RFC 7587 3.1.1"
    assert power[(bins > ceiling - 1300) & (bins < ceiling - 600)].sum() > 0


def test_repair_data_are_for_those_who_can_use_them() -> None:
    """RFC 7587 6.1: `useinbandfec` is 0 unless said otherwise. Repair data cost quality: who has no use for them asks for none."""
    pcm = speech(2.0)
    useful, useless = libopus.format_word({"useinbandfec": "1"}), libopus.format_word({})
    for forms, losses, expected in (
        ((useful, useless, useless), (20, 0, 0), True),
        ((useful, useless, useless), (0, 20, 20), False),
        ((useless, useless, useless), (20, 20, 20), False),
    ):
        small = small_engine()
        small.add_mix(0)
        for leg in range(4):
            small.add_leg(leg, mix=0)
            slot, link = small.engine.slots[leg], small.engine.links[leg]
            slot.speak = slot.speak_to = slot.hear = slot.hear_to = UNITY
            link.codec = OPUS
            if leg:
                link.form, link.far_loss = forms[leg - 1], losses[leg - 1]
        repaired, shared = [0] * 4, 0
        for tick in range(100):
            small.engine.slots[0].have = tick > 15  # they meet in silence
            small.engine.slots[0].pcm[:] = pcm[tick * FRAME : (tick + 1) * FRAME]
            sum_mixes(small.engine.slots, small.engine.mixes, small.desk)
            for leg in range(4):
                serve_leg(small.engine, small.desk, 0, leg, tick + 1)
                packet = np.array(small.engine.links[leg].packet[12:200])
                repaired[leg] += bool(opus.repairs(packet, len(packet)))
            shared += int(small.engine.ears["joined"][1:4].sum())
            advance(small.engine.slots, small.desk)
        assert shared > 250, "they are one group all the same"
        assert (min(repaired[1:]) > 20) == expected
        assert expected or max(repaired[1:]) == 0


@pytest.mark.parametrize("ptime", [10, 20, 60])
def test_a_far_end_that_wants_pauses_is_sent_nothing_while_nobody_speaks(ptime: int) -> None:
    """RFC 7587 6.1: `usedtx`; 3.1.3: in a pause a packet comes every 400 ms, time goes on, and what follows is marked (RFC 3551 4.1)."""
    quiet = np.random.default_rng(5).normal(0, 4, 16000 * 3).astype(np.int16)
    pcm = np.concatenate([speech(1.0), quiet, speech(1.0)])
    counts = {}
    for wish in ("0", "1"):
        small = small_engine()
        small.add_leg(0, payload_type=96)
        link = small.engine.links[0]
        link.codec, link.ptime, link.form = OPUS, ptime * 8, libopus.format_word({"usedtx": wish, "useinbandfec": "1"})
        line, sent = Line(60), []
        for tick in range(len(pcm) // FRAME):
            small.engine.ears[0].pcm[:] = pcm[tick * FRAME : (tick + 1) * FRAME]
            for part in range(2):
                size = next_opus(small.engine, small.desk, 0, False, tick + 1, part)
                if size:
                    packet = bytes(link.packet[:size])
                    sent.append((tick, int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[4:8], "big"), packet[1] >> 7, packet[12:]))
            pass_time(small.engine.links, 0, 1)
        counts[wish] = len([one for one in sent if 70 <= one[0] < 195])
        if wish == "0":
            continue
        assert [one[1] for one in sent] == list(range(len(sent))), "no number is left out"
        gaps = np.diff([one[2] for one in sent]) / 48
        assert gaps.min() == ptime if ptime <= 20 else gaps.min() >= 20
        assert gaps.max() > 150, "400 ms; of frames of 10 ms the library counts as many: 200 ms"
        assert gaps.max() <= 420
        for before, one in pairwise(sent):
            assert bool(one[3]) == (one[2] - before[2] > 48 * 60), "the marker stands where something begins"
        coming: dict[int, list[tuple[int, int, bytes]]] = {}
        for tick, number, time, _, body in sent:
            coming.setdefault(tick, []).append((number, time, body))
        heard, covered = line.play(coming, len(pcm) // FRAME + 3)
        assert 0 not in covered[6:], "no pause is taken for loss"
        assert level(heard[-8000:-2000]) > 500, "speech comes back"
    assert counts["1"] < counts["0"] / 4


def test_a_format_s_words() -> None:
    """What cannot be meant asks for nothing; what asks nothing of our encoder changes nothing."""
    plain = libopus.format_word({"useinbandfec": "1"})
    assert plain == 0, "they are told by the group"
    for more in (
        {"maxaveragebitrate": "64000", "stereo": "1", "sprop-stereo": "1", "sprop-maxcapturerate": "8000"},
        {"maxplaybackrate": "x", "maxaveragebitrate": "-5", "cbr": "yes", "usedtx": "0"},
        {"maxplaybackrate": "24000", "maxaveragebitrate": "9" * 40},
    ):
        assert libopus.format_word({"useinbandfec": "1", **more}) == plain
    assert libopus.format_word({"maxaveragebitrate": "1", "useinbandfec": "1"}) == libopus.LOWEST_BITRATE


def test_complexity_follows_the_load() -> None:
    desk = small_engine().desk
    assert desk.opus[O_HAVE] == 1
    ms = TICK_NS // 20
    for spent, expected in ((1, 5), (8, 5), (13, -1), (4, -1), (2, 5), (20, -1), (8, -1), (2, 5)):
        for _ in range(700):
            opus.adapt(desk, spent * ms)
        assert desk.opus[O_LEVEL] == expected, spent
    desk.opus[O_LEVEL], seen = 5, set()
    for _ in range(200):
        opus.adapt(desk, 20 * ms)
        seen.add(int(desk.opus[O_LEVEL]))
    assert seen == {5, 0, -1} or seen == {5, 4, 0, -1}, "at once, where there is no time"


def test_a_loop_without_time_says_it_more_cheaply_and_nobody_hears_the_change() -> None:
    """RFC 6716 2: CELT instead of SILK, where nobody asked for what only SILK has; a tone goes on through both changes."""
    pcm = np.round(8000 * np.sin(2 * np.pi * 300 * np.arange(16000 * 4) / 16000 + 1.4)).astype(np.int16)
    kinds: dict[str, list[list[int]]] = {}
    repairing = {"useinbandfec": "1"}
    wishes = {"plain": repairing, "no repair": {}, "loss": repairing, "narrow": {"maxplaybackrate": "8000"}, "pauses": {"usedtx": "1"}}
    for name, wish in {**wishes, "slow": {"maxaveragebitrate": "12000"}}.items():
        loss = 5 if name == "loss" else 0
        small, out, packets = small_engine(), np.zeros(400, np.uint8), []
        for tick, frame in enumerate(pcm.reshape(-1, FRAME)):
            small.desk.opus[O_LEVEL] = -1 if 100 <= tick < 150 else 0
            size = opus.encode(small.desk, 0, frame.copy(), 0, FRAME, libopus.format_word(wish), loss, out)
            packets.append(bytes(out[:size]))
        celt = [packet[0] >> 3 >= 16 for packet in packets]
        kinds[name] = [sum(celt[:100]), sum(celt[100:150]), sum(celt[152:])]
        if name == "plain":
            decoder = Decoder()
            heard = np.concatenate([decoder(packet) for packet in packets]).astype(float)
            high = np.fft.rfftfreq(6 * FRAME, 1 / 16000) > 3000
            for tick in range(80, 180):
                around = heard[tick * FRAME : (tick + 6) * FRAME] * np.hanning(6 * FRAME)
                spectrum = np.abs(np.fft.rfft(around))
                assert spectrum.max() > 0.8 * 8000 * 3 * FRAME / 2, "the tone is at its height"
                assert 20 * np.log10(spectrum[high].max() / spectrum.max()) < -60
            assert np.mean([len(packet) for packet in packets[100:150]]) * 400 < 26_000
    for name, (before, meanwhile, after) in kinds.items():
        assert (before, after) == (0, 0), name
        assert meanwhile >= 48 if name in ("plain", "no repair") else meanwhile == 0, name
