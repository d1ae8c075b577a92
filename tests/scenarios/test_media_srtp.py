"""Encrypted legs in real media processes: kill -9 and moves while sequence numbers wrap, forged packets beside a living caller."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
from itertools import pairwise

import numpy as np
import pytest
from tests.support.plane import shared_plane, until
from tests.support.rtp_peer import Peer, Peers, ulaw

from hubbub.media import libsrtp
from hubbub.media.client import Codec, Leg, Media
from hubbub.sip.sdes import Agreement
from hubbub.testing.srtp import Cipher

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(libsrtp.find() is None, reason=f"no libsrtp ({libsrtp.HOW_TO_GET_IT})"),
]
pytest.importorskip("pylibsrtp")
PCMU = Codec("PCMU", 0)
SUITE = "AES_CM_128_HMAC_SHA1_80"
A, B = 440.0, 1010.0
NOISE = ulaw(np.random.default_rng(5).integers(-20_000, 20_000, 160).astype(np.int16))


media = shared_plane("21800-21899", workers=2)


def keys(leg: int, suite: str = SUITE) -> tuple[bytes, bytes]:
    size = libsrtp.SUITES[suite].key_bytes
    return bytes([leg]) * size, bytes([leg + 100]) * size


def secured(media: Media, number: int, tone: float, suite: str = SUITE, *, out_sequence: int, in_sequence: int) -> tuple[Peer, Leg]:
    """A leg and its far end, both a given number of packets before their wrap."""
    peer, leg = Peer((tone,)), media.open_leg(depth_ms=40)
    leg.link.out_sequence = out_sequence
    ours, theirs = keys(number, suite)
    leg.connect(peer.address, PCMU, telephone_event=101, cipher=libsrtp.Cipher(suite, ours, theirs))
    peer.sequence, peer.remote = in_sequence, leg.local
    peer.cipher = Cipher(Agreement(suite, sends=theirs, receives=ours))
    return peer, leg


@pytest.mark.parametrize("suite", [SUITE, "AEAD_AES_128_GCM"])
async def test_a_process_that_is_killed_and_wraps_on_both_sides_of_it(media: Media, suite: str) -> None:
    """Wraps of what is sent and of what is received, before and after the kill: every packet is by the key, and all are in order."""
    mix = media.open_mix()
    first, leg = secured(media, 1, A, suite, out_sequence=65_500, in_sequence=65_530)
    other, far = secured(media, 2, B, suite, out_sequence=65_530, in_sequence=65_500)
    for one in (leg, far):
        one.route(mix, speak=True, hear=True)
    with Peers(first, other):
        assert await until(lambda: first.hears((B,)) == {B} and other.hears((A,)) == {A})
        assert await until(lambda: media.stats().standby)
        before = media.stats().takeovers
        os.kill(media.worker_pids[leg.worker], signal.SIGKILL)
        assert await until(lambda: media.stats().takeovers == before + 1)
        at = len(first.received)
        assert await until(lambda: len(first.received) > at + 60)
        assert first.hears((A, B)) == {B}
        assert other.hears((A, B)) == {A}
        assert int(leg.link.out_sequence) > 65_536
        assert int(far.link.out_sequence) > 65_536
        assert await until(lambda: leg.counters().received > 60)
    for peer in (first, other):
        assert peer.cipher is not None
        assert peer.cipher.strange == 0
        sequences = [packet.sequence for packet in peer.received]
        assert all((b - a) & 0xFFFF == 1 for a, b in pairwise(sequences))
    for one in (leg, far):
        await one.close()
    mix.close()


async def test_a_leg_that_moves_to_another_worker(media: Media) -> None:
    peer, leg = secured(media, 3, A, out_sequence=65_520, in_sequence=65_520)
    mixes = [media.open_mix() for _ in range(4)]
    homes = [next(mix for mix in mixes if mix.worker == worker) for worker in range(2)]
    listener, far = secured(media, 4, B, out_sequence=5, in_sequence=5)
    with Peers(peer, listener):
        for turn in range(4):
            for one in (leg, far):
                one.route(homes[turn % 2], speak=True, hear=True)
            assert await until(lambda: leg.worker == far.worker)
            at = len(peer.received)
            assert await until(lambda at=at: len(peer.received) > at + 25)  # type: ignore[misc]
            assert await until(lambda: peer.hears((A, B)) == {B} and listener.hears((A, B)) == {A})
    for one in (peer, listener):
        assert one.cipher is not None
        assert one.cipher.strange == 0
    assert leg.counters().bad_ssrc == 0
    for ended in (leg, far):
        await ended.close()
    for mix in mixes:
        mix.close()


async def test_what_others_send_to_the_port_is_not_heard_and_disturbs_nothing(media: Media) -> None:
    """Plain packets and packets by another key, in the caller's own sequence, from its own address: counted, not heard."""
    mix = media.open_mix()
    caller, leg = secured(media, 5, A, out_sequence=7, in_sequence=65_500)
    listener, far = secured(media, 6, B, out_sequence=7, in_sequence=7)
    for one in (leg, far):
        one.route(mix, speak=True, hear=True)
    with Peers(caller, listener):
        assert await until(lambda: listener.hears((A,)) == {A})
        forged = media.stats().dropped["forged"]
        size = libsrtp.SUITES[SUITE].key_bytes
        forger = Cipher(Agreement(SUITE, sends=b"\x66" * size, receives=b"\x66" * size))
        for n in range(40):
            header = struct.pack(">BBHII", 0x80, 0, (caller.sequence + n) & 0xFFFF, caller.time + 160 * n & 0xFFFFFFFF, caller.ssrc)
            packet = header + NOISE
            caller.socket.sendto(packet, leg.local)
            caller.socket.sendto(forger.protect(packet), leg.local)
            await asyncio.sleep(0.02)
        assert await until(lambda: media.stats().dropped["forged"] >= forged + 70)
        assert listener.hears((A, B), loud=-30) == {A}
        assert leg.counters().restarts == 0
        assert await until(lambda: listener.hears((A, B)) == {A})
    for ended in (leg, far):
        await ended.close()
    mix.close()


async def test_reports_are_encrypted(media: Media) -> None:
    """RFC 3711 3.4: reports of an encrypted leg are SRTCP both ways, on the RTP port too (RFC 5761)."""
    peer, leg = secured(media, 7, A, out_sequence=7, in_sequence=7)
    ours, theirs = keys(7)
    leg.connect(peer.address, PCMU, cipher=libsrtp.Cipher(SUITE, ours, theirs), reports=peer.address)
    reports: list[bytes] = []
    peer.on_report = reports.append
    assert peer.remote is not None
    assert peer.cipher is not None
    with Peers(peer):
        assert await until(lambda: bool(reports), 8)
        assert reports[0][1] in (200, 201)
        assert struct.unpack_from(">I", reports[0], 4)[0] == leg.ssrc
        block = struct.pack(">IIIIII", leg.ssrc, 64 << 24, 1000, 80, 0, 0)
        report = b"\x81\xc9\x00\x07" + struct.pack(">I", peer.ssrc) + block[:24]
        peer.socket.sendto(report, peer.remote)  # plain: nobody's word
        await asyncio.sleep(0.6)
        quality = leg.quality()
        assert quality is not None
        assert quality.reports == 0
        peer.socket.sendto(peer.cipher.protect(report), peer.remote)
        assert await until(lambda: (leg.quality() or quality).reports == 1)
    await leg.close()
