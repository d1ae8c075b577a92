"""Keys in SDP: RFC 4568 (a=crypto), RFC 6188 and RFC 7714 (longer keys, GCM), RFC 8643 (opportunistic)."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.media import libsrtp
from hubbub.sip import sdes
from hubbub.sip.description import SdpError, parse_sdp
from hubbub.sip.sdes import Agreement, Crypto, CryptoError, Keyring, Wish, parse_crypto
from hubbub.sip.sdp import Agreed, make_answer, make_offer, read_answer

HERE, THERE = ("192.0.2.1", 20000), ("198.51.100.7", 4000)
SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM")
KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
"""The key of RFC 4568's examples."""
OTHER = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR"
LINE = f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"


def counted() -> Callable[[int], bytes]:
    numbers = itertools.count(1)
    return lambda size: bytes([next(numbers)]) * size


def ring(wish: Wish = "accept", suites: tuple[str, ...] = SUITES) -> Keyring:
    return Keyring(wish, suites, counted())


def offer(*media: str) -> str:
    return "\r\n".join(["v=0", "o=- 1 1 IN IP4 198.51.100.7", "s=-", "c=IN IP4 198.51.100.7", "t=0 0", *media, ""])


def answered(text: str, keys: Keyring | None) -> tuple[list[str], Agreed]:
    answer, agreed = make_answer(parse_sdp(text, keys), HERE, session=5, version=6, keys=keys)
    return answer.split("\r\n"), agreed


# One line.


def test_the_key_of_the_rfc_is_thirty_octets() -> None:
    """RFC 4568 6.2.1: 128 bits of master key and 112 bits of salt, in base64."""
    crypto = parse_crypto(LINE)
    assert (crypto.tag, crypto.suite, len(crypto.key)) == (1, "AES_CM_128_HMAC_SHA1_80", 30)
    assert crypto.line() == f"crypto:{LINE}"


@pytest.mark.parametrize(("text", "packets"), [("2^20", 2**20), ("1048576", 2**20), ("2^48", 2**48), ("2^31", 2**31)])
def test_lifetime(text: str, packets: int) -> None:
    """RFC 4568 6.1: `|2^20` or a number of packets."""
    assert parse_crypto(f"{LINE}|{text}").lifetime == packets


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1 AES_CM_128_HMAC_SHA1_80", "needs a tag"),
        (f"x AES_CM_128_HMAC_SHA1_80 inline:{KEY}", "needs a tag"),
        (f"1 F8_128_HMAC_SHA1_80 inline:{KEY}", "not known"),
        (f"1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}", "only inline"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:WVNf", "takes 30 bytes"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:!!!!", "not base64"),
        (f"1 AEAD_AES_128_GCM inline:{KEY}", "takes 28 bytes"),
        (f"{LINE}|2^49", "cannot live"),
        (f"{LINE}|2^999999999", "cannot live"),
        (f"{LINE}|0", "cannot live"),
        (f"{LINE}|soon", "no lifetime"),
        (f"{LINE}|2^20|1:4", "MKI"),
        (f"{LINE}|1:4", "MKI"),
        (f"{LINE}|2^20|1:4;inline:{OTHER}|2^20|2:4", "several keys"),
        (f"{LINE} UNENCRYPTED_SRTP", "UNENCRYPTED_SRTP"),
        (f"{LINE} UNENCRYPTED_SRTCP", "UNENCRYPTED_SRTCP"),
        (f"{LINE} UNAUTHENTICATED_SRTP", "UNAUTHENTICATED_SRTP"),
        (f"{LINE} KDR=1", "KDR"),
        (f"{LINE} FEC_ORDER=FEC_SRTP", "FEC_ORDER"),
    ],
)
def test_what_is_not_spoken_is_refused_without_a_word_of_the_key(value: str, reason: str) -> None:
    with pytest.raises(CryptoError, match=reason) as error:
        parse_crypto(value)
    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    "value",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 inline: {KEY}",
        f"1 {KEY} inline:{KEY}",
        f"1 inline:{KEY} AES_CM_128_HMAC_SHA1_80",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:|{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|{OTHER}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:20]} {KEY[20:]}|2^20",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY}",
    ],
)
def test_a_key_where_none_belongs_is_in_no_error(value: str) -> None:
    """What is refused is logged; a line that is malformed holds a key all the same."""
    with pytest.raises(CryptoError) as error:
        parse_crypto(value)
    for key in (KEY, OTHER):
        assert not any(key[at : at + 6] in str(error.value) for at in range(len(key) - 5))


