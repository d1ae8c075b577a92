"""`python -m hubbub.docs [FOLDER]` writes the pages; with `--check` it only says which are stale, and exits 1 if any is."""

from __future__ import annotations

import sys
from pathlib import Path

from hubbub.docs.pages import stale, write


def main(arguments: list[str]) -> int:
    """Write or check. Exit code."""
    check = "--check" in arguments
    folder = Path(next((argument for argument in arguments if not argument.startswith("-")), "docs"))
    names = stale(folder) if check else write(folder)
    for name in names:
        print(f"{folder / name}: {'stale' if check else 'written'}")
    return 1 if check and names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
