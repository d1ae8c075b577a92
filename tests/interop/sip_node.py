"""A small SIP endpoint process for interop tests, and the handle that tests drive it with.

Run as a program it answers by the dialled user and tells what happens as JSON lines on stdout; commands come as JSON lines on
stdin. Its log goes to stderr.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEDIA = ("127.0.0.1", 40000)


class Node:
    """The process as a test sees it."""

    def __init__(self, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, Any]] = []
        self.log: list[str] = []
        self._news = threading.Condition()
        for stream, take in ((self.process.stdout, self._event), (self.process.stderr, self.log.append)):
            threading.Thread(target=self._read, args=(stream, take), daemon=True).start()
        self.port = int(self.wait("ready")["port"])

    def _read(self, stream: Any, take: Callable[[str], None]) -> None:
        for line in stream:
            take(line.rstrip("\n"))

    def _event(self, line: str) -> None:
        with self._news:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.log.append("STDOUT " + line)  # nothing but events belongs there
            self._news.notify_all()

    def wait(self, what: str, seconds: float = 10, count: int = 1, **fields: Any) -> dict[str, Any]:
        """The `count`-th event of this name with these fields."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                found = self.all(what, **fields)
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._news.wait(0.2)):
                    tail = "\n".join([*map(str, self.events[-20:]), *self.log[-40:]])
                    raise AssertionError(f"no {what} {fields} (seen {len(found)} of {count})\n{tail}")
                self._news.wait(left)

    def all(self, what: str, **fields: Any) -> list[dict[str, Any]]:
        """All events of this name with these fields so far."""
        return [
            event
            for event in list(self.events)
            if event["event"] == what and all(event.get(name) == value for name, value in fields.items())
        ]

    def tell(self, command: str, **fields: Any) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"command": command, **fields}) + "\n")
        self.process.stdin.flush()

    def counters(self) -> dict[str, int]:
        """The endpoint's counters now."""
        seen = len(self.all("counters"))
        self.tell("counters")
        found: dict[str, int] = self.wait("counters", count=seen + 1)["counters"]
        return found

    def stop(self) -> str:
        """End the process; what it logged, for checks on tracebacks."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return "\n".join(self.log)


def available(program: str) -> bool:
    """Whether a peer is installed."""
    import shutil

    return shutil.which(program) is not None


SIPP = Path(__file__).with_name("sipp")


def sipp(*arguments: str, folder: Path, seconds: float = 40) -> str:
    """Run SIPp; its last screen when every call succeeded, AssertionError with its output when not."""
    command = [
        "sipp",
        *arguments,
        "-i",
        "127.0.0.1",
        "-nostdin",
        "-trace_err",
        "-trace_screen",
        "-timeout",
        f"{seconds:.0f}",
        "-timeout_error",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds + 10)
    errors = "\n".join(path.read_text(errors="replace")[:4000] for path in folder.glob("*_errors.log"))
    screens = "\n".join(path.read_text(errors="replace")[-6000:] for path in folder.glob("*_screen.log"))
    assert done.returncode == 0, (
        f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}\n{errors}\n{screens}"
    )
    return screens


def node_main(options: dict[str, Any]) -> None:
    """The process."""
    import structlog

    from hubbub.errors import SipError
    from hubbub.sip import sdp
    from hubbub.sip.description import SdpError, parse_sdp
    from hubbub.sip.sippy_endpoint import SippyEndpoint

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

    def say(event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)

    def local_sdp(offer: str | None, version: int = 1, direction: Any = "sendrecv") -> str | None:
        if offer is None:
            return sdp.make_offer(MEDIA, session=9, version=version, direction=direction)
        try:
            return sdp.make_answer(parse_sdp(offer), MEDIA, session=9, version=version)[0]
        except SdpError as error:
            say("sdp_error", error=str(error))
            return None

    async def run() -> None:
        if "trust" in options:
            options["trust"] = [ipaddress.ip_network(item) for item in options["trust"]]
        endpoint = SippyEndpoint(("127.0.0.1", options.pop("port", 0)), **options)
        loop = asyncio.get_running_loop()
        calls: dict[str, Any] = {}
        quiet = ("load",)

        def watch(call: Any) -> None:
            calls[call.id] = call

            def offered(offer: str | None) -> str | None:
                say("offer", id=call.id, sdp=offer)
                return local_sdp(offer, 2)

            def ended(end: Any) -> None:
                calls.pop(call.id, None)
                if call.to_user not in quiet:
                    say("end", id=call.id, code=end.code, by=end.by, answered=end.answered, reason=end.reason, headers=dict(end.headers))

            call.on_offer = offered
            call.on_end = ended
            call.on_answer = lambda text: say("answer", id=call.id, sdp=text, headers=dict(call.headers))
            call.on_digit = lambda digit: say("digit", id=call.id, digit=digit)
            call.on_progress = lambda code, text: say("progress", id=call.id, code=code, sdp=text)

        async def hold(call: Any) -> None:
            for direction in ("sendonly", "sendrecv"):
                say("reinvited", id=call.id, sdp=await call.reinvite(local_sdp(None, 3, direction)))
            call.hangup({"X-Bye": "held"})

        def invited(call: Any) -> None:
            watch(call)
            if call.to_user not in quiet:
                say(
                    "invite",
                    id=call.id,
                    user=call.user,
                    sender=call.from_user,
                    to=call.to_user,
                    headers=dict(call.headers),
                    sdp=call.remote_sdp,
                    display=call.from_display,
                )
            answer = local_sdp(call.remote_sdp)
            if answer is None:
                call.reject(488)
            elif call.to_user == "busy":
                call.reject(486, headers={"X-Why": "busy"})
            elif call.to_user == "moved":
                call.redirect("sip:elsewhere@127.0.0.1:5999")
            elif call.to_user == "ring":
                call.ring()
            elif call.to_user == "load":
                call.ring()
                call.answer(answer)
            else:
                call.ring()
                loop.call_later(0.02, call.answer, answer, {"X-Answered-By": "hubbub"})
                if call.to_user == "hold":
                    loop.call_later(0.3, lambda: endpoint.spawn(hold(call)))

        endpoint.on_invite = invited
        await endpoint.start()
        say("ready", port=endpoint.address[1])

        async def command(message: dict[str, Any]) -> None:
            name = message.pop("command")
            try:
                if name == "counters":
                    say("counters", counters=dict(endpoint.counters()))
                elif name == "drain":
                    endpoint.drain()
                elif name == "contact":
                    say("contact", uri=endpoint.contact_of(message["user"]))
                elif name == "dial":
                    for _ in range(message.pop("count", 1)):
                        call = endpoint.dial(
                            message["target"], local_sdp(None) or "", **{k: v for k, v in message.items() if k != "target"}
                        )
                        watch(call)
                        say("dialled", id=call.id)
                else:
                    method = getattr(calls[message.pop("id")], name)
                    result = method(*message.pop("values", ()))
                    say("done", name=name, result=await result if asyncio.iscoroutine(result) else None)
            except SipError as error:
                say("done", name=name, error=error.code)

        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            endpoint.spawn(command(json.loads(line)))
            await asyncio.sleep(0)
        await endpoint.stop()

    asyncio.run(run())


if __name__ == "__main__":
    node_main(json.loads(sys.argv[1]))
