"""The media process: maps the block, gets its descriptors, and runs the loop; or waits, loaded, to take over.

`python -m hubbub.media.process --warm` compiles; the server starts the others. The server imports only `warm` and the message
codes from here, never the compiler: that lives in these processes.
"""

from __future__ import annotations

import argparse
import array
import contextlib
import ctypes
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from hubbub.media.block import block_bytes, map_engine
from hubbub.media.compiled import cache_folder
from hubbub.media.counters import H_EPOCH, H_REALTIME, H_STOP
from hubbub.media.layout import Engine, Sizes

# Messages of the server, and their entries (leg, generation).
DESCRIPTORS = b"D"
CLOSE = b"C"
PROMOTE = b"P"
# Messages of the process.
READY = b"R"

ENTRY = struct.Struct("=ii")
"""Leg and generation of a descriptor; with PROMOTE the worker to be, and 0."""
BATCH = 200
"""Descriptors in one message (the kernel allows 253)."""

PAGE = 4096
FIFO_PRIORITY = 20
REALTIME_FIFO = 2
REALTIME_NICE = 1
REALTIME_NONE = 0

KEEP_SECONDS = 7 * 86400
"""How long machine code of another build is kept."""

_PR_SET_PDEATHSIG = 1
_STAMP = "ready"


def is_warm() -> bool:
    """Whether the loop is compiled already."""
    return (cache_folder() / _STAMP).exists()


def warm(progress: bool = True) -> float:
    """Compile the loop, in a process of its own, unless the cache has it; returns the seconds that it took.

    Several callers at a time wait for one compilation.
    """
    began = time.monotonic()
    if is_warm():
        return 0.0
    if progress:
        print("hubbub: compiling the media engine (half a minute, once) …", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "hubbub.media.process", "--warm"], check=True)
    took = time.monotonic() - began
    if progress:
        print(f"hubbub: the media engine is compiled ({took:.0f} s)", file=sys.stderr, flush=True)
    return took


def _compile() -> None:
    """Compile under a lock, and leave the stamp."""
    import fcntl

    folder = cache_folder()
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_warm():
            _rehearse()
            (folder / _STAMP).touch()
            _forget_old(folder)


def _forget_old(current: Path) -> None:
    """Remove the machine code of builds that were compiled long ago."""
    for folder in current.parent.iterdir():
        with contextlib.suppress(OSError):
            if folder != current and folder.is_dir() and folder.stat().st_mtime < time.time() - KEEP_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _rehearse() -> None:
    """Run three ticks on a small private block: loads (or compiles) all code."""
    from hubbub.media.desk import make_desk
    from hubbub.media.tick import loop

    sizes = Sizes(legs=8, players=8, mixes=8, edges=64, rings=8, arena=16000)
    engine = map_engine(sizes)
    engine.wires[0].header[H_EPOCH] = time.monotonic_ns() - 60_000_000
    loop(engine, make_desk(sizes), 0, 3)


def _die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when the server dies; leave at once when it already has."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


def _raise_descriptor_limit() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _make_realtime() -> int:
    """Real-time priority for the calling thread if allowed, else a better nice value; says which."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
        return REALTIME_FIFO
    except OSError:
        pass
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -11)
        return REALTIME_NICE
    except OSError:
        return REALTIME_NONE


class Worker:
    """One media process, seen from inside."""

    def __init__(self, control: socket.socket, memory: mmap.mmap, sizes: Sizes, eventfd: int) -> None:
        from hubbub.media.desk import make_desk

        self._control = control
        self._engine: Engine = map_engine(sizes, memory)
        self._desk = make_desk(sizes, eventfd)

    def _touch(self, group: Any) -> None:
        """Bring records into this process's page tables: a takeover must not stop at each page for the first time."""
        raw = group.view(np.ndarray).view(np.uint8).reshape(-1)
        raw[::PAGE].max(initial=0)

    def serve(self) -> None:
        """Obey the server until it is gone."""
        engine = self._engine
        jitter: Any = engine.jitter
        for group in (engine.wires, engine.slots, engine.links, engine.voices, engine.keys, engine.ears, engine.mixes, engine.edges):
            self._touch(group)
        self._control.send(READY)
        while True:
            message, descriptors, _, _ = socket.recv_fds(self._control, 64 * 1024, BATCH + 8)
            if not message:
                return
            code, entries = message[:1], list(ENTRY.iter_unpack(message[1:]))
            if code == DESCRIPTORS:
                for (leg, generation), descriptor in zip(entries, descriptors, strict=True):
                    self._close(leg)
                    # The loop looks at the generation last written: it never meets a new descriptor under an old name.
                    self._touch(jitter[leg : leg + 1])
                    self._desk.descriptor[leg] = descriptor
                    self._desk.descriptor_generation[leg] = generation
            elif code == CLOSE:
                for leg, generation in entries:
                    if self._desk.descriptor_generation[leg] == generation:
                        self._close(leg)
            elif code == PROMOTE:
                threading.Thread(target=self._run, args=(entries[0][0],), name="media", daemon=True).start()

    def _close(self, leg: int) -> None:
        descriptor = int(self._desk.descriptor[leg])
        self._desk.descriptor_generation[leg] = -1
        self._desk.descriptor[leg] = -1
        if descriptor >= 0:
            os.close(descriptor)

    def _run(self, worker: int) -> None:
        from hubbub.media.tick import loop

        header = self._engine.wires[worker].header
        header[H_REALTIME] = _make_realtime()
        try:
            loop(self._engine, self._desk, worker, 0)
        finally:
            os._exit(0 if header[H_STOP] else 70)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(prog="hubbub.media.process")
    parser.add_argument("--warm", action="store_true")
    for name in ("parent", "control", "memory", "eventfd", "legs", "players", "mixes", "edges", "rings", "arena", "workers"):
        parser.add_argument(f"--{name}", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """The process's entry."""
    options = _arguments()
    if options.warm:
        _compile()
        return
    # The server ends its media processes itself: a Ctrl-C or a SIGTERM to the whole group must not cut a draining call.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _die_with_parent(options.parent)
    _raise_descriptor_limit()
    counts = ("legs", "players", "mixes", "edges", "rings", "arena", "workers")
    sizes = Sizes(**{name: getattr(options, name) for name in counts})
    memory = mmap.mmap(options.memory, block_bytes(sizes))
    _rehearse()
    Worker(socket.socket(fileno=options.control), memory, sizes, options.eventfd).serve()
    os._exit(0)


def command_line(sizes: Sizes, control: int, memory: int, eventfd: int) -> list[str]:
    """How the server starts a media process with these descriptors."""
    counts = {name: getattr(sizes, name) for name in ("legs", "players", "mixes", "edges", "rings", "arena", "workers")}
    values = {"parent": os.getpid(), "control": control, "memory": memory, "eventfd": eventfd, **counts}
    options = [f"--{name}={value}" for name, value in values.items()]
    return [sys.executable, "-m", "hubbub.media.process", *options]


def pack_entries(entries: list[tuple[int, int]]) -> bytes:
    """Entries (leg, generation) of a message."""
    return b"".join(ENTRY.pack(*entry) for entry in entries)


def ancillary(descriptors: list[int]) -> list[tuple[int, int, Any]]:
    """The control message that carries descriptors."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]


def source_root() -> Path:
    """The folder that must be on the path of a media process."""
    return Path(__file__).parents[2]


if __name__ == "__main__":
    main()
