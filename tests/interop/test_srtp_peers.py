"""Encrypted calls with others' SRTP: baresip (libre's own code) and PJSIP, calling in and being called, tones heard both ways."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.baresip import HEARS, MODULES, Baresip, free_port
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, level_at, room

from hubbub.media import libsrtp
from hubbub.testing import Application, HubbubServer, PhoneCall

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-pjsip" / "bin" / "python"
FLOW = Path(__file__).parent / "sdk" / "pjsip_flow.py"
pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(libsrtp.find() is None, reason=f"no libsrtp ({libsrtp.HOW_TO_GET_IT})"),
]
needs_baresip = pytest.mark.skipif(
    shutil.which("baresip") is None or not (MODULES / "srtp.so").exists(), reason="baresip with SRTP is not installed (baresip-core)"
)
needs_pjsip = pytest.mark.skipif(not PYTHON.exists(), reason="PJSIP's environment is missing: run `make peers`")
SAW, OURS, PJ = 400, 700, 1300
CONFIG = {"dial": {"allow_sip": ["127.0.0.1"]}, "media": {"codecs": ["PCMU", "PCMA"]}}


running, application, hubbub_server, phone, rest = shared(CONFIG, answers={"/after": "<Response/>"})


async def alice_hears(alice: PhoneCall, frequency: int, log: str = "") -> None:
    """The other side's tone comes through, and nothing of alice's own."""
    deadline = asyncio.get_running_loop().time() + 15
    while level_at(pcm := (await alice.heard(0.5)).pcm, frequency) < -35:
        assert asyncio.get_running_loop().time() < deadline, f"nothing of {frequency} Hz is heard: {alice.describe()} {log}"
    assert level_at(pcm, OURS) < -50


async def calls(application: Application, server: HubbubServer, phone: PhoneMaker, callee: str) -> PhoneCall:
    """Alice calls somebody, encrypted or not at all, and is answered when they are."""
    application.on("/voice", f'<Response><Dial action="/after" answerOnBridge="true"><Sip>sip:{callee};secure=true</Sip></Dial></Response>')
    return await (await phone("alice")).call(server.uri("+15550001000"))


async def talk(alice: PhoneCall, frequency: int, log: Callable[[], str]) -> None:
    """Alice hears the other side, is heard for a while, and hangs up."""
    await alice.wait_answered()
    alice.tone(OURS)
    await alice_hears(alice, frequency, log())
    await alice.heard(1.5)
    await alice.hangup()


def last_second(file: Path) -> Any:
    """The end of a WAV of one channel at 8 kHz, whatever its header says."""
    data = file.read_bytes()[44:] if file.exists() else b""
    pcm = np.frombuffer(data[: len(data) // 2 * 2], "<i2")[-8000:]
    return pcm if len(pcm) else np.zeros(8000, np.int16)


async def written(sound: Any, log: Any) -> None:
    """What the other side has heard holds alice's tone."""
    deadline = asyncio.get_running_loop().time() + 8
    while level_at(sound(), OURS) < -35:
        assert asyncio.get_running_loop().time() < deadline, f"the other side hears nothing: {log()}"
        await asyncio.sleep(0.1)


@needs_baresip
@pytest.mark.parametrize(("encryption", "profile"), [("srtp-mand", "RTP/SAVP"), ("srtp-mandf", "RTP/SAVPF"), ("srtp", "RTP/AVP")])
async def test_baresip_calls(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, tmp_path: Path, encryption: str, profile: str
) -> None:
    application.on("/voice", room('beep="false"', name=encryption))
    alice = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    await alice.wait_answered()
    alice.tone(OURS)
    peer = Baresip(tmp_path, hubbub_server.sip[1], f"regint=0;answermode=manual;mediaenc={encryption}", modules=("srtp", *HEARS))
    try:
        peer.command("dial", hubbub_server.uri("+15550001000"))
        await asyncio.to_thread(peer.wait, "CALL_ESTABLISHED")
        await alice_hears(alice, SAW, peer.log())
        await alice.heard(1.0)
        peer.command("hold")
        await asyncio.sleep(0.3)
        peer.command("resume")
        await alice_hears(alice, SAW, peer.log())
        await alice.heard(1.0)
        peer.command("hangup")
        await asyncio.to_thread(peer.wait, "CALL_CLOSED")
        await written(lambda: last_second(next(iter(tmp_path.glob("*-dec.wav")), tmp_path / "none")), peer.log)
        assert "SRTP" in peer.log() or "srtp" in peer.log()
    finally:
        peer.stop()
    await alice.hangup()


