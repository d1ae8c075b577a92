"""For how long a face shows things that are over: an account's store, and a clock that is moved by days."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL, RECORDING

from hubbub.api.calls import fetch_call, list_calls
from hubbub.api.recordings import delete_recording, fetch_recording, list_recordings
from hubbub.api.request import Asked
from hubbub.clock import ManualClock
from hubbub.conference.rows import call_row, recording_row
from hubbub.dialects.bxml import BxmlDialect
from hubbub.dialects.bxml.callbacks import CALL as SPELLED
from hubbub.dialects.bxml.callbacks import RECORDING as RECORDED
from hubbub.dialects.bxml.rest import BxmlRest
from hubbub.dialects.tables import Window
from hubbub.dialects.twiml import TwimlDialect
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.errors import Refused
from hubbub.events import CallStatus, RecordingStatus
from hubbub.storage.store import Put, Store

DAY = 86_400


async def test_calls_for_seven_days_and_recordings_for_thirty() -> None:
    """1.4 of the v2 specification: "call info 7 days after hangup (404 / empty list afterwards); recordings and transcripts 30 days"."""
    clock = ManualClock()
    store = Store("sqlite:///:memory:", clock=clock)
    await store.open()
    try:
        over = replace(CALL, status=CallStatus.COMPLETED, ended=clock.now(), updated=clock.now())
        recording = replace(RECORDING, room=None, updated=clock.now())
        await store.commit(Put("calls", over.id, call_row(over)), Put("recordings", recording.id, recording_row(recording)))
        hub: Any = SimpleNamespace(services=SimpleNamespace(clock=clock), calls=SimpleNamespace(get=lambda account, call: None))
        face: Any = BxmlRest(BxmlDialect("http://hubbub.test"), [ACCOUNT], clock.now)
        path = {"call": SPELLED.write(over.id), "recording": RECORDED.write(recording.id)}
        asked = Asked(hub, store, ACCOUNT, face, path, {}, Window(), "", [])

        async def shown() -> tuple[int, int]:
            return len((await list_calls(replace(asked, path={}))).items), len((await list_recordings(asked)).items)

        assert (await fetch_call(asked)).id == over.id
        clock.advance(7 * DAY)
        assert await shown() == (1, 1)
        clock.advance(1)
        assert await shown() == (0, 1)
        with pytest.raises(Refused, match="not-found"):
            await fetch_call(asked)
        assert (await fetch_recording(asked)).id == recording.id
        clock.advance(23 * DAY)
        assert await shown() == (0, 0)
        with pytest.raises(Refused, match="not-found"):
            await fetch_recording(asked)
    finally:
        await store.close()


async def test_the_facts_of_a_deleted_recording_are_kept_for_forty_days(tmp_path: Path) -> None:
    """5.7: "metadata kept 40 days as `deleted` (visible with IncludeSoftDeleted=true), media gone"; nothing else need happen meanwhile."""
    clock = ManualClock()
    store = Store("sqlite:///:memory:", clock=clock)
    await store.open()
    try:
        recording = replace(RECORDING, room=None, updated=clock.now())
        (tmp_path / recording.file).write_bytes(b"RIFF")
        await store.commit(Put("recordings", recording.id, recording_row(recording)))
        hub: Any = SimpleNamespace(services=SimpleNamespace(clock=clock, recordings=tmp_path))
        face: Any = TwimlRest(TwimlDialect("http://hubbub.test"), [ACCOUNT])
        asked = Asked(hub, store, ACCOUNT, face, {"recording": f"RE{recording.id}"}, {}, Window(), "", [])
        also = replace(asked, values={"deleted_too": True})
        await delete_recording(asked)
        assert list(tmp_path.iterdir()) == []
        assert (await list_recordings(asked)).items == ()
        with pytest.raises(Refused, match="not-found"):
            await fetch_recording(asked)
        clock.advance(40 * DAY)
        assert [kept.status for kept in (await list_recordings(also)).items] == [RecordingStatus.DELETED]
        assert (await fetch_recording(also)).id == recording.id
        clock.advance(1)
        assert (await list_recordings(also)).items == ()
        with pytest.raises(Refused, match="not-found"):
            await fetch_recording(also)
    finally:
        await store.close()
