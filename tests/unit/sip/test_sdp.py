"""SDP: RFC 8866 (syntax), RFC 3264 (offer and answer), RFC 4733 (telephone-event)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.sip import sdp
from hubbub.sip.description import Direction, SdpError, parse_sdp
from hubbub.sip.sdp import make_answer, make_offer, read_answer

HERE = ("192.0.2.1", 20000)


def offer(*media: str, session: str = "c=IN IP4 198.51.100.7", end: str = "\r\n") -> str:
    return end.join(["v=0", "o=- 1 1 IN IP4 198.51.100.7", "s=-", session, "t=0 0", *media, ""])


def answered(text: str, **more: object) -> tuple[list[str], sdp.Agreed]:
    answer, agreed = make_answer(parse_sdp(text), HERE, session=5, version=6, **more)  # type: ignore[arg-type]
    return answer.split("\r\n"), agreed


AUDIO = ("m=audio 4000 RTP/AVP 8 0 101", "a=rtpmap:101 telephone-event/8000")


def test_round_trip_of_offer_and_answer() -> None:
    text = make_offer(HERE, session=1, version=2)
    answer, there = make_answer(parse_sdp(text), ("198.51.100.7", 4000), session=3, version=4)
    here = read_answer(parse_sdp(answer), ("PCMU", "PCMA"))
    assert there == sdp.Agreed("PCMU", 0, 101, 20, HERE, send=True, receive=True, mux=True)
    assert here == sdp.Agreed("PCMU", 0, 101, 20, ("198.51.100.7", 4000), send=True, receive=True, mux=True)


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_line_ends_and_static_types_without_rtpmap(end: str) -> None:
    lines, agreed = answered(offer(*AUDIO, end=end))
    assert (agreed.codec_name, agreed.payload_type, agreed.telephone_event) == ("PCMA", 8, 101)
    assert agreed.remote == ("198.51.100.7", 4000)
    assert "m=audio 20000 RTP/AVP 8 101" in lines
    assert "a=rtpmap:8 PCMA/8000" in lines


def test_answer_takes_the_order_of_the_offer_and_our_codecs() -> None:
    """RFC 3264 6.1: the answerer uses the payload types of the offer; the first is the preferred one."""
    assert answered(offer("m=audio 4000 RTP/AVP 0 8"))[1].codec_name == "PCMU"
    assert answered(offer("m=audio 4000 RTP/AVP 0 8"), codecs=("PCMA",))[1].codec_name == "PCMA"
    with pytest.raises(SdpError, match="no codec in common: PCMU, PCMA here, G729 there"):
        answered(offer("m=audio 4000 RTP/AVP 18", "a=rtpmap:18 G729/8000"))


def test_dynamic_numbers_are_those_of_the_offer() -> None:
    lines, agreed = answered(
        offer("m=audio 4000 RTP/AVP 120 96 97", "a=rtpmap:120 opus/48000/2", "a=rtpmap:96 pcmu/8000", "a=rtpmap:97 telephone-event/8000")
    )
    assert (agreed.payload_type, agreed.telephone_event) == (96, 97)
    assert "m=audio 20000 RTP/AVP 96 97" in lines
    assert "a=fmtp:97 0-15" in lines


def test_wideband_telephone_event_is_not_ours() -> None:
    assert answered(offer("m=audio 4000 RTP/AVP 0 100", "a=rtpmap:100 telephone-event/16000"))[1].telephone_event is None


def test_a_static_number_may_be_mapped_anew() -> None:
    with pytest.raises(SdpError, match="G722"):
        answered(offer("m=audio 4000 RTP/AVP 0", "a=rtpmap:0 G722/8000"))


@pytest.mark.parametrize(
    ("attribute", "answer", "send", "receive"),
    [
        ("sendrecv", "sendrecv", True, True),
        ("sendonly", "recvonly", False, True),
        ("recvonly", "sendonly", True, False),
        ("inactive", "inactive", False, False),
    ],
)
@pytest.mark.parametrize("level", ["session", "media"])
def test_direction_at_both_levels(attribute: str, answer: str, send: bool, receive: bool, level: str) -> None:
    """RFC 3264 6.1: sendonly is answered with recvonly, inactive with inactive."""
    text = offer(*AUDIO, f"a={attribute}") if level == "media" else offer(f"a={attribute}", *AUDIO)
    lines, agreed = answered(text)
    assert f"a={answer}" in lines
    assert (agreed.send, agreed.receive) == (send, receive)


def test_media_direction_outranks_the_session() -> None:
    assert parse_sdp(offer("a=inactive", *AUDIO, "a=sendrecv")).direction == "sendrecv"


def test_hold_by_address() -> None:
    """RFC 3264 8.4: 0.0.0.0 means neither RTP nor RTCP should be sent."""
    lines, agreed = answered(offer(*AUDIO, session="c=IN IP4 0.0.0.0"))
    assert "a=recvonly" in lines
    assert not agreed.send
    assert agreed.receive


def test_connection_of_the_media_outranks_the_session() -> None:
    assert parse_sdp(offer(AUDIO[0], "c=IN IP4 203.0.113.9")).address == "203.0.113.9"
    assert parse_sdp(offer(*AUDIO, session="c=IN IP6 2001:db8::1")).address == "2001:db8::1"
    assert parse_sdp(offer(*AUDIO, session="c=IN IP4 198.51.100.7/127")).address == "198.51.100.7"


def test_other_media_are_rejected_and_all_lines_answered() -> None:
    """RFC 3264 6: as many m-lines in the same order; a rejected stream has port 0."""
    lines, agreed = answered(
        offer(
            "m=video 5000 RTP/AVP 96",
            "a=rtpmap:96 VP8/90000",
            *AUDIO,
            "m=audio 6000 RTP/AVP 0",
            "m=image 7000 udptl t38",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        )
    )
    assert [line for line in lines if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 96",
        "m=audio 20000 RTP/AVP 8 101",
        "m=audio 0 RTP/AVP 0",
        "m=image 0 udptl t38",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ]
    assert agreed.remote[1] == 4000


def test_the_transport_is_repeated_as_it_was_written() -> None:
    """RFC 3264 6: the answer's transport is that of the offer; some compare it letter by letter."""
    lines, agreed = answered(offer("m=audio 4000 rtp/avp 0", "m=audio 4002 rtp/savp 0", "m=image 4004 udptl t38"))
    assert agreed.remote[1] == 4000
    assert [line for line in lines if line.startswith("m=")] == ["m=audio 20000 rtp/avp 0", "m=audio 0 rtp/savp 0", "m=image 0 udptl t38"]
    assert parse_sdp(offer("m=audio 4000 rtp/avpf 0")).profile == "RTP/AVPF"


