"""Starts the media processes and watches them: each worker has one that carries its audio, one more stands by for all.

A thread of its own waits for the end of an active process, so that takeover never waits for the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import mmap
import os
import select
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

from hubbub.errors import MediaError
from hubbub.media import process
from hubbub.media.block import block_bytes, map_engine
from hubbub.media.counters import H_EPOCH, H_REALTIME, H_STOP, H_TICK
from hubbub.media.layout import Engine, Sizes, Wire

log = structlog.get_logger()

STALL_SECONDS = 1.0
"""A loop that has not ticked for so long is as good as dead."""
READY_SECONDS = 60.0
RESPAWN_SECONDS = 1.0
LATER = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS)
"""What the kernel says when a message, or its descriptors, cannot be sent now."""


Entry = tuple[int, int, int]
"""Leg (with PROMOTE a worker), generation, descriptor; -1 where none goes with it."""
Message = tuple[bytes, list[Entry]]


def _drop_closed(entries: list[Entry]) -> bool:
    """Take out entries whose descriptor is closed; whether there was one."""
    kept = [entry for entry in entries if entry[2] < 0 or _is_open(entry[2])]
    gone = len(entries) - len(kept)
    if gone:
        log.error("media_descriptor_gone", legs=[entry[0] for entry in entries if entry not in kept])
    entries[:] = kept
    return gone > 0


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


class Child:
    """A media process, seen from the server. OSError when the system has no room for it: then nothing is left of it."""

    def __init__(self, sizes: Sizes, memory: int, eventfd: int) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        passed = (theirs.fileno(), memory, eventfd)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(process.source_root()), os.environ.get("PYTHONPATH", "")])),
        }
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(self.socket.close)
            self.process = subprocess.Popen(
                process.command_line(sizes, theirs.fileno(), memory, eventfd),
                pass_fds=passed, stdin=subprocess.DEVNULL, env=environment, process_group=0,
            )  # fmt: skip
            undo.callback(self.kill)
            self.pidfd = os.pidfd_open(self.process.pid)
            undo.pop_all()
        self.ready = False
        self._waiting: deque[Message] = deque()
        self._lock = threading.Lock()

    def send(self, code: bytes, entries: list[Entry]) -> None:
        """Send a message, or keep it until the process reads again. Messages keep their order."""
        with self._lock:
            self._waiting.append((code, entries))
            self._flush()

    def withdraw(self, leg: int, generation: int) -> None:
        """Hand over no more what waits of a leg: its descriptor will be closed, and its number soon be another file's."""
        with self._lock:
            for code, entries in self._waiting:
                if code == process.DESCRIPTORS:
                    entries[:] = [entry for entry in entries if entry[:2] != (leg, generation)]

    def flush(self) -> None:
        """Send what waits."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        while self._waiting and self.ready:
            code, entries = self._waiting[0]
            descriptors = [descriptor for _, _, descriptor in entries if descriptor >= 0]
            message = code + process.pack_entries([entry[:2] for entry in entries])
            try:
                if entries:
                    self.socket.sendmsg([message], process.ancillary(descriptors) if descriptors else [], socket.MSG_DONTWAIT)
            except OSError as error:
                if error.errno in LATER:
                    return
                if error.errno == errno.EBADF and _drop_closed(entries):
                    continue
                self._waiting.clear()  # it is dead, and its end will be noticed
                return
            self._waiting.popleft()

    @property
    def clogged(self) -> bool:
        """Whether messages wait."""
        return bool(self._waiting)

    def wait_ready(self, seconds: float) -> bool:
        """Wait until the process has its code loaded."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
        try:
            return self.socket.recv(16) == process.READY
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL, and wait until it is really gone: two loops must never run on one block."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Forget the process."""
        self.socket.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


Seen = list[tuple[int, float, Child | None]]
"""By worker: a tick, since when it was the last one, and of which process."""