@pytest.mark.parametrize("line", [f"inline:{KEY}", KEY, f"A=crypto:{LINE}", f" {LINE}"])
def test_a_line_that_is_no_sdp_is_not_repeated(line: str) -> None:
    with pytest.raises(SdpError, match=r"line 7 is not SDP") as error:
        parse_sdp(offer("m=audio 4000 RTP/SAVP 0", line))
    assert "WVN" not in str(error.value)


def test_hints_and_what_may_be_passed_over() -> None:
    """RFC 4568 6.3.6, 6.3.7: WSH is a hint; a parameter with "-" before it may be ignored."""
    assert parse_crypto(f"{LINE} WSH=60 -NEW=1") == parse_crypto(LINE)


def test_keys_are_in_no_repr() -> None:
    keys = ring("require")
    _, agreed = answered(offer("m=audio 4000 RTP/SAVP 0", f"a=crypto:{LINE}"), keys)
    media = parse_sdp(offer("m=audio 4000 RTP/SAVP 0", f"a=crypto:{LINE}"), keys)
    for thing in (parse_crypto(LINE), agreed, media, keys):
        assert KEY not in repr(thing)
        assert "\\x01" not in repr(thing)
        assert "YS_" not in repr(thing)


@given(st.text(max_size=80), st.sampled_from(["", "1 ", "1 AES_CM_128_HMAC_SHA1_80 ", LINE, f"{LINE}|"]))
def test_nothing_but_crypto_error(text: str, before: str) -> None:
    try:
        assert isinstance(parse_crypto(before + text), Crypto)
    except CryptoError:
        pass


def test_the_suites_are_those_of_the_engine() -> None:
    assert {name: suite.key_bytes for name, suite in libsrtp.SUITES.items()} == dict(sdes.KEY_BYTES)


# Offers that come.


def test_an_offer_of_savp_is_answered_with_a_key_of_our_own() -> None:
    """RFC 4568 5.1.2: the answer has one line with the tag and the suite of the one that was chosen, and the answerer's own key."""
    lines, agreed = answered(
        offer(
            "m=audio 4000 RTP/SAVP 0",
            f"a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}",
            f"a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20",
        ),
        ring(),
    )
    assert "m=audio 20000 RTP/SAVP 0" in lines
    ours = [parse_crypto(line.removeprefix("a=crypto:")) for line in lines if line.startswith("a=crypto")]
    assert [(crypto.tag, crypto.suite) for crypto in ours] == [(7, "AES_CM_128_HMAC_SHA1_32")]
    assert agreed.cipher == Agreement("AES_CM_128_HMAC_SHA1_32", ours[0].key, parse_crypto(LINE).key, 2**20)
    assert ours[0].key != parse_crypto(LINE).key


def test_the_first_suite_of_the_offer_that_is_ours_is_taken() -> None:
    """RFC 4568 5.1.2: lines stand in order of preference."""
    cryptos = [f"a=crypto:{tag} {suite} inline:{KEY}" for tag, suite in ((1, SUITES[1]), (2, SUITES[0]))]
    assert answered(offer("m=audio 4000 RTP/SAVP 0", *cryptos), ring())[1].cipher.suite == SUITES[1]  # type: ignore[union-attr]
    only = ring(suites=SUITES[:1])
    assert answered(offer("m=audio 4000 RTP/SAVP 0", *cryptos), only)[1].cipher.suite == SUITES[0]  # type: ignore[union-attr]


