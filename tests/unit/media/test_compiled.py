"""The cache of machine code is named by everything that it depends on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hubbub.media
from hubbub.media import compiled

FOLDER = Path(hubbub.media.__file__).parent


def test_every_compiled_module_names_the_cache() -> None:
    """The compiler does not notice a changed callee in another module: an unlisted module would run stale code."""
    uses = {path.stem for path in FOLDER.glob("*.py") if "@kernel" in path.read_text()}
    assert uses <= set(compiled.SOURCES)
    imported = set()
    for name in compiled.SOURCES:
        for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hubbub.media."):
                imported.add(node.module.rsplit(".", 1)[1])
    assert imported <= set(compiled.SOURCES)


def test_the_folder_is_writable_and_changes_with_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folders = set()
    for checked in ("0", "1"):
        monkeypatch.setenv("NUMBA_BOUNDSCHECK", checked)
        compiled.cache_folder.cache_clear()
        folders.add(compiled.cache_folder())
    assert len(folders) == 2
    assert all(folder.is_relative_to(tmp_path) and folder.is_dir() for folder in folders)
    monkeypatch.setattr(Path, "mkdir", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("read-only")))
    compiled.cache_folder.cache_clear()
    assert compiled.cache_folder().is_dir(), "a temporary folder when nothing else can be written"
    monkeypatch.undo()
    compiled.cache_folder.cache_clear()


def test_the_server_never_loads_the_compiler() -> None:
    """70 MB and half a second that belong into the media processes."""
    import subprocess
    import sys

    code = "import hubbub.media.client, sys; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
