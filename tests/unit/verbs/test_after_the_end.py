"""What goes on beside the script ends with the call; what would begin after its end, and before its leg is closed, is refused."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.api.request import Asked
from hubbub.api.streams import create_stream
from hubbub.api.transcribing import create_live_transcription
from hubbub.dialects.tables import Window
from hubbub.errors import Refused
from hubbub.verbs.capture import OpenStream
from hubbub.verbs.hearing import StartTranscription
from hubbub.verbs.session import Session


def session() -> Session:
    call = SimpleNamespace(id="1", record=SimpleNamespace(account="dev"), answered=True, over=True, on_ended=None)
    services = SimpleNamespace(accounts={"dev": None}, documents=None, turns=None)
    return Session(
        cast(Any, call), cast(Any, SimpleNamespace(outcomes={}, tells_silence=False)), cast(Any, services), lambda _session: None
    )


async def test_what_goes_on_beside_ends_with_its_successor_or_with_the_call() -> None:
    ended: list[str] = []

    async def going_on(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def short() -> None:
        ended.append("short")

    made = session()
    made.call.too_long = False
    for place, work in (("hold", going_on("first")), ("hold", going_on("second")), ("background", going_on("third")), ("short", short())):
        made.beside(place, work)
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ended == ["first", "short"]
    made.beside("background", None)
    assert set(made._beside) == {"hold"}, "what is over is forgotten"
    made._call_ended()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ended == ["first", "short", "third", "second"]


@pytest.mark.parametrize("begin", [create_stream, create_live_transcription])
async def test_by_request(begin: Any) -> None:
    made = session()
    hub = SimpleNamespace(calls=SimpleNamespace(get=lambda account, call: made.call), sessions={"1": made})
    values = {"target": ("wss://there", None)}
    face, account = cast(Any, SimpleNamespace(identity=lambda kind, name: name)), cast(Any, SimpleNamespace(name="dev"))
    asked = Asked(cast(Any, hub), cast(Any, None), account, face, {"call": "1"}, values, Window(), "", [])
    with pytest.raises(Refused, match="call-over"):
        await begin(asked)


def test_of_a_session() -> None:
    made = session()
    with pytest.raises(Refused, match="call-over"):
        made.open_stream(OpenStream(url="wss://there", speaks=cast(Any, None)))
    with pytest.raises(Refused, match="call-over"):
        made.transcribe(StartTranscription())
    assert (made.streams, made.transcriptions) == ({}, {})
