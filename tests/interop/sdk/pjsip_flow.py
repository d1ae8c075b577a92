"""A PJSIP phone as a program of its own (its wheel is GPL: it stays in an environment apart). It tells events as lines of JSON.

Driven by one object: `port` of its SIP, `srtp` (off, optional, mandatory), `tone` in Hz, `record` (a WAV of what it hears), and `call`: a
URI to be called, or nothing to be called. A line on stdin ends the call.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import pjsua2 as pj  # type: ignore[import-not-found,unused-ignore]

job: dict[str, Any] = json.loads(sys.stdin.readline())
over = threading.Event()


def tell(event: str, **more: object) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


class Call(pj.Call):
    """One call with a tone and a recorder."""

    parts: tuple[Any, ...] = ()

    def onCallState(self, prm: Any) -> None:
        info = self.getInfo()
        tell("state", state=info.stateText, code=info.lastStatusCode)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            over.set()

    def onCallMediaState(self, prm: Any) -> None:
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(index)
                if not self.parts:
                    tone, recorder = pj.ToneGenerator(), pj.AudioMediaRecorder()
                    tone.createToneGenerator(8000, 1)
                    one = pj.ToneDesc()
                    one.freq1, one.freq2, one.on_msec, one.off_msec = job["tone"], 0, 20_000, 0
                    tone.play(pj.ToneDescVector([one]), True)
                    recorder.createRecorder(job["record"])
                    self.parts = (tone, recorder)
                self.parts[0].startTransmit(audio)
                audio.startTransmit(self.parts[1])
                tell("media", transport=self.getMedTransportInfo(index).localRtpName)


class Account(pj.Account):
    """Answers what comes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def onIncomingCall(self, prm: Any) -> None:
        call = Call(self, prm.callId)
        self.calls.append(call)
        answer = pj.CallOpParam()
        answer.statusCode = 200
        call.answer(answer)


endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.logConfig.level = 5
config.logConfig.consoleLevel = 0
config.logConfig.filename = job["record"] + ".log"
config.uaConfig.maxCalls = 4
endpoint.libInit(config)
transport = pj.TransportConfig()
transport.port = job["port"]
transport.boundAddress = transport.publicAddress = "127.0.0.1"
endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
endpoint.libStart()
endpoint.audDevManager().setNullDev()
account_config = pj.AccountConfig()
account_config.idUri = f"sip:pj@127.0.0.1:{job['port']}"
media = account_config.mediaConfig
media.srtpUse = {"off": pj.PJMEDIA_SRTP_DISABLED, "optional": pj.PJMEDIA_SRTP_OPTIONAL, "mandatory": pj.PJMEDIA_SRTP_MANDATORY}[job["srtp"]]
media.srtpSecureSignaling = 0
media.transportConfig.boundAddress = media.transportConfig.publicAddress = "127.0.0.1"
account = Account()
account.create(account_config)
tell("ready")
if job.get("call"):
    made = Call(account)
    account.calls.append(made)
    made.makeCall(job["call"], pj.CallOpParam(True))


def listen() -> None:
    sys.stdin.readline()
    for call in account.calls:
        try:
            endpoint.libRegisterThread("stdin")
            call.hangup(pj.CallOpParam(True))
        except pj.Error as error:
            tell("error", text=str(error))
    time.sleep(1)
    over.set()


threading.Thread(target=listen, daemon=True).start()
while not over.wait(0.1):
    pass
tell("over")
for call in account.calls:
    call.parts = ()
sys.stdout.flush()
import os  # noqa: E402

os._exit(0)