def test_a_new_offer_has_the_shape_of_what_was_agreed() -> None:
    """RFC 3264 8: m-lines stay where they are, those that are not used with port 0."""
    outline = sdp.Outline()
    first = offer("m=audio 4000 RTP/SAVP 0", "m=audio 4002 rtp/avpf 0 8", "m=image 4004 udptl t38")
    make_answer(parse_sdp(first), HERE, session=5, version=6, outline=outline)
    again = make_offer(HERE, session=5, version=7, outline=outline)
    assert [line for line in again.split("\r\n") if line.startswith("m=")] == [
        "m=audio 0 RTP/SAVP 0",
        "m=audio 20000 rtp/avpf 0 8 101",
        "m=image 0 udptl t38",
    ]


def test_payload_types_of_a_call_keep_their_meaning() -> None:
    """RFC 3264 8.3.2: "the mapping from a particular dynamic payload type number to a particular codec ... MUST NOT change"."""
    outline, codecs = sdp.Outline(), ("OPUS", "L16/16000", "L16/8000", "PCMU", "G722")
    maps = ["96 speex/8000", "101 speex/16000", "97 telephone-event/48000", "111 opus/48000/2", "112 opus/48000/2", "98 L16/8000"]
    theirs = offer("m=audio 4000 RTP/AVP 96 101 111 112 98 97 9", *(f"a=rtpmap:{line}" for line in maps))
    make_answer(parse_sdp(theirs), HERE, codecs=codecs, session=5, version=6, outline=outline)
    offers = [make_offer(HERE, codecs=order, session=5, version=7, outline=outline) for order in (codecs, codecs[::-1])]
    for ours in offers:
        means = {item.number: (item.name, item.rate) for item in parse_sdp(ours).payloads}
        assert {96, 101, 112}.isdisjoint(means)
        known = {111: ("OPUS", 48000), 98: ("L16", 8000), 97: ("TELEPHONE-EVENT", 48000), 0: ("PCMU", 8000), 9: ("G722", 8000)}
        assert known.items() <= means.items()
        assert sorted(means.values()) == sorted([*known.values(), ("L16", 16000), ("TELEPHONE-EVENT", 8000), ("TELEPHONE-EVENT", 16000)])
    assert parse_sdp(offers[0]).payloads[1] == parse_sdp(offers[1]).payloads[3]


