"""baresip calls with its Opus module (libopus behind its own RTP): a phone of PCMU hears it, and it hears the phone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.baresip import MODULES, Baresip
from tests.support.stage import PhoneMaker, level_at, room

from hubbub.media import libopus
from hubbub.testing import Application, HubbubServer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("baresip") is None or not (MODULES / "opus.so").exists(), reason="baresip with Opus is not installed (baresip-core)"
    ),
    pytest.mark.skipif(libopus.find() is None, reason=f"no libopus ({libopus.HOW_TO_GET_IT})"),
]
SAW = 400


@pytest.fixture
def baresip(hubbub_server: HubbubServer, tmp_path: Path) -> Iterator[Baresip]:
    phone = Baresip(tmp_path, hubbub_server.sip[1], "regint=0;answermode=manual", "opus")
    yield phone
    phone.stop()


def heard_by(folder: Path) -> np.ndarray:
    """The last second that baresip's decoder has given (a filter writes it to a file), at 8 kHz."""
    files = list(folder.glob("*-dec.wav"))
    data = files[0].read_bytes()[44:] if files else b""
    pcm = np.frombuffer(data[: len(data) // 4 * 4], "<i2").reshape(-1, 2)[-48_000:, 0]
    return pcm[::6] if len(pcm) else np.zeros(8000, np.int16)


async def test_baresip_and_a_phone_of_pcmu_hear_each_other(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, baresip: Baresip, tmp_path: Path
) -> None:
    application.on("/voice", room('beep="false"'))
    alice = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    await alice.wait_answered()
    alice.tone(700)
    baresip.command("dial", hubbub_server.uri("+15550001000"))
    await asyncio.to_thread(baresip.wait, "CALL_ESTABLISHED")
    deadline = asyncio.get_running_loop().time() + 15
    while True:
        pcm = (await alice.heard(0.5)).pcm
        if level_at(pcm, SAW) > -35:
            break
        assert asyncio.get_running_loop().time() < deadline, f"nothing of baresip is heard: {baresip.log()}"
    assert level_at(pcm, 700) < -55
    await alice.heard(1.5)
    baresip.command("hangup")
    await asyncio.to_thread(baresip.wait, "CALL_CLOSED")
    while level_at(sound := heard_by(tmp_path), 700) < -35:  # the file is whole when baresip has closed it
        assert asyncio.get_running_loop().time() < deadline + 5, f"baresip hears nothing: {baresip.log()}"
        await asyncio.sleep(0.1)
    assert level_at(sound, SAW) < -55
    assert "Set audio encoder: opus 48000Hz 2ch" in baresip.log()
