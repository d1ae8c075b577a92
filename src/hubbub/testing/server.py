"""A hubbub to call: `hubbub serve` as a process of its own, on free ports, in a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.dialects.registry import DEFAULT
from hubbub.settings import split_address
from hubbub.sip.endpoint import Address

READY: Final = re.compile(r"^ready http=(\S+) sip=(\S+)", re.MULTILINE)
START_TIMEOUT: Final = 90.0
"""Seconds; the first start on a machine may compile the media plane."""
STOP_TIMEOUT: Final = 15.0
ORPHAN_SECONDS: Final = 1.0
"""How long a child may outlive the server."""
_PORTS: Final = 2000
_LOWEST, _HIGHEST = 10_000, 30_000
"""RTP ports are taken from here: below what the kernel gives to sockets that do not care (32768 and up)."""
_MEDIA: Final = "hubbub.media.process"


class HubbubServer:
    """One server process.

        async with HubbubServer(application.url("/voice")) as server:
            call = await phone.call(server.uri("+15550001000"))

    `url` answers every number, in `dialect` (the first of the configuration's, unless said otherwise). `config` is merged over
    the defaults: tables by key, lists as a whole. `folder` holds configuration, database, recordings and log; without one, a
    temporary folder that is removed at the end.
    """

    def __init__(
        self,
        url: str = "",
        *,
        config: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        dialect: str = DEFAULT,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="hubbub-"))
        self.config = merged(_defaults(url, dialect), config or {})
        self._arguments = arguments
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self.orphans: list[int] = []
        self.http: Address = ("", 0)
        self.sip: Address = ("", 0)

    # -- running -------------------------------------------------------------------------------------------------------

    async def start(self, timeout: float = START_TIMEOUT) -> Self:
        """Start, and wait until it is ready for calls. AssertionError with the end of its log when it is not."""
        assert self._process is None, "the server runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "hubbub.toml"
        file.write_text(to_toml(self.config), encoding="utf-8")
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        program = "import sys; from hubbub.cli import main; sys.exit(main())"
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, "serve", "--config", str(file), *self._arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment}, start_new_session=True,
            )  # fmt: skip
        try:
            await self._until_ready(time.monotonic() + timeout)
        except BaseException:
            await self._reap()
            raise
        return self

    async def _until_ready(self, deadline: float) -> None:
        while True:
            match = READY.search(self.log)
            if match and match[2]:
                break
            self._check_alive(deadline, "did not become ready")
            await asyncio.sleep(0.02)
        self.http, self.sip = split_address(match[1]), split_address(match[2])
        # A restart must be found where the first start was.
        self.config = merged(self.config, {"http": {"listen": match[1]}, "sip": {"listen": match[2]}})
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(self.http_url("/healthz"), timeout=aiohttp.ClientTimeout(2)) as reply:
                        if reply.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                self._check_alive(deadline, "is not healthy")
                await asyncio.sleep(0.02)

    def _check_alive(self, deadline: float, complaint: str) -> None:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"hubbub ended with status {code}:\n{self.log_tail()}"
        assert time.monotonic() < deadline, f"hubbub {complaint} in time:\n{self.log_tail()}"

    async def stop(self, timeout: float = STOP_TIMEOUT) -> int:
        """End it as an operator would (SIGTERM); its exit status. AssertionError when it does not end."""
        return await self._end(signal.SIGTERM, timeout)

    async def kill(self) -> int:
        """End it as a crash would (SIGKILL)."""
        return await self._end(signal.SIGKILL, STOP_TIMEOUT)

    async def restart(self) -> Self:
        """Stop it if it runs, and start it again in the same folder and on the same ports."""
        if self._process is not None:
            await self.stop()
        return await self.start()

    async def _end(self, number: signal.Signals, timeout: float) -> int:
        assert self._process is not None, "the server does not run"
        process = self._process
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        deadline = time.monotonic() + timeout
        while process.poll() is None:
            if time.monotonic() > deadline:
                await self._reap()
                raise AssertionError(f"hubbub did not end within {timeout:g} s after {number.name}:\n{self.log_tail()}")
            await asyncio.sleep(0.01)
        await self._reap()
        return process.returncode

    async def _reap(self) -> None:
        """Nothing of the server's session may outlive it, whatever happened; what tried to is listed in `orphans`."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.kill()
        process.wait()
        deadline = time.monotonic() + ORPHAN_SECONDS
        while (left := _session(process.pid)) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        self.orphans = left
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            print(f"--- hubbub's log, {self.log_file} ---\n{self.log_tail()}", file=sys.stderr)
        try:
            if self._process is not None:
                await self.stop()
        finally:
            if self._temporary and error is None:
                shutil.rmtree(self.folder, ignore_errors=True)

    # -- where it is ---------------------------------------------------------------------------------------------------

    def uri(self, user: str) -> str:
        """The SIP URI of a number or name on this server."""
        return f"sip:{user}@{self.sip[0]}:{self.sip[1]}"

    def http_url(self, path: str = "/") -> str:
        """The URL of a path of its REST interface."""
        return f"http://{self.http[0]}:{self.http[1]}{path}"

    @property
    def faces(self) -> Mapping[str, Mapping[str, str]]:
        """The credentials of its first account: a table for each of its faces."""
        account: Mapping[str, Any] = self.config["accounts"][0]
        return {name: value for name, value in account.items() if isinstance(value, dict)}

    @property
    def recordings(self) -> Path:
        """Where it puts recordings."""
        return self.folder / str(self.config["storage"]["recordings"])

    # -- what it does --------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Of the server process."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def media_pids(self) -> list[int]:
        """Its media processes (the working ones and the standby), oldest first."""
        return sorted(pid for pid, command in _descendants(self.pid) if _MEDIA in command and "--warm" not in command)

    @property
    def log_file(self) -> Path:
        return self.folder / "hubbub.log"

    @property
    def log(self) -> str:
        """What this run has printed so far."""
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def log_tail(self, lines: int = 60) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.splitlines()[-lines:]) or "(nothing printed)"


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid upon `base`: tables key by key, everything else replaced."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def to_toml(config: Mapping[str, Any]) -> str:
    """A configuration as TOML, one line per top-level key (inline tables)."""
    return "".join(f"{key} = {_toml(value)}\n" for key, value in config.items())


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(key))} = {_toml(item)}" for key, item in value.items() if item is not None) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)