@pytest.mark.parametrize("profile", ["RTP/SAVPF", "RTP/AVPF", "RTP/AVP"])
def test_the_profile_of_the_offer_is_repeated(profile: str) -> None:
    """RFC 8643 3.1: keys in RTP/AVP are answered in RTP/AVP. RFC 3264 6: the answer's transport is that of the offer."""
    lines, agreed = answered(offer(f"m=audio 4000 {profile} 0", f"a=crypto:{LINE}"), ring())
    assert f"m=audio 20000 {profile} 0" in lines
    assert agreed.cipher is not None


def test_of_two_streams_the_encrypted_one_is_used_wherever_it_stands() -> None:
    secured, plain = ("m=audio 4000 RTP/SAVP 0", f"a=crypto:{LINE}"), ("m=audio 4002 RTP/AVP 0",)
    for media in ((*secured, *plain), (*plain, *secured)):
        lines, agreed = answered(offer(*media), ring())
        assert agreed.remote[1] == 4000
        assert agreed.cipher is not None
        assert "m=audio 0 RTP/AVP 0" in lines


def test_of_two_streams_the_plain_one_is_used_where_keys_cannot_be_agreed() -> None:
    both = offer("m=audio 4000 RTP/SAVP 0", f"a=crypto:{LINE} UNENCRYPTED_SRTP", "m=audio 4002 RTP/AVP 0")
    lines, agreed = answered(both, ring())
    assert agreed.remote[1] == 4002
    assert agreed.cipher is None
    assert "m=audio 0 RTP/SAVP 0" in lines
    assert not any(line.startswith("a=crypto") for line in lines)
    with pytest.raises(SdpError, match="UNENCRYPTED_SRTP"):
        answered(both, ring("require"))


@pytest.mark.parametrize(
    ("media", "wish", "reason"),
    [
        (("m=audio 4000 RTP/SAVP 0", f"a=crypto:{LINE}"), "off", "switched off"),
        (("m=audio 4000 RTP/SAVP 0",), "accept", "no a=crypto"),
        (("m=audio 4000 RTP/SAVP 0", f"a=crypto:{LINE}|2^20|1:4"), "accept", "MKI"),
        (("m=audio 4000 RTP/SAVP 0", f"a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}"), "accept", "not known"),
        (("m=audio 4000 RTP/AVP 0",), "require", "must be"),
        (("m=audio 4000 RTP/AVP 0", f"a=crypto:{LINE} KDR=3"), "require", "KDR"),
    ],
)
def test_keys_that_cannot_be_agreed_on(media: tuple[str, ...], wish: Wish, reason: str) -> None:
    """RFC 4568 5.1.2: "If the answerer cannot find any valid crypto line that it supports, ... it MUST reject the media stream"."""
    with pytest.raises(SdpError, match=reason) as error:
        answered(offer(*media), ring(wish))
    assert KEY not in str(error.value)


def test_opportunistic_keys_that_cannot_be_used_leave_the_call_plain() -> None:
    lines, agreed = answered(offer("m=audio 4000 RTP/AVP 0", f"a=crypto:{LINE}|1:4"), ring())
    assert agreed.cipher is None
    assert not any(line.startswith("a=crypto") for line in lines)
    assert answered(offer("m=audio 4000 RTP/AVP 0", f"a=crypto:{LINE}"), ring("off"))[1].cipher is None


