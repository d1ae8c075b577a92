"""Programs that use the vendors' own packages, each in its environment: they get their job on stdin and say on stdout what they saw."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


async def run(command: Sequence[str | Path], job: Mapping[str, Any], **environment: str) -> dict[str, Any]:
    """What such a program saw: the JSON of the last line that it wrote."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, **environment})
    out, err = await process.communicate(json.dumps(job).encode())
    assert process.returncode == 0, err.decode()
    answer: dict[str, Any] = json.loads(out.decode().strip().splitlines()[-1])
    return answer
