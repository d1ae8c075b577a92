"""The keeper of the media processes where the system has no room, or no time, for a while."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.errors import ResourceExhausted
from hubbub.media import process, reports
from hubbub.media.counters import H_TICK
from hubbub.media.layout import Sizes
from hubbub.media.leg import Leg
from hubbub.media.ports import bind
from hubbub.media.supervisor import STALL_SECONDS, Child, Supervisor

SIZES = Sizes(legs=8, players=8, mixes=8, edges=64, rings=8, arena=16000)


def no_room(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EMFILE, "Too many open files")


class Turns:
    """An event that is set after so many waits, none of which takes time."""

    def __init__(self, count: int) -> None:
        self._left = count

    def wait(self, _: float) -> bool:
        self._left -= 1
        return self.is_set()

    def is_set(self) -> bool:
        return self._left < 0


class Stand:
    """In the place of a media process."""

    pidfd = -1

    def __init__(self, *, ready: bool = False) -> None:
        self.ready = ready
        self.killed = False
        self.sent: list[bytes] = []
        self.process = SimpleNamespace(pid=1, returncode=-9, poll=lambda: None)

    def wait_ready(self, _: float) -> bool:
        return True

    def send(self, code: bytes, _: list[Any]) -> None:
        self.sent.append(code)

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        pass


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor(SIZES)
    yield made
    os.close(made.eventfd)
    os.close(made._memory_fd)


def put(supervisor: Supervisor, *, active: Stand | None = None, standby: Stand | None = None) -> None:
    supervisor._active[0], supervisor._standby = cast(Child | None, active), cast(Child | None, standby)


def test_a_standby_is_started_once_there_is_room_again(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux: the signal of a parent's death is sent when the *thread* that spawned ends: it must outlive EMFILE."""
    found = Stand()
    attempts: list[Any] = [no_room, no_room, lambda: found]
    monkeypatch.setattr(supervisor, "_spawn", lambda: attempts.pop(0)())
    put(supervisor, active=Stand(ready=True))
    supervisor._stopping = cast(threading.Event, Turns(6))
    supervisor._keep_standby()
    assert supervisor.standby_ready
    assert not attempts


def test_a_process_that_cannot_be_watched_is_not_left_behind(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    spawned: list[int] = []
    monkeypatch.setattr(process, "command_line", lambda *_: ["sleep", "600"])
    monkeypatch.setattr(os, "pidfd_open", lambda pid: spawned.append(pid) or no_room())
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Too many open files"):
        supervisor._spawn()
    with pytest.raises(ProcessLookupError):
        os.kill(spawned[0], 0)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("standby", "looks", "replaced"),
    [
        (True, (0.1, STALL_SECONDS + 0.1), False),  # the watcher was away itself: a machine that was suspended
        (True, (0.4, 0.8, 1.2), True),
        (False, (0.4, 0.8, 1.2), False),  # nobody can take its place: it may come back
    ],
)
def test_who_is_replaced_because_its_loop_stands_still(
    supervisor: Supervisor, standby: bool, looks: tuple[float, ...], replaced: bool
) -> None:
    active = Stand(ready=True)
    put(supervisor, active=active, standby=Stand(ready=True) if standby else None)
    supervisor.engine.wires[0].header[H_TICK] = 7
    began = time.monotonic()
    ticked: list[Any] = [(7, began, active)]
    looked = began
    for look in looks:
        supervisor._watch_ticks(ticked, looked, began + look)
        looked = began + look
    assert active.killed is replaced
    assert (supervisor.takeovers == 1) is replaced


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ETOOMANYREFS, errno.ENOBUFS])
def test_a_socket_that_cannot_be_handed_over_now_is_handed_over_later(code: int) -> None:
    """unix(7): ETOOMANYREFS when more descriptors are in flight than may be open."""
    answers: list[Exception | None] = [OSError(code, "not now"), None]
    sent: list[bytes] = []

    def sendmsg(parts: list[bytes], *_: Any) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        sent.extend(parts)

    child = child_on(cast(socket.socket, SimpleNamespace(sendmsg=sendmsg)))
    child.send(process.PROMOTE, [(3, 0, -1)])
    assert child.clogged
    child.flush()
    assert sent == [process.PROMOTE + process.pack_entries([(3, 0)])]
    assert not child.clogged


