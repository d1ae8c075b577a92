"""Taps: where packets may go; and what is kept of taps and streams."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.dialects.swml.methods import compile_script
from hubbub.errors import DocumentError
from hubbub.events import StreamRecord
from hubbub.ids import Id
from hubbub.verbs import taps
from hubbub.verbs.capture import TapLeg
from hubbub.verbs.model import Stage
from hubbub.verbs.streams import OpenedStream, keep

SHELL: Any = SimpleNamespace(services=SimpleNamespace(requester=SimpleNamespace(permits=lambda _: True)))


@pytest.mark.parametrize("uri", ["rtp://127.0.0.1:70000", "rtp://127.0.0.1:0", "rtp://300.0.0.1:5004", "rtp://host:5004", "http://a.test"])
def test_where_nothing_can_be_sent_is_refused(uri: str) -> None:
    """3.6: "rtp://IP:port"; a port is 1 to 65535."""
    with pytest.raises(DocumentError, match="uri"):
        compile_script({"sections": {"main": [{"tap": {"uri": uri}}]}}, "", Stage.CALL)


@pytest.mark.parametrize("uri", ["rtp://127.0.0.1:1", "rtp://127.0.0.1:65535", "wss://a.test/tap"])
def test_where_packets_can_be_sent(uri: str) -> None:
    assert compile_script({"sections": {"main": [{"tap": {"uri": uri}}]}}, "", Stage.CALL).main


def test_a_socket_that_cannot_be_used_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[socket.socket] = []

    class Kept(socket.socket):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            opened.append(self)

    monkeypatch.setattr(taps.socket, "socket", Kept)
    with pytest.raises(OverflowError):
        taps._socket(cast(Any, SHELL), TapLeg(host="127.0.0.1", port=70000))
    assert [one.fileno() for one in opened] == [-1]


async def test_what_is_over_is_forgotten_when_the_next_begins() -> None:
    """A script that taps in a loop leaves nothing behind on a call that goes on."""
    kept: dict[Id, OpenedStream] = {}
    for number in range(1, 4):
        task = asyncio.create_task(asyncio.Event().wait())
        record = StreamRecord(Id(f"{number:032}"), Id("1" * 32), "", "rtp://127.0.0.1:5004", 0.0, ("inbound",), what="tap")
        keep(kept, record, cast(Any, task))
        assert list(kept) == [record.id]
        task.cancel()
