"""Fuzzing guided by coverage (atheris), where it fits: readers that are all Python. `python -m tests.fuzz.guided SECONDS [TARGET]`.

Without a target all have their turn, each in a process of its own. Exit status 1 when something was found; the input that shows it
stands in `crash-…` in the folder that is printed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support.figures import figure

ROOT = Path(__file__).parents[2]


def sdp() -> tuple[Callable[[bytes], None], list[bytes]]:
    """Offers."""
    from tests.fuzz.test_signalling import OFFERS, answered

    def check(data: bytes) -> None:
        answered(data.decode("utf-8", "replace"))

    return check, OFFERS


def documents(dialect: str, kind: str) -> tuple[Callable[[bytes], None], list[bytes]]:
    """Documents of a dialect."""
    from tests.fuzz.test_documents import seeds, survives

    from hubbub.verbs.model import Stage

    def check(data: bytes) -> None:
        survives(dialect, data, kind, Stage.CALL)

    return check, seeds(dialect)


def digest() -> tuple[Callable[[bytes], None], list[bytes]]:
    """Credentials and challenges."""
    from hubbub.sip.digest import DigestServer, parse

    keeper = DigestServer("hubbub", b"s" * 32)

    def check(data: bytes) -> None:
        found = parse("Digest " + data.decode("utf-8", "surrogateescape"))
        if found is not None:
            keeper.judge(found, password="x", method="REGISTER", body="", now=0.0)

    return check, [b'username="a", realm="hubbub", nonce="n", uri="sip:x", response="r", nc=00000001, cnonce="c", qop=auth']


TARGETS: dict[str, Callable[[], tuple[Callable[[bytes], None], list[bytes]]]] = {
    "sdp": sdp,
    "digest": digest,
    "twiml": lambda: documents("twiml", "text/xml"),
    "bxml": lambda: documents("bxml", "text/xml"),
    "swml": lambda: documents("swml", "application/json"),
    "yaml": lambda: documents("swml", "application/yaml"),
}


def one(name: str, seconds: int) -> None:
    """Fuzz one target; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["hubbub"]):
        check, seeds = TARGETS[name]()
    folder = Path(tempfile.mkdtemp(prefix=f"hubbub-fuzz-{name}-"))
    (folder / "seeds").mkdir()
    for number, data in enumerate(seeds):
        (folder / "seeds" / str(number)).write_bytes(data)
    print(f"{name}: what is found is put into {folder}", flush=True)
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={folder}/",
        "-max_len=4096",
        "-timeout=20",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder / "seeds")], check)
    atheris.Fuzz()


def apart(name: str, seconds: int) -> int:
    """Fuzz one target in a process of its own; its exit status."""
    command = [sys.executable, "-m", "tests.fuzz.guided", str(seconds), name, "here"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    tried = [line.split()[-1] for line in said.splitlines() if line.startswith("stat::number_of_executed_units")]
    figure(f"{name}, {seconds} s", f"{tried[0] if tried else '?'} cases, status {done.returncode}")
    if done.returncode:
        print(said[-3000:], flush=True)
    return done.returncode


def main(arguments: list[str]) -> int:
    """All targets, one after the other, or one."""
    seconds = int(float(arguments[0])) if arguments else 60
    if len(arguments) > 2:
        one(arguments[1], seconds)
        return 0
    names = arguments[1:] or list(TARGETS)
    return max(apart(name, seconds) for name in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