class Supervisor:
    """The media processes of all workers and their standby, their memory, and the descriptors that they need."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self._memory_fd = os.memfd_create("hubbub-media", os.MFD_CLOEXEC)
        os.ftruncate(self._memory_fd, block_bytes(sizes))
        self.memory = mmap.mmap(self._memory_fd, block_bytes(sizes))
        self.engine: Engine = map_engine(sizes, self.memory)
        self.eventfd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.on_failure: Callable[[str], None] | None = None
        self.takeovers = 0
        self.takeover_seconds = 0.0
        self._active: list[Child | None] = [None] * sizes.workers
        self._standby: Child | None = None
        self._short = False
        """Whether the last attempt to spawn found no room; it is told once."""
        self._open: dict[int, tuple[int, int]] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Start the processes; returns when every loop ticks. MediaError when one does not come up."""
        self._loop = asyncio.get_running_loop()
        children = [self._spawn() for _ in self._active]
        for child in children:
            if not await asyncio.to_thread(child.wait_ready, READY_SECONDS):
                for each in children:
                    each.kill()
                raise MediaError("a media process did not start; see its message on standard error")
        epoch = time.monotonic_ns()  # the same for all: a leg that moves keeps its clock
        for worker, child in enumerate(children):
            self._admit(child)
            self.engine.wires[worker].header[H_EPOCH] = epoch
            self._promote(child, worker)
        await self._ticking()
        self._say_priority()
        for target in (self._watch, self._keep_standby):
            thread = threading.Thread(target=target, name=f"media-{target.__name__.strip('_')}", daemon=True)
            thread.start()
            self._threads.append(thread)

    async def _ticking(self) -> None:
        for _ in range(500):
            if all(wire.header[H_TICK] > 0 for wire in self._wires):
                return
            await asyncio.sleep(0.01)
        raise MediaError("a media loop does not tick")

    @property
    def _wires(self) -> list[Wire]:
        return [self.engine.wires[worker] for worker in range(self.sizes.workers)]

    def _promote(self, child: Child, worker: int) -> None:
        """Let a loaded process be that worker from now on."""
        with self._lock:
            self._active[worker] = child
            child.send(process.PROMOTE, [(worker, 0, -1)])

    def _say_priority(self) -> None:
        level = min(int(wire.header[H_REALTIME]) for wire in self._wires)
        if level == process.REALTIME_NONE:
            log.warning("media_not_realtime", advice="allow real-time priority: ulimit -r 20, CAP_SYS_NICE, or docker --cap-add SYS_NICE")
        elif level == process.REALTIME_NICE:
            log.warning("media_not_realtime", priority="nice -11", advice="CAP_SYS_NICE or ulimit -r 20 gives SCHED_FIFO")

    async def stop(self) -> None:
        """End all processes; takes at most a moment."""
        self._stopping.set()
        for wire in self._wires:
            wire.header[H_STOP] = 1
        with self._lock:
            children = [child for child in (*self._active, self._standby) if child]
            self._active, self._standby = [None] * self.sizes.workers, None
        for child in children:
            child.kill()
        for thread in self._threads:
            await asyncio.to_thread(thread.join, 10)
        for child in children:
            child.close()
        os.close(self.eventfd)
        os.close(self._memory_fd)

    def _spawn(self) -> Child:
        # The kernel kills the child when the *thread* that spawned it ends: both spawning threads live as long as the supervisor.
        return Child(self.sizes, self._memory_fd, self.eventfd)

    def _admit(self, child: Child) -> None:
        """Give a loaded process all descriptors that are open, and from now on each new one."""
        with self._lock:
            child.ready = True
            entries = [(leg, generation, descriptor) for leg, (generation, descriptor) in self._open.items()]
            for start in range(0, len(entries), process.BATCH):
                child.send(process.DESCRIPTORS, entries[start : start + process.BATCH])

    def _children(self) -> list[Child]:
        return [child for child in (*self._active, self._standby) if child and child.ready]

    def open_descriptor(self, leg: int, generation: int, descriptor: int) -> None:
        """Give a leg's socket to all processes: a leg may move, and any process may have to go on with it."""
        with self._lock:
            self._open[leg] = (generation, descriptor)
            for child in self._children():
                child.send(process.DESCRIPTORS, [(leg, generation, descriptor)])

    def close_descriptor(self, leg: int, generation: int) -> None:
        """Let all processes close a leg's socket; only after the loop has said REMOVED."""
        with self._lock:
            self._open.pop(leg, None)
            for child in self._children():
                child.withdraw(leg, generation)
                child.send(process.CLOSE, [(leg, generation, -1)])

    @property
    def standby_ready(self) -> bool:
        """Whether a loaded process stands by."""
        standby = self._standby
        return bool(standby and standby.ready)

    @property
    def active_pids(self) -> list[int]:
        """The processes that carry the audio of each worker, 0 where there is none."""
        return [child.process.pid if child else 0 for child in self._active]

    def _watch(self) -> None:
        """Wait for the end of an active process, or for its loop to stand still."""
        ticked: Seen = [(-1, 0.0, None)] * self.sizes.workers
        looked = time.monotonic()
        while not self._stopping.is_set():
            poll, watched = select.poll(), {}
            for worker, child in enumerate(self._active):
                if child is not None:
                    poll.register(child.pidfd, select.POLLIN)
                    watched[child.pidfd] = worker, child
            if not watched:
                self._stopping.wait(0.01)
                continue
            dead = [watched[descriptor] for descriptor, _ in poll.poll(100 if len(watched) == self.sizes.workers else 10)]
            for worker, child in dead:
                self._take_over(worker, child, "died")
            for other in self._children():
                if other.clogged:
                    other.flush()
            now = time.monotonic()
            if not dead:
                self._watch_ticks(ticked, looked, now)
            looked = now

    def _watch_ticks(self, ticked: Seen, looked: float, now: float) -> None:
        """Replace a process whose loop has not ticked for long; `ticked` is what was seen, by worker, and since when.

        Who has not looked for long himself, since the machine stood still or had too much to do, knows nothing: all begin anew.
        """
        if now - looked > STALL_SECONDS / 2:
            ticked[:] = [(tick, now, child) for tick, _, child in ticked]
        for worker, child in enumerate(self._active):
            tick = int(self.engine.wires[worker].header[H_TICK])
            if child is None or (tick, child) != (ticked[worker][0], ticked[worker][2]):
                ticked[worker] = tick, now, child
            elif now - ticked[worker][1] > STALL_SECONDS and self.standby_ready:
                # Without a successor it is not killed: one that waits for a processor comes back sooner than a new one is loaded.
                self._take_over(worker, child, "stands still")

    def _take_over(self, worker: int, dead: Child, how: str) -> None:
        """Make sure that the old process is gone, then promote the standby."""
        began = time.monotonic()
        dead.kill()
        if self._stopping.is_set():
            return
        with self._lock:
            successor = self._standby if self._standby and self._standby.ready else None
            self._active[worker] = None
            if successor:
                self._standby = None
                self._promote(successor, worker)
        dead.close()
        self.takeovers += 1
        self.takeover_seconds = time.monotonic() - began
        code = dead.process.returncode
        log.error("media_process_lost", how=how, status=code, standby=successor is not None, worker=worker)
        self._tell(f"the media process {how} (status {code}); " + ("the standby has taken over" if successor else "no standby was ready"))

    def _tell(self, text: str) -> None:
        def call() -> None:
            if self.on_failure:
                self.on_failure(text)

        if self._loop and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call)

    def _try_to_spawn(self) -> Child | None:
        """A new process; None, after a while, when the system has no room for one (files, memory, processes).

        The thread must not end by it: with it would end every process that it has spawned, also the one that carries the audio.
        """
        try:
            child = self._spawn()
        except OSError as error:
            if not self._short:
                log.error("media_standby_failed", reason=error.strerror)
            self._short = True
            self._stopping.wait(RESPAWN_SECONDS)
            return None
        self._short = False
        return child

    def _keep_standby(self) -> None:
        """See to it that a loaded process stands by."""
        while not self._stopping.wait(0.05):
            if self._standby is not None:
                self._check_standby(self._standby)
                continue
            child = self._try_to_spawn()
            if child is None:
                continue
            self._standby = child
            if not child.wait_ready(READY_SECONDS):
                if not self._stopping.is_set():
                    log.error("media_standby_failed", status=child.process.poll())
                self._drop_standby(child)
                continue
            self._admit(child)
            with self._lock:
                if None in self._active and not self._stopping.is_set():
                    # An active process died while this one was loading: it goes on at once.
                    self._standby = None
                    self._promote(child, self._active.index(None))

    def _check_standby(self, child: Child) -> None:
        if child.process.poll() is not None and child is self._standby:
            log.error("media_standby_lost", status=child.process.returncode)
            self._drop_standby(child)

    def _drop_standby(self, child: Child) -> None:
        with self._lock:
            if child is self._standby:
                self._standby = None
        child.kill()
        if not self._stopping.is_set():
            child.close()
        self._stopping.wait(RESPAWN_SECONDS)
