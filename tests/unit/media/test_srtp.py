"""SRTP in the loop: packets as peers with a libsrtp of their own see them, across wraps, takeovers and changes of keys."""

from __future__ import annotations

import ctypes
import struct

import numpy as np
import pytest
from tests.support.small_engine import Small, small_engine

from hubbub.media import block, compiled, counters, layout, libsrtp

compiled.let_python_call()

from hubbub.media import srtp  # noqa: E402
from hubbub.media.commands import apply_commands  # noqa: E402
from hubbub.media.desk import make_desk  # noqa: E402
from hubbub.media.libsrtp import SUITES, Cipher, Session  # noqa: E402
from hubbub.media.messages import CIPHER  # noqa: E402
from hubbub.media.rtp import write_header  # noqa: E402
from hubbub.media.takeover import revalidate  # noqa: E402

LIBRARY = libsrtp.find()
pytestmark = pytest.mark.skipif(LIBRARY is None, reason=f"no libsrtp ({libsrtp.HOW_TO_GET_IT})")
SUITE = "AES_CM_128_HMAC_SHA1_80"
OURS, THEIRS = 0x01020304, 0xA1B2C3D4
GENERATION = 0
PAYLOAD = bytes(range(160))


def key(fill: int, suite: str = SUITE) -> bytes:
    return bytes([fill]) * SUITES[suite].key_bytes


def clear(sequence: int, ssrc: int = THEIRS) -> bytes:
    return struct.pack(">BBHII", 0x80, 0, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, ssrc) + PAYLOAD


def session(suite: str, secret: bytes, ssrc: int | None = None) -> Session:
    assert LIBRARY is not None
    return LIBRARY.session(suite, secret, ssrc)


class Secured:
    """Leg 0 of a small engine, by keys, and what a media process does with it."""

    def __init__(self, suite: str = SUITE, *, lifetime: int = 2**48) -> None:
        self.small: Small = small_engine()
        self.suite = suite
        self.small.add_leg(0)
        self.link.out_ssrc = OURS
        self.keys(1, 2, suite, lifetime=lifetime)

    @property
    def link(self) -> layout.Link:
        return self.small.engine.links[0]

    def keys(self, sends: int, receives: int, suite: str = SUITE, *, lifetime: int = 2**48) -> None:
        """As the server posts them."""
        cipher = Cipher(suite, key(sends, suite), key(receives, suite), lifetime)
        self.small.post(CIPHER, 0, GENERATION, *cipher.words())
        apply_commands(self.small.engine, self.small.desk, 0, 1)
        assert int(self.small.engine.wires[0].header[counters.H_BAD_COMMANDS]) == 0

    def take_over(self) -> None:
        """The media process was killed: another one has the block, and nothing else."""
        self.small.desk = make_desk(layout.Sizes(legs=8, players=8, mixes=8, edges=64, rings=8, arena=16000))
        assert revalidate(self.small.engine, self.small.desk, 0) == 0

    def speak(self) -> bytes:
        """The next packet as it leaves."""
        write_header(self.small.engine.links, 0, 0, 0, 1000)
        self.link.packet[12:172] = np.frombuffer(PAYLOAD, np.uint8)
        size = srtp.seal(self.small.engine, self.small.desk, 0, 172)
        return self.small.desk.srtp_packet[:size].tobytes()

    def hear(self, packet: bytes) -> bytes | str:
        """What a packet is after decryption, or why it is dropped."""
        data = np.zeros(2048, np.uint8)
        data[: len(packet)] = np.frombuffer(packet, np.uint8)
        size = srtp.unseal(self.small.engine, self.small.desk, 0, data, len(packet))
        return data[:size].tobytes() if size >= 0 else counters.DROPS[-1 - size]


@pytest.mark.parametrize("suite", SUITES)
def test_both_directions(suite: str) -> None:
    leg = Secured(suite)
    far_ears, far_mouth = session(suite, key(1, suite)), session(suite, key(2, suite), THEIRS)
    for sequence in range(5):
        sent = leg.speak()
        assert PAYLOAD not in sent
        assert far_ears.unprotect(sent)[12:] == PAYLOAD
        assert leg.hear(far_mouth.protect(clear(sequence))) == clear(sequence)


