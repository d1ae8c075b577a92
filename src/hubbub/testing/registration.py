"""REGISTER from a phone's own port (RFC 3261 §10.2), while nothing else listens there."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket

from hubbub.sip import digest
from hubbub.sip.endpoint import Address


async def register(local: Address, registrar: Address, username: str, password: str, *, expires: int = 3600, patience: float = 4.0) -> None:
    """Bind `local`, register `username` at `registrar`, close. AssertionError when it is refused or not answered."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind(local)
        port.setblocking(False)
        call_id, tag = secrets.token_hex(12), secrets.token_hex(6)
        uri = f"sip:{registrar[0]}:{registrar[1]}"
        credentials = ""
        code, text = 0, ""
        for sequence in (1, 2):
            message = _message(local, uri, username, call_id, tag, sequence, expires, credentials)
            code, text = await _exchange(loop, port, registrar, message.encode(), patience)
            if code != 401 or credentials:
                break
            challenges = re.findall(r"(?im)^WWW-Authenticate:\s*(.+?)\r?$", text)
            answer = digest.answer_challenge(
                challenges, username=username, password=password, method="REGISTER", uri=uri, cnonce=secrets.token_hex(8), body=""
            )
            assert answer is not None, f"{uri} asks {username} for credentials of a kind that is not known: {challenges}"
            credentials = f"Authorization: {answer}\r\n"
    assert code == 200, f"REGISTER of {username} at {uri} was answered {code or 'by nobody'}: {text.splitlines()[:1]}"


def _message(local: Address, uri: str, username: str, call_id: str, tag: str, sequence: int, expires: int, credentials: str) -> str:
    host, port = local
    return (
        f"REGISTER {uri} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{secrets.token_hex(8)}\r\n"
        f"Max-Forwards: 70\r\n"
        f"From: <sip:{username}@{uri[4:]}>;tag={tag}\r\n"
        f"To: <sip:{username}@{uri[4:]}>\r\n"
        f"Call-ID: {call_id}\r\n"
        f"CSeq: {sequence} REGISTER\r\n"
        f"Contact: <sip:{username}@{host}:{port}>\r\n"
        f"Expires: {expires}\r\n"
        f"{credentials}"
        f"Content-Length: 0\r\n\r\n"
    )


async def _exchange(
    loop: asyncio.AbstractEventLoop, port: socket.socket, registrar: Address, message: bytes, patience: float
) -> tuple[int, str]:
    """Send with retransmission (T1 = 0.5 s, doubling); the final response, or (0, "")."""
    deadline, wait = loop.time() + patience, 0.5
    while loop.time() < deadline:
        await loop.sock_sendto(port, message, registrar)
        try:
            async with asyncio.timeout(min(wait, max(0.01, deadline - loop.time()))):
                while True:
                    data = await loop.sock_recv(port, 65_535)
                    match = re.match(rb"SIP/2\.0 (\d{3})", data)
                    if match and int(match[1]) >= 200:
                        return int(match[1]), data.decode(errors="replace")
        except (TimeoutError, ConnectionRefusedError):
            wait *= 2
    return 0, ""
