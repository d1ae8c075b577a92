"""baresip, Debian's softphone, registers, calls, is called, holds and is held.

Its library of 2020 gives up when SHA-256 stands among the challenges, so these tests offer MD5 (see docs/sip.md).
Debian's baresip 1.0.0 refuses `net_interface lo`; given the address 127.0.0.1 as `net_interface` it runs on loopback alone.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.baresip import MODULES, Baresip

_spec = importlib.util.spec_from_file_location("sip_node", Path(__file__).with_name("sip_node.py"))
assert _spec is not None
assert _spec.loader is not None
sip_node = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sip_node)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not sip_node.available("baresip") or not (MODULES / "ctrl_tcp.so").exists(),
        reason="baresip is not installed (apt-get install baresip-core)",
    ),
]


@pytest.fixture
def node() -> Iterator[Any]:
    one = sip_node.Node(trust=["192.0.2.0/24"], phones={"alice": "secret"}, algorithms=["MD5"])
    yield one
    log = one.stop()
    assert "Traceback" not in log, log


@pytest.fixture
def baresip(node: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Baresip]:
    phone = Baresip(tmp_path, node.port, getattr(request, "param", "answermode=auto"))
    try:
        deadline = time.monotonic() + 10
        while not node.counters()["registered"]:
            assert time.monotonic() < deadline, phone.log()
            time.sleep(0.05)
        yield phone
    finally:
        phone.stop()


@pytest.mark.parametrize("baresip", ["answermode=manual"], indirect=True)
def test_it_registers_calls_holds_and_resumes(node: Any, baresip: Baresip) -> None:
    node.tell("contact", user="alice")
    assert node.wait("contact")["uri"].startswith("sip:alice")
    baresip.command("dial", f"sip:room@127.0.0.1:{node.port}")
    invite = node.wait("invite")
    assert (invite["user"], invite["sender"], invite["to"]) == ("alice", "alice", "room")
    baresip.wait("CALL_ESTABLISHED")
    baresip.command("hold")
    assert "a=sendonly" in node.wait("offer")["sdp"]
    baresip.command("resume")
    assert "a=sendrecv" in node.wait("offer", count=2)["sdp"]
    baresip.command("hangup")
    assert node.wait("end")["by"] == "remote"


def test_it_is_called_at_its_registration(node: Any, baresip: Baresip) -> None:
    node.tell("contact", user="alice")
    contact = node.wait("contact")["uri"]
    node.tell("dial", target=contact, caller="sip:hub@127.0.0.1", display="The Hub", headers={"X-Room": "7"})
    call = node.wait("answer")["id"]
    baresip.wait("CALL_ESTABLISHED")
    node.tell("info", id=call, values=["application/dtmf-relay", "Signal=1\r\nDuration=100\r\n"])
    assert node.wait("done", name="info")["result"] in (200, 415, 488)
    node.tell("reinvite", id=call, values=[HOLD])
    assert "a=recvonly" in node.wait("done", name="reinvite")["result"]
    node.tell("hangup", id=call)
    baresip.wait("CALL_CLOSED")
    assert node.wait("end") == {"event": "end", "id": call, "code": 200, "by": "local", "answered": True, "reason": "BYE", "headers": {}}


@pytest.mark.parametrize("baresip", ["answermode=manual"], indirect=True)
def test_cancel_while_it_rings(node: Any, baresip: Baresip) -> None:
    node.tell("contact", user="alice")
    node.tell("dial", target=node.wait("contact")["uri"], caller="sip:hub@127.0.0.1")
    node.wait("progress", code=180)
    baresip.wait("CALL_INCOMING")
    node.tell("hangup", id=node.wait("dialled")["id"])
    baresip.wait("CALL_CLOSED")
    assert node.wait("end")["code"] == 487


HOLD = "\r\n".join(
    [
        "v=0",
        "o=hubbub 9 2 IN IP4 127.0.0.1",
        "s=hubbub",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        "m=audio 40000 RTP/AVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=sendonly",
        "",
    ]
)
