"""Reports (RTCP) of a leg, on a port of their own and on the RTP port, through the real media process."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from tests.support.plane import plane, until
from tests.support.rtp_peer import Peer, Peers

from hubbub.media import reports
from hubbub.media.client import Codec, Leg, Media
from hubbub.media.rtcp import Block, Report, SenderInfo, build, middle, ntp_of, parse

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def media() -> AsyncIterator[Media]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports, "INTERVAL", 0.6)
        async with plane("21300-21399") as running:
            yield running


async def next_report(port: socket.socket) -> tuple[Report, float]:
    """The next report at a port, and when it came."""
    loop = asyncio.get_running_loop()
    while True:
        data = await asyncio.wait_for(loop.sock_recv(port, 2048), 8)
        if 200 <= data[1] <= 201:
            return parse(data)[0], time.time()


async def talk(leg: Leg, peer: Peer, port: socket.socket, to: tuple[str, int], take: Callable[[], Awaitable[tuple[Report, float]]]) -> None:
    """The far end reads our report, says what it received, and gets an answer to its own."""
    asked, came = await take()
    assert asked.sender is not None
    assert asked.ssrc == leg.ssrc
    assert abs((asked.sender.ntp >> 32) - (ntp_of(time.time()) >> 32)) <= 2
    assert asked.sender.packets > 0
    assert asked.sender.octets == asked.sender.packets * 160
    mine = asked.blocks[0]
    assert mine.ssrc == peer.ssrc
    assert mine.lost == 0
    delay = round((time.time() - came + 0.050) * 65536)  # we say that we held it 50 ms longer than we did
    block = Block(leg.ssrc, 64, 12, 99, 160, middle(asked.sender.ntp), delay)
    said = SenderInfo(ntp_of(time.time()), 1, 2, 3)
    port.sendto(build(peer.ssrc, said, (block,), "peer@test"), to)
    assert leg.reports is not None
    assert await until(lambda: leg.reports and leg.reports.reception.received_reports)
    quality = leg.quality()
    assert quality is not None
    assert (quality.lost_out, quality.jitter_out) == (12, 20.0)
    assert await until(lambda: leg.link.far_loss == 25)
    while True:
        answer, _ = await take()
        if answer.blocks and answer.blocks[0].last_report:
            break
    assert answer.blocks[0].last_report == middle(said.ntp)
    assert 0 < answer.blocks[0].delay / 65536 < 5


async def test_reports_on_a_port_of_their_own(media: Media) -> None:
    """RFC 3550 11: RTCP on the next port. A round trip that is said to be shorter than nothing is thrown away, others are kept."""
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.bind(("127.0.0.1", 0))
    port.setblocking(False)
    peer, leg = Peer((700.0,)), media.open_leg()
    leg.connect(peer.address, Codec("PCMU", 0), reports=port.getsockname())
    peer.remote = leg.local
    with Peers(peer), port:
        await talk(leg, peer, port, ("127.0.0.1", leg.bound_port + 1), lambda: next_report(port))
        stats = media.stats()
        assert stats.reports_sent > 0
        assert stats.reports_received > 0
        assert stats.quality["legs_reporting"] == 1
        await leg.close()
        loop = asyncio.get_running_loop()
        while True:
            data = await asyncio.wait_for(loop.sock_recv(port, 2048), 5)
            if data[-8:-4] == bytes([0x81, 203, 0, 1]):  # BYE
                break


async def test_reports_on_the_rtp_port(media: Media) -> None:
    """RFC 5761: both on one port. What comes from a stranger is not read."""
    peer, leg = Peer((700.0,)), media.open_leg()
    seen: asyncio.Queue[tuple[Report, float]] = asyncio.Queue()
    leg.connect(peer.address, Codec("PCMU", 0), reports=peer.address)
    peer.remote = leg.local
    loop = asyncio.get_running_loop()
    peer.on_report = lambda data: loop.call_soon_threadsafe(seen.put_nowait, (parse(data)[0], time.time()))
    with Peers(peer), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        assert await until(lambda: leg.counters().received > 10)
        stranger.sendto(build(peer.ssrc, None, (Block(leg.ssrc, 255, 999, 0, 0, 0, 0),), "evil"), leg.local)
        await talk(leg, peer, peer.socket, leg.local, seen.get)
    await leg.close()


async def test_round_trip(media: Media) -> None:
    """A far end that answers after 40 ms, and says so, is 0 ms away; one that does not say so is 40 ms away."""
    for said, expected in ((0.0, 40.0), (0.04, 0.0)):
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port.bind(("127.0.0.1", 0))
        port.setblocking(False)
        peer, leg = Peer((700.0,)), media.open_leg()
        leg.connect(peer.address, Codec("PCMU", 0), reports=port.getsockname())
        peer.remote = leg.local
        with Peers(peer), port:
            for _ in range(3):
                asked, came = await next_report(port)
                assert asked.sender is not None
                await asyncio.sleep(0.04)
                real = time.time() - came
                delay = round((said + real - 0.04) * 65536) if said else round((real - 0.04) * 65536)
                block = Block(leg.ssrc, 0, 0, 1, 0, middle(asked.sender.ntp), max(0, delay))
                port.sendto(build(peer.ssrc, None, (block,), "p"), ("127.0.0.1", leg.bound_port + 1))
            assert await until(lambda leg=leg: leg.quality().reports >= 3)
            quality = leg.quality()
            assert quality is not None
            assert expected - 1 <= quality.round_trip_least < expected + 60
        await leg.close()