def test_what_is_not_by_the_key_is_dropped_and_disturbs_nothing() -> None:
    """RFC 3711 3.3: discarded before anything else looks at it. Plain packets are such, too."""
    leg, far = Secured(), session(SUITE, key(2), THEIRS)
    assert leg.hear(far.protect(clear(100))) == clear(100)
    forger = session(SUITE, key(9), THEIRS)
    for sequence in (101, 40_000, 65_535):
        assert leg.hear(forger.protect(clear(sequence))) == "forged"
        assert leg.hear(clear(sequence)) == "forged"
    good = far.protect(clear(101))
    assert leg.hear(good[:-1] + bytes([good[-1] ^ 1])) == "forged"
    assert leg.hear(good) == clear(101)
    assert leg.hear(good) == "replayed"
    assert leg.small.engine.ciphers[0].newest.tolist()[0] == 102


@pytest.mark.parametrize("suite", [SUITE, "AEAD_AES_128_GCM"])
@pytest.mark.parametrize("killed_at", [65_533, 65_535, 65_536, 65_540, None])
def test_what_is_sent_goes_on_behind_a_wrap_whoever_sends_it(suite: str, killed_at: int | None) -> None:
    """RFC 3711 3.3.1: the index of a packet is 2^16 * ROC + SEQ, and no index is used twice, whichever process counts."""
    leg, far = Secured(suite), session(suite, key(1, suite))
    leg.link.out_sequence = 65_530
    for index in range(65_530, 65_545):
        if index == killed_at:
            leg.take_over()
        sent = leg.speak()
        assert struct.unpack_from(">H", sent, 2)[0] == index & 0xFFFF
        assert far.unprotect(sent)[12:] == PAYLOAD
    assert far.roc(OURS) == 1


def test_what_is_sent_goes_on_after_many_wraps() -> None:
    leg, far = Secured(), session(SUITE, key(1), OURS)
    far.set_roc(OURS, 7)
    leg.link.out_sequence = 7 * 65_536 + 65_534
    for n in range(4):
        if n == 1:
            leg.take_over()
        assert far.unprotect(leg.speak())[12:] == PAYLOAD
    assert far.roc(OURS) == 8


@pytest.mark.parametrize("suite", [SUITE, "AEAD_AES_128_GCM"])
@pytest.mark.parametrize("killed_at", [65_533, 65_535, 65_536, 65_540, None])
def test_what_comes_is_opened_behind_a_wrap_whoever_opens_it(suite: str, killed_at: int | None) -> None:
    leg, far = Secured(suite), session(suite, key(2, suite), THEIRS)
    before = b""
    for index in range(65_530, 65_545):
        if index == killed_at:
            leg.take_over()
            if before:
                assert leg.hear(before) == "replayed"  # what came before is known to whoever takes over
        before = far.protect(clear(index))
        assert leg.hear(before) == clear(index)
    assert int(leg.small.engine.ciphers[0].newest[0]) == 65_545


def test_a_wrap_that_nobody_saw_is_followed() -> None:
    """A loss across the wrap, while one process has died and the next has not begun."""
    leg, far = Secured(), session(SUITE, key(2), THEIRS)
    for index in range(60_000, 60_005):
        assert leg.hear(far.protect(clear(index))) == clear(index)
    leg.take_over()
    for index in range(60_005, 90_000):
        lost = far.protect(clear(index))
    assert leg.hear(lost) == clear(index)
    assert leg.hear(far.protect(clear(90_000))) == clear(90_000)


def test_late_packets_around_a_wrap() -> None:
    leg, far = Secured(), session(SUITE, key(2), THEIRS)
    packets = {index: far.protect(clear(index)) for index in range(65_530, 65_545)}
    for index in (65_530, 65_534, 65_537, 65_535, 65_533, 65_540, 65_536, 65_539):
        assert leg.hear(packets[index]) == clear(index)
    assert leg.hear(packets[65_535]) == "replayed"