def test_an_offer_that_leaves_no_payload_type_is_no_trap() -> None:
    outline = sdp.Outline()
    for shift in range(40):
        numbers = [96 + (n + shift) % 32 for n in range(32)]
        maps = (f"a=rtpmap:{number} speex/{8000 + number}" for number in numbers[1:])
        theirs = offer(f"m=audio 4000 RTP/AVP {' '.join(map(str, numbers))} 0", f"a=rtpmap:{numbers[0]} opus/48000/2", *maps)
        make_answer(parse_sdp(theirs), HERE, codecs=("OPUS", "PCMU"), session=5, version=6, outline=outline)
        ours = parse_sdp(make_offer(HERE, codecs=("OPUS", "L16/8000", "L16/16000", "PCMU"), session=5, version=7, outline=outline))
        assert len({item.number for item in ours.payloads}) == len(ours.payloads) == 7
        assert ours.payloads[0].number == numbers[0]


def test_plain_audio_beside_encrypted_audio_is_used() -> None:
    lines, agreed = answered(offer("m=audio 4000 RTP/SAVP 0", "m=audio 4002 RTP/AVP 0"))
    assert agreed.remote[1] == 4002
    assert "m=audio 0 RTP/SAVP 0" in lines


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ((), 20),
        (("a=ptime:30",), 30),
        (("a=ptime:35",), 30),
        (("a=ptime:5",), 10),
        (("a=ptime:200",), 60),
        (("a=maxptime:10",), 10),
        (("a=ptime:x",), 20),
    ],
)
def test_packet_time(attributes: tuple[str, ...], expected: int) -> None:
    assert answered(offer(*AUDIO, *attributes))[1].ptime == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("hello", "line 1 is not SDP"),
        ("o=x", "does not begin with v=0"),
        (offer(), "no audio stream"),
        (offer("m=audio 0 RTP/AVP 0"), r"rejected \(port 0\)"),
        (offer("m=audio 4000 RTP/SAVP 0"), "keys cannot be agreed on"),
        (offer("m=audio 4000 UDP/TLS/RTP/SAVPF 0"), "not supported, only RTP/AVP"),
        (offer("m=audio 4000"), "m= needs media, port, protocol and formats"),
        (offer("m=audio 70000 RTP/AVP 0"), "m= needs"),
        (offer("m=audio 4000 RTP/AVP 300"), "is not a payload type"),
        (offer(*AUDIO, session="c=IN IP4 phone.example"), "is not an IP address"),
        (offer(*AUDIO, session="c=IN IP4 224.1.2.3/127"), "multicast"),
        (offer(*AUDIO, session="b=AS:64"), "no c= line"),
        ("v=0\r\n" + "a=x\r\n" * 10_000, "more than"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(SdpError, match=message):
        parse_sdp(text)


def test_our_offer_on_hold_is_answered_by_listening() -> None:
    answer, agreed = make_answer(parse_sdp(make_offer(HERE, session=1, version=2, direction="sendonly")), HERE, session=1, version=1)
    assert "a=recvonly" in answer
    mine = read_answer(parse_sdp(answer))
    assert (mine.send, mine.receive) == (True, False)
    assert not agreed.send


LINES = st.one_of(
    st.sampled_from(["v=0", "s=-", "t=0 0", *AUDIO, "c=IN IP4 1.2.3.4", "c=IN IP6 ::1", "a=sendonly", "a=ptime:20", "m=audio 1 RTP/AVP"]),
    st.builds(lambda kind, rest: f"{kind}={rest}", st.sampled_from("vosctmaby"), st.text(max_size=40)),
    st.builds(lambda *parts: "m=audio " + " ".join(parts), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8)),
    st.builds(lambda number, rest: f"a=rtpmap:{number} {rest}", st.integers(), st.text(max_size=20)),
    st.text(max_size=60),
)


@given(st.one_of(st.text(), st.lists(LINES, max_size=14).map(lambda lines: "\r\n".join(["v=0", *lines]))))
def test_nothing_but_sdp_error(text: str) -> None:
    try:
        media = parse_sdp(text)
        answer, _ = make_answer(media, HERE, session=1, version=1)
    except SdpError:
        return
    assert parse_sdp(answer).port == HERE[1]


