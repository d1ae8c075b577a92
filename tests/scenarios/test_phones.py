"""The phones against each other, with no server between: what they say they hear is what was said."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hubbub.testing import Phone, PhoneCall, assert_hears, who_hears_whom
from hubbub.testing.server import free_port_range


class Pair:
    """Two phones in a call."""

    def __init__(self, alice: PhoneCall, bob: PhoneCall) -> None:
        self.alice = alice
        self.bob = bob


async def connect(first: Phone, second: Phone, **options: object) -> Pair:
    out = await first.call(second.uri, **options)  # type: ignore[arg-type]
    incoming = await second.wait_call()
    await out.wait_answered()
    await incoming.wait_answered()
    return Pair(out, incoming)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with Phone("alice") as alice, Phone("bob") as bob:
        yield await connect(alice, bob)


async def test_each_hears_the_other(pair: Pair) -> None:
    pair.alice.tone(574)
    pair.bob.tone(1074, level_db=-20)
    await asyncio.gather(assert_hears(pair.bob, {574}), assert_hears(pair.alice, {1074}))
    alice, bob = await asyncio.gather(pair.alice.heard(1.0), pair.bob.heard(1.0))
    assert bob.tones() == {574: pytest.approx(-12, abs=0.3)}
    assert alice.tones() == {1074: pytest.approx(-20, abs=0.3)}
    assert alice.seconds == 1.0
    assert 49 <= alice.packets <= 51
    assert alice.clicks() == []
    calls = {"alice": pair.alice, "bob": pair.bob}
    assert await who_hears_whom(calls, {"alice": 574, "bob": 1074}) == {"alice": {"bob"}, "bob": {"alice"}}


async def test_silence_and_change(pair: Pair) -> None:
    pair.alice.silence()
    heard = await pair.bob.heard(0.5)
    assert heard.silent
    pair.alice.tone([634, 1364])
    await assert_hears(pair.bob, {634, 1364})
    mark = pair.bob.mark()
    pair.alice.tone(1895)
    await assert_hears(pair.bob, {1895})
    assert (await pair.bob.since(mark)).clicks() == [], "a change of tone is a cross-fade"
    pair.alice.silence()
    await assert_hears(pair.bob, set())


def babble(seed: int) -> NDArray[np.int16]:
    """A second of noise in the band and rhythm of speech, at 16 kHz."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft(random.standard_normal(16_000))
    spectrum[:200] = spectrum[2500:] = 0
    wave = np.fft.irfft(spectrum) * np.repeat(random.uniform(0, 1, 10), 1600)
    return (wave / np.abs(wave).max() * 12_000).astype(np.int16)


async def test_speech_is_recognised(pair: Pair, tmp_path: Path) -> None:
    pcm, other = babble(1), babble(2)
    mark = pair.bob.mark()
    await pair.alice.say(pcm)
    heard = await pair.bob.heard(0.1)
    heard = await pair.bob.since(mark)
    assert heard.words_like(pcm) > 0.95
    assert heard.words_like(other) < 0.3
    heard.save(tmp_path / "heard.wav")
    assert (tmp_path / "heard.wav").stat().st_size == 44 + 2 * len(heard.pcm)


async def test_keys(pair: Pair) -> None:
    mark = pair.bob.mark()
    await pair.alice.press("12#*0D")
    await pair.bob.wait_digits("12#*0D")
    assert (await pair.bob.since(mark)).digits == "12#*0D"
    await pair.bob.press("11")
    await pair.alice.wait_digits("11")
    await pair.bob.press_info("5#")
    assert pair.alice.info_digits == "5#"
    with pytest.raises(ValueError, match="no such keys: X"):
        pair.alice.press("1X")


async def test_keys_as_tones_where_events_are_unknown() -> None:
    async with Phone("alice") as alice, Phone("bob", telephone_event=False) as bob:
        pair = await connect(alice, bob)
        pressed = pair.alice.press("5", tone_ms=600)
        heard = await pair.bob.heard(0.5)
        await pressed
        assert heard.hears(770)
        assert heard.hears(1336)
        assert pair.bob.digits == ""


