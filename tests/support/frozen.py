"""Files that really may not be written, by what this machine allows: permissions, or for root, whom they do not stop, `chattr +i`."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def frozen(folder: Path, pattern: str) -> Iterator[None]:
    """The files of a folder that fit a pattern, and the folder itself, may be read only; pytest.skip where nothing can bring that about."""
    held = [*folder.glob(pattern), folder]
    assert len(held) > 1, f"nothing to freeze in {folder}"
    modes = {path: path.stat().st_mode for path in held}
    with contextlib.ExitStack() as undo:
        for path in held:
            path.chmod(modes[path] & ~0o222)
            undo.callback(path.chmod, modes[path])
        if any(os.access(path, os.W_OK) for path in held):
            undo.callback(subprocess.run, ["chattr", "-i", *held], check=False)
            done = subprocess.run(["chattr", "+i", *held], capture_output=True, text=True, check=False)
            if any(os.access(path, os.W_OK) for path in held):
                pytest.skip(f"root may write everything here, and chattr +i does not work: {done.stderr.strip()}")
        yield


def thaw(folder: Path) -> None:
    """After a process that may have died with files frozen: they could not even be removed."""
    if os.geteuid() == 0:
        subprocess.run(["chattr", "-R", "-i", str(folder)], capture_output=True, check=False)


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A folder is a disk of its own that is soon full; pytest.skip where nothing may be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "hubbub-test", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
