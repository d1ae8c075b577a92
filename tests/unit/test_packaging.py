"""What is shipped for operators: the systemd unit is one that systemd accepts, and says what the documentation says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from hubbub.cli import app

UNIT = Path(__file__).parents[2] / "packaging" / "hubbub.service"
CONTAINER = UNIT.with_name("Containerfile")
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


def test_both_start_commands_that_exist() -> None:
    """A name or an option that the command line has no more would be found by the operator otherwise."""
    starts = [line.partition(PROGRAM)[2].split() for line in UNIT.read_text().splitlines() if line.startswith("Exec")]
    (command,) = [line for line in CONTAINER.read_text().splitlines() if line.startswith("CMD ")]
    starts.append([word.strip(' "') for word in command.removeprefix("CMD [").rstrip("]").split(",")])
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, *options in starts:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert {option for option in options if option.startswith("--")} <= known
    assert [name for name, *_ in starts] == ["warm", "serve", "serve"]
