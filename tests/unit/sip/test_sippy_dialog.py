"""Inside a dialog: a bare socket says what endpoints never say. Every wait is for an event."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.sip_peers import (
    OFFER,
    Inbox,
    Start,
    Wire,
    answer_to,
    called,
    dialog,
    header,
    to_tag,
)

from hubbub.sip import digest
from hubbub.sip.endpoint import SipEnd


async def test_late_offer(start: Start) -> None:
    """RFC 3261 13.3.1: an INVITE without offer gets one in the 200; the answer is in the ACK."""
    server = await start()
    inbox = Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    wire = await Wire().open(server)
    response = await wire.ask("INVITE")
    there = await inbox.next()
    assert there.call.remote_sdp is None
    assert "m=audio 5000 RTP/AVP 0 8 101" in response
    wire.ack(response, body=OFFER)
    assert await there.next("answer") == (OFFER,)
    there.call.on_offer = lambda offer: answer_to(offer, 3)
    again = await wire.ask("INVITE", to_tag=to_tag(response))
    assert again.startswith("SIP/2.0 200")
    assert "m=audio 5000 RTP/AVP 0 8 101" in again  # a re-INVITE without SDP gets an offer too (14.2)
    wire.ack(again, body=OFFER)
    assert await there.next("answer") == (OFFER,)
    assert (await wire.ask("BYE", to_tag=to_tag(response))).startswith("SIP/2.0 200")
    assert (await there.end()).by == "remote"


async def test_route_set_of_the_answer_is_used_for_ack_bye_and_re_invite(start: Start) -> None:
    """RFC 3261 12.1.2: Record-Route reversed; a re-INVITE's 2xx that carries none leaves the route set as it is."""
    callee, here = await called(start)
    invite = await callee.expect("INVITE")
    port = callee.wire.port
    routes = (f"Record-Route: <sip:10.0.0.9;lr>, <sip:127.0.0.1:{port};lr>",)
    callee.respond(invite, "200 OK", *routes, body=answer_to(OFFER))
    expected = f"<sip:127.0.0.1:{port};lr>, <sip:10.0.0.9;lr>"
    ack = await callee.expect("ACK")
    assert ack.startswith(f"ACK sip:callee@127.0.0.1:{port} SIP/2.0")
    assert header(ack, "Route") == expected
    await here.next("answer")
    change = asyncio.ensure_future(here.call.reinvite(OFFER))
    again = await callee.expect("INVITE")
    assert header(again, "Route") == expected
    callee.respond(again, "200 OK", body=answer_to(OFFER))
    assert header(await callee.expect("ACK"), "Route") == expected
    assert "m=audio" in await change
    here.call.hangup()
    bye = await callee.expect("BYE")
    assert header(bye, "Route") == expected
    callee.respond(bye, "200 OK")


async def test_strict_router(start: Start) -> None:
    """RFC 3261 12.2.1.1: without `lr` the first route becomes the Request-URI and the target the last Route."""
    callee, here = await called(start)
    port = callee.wire.port
    callee.respond(await callee.expect("INVITE"), "200 OK", f"Record-Route: <sip:old@127.0.0.1:{port}>", body=answer_to(OFFER))
    ack = await callee.expect("ACK")
    assert ack.startswith(f"ACK sip:old@127.0.0.1:{port} SIP/2.0")
    assert header(ack, "Route") == f"<sip:callee@127.0.0.1:{port}>"
    await here.next("answer")