def test_a_tag_that_stands_twice_counts_once() -> None:
    """RFC 4568 4.1: the tag is unique among the lines of a stream."""
    cryptos = (f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1", f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{OTHER}")
    assert answered(offer("m=audio 4000 RTP/SAVP 0", *cryptos), ring())[1].cipher is not None
    keys = ring(suites=SUITES[2:])
    twice = (f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}", f"a=crypto:1 AEAD_AES_128_GCM inline:{'A' * 38}==")
    with pytest.raises(SdpError, match="tag 1 stands twice"):
        answered(offer("m=audio 4000 RTP/SAVP 0", *twice), keys)


def test_our_own_key_is_no_key_of_theirs() -> None:
    """RFC 3711 9.1: two streams under one key and SSRC are a pad used twice."""
    keys = Keyring("accept", SUITES, lambda size: parse_crypto(LINE).key[:size])
    with pytest.raises(SdpError, match="one key"):
        answered(offer("m=audio 4000 RTP/SAVP 0", f"a=crypto:{LINE}"), keys)


# Offers that we make.


def test_round_trip_of_what_is_insisted_on() -> None:
    ours, theirs = ring("require"), Keyring("accept", SUITES, lambda size: b"\x99" * size)
    text = make_offer(HERE, session=1, version=1, keys=ours)
    assert "m=audio 20000 RTP/SAVP 0 8 101" in text
    assert text.count("a=crypto:") == len(SUITES)
    answer, there = make_answer(parse_sdp(text, theirs), THERE, session=3, version=4, keys=theirs)
    here = read_answer(parse_sdp(answer, ours), keys=ours)
    assert here.cipher is not None
    assert there.cipher is not None
    assert (here.cipher.sends, here.cipher.receives) == (there.cipher.receives, there.cipher.sends)
    assert here.cipher.suite == SUITES[0]


def test_each_suite_of_an_offer_has_a_key_of_its_own() -> None:
    lines = [line for line in make_offer(HERE, session=1, version=1, keys=ring("offer")).split("\r\n") if line.startswith("a=crypto")]
    assert len({parse_crypto(line.removeprefix("a=crypto:")).key[:28] for line in lines}) == len(SUITES)


def test_what_is_only_offered_may_be_answered_without() -> None:
    """RFC 8643 3.1: an offer of RTP/AVP with keys; an answer without any says that the stream is plain."""
    keys = ring("offer")
    text = make_offer(HERE, session=1, version=1, keys=keys)
    assert "m=audio 20000 RTP/AVP 0 8 101" in text
    plain, _ = make_answer(parse_sdp(text), THERE, session=3, version=4)
    assert read_answer(parse_sdp(plain, keys), keys=keys).cipher is None
    secured, _ = make_answer(parse_sdp(text), THERE, session=3, version=4, keys=Keyring("accept", SUITES, lambda size: b"\x99" * size))
    assert read_answer(parse_sdp(secured, keys), keys=keys).cipher is not None


def test_what_is_insisted_on_is_not_answered_without() -> None:
    keys = ring("require")
    make_offer(HERE, session=1, version=1, keys=keys)
    with pytest.raises(SdpError, match="must be"):
        read_answer(parse_sdp(offer("m=audio 4000 RTP/AVP 0"), keys), keys=keys)