def test_the_index_is_guessed_as_the_library_guesses_it() -> None:
    """Our count of a stream, which a successor begins with, is the library's own."""
    dice = np.random.default_rng(3)
    leg, far = Secured(), session(SUITE, key(2), THEIRS)
    index = 60_000
    for _ in range(400):
        index += int(dice.integers(1, 700))
        assert leg.hear(far.protect(clear(index))) == clear(index)
        assert int(leg.small.engine.ciphers[0].newest[0]) == index + 1
    assert index > 2 * 65_536


def test_a_move_to_another_worker_is_a_takeover_for_the_leg() -> None:
    leg, far = Secured(), session(SUITE, key(1))
    leg.link.out_sequence = 65_535
    assert far.unprotect(leg.speak())[12:] == PAYLOAD
    srtp.release(leg.small.desk, 0)
    assert not leg.small.desk.srtp_session[0].any()
    assert far.unprotect(leg.speak())[12:] == PAYLOAD
    assert far.roc(OURS) == 1


def test_another_stream_by_the_same_key() -> None:
    """A new SSRC begins with a rollover counter of 0; the old one is still known, so that nothing of it comes again."""
    leg = Secured()
    old, new = session(SUITE, key(2), THEIRS), session(SUITE, key(2), THEIRS + 1)
    for index in range(65_530, 65_540):
        kept = old.protect(clear(index))
        assert leg.hear(kept) == clear(index)
    assert leg.hear(new.protect(clear(5, THEIRS + 1))) == clear(5, THEIRS + 1)
    assert leg.hear(kept) == "replayed"
    leg.take_over()
    assert leg.hear(kept) == "replayed"
    assert leg.hear(old.protect(clear(65_540))) == clear(65_540)
    assert leg.hear(new.protect(clear(6, THEIRS + 1))) == clear(6, THEIRS + 1)


def test_streams_without_end_take_no_memory_without_end() -> None:
    leg = Secured()
    first = session(SUITE, key(2), THEIRS).protect(clear(1))
    assert leg.hear(first) == clear(1)
    assert leg.hear(first) == "replayed"
    for n in range(1, layout.STREAMS + 1):
        assert leg.hear(session(SUITE, key(2), THEIRS + n).protect(clear(n, THEIRS + n))) == clear(n, THEIRS + n)
    assert leg.hear(first) == clear(1)  # it was forgotten: its context is gone
    assert len(set(leg.small.engine.ciphers[0].ssrc.tolist())) == layout.STREAMS


@pytest.mark.parametrize("suite", [SUITE, "AEAD_AES_128_GCM"])
def test_a_new_key_of_theirs_meets_packets_by_the_old_one(suite: str) -> None:
    """A re-INVITE overtakes packets: those by the old key are heard until one by the new key has come."""
    leg = Secured(suite)
    old, new = session(suite, key(2, suite), THEIRS), session(suite, key(3, suite), THEIRS)
    assert leg.hear(old.protect(clear(10))) == clear(10)
    leg.keys(1, 3, suite)
    assert leg.hear(old.protect(clear(11))) == clear(11)
    assert leg.hear(session(suite, key(9, suite), THEIRS).protect(clear(12))) == "forged"
    assert leg.hear(new.protect(clear(12))) == clear(12)
    assert leg.hear(old.protect(clear(13))) == "forged"
    assert leg.hear(new.protect(clear(13))) == clear(13)


@pytest.mark.parametrize("suite", [SUITE, "AEAD_AES_128_GCM"])
@pytest.mark.parametrize("counts_on", [True, False])
def test_a_new_key_behind_a_wrap(suite: str, counts_on: bool) -> None:
    """RFC 3711 3.3.1: the rollover counter is not reset by a new key; many senders do so all the same. Both are understood."""
    leg = Secured(suite)
    old, new = session(suite, key(2, suite), THEIRS), session(suite, key(3, suite), THEIRS)
    for index in range(65_530, 65_545):
        assert leg.hear(old.protect(clear(index))) == clear(index)
    leg.keys(1, 3, suite)
    if counts_on:
        new.set_roc(THEIRS, 1)
    for index in range(65_545, 65_550):
        assert leg.hear(new.protect(clear(index))) == clear(index)
    assert leg.hear(old.protect(clear(65_550))) == "forged"
    leg.take_over()
    assert leg.hear(new.protect(clear(65_550))) == clear(65_550)


