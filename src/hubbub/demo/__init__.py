"""`hubbub demo`: a server, a sample application, and callers who really call, speak and say what they hear.

Everything that is claimed is checked, mostly in the audio that each caller's phone received. See `docs/demo.md`.
"""

from __future__ import annotations


def run_demo(*, keep: bool = False) -> int:
    """Play the demo. Returns 0 when every check held, 1 otherwise, 130 when it was interrupted."""
    from hubbub.demo.run import run

    return run(keep=keep)
