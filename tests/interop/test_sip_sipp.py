"""SIPp calls the endpoint and is called by it: the signalling rules seen by a peer that nobody here wrote."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("sip_node", Path(__file__).with_name("sip_node.py"))
assert _spec is not None
assert _spec.loader is not None
sip_node = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sip_node)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not sip_node.available("sipp"), reason="SIPp is not installed (apt-get install sip-tester)"),
]
Open = Callable[..., Any]


@pytest.fixture
def node() -> Iterator[Open]:
    """Start endpoint processes; none may have printed a traceback."""
    opened: list[Any] = []

    def begin(**options: Any) -> Any:
        opened.append(sip_node.Node(**options))
        return opened[-1]

    yield begin
    for one in opened:
        log = one.stop()
        assert "Traceback" not in log, log
        assert "STDOUT" not in log, log


def run(node: Any, scenario: str, folder: Path, *arguments: str, service: str = "room") -> str:
    where = f"127.0.0.1:{node.port}"
    text: str = sip_node.sipp(where, "-sf", str(sip_node.SIPP / f"{scenario}.xml"), "-s", service, "-m", "1", *arguments, folder=folder)
    return text


def test_200_calls_at_50_a_second(node: Open, tmp_path: Path) -> None:
    server = node()
    sip_node.sipp(f"127.0.0.1:{server.port}", "-sn", "uac", "-s", "load", "-r", "50", "-m", "200", "-d", "100", folder=tmp_path)
    counters = server.counters()
    assert counters["request_INVITE"] == counters["request_BYE"] == counters["answered_ended"] == 200
    assert counters["calls"] == 0
    assert "repeated" not in counters  # nothing had to be sent twice


def test_every_call_completes_with_five_percent_loss(node: Open, tmp_path: Path) -> None:
    """RFC 3261 17: retransmission heals what UDP loses."""
    server = node()
    arguments = ("-sn", "uac", "-s", "load", "-r", "50", "-m", "100", "-d", "50", "-lost", "5")
    sip_node.sipp(f"127.0.0.1:{server.port}", *arguments, folder=tmp_path)
    counters = server.counters()
    assert counters["request_INVITE"] == 100  # a retransmitted INVITE is no second call
    assert counters["repeated"] > 0


@pytest.mark.parametrize("scenario", ["late_offer", "cancel", "hold", "options", "refused"])
def test_scenario(node: Open, tmp_path: Path, scenario: str) -> None:
    server = node()
    run(server, scenario, tmp_path, service="ring" if scenario == "cancel" else "room")
    if scenario == "cancel":
        server.wait("end", code=487, by="remote", answered=False)
    elif scenario == "late_offer":
        assert "m=audio" in server.wait("answer")["sdp"]
        assert server.wait("invite")["sdp"] is None
    elif scenario == "hold":
        assert server.wait("invite")["headers"] == {"X-Room": "seven"}
        assert [event["digit"] for event in server.all("digit")] == ["5", "#"]
        assert [("sendonly" in event["sdp"], "inactive" in event["sdp"]) for event in server.all("offer")] == [
            (True, False),
            (False, True),
            (False, False),
            (True, False),
        ]
        assert server.wait("end")["headers"] == {"X-Bye": "done"}
    elif scenario == "refused":
        assert server.wait("sdp_error")["error"] == "no audio stream"


def test_we_hold_resume_and_hang_up(node: Open, tmp_path: Path) -> None:
    server = node()
    run(server, "held_by_us", tmp_path, service="hold")
    assert ["recvonly" in event["sdp"] for event in server.all("reinvited")] == [True, False]
    server.wait("end", by="local", code=200)


def test_register_and_call_with_digest(node: Open, tmp_path: Path) -> None:
    server = node(trust=["192.0.2.0/24"], phones={"alice": "secret"}, algorithms=["MD5"])  # SIPp 3.6 reads the first challenge only
    run(server, "register", tmp_path)
    invite = server.wait("invite")
    assert (invite["user"], invite["sender"]) == ("alice", "alice")
    server.tell("contact", user="alice")
    assert server.wait("contact")["uri"].startswith("sip:sipp@127.0.0.1:")


def test_wrong_password_is_refused(node: Open, tmp_path: Path) -> None:
    server = node(trust=["192.0.2.0/24"], phones={"alice": "other"}, algorithms=["MD5"])
    with pytest.raises(AssertionError, match="ended with"):
        run(server, "register", tmp_path, "-timeout", "5")
    assert server.counters()["wrong_password"] >= 1
    assert not server.all("invite")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def callee(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], int]]]:
    """SIPp as the called side."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(scenario: str, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
        port = free_port()
        command = ["sipp", "-sf", str(sip_node.SIPP / f"{scenario}.xml"), "-i", "127.0.0.1", "-p", str(port), "-nostdin", *arguments]
        running.append(subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 5
        while f"{port:04X}" not in _bound() and time.monotonic() < deadline:
            time.sleep(0.02)
        return running[-1], port

    yield begin
    for process in running:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()


def _bound() -> set[str]:
    return set(re.findall(r"0100007F:([0-9A-F]{4})", Path("/proc/net/udp").read_text()))


def test_we_call_and_hang_up(node: Open, callee: Any) -> None:
    server = node()
    peer, port = callee("uas", "-m", "20")
    server.tell("dial", target=f"sip:load@127.0.0.1:{port}", caller="sip:hub@127.0.0.1", count=20, headers={"X-Room": "7"})
    server.wait("progress", count=20, code=180)
    for event in [server.wait("answer", count=20), *server.all("answer")][1:]:
        assert event["headers"] == {"X-Answer": "uas"}
        assert "m=audio" in event["sdp"]
        server.tell("hangup", id=event["id"])
    assert peer.wait(10) == 0


def test_we_answer_challenges_of_invite_and_bye(node: Open, callee: Any) -> None:
    server = node()
    peer, port = callee("uas_auth", "-m", "1")
    server.tell("dial", target=f"sip:x@127.0.0.1:{port}", caller="sip:hub@127.0.0.1", username="trunk", password="sesame")
    server.tell("hangup", id=server.wait("answer")["id"])
    assert peer.wait(10) == 0


def test_challenge_without_password_and_refusal(node: Open, callee: Any) -> None:
    server = node()
    _, port = callee("uas_auth", "-m", "1")
    server.tell("dial", target=f"sip:x@127.0.0.1:{port}", caller="sip:hub@127.0.0.1")
    server.wait("end", code=401, by="remote", answered=False)
    peer, port = callee("uas_refuses", "-m", "1")
    server.tell("dial", target=f"sip:x@127.0.0.1:{port}", caller="sip:hub@127.0.0.1")
    server.wait("end", code=486, by="remote")
    assert peer.wait(10) == 0


def test_draining(node: Open, tmp_path: Path) -> None:
    server = node()
    server.tell("drain")
    server.counters()
    with pytest.raises(AssertionError, match="503"):
        run(server, "late_offer", tmp_path, "-timeout", "5")
    assert server.counters()["refused_503"] >= 1