@pytest.mark.parametrize(
    ("cryptos", "reason"),
    [
        ([], "no a=crypto"),
        ([f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"], "not offered"),
        ([f"a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"], "not offered"),
        ([f"a=crypto:{LINE}", f"a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"], "one a=crypto"),
    ],
)
def test_answers_that_choose_what_they_may_not(cryptos: list[str], reason: str) -> None:
    """RFC 4568 5.1.3: one line, with tag and suite of one that was offered."""
    keys = ring("require")
    make_offer(HERE, session=1, version=1, keys=keys)
    with pytest.raises(SdpError, match=reason):
        read_answer(parse_sdp(offer("m=audio 4000 RTP/SAVP 0", *cryptos), keys), keys=keys)


def crypto(tag: int, suite: str, letter: str) -> str:
    """A line of a far end."""
    return Crypto(tag, suite, letter.encode() * sdes.KEY_BYTES[suite]).line()


def taken(keys: Keyring, *lines: str) -> Agreement | None:
    """What the far end's answer with these lines means."""
    return read_answer(parse_sdp(offer("m=audio 4000 RTP/SAVP 0", *(f"a={line}" for line in lines)), keys), keys=keys).cipher


def test_every_answer_to_an_offer_may_choose_of_all_its_lines() -> None:
    """RFC 4568 5.1.3: tag and suite are those of an offered line, also in the 200 that repeats its 183, and in that of another fork."""
    keys = ring("require")
    make_offer(HERE, session=1, version=1, keys=keys)
    early = taken(keys, crypto(2, SUITES[1], "x"))
    assert early is not None
    assert taken(keys, crypto(2, SUITES[1], "x")) == early
    fork = taken(keys, crypto(3, SUITES[2], "y"))
    assert fork is not None
    assert (fork.suite, fork.sends == early.sends) == (SUITES[2], False)
    assert taken(keys, crypto(2, SUITES[1], "x")) == early
    with pytest.raises(SdpError, match="not offered"):
        taken(keys, crypto(2, SUITES[0], "x"))
    make_offer(HERE, session=1, version=2, keys=keys)
    assert taken(keys, crypto(1, SUITES[1], "x")) == early


def test_an_answer_of_ours_that_is_sent_again_as_an_offer_may_be_answered() -> None:
    """RFC 4028 7.4: a refresh repeats the description as it was; RFC 4568 5.1.3: its answer has the tag that we wrote."""
    keys = ring("accept")
    _, agreed = answered(
        offer("m=audio 4000 RTP/SAVP 0", f"a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}", f"a={crypto(3, SUITES[1], 'x')}"), keys
    )
    assert taken(keys, crypto(3, SUITES[1], "x")) == agreed.cipher
    with pytest.raises(SdpError, match="not offered"):
        taken(keys, crypto(1, SUITES[0], "x"))


def test_a_new_offer_keeps_our_key_suite_and_profile() -> None:
    """RFC 4568 7.1.4: a key that is not to change is repeated."""
    keys = ring("accept")
    _, first = answered(offer("m=audio 4000 RTP/SAVP 0", f"a=crypto:3 AEAD_AES_128_GCM inline:{'A' * 38}==", f"a=crypto:{LINE}"), keys)
    assert first.cipher is not None
    assert first.cipher.suite == "AEAD_AES_128_GCM"
    hold = make_offer(HERE, session=1, version=2, direction="sendonly", keys=keys)
    assert "m=audio 20000 RTP/SAVP 0 8 101" in hold
    lines = [line for line in hold.split("\r\n") if line.startswith("a=crypto")]
    assert [parse_crypto(line.removeprefix("a=crypto:")).key for line in lines] == [first.cipher.sends]
    _, again = answered(offer("m=audio 4000 RTP/SAVP 0", f"a=crypto:1 AEAD_AES_128_GCM inline:{'B' * 38}=="), keys)
    assert again.cipher is not None
    assert again.cipher.sends == first.cipher.sends
    assert again.cipher.receives != first.cipher.receives


def test_a_stream_that_becomes_plain_stays_so_in_our_offers() -> None:
    keys = ring("accept")
    answered(offer("m=audio 4000 RTP/SAVP 0", f"a=crypto:{LINE}"), keys)
    answered(offer("m=audio 4000 RTP/AVP 0"), keys)
    assert "a=crypto" not in make_offer(HERE, session=1, version=2, keys=keys)


def test_without_a_library_nothing_is_offered_or_taken() -> None:
    keys = Keyring("offer", (), bytes)
    assert "a=crypto" not in make_offer(HERE, session=1, version=1, keys=keys)
    with pytest.raises(SdpError, match="switched off"):
        answered(offer("m=audio 4000 RTP/SAVP 0", f"a=crypto:{LINE}"), keys)
