"""Doctor: looks at the machine and the configuration before calls do, and says for each problem what to do."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import socket
import sqlite3
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hubbub.calls.negotiation import check_encryption
from hubbub.dialects.registry import all_dialects, check_accounts
from hubbub.errors import ConfigurationError, HubbubError
from hubbub.letters import path_of
from hubbub.media import libopus, libsrtp
from hubbub.settings import Settings, split_address
from hubbub.storage.database import Database, shipped_scripts, version_of

Level = Literal["ok", "warning", "problem"]
LOW_DISK, NO_DISK = 1 << 30, 100 << 20
"""Bytes: an hour of one recording at 8 kHz is 58 MB."""
SLOW_LOOPBACK = 0.05
RTP_SAMPLES = 20
UNSYNCHRONISED = 5
"""What adjtimex(2) says of a clock that nobody sets (TIME_ERROR)."""


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at; `advice` says what to do about it."""

    level: Level
    about: str
    text: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Diagnosis]:
    """Look at everything that a server with these settings needs; nothing is left behind."""
    looks = (
        _accounts, _ports, _rtp_ports, _loopback, _database, _recordings, _files, _clock,
        _priority, _engine, _codecs, _encryption, _speech, _recognition,
    )  # fmt: skip
    for look in looks:
        try:
            yield from look(settings)
        except ConfigurationError as error:
            yield Diagnosis("problem", look.__name__.strip("_"), str(error), "mend it in the configuration")
        except (OSError, HubbubError) as error:
            yield Diagnosis("problem", look.__name__.strip("_"), str(error), "see the message")


def _accounts(settings: Settings) -> Iterator[Diagnosis]:
    try:
        check_accounts(settings, all_dialects("", lambda _: None))
    except ConfigurationError as error:
        yield Diagnosis("problem", "accounts", str(error), "mend it there: docs/configuration.md lists the keys of every face")
        return
    counts = (len(settings.accounts), "account"), (len(settings.numbers), "number"), (len(settings.phones), "phone")
    yield Diagnosis("ok", "accounts", ", ".join(f"{count} {what}{'s'[: count != 1]}" for count, what in counts))


def _ports(settings: Settings) -> Iterator[Diagnosis]:
    running = _running(settings)
    for about, listen, kind in (("http", settings.http.listen, socket.SOCK_STREAM), ("sip", settings.sip.listen, socket.SOCK_DGRAM)):
        trouble = bind_trouble(split_address(listen), kind)
        if trouble is None:
            yield Diagnosis("ok", about, f"{listen} is free")
        elif running:
            yield Diagnosis("ok", about, f"{listen} is in use: hubbub runs there")
        else:
            advice = f"stop what uses it (ss -lnp), or change {about}.listen; ports below 1024 need CAP_NET_BIND_SERVICE"
            yield Diagnosis("problem", about, f"{listen} cannot be used: {trouble}", advice)