def test_the_same_keys_again_change_nothing() -> None:
    leg, ears, mouth = Secured(), session(SUITE, key(1)), session(SUITE, key(2), THEIRS)
    leg.link.out_sequence = 65_535
    for n in range(3):
        assert ears.unprotect(leg.speak())[12:] == PAYLOAD
        assert leg.hear(mouth.protect(clear(65_534 + n))) == clear(65_534 + n)
        before = leg.small.desk.srtp_session.copy()
        leg.keys(1, 2)
        assert leg.small.desk.srtp_session.tolist() == before.tolist()


@pytest.mark.parametrize("suite", [SUITE, "AEAD_AES_128_GCM"])
@pytest.mark.parametrize("killed", [False, True])
def test_a_key_that_comes_back_is_heard_from_where_it_was(suite: str, killed: bool) -> None:
    """RFC 3711 9.1: nothing that was heard by a key is heard again, whatever keys were in force meanwhile; the count goes on."""
    leg = Secured(suite)
    first, second = session(suite, key(2, suite), THEIRS), session(suite, key(3, suite), THEIRS)
    old = [first.protect(clear(n)) for n in range(65_500, 65_560)]
    assert [leg.hear(packet) for packet in old[:55]] == [clear(n) for n in range(65_500, 65_555)]
    leg.keys(1, 3, suite)
    assert leg.hear(old[56]) == clear(65_556), "it was under way"
    second.set_roc(THEIRS, 1)
    assert leg.hear(second.protect(clear(65_557))) == clear(65_557)
    leg.keys(1, 2, suite)
    if killed:
        leg.take_over()
    for _ in range(2):
        assert {leg.hear(packet) for packet in old[:57]} == {"replayed"}
    assert [leg.hear(packet) for packet in old[57:]] == [clear(n) for n in range(65_557, 65_560)]
    leg.take_over()
    assert {leg.hear(packet) for packet in old} == {"replayed"}
    assert leg.hear(first.protect(clear(65_560))) == clear(65_560)


def test_streams_of_a_key_that_comes_back() -> None:
    """Each has its own floor, also one whose place others took meanwhile; what never came by that key begins anywhere."""
    leg = Secured()
    streams = [THEIRS + n for n in range(layout.STREAMS)]
    old = {ssrc: session(SUITE, key(2), ssrc).protect(clear(100, ssrc)) for ssrc in streams}
    for ssrc in streams:
        assert leg.hear(old[ssrc]) == clear(100, ssrc)
    leg.keys(1, 3)
    for ssrc in range(THEIRS + 50, THEIRS + 50 + layout.STREAMS):
        assert leg.hear(session(SUITE, key(3), ssrc).protect(clear(7, ssrc))) == clear(7, ssrc)
    leg.keys(1, 2)
    for ssrc in streams:
        assert leg.hear(old[ssrc]) == "replayed"
    new = THEIRS + 99
    assert leg.hear(session(SUITE, key(2), new).protect(clear(3, new))) == clear(3, new)


def test_of_the_keys_before_a_few_are_remembered() -> None:
    leg = Secured()
    old = {n: session(SUITE, key(n), THEIRS).protect(clear(1)) for n in range(2, 8)}
    for n in range(2, 8):
        leg.keys(1, n)
        assert leg.hear(old[n]) == clear(1)
    for n in range(8 - layout.REPLACED_KEYS, 7):  # the key that is replaced then is one of them
        leg.keys(1, n)
        assert leg.hear(old[n]) == "replayed"


def test_a_lifetime_goes_on_when_its_key_comes_back() -> None:
    leg, far = Secured(lifetime=3), session(SUITE, key(2), THEIRS)
    assert [leg.hear(far.protect(clear(n))) for n in range(2)] == [clear(0), clear(1)]
    leg.keys(1, 3)
    leg.keys(1, 2, lifetime=3)
    assert [leg.hear(far.protect(clear(n))) for n in range(2, 4)] == [clear(2), "expired"]


