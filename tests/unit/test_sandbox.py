"""JavaScript in a process of its own: what it gives, and what ends it."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator

import pytest

from hubbub.sandbox import process
from hubbub.sandbox.process import INTERRUPTED, Sandbox, SandboxFailed

SECONDS = 0.075


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox()
    yield made
    made.close()


def test_values_and_names(sandbox: Sandbox) -> None:
    """Texts and truths come back; whatever else has no value here. Nothing is left of the request before."""
    assert sandbox.evaluate("a + b.c", {"a": "x", "b": {"c": "é"}}, SECONDS) == "xé"
    assert sandbox.evaluate("typeof a === 'undefined'", {}, SECONDS) is True
    assert sandbox.evaluate("({})", {}, SECONDS) is None


@pytest.mark.parametrize("text", ["nothing", "1 +", "throw new Error('no')", "'x'.repeat(2 << 20)", "new Array(1e9).fill(1).join()"])
def test_errors_leave_the_process_alone(sandbox: Sandbox, text: str) -> None:
    """What cannot be evaluated says so, and the same process answers the next request."""
    sandbox.evaluate("'x'", {}, SECONDS)
    before = sandbox._child.process
    with pytest.raises(SandboxFailed):
        sandbox.evaluate(text, {}, SECONDS)
    assert sandbox.evaluate("'x'", {}, SECONDS) == "x"
    assert sandbox._child.process is before


@pytest.mark.parametrize(
    "text",
    [
        "for (;;) {}",
        "'a'.repeat(8e5).indexOf('a'.repeat(4e5) + 'b') + ''",
        "String(9n ** 1000000n)",
        "new Array(4294967295).indexOf(1) + ''",
    ],
)
def test_no_expression_takes_longer_than_it_may(sandbox: Sandbox, text: str) -> None:
    """ "<= 150 ms": by the engine's clock, and by the timer of the process where a built-in function never looks at that."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(SandboxFailed):
        sandbox.evaluate(text, {}, SECONDS)
    assert sandbox.evaluate("'x'", {}, SECONDS) == "x", "the next one finds a process"
    sandbox.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0, "CPU time of both processes, with their start"


def test_a_process_that_died_or_stands_still_is_replaced(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever kills it costs one request at most, and nobody waits for one that was stopped."""
    sandbox.evaluate("'x'", {}, SECONDS)
    assert sandbox._child.process is not None
    sandbox._child.process.kill()
    sandbox._child.process.wait()
    assert sandbox.evaluate("'x'", {}, SECONDS) == "x"
    for names in ({}, {"long": "x" * (1 << 20)}):  # it does not answer, and it does not read either
        assert sandbox._child.process is not None
        os.kill(sandbox._child.process.pid, signal.SIGSTOP)
        monkeypatch.setattr(process, "WALL_SECONDS", 0.05)
        with pytest.raises(SandboxFailed, match=INTERRUPTED):
            sandbox.evaluate("'x'", names, SECONDS)
        monkeypatch.undo()
        assert sandbox.evaluate("'x'", names, SECONDS) == "x"


def test_a_server_with_thousands_of_files_asks_too(sandbox: Sandbox) -> None:
    """Descriptors beyond 1023 are more than `select` can wait for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        assert sandbox.evaluate("'x'", {}, SECONDS) == "x"
        assert sandbox._child.process is not None
        assert sandbox._child.process.stdout is not None
        assert sandbox._child.process.stdout.fileno() > 1023
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