async def test_proxy_challenge_is_answered_after_the_ack(start: Start) -> None:
    callee, here = await called(start, username="trunk", password="sesame")
    invite = await callee.expect("INVITE")
    callee.respond(
        invite, "407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="t", nonce="n", qop="auth", algorithm=SHA-256'
    )
    assert (await callee.wire.receive()).startswith("ACK")
    second = await callee.expect("INVITE")
    given = digest.parse(header(second, "Proxy-Authorization"))
    assert given is not None
    assert given["response"] == digest.response(given, username="trunk", password="sesame", method="INVITE")
    assert int(header(second, "CSeq").split()[0]) == int(header(invite, "CSeq").split()[0]) + 1
    assert header(second, "Call-ID") == header(invite, "Call-ID")
    callee.respond(
        second, "407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="t", nonce="m", qop="auth", algorithm=SHA-256'
    )
    assert (await here.end()).code == 407  # the password is wrong: asked once, not for ever


async def test_bye_from_on_answer_does_not_overtake_the_ack(start: Start) -> None:
    callee, here = await called(start)
    here.call.on_answer = lambda _: here.call.hangup()
    callee.respond(await callee.expect("INVITE"), "200 OK", body=answer_to(OFFER))
    assert (await callee.wire.receive()).startswith("ACK")
    assert (await callee.wire.receive()).startswith("BYE")


async def test_early_answer_stands_for_a_200_without_sdp(start: Start) -> None:
    callee, here = await called(start)
    invite = await callee.expect("INVITE")
    callee.respond(invite, "183 Session Progress", body=answer_to(OFFER))
    assert await here.next("progress") == (183, answer_to(OFFER))
    callee.respond(invite, "200 OK")
    assert await here.next("answer") == (answer_to(OFFER),)


async def test_nobody_answers_the_invite(start: Start) -> None:
    """RFC 3261 17.1.1.2: timer B (32 s) ends the transaction; here it is pulled by hand."""
    callee, here = await called(start)
    await callee.expect("INVITE")
    transactions = callee.endpoint.transactions
    (transaction,) = transactions.tclient.values()
    transactions.timerB(transaction)
    assert await here.end() == SipEnd(408, "Request Timeout", "error", False)


async def test_rings_for_ever(start: Start) -> None:
    """RFC 3261 9.1: a ringing INVITE that is given up is cancelled."""
    callee, here = await called(start)
    callee.respond(await callee.expect("INVITE"), "180 Ringing")
    await here.next("progress")
    transactions = callee.endpoint.transactions
    (transaction,) = transactions.tclient.values()
    transactions.timerB(transaction)
    assert (await here.end()).code == 408
    await callee.expect("CANCEL")


async def test_no_ack_ends_the_call_with_bye(start: Start) -> None:
    """RFC 3261 13.3.1.4: no ACK in 64*T1: the session should be terminated with BYE; timer pulled by hand."""
    server = await start()
    inbox = Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    wire = await Wire().open(server)
    assert (await wire.ask("INVITE", body=OFFER)).startswith("SIP/2.0 200")
    (transaction,) = server.transactions.tserver.values()
    server.transactions.timerD(transaction)
    assert await (await inbox.next()).end() == SipEnd(408, "No ACK", "error", True)
    while not (got := await wire.receive()).startswith("BYE"):
        assert got.startswith("SIP/2.0 200")


async def test_lost_dialog_ends_the_call(start: Start) -> None:
    """RFC 3261 12.2.1.2: 481 to a request in a dialog means that the other side knows no such call."""
    callee, here = await called(start)
    callee.respond(await callee.expect("INVITE"), "200 OK", body=answer_to(OFFER))
    await here.next("answer")
    asked = asyncio.ensure_future(here.call.info("application/dtmf", "1"))
    await callee.expect("ACK")
    callee.respond(await callee.expect("INFO"), "481 Gone")
    assert await asked == 481
    end = await here.end()
    assert (end.code, end.by, end.answered) == (481, "error", True)