def test_another_key_of_ours_goes_on_with_the_count() -> None:
    leg = Secured()
    leg.link.out_sequence = 65_536
    assert leg.speak()
    leg.keys(4, 2)
    far = session(SUITE, key(4), OURS)
    far.set_roc(OURS, 1)
    assert far.unprotect(leg.speak())[12:] == PAYLOAD


def test_another_suite() -> None:
    leg = Secured()
    leg.speak()
    leg.keys(1, 2, "AEAD_AES_256_GCM")
    far = session("AEAD_AES_256_GCM", key(1, "AEAD_AES_256_GCM"))
    assert far.unprotect(leg.speak())[12:] == PAYLOAD


def test_a_key_is_good_for_its_lifetime() -> None:
    """RFC 3711 9.2: a key is not used for more packets than its lifetime says."""
    leg, far = Secured(lifetime=3), session(SUITE, key(2), THEIRS)
    assert [leg.hear(far.protect(clear(n))) for n in range(5)] == [clear(0), clear(1), clear(2), "expired", "expired"]


def test_keys_do_not_stay_in_the_ring_nor_behind_a_leg() -> None:
    leg = Secured()
    leg.keys(4, 5)
    assert leg.small.engine.ciphers[0].replaced_key.any()
    assert not np.isin(leg.small.engine.wires[0].command.view(np.uint8), [2]).any() or not leg.small.engine.wires[0].command[0, 4:].any()
    leg.speak()
    srtp.forget_keys(leg.small.engine.ciphers, 0)
    record = leg.small.engine.ciphers[0]
    assert not record.key_in.any()
    assert not record.key_out.any()
    assert not record.replaced_key.any()
    block.clear_leg(leg.small.engine, 0)
    assert not bytes(leg.small.engine.ciphers[0].tobytes()).strip(b"\0")  # type: ignore[attr-defined]


def test_wrong_commands_are_counted_and_wiped() -> None:
    leg = Secured()
    for words in ((CIPHER, 99, 0, 1, 7), (CIPHER, 0, 5, 1, 7), (CIPHER, 0, GENERATION, 200, 7)):
        leg.small.post(*words)
    apply_commands(leg.small.engine, leg.small.desk, 0, 1)
    assert int(leg.small.engine.wires[0].header[counters.H_BAD_COMMANDS]) == 3
    assert not leg.small.engine.wires[0].command[:4, 3:].any()
    assert leg.small.engine.ciphers[0].suite == SUITES[SUITE].number


def test_what_cannot_be_encrypted_is_not_sent_plain() -> None:
    leg = Secured()
    leg.small.desk.srtp_policies[:] = 0
    assert leg.speak() == b""
    assert leg.hear(clear(1)) == "forged"


def test_no_keys_no_encryption() -> None:
    leg = Secured()
    leg.small.post(CIPHER, 0, GENERATION, libsrtp.OFF)
    apply_commands(leg.small.engine, leg.small.desk, 0, 1)
    assert leg.small.engine.ciphers[0].suite == 0
    assert not leg.small.engine.ciphers[0].key_in.any()


def known(leg: Secured, which: int, ssrc: int) -> bool:
    """Whether a context of the library has a stream of an SSRC."""
    assert LIBRARY is not None
    context, roc = int(leg.small.desk.srtp_session[0, which]), ctypes.c_uint32()
    ask = LIBRARY.handle.srtp_get_stream_roc
    return context != 0 and ask(ctypes.c_void_p(context), ctypes.c_uint32(ssrc), ctypes.byref(roc)) == 0


def test_the_key_before_is_not_heard_for_ever() -> None:
    """The library keeps a stream of each SSRC of an authentic packet: who is given a new key and goes on by the old one has few."""
    leg = Secured()
    assert leg.hear(session(SUITE, key(2), THEIRS).protect(clear(1))) == clear(1)
    leg.keys(1, 3)
    for n in range(srtp.FORMER_PACKETS):
        ssrc = THEIRS + 1 + n
        assert leg.hear(session(SUITE, key(2), ssrc).protect(clear(1, ssrc))) == clear(1, ssrc)
        assert known(leg, libsrtp.SRTP_FORMER, ssrc) is (n + 1 < srtp.FORMER_PACKETS)
    assert leg.small.desk.srtp_session[0, libsrtp.SRTP_FORMER] == 0
    assert leg.hear(session(SUITE, key(2), THEIRS).protect(clear(2))) == "forged"
    assert leg.hear(session(SUITE, key(3), THEIRS).protect(clear(2))) == clear(2)