async def test_hold_and_resume(pair: Pair) -> None:
    pair.alice.tone(574)
    pair.bob.tone(1074)
    await assert_hears(pair.bob, {574})
    await pair.alice.hold()
    assert pair.bob.on_hold_by_other
    held = await pair.bob.heard(0.3)
    assert (await pair.alice.heard(0.3)).packets <= 2
    assert held.packets <= 2
    await pair.alice.resume()
    await asyncio.gather(assert_hears(pair.bob, {574}), assert_hears(pair.alice, {1074}))


async def test_hangup_from_either_side(pair: Pair) -> None:
    end = await pair.alice.hangup()
    assert (end.by, end.answered) == ("local", True)
    assert (await pair.bob.wait_ended()).by == "remote"


async def test_a_call_that_nobody_answers() -> None:
    async with Phone("alice") as alice:
        call = await alice.call("sip:nobody@127.0.0.1:9")
        with pytest.raises(AssertionError, match=r"it was not answered within 0\.2 s: alice outbound call not answered"):
            await call.wait_answered(0.2)
        await call.hangup()


async def test_headers_and_names() -> None:
    async with Phone("alice") as alice, Phone("bob") as bob:
        pair = await connect(alice, bob, headers={"X-Room": "blue"}, caller="+15550100")
        assert pair.bob.headers["X-Room"] == "blue"
        assert pair.bob.caller == "+15550100"
        assert pair.bob.callee == "bob"


async def test_early_media_and_refusal() -> None:
    async with Phone("alice") as alice, Phone("bob", auto_answer=False) as bob:
        out = await alice.call(bob.uri)
        incoming = await bob.wait_call()
        incoming.ring(early_media=True)
        incoming.tone(1243)
        await out.wait_ringing()
        assert (out.progress[-1].code, out.progress[-1].early_media) == (183, True)
        await assert_hears(out, {1243})
        incoming.reject(486)
        assert (await out.wait_ended()).code == 486
        with pytest.raises(AssertionError, match=r"it was not answered: alice outbound call ended: SipEnd\(code=486"):
            await out.wait_answered()
        with pytest.raises(AssertionError, match="nobody called bob"):
            await bob.wait_call(0.05)


@pytest.mark.parametrize(("codecs", "ptime"), [(("PCMA",), 20), (("PCMU", "PCMA"), 10), (("PCMU",), 30), (("PCMA", "PCMU"), 60)])
async def test_codecs_and_packet_times(codecs: tuple[str, ...], ptime: int) -> None:
    async with Phone("alice", codecs=codecs, ptime=ptime) as alice, Phone("bob", ptime=ptime) as bob:
        pair = await connect(alice, bob)
        assert pair.alice.codec == pair.bob.codec == codecs[0]
        pair.alice.tone(1074)
        await assert_hears(pair.bob, {1074})
        heard = await pair.bob.heard(0.6)
        assert heard.tones() == {1074: pytest.approx(-12, abs=0.3)}
        assert heard.packets == pytest.approx(600 / ptime, abs=3)


async def test_no_codec_in_common() -> None:
    async with Phone("alice", codecs=("PCMA",)) as alice, Phone("bob", codecs=("PCMU",)) as bob:
        out = await alice.call(bob.uri)
        assert (await out.wait_ended()).code in (488, 500)


@pytest.mark.alone
async def test_twenty_calls_at_once() -> None:
    """A whole room of phones: every tone is heard where it should be and the beat keeps time."""
    from hubbub.testing import TONES

    async with Phone("alice") as alice, Phone("bob") as bob:
        pairs = [await connect(alice, bob) for _ in range(20)]
        for pair, frequency in zip(pairs, TONES, strict=False):
            pair.alice.tone(frequency)
        await asyncio.gather(*(assert_hears(pair.bob, {frequency}) for pair, frequency in zip(pairs, TONES, strict=False)))


def test_port_ranges_are_apart_from_the_kernels() -> None:
    first, last = map(int, free_port_range().split("-"))
    assert 10_000 <= first < last < 32_768
