"""baresip, Debian's softphone, as a peer of tests. On loopback alone: `net_interface` is the address 127.0.0.1."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import wave
from pathlib import Path
from typing import Any

MODULES = Path("/usr/lib/baresip/modules")
CONFIG = """
sip_listen 127.0.0.1:{listen}
net_interface 127.0.0.1
call_max_calls 4
audio_source aufile,{folder}/tone.wav
audio_player aubridge,heard
snd_path {folder}
audio_alert aufile,{folder}/alert.wav
rtp_ports 42000-42100
module_path {modules}
module g711.so
{modules_more}module aufile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


HEARS = ("aubridge", "sndfile")
"""Modules with which what it hears is written to a file."""


def free_port(taken: tuple[int, ...] = ()) -> int:
    """A port that nobody has, of UDP nor of TCP, nor the one above it, where baresip listens for TLS; none of `taken`."""
    while True:
        with socket.socket() as stream, socket.socket() as secure, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            stream.bind(("127.0.0.1", 0))
            port: int = stream.getsockname()[1]
            try:
                datagram.bind(("127.0.0.1", port))
                secure.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            if port not in taken:
                return port


class Baresip:
    """The program, driven by its control socket (JSON in netstrings). It says a saw of 400 Hz."""

    def __init__(self, folder: Path, server: int, options: str, codec: str = "pcmu", *, modules: tuple[str, ...] = ()) -> None:
        rate, channels = (48_000, 2) if codec == "opus" else (8_000, 1)
        period = rate // 400
        with wave.open(str(folder / "tone.wav"), "wb") as tone:
            tone.setparams((channels, 2, rate, 0, "NONE", ""))
            one = b"".join((n * 8000 // period - 4000).to_bytes(2, "little", signed=True) * channels for n in range(period))
            tone.writeframes(one * (400 * 10))
        named = "opus/48000/2" if codec == "opus" else codec
        named_modules = (*modules, *(("opus", *HEARS) if codec == "opus" else ()))
        more = "".join(f"module {name}.so\n" for name in named_modules)
        self.port = free_port()
        control = free_port((self.port, self.port + 1))
        (folder / "config").write_text(CONFIG.format(folder=folder, modules=MODULES, control=control, modules_more=more, listen=self.port))
        (folder / "accounts").write_text(f"<sip:alice@127.0.0.1:{server}>;auth_pass=secret;regint=120;audio_codecs={named};{options}\n")
        (folder / "contacts").touch()
        self.output = (folder / "output").open("w+")
        self.process = subprocess.Popen(
            ["baresip", "-f", str(folder)], stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT
        )
        self.events: list[dict[str, Any]] = []
        self.buffer = b""
        deadline = time.monotonic() + 10
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", control), 1)
                return
            except OSError:
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.05)

    def log(self) -> str:
        self.output.flush()
        return Path(self.output.name).read_text(errors="replace")

    def command(self, name: str, parameters: str = "") -> None:
        data = json.dumps({"command": name, "params": parameters, "token": "t"}).encode()
        self.socket.sendall(f"{len(data)}:".encode() + data + b",")

    def wait(self, kind: str, seconds: float = 10) -> dict[str, Any]:
        """The next event of this type; those before it are passed over."""
        deadline = time.monotonic() + seconds
        while True:
            while self.events:
                event = self.events.pop(0)
                if event.get("type") == kind:
                    return event
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise AssertionError(f"baresip told no {kind}\n{self.log()}") from None
            assert data, self.log()
            self.buffer += data
            while b":" in self.buffer:
                length, _, rest = self.buffer.partition(b":")
                if len(rest) <= int(length):
                    break
                self.events.append(json.loads(rest[: int(length)]))
                self.buffer = rest[int(length) + 1 :]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(5)
        self.socket.close()
        self.output.close()
