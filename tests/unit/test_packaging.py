"""What is shipped for operators: the systemd unit is one that systemd accepts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "packaging" / "hubbub.service"
PROGRAM = "/opt/hubbub/bin/hubbub"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """Every key, section and value; the program itself is put in place by the operator."""
    found = tmp_path / "hubbub.service"
    found.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(found)], capture_output=True, text=True, timeout=60, check=False)
    if "Failed to" in done.stderr and "hubbub.service" not in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    assert [line for line in done.stderr.splitlines() if "hubbub.service" in line] == []
    assert done.returncode == 0
