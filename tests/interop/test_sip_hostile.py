"""What nobody should send, sent: torture messages in the manner of RFC 4475, mutated packets, and a flood while calls go on."""

from __future__ import annotations

import importlib.util
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("sip_node", Path(__file__).with_name("sip_node.py"))
assert _spec is not None
assert _spec.loader is not None
sip_node = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sip_node)

pytestmark = pytest.mark.interop

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


class Wire:
    """A bare UDP socket aimed at the node."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]

    def send(self, data: bytes | str) -> None:
        self.socket.send(data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape"))

    def responses(self, call_id: str, seconds: float = 0.4) -> list[str]:
        """Status lines for one Call-ID; ends with the first final response or after `seconds`."""
        found: list[str] = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                text = self.socket.recv(65535).decode("utf-8", "replace")
            except (TimeoutError, ConnectionRefusedError):
                break
            if text.startswith("SIP/2.0") and call_id in text:
                found.append(text[8:11])
                if text[8] >= "2":
                    break
        return found

    def alive(self) -> bool:
        """Whether OPTIONS is answered."""
        name = f"alive{random.random()}"
        self.send(message("OPTIONS", name, self.port))
        return "200" in self.responses(name, 5)


def message(method: str, call_id: str, port: int, *, start: str = "", body: str = "", **changed: str | None) -> str:
    """A good request, with headers changed: None removes one, a name with `_` is written with `-`."""
    headers: dict[str, str | None] = {
        "Via": f"SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{call_id}",
        "From": "<sip:t@127.0.0.1>;tag=t1",
        "To": "<sip:room@127.0.0.1>",
        "Call-ID": call_id,
        "CSeq": f"1 {method}",
        "Contact": f"<sip:t@127.0.0.1:{port}>",
        "Max-Forwards": "70",
        "Content-Type": "application/sdp" if body else None,
        "Content-Length": str(len(body.encode())),
    }
    headers.update({name.replace("_", "-"): value for name, value in changed.items()})
    lines = [start or f"{method} sip:room@127.0.0.1 SIP/2.0", *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return "\r\n".join([*lines, "", body])


# name, expected final status (None: none at all), request
TORTURE: list[tuple[str, str | None, dict[str, Any]]] = [
    ("white space", "200", {"method": "OPTIONS", "To": "\r\n sip:room@127.0.0.1  ", "From": '"a \\" b"   <sip:t@127.0.0.1> ;  tag  = t1'}),
    ("odd method", "501", {"method": "!interesting-Method0123456789_*+`.%indeed'~"}),
    ("escaped user", "200", {"method": "OPTIONS", "start": "OPTIONS sip:sips%3Auser%40example.com@127.0.0.1 SIP/2.0"}),
    ("escaped nul", "200", {"method": "OPTIONS", "start": "OPTIONS sip:null-%00-null@127.0.0.1 SIP/2.0"}),
    ("no space before <", "200", {"method": "OPTIONS", "From": "caller<sip:t@127.0.0.1>;tag=t1"}),
    ("long values", "200", {"method": "OPTIONS", "X_Long": "x" * 3000, "From": f'"{"n" * 1000}" <sip:t@127.0.0.1>;tag={"t" * 500}'}),
    ("semicolon user", "200", {"method": "OPTIONS", "start": "OPTIONS sip:user;par=u%40example.net@127.0.0.1 SIP/2.0"}),
    (
        "many vias",
        "200",
        {"method": "OPTIONS", "Via": "SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK1, SIP/2.0/TLS [2001:db8::9]:5061;branch=x"},
    ),
    ("compact names", "200", {"method": "OPTIONS", "From": None, "f": "<sip:t@127.0.0.1>;tag=t1", "To": None, "t": "<sip:x@127.0.0.1>"}),
    ("tel caller", "200", {"method": "OPTIONS", "From": "<tel:+15550001000>;tag=t1"}),
    ("unknown scheme", "416", {"method": "OPTIONS", "start": "OPTIONS nobodyKnowsThisScheme:totallyopaque SIP/2.0"}),
    ("unknown scheme in From", "400", {"method": "OPTIONS", "From": "<isbn:2983792873>;tag=t1"}),
    ("version", "505", {"method": "OPTIONS", "start": "OPTIONS sip:t@127.0.0.1 SIP/7.0"}),
    ("bracketed uri", "400", {"method": "OPTIONS", "start": "OPTIONS <sip:room@127.0.0.1> SIP/2.0"}),
    ("space in uri", "400", {"method": "OPTIONS", "start": "OPTIONS sip:room@127.0.0.1; lr SIP/2.0"}),
    ("method mismatch", "400", {"method": "OPTIONS", "CSeq": "1 INVITE"}),
    ("cseq too large", "400", {"method": "OPTIONS", "CSeq": "36893488147419103232 OPTIONS"}),
    ("cseq no number", "400", {"method": "OPTIONS", "CSeq": "one OPTIONS"}),
    ("max-forwards 300", "400", {"method": "OPTIONS", "Max_Forwards": "300"}),
    ("max-forwards 0", "483", {"method": "INVITE", "body": SDP, "Max_Forwards": "0"}),
    ("content-length too large", "400", {"method": "INVITE", "body": SDP, "Content_Length": "9999"}),
    ("content-length negative", "400", {"method": "INVITE", "body": SDP, "Content_Length": "-999"}),
    ("content-length twice", "400", {"method": "INVITE", "body": SDP, "l": "5"}),
    ("two froms", "400", {"method": "OPTIONS", "f": "<sip:other@127.0.0.1>;tag=t2"}),
    ("open quote", "400", {"method": "OPTIONS", "To": '"Mr. J. User <sip:j@127.0.0.1>'}),
    ("no call-id", None, {"method": "OPTIONS", "Call_ID": None}),
    ("no via", None, {"method": "OPTIONS", "Via": None}),
    ("no from tag", "200", {"method": "OPTIONS", "From": "<sip:t@127.0.0.1>"}),
    ("no contact", "400", {"method": "INVITE", "body": SDP, "Contact": None}),
    ("star contact", "400", {"method": "INVITE", "body": SDP, "Contact": "*"}),
    ("unknown extension", "420", {"method": "OPTIONS", "Require": "nothingSupportsThis", "Proxy_Require": "noProxiesSupportThis"}),
    ("unknown body", "415", {"method": "INVITE", "body": "<audio/>", "Content_Type": "application/unknownformat"}),
    ("unknown encoding", "415", {"method": "INVITE", "body": SDP, "Content_Encoding": "gzip"}),
    ("sdp is garbage", "488", {"method": "INVITE", "body": "hello", "Content_Type": "application/sdp"}),
    ("other authorization", "401", {"method": "REGISTER", "Authorization": "NoOneKnowsThisScheme opaque-data=here"}),
    ("broken authorization", "401", {"method": "REGISTER", "Authorization": 'Digest username="a, realm=,,,==,"'}),
    ("strange refer-to", "481", {"method": "REFER", "Refer_To": "<sip:x@127.0.0.1>"}),
    ("raw bytes in the uri", "400", {"method": "OPTIONS", "start": "OPTIONS sip:r\udcff\udc80@127.0.0.1 SIP/2.0"}),
    ("raw bytes in a name", "200", {"method": "OPTIONS", "From": '"\udcff\udcfe" <sip:t@127.0.0.1>;tag=t1'}),
    ("bye to nobody", "481", {"method": "BYE", "To": "<sip:room@127.0.0.1>;tag=gone"}),
    ("cancel of nothing", "481", {"method": "CANCEL"}),
    ("ack of nothing", None, {"method": "ACK"}),
    ("port of contact", "400", {"method": "INVITE", "body": SDP, "Contact": "<sip:t@127.0.0.1:port>"}),
    ("rport is a word", "200", {"method": "OPTIONS", "Via": "SIP/2.0/UDP 127.0.0.1:{port};rport=x;branch=z9hG4bKw"}),
]


@pytest.fixture
def node() -> Iterator[Any]:
    one = sip_node.Node(phones={"alice": "secret"})
    yield one
    log = one.stop()
    assert "Traceback" not in log, log
    assert "STDOUT" not in log, log


def test_torture(node: Any) -> None:
    """RFC 4475: each gets the answer it deserves, and none stops the endpoint."""
    wire = Wire(node.port)
    wrong: list[str] = []
    for number, (name, expected, change) in enumerate(TORTURE):
        change = {key: value.replace("{port}", str(wire.port)) if isinstance(value, str) else value for key, value in change.items()}
        wire.send(message(change.pop("method"), f"torture{number}", wire.port, **change))
        got = [status for status in wire.responses(f"torture{number}", 0.4 if expected is None else 3) if status >= "200"]
        if got != ([] if expected is None else [expected]):
            wrong.append(f"{name}: {got} instead of {expected}")
    assert not wrong, "\n".join(wrong)
    assert wire.alive()


def test_strange_responses_and_fragments(node: Any) -> None:
    wire = Wire(node.port)
    for data in (
        b"",
        b"\r\n\r\n",
        b"\0" * 40,
        b"SIP/2.0 200 OK\r\n\r\n" + b"x" * 40,
        b"SIP/2.0 4294967301 better not break the receiver\r\nVia: x\r\n\r\n" + b"x" * 20,
        b"SIP/2.0 99 low\r\nVia: SIP/2.0/UDP h;branch=b\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:a>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n",
        b"SIP/2.0 200 stray\r\nVia: SIP/2.0/UDP h;branch=b\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:a>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n",
        bytes(range(256)) * 4,
        b"\xff" * 65_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b" " * 40,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    ):
        wire.send(data)
    assert wire.alive()
    counters = node.counters()
    assert counters["stray_response"] == 1
    assert counters["keepalive"] >= 1
    assert (counters["garbage_bad_status"], counters["garbage_bad_response"]) == (1, 2)
    assert counters["garbage_not_sip"] >= 4


def mutations(count: int, port: int) -> Iterator[bytes]:
    chance = random.Random(4475)
    seeds = [
        message(method, "m", port, body=SDP if method == "INVITE" else "").encode()
        for method in ("INVITE", "REGISTER", "OPTIONS", "BYE", "INFO")
    ]
    pieces = [b"\r\n", b";", b"<", b'"', b",", b":", b"=", b"\0", b"\xff\xfe", b"%", b"[", b"sip:", b"99999999999", b" ", b"@", b"tag="]
    for number in range(count):
        data = bytearray(chance.choice(seeds).replace(b"bKm", b"bKm%d" % number).replace(b"Call-ID: m", b"Call-ID: m%d" % number))
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(data))
            kind = chance.randrange(4)
            if kind == 0:
                data[place] = chance.randrange(256)
            elif kind == 1:
                del data[place : place + chance.randint(1, 40)]
            elif kind == 2:
                data[place:place] = chance.choice(pieces) * chance.randint(1, 3)
            else:
                data[place:place] = data[: chance.randint(1, 60)]
        yield bytes(data)


def test_mutated_packets(node: Any) -> None:
    wire = Wire(node.port)
    for number, data in enumerate(mutations(3000, wire.port)):
        wire.send(data)
        if number % 100 == 99:
            assert wire.alive(), number
    counters = node.counters()
    failed = {name: value for name, value in counters.items() if name.startswith("garbage_failed")}
    assert not failed, f"{failed}\n" + "\n".join(node.log)
    assert counters["garbage_unparsable"] > 50
    lines = [line for line in node.log if "sip_garbage" in line]
    assert 1 <= len(lines) <= 5, lines  # one line in five seconds, whatever comes


@pytest.mark.skipif(not sip_node.available("sipp"), reason="SIPp is not installed (apt-get install sip-tester)")
def test_calls_go_on_during_a_flood(node: Any, tmp_path: Path) -> None:
    stop = threading.Event()

    def flood() -> None:
        wire = Wire(node.port)
        packets = list(mutations(500, wire.port))
        while not stop.is_set():
            for data in packets[:20]:
                wire.send(data[:200] + random.randbytes(20) + data[200:])
            time.sleep(0.04)  # about 500 a second

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        sip_node.sipp(f"127.0.0.1:{node.port}", "-sn", "uac", "-s", "load", "-r", "40", "-m", "100", "-d", "100", folder=tmp_path)
    finally:
        stop.set()
        thread.join()
    counters = node.counters()
    garbage = sum(value for name, value in counters.items() if name.startswith("garbage"))
    assert garbage > 300
    assert not re.search(r"garbage_failed", str(counters)), counters
