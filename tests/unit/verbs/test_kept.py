"""Recordings of this server that its documents play."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.conference.rows import recording_row
from hubbub.errors import MediaError
from hubbub.events import RecordingRecord, RecordingStatus
from hubbub.ids import Id
from hubbub.verbs.kept import recorded

KEPT = Id("1" * 32)


async def test_a_file_that_is_gone(tmp_path: Path) -> None:
    async def get(kind: str, identity: Id) -> Any:
        return {
            "account": "dev",
            **recording_row(RecordingRecord(KEPT, "dev", "verb", RecordingStatus.COMPLETED, 1.0, 1.0, file="gone.wav")),
        }

    dialect = SimpleNamespace(recording_of=lambda url: KEPT)
    services = SimpleNamespace(store=SimpleNamespace(get=get), dialects={"any": dialect}, recordings=tmp_path)
    with pytest.raises(MediaError):
        await recorded(cast(Any, services), "dev", "http://here/recording")