def child_on(ours: socket.socket) -> Child:
    child = object.__new__(Child)
    child.socket = ours
    child.ready, child._waiting, child._lock = True, deque(), threading.Lock()
    return child


class Pipes:
    """The ends of pipes in the place of legs' sockets, and the process's end of the control socket."""

    def __init__(self, count: int) -> None:
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.child = child_on(ours)
        self.pipes = [os.pipe() for _ in range(count)]

    def clog(self) -> None:
        """Fill the control socket, as a process that does not read."""
        while not self.child.clogged:
            self.child.send(process.CLOSE, [(7, 7, -1)])

    def close(self, leg: int) -> None:
        os.close(self.pipes[leg][0])

    def received(self) -> list[tuple[bytes, tuple[int, ...]]]:
        """What has come, in order: the code and the legs; each leg's descriptor is its own pipe."""
        found = []
        self.theirs.setblocking(False)
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self.theirs, 4096, process.BATCH)
            except BlockingIOError:
                self.child.flush()
                if not self.child.clogged and not select.select([self.theirs], [], [], 0)[0]:
                    return found
                continue
            entries = list(process.ENTRY.iter_unpack(message[1:]))
            if message[:1] == process.DESCRIPTORS:
                for (leg, _), descriptor in zip(entries, descriptors, strict=True):
                    assert os.fstat(descriptor).st_ino == os.fstat(self.pipes[leg][1]).st_ino
                    os.close(descriptor)
            found.append((message[:1], tuple(leg for leg, _ in entries)))

    def end(self) -> None:
        for pipe in self.pipes:
            for descriptor in pipe:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self.child.socket.close()
        self.theirs.close()


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes(4)
    yield made
    made.end()


def test_a_leg_that_closes_while_its_socket_waits_costs_no_other_message(supervisor: Supervisor, pipes: Pipes) -> None:
    """unix(7): a closed descriptor is EBADF, and a number that is another file's by then would be handed over in its place."""
    put(supervisor, active=cast(Any, pipes.child))
    pipes.clog()
    for leg in range(3):
        supervisor.open_descriptor(leg, 1, pipes.pipes[leg][0])
    supervisor.close_descriptor(1, 1)
    pipes.close(1)
    taken = os.dup(pipes.pipes[3][0])  # the number is given to the next file that is opened
    assert taken == pipes.pipes[1][0]
    supervisor.open_descriptor(3, 1, pipes.pipes[3][0])
    told = [message for message in pipes.received() if message != (process.CLOSE, (7,))]
    d, c = process.DESCRIPTORS, process.CLOSE
    assert told == [(d, (0,)), (d, (2,)), (c, (1,)), (d, (3,))]


def test_a_descriptor_that_is_gone_is_dropped_alone(pipes: Pipes) -> None:
    pipes.clog()
    pipes.child.send(process.DESCRIPTORS, [(leg, 1, pipes.pipes[leg][0]) for leg in range(3)])
    pipes.child.send(process.PROMOTE, [(0, 0, -1)])
    pipes.close(1)
    told = [message for message in pipes.received() if message != (process.CLOSE, (7,))]
    assert told == [(process.DESCRIPTORS, (0, 2)), (process.PROMOTE, (0,))]


def test_nothing_waits_for_a_process_that_is_gone(pipes: Pipes) -> None:
    pipes.clog()
    pipes.theirs.close()
    pipes.child.flush()
    assert not pipes.child.clogged


def test_a_caller_without_a_socket_is_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", no_room)
    with pytest.raises(ResourceExhausted, match="Too many open files"):
        bind("127.0.0.1", range(20000, 20010, 2), 0)


def test_a_leg_without_a_second_socket_has_no_reports_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    leg = cast(Leg, SimpleNamespace(ssrc=1, bound_port=20000))
    monkeypatch.setattr(socket, "socket", no_room)
    assert reports.Line(leg, "127.0.0.1", lambda _: None).socket is None