def _defaults(url: str, dialect: str) -> dict[str, Any]:
    numbers = [{"number": "*", "account": DEVELOPMENT_ACCOUNT["name"], "dialect": dialect, "url": url}] if url else []
    return {
        "http": {"listen": "127.0.0.1:0"},
        "sip": {"listen": "127.0.0.1:0"},
        "media": {"rtp_ports": free_port_range()},
        "storage": {"database": "sqlite:///hubbub.db", "recordings": "recordings"},
        "dial": {"allow_sip": ["127.0.0.1"]},
        "accounts": [DEVELOPMENT_ACCOUNT],
        "numbers": numbers,
    }


def free_port_range(count: int = _PORTS) -> str:
    """A range of UDP ports that nobody seems to use, for one server among several on a machine."""
    chance = random.SystemRandom()
    for _ in range(50):
        first = chance.randrange(_LOWEST, _HIGHEST - count, 2)
        if all(_is_free(port) for port in range(first, first + count, count // 10)) and _is_free(first + 2):
            return f"{first}-{first + count - 1}"
    raise AssertionError(f"no {count} free UDP ports between {_LOWEST} and {_HIGHEST}")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _stat(entry: Path) -> list[str]:
    """The fields of /proc/PID/stat behind the name: state, parent, group, session…"""
    return (entry / "stat").read_text().rpartition(")")[2].split()


def _session(leader: int) -> list[int]:
    """Living processes of the session that `leader` led."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = _stat(entry)
                if int(fields[3]) == leader and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


def _descendants(pid: int) -> list[tuple[int, str]]:
    """Children of `pid` and theirs, with their command lines (from /proc)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(entry)[1]), []).append(int(entry.name))
    found: list[tuple[int, str]] = []
    left = list(children.get(pid, []))
    while left:
        child = left.pop()
        left += children.get(child, [])
        with contextlib.suppress(OSError):
            found.append((child, Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")))
    return found
