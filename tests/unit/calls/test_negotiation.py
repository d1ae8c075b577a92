"""A call's descriptions, one after the other (RFC 3264 8)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hubbub.calls.negotiation import Negotiation

SUITE = "AES_CM_128_HMAC_SHA1_80"
KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
MEDIA = ("m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/SAVP 120 0", "a=rtpmap:120 opus/48000/2", f"a=crypto:4 {SUITE} inline:{KEY}")
OFFER = "\r\n".join(["v=0", "o=- 1 1 IN IP4 198.51.100.7", "s=-", "c=IN IP4 198.51.100.7", "t=0 0", *MEDIA, "m=image 4004 udptl t38", ""])


def test_a_change_without_a_description_gets_one_of_the_shape_that_was_agreed() -> None:
    """RFC 3264 8: as many m-lines as before; 8.3.2: the same payload types; RFC 4568 7.1.4: the same key."""
    leg = SimpleNamespace(local=("192.0.2.1", 20000), connect=lambda *_, **more: None)
    negotiation = Negotiation(cast(Any, leg), codecs=("PCMU", "OPUS"), suites=(SUITE,), srtp="accept", random=bytes)
    answer = negotiation.answer(OFFER).split("\r\n")
    again = negotiation.offer().split("\r\n")
    assert [line for line in answer if line[:2] == "m="] == ["m=audio 0 RTP/AVP 0", "m=audio 20000 RTP/SAVP 120", "m=image 0 udptl t38"]
    lines = [line for line in again if line[:2] == "m="]
    assert (lines[0], lines[2]) == ("m=audio 0 RTP/AVP 0", "m=image 0 udptl t38")
    assert lines[1].startswith("m=audio 20000 RTP/SAVP 0 120 ")
    assert [line.split()[1:] for line in again if "crypto" in line] == [line.split()[1:] for line in answer if "crypto" in line]
    assert again[1] == answer[1].replace(" 1 IN", " 2 IN"), "the session is the same, its version the next"