def test_of_what_comes_by_an_expired_key_nothing_is_kept() -> None:
    leg = Secured(lifetime=1)
    assert leg.hear(session(SUITE, key(2), THEIRS).protect(clear(1))) == clear(1)
    assert known(leg, libsrtp.SRTP_IN, THEIRS)
    for ssrc in range(THEIRS + 1, THEIRS + 20):
        assert leg.hear(session(SUITE, key(2), ssrc).protect(clear(1, ssrc))) == "expired"
        assert not known(leg, libsrtp.SRTP_IN, ssrc)


@pytest.mark.parametrize("words", [3, 4, 9, 16])
def test_a_command_that_was_applied_but_not_counted_never_ends_encryption(words: int) -> None:
    """Killed while its words are wiped, before it counts as applied: the next process finds the command, whatever is left of it."""
    leg, ears, mouth = Secured(), session(SUITE, key(1)), session(SUITE, key(2), THEIRS)
    assert ears.unprotect(leg.speak())[12:] == PAYLOAD
    wire = leg.small.engine.wires[0]
    wire.command[0, 3:] = (*Cipher(SUITE, key(1), key(2)).words(), *[0] * 16)[: wire.command[0, 3:].size]
    wire.command[0, 3:words] = 0
    wire.command_tail[0] -= 1
    leg.take_over()
    apply_commands(leg.small.engine, leg.small.desk, 0, 1)
    assert int(wire.command_tail[0]) == int(wire.command_head[0])
    assert leg.small.engine.ciphers[0].suite == SUITES[SUITE].number
    assert ears.unprotect(leg.speak())[12:] == PAYLOAD
    assert leg.hear(mouth.protect(clear(1))) == clear(1)
    assert leg.hear(clear(2)) == "forged"


def test_a_new_key_may_begin_with_lower_numbers_whoever_goes_on() -> None:
    """By another key an index is another packet: what was heard by the old one is no floor for the new one, nor for a successor."""
    leg, new = Secured(), session(SUITE, key(3), THEIRS)
    assert leg.hear(session(SUITE, key(2), THEIRS).protect(clear(20_000))) == clear(20_000)
    leg.keys(1, 3)
    assert leg.hear(new.protect(clear(100))) == clear(100)
    late = new.protect(clear(101))
    assert leg.hear(new.protect(clear(102))) == clear(102)
    assert leg.hear(late) == clear(101)
    leg.take_over()
    assert leg.hear(late) == "replayed"
    assert leg.hear(new.protect(clear(103))) == clear(103)


def test_a_takeover_before_the_first_packet_by_a_new_key() -> None:
    leg, new = Secured(), session(SUITE, key(3), THEIRS)
    for ssrc in (THEIRS, THEIRS + 1):
        assert leg.hear(session(SUITE, key(2), ssrc).protect(clear(20_000, ssrc))) == clear(20_000, ssrc)
    leg.keys(1, 3)
    leg.take_over()
    first = new.protect(clear(100))
    assert leg.hear(first) == clear(100)
    leg.take_over()
    assert leg.hear(first) == "replayed"
    assert leg.hear(new.protect(clear(101))) == clear(101)
    other = session(SUITE, key(3), THEIRS + 1)
    assert leg.hear(other.protect(clear(7, THEIRS + 1))) == clear(7, THEIRS + 1)


def test_garbage_stays_within_bounds() -> None:
    leg, dice = Secured(), np.random.default_rng(11)
    for size in (0, 1, 11, 12, 13, 21, 22, 23, 40, 1472, 1488, 1489, 2048):
        for _ in range(5):
            data = bytes([0x80, 0]) + dice.bytes(2048)
            heard = leg.hear(data[:size])
            assert heard in ("forged", "replayed", data[:size])
    for extension in (0x90, 0x8F, 0x9F, 0xB0):  # a header that claims more than there is
        assert leg.hear(bytes([extension]) + clear(1)[1:30]) in ("forged", "replayed")
