"""Legs of different codecs in one mix, through the real media process: what each phone hears, by codecs that are not ours."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from G722 import G722
from tests.support.plane import shared_plane
from tests.support.rtp_peer import Peer, Peers, level_of, sine

from hubbub.errors import MediaError
from hubbub.media.client import Codec, Leg, Media

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]


class WidePeer(Peer):
    """A phone of 16 kHz: `G722` (payload type 9) or `L16` (96), 20 ms."""

    def __init__(self, tone: float, codec: str) -> None:
        super().__init__((), kind=9 if codec == "G722" else 96)
        self.codec = codec
        self.units = 160 if codec == "G722" else 320
        self.pcm = sine((tone,), rate=16000)
        self.encoder, self.decoder = G722(16000, 64000), G722(16000, 64000)

    def tick(self) -> None:
        frame = np.ascontiguousarray(self.pcm[self._at : self._at + 320])
        self._at = (self._at + 320) % 16000
        self.packet(bytes(self.encoder.encode(frame)) if self.codec == "G722" else frame.astype(">i2").tobytes())
        self.time += self.units
        self.collect()

    def wide(self, seconds: float = 0.6) -> np.ndarray:
        """The last `seconds` at 16 kHz; a decoder needs all that came before."""
        data = b"".join(packet.payload for packet in self.audio())
        pcm = np.asarray(self.decoder.decode(data), np.int16) if self.codec == "G722" else np.frombuffer(data, ">i2").astype(np.int16)
        self.decoder = G722(16000, 64000)
        return pcm[-int(seconds * 16000) :]


media = shared_plane("21200-21299")


def joined(media: Media, peers: list[Peer], codecs: list[Codec]) -> list[Leg]:
    mix = media.open_mix()
    legs = []
    for peer, codec in zip(peers, codecs, strict=True):
        leg = media.open_leg()
        leg.connect(peer.address, codec)
        leg.route(mix)
        peer.remote = leg.local
        legs.append(leg)
    return legs


async def test_wideband_phones_hear_each_other_above_4_khz(media: Media) -> None:
    """Two G.722 phones, one L16 phone at 16 kHz, one PCMU phone: each hears the others at their level, the last one only below 4 kHz."""
    tones = (5200.0, 6100.0, 2900.0, 700.0)
    peers = [WidePeer(tones[0], "G722"), WidePeer(tones[1], "G722"), WidePeer(tones[2], "L16"), Peer((tones[3],))]
    codecs = [Codec("G722", 9), Codec("G722", 9), Codec("L16/16000", 96), Codec("PCMU", 0)]
    legs = joined(media, peers, codecs)
    with Peers(*peers):
        await asyncio.sleep(2)
    sent = 20 * np.log10(6000 / 32768)
    for index, peer in enumerate(peers[:3]):
        heard = peer.wide()
        levels = [level_of(heard, tone, 16000) for tone in tones]
        assert levels[index] < -60, f"phone {index} hears itself"
        assert all(abs(level - sent) < 1.5 for n, level in enumerate(levels) if n != index), f"phone {index}: {levels}"
    narrow = peers[3].heard()
    assert abs(level_of(narrow, tones[2]) - sent) < 1.5
    assert max(level_of(narrow, 8000 - tone) for tone in tones[:2]) < -50, "what is above 4 kHz must not come back below"
    for leg in legs:
        assert leg.counters().lost == 0
        await leg.close()


async def test_a_call_changes_its_codec(media: Media) -> None:
    """RFC 3264 8.3.2: a re-INVITE may change the codec; sequence numbers and clock go on, the sound too."""
    first, second = WidePeer(5200.0, "G722"), Peer((700.0,))
    legs = joined(media, [first, second], [Codec("G722", 9), Codec("PCMU", 0)])
    with Peers(first, second) as peers:
        await asyncio.sleep(1.2)
        assert level_of(first.wide(), 700, 16000) > -20
        third = Peer((1300.0,))
        third.remote = legs[0].local
        legs[0].connect(third.address, Codec("PCMA", 8))
        legs[0].connect(third.address, Codec("PCMU", 0))
        peers.peers.append(third)
        first.remote = None
        await asyncio.sleep(1.2)
        assert level_of(third.heard(), 700) > -20
        assert level_of(second.heard(), 1300) > -20
        before, after = first.received[-1], third.received[0]
        assert before.ssrc == after.ssrc
        assert 0 < (after.sequence - before.sequence) & 0xFFFF < 60
    for leg in legs:
        await leg.close()


async def test_packets_that_do_not_fit_are_refused(media: Media) -> None:
    leg = media.open_leg()
    with pytest.raises(MediaError, match="60 ms"):
        leg.connect(("127.0.0.1", 4000), Codec("L16/16000", 96, 60))
    with pytest.raises(MediaError, match="codec"):
        leg.connect(("127.0.0.1", 4000), Codec("G729", 18))
    await leg.close()
