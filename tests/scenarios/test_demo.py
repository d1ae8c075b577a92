"""`hubbub demo` as a user runs it, without a terminal: it says what it shows, checks everything, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hubbub.demo.acts import scenes

pytestmark = pytest.mark.scenario
PROGRAM = "import sys; from hubbub.cli import main; sys.argv = ['hubbub', 'demo', *sys.argv[1:]]; main()"


def start(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(folder)}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True)


def left_behind(folder: Path) -> list[str]:
    """Processes that have to do with the demo's folder, and what lies in it."""
    found = [str(path) for path in folder.iterdir() if path.name.startswith("hubbub")]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                cwd, command = os.readlink(entry / "cwd"), (entry / "cmdline").read_text()
            except OSError:
                continue
            if str(folder) in cwd or str(folder) in command:
                found.append(command)
    return found


@pytest.mark.timeout(240)
def test_every_check_holds_and_is_shown(tmp_path: Path) -> None:
    """Exit 0 only if every check held; each is a line; first line what is shown, last line the verdict and the time."""
    process = start(tmp_path)
    output, _ = process.communicate(timeout=230)
    assert process.returncode == 0, output
    lines = output.splitlines()
    assert lines[0].startswith("hubbub demo:")
    missing = [
        text for scene in scenes() for text in scene.checks.values() if not re.search(rf"s  ok   {re.escape(text)}( \(|$)", output, re.M)
    ]
    assert not missing, output
    total = sum(len(scene.checks) for scene in scenes())
    match = re.fullmatch(rf"All {total} checks held, in (\d+) s \(set-up (\d+) s\)\.", lines[-1])
    assert match, lines[-1]
    assert int(match[1]) - int(match[2]) < 90, "the show itself stays well below two minutes"
    path = next(line.split()[2] for line in lines if line.startswith("The recording /"))
    assert Path(path).stat().st_size > 100_000
    assert left_behind(tmp_path) == []


@pytest.mark.timeout(120)
def test_an_interrupt_stops_everything(tmp_path: Path) -> None:
    """Ctrl-C at any time: 130, no process and no file stays."""
    process = start(tmp_path)
    assert process.stdout is not None
    seen = ""
    while "the call is answered" not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 130, seen + rest
    assert "everything has been stopped" in rest.splitlines()[-1]
    deadline = time.monotonic() + 2
    while left_behind(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left_behind(tmp_path) == []