async def test_session_timer_of_the_other_side_is_kept(start: Start) -> None:
    """RFC 4028 7.2: the 200 may make us the refresher; an UPDATE without SDP does it where it is allowed."""
    callee, here = await called(start)
    headers = ("Session-Expires: 1800;refresher=uac", "Require: timer", "Allow: INVITE, UPDATE, BYE")
    callee.respond(await callee.expect("INVITE"), "200 OK", *headers, body=answer_to(OFFER))
    await here.next("answer")
    await callee.expect("ACK")
    here.call._send_refresh()  # type: ignore[attr-defined]
    update = await callee.expect("UPDATE")
    assert header(update, "Session-Expires") == "1800;refresher=uac"
    callee.respond(update, "200 OK", "Session-Expires: 1800;refresher=uac")
    here.call._refresh_missed()  # type: ignore[attr-defined]
    assert await here.end() == SipEnd(408, "Session timer expired", "error", True)
    assert "Session timer" in header(await callee.expect("BYE"), "Reason")


async def test_the_answer_to_a_refresh_is_heard(start: Start) -> None:
    """RFC 4028 7.4: a re-INVITE that refreshes is an offer like any other; its answer may name another address, or another key."""
    callee, here = await called(start)
    headers = ("Session-Expires: 1800;refresher=uac", "Require: timer", "Allow: INVITE, BYE")
    callee.respond(await callee.expect("INVITE"), "200 OK", *headers, body=answer_to(OFFER))
    await here.next("answer")
    await callee.expect("ACK")
    here.call._send_refresh()  # type: ignore[attr-defined]
    callee.respond(await callee.expect("INVITE"), "200 OK", body=answer_to(OFFER).replace("c=IN IP4 127.0.0.1", "c=IN IP4 127.0.0.9"))
    assert "127.0.0.9" in str(await here.next("answer"))


