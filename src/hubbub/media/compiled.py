"""How the loop is compiled: one decorator, and a cache folder that is named by everything that the code depends on."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

ENTRY = "loop"
"""The one kernel that the media process calls."""

SOURCES = (
    "counters", "messages", "layout", "block", "compiled", "libc", "rings", "g711", "g722", "libopus", "opus", "libsrtp", "srtp",
    "codecs", "rows", "resample", "signals", "desk", "levels", "agc", "fourier", "suppressor", "conceal", "jitter", "rtp", "dtmf", "mix",
    "framing", "players", "taps", "sockets", "ahead", "lanes", "together", "commands", "takeover", "tick",
)  # fmt: skip
"""Modules that the compiled loop is made of.

The compiler does not notice a changed callee in another module, so all of them name the cache."""


def _processor() -> str:
    """The processor's model and abilities: machine code for one may be illegal on another."""
    wanted = ("model name", "flags", "CPU part", "CPU implementer", "Features")
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(line for line in lines if line.split("\t")[0].strip(" :") in wanted)


def _release(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def let_python_call() -> None:
    """From now on, compile each kernel so that Python can call it (tests and benches do; the media process calls `loop` alone)."""
    global _from_python
    _from_python = True


_from_python = False


@cache
def cache_folder(from_python: bool = False) -> Path:
    """Where machine code of exactly these sources, this compiler and this processor is kept; writable, created on demand."""
    digest = hashlib.sha256()
    for name in SOURCES:
        source = Path(__file__).resolve().with_name(f"{name}.py")
        digest.update(source.read_bytes())
    # A checked build (CI runs the fuzzers with bounds checks) must not meet the production code.
    for part in (
        _release("numba"),
        _release("llvmlite"),
        _release("numpy"),
        platform.python_version(),
        _processor(),
        os.environ.get("NUMBA_BOUNDSCHECK", ""),
        "callable" if from_python else "",
    ):
        digest.update(part.encode() + b"\0")
    name = digest.hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    for base in (Path(home) / "hubbub", Path(tempfile.gettempdir()) / f"hubbub-{os.getuid()}"):
        folder = base / "engine" / name
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
            return folder
    return Path(tempfile.mkdtemp(prefix="hubbub-engine-"))


class ByContent:
    """Where a kernel's machine code is kept: in a folder named by all that it depends on, wherever and however old its file is.

    The compiler's own way goes by path and time: each checkout, and each change of branch, would compile everything anew.
    """

    @classmethod
    def from_function(cls, _function: Callable[..., Any], path: str) -> ByContent | None:
        """A locator for functions of the engine; None for others."""
        own = Path(path).resolve()
        return cls() if own.parent == Path(__file__).resolve().parent and own.stem in SOURCES else None

    def __init__(self) -> None:
        self._folder = cache_folder(_from_python)

    def ensure_cache_path(self) -> None:
        """The folder is there already."""

    def get_cache_path(self) -> str:
        """Where."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """What an entry must have been made from."""
        return self._folder.name

    def get_disambiguator(self) -> str:
        """What tells functions of one name apart; those of the engine have names of their own."""
        return "kernel"


LOCATORS = f"{__name__}.ByContent,UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator"
"""Ours first; whoever else uses the compiler in this process keeps its own ways."""


def kernel(function: F) -> F:
    """Compile `function` without the GIL and keep the machine code.

    With NUMBA_DISABLE_JIT=1 it stays plain Python (for a debugger). Division follows numpy: no exception paths in the loop. `_nrt=False`
    leaves out the compiler's memory manager: nothing can be allocated, and no array argument is counted (measured: a third of the time).
    """
    import numba

    numba.config.CACHE_LOCATOR_CLASSES = LOCATORS
    # What nobody calls from Python needs no way in (measured: a fifth of the time).
    inner = not _from_python and function.__name__ != ENTRY
    compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False, no_cpython_wrapper=inner, no_cfunc_wrapper=inner)(
        function
    )
    if isinstance(compiled, numba.core.dispatcher.Dispatcher):
        _compile_once(compiled)
    return cast(F, compiled)


def _compile_once(dispatcher: Any) -> None:
    """Let calls with literal numbers share one compilation; the optimizer still sees them where it inlines."""
    import numba

    template = dispatcher.get_call_template

    def general(arguments: Any, keywords: Any) -> Any:
        plain = tuple(numba.types.unliteral(argument) for argument in arguments)
        return template(plain, {name: numba.types.unliteral(value) for name, value in keywords.items()})

    dispatcher.get_call_template = general