def bind_trouble(address: tuple[str, int], kind: int) -> str | None:
    """Why an address cannot be bound, or None."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return error.strerror or str(error)
    return None


def _running(settings: Settings) -> bool:
    scheme = "https" if settings.http.tls_certificate else "http"
    try:
        with urllib.request.urlopen(f"{scheme}://{settings.http.listen}/healthz", timeout=1) as reply:
            return b'"status"' in reply.read(200)
    except urllib.error.HTTPError as error:
        return b'"status"' in error.read(200)
    except (OSError, ValueError):
        return False


def _rtp_ports(settings: Settings) -> Iterator[Diagnosis]:
    first, last = settings.media.port_range
    host = split_address(settings.sip.listen)[0]
    step = max(2, (last - first) // RTP_SAMPLES // 2 * 2)
    ports = range(first + first % 2, last + 1, step)
    taken = [port for port in ports if bind_trouble((host, port), socket.SOCK_DGRAM) is not None]
    have, want = (last - first + 1) // 2, settings.media.legs * settings.media.workers
    if len(taken) == len(ports):
        yield Diagnosis(
            "problem", "rtp", f"no port of {first}-{last} can be bound on {host}", "choose other media.rtp_ports, or check sip.listen"
        )
    elif have < want:
        yield Diagnosis("warning", "rtp", f"{have} ports for {want} legs", "widen media.rtp_ports, or lower media.legs")
    elif taken:
        yield Diagnosis(
            "warning", "rtp", f"{len(taken)} of {len(ports)} ports tried are in use", "hubbub skips them; a range of its own is better"
        )
    else:
        yield Diagnosis("ok", "rtp", f"{first}-{last}, {have} calls")


def _loopback(_settings: Settings) -> Iterator[Diagnosis]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        one.settimeout(1.0)
        began = time.monotonic()
        other.sendto(b"hubbub", one.getsockname())
        try:
            one.recv(16)
        except TimeoutError:
            yield Diagnosis(
                "problem", "loopback", "a packet to 127.0.0.1 did not arrive", "bring up lo; look for firewall rules (nft list ruleset)"
            )
            return
        took = time.monotonic() - began
    if took > SLOW_LOOPBACK:
        yield Diagnosis("warning", "loopback", f"a packet took {took * 1000:.0f} ms", "the machine is overloaded: audio will stutter")
    else:
        yield Diagnosis("ok", "loopback", f"a packet took {took * 1000:.1f} ms")


def _folder(about: str, folder: Path, key: str, *, made: bool) -> Iterator[Diagnosis]:
    """Writable, and with space; `made`: one that is not there yet is judged by the one that it will be made in."""
    found = folder
    while made and not found.exists() and found != found.parent:
        found = found.parent
    if not found.is_dir():
        yield Diagnosis("problem", about, f"{found} is no folder", f"make it, or change {key}")
        return
    try:
        with tempfile.NamedTemporaryFile(dir=found, prefix=".hubbub-doctor-") as probe:
            probe.write(b"x" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        advice = f"give the user {os.geteuid()} write permission there, or change {key}"
        yield Diagnosis("problem", about, f"{found} cannot be written: {error.strerror}", advice)
        return
    free = shutil.disk_usage(found).free
    text, advice = f"{found}: {free / 1e9:.1f} GB free", "make room, or move it to a larger disk"
    yield Diagnosis("problem" if free < NO_DISK else "warning" if free < LOW_DISK else "ok", about, text, advice if free < LOW_DISK else "")


def _database(settings: Settings) -> Iterator[Diagnosis]:
    database = settings.storage.database
    try:
        path = path_of(database)
    except ConfigurationError:
        if Database(database, busy_timeout=0).in_memory:
            yield Diagnosis("warning", "database", "it is in memory", "nothing outlives the server: set storage.database to sqlite:///FILE")
            return
        raise
    folder = list(_folder("database", path.parent, "storage.database", made=False))
    yield from folder
    if not path.exists():
        if worst(folder) != "problem":
            yield Diagnosis("ok", "database", f"{path} will be made at the first start")
        return
    if not os.access(path, os.W_OK):
        yield Diagnosis("problem", "database", f"{path} cannot be written", f"give the user {os.geteuid()} write permission to it")
        return
    try:
        connection = sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True, timeout=2.0)
        try:
            version, newest = version_of(connection), max(shipped_scripts())
        finally:
            connection.close()
    except sqlite3.Error as error:
        yield Diagnosis("problem", "database", f"{path}: {error}", "restore it from a backup, or move it away and start with an empty one")
        return
    if version > newest:
        yield Diagnosis("problem", "database", f"{path} was written by a newer release (schema {version}, here {newest})", "upgrade hubbub")
    else:
        more = "" if version == newest else f", will be brought to {newest}"
        yield Diagnosis("ok", "database", f"{path}: schema {version}{more}")


def _recordings(settings: Settings) -> Iterator[Diagnosis]:
    yield from _folder("recordings", settings.storage.recordings, "storage.recordings", made=True)


def _files(settings: Settings) -> Iterator[Diagnosis]:
    limit, want = resource.getrlimit(resource.RLIMIT_NOFILE)[1], settings.files
    if 0 <= limit < want:
        text = f"{limit} files may be open, {want} are wanted for all legs and connections"
        yield Diagnosis("warning", "files", text, f"ulimit -Hn {want}, LimitNOFILE={want}")
    else:
        yield Diagnosis("ok", "files", f"{'any number of' if limit < 0 else limit} files may be open")


def _clock(_settings: Settings) -> Iterator[Diagnosis]:
    built = Path(__file__).stat().st_mtime
    now = time.time()
    if now < built - 86_400:
        day = time.strftime("%Y-%m-%d", time.gmtime(now))
        yield Diagnosis("problem", "clock", f"it says {day}: before this release was installed", "set it; run chrony or systemd-timesyncd")
        return
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except AttributeError:
        state = -1
    if state == UNSYNCHRONISED:
        yield Diagnosis("warning", "clock", "nobody keeps it in time", "run chrony or systemd-timesyncd: signatures and times depend on it")
    else:
        yield Diagnosis("ok", "clock", "plausible" if state < 0 else "synchronised")


def _priority(_settings: Settings) -> Iterator[Diagnosis]:
    from hubbub.media.process import FIFO_PRIORITY

    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
    except OSError:
        advice = "ulimit -r 20, LimitRTPRIO=20, CAP_SYS_NICE, or --cap-add SYS_NICE; without it a busy machine is heard"
        yield Diagnosis("warning", "priority", "the media process gets no realtime priority", advice)
        return
    os.sched_setscheduler(0, policy, parameters)
    yield Diagnosis("ok", "priority", f"SCHED_FIFO {FIFO_PRIORITY}")


def _engine(_settings: Settings) -> Iterator[Diagnosis]:
    from hubbub.media.compiled import cache_folder
    from hubbub.media.process import is_warm

    if is_warm():
        yield Diagnosis("ok", "engine", f"compiled in {cache_folder()}")
    else:
        yield Diagnosis(
            "warning", "engine", "not compiled for this machine yet", "run `hubbub warm`: else the first start takes half a minute"
        )


def _codecs(settings: Settings) -> Iterator[Diagnosis]:
    if "OPUS" not in (name.upper() for name in settings.media.codecs):
        return
    library = libopus.find()
    if library is not None:
        yield Diagnosis("ok", "opus", f"{library.version}, {library.path}")
    else:
        yield Diagnosis("warning", "opus", "no libopus: calls use G.722 and G.711", libopus.HOW_TO_GET_IT)


def _encryption(settings: Settings) -> Iterator[Diagnosis]:
    try:
        check_encryption(settings)
    except ConfigurationError as error:
        yield Diagnosis("problem", "srtp", str(error), libsrtp.HOW_TO_GET_IT)
        return
    library = libsrtp.find()
    if library is not None:
        yield Diagnosis("ok", "srtp", f"libsrtp {library.version}, {library.path}: {', '.join(library.suites)}")
    elif settings.sip.srtp != "off":
        yield Diagnosis("warning", "srtp", "no libsrtp: encrypted calls get 488", libsrtp.HOW_TO_GET_IT)


def _speech(_settings: Settings) -> Iterator[Diagnosis]:
    from hubbub.speech.engines import installed

    found = installed()
    if found:
        yield Diagnosis("ok", "speech", ", ".join(found))
    else:
        yield Diagnosis("warning", "speech", "no voice is installed: prompts are tones", "pip install 'hubbub[speech]'")


def _recognition(settings: Settings) -> Iterator[Diagnosis]:
    from hubbub.speech.recogniser import installed

    most = settings.speech.recognisers
    if not most:
        yield Diagnosis("ok", "recognition", "switched off: speech.recognisers is 0")
    elif installed():
        yield Diagnosis("ok", "recognition", f"pocketsphinx, American English, {most} at a time")
    else:
        text = "no recogniser is installed: nobody's speech is understood or transcribed"
        yield Diagnosis("warning", "recognition", text, "pip install 'hubbub[recognition]', or set speech.recognisers = 0")


def worst(found: list[Diagnosis]) -> Level:
    """The worst level among them."""
    order: dict[Level, int] = {"ok": 0, "warning": 1, "problem": 2}
    return max((each.level for each in found), key=order.__getitem__, default="ok")