async def test_offer_that_collides_is_tried_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 3261 14.1: after 491 wait a random while and try again."""
    monkeypatch.setattr("hubbub.sip.sippy_call.random.uniform", lambda *_: 0.0)
    callee, here = await called(start)
    callee.respond(await callee.expect("INVITE"), "200 OK", body=answer_to(OFFER))
    await here.next("answer")
    await callee.expect("ACK")
    change = asyncio.ensure_future(here.call.reinvite(OFFER))
    callee.respond(await callee.expect("INVITE"), "491 Request Pending")
    assert (await callee.wire.receive()).startswith("ACK")
    callee.respond(await callee.expect("INVITE"), "200 OK", body=answer_to(OFFER))
    assert "m=audio" in await change


async def test_update(start: Start) -> None:
    """RFC 3311 with SDP, RFC 4028 without: 200 with Session-Expires and Require: timer."""
    wire, there, tag = await dialog(start)
    response = await wire.ask("UPDATE", "Session-Expires: 1800", "Supported: timer", to_tag=tag)
    assert response.startswith("SIP/2.0 200")
    assert header(response, "Session-Expires") == "1800;refresher=uac"
    assert header(response, "Require") == "timer"
    response = await wire.ask("UPDATE", to_tag=tag, body=OFFER.replace("sendrecv", "sendonly"))
    assert "a=recvonly" in response
    response = await wire.ask("UPDATE", "x: 30", to_tag=tag)
    assert response.startswith("SIP/2.0 422")
    assert header(response, "Min-SE") == "90"
    there.call.on_offer = lambda _: None
    assert (await wire.ask("UPDATE", to_tag=tag, body=OFFER)).startswith("SIP/2.0 488")


async def test_in_dialog_requests_are_never_dropped(start: Start) -> None:
    wire, there, tag = await dialog(start)
    for method, code in (("PRACK", 405), ("MESSAGE", 405), ("FOO", 501), ("OPTIONS", 200), ("NOTIFY", 200)):
        response = await wire.ask(method, to_tag=tag)
        assert response.startswith(f"SIP/2.0 {code}"), response
        assert "INVITE" in header(response, "Allow")
    assert (await wire.ask("INFO", "Require: foo", to_tag=tag)).startswith("SIP/2.0 420")
    assert (await wire.ask("BYE", to_tag="wrong")).startswith("SIP/2.0 481")
    old = await wire.ask("INFO", to_tag=tag, cseq=1, branch="old")
    assert old.startswith("SIP/2.0 500")  # 12.2.2: a lower CSeq is out of order
    wire.cseq = 50
    assert (await wire.ask("BYE", "Reason: Q.850;cause=16", to_tag=tag)).startswith("SIP/2.0 200")
    assert await there.end() == SipEnd(200, "Q.850;cause=16", "remote", True)
    assert (await wire.ask("BYE", to_tag=tag)).startswith("SIP/2.0 200")  # crossed with ours perhaps
    assert (await wire.ask("INFO", to_tag=tag)).startswith("SIP/2.0 481")


async def test_second_re_invite_before_the_ack_waits(start: Start) -> None:
    """RFC 3261 14.2: an offer of ours is unanswered: 491."""
    wire, there, tag = await dialog(start)
    response = await wire.ask("INVITE", to_tag=tag)  # without SDP: we offered
    assert response.startswith("SIP/2.0 200")
    wire.transport.sendto(wire.request("UPDATE", to_tag=tag, body=OFFER).encode())
    while not (got := await wire.receive()).startswith("SIP/2.0 491"):
        assert got.startswith("SIP/2.0 200")
    there.call.hangup()


@pytest.mark.parametrize(
    ("method", "headers", "code", "name", "value"),
    [
        ("OPTIONS", (), 200, "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, REGISTER"),
        ("OPTIONS", (), 200, "Accept", "application/sdp"),
        ("OPTIONS", (), 200, "Supported", "timer"),
        ("OPTIONS", ("Require: foo, timer, bar",), 420, "Unsupported", "foo, bar"),
        ("INVITE", ("Require: 100rel",), 420, "Unsupported", "100rel"),
        ("INVITE", ("Max-Forwards: 0",), 483, "", ""),
        ("INVITE", ("Max-Forwards: 256",), 400, "", ""),
        ("INVITE", ("Content-Type: text/plain",), 415, "Accept", "application/sdp"),
        ("INVITE", ("Contact: *",), 400, "", ""),
        ("INVITE", ("Session-Expires: 20",), 422, "Min-SE", "90"),
        ("SUBSCRIBE", (), 405, "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, REGISTER"),
        ("WAVE", (), 501, "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, REGISTER"),
        ("BYE", (), 481, "", ""),
        ("INFO", (), 481, "", ""),
    ],
)
async def test_requests_outside_dialogs(start: Start, method: str, headers: tuple[str, ...], code: int, name: str, value: str) -> None:
    server = await start()
    Inbox(server, lambda call: call.reject(486))
    wire = await Wire().open(server)
    body = "hello" if "text/plain" in str(headers) else ""
    response = await wire.ask(method, *headers, body=body)
    assert response.startswith(f"SIP/2.0 {code}"), response
    if name:
        assert header(response, name) == value


async def test_merged_request(start: Start) -> None:
    """RFC 3261 8.2.2.2: the same request by two ways gets 482 the second time."""
    server = await start()
    Inbox(server, lambda call: call.ring())
    wire = await Wire().open(server)
    assert (await wire.ask("INVITE", body=OFFER, branch="a", cseq=1)).startswith("SIP/2.0 180")
    assert (await wire.ask("INVITE", body=OFFER, branch="b", cseq=1)).startswith("SIP/2.0 482")


async def test_retransmission_gets_the_same_answer(start: Start) -> None:
    server = await start()
    inbox = Inbox(server, lambda call: call.reject(486))
    wire = await Wire().open(server)
    invite = wire.request("INVITE", body=OFFER).encode()
    for _ in range(2):
        wire.transport.sendto(invite)
    answers = {await wire.receive() for _ in range(3)}
    assert sorted(text[:11] for text in answers) == ["SIP/2.0 100", "SIP/2.0 486"]
    await inbox.next()
    assert inbox.calls.empty()
