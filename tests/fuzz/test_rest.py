"""REST of every face, by a fuzzer that nobody here wrote: Schemathesis, on the description that the server makes of itself."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.fuzz.budget import SECONDS
from tests.support.figures import figure
from tests.support.rest import Rest
from tests.support.stage import PhoneMaker, room

from hubbub.dialects.registry import rest_faces
from hubbub.testing import Application, HubbubServer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is missing: pip install schemathesis"),
]

BASES = [face.base for face in rest_faces("http://hubbub.test", [], lambda: 0.0) if ":" not in face.base]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
PROGRAM = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"


def credentials(server: HubbubServer, base: str) -> tuple[str, str]:
    """The account as a face names it, and its Authorization."""
    faces = server.faces
    if base.startswith("/api/v2"):
        face = faces["bandwidth"]
        return face["account"], aiohttp.encode_basic_auth(face["username"], face["password"])
    name, key = ("signalwire", "project") if base.startswith("/api/laml") else ("twilio", "sid")
    return faces[name][key], aiohttp.encode_basic_auth(faces[name][key], faces[name]["token"])


async def run(server: HubbubServer, base: str, folder: Path, ids: dict[str, str]) -> tuple[int, str]:
    """One run over the operations of a face; its status and report."""
    account, authorization = credentials(server, base)
    values = "\n".join(f'"path.{name}" = "{value}"' for name, value in {"account": account, **ids}.items())
    (folder / "schemathesis.toml").write_text(f"[parameters]\n{values}\n")
    budget = ["--max-time", f"{SECONDS:.0f}", "--max-examples", "1000"] if SECONDS else ["--max-examples", "2", "--seed", "1"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "--config-file", str(folder / "schemathesis.toml"), "run", server.http_url("/hubbub/openapi.json"),
        "--header", f"Authorization: {authorization}", "--include-path-regex", f"^{re.escape(base)}/", "--checks", CHECKS, "--phases",
        "examples,coverage,fuzzing" if SECONDS else "fuzzing", "--mode", "all", "--no-color", "--suppress-health-check", "all",
        "--request-timeout", "30", "--generation-database", "none", *budget,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder, env={**os.environ, "COLUMNS": "140"},
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode("utf-8", "replace")


@pytest.mark.timeout(240 + 20 * SECONDS)
async def test_rest_by_its_own_description(application: Application, phone: PhoneMaker, tmp_path: Path) -> None:
    """Rule: "REST (schemathesis on the generated OpenAPI)": no 5xx, no status, type or shape that the description does not have."""
    application.on("/voice", room('record="record-from-start"'))
    number = {"number": "*", "account": "dev", "dialect": "twiml", "url": application.url("/voice")}
    async with HubbubServer(config={"numbers": [number], "dial": {"allow_sip": []}}, folder=tmp_path / "hubbub") as server:
        call = await (await phone("alice")).call(server.uri("+15550001000"))
        await call.wait_answered()
        async with Rest(server) as rest:
            async with asyncio.timeout(20.0):
                while not (rooms := (await rest.get("/Conferences.json"))["conferences"]):
                    await asyncio.sleep(0.05)
            found = rooms[0]["sid"]
        faults: list[str] = []
        for base in BASES:
            ids: dict[str, Any] = {"room": found} if base.startswith("/2010") else {}
            status, report = await run(server, base, tmp_path, ids)
            counted = re.findall(r"(\d+) (?:test cases )?generated", report) or re.findall(r"Generated\s+(\d+)", report)
            figure(base, f"{counted[0] if counted else report[-300:]} cases, status {status}")
            if status:
                faults.append(f"{base}:\n{report[-6000:]}")
        assert not faults, "\n".join(faults)
        assert server.log.count('"audit"') > 2, "changes were really made: the fuzzer got in"
        assert "rest_failed" not in server.log
        assert "Traceback" not in server.log