@needs_baresip
@pytest.mark.parametrize("encryption", ["srtp-mand", "srtp"])
async def test_baresip_is_called(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, tmp_path: Path, encryption: str
) -> None:
    peer = Baresip(tmp_path, hubbub_server.sip[1], f"regint=0;answermode=auto;mediaenc={encryption}", modules=("srtp", *HEARS))
    try:
        alice = await calls(application, hubbub_server, phone, f"alice@127.0.0.1:{peer.port}")
        await talk(alice, SAW, peer.log)
        await asyncio.to_thread(peer.wait, "CALL_CLOSED")
        await written(lambda: last_second(next(iter(tmp_path.glob("*-dec.wav")), tmp_path / "none")), peer.log)
    finally:
        peer.stop()


class Pjsip:
    """The program of `sdk/pjsip_flow.py`."""

    def __init__(self, folder: Path, srtp: str) -> None:
        self.port = free_port()
        self.record = folder / "heard.wav"
        self._job = {"port": self.port, "srtp": srtp, "tone": PJ, "record": str(self.record)}
        self.events: list[dict[str, Any]] = []

    async def start(self, call: str = "") -> None:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(PYTHON, FLOW, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({**self._job, "call": call}).encode() + b"\n")
        await self.wait("ready")

    async def wait(self, event: str, **wanted: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), 20)
            assert line, f"{self.events} {self.log()}"
            if line.startswith(b"{"):
                told = json.loads(line)
                self.events.append(told)
                if told["event"] == event and all(told[name] == value for name, value in wanted.items()):
                    return dict(told)

    async def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        await self.wait("over")
        await self.process.wait()

    def log(self) -> str:
        path = Path(f"{self.record}.log")
        return path.read_text(errors="replace")[-6000:] if path.exists() else ""

    def heard(self) -> Any:
        """The last second, at 8 kHz: its bridge runs at 16, and the header is written last."""
        data = self.record.read_bytes()[44:] if self.record.exists() else b""
        pcm = np.frombuffer(data[: len(data) // 2 * 2], "<i2")[-16_000:]
        return pcm[::2] if len(pcm) else np.zeros(8000, np.int16)

    def stop(self) -> None:
        if self.process.returncode is None:
            self.process.kill()


@needs_pjsip
@pytest.mark.parametrize(("srtp", "profile"), [("mandatory", "RTP/SAVP"), ("optional", "RTP/AVP")])
async def test_pjsip_calls(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, tmp_path: Path, srtp: str, profile: str
) -> None:
    application.on("/voice", room('beep="false"', name=f"pj{srtp}"))
    alice = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    await alice.wait_answered()
    alice.tone(OURS)
    peer = Pjsip(tmp_path, srtp)
    await peer.start(hubbub_server.uri("+15550001000"))
    try:
        await peer.wait("state", state="CONFIRMED")
        await alice_hears(alice, PJ, peer.log())
        await alice.heard(1.5)
        await peer.end()
        await written(peer.heard, peer.log)
        log = Path(f"{peer.record}.log").read_text(errors="replace")
        assert log.count("a=crypto:") >= 2, "both sides have named keys"
        assert profile in log
    finally:
        peer.stop()
    await alice.hangup()


@needs_pjsip
@pytest.mark.parametrize("srtp", ["mandatory", "optional"])
async def test_pjsip_is_called(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, tmp_path: Path, srtp: str) -> None:
    peer = Pjsip(tmp_path, srtp)
    await peer.start()
    try:
        alice = await calls(application, hubbub_server, phone, f"pj@127.0.0.1:{peer.port}")
        await talk(alice, PJ, peer.log)
        await peer.wait("over")
        await written(peer.heard, peer.log)
    finally:
        peer.stop()


@needs_pjsip
async def test_pjsip_that_refuses_keys_is_not_connected(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, tmp_path: Path
) -> None:
    """Its own 488 (RFC 4568 5.1.2) ends the attempt; nothing is sent plain."""
    peer = Pjsip(tmp_path, "off")
    await peer.start()
    try:
        alice = await calls(application, hubbub_server, phone, f"pj@127.0.0.1:{peer.port}")
        after = await application.wait_for("/after")
        assert (after.params["DialCallStatus"], after.params.get("DialSipResponseCode")) == ("failed", "488")
        await alice.wait_ended()
    finally:
        peer.stop()
