"""What a phone puts into packets, beat by beat, without a socket."""

import struct

import numpy as np

from hubbub.testing.g711 import PCMU
from hubbub.testing.mouth import Mouth


def mouth(**options: object) -> Mouth:
    made = Mouth(ssrc=7, sequence=0xFFFE, timestamp=0xFFFFFF00, sending=True)
    for name, value in options.items():
        setattr(made, name, value)
    return made


def headers(packets: list[bytes]) -> list[tuple[bool, int, int, int]]:
    """(marker, payload type, sequence, timestamp) of each packet."""
    fields = [struct.unpack_from("!BBHII", packet) for packet in packets]
    assert all(first == 0x80 and ssrc == 7 for first, _, _, _, ssrc in fields)
    return [(bool(second & 0x80), second & 0x7F, sequence, timestamp) for _, second, sequence, timestamp, _ in fields]


def test_audio_counts_on_and_wraps() -> None:
    speaker = mouth()
    packets = [packet for _ in range(3) for packet in speaker.advance()]
    assert headers(packets) == [(True, 0, 0xFFFF, 0xFFFFFF00), (False, 0, 0, 0xFFFFFFA0), (False, 0, 1, 0x40)]


def test_packet_times_other_than_the_beat() -> None:
    assert [len(mouth(ptime=10).advance()) for _ in range(2)] == [2, 2]
    long = mouth(ptime=30)
    assert [len(long.advance()) for _ in range(6)] == [0, 1, 1, 0, 1, 1]


def test_a_tone_is_exact_and_begins_softly() -> None:
    speaker = mouth()
    speaker.tone((500.0,), -12.0)
    pcm = np.concatenate([PCMU.decode(packet[12:]) for _ in range(51) for packet in speaker.advance()])
    spectrum = np.abs(np.fft.rfft(pcm[160:] * np.hanning(8000))) / 2000 / 32767
    assert np.argmax(spectrum) == 500
    assert abs(20 * np.log10(spectrum.max()) + 12) < 0.1
    assert np.abs(pcm[:10]).max() < 800


def test_speech_goes_before_the_tone_and_ends_with_a_word() -> None:
    speaker, ended = mouth(), []
    speaker.say(np.full(200, 8031, np.int16), lambda: ended.append(True))
    first = PCMU.decode(speaker.advance()[0][12:])
    assert np.all(first == 8031 - (8031 - first[0]))
    assert not ended
    second = PCMU.decode(speaker.advance()[0][12:])
    assert np.all(second[:40] == first[0])
    assert not second[40:].any()
    assert ended


def test_keys_are_rfc_4733_events() -> None:
    """§2.5.1.2-4: one timestamp, growing duration, marker on the first packet, the end three times."""
    speaker, ended = mouth(telephone_event=101, timestamp=0), []
    speaker.press("5#", 400, 160, lambda: ended.append(True))
    beats = [speaker.advance() for _ in range(9)]
    events = [packet for packets in beats for packet in packets if packet[1] & 0x7F == 101]
    shown = [(marker, timestamp, *struct.unpack("!BBH", packet[12:])) for packet in events for marker, _, _, timestamp in headers([packet])]
    assert shown == [
        (True, 0, 5, 10, 160),
        (False, 0, 5, 10, 320),
        *[(False, 0, 5, 0x80 | 10, 480)] * 3,
        (True, 640, 11, 10, 160),
        (False, 640, 11, 10, 320),
        *[(False, 640, 11, 0x80 | 10, 480)] * 3,
    ]
    assert ended
    audio = [packet for packets in beats for packet in packets if packet[1] & 0x7F == 0]
    assert [timestamp for _, _, _, timestamp in headers(audio)] == [480, 1120, 1280]


def test_on_hold_nothing_is_sent_but_time_passes() -> None:
    speaker, ended = mouth(sending=False, telephone_event=101, timestamp=0), []
    speaker.press("1", 400, 160, lambda: ended.append(True))
    assert [speaker.advance() for _ in range(3)] == [[], [], []]
    assert ended, "a key pressed on hold is lost, not kept"
    speaker.sending = True
    assert headers(speaker.advance() + speaker.advance())[-1][3] >= 480


def test_nobody_waits_for_keys_of_a_call_that_has_ended() -> None:
    speaker, ended = mouth(), []
    speaker.press("123", 400, 160, lambda: ended.append("keys"))
    speaker.say(np.ones(8000, np.int16), lambda: ended.append("speech"))
    speaker.advance()
    assert not ended, "the first key goes on"
    speaker.end()
    assert sorted(ended) == ["keys", "speech"]