@given(
    port=st.integers(1, 65535),
    codecs=st.permutations(["PCMU", "PCMA"]).flatmap(lambda both: st.integers(1, 2).map(lambda count: tuple(both[:count]))),
    direction=st.sampled_from(list(sdp.MIRROR)),
    event=st.one_of(st.none(), st.integers(96, 127)),
)
def test_every_offer_of_ours_can_be_answered(port: int, codecs: tuple[str, ...], direction: Direction, event: int | None) -> None:
    text = make_offer(("127.0.0.1", port), codecs=codecs, session=1, version=1, direction=direction, telephone_event=event)
    answer, agreed = make_answer(parse_sdp(text), HERE, session=2, version=2)
    assert agreed.remote == ("127.0.0.1", port)
    assert agreed.codec_name == codecs[0]
    assert agreed.telephone_event == event
    assert read_answer(parse_sdp(answer), codecs).codec_name == codecs[0]


def test_opus_is_offered_and_answered_with_what_we_can_play() -> None:
    """RFC 7587 7: the name is always opus/48000/2; telephone-events at each clock in the offer."""
    text = make_offer(HERE, codecs=("OPUS", "PCMU"), session=1, version=1)
    assert "m=audio 20000 RTP/AVP 96 0 101 97" in text
    assert "a=rtpmap:96 opus/48000/2\r\n" in text
    assert "a=fmtp:96 minptime=10;useinbandfec=1;maxplaybackrate=16000" in text
    assert "a=rtpmap:101 telephone-event/48000" in text
    assert "a=rtpmap:97 telephone-event/8000" in text
    answer, there = make_answer(parse_sdp(text), HERE, codecs=("PCMU", "OPUS"), session=2, version=1)
    assert (there.codec_name, there.payload_type, there.telephone_event, there.event_rate) == ("OPUS", 96, 101, 48000)
    assert there.parameters == {"minptime": "10", "useinbandfec": "1", "maxplaybackrate": "16000", "sprop-maxcapturerate": "16000"}
    here = read_answer(parse_sdp(answer), ("OPUS", "PCMU"))
    assert (here.codec_name, here.payload_type, here.telephone_event, here.event_rate) == ("OPUS", 96, 101, 48000)


def test_opus_beside_events_of_8_khz_only() -> None:
    """Phones that name telephone-event/8000 alone mean it for Opus too; one at 48 kHz is preferred (RFC 4733 2.1)."""
    opus = ("m=audio 4000 RTP/AVP 120 97 98", "a=rtpmap:120 OPUS/48000/2", "a=fmtp:120 cbr=1; maxaveragebitrate=20000")
    lines, agreed = answered(offer(*opus, "a=rtpmap:97 telephone-event/8000"), codecs=("OPUS",))
    assert (agreed.telephone_event, agreed.event_rate) == (97, 8000)
    assert "a=rtpmap:97 telephone-event/8000" in lines
    assert agreed.parameters == {"cbr": "1", "maxaveragebitrate": "20000"}
    lines, agreed = answered(offer(*opus, "a=rtpmap:97 telephone-event/8000", "a=rtpmap:98 telephone-event/48000"), codecs=("OPUS",))
    assert (agreed.telephone_event, agreed.event_rate) == (98, 48000)


def test_opus_of_another_name_is_not_opus() -> None:
    with pytest.raises(SdpError, match="no codec in common"):
        answered(offer("m=audio 4000 RTP/AVP 120", "a=rtpmap:120 opus/48000"), codecs=("OPUS",))


def test_reports_go_to_the_next_port_or_where_they_are_wanted() -> None:
    """RFC 3550 11, RFC 3605, RFC 5761 5.1.1: multiplexed only when it was offered."""
    assert "a=rtcp-mux" in make_offer(HERE, session=1, version=1)
    for more, mux, reports in (
        ((), False, ("198.51.100.7", 4001)),
        (("a=rtcp:5005",), False, ("198.51.100.7", 5005)),
        (("a=rtcp:5005 IN IP4 198.51.100.8",), False, ("198.51.100.8", 5005)),
        (("a=rtcp:nonsense",), False, ("198.51.100.7", 4001)),
        (("a=rtcp:5005", "a=rtcp-mux"), True, None),
    ):
        lines, agreed = answered(offer(*AUDIO, *more))
        assert (agreed.mux, agreed.reports) == (mux, reports)
        assert ("a=rtcp-mux" in lines) == mux
