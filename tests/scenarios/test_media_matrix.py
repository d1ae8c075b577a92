"""Who hears whom, through the real media process: every statement is measured on RTP that a phone received."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest
from tests.support.plane import shared_plane, until
from tests.support.rtp_peer import Peer, Peers, sine

from hubbub.media.client import Clip, Codec, Leg, Media, Stream

TONES = (440.0, 620.0, 1010.0)
PCMU = Codec("PCMU", 0)
pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]


media = shared_plane("21000-21199", legs=64)


class Room:
    """Phones with tones, and their legs."""

    def __init__(self, media: Media, count: int = 3, codec: Codec = PCMU) -> None:
        self.media = media
        self.mix = media.open_mix()
        self.peers = [Peer((TONES[n],), ptime=codec.ptime) for n in range(count)]
        self.legs: list[Leg] = []
        for peer in self.peers:
            leg = media.open_leg()
            leg.connect(peer.address, codec, telephone_event=101)
            leg.route(self.mix, speak=True, hear=True)
            peer.remote = leg.local
            self.legs.append(leg)
        self.thread = Peers(*self.peers)

    async def __aenter__(self) -> Room:
        self.thread.__enter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(leg.close() for leg in self.legs))
        self.mix.close()
        self.thread.__exit__(None, None, None)

    async def matrix(self, *expected: set[float], frequencies: tuple[float, ...] = TONES) -> None:
        """Wait until each phone hears exactly this."""
        wanted = list(expected)
        await until(lambda: [peer.hears(frequencies) for peer in self.peers] == wanted)
        assert [peer.hears(frequencies) for peer in self.peers] == wanted


A, B, C = TONES


@pytest.mark.parametrize("ptime", [20, 10, 30, 60])
async def test_each_hears_exactly_the_others(media: Media, ptime: int) -> None:
    async with Room(media, codec=Codec("PCMU", 0, ptime)) as room:
        await room.matrix({B, C}, {A, C}, {A, B})
        for peer in room.peers:
            packets = peer.audio()[-10:]
            assert {len(packet.payload) for packet in packets} == {ptime * 8}
            assert {(b.time - a.time) & 0xFFFFFFFF for a, b in pairwise(packets)} == {ptime * 8}
            assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(packets)} == {1}
        for leg in room.legs:
            counters = leg.counters()
            assert counters.lost == counters.late == counters.bad_source == counters.underruns == 0
            assert await until(lambda leg=leg: leg.counters().talking)  # type: ignore[misc]
            assert abs(counters.level_db + 17.8) < 1  # a sine of 6000


async def test_mute_hold_and_leaving_change_the_matrix(media: Media) -> None:
    music = Clip(sine((330.0,), rate=16000), loops=0)
    everything = (*TONES, 330.0)
    async with Room(media) as room:
        await room.matrix({B, C}, {A, C}, {A, B})
        room.legs[0].route(room.mix, speak=False, hear=True)  # mute
        await room.matrix({B, C}, {C}, {B})
        room.legs[0].route(room.mix, speak=False, hear=False)  # hold: deaf, mute, and music
        playback = media.play(music, room.legs[0])
        await room.matrix({330.0}, {C}, {B}, frequencies=everything)
        playback.stop()
        assert await playback.done is False
        room.legs[0].route(room.mix, speak=True, hear=True)
        await room.matrix({B, C}, {A, C}, {A, B}, frequencies=everything)
        room.legs[1].route(None, speak=False, hear=False)
        await room.matrix({C}, set(), {A})


async def test_a_coach_is_heard_by_the_coached_leg_alone(media: Media) -> None:
    async with Room(media) as room:
        coach, agent, customer = room.legs
        coach.route(room.mix, speak=False, hear=True)
        coach.whisper({agent})
        await room.matrix({B, C}, {A, C}, {B})
        coach.whisper({agent, customer})
        await room.matrix({B, C}, {A, C}, {A, B})
        coach.whisper(())
        await room.matrix({B, C}, {C}, {B})


async def test_mixes_do_not_hear_each_other_and_a_leg_can_change(media: Media) -> None:
    async with Room(media) as room:
        other = media.open_mix()
        room.legs[2].route(other, speak=True, hear=True)
        await room.matrix({B}, {A}, set())
        room.legs[1].route(other, speak=True, hear=True)
        await room.matrix(set(), {C}, {B})
        other.close()
        await room.matrix(set(), set(), set())


async def test_play_to_one_and_play_to_all(media: Media) -> None:
    everything = (*TONES, 1500.0)
    prompt = Clip(sine((1500.0,), 1.2, rate=16000, amplitude=5000))
    async with Room(media) as room:
        for leg in room.legs:
            leg.route(room.mix, speak=False, hear=True)
        ended: list[str] = []
        one = media.play(prompt, room.legs[1], on_end=lambda: ended.append("one"))
        await room.matrix(set(), {1500.0}, set(), frequencies=everything)
        assert 0 < one.position < 1.3
        assert await one.done is True
        assert one.position == pytest.approx(1.2)
        all_ = media.play(prompt, room.mix, on_end=lambda: ended.append("all"))
        await room.matrix({1500.0}, {1500.0}, {1500.0}, frequencies=everything)
        assert await all_.done is True
        assert ended == ["one", "all"]
        room.legs[0].route(None, speak=False, hear=False)
        alone = media.play(prompt, room.legs[0])  # a leg without a mix hears its own playbacks
        await room.matrix({1500.0}, set(), set(), frequencies=everything)
        alone.stop()


async def test_a_stream_plays_what_it_is_fed(media: Media) -> None:
    async def pieces() -> AsyncIterator[np.ndarray]:
        for _ in range(12):
            yield sine((1500.0,), 0.1, rate=16000)

    async with Room(media, 2) as room:
        for leg in room.legs:
            leg.route(None, speak=False, hear=False)
        playback = media.play(Stream(pieces()), room.legs[0])
        assert await until(lambda: room.peers[0].hears((1500.0,)) == {1500.0})
        assert await playback.done is True
        assert playback.position == pytest.approx(1.2)


async def test_one_clip_for_many_is_stored_once(media: Media) -> None:
    music = Clip(sine((330.0,), rate=16000), loops=0)
    async with Room(media) as room:
        before = media._arena.stored
        playbacks = [media.play(music, leg) for leg in room.legs]
        assert media._arena.stored == before + len(music.pcm)
        for playback in playbacks:
            playback.stop()
        await asyncio.gather(*(playback.done for playback in playbacks))
        assert media._arena.stored == before


async def test_pcma_and_pcmu_meet(media: Media) -> None:
    """Transcoding is a matter of course: one leg speaks A-law, as the byte 0xD5 of its silence shows."""
    async with Room(media, 2) as room:
        room.peers[1].kind = 8
        room.peers[1].say(None)
        room.legs[1].connect(room.peers[1].address, Codec("PCMA", 8), telephone_event=101)
        room.peers[0].say(())
        assert await until(lambda: bool(room.peers[1].audio()) and room.peers[1].audio()[-1].payload == b"\xd5" * 160)
        assert await until(lambda: bool(room.peers[0].audio()) and room.peers[0].audio()[-1].payload == b"\xff" * 160)


async def test_a_reinvite_moves_the_stream_and_direction_is_obeyed(media: Media) -> None:
    async with Room(media, 2) as room:
        await room.matrix({B}, {A})
        moved = Peer(None)
        room.thread.peers.append(moved)
        room.legs[0].connect(moved.address, PCMU, send=True, receive=False)
        assert await until(lambda: moved.hears(TONES) == {B})
        assert await until(lambda: room.peers[1].hears(TONES) == set())
        assert moved.audio()[0].ssrc == room.legs[0].ssrc == room.peers[0].audio()[0].ssrc
        room.legs[0].connect(moved.address, PCMU, send=False, receive=False)
        await asyncio.sleep(0.1)
        count = len(moved.received)
        await asyncio.sleep(0.2)
        assert len(moved.received) - count <= 1


async def test_speech_is_noticed_and_packets_that_stop_too(media: Media) -> None:
    said: list[tuple[str, object]] = []
    async with Room(media, 1) as room:
        leg, peer = room.legs[0], room.peers[0]
        leg.on_speech = lambda on: said.append(("speech", on))
        leg.on_silence_of_packets = lambda seconds: said.append(("quiet", round(seconds, 1)))
        leg.quiet_seconds = 1.0
        leg.connect(peer.address, PCMU)
        assert await until(lambda: ("speech", True) in said)
        peer.say(())
        assert await until(lambda: ("speech", False) in said)
        peer.say(None)
        assert await until(lambda: ("quiet", 2.0) in said)
        assert ("quiet", 1.0) in said


async def test_a_leg_of_rings_is_a_leg(media: Media) -> None:
    async with Room(media, 2) as room:
        ring = media.open_pcm_leg()
        ring.route(room.mix, speak=True, hear=True)
        sound = sine((1500.0,), 2.0, rate=16000)
        assert ring.write(sound) == len(sound)
        everything = (*TONES, 1500.0)
        await room.matrix({B, 1500.0}, {A, 1500.0}, frequencies=everything)
        ring.read()
        await asyncio.sleep(0.6)
        from tests.support.rtp_peer import level_of

        heard = ring.read()[-6400:]
        assert {f for f in everything if level_of(heard, f, 16000) > -35} == {A, B}
        await ring.close()


async def test_slots_ports_and_mixes_come_back(media: Media) -> None:
    before = media.stats()
    for _ in range(3):
        async with Room(media) as room:
            media.play(Clip(sine((330.0,), rate=16000), loops=0), room.legs[0])
            room.legs[0].whisper({room.legs[1]})
            await asyncio.sleep(0.1)
    assert await until(
        lambda: (media.stats().legs, media.stats().mixes, media.stats().playbacks) == (before.legs, before.mixes, before.playbacks)
    )
    assert media._control.edges.used == 0
    assert media.stats().bad_commands == before.bad_commands


def peer_of(port: int) -> int:
    """The port that the kernel has a UDP socket connected to, 0 for none."""
    with open("/proc/net/udp", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            local, remote = line.split()[1:3]
            if int(local.split(":")[1], 16) == port:
                return int(remote.split(":")[1], 16)
    raise AssertionError(f"nobody listens on {port}")


async def test_a_socket_is_connected_to_its_peer_and_follows_it(media: Media) -> None:
    """docs/media.md 3: connected as soon as the signalled address has spoken; a re-INVITE that names another address is heard at once."""
    async with Room(media, 2) as room:
        await room.matrix({B}, {A})
        first, leg = room.peers[0], room.legs[0]
        assert await until(lambda: peer_of(leg.bound_port) == first.address[1])
        stranger = Peer((C,))
        stranger.remote = leg.local
        room.thread.peers.append(stranger)
        await asyncio.sleep(0.2)
        await room.matrix({B}, {A})
        first.remote = None
        moved = Peer((C,))
        moved.remote = leg.local
        room.thread.peers.append(moved)
        leg.connect(moved.address, PCMU)
        assert await until(lambda: moved.hears(TONES) == {B})
        assert await until(lambda: peer_of(leg.bound_port) == moved.address[1])
        assert await until(lambda: room.peers[1].hears(TONES) == {C})
        assert media.stats().send_errors == 0
